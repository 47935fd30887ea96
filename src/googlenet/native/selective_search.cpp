// Selective Search (Uijlings et al., IJCV 2013): what is known of each pixel, and the grouping of regions.
//
// All of it is integer arithmetic but for similarities, which are quotients of integers that a double holds exactly, added
// in one order (to be compiled without contraction): with every set of instructions, and in Python where there are no
// kernels, the hierarchies are the same to the bit.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <queue>
#include <tuple>
#include <vector>

#include "planes.hpp"

namespace {

// ------------------------------------------------------------------------------------------------- features of pixels

constexpr int64_t COLOURS = 25, SLOPES = 10;  // bins
constexpr int64_t DIRECTIONS = 4;             // of slopes: to the right, down to the right, down, up to the right
constexpr int64_t PLANES = 3 + 3 * DIRECTIONS;
constexpr int32_t DIAGONAL = 46341;  // 65536 / sqrt(2)

// In which half-wave a slope lies and in which of its bins: 0 to 9, or 11 to 19 below zero.
inline uint8_t slope_code(int32_t slope, int32_t scale) {
    const int32_t bin = std::min<int32_t>(std::abs(slope) * scale >> 16, SLOPES - 1);
    return slope < 0 && bin ? bin + SLOPES : bin;
}

// The slopes of a plane in four directions, as codes [DIRECTIONS, pixels].
void describe_slopes(const uint8_t* plane, int64_t height, int64_t width, const int32_t* smooth, const int32_t* slope,
                     uint8_t* codes) {
    const int64_t pixels = height * width;
    std::vector<int16_t> rows(pixels), slopes[DIRECTIONS];
    for (auto& direction : slopes) direction.resize(pixels);
    auto& [across, falling, down, rising] = slopes;
    filter_rows(plane, height, width, slope, rows.data());
    filter_columns(rows.data(), height, width, smooth, across.data());
    filter_rows(plane, height, width, smooth, rows.data());
    filter_columns(rows.data(), height, width, slope, down.data());
    int32_t most = 1;
    for (int64_t i = 0; i < pixels; i++) {
        const int32_t x = across[i], y = down[i];
        falling[i] = (x + y) * DIAGONAL >> 16;
        rising[i] = (x - y) * DIAGONAL >> 16;
    }
    for (const auto& direction : slopes)
        for (const int16_t value : direction) most = std::max(most, std::abs(int32_t(value)));
    const int32_t scale = (SLOPES << 16) / most;
    for (const auto& direction : slopes) {
        for (int64_t i = 0; i < pixels; i++) codes[i] = slope_code(direction[i], scale);
        codes += pixels;
    }
}

// ------------------------------------------------------------------------------------------------------- grouping

constexpr int64_t COLOUR_BINS = 3 * COLOURS, TEXTURE_BINS = 3 * DIRECTIONS * 2 * SLOPES, BINS = COLOUR_BINS + TEXTURE_BINS;
constexpr int64_t COLOUR_SUM = 3, TEXTURE_SUM = 3 * DIRECTIONS * 2;  // counts of a pixel

enum Term { COLOUR = 1, TEXTURE = 2, SIZE = 4, FILL = 8 };

struct Box {
    int32_t x0, y0, x1, y1;

    void hold(const Box& other) {
        x0 = std::min(x0, other.x0), y0 = std::min(y0, other.y0);
        x1 = std::max(x1, other.x1), y1 = std::max(y1, other.y1);
    }
    int64_t area() const { return int64_t(x1 - x0) * (y1 - y0); }
};

// What is known of regions: histograms are counts, so that a union's is a sum.
struct Regions {
    std::vector<uint32_t> sizes;
    std::vector<int32_t> firsts;  // the first pixel in raster order
    std::vector<Box> boxes;
    std::vector<uint32_t> histograms;              // [regions, BINS]: colours, then both half-waves of each slope
    std::vector<std::vector<int32_t>> neighbours;  // ascending

    Regions(const uint8_t* codes, const int32_t* labels, int64_t height, int64_t width, int64_t count)
        : sizes(count), firsts(count), boxes(count), histograms(count * BINS), neighbours(count) {
        measure(labels, height, width);
        for (const uint32_t size : sizes) require(size, "a label has no pixel");
        describe(codes, labels, height * width);
        connect(labels, height, width);
    }

