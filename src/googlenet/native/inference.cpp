// What a GoogLeNet spends its time on, for channels-last float32 maps whose pixels may be parts of wider ones (so that
// branches write side by side into one map): convolution as a matrix product, with ReLU, bias and what makes the left
// matrix (nothing, the window's pixels, their maximum) in the same pass; 3x3 and 5x5 convolution by Winograd's minimal
// filtering on 6x6 tiles (Lavin and Gray, arXiv:1509.09308), 4 and 2.8 times fewer multiplications; max pooling.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#if !defined(_WIN32)
#include <unistd.h>
#endif

#include "border.hpp"
#include "local_response_norm.hpp"
#include "threads.hpp"

#if defined(__AVX512F__)
constexpr int width = 16, most_rows = 14;
#elif defined(__AVX__)
constexpr int width = 8, most_rows = 6;
#elif defined(__aarch64__)
constexpr int width = 4, most_rows = 12;
#else
constexpr int width = 4, most_rows = 5;
#endif
// A tile of the product is most_rows x two vectors: as many registers as there are, less those for the operands.

typedef float Vector __attribute__((vector_size(width * sizeof(float)), aligned(sizeof(float))));

// [images, height, width, channels]; `stride` floats lie between two pixels, and `length` may be touched from `data` on.
struct Source {
    const float* data;
    int64_t length, stride, channels, images, height, width;
};

struct Window {
    int64_t kernel, stride, top, left, height, width;  // the last two are the output's; kernel 0: adaptive
};

struct Target {
    float* data;
    int64_t length, stride, channels;
};

enum Kind : int64_t { CONVOLVE, POOLED_CONVOLVE, WINOGRAD, MAX_POOL, AVERAGE_POOL, NORMALISE };

// Weights are [tiles, depth, columns]: the channels of each target filled up to whole vectors, all of them to whole
// tiles; depth is in the order of the window's pixels, for WINOGRAD 36 points of each channel.
struct Step {
    int64_t kind;
    Source x;
    Window window;
    const float *weight, *bias;
    int64_t weights, biases;  // their numbers
    const Target* targets;
    int64_t count, relu, size;
    float scale, beta, k;
};

namespace {

constexpr int64_t columns = 2 * width;

inline Vector load(const float* from, int64_t lanes) {
    if (lanes >= width) return *(const Vector*)from;
    Vector result{};
    for (int64_t i = 0; i < lanes; i++) result[i] = from[i];
    return result;
}

inline void store(float* to, Vector value, int64_t lanes) {
    if (lanes >= width)
        *(Vector*)to = value;
    else
        for (int64_t i = 0; i < lanes; i++) to[i] = value[i];
}

// Not-a-number wins, as in torch: it must be seen in the end.
inline Vector greater(Vector a, Vector b) { return (a > b) | (a != a) ? a : b; }

inline Vector rectify(Vector value) { return value < 0.0f ? Vector{} : value; }

// The left matrix of a product: rows `stride` apart (they may overlap), each of `parts` runs of `run` floats that lie
// `advance` apart.
struct Left {
    const float* data;
    int64_t stride, parts, run, advance;

    int64_t depth() const { return parts * run; }
};

// Computes a[rows, depth] b[depth, columns] and hands each row's two vectors to `finish`.
template <int rows, class Finish>
void product(const Left& a, const float* __restrict b, const Finish& finish) {
    Vector sum[rows][2];
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = Vector{};
    const int64_t stride = a.stride;
    for (int64_t part = 0; part < a.parts; part++) {
        const float* __restrict run = a.data + part * a.advance;
        for (int64_t k = 0; k < a.run; k++, b += columns) {
            const Vector left = *(const Vector*)b, right = *(const Vector*)(b + width);
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) {
                const float value = run[i * stride + k];
                sum[i][0] += value * left;
                sum[i][1] += value * right;
            }
        }
    }
    for (int half = 0; half < 2; half++)
        for (int i = 0; i < rows; i++) finish(i, half, sum[i][half]);
}

template <class Finish>
using Product = void (*)(const Left&, const float*, const Finish&);

template <class Finish, int... rows>
constexpr std::array<Product<Finish>, sizeof...(rows)> all_products(std::integer_sequence<int, rows...>) {
    return {product<rows + 1, Finish>...};
}

