// Local response normalisation and its gradient, each in one pass over memory. Maps [channels, inner] are worked on in
// tiles that stay in the first cache: a piece of one map, or, with channels last (inner 1), some maps behind each other.
// Between maps lie zeros, so that the sum over neighbouring channels is the sum of a buffer and itself, moved.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "border.hpp"
#include "threads.hpp"

namespace local_response {

struct bfloat16 {
    uint16_t bits;
};

inline float widen(float value) { return value; }

inline float widen(bfloat16 value) {
    const uint32_t bits = uint32_t(value.bits) << 16;
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

inline void narrow(float value, float& result) { result = value; }

inline void narrow(float value, bfloat16& result) {  // to the nearest, ties to even; not-a-number stays one
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    result.bits = value == value ? (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 : 0x7FC0;
}

// The window of channel c is c - before ... c + after, cut to what can lie inside: sums stay, and buffers stay small.
struct Constants {
    int64_t before, after;
    float scale, beta, k;

    Constants(int64_t size, int64_t channels, float scale, float beta, float k)
        : before(std::min(size / 2, channels)), after(std::min((size - 1) / 2, channels)), scale(scale), beta(beta),
          k(k) {}

    int64_t size() const { return before + 1 + after; }
};

// What is known when this is compiled makes loops into straight vector code; 0 stands for "not known".
template <int known_size>
inline float window(const float* first, int64_t step, int64_t size) {
    float total = *first;
    for (int64_t j = 1; j < (known_size ? known_size : size); j++) total += first[j * step];
    return total;
}

// d^-1/4 by Newton's method, for floats within a unit or two in the last place: the processor's square roots and
// divisions are what takes longest otherwise. An infinite d counts as a large one.
inline float inverse_fourth_root(float d) {
    d = std::min(d, 1e30f);  // not-a-number stays
    uint32_t bits;
    std::memcpy(&bits, &d, sizeof bits);
    bits = 0x4F58CAE5 - (bits >> 2);  // a quarter of the exponent: right to 4 %
    float root;
    std::memcpy(&root, &bits, sizeof root);
    for (int step = 0; step < 3; step++) {
        const float square = root * root;
        root *= 1.25f - 0.25f * d * (square * square);
    }
    return root;
}

struct Powers {
    float power, inverse;  // d^-beta, d^-1
};

template <int quarters>
inline Powers powers(float d, float beta) {
    if (quarters == 3) {
        const float root = inverse_fourth_root(d), square = root * root;
        return {square * root, square * square};
    }
    return {quarters == 2 ? 1.0f / std::sqrt(d) : std::pow(d, -beta), 1.0f / d};
}

// The loops over a tile's elements.
template <int known_size, int quarters>
struct Loops {
    static void forward(const float* __restrict x, const float* __restrict squares, float* __restrict result,
                        int64_t length, int64_t step, Constants given) {
        for (int64_t i = 0; i < length; i++) {
            const float d = given.k + given.scale * window<known_size>(squares + i, step, given.size());
            result[i] = x[i] * powers<quarters>(d, given.beta).power;
        }
    }

    // direct = g * d^-beta, summands = direct * x / d
    static void summands(const float* __restrict x, const float* __restrict g, const float* __restrict squares,
                         float* __restrict direct, float* __restrict summands, int64_t length, int64_t step,
                         Constants given) {
        for (int64_t i = 0; i < length; i++) {
            const float d = given.k + given.scale * window<known_size>(squares + i, step, given.size());
            const Powers of_d = powers<quarters>(d, given.beta);
            direct[i] = g[i] * of_d.power;
            summands[i] = direct[i] * x[i] * of_d.inverse;
        }
    }

    static void backward(const float* __restrict x, const float* __restrict direct, const float* __restrict summands,
                         float* __restrict result, int64_t length, int64_t step, Constants given) {
        const float factor = 2.0f * given.scale * given.beta;
        for (int64_t i = 0; i < length; i++)
            result[i] = direct[i] - factor * x[i] * window<known_size>(summands + i, step, given.size());
    }
};

// What is computed; `rectified`: of the ReLU of x.
struct Task {
    const void *x, *g;  // g null: the forward pass
    void* result;
    int64_t outer, channels, inner;
    bool rectified;
};

// The buffers of one thread: `count` maps, of which `width` positions of the inner axis lie side by side.
template <class T, class Loops>
class Tile {
    const Task task;
    const Constants given;
    const int64_t count, width, own, before, after, pitch, length;
    std::vector<float> x, g, direct, result, squares, summands;

  public:
    Tile(const Task& task, int64_t count, int64_t width, Constants given)
        : task(task), given(given), count(count), width(width), own(task.channels * width),
          before(given.before * width), after(given.after * width), pitch(own + before + after),
          length(count * pitch), x(length), g(length), direct(length), result(length),
          squares(length + before + after), summands(length + before + after) {}

    // `start` is where the tile begins in memory; of its maps `maps` are there, and of its width `used`.
    void run(int64_t start, int64_t maps, int64_t used) {
        gather((const T*)task.x + start, maps, used, x.data());
        if (task.rectified)
            for (float& value : x) value = value < 0.0f ? 0.0f : value;  // not-a-number stays
        for (int64_t i = 0; i < length; i++) squares[before + i] = x[i] * x[i];
        if (task.g) {
            gather((const T*)task.g + start, maps, used, g.data());
            float* summand = summands.data() + after;  // `after` comes first: the window is mirrored
            Loops::summands(x.data(), g.data(), squares.data(), direct.data(), summand, length, width, given);
            for (int64_t map = 1; map <= count; map++)  // 0 * not-a-number is no zero
                std::fill(summand + map * pitch - before - after, summand + map * pitch, 0.0f);
            Loops::backward(x.data(), direct.data(), summands.data(), result.data(), length, width, given);
            if (task.rectified)
                for (int64_t i = 0; i < length; i++) result[i] = x[i] <= 0.0f ? 0.0f : result[i];
        } else {
            Loops::forward(x.data(), squares.data(), result.data(), length, width, given);
        }
        scatter(result.data(), maps, used, (T*)task.result + start);
    }

  private:
    void gather(const T* from, int64_t maps, int64_t used, float* to) const {
        each_row(maps, used, [&](int64_t at, int64_t in_tile, int64_t length) {
            const T* __restrict source = from + at;
            float* __restrict target = to + in_tile;
            for (int64_t i = 0; i < length; i++) target[i] = widen(source[i]);
        });
    }

    void scatter(const float* from, int64_t maps, int64_t used, T* to) const {
        each_row(maps, used, [&](int64_t at, int64_t in_tile, int64_t length) {
            const float* __restrict source = from + in_tile;
            T* __restrict target = to + at;
            for (int64_t i = 0; i < length; i++) narrow(source[i], target[i]);
        });
    }

    // What is contiguous both in memory and in the tile.
    template <class F>
    void each_row(int64_t maps, int64_t used, const F& f) const {
        const bool whole = task.inner == used;
        for (int64_t map = 0; map < maps; map++)
            for (int64_t row = 0; row < (whole ? 1 : task.channels); row++)
                f((map * task.channels + row) * task.inner, map * pitch + row * width, whole ? own : used);
    }
};

// Numbers of the maps in a tile: with more the buffers crowd the first cache, with fewer the loops begin too often.
constexpr int64_t AT_ONCE = 400;

template <class T, class Loops>
void run(const Task& task, Constants given, Team team) {
    if (task.outer * task.channels * task.inner == 0) return;
    const int64_t width = std::min<int64_t>(task.inner, 64), across = (task.inner + width - 1) / width;
    const int64_t count = task.inner > 1 ? 1 : std::max<int64_t>(1, AT_ONCE / (task.channels + given.size() - 1));
    const int64_t total = (task.outer + count - 1) / count * across;
    const int64_t block = std::max<int64_t>(1, (1 << 16) / (task.channels * width * count));  // a quarter of a megabyte
    parallel((total + block - 1) / block, team, [&](int64_t number) {
        Tile<T, Loops> tile(task, count, width, given);
        for (int64_t i = number * block; i < std::min((number + 1) * block, total); i++) {
            const int64_t column = i % across * width, map = i / across * count;
            tile.run(map * task.channels * task.inner + column, std::min(count, task.outer - map),
                     std::min(width, task.inner - column));
        }
    });
}

template <class T>
void choose(const Task& task, Constants given, Team team) {
    if (given.before == 2 && given.after == 2 && given.beta == 0.75f)
        run<T, Loops<5, 3>>(task, given, team);
    else if (given.beta == 0.5f)
        run<T, Loops<0, 2>>(task, given, team);
    else
        run<T, Loops<0, 0>>(task, given, team);
}

// Maps of float or bfloat16; `numbers` are there in each of x, g and result.
inline void normalise(const Task& task, int64_t numbers, int64_t size, float scale, float beta, float k, bool is_short,
                      Team team) {
    require(size >= 1, "a window has one channel or more");
    require(product_of({task.outer, task.channels, task.inner}) == numbers, "the shape is not that of the maps");
    const Constants given(size, task.channels, scale, beta, k);
    (is_short ? choose<bfloat16> : choose<float>)(task, given, team);
}

}  // namespace local_response