  private:
    void measure(const int32_t* labels, int64_t height, int64_t width) {
        for (int32_t y = 0; y < height; y++)
            for (int32_t x = 0; x < width; x++) {
                const int32_t pixel = y * width + x, label = labels[pixel];
                require(label >= 0 && label < int64_t(sizes.size()), "a label is out of range");
                const Box box{x, y, x + 1, y + 1};
                if (!sizes[label]++) firsts[label] = pixel, boxes[label] = box;
                boxes[label].hold(box);
            }
    }

    void describe(const uint8_t* codes, const int32_t* labels, int64_t pixels) {
        int64_t starts[PLANES];
        for (int64_t plane = 0; plane < PLANES; plane++) {
            starts[plane] = plane < 3 ? plane * COLOURS : COLOUR_BINS + (plane - 3) * 2 * SLOPES;
            const uint8_t largest = *std::max_element(codes + plane * pixels, codes + (plane + 1) * pixels);
            require(largest < (plane < 3 ? COLOURS : 2 * SLOPES), "a code is out of range");
        }
        for (int64_t pixel = 0; pixel < pixels; pixel++) {
            uint32_t* histogram = &histograms[labels[pixel] * BINS];
            for (int64_t plane = 0; plane < PLANES; plane++) histogram[starts[plane] + codes[plane * pixels + pixel]]++;
        }
        // A pixel was counted in one half-wave; in the other it is flat.
        for (size_t region = 0; region < sizes.size(); region++)
            for (int64_t start = COLOUR_BINS; start < BINS; start += SLOPES) {
                uint32_t* wave = &histograms[region * BINS + start];
                wave[0] = sizes[region];
                for (int64_t bin = 1; bin < SLOPES; bin++) wave[0] -= wave[bin];
            }
    }

    // Regions are neighbours where they touch across or down.
    void connect(const int32_t* labels, int64_t height, int64_t width) {
        const auto touch = [&](int32_t one, int32_t other) {
            if (one == other) return;
            if (neighbours[one].empty() || neighbours[one].back() != other) neighbours[one].push_back(other);
            if (neighbours[other].empty() || neighbours[other].back() != one) neighbours[other].push_back(one);
        };
        for (int64_t y = 0; y < height; y++)
            for (const int32_t* label = labels + y * width; label < labels + (y + 1) * width; label++) {
                if (label + 1 < labels + (y + 1) * width) touch(label[0], label[1]);
                if (y + 1 < height) touch(label[0], label[width]);
            }
        for (auto& list : neighbours) {
            std::sort(list.begin(), list.end());
            list.erase(std::unique(list.begin(), list.end()), list.end());
        }
    }
};

// The sum over bins of the lesser share, times both sizes.
inline int64_t shared(const uint32_t* one, uint32_t size, const uint32_t* other, uint32_t other_size, int64_t bins) {
    int64_t sum = 0;
    for (int64_t bin = 0; bin < bins; bin++)
        sum += std::min(int64_t(uint64_t(one[bin]) * other_size), int64_t(uint64_t(other[bin]) * size));
    return sum;
}

// Neighbours that may be joined: the most similar pair first, of equals the one that begins first in raster order.
struct Pair {
    double similarity;
    int32_t first, second;  // first pixels
    int32_t one, other;

    bool operator<(const Pair& pair) const {  // comes later
        return std::tie(similarity, pair.first, pair.second) < std::tie(pair.similarity, first, second);
    }
};

// One hierarchy. Region count + m is what the m-th merge made; its histogram lies where its first part's lay.
class Grouping {
    Regions r;
    const int64_t count, pixels;
    const int terms;
    std::vector<int32_t> rows;
    std::vector<bool> gone;
    std::priority_queue<Pair> queue;

    uint32_t* histogram(int32_t region) { return &r.histograms[rows[region] * BINS]; }

    double similarity(int32_t one, int32_t other) {
        const uint32_t size = r.sizes[one], other_size = r.sizes[other];
        const uint32_t *a = histogram(one), *b = histogram(other);
        const double product = double(int64_t(size) * other_size), whole = pixels;
        double sum = 0;
        if (terms & COLOUR) sum += shared(a, size, b, other_size, COLOUR_BINS) / (COLOUR_SUM * product);
        if (terms & TEXTURE)
            sum += shared(a + COLOUR_BINS, size, b + COLOUR_BINS, other_size, TEXTURE_BINS) / (TEXTURE_SUM * product);
        if (terms & SIZE) sum += 1 - (int64_t(size) + other_size) / whole;
        if (terms & FILL) {
            Box both = r.boxes[one];
            both.hold(r.boxes[other]);
            sum += 1 - (both.area() - size - other_size) / whole;
        }
        return sum;
    }