template <class Finish>
void multiply(Left a, int64_t rows, const float* b, Finish finish) {
    static constexpr auto products = all_products<Finish>(std::make_integer_sequence<int, most_rows>());
    for (int64_t pieces = (rows + most_rows - 1) / most_rows; pieces > 0; pieces--) {
        const int64_t count = (rows + pieces - 1) / pieces;
        products[count - 1](a, b, finish);
        a.data += count * a.stride, rows -= count;
        finish.advance(count);
    }
}

// Keeps a product as it is.
struct Keep {
    float* to;

    void operator()(int row, int half, Vector value) const { *(Vector*)(to + row * columns + half * width) = value; }
    void advance(int64_t rows) { to += rows * columns; }
};

// Where one vector of output channels goes.
struct Column {
    float* data;
    int64_t stride, lanes;
};

std::vector<Column> spread(const Target* targets, int64_t count) {
    std::vector<Column> result;
    for (const Target* target = targets; target < targets + count; target++)
        for (int64_t c = 0; c < target->channels; c += width)
            result.push_back({target->data + c, target->stride, std::min<int64_t>(width, target->channels - c)});
    if (result.size() % 2) result.push_back({nullptr, 0, 0});
    return result;
}

float* scratch(int64_t floats) {
    static thread_local std::vector<float> memory;
    if ((int64_t)memory.size() < floats) memory.resize(floats);
    return memory.data();
}

// Adds the bias, takes the ReLU, and writes to where the channels go.
struct Write {
    Column to[2];
    const float* bias;
    bool relu;

    void operator()(int row, int half, Vector value) const {
        const Column& column = to[half];
        if (!column.lanes) return;
        value += *(const Vector*)(bias + half * width);
        store(column.data + row * column.stride, relu ? rectify(value) : value, column.lanes);
    }
    void advance(int64_t rows) {
        for (Column& column : to) column.data += rows * column.stride;
    }
};

// What may lie in a core's second cache beside all else.
int64_t cache_size() {
#ifdef _SC_LEVEL2_CACHE_SIZE
    static const int64_t found = sysconf(_SC_LEVEL2_CACHE_SIZE);
#else
    static const int64_t found = 0;
#endif
    return (found > 0 ? found : 512 << 10) / 4 * 3;
}

// How a piece of work is cut: `blocks` along the rows; where those are too few for the threads, also along the columns.
struct Cut {
    int64_t blocks, parts, tiles;

    Cut(int64_t rows, int64_t block, int64_t tiles, Team team) : blocks((rows + block - 1) / block), tiles(tiles) {
        const int64_t wanted = 2 * std::max(team.threads, 1);
        parts = blocks >= wanted ? 1 : std::min(tiles, (wanted + blocks - 1) / blocks);
    }
    int64_t first(int64_t task) const { return task % parts * tiles / parts; }
    int64_t last(int64_t task) const { return (task % parts + 1) * tiles / parts; }
};

// The pixels of one window, one behind the other, zeros outside.
void copy_window(const Source& x, const Window& window, const float* image, int64_t row, int64_t column, float* to) {
    const int64_t x0 = column * window.stride - window.left;
    for (int64_t ky = 0; ky < window.kernel; ky++) {
        const int64_t y = row * window.stride - window.top + ky;
        for (int64_t kx = 0; kx < window.kernel; kx++, to += x.channels) {
            const float* from = image + (y * x.width + x0 + kx) * x.stride;
            if (y >= 0 && y < x.height && x0 + kx >= 0 && x0 + kx < x.width)
                std::copy(from, from + x.channels, to);
            else
                std::fill(to, to + x.channels, 0.0f);
        }
    }
}

// Copies the windows of `rows` output pixels from number `first` on.
void gather_windows(const Source& x, const Window& window, int64_t first, int64_t rows, float* to) {
    for (int64_t pixel = first; pixel < first + rows; pixel++, to += window.kernel * window.kernel * x.channels) {
        const int64_t line = pixel / window.width, image = line / window.height;
        copy_window(x, window, x.data + image * x.height * x.width * x.stride, line % window.height,
                    pixel % window.width, to);
    }
}

// The greatest of `number` runs of `count` floats that begin `step` apart.
inline void greatest(const float* first, int64_t step, int64_t number, int64_t count, float* to) {
    for (int64_t c = 0; c < count; c += width) {
        Vector best = load(first + c, count - c);
        if (number == 3)
            best = greater(greater(best, load(first + step + c, count - c)), load(first + 2 * step + c, count - c));
        else
            for (int64_t i = 1; i < number; i++) best = greater(best, load(first + i * step + c, count - c));
        store(to + c, best, count - c);
    }
}

