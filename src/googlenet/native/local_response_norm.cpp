// Local response normalisation and its gradient, each in one pass over memory. A map [channels, inner] (channels-last:
// inner 1) is worked on in tiles that stay in the first cache; in a tile, the sum over neighbouring channels is the sum
// of a buffer and itself moved by multiples of the tile's width, with zeros beyond both ends.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

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

struct Constants {
    int64_t size;
    float scale, beta, k;
};

// What is known when this is compiled makes loops into straight vector code; 0 stands for "not known".
template <int known_size>
inline float window(const float* first, int64_t step, int64_t size) {
    float total = *first;
    for (int64_t j = 1; j < (known_size ? known_size : size); j++) total += first[j * step];
    return total;
}

template <int quarters>
inline float inverse_power(float d, float beta) {
    const float root = std::sqrt(d);
    if (quarters == 3) return 1.0f / (root * std::sqrt(root));
    return quarters == 2 ? 1.0f / root : std::pow(d, -beta);
}

// The loops over a tile's elements.
template <int known_size, int quarters>
struct Loops {
    static void forward(const float* __restrict x, const float* __restrict squares, float* __restrict result,
                        int64_t length, int64_t step, Constants given) {
        for (int64_t i = 0; i < length; i++) {
            const float d = given.k + given.scale * window<known_size>(squares + i, step, given.size);
            result[i] = x[i] * inverse_power<quarters>(d, given.beta);
        }
    }

    // direct = g * d^-beta, summands = direct * x / d
    static void summands(const float* __restrict x, const float* __restrict g, const float* __restrict squares,
                         float* __restrict direct, float* __restrict summands, int64_t length, int64_t step,
                         Constants given) {
        for (int64_t i = 0; i < length; i++) {
            const float d = given.k + given.scale * window<known_size>(squares + i, step, given.size);
            direct[i] = g[i] * inverse_power<quarters>(d, given.beta);
            summands[i] = direct[i] * x[i] / d;
        }
    }

    static void backward(const float* __restrict x, const float* __restrict direct, const float* __restrict summands,
                         float* __restrict result, int64_t length, int64_t step, Constants given) {
        const float factor = 2.0f * given.scale * given.beta;
        for (int64_t i = 0; i < length; i++)
            result[i] = direct[i] - factor * x[i] * window<known_size>(summands + i, step, given.size);
    }
};

// The buffers of one thread; `width` positions of the inner axis lie side by side.
template <class T, class Loops>
class Tile {
    const Constants given;
    const int64_t channels, width, length, before, after;
    std::vector<float> x, g, direct, result, squares, summands;

  public:
    Tile(int64_t channels, int64_t width, Constants given)
        : given(given), channels(channels), width(width), length(channels * width), before(given.size / 2 * width),
          after((given.size - 1) / 2 * width), x(length), g(length), direct(length), result(length),
          squares(length + before + after), summands(length + before + after) {}

    void run(const T* values, const T* gradient, T* target, int64_t inner, int64_t used) {
        gather(values, inner, used, x.data());
        square(x.data(), squares.data() + before);
        if (gradient) {
            gather(gradient, inner, used, g.data());
            Loops::summands(x.data(), g.data(), squares.data(), direct.data(), summands.data() + after, length, width,
                            given);  // `after` comes first: the window is mirrored
            Loops::backward(x.data(), direct.data(), summands.data(), result.data(), length, width, given);
        } else {
            Loops::forward(x.data(), squares.data(), result.data(), length, width, given);
        }
        scatter(result.data(), inner, used, target);
    }

  private:
    void gather(const T* __restrict from, int64_t inner, int64_t used, float* __restrict to) const {
        if (inner == used)
            for (int64_t i = 0; i < length; i++) to[i] = widen(from[i]);
        else
            for (int64_t c = 0; c < channels; c++)
                for (int64_t i = 0; i < used; i++) to[c * width + i] = widen(from[c * inner + i]);
    }

    void scatter(const float* __restrict from, int64_t inner, int64_t used, T* __restrict to) const {
        if (inner == used)
            for (int64_t i = 0; i < length; i++) narrow(from[i], to[i]);
        else
            for (int64_t c = 0; c < channels; c++)
                for (int64_t i = 0; i < used; i++) narrow(from[c * width + i], to[c * inner + i]);
    }

    void square(const float* __restrict x, float* __restrict result) const {
        for (int64_t i = 0; i < length; i++) result[i] = x[i] * x[i];
    }
};

template <class T, class Loops>
void run(const void* x, const void* g, void* result, const int64_t* shape, Constants given, int threads) {
    const int64_t outer = shape[0], channels = shape[1], inner = shape[2];
    if (outer * channels * inner == 0) return;
    const int64_t width = std::min<int64_t>(inner, 64), tiles = (inner + width - 1) / width, total = outer * tiles;
    const int64_t block = std::max<int64_t>(1, (1 << 16) / (channels * width));  // a quarter of a megabyte
    parallel((total + block - 1) / block, threads, [&](int64_t number) {
        Tile<T, Loops> tile(channels, width, given);
        for (int64_t i = number * block; i < std::min((number + 1) * block, total); i++) {
            const int64_t column = i % tiles * width, start = i / tiles * channels * inner + column;
            tile.run((const T*)x + start, g ? (const T*)g + start : nullptr, (T*)result + start, inner,
                     std::min(width, inner - column));
        }
    });
}

template <class T>
void choose(const void* x, const void* g, void* result, const int64_t* shape, Constants given, int threads) {
    if (given.size == 5 && given.beta == 0.75f)
        run<T, Loops<5, 3>>(x, g, result, shape, given, threads);
    else if (given.beta == 0.5f)
        run<T, Loops<0, 2>>(x, g, result, shape, given, threads);
    else
        run<T, Loops<0, 0>>(x, g, result, shape, given, threads);
}

}  // namespace local_response

// x, g (null: the forward pass) and result are [outer, channels, inner] in float or, with `is_short`, bfloat16.
extern "C" void local_response_norm(const void* x, const void* g, void* result, const int64_t* shape, int64_t size,
                                    float scale, float beta, float k, int is_short, int threads) {
    using namespace local_response;
    (is_short ? choose<bfloat16> : choose<float>)(x, g, result, shape, Constants{size, scale, beta, k}, threads);
}
