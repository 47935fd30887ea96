// Graph segmentation (Felzenszwalb and Huttenlocher, IJCV 2004) in integers: a length is a whole 32nd of a grey level, so
// that edges are sorted by counting, and the same regions come of every set of instructions.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "planes.hpp"

namespace {

constexpr int32_t FARTHEST = 14133;  // of two colours: 255 * sqrt(3), in BITS
constexpr int DIRECTIONS = 4;        // right, down, down to the right, up to the right

// The edges between neighbours of a picture, the shortest first, equally long ones by pixel and direction.
class Graph {
    std::vector<uint16_t> lengths;  // [pixels, directions]; FARTHEST + 1 where there is no neighbour

    void measure(const int16_t* colours, int64_t height, int64_t width) {
        const int64_t pixels = height * width;
        lengths.assign(pixels * DIRECTIONS, FARTHEST + 1);
        std::vector<uint16_t> row(width);
        for (int64_t y = 0; y < height; y++)
            for (int direction = 0; direction < DIRECTIONS; direction++) {
                const int64_t down = direction == 0 ? 0 : direction == 3 ? -1 : 1;
                if (y + down < 0 || y + down >= height) continue;
                const int64_t count = width - (direction != 1), step = steps[direction];
                const int16_t* c = colours + y * width;
                for (int64_t x = 0; x < count; x++) {
                    int32_t squares = 0;
                    for (int64_t plane = 0; plane < 3; plane++) {
                        const int32_t difference = c[plane * pixels + x] - c[plane * pixels + x + step];
                        squares += difference * difference;
                    }
                    row[x] = int32_t(std::sqrt(double(squares)));  // rounded down
                }
                uint16_t* to = &lengths[y * width * DIRECTIONS + direction];
                for (int64_t x = 0; x < count; x++) to[x * DIRECTIONS] = row[x];
            }
    }

    void sort() {
        starts.assign(FARTHEST + 3, 0);
        for (const uint16_t length : lengths) starts[length + 1]++;
        for (size_t length = 1; length < starts.size(); length++) starts[length] += starts[length - 1];
        std::vector<uint32_t> next(starts);
        edges.resize(lengths.size());
        for (size_t edge = 0; edge < lengths.size(); edge++) edges[next[lengths[edge]]++] = edge;
    }

  public:
    int64_t pixels, steps[DIRECTIONS];
    std::vector<uint32_t> edges;   // pixel * DIRECTIONS + direction
    std::vector<uint32_t> starts;  // in `edges`, of each length

    Graph(const int16_t* colours, int64_t height, int64_t width)
        : pixels(height * width), steps{1, width, width + 1, 1 - width} {
        measure(colours, height, width);
        sort();
        std::vector<uint16_t>().swap(lengths);
    }

    int64_t begin(uint32_t edge) const { return edge / DIRECTIONS; }
    int64_t end(uint32_t edge) const { return edge / DIRECTIONS + steps[edge % DIRECTIONS]; }
};

// Regions as trees of pixels. A root knows its size and the longest edge that may join it.
class Forest {
    struct Root {
        int32_t size, limit;
    };
    std::vector<int32_t> parents;
    std::vector<Root> roots;  // of each pixel, while it is one

  public:
    explicit Forest(int64_t pixels, int32_t limit) : parents(pixels), roots(pixels, Root{1, limit}) {
        for (int64_t i = 0; i < pixels; i++) parents[i] = i;
    }

    int32_t root(int32_t pixel) {
        while (parents[pixel] != pixel) pixel = parents[pixel] = parents[parents[pixel]];
        return pixel;
    }

    Root& operator[](int32_t root) { return roots[root]; }

    int32_t join(int32_t one, int32_t other) {
        if (roots[one].size < roots[other].size) std::swap(one, other);
        parents[other] = one;
        roots[one].size += roots[other].size;
        return one;
    }
};

// Felzenszwalb and Huttenlocher's; `scale` is k and the least size of a region. Labels are in raster order; returns how
// many there are.
int64_t segment(const Graph& graph, int32_t scale, int32_t* labels) {
    const int32_t k = scale << BITS;
    Forest forest(graph.pixels, k);
    std::vector<uint32_t> between;  // regions that the first pass left apart
    for (int32_t length = 0; length <= FARTHEST; length++)
        for (uint32_t at = graph.starts[length]; at < graph.starts[length + 1]; at++) {
            const uint32_t edge = graph.edges[at];
            const int32_t one = forest.root(graph.begin(edge)), other = forest.root(graph.end(edge));
            if (one == other) continue;
            if (length <= forest[one].limit && length <= forest[other].limit) {
                const int32_t root = forest.join(one, other);
                forest[root].limit = length + k / forest[root].size;
            } else
                between.push_back(edge);
        }
    for (const uint32_t edge : between) {
        const int32_t one = forest.root(graph.begin(edge)), other = forest.root(graph.end(edge));
        if (one != other && (forest[one].size < scale || forest[other].size < scale)) forest.join(one, other);
    }
    std::vector<int32_t> numbers(graph.pixels, -1);
    int32_t count = 0;
    for (int64_t pixel = 0; pixel < graph.pixels; pixel++) {
        int32_t& number = numbers[forest.root(pixel)];
        if (number < 0) number = count++;
        labels[pixel] = number;
    }
    return count;
}

}  // namespace

// Of planes [3, height, width], smoothed with 9 taps, to labels [count, height, width], one map for each of `scales` (k,
// which is the least size too); `regions` takes how many labels each has.
KERNEL const char* segment_graph(const uint8_t* planes, int64_t height, int64_t width, const int32_t* smooth,
                                 const int32_t* scales, int64_t count, int32_t* labels, int64_t* regions) {
    return guarded([&] {
        const int64_t pixels = pixels_of(height, width);
        require_taps(smooth);
        int32_t sum = 0;
        for (int64_t tap = 0; tap < TAPS; tap++) sum += smooth[tap], require(smooth[tap] >= 0, "a weight is below 0");
        require(sum == 1 << TAP_BITS, "the weights do not sum to one");
        for (int64_t i = 0; i < count; i++) require(scales[i] >= 1 && scales[i] < 1 << 24, "a scale is out of range");
        std::vector<int16_t> rows(pixels), colours(3 * pixels);
        for (int64_t plane = 0; plane < 3; plane++) {
            filter_rows(planes + plane * pixels, height, width, smooth, rows.data());
            filter_columns(rows.data(), height, width, smooth, &colours[plane * pixels]);
        }
        const Graph graph(colours.data(), height, width);
        for (int64_t i = 0; i < count; i++) regions[i] = segment(graph, scales[i], labels + i * pixels);
    });
}