// The maxima over the windows of `rows` output pixels from number `first` on: first along the columns, then the rows.
void gather_maxima(const Source& x, const Window& window, int64_t first, int64_t rows, float* to, int64_t to_stride) {
    static thread_local std::vector<float> down;
    down.resize(x.width * x.channels);
    while (rows > 0) {
        const int64_t line = first / window.width, column = first % window.width;
        const int64_t count = std::min(rows, window.width - column);
        const int64_t y = line % window.height * window.stride - window.top;
        const int64_t top = std::max<int64_t>(y, 0), bottom = std::min(y + window.kernel, x.height);
        const auto begin = [&](int64_t i) { return std::max<int64_t>(i * window.stride - window.left, 0); };
        const auto end = [&](int64_t i) { return std::min(i * window.stride - window.left + window.kernel, x.width); };
        const float* from = x.data + (line / window.height * x.height + top) * x.width * x.stride;
        const int64_t left = begin(column), right = end(column + count - 1), step = x.width * x.stride;
        const int64_t runs = x.stride == x.channels ? 1 : right - left, run = (right - left) / runs * x.channels;
        for (int64_t i = 0; i < runs; i++)
            greatest(from + (left + i) * x.stride, step, bottom - top, run, &down[(left + i) * x.channels]);
        for (int64_t i = column; i < column + count; i++, to += to_stride)
            greatest(&down[begin(i) * x.channels], x.channels, end(i) - begin(i), x.channels, to);
        first += count, rows -= count;
    }
}

// The points of the transforms: 0, +-near, +-far and infinity. Fractions of the paper's +-1 and +-2 lose less: with
// these the error is half of theirs.
constexpr float near = 0.625f, far = 1.5f, near2 = near * near, far2 = far * far;

// One step of the input transform: six values along one axis.
inline void to_points(const Vector* d, int step, Vector* out) {
    const Vector d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    const Vector even = d4 - far2 * d2, odd = near * (d3 - far2 * d1);
    const Vector even2 = d4 - near2 * d2, odd2 = far * (d3 - near2 * d1);
    out[0] = near2 * far2 * d0 - (near2 + far2) * d2 + d4;
    out[step] = even + odd;
    out[2 * step] = even - odd;
    out[3 * step] = even2 + odd2;
    out[4 * step] = even2 - odd2;
    out[5 * step] = near2 * far2 * d1 - (near2 + far2) * d3 + d5;
}

// And of the output transform: from six values to `size` (4 for 3x3, 2 for 5x5).
template <int size>
inline void from_points(const Vector* m, int step, Vector* out, int out_step) {
    const Vector sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
    const Vector sum2 = m[3 * step] + m[4 * step], difference2 = m[3 * step] - m[4 * step];
    out[0] = m[0] + sum + sum2;
    out[out_step] = near * difference + far * difference2;
    if (size == 2) {
        out[out_step] += m[5 * step];
    } else {
        out[2 * out_step] = near2 * sum + far2 * sum2;
        out[3 * out_step] = near * near2 * difference + far * far2 * difference2 + m[5 * step];
    }
}

// Transforms the 6x6 pixels from (y0, x0) on; value e of channel c goes to to[e * plane + c].
void transform_input(const Source& x, const float* image, int64_t y0, int64_t x0, float* to, int64_t plane) {
    for (int64_t c = 0; c < x.channels; c += width) {
        const int64_t lanes = x.channels - c;
        Vector tile[36];
        for (int64_t i = 0; i < 36; i++) {
            const int64_t y = y0 + i / 6, column = x0 + i % 6;
            const bool inside = y >= 0 && y < x.height && column >= 0 && column < x.width;
            tile[i] = inside ? load(image + (y * x.width + column) * x.stride + c, lanes) : Vector{};
        }
        for (int i = 0; i < 6; i++) to_points(tile + i, 6, tile + i);
        for (int i = 0; i < 6; i++) to_points(tile + 6 * i, 1, tile + 6 * i);
        for (int64_t i = 0; i < 36; i++) store(to + i * plane + c, tile[i], lanes);
    }
}

struct Place {
    int64_t image, y, x;
};