    void offer(int32_t one, int32_t other) {
        if (r.firsts[one] > r.firsts[other]) std::swap(one, other);
        queue.push({similarity(one, other), r.firsts[one], r.firsts[other], one, other});
    }

    Pair best() {
        while (gone[queue.top().one] || gone[queue.top().other]) queue.pop();
        const Pair found = queue.top();
        queue.pop();
        return found;
    }

    void merge(int32_t one, int32_t other) {
        const int32_t made = r.sizes.size();
        r.sizes.push_back(r.sizes[one] + r.sizes[other]);
        r.firsts.push_back(r.firsts[one]);
        r.boxes.push_back(r.boxes[one]);
        r.boxes[made].hold(r.boxes[other]);
        uint32_t *sum = histogram(one), *added = histogram(other);
        for (int64_t bin = 0; bin < BINS; bin++) sum[bin] += added[bin];
        rows.push_back(rows[one]);
        gone[one] = gone[other] = true;
        connect(made, one, other);
    }

    void connect(int32_t made, int32_t one, int32_t other) {
        std::vector<int32_t> joined, parts[2];
        parts[0].swap(r.neighbours[one]), parts[1].swap(r.neighbours[other]);
        std::set_union(parts[0].begin(), parts[0].end(), parts[1].begin(), parts[1].end(), std::back_inserter(joined));
        const auto is_part = [&](int32_t region) { return region == one || region == other; };
        joined.erase(std::remove_if(joined.begin(), joined.end(), is_part), joined.end());
        for (const int32_t neighbour : joined) {
            std::vector<int32_t>& list = r.neighbours[neighbour];
            list.erase(std::remove_if(list.begin(), list.end(), is_part), list.end());
            list.push_back(made);
            offer(made, neighbour);
        }
        r.neighbours.push_back(std::move(joined));
    }

  public:
    Grouping(const Regions& regions, int64_t pixels, int terms)
        : r(regions), count(regions.sizes.size()), pixels(pixels), terms(terms), rows(count), gone(2 * count) {
        for (int32_t region = 0; region < count; region++) rows[region] = region;
    }

    // Writes merges [count - 1, 2] and boxes [2 * count - 1, 4].
    void run(int32_t* merges, int32_t* boxes) {
        for (int32_t region = 0; region < count; region++)
            for (const int32_t neighbour : r.neighbours[region])
                if (region < neighbour) offer(region, neighbour);
        for (int64_t step = 0; step < count - 1; step++) {
            const Pair pair = best();
            merge(pair.one, pair.other);
            *merges++ = pair.one, *merges++ = pair.other;
        }
        std::memcpy(boxes, r.boxes.data(), r.boxes.size() * sizeof(Box));
    }
};

}  // namespace

// Of planes [3, height, width] to codes [15, height, width]: three of colours (0 to 24), and of each plane four of slopes.
KERNEL const char* describe_pixels(const uint8_t* planes, int64_t height, int64_t width, const int32_t* smooth,
                                   const int32_t* slope, uint8_t* codes) {
    return guarded([&] {
        const int64_t pixels = pixels_of(height, width);
        require_taps(smooth), require_taps(slope);
        for (int64_t i = 0; i < 3 * pixels; i++) codes[i] = planes[i] * COLOURS >> 8;
        codes += 3 * pixels;
        for (int64_t plane = 0; plane < 3; plane++, planes += pixels, codes += DIRECTIONS * pixels)
            describe_slopes(planes, height, width, smooth, slope, codes);
    });
}

// Of codes [15, height, width] and labels [height, width] below `regions`, each of which is there, to one hierarchy for
// each of `terms` (sums of Term): merges [count, regions - 1, 2] and boxes [count, 2 * regions - 1, 4].
KERNEL const char* group_regions(const uint8_t* codes, const int32_t* labels, int64_t height, int64_t width,
                                 int64_t regions, const int32_t* terms, int64_t count, int32_t* merges, int32_t* boxes) {
    return guarded([&] {
        const int64_t pixels = pixels_of(height, width);
        require(regions >= 1 && regions <= pixels, "there are more regions than pixels");
        const Regions described(codes, labels, height, width, regions);
        for (int64_t i = 0; i < count; i++) {
            require(terms[i] > 0 && terms[i] < 2 * FILL, "a similarity is not known");
            Grouping(described, pixels, terms[i]).run(merges + i * 2 * (regions - 1), boxes + i * 4 * (2 * regions - 1));
        }
    });
}