// Transforms products[36, block, columns] of tile `number` back and writes what lies inside the output.
template <int size>
void transform_output(const float* products, int64_t plane, const Column* to, const float* bias, const Window& window,
                      Place place, bool relu) {
    for (int half = 0; half < 2; half++, to++) {
        if (!to->lanes) continue;
        Vector tile[36], narrow[6 * size], result[size * size];
        for (int64_t i = 0; i < 36; i++) tile[i] = *(const Vector*)(products + i * plane + half * width);
        for (int i = 0; i < 6; i++) from_points<size>(tile + i, 6, narrow + i, 6);
        for (int i = 0; i < size; i++) from_points<size>(narrow + 6 * i, 1, result + size * i, 1);
        const Vector add = *(const Vector*)(bias + half * width);
        for (int i = 0; i < size * size; i++) {
            const int64_t y = place.y + i / size, x = place.x + i % size;
            if (y >= window.height || x >= window.width) continue;
            const Vector value = result[i] + add;
            float* pixel = to->data + ((place.image * window.height + y) * window.width + x) * to->stride;
            store(pixel, relu ? rectify(value) : value, to->lanes);
        }
    }
}

// Stride 1; kernel 3 with output tiles of 4 x 4, kernel 5 with 2 x 2.
template <int size>
void winograd(const Step& step, Team team) {
    const Source& x = step.x;
    const Window& window = step.window;
    const std::vector<Column> to = spread(step.targets, 1);
    const int64_t down = (window.height + size - 1) / size, across = (window.width + size - 1) / size;
    const int64_t total = x.images * down * across, fitting = cache_size() / (36 * sizeof(float) * (x.channels + columns));
    const int64_t block = std::max<int64_t>(fitting / most_rows, 1) * most_rows;
    const Cut cut(total, block, to.size() / 2, team);
    parallel(cut.blocks * cut.parts, team, [&](int64_t task) {
        const int64_t first = task / cut.parts * block, count = std::min(block, total - first);
        float* const points = scratch(36 * count * (x.channels + columns));
        float* const products = points + 36 * count * x.channels;
        const auto place = [&](int64_t tile) {
            const int64_t line = (first + tile) / across;
            return Place{line / down, line % down * size, (first + tile) % across * size};
        };
        for (int64_t tile = 0; tile < count; tile++) {
            const Place at = place(tile);
            const float* image = x.data + at.image * x.height * x.width * x.stride;
            transform_input(x, image, at.y - window.top, at.x - window.left, points + tile * x.channels,
                            count * x.channels);
        }
        for (int64_t j = cut.first(task); j < cut.last(task); j++) {
            for (int64_t e = 0; e < 36; e++)
                multiply({points + e * count * x.channels, x.channels, 1, x.channels, 0}, count,
                         step.weight + (j * 36 + e) * x.channels * columns, Keep{products + e * count * columns});
            for (int64_t tile = 0; tile < count; tile++)
                transform_output<size>(products + tile * columns, count * columns, &to[2 * j], step.bias + j * columns,
                                       window, place(tile), step.relu);
        }
    });
}

// What is multiplied are the pixels themselves (kernel 1, stride 1), the window's, or (`pooled`) their maxima.
void convolve(const Step& step, bool pooled, Team team) {
    const Source& x = step.x;
    const Window& window = step.window;
    const std::vector<Column> to = spread(step.targets, step.count);
    const bool pixels = !pooled && window.kernel == 1 && window.stride == 1 && window.top == 0 && window.left == 0 &&
                        window.height == x.height && window.width == x.width;
    const bool inside = !pooled && x.stride == x.channels && window.top == 0 && window.left == 0 &&
                        (window.height - 1) * window.stride + window.kernel <= x.height &&
                        (window.width - 1) * window.stride + window.kernel <= x.width;
    const int64_t depth = pooled ? x.channels : x.channels * window.kernel * window.kernel;
    const int64_t rows = x.images * window.height * window.width;
    const int64_t unit = inside && !pixels ? window.width : most_rows;  // windows that overlap stay in their line
    const int64_t fitting = std::min<int64_t>(cache_size() / 2 / (depth * sizeof(float)), 16 * most_rows);
    const int64_t block = std::max<int64_t>(fitting / unit, 1) * unit;
    const Cut cut(rows, block, to.size() / 2, team);
    parallel(cut.blocks * cut.parts, team, [&](int64_t task) {
        const int64_t first = task / cut.parts * block, used = std::min(block, rows - first);
        float* const gathered = pixels || inside ? nullptr : scratch(block * depth);
        if (pooled)
            gather_maxima(x, window, first, used, gathered, depth);
        else if (gathered)
            gather_windows(x, window, first, used, gathered);
        for (int64_t j = cut.first(task); j < cut.last(task); j++) {
            const float* const b = step.weight + j * depth * columns;
            Write write{{to[2 * j], to[2 * j + 1]}, step.bias + j * columns, step.relu != 0};
            write.advance(first);
            if (gathered)
                multiply({gathered, depth, 1, depth, 0}, used, b, write);
            else if (pixels)
                multiply({x.data + first * x.stride, x.stride, 1, depth, 0}, used, b, write);
            else
                for (int64_t row = first; row < first + used; row += window.width, write.advance(window.width)) {
                    const int64_t line = row / window.width, image = line / window.height;
                    const int64_t y = image * x.height + line % window.height * window.stride;
                    const int64_t run = window.kernel * x.channels, advance = x.width * x.channels;
                    const Left a{x.data + y * advance, window.stride * x.channels, window.kernel, run, advance};
                    multiply(a, window.width, b, write);
                }
        }
    });
}

void max_pool(const Step& step, Team team) {
    const Window& window = step.window;
    const Target& to = *step.targets;
    parallel(step.x.images * window.height, team, [&](int64_t line) {
        const int64_t first = line * window.width;
        gather_maxima(step.x, window, first, window.width, to.data + first * to.stride, to.stride);
    });
}

// The mean over the pixels of each window that lie inside.
void average_pool(const Step& step, Team team) {
    const Source& x = step.x;
    const Window& window = step.window;
    const Target& to = *step.targets;
    const auto range = [&](int64_t i, int64_t before, int64_t outputs, int64_t inputs) {
        if (!window.kernel) return std::pair{i * inputs / outputs, ((i + 1) * inputs + outputs - 1) / outputs};
        const int64_t from = i * window.stride - before;
        return std::pair{std::max<int64_t>(from, 0), std::min(from + window.kernel, inputs)};
    };
    parallel(x.images * window.height, team, [&](int64_t line) {
        const auto [top, bottom] = range(line % window.height, window.top, window.height, x.height);
        const float* const image = x.data + line / window.height * x.height * x.width * x.stride;
        for (int64_t i = 0; i < window.width; i++) {
            const auto [left, right] = range(i, window.left, window.width, x.width);
            const float share = 1.0f / float((bottom - top) * (right - left));
            for (int64_t c = 0; c < x.channels; c += width) {
                Vector sum{};
                for (int64_t y = top; y < bottom; y++)
                    for (int64_t column = left; column < right; column++)
                        sum += load(image + (y * x.width + column) * x.stride + c, x.channels - c);
                store(to.data + (line * window.width + i) * to.stride + c, sum * share, x.channels - c);
            }
        }
    });
}

void normalise(const Step& step, Team team) {
    const Source& x = step.x;
    const int64_t pixels = x.images * x.height * x.width;
    const local_response::Task task{x.data, nullptr, step.targets->data, pixels, x.channels, 1, false};
    local_response::normalise(task, pixels * x.channels, step.size, step.scale, step.beta, step.k, false, team);
}

// Up to where maps of so many pixels reach: the last one has its channels alone.
int64_t extent(int64_t pixels, int64_t stride, int64_t channels) { return product_of({pixels - 1, stride}) + channels; }

void check(const Source& x) {
    require(x.images >= 1 && x.height >= 1 && x.width >= 1 && x.channels >= 1, "a map is empty");
    require(x.stride >= x.channels, "pixels lie over each other");
    require(extent(product_of({x.images, x.height, x.width}), x.stride, x.channels) <= x.length,
            "a map is larger than its memory");
}

void check(const Target& to, int64_t pixels) {
    require(to.channels >= 1 && to.stride >= to.channels, "pixels lie over each other");
    require(extent(pixels, to.stride, to.channels) <= to.length, "a map is larger than its memory");
}

// Whether each window holds a pixel, along one axis.
void check_windows(int64_t windows, int64_t kernel, int64_t stride, int64_t before, int64_t inputs) {
    require(before < kernel && product_of({windows - 1, stride}) - before < inputs, "a window lies outside the map");
}

void check(const Step& step) {
    const Source& x = step.x;
    const Window& window = step.window;
    constexpr int64_t most = int64_t(1) << 31;
    check(x);
    require(step.count >= 1 && step.count < most, "a step has no target");
    if (step.kind == NORMALISE) {
        check(*step.targets, x.images * x.height * x.width);
        require(step.count == 1 && step.targets->channels == x.channels && step.targets->stride == x.channels &&
                    x.stride == x.channels, "maps that are normalised lie without gaps");
        return;
    }
    require(window.height >= 1 && window.height < most && window.width >= 1 && window.width < most, "a map is empty");
    require(window.kernel >= 0 && window.kernel < most && window.stride >= 1 && window.stride < most && window.top >= 0 &&
                window.top < most && window.left >= 0 && window.left < most, "a window is out of range");
    int64_t vectors = 0;
    for (const Target* to = step.targets; to < step.targets + step.count; to++) {
        check(*to, product_of({x.images, window.height, window.width}));
        vectors += (to->channels + width - 1) / width;
    }
    const bool adaptive = step.kind == AVERAGE_POOL && window.kernel == 0;
    if ((step.kind == POOLED_CONVOLVE || step.kind == MAX_POOL || step.kind == AVERAGE_POOL) && !adaptive) {
        check_windows(window.height, window.kernel, window.stride, window.top, x.height);
        check_windows(window.width, window.kernel, window.stride, window.left, x.width);
    }
    if (step.kind == MAX_POOL || step.kind == AVERAGE_POOL) {
        require(step.count == 1 && step.targets->channels == x.channels, "a pool has as many channels as its map");
        return;
    }
    int64_t depth = x.channels;
    if (step.kind == WINOGRAD) {
        require(step.count == 1 && (window.kernel == 3 || window.kernel == 5) && window.stride == 1,
                "such a convolution is not one for minimal filtering");
        depth = product_of({36, x.channels});
    } else if (step.kind == CONVOLVE) {
        require(window.kernel >= 1, "a window is out of range");
        depth = product_of({x.channels, window.kernel, window.kernel});
    } else {
        require(step.kind == POOLED_CONVOLVE, "a step is of no known kind");
    }
    const int64_t tiles = (vectors + 1) / 2;
    require(step.weights == product_of({tiles, depth, columns}) && step.biases == tiles * columns,
            "weights and maps do not fit together");
}

// Reads [images, channels, height, width] pixels that lie anyhow (`strides`, in floats) into the middle of `map`, whose
// border is `top` and `left` wide, and takes the steps one after the other.
void run(const float* pixels, int64_t numbers, const int64_t* sizes, const int64_t* strides, const Source* map,
         int64_t top, int64_t left, const Step* steps, int64_t count, Team team) {
    check(*map);
    require(map->stride == map->channels && sizes[0] == map->images && sizes[1] == map->channels && top >= 0 &&
                left >= 0 && sizes[2] >= 1 && sizes[2] <= map->height - top && sizes[3] >= 1 &&
                sizes[3] <= map->width - left, "the pixels are not of the size that was planned for");
    int64_t reach = 1;
    for (int i = 0; i < 4; i++) reach += product_of({sizes[i] - 1, strides[i]});
    require(reach <= numbers, "there are fewer pixels than their shape says");
    for (const Step* step = steps; step < steps + count; step++) check(*step);
    const int64_t rows = sizes[2], across = sizes[3];
    parallel(map->images * rows, team, [&](int64_t line) {
        const int64_t image = line / rows, y = line % rows;
        const float* const from = pixels + image * strides[0] + y * strides[2];
        float* to = (float*)map->data + ((image * map->height + top + y) * map->width + left) * map->channels;
        for (int64_t x = 0; x < across; x++)
            for (int64_t c = 0; c < map->channels; c++) *to++ = from[c * strides[1] + x * strides[3]];
    });
    for (const Step* step = steps; step < steps + count; step++) switch (step->kind) {
            case CONVOLVE: convolve(*step, false, team); break;
            case POOLED_CONVOLVE: convolve(*step, true, team); break;
            case WINOGRAD: (step->window.kernel == 3 ? winograd<4> : winograd<2>)(*step, team); break;
            case MAX_POOL: max_pool(*step, team); break;
            case AVERAGE_POOL: average_pool(*step, team); break;
            case NORMALISE: normalise(*step, team); break;
        }
}

}  // namespace

// Weights and biases are laid out in vectors of so many numbers.
KERNEL int64_t vector_width() { return width; }

// `numbers` are there from `pixels` on.
KERNEL const char* run_plan(const float* pixels, int64_t numbers, const int64_t* sizes, const int64_t* strides,
                            const Source* map, int64_t top, int64_t left, const Step* steps, int64_t count, int threads) {
    return guarded([&] { run(pixels, numbers, sizes, strides, map, top, left, steps, count, Team{threads}); });
}
