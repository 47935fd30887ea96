// Resizing with any filter that is a weighted sum along each axis, in integers: the same with every set of instructions.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "border.hpp"

namespace {

constexpr int BITS = 22;  // behind the point, in the weights

struct Axis {
    int64_t outer, from, inner, to;  // [outer, from, inner] becomes [outer, to, inner]
};

// Pixels `start` to `stop` of an axis; each is `taps` weights from its own first pixel on.
template <int known>
void resample_part(const uint8_t* from, uint8_t* to, const Axis& axis, int64_t start, int64_t stop, const int64_t* firsts,
                   const int32_t* weights, int64_t taps) {
    const int64_t inner = known ? known : axis.inner;
    std::vector<int32_t> sums(inner);
    for (int64_t outer = 0; outer < axis.outer; outer++)
        for (int64_t place = start; place < stop; place++) {
            const uint8_t* pixel = from + (outer * axis.from + firsts[place - start]) * inner;
            const int32_t* weight = weights + (place - start) * taps;
            int32_t* sum = sums.data();
            std::fill_n(sum, inner, 1 << (BITS - 1));
            for (int64_t tap = 0; tap < taps; tap++, pixel += inner)
                for (int64_t i = 0; i < inner; i++) sum[i] += weight[tap] * pixel[i];
            uint8_t* result = to + (outer * axis.to + place) * inner;
            for (int64_t i = 0; i < inner; i++) result[i] = std::clamp(sum[i] >> BITS, 0, 255);
        }
}

}  // namespace

// Pixels start to stop - 1 of the middle axis, from [outer, length, inner] to [outer, to_length, inner]: each is the sum of
// `taps` pixels from firsts[i] on, times weights [stop - start, taps], whose sizes sum to less than 2 << 22.
KERNEL const char* resample(const uint8_t* from, uint8_t* to, int64_t outer, int64_t length, int64_t inner,
                            int64_t to_length, int64_t start, int64_t stop, const int64_t* firsts, const int32_t* weights,
                            int64_t taps) {
    return guarded([&] {
        product_of({outer, length, inner}), product_of({outer, to_length, inner});
        require(0 <= start && start <= stop && stop <= to_length, "a part lies outside");
        require(taps >= 1 && taps <= length, "a filter is longer than its axis");
        for (int64_t i = 0; i < stop - start; i++) {
            require(firsts[i] >= 0 && firsts[i] <= length - taps, "a filter reaches beyond its axis");
            int64_t sum = 0;
            for (int64_t tap = 0; tap < taps; tap++) sum += std::abs(int64_t(weights[i * taps + tap]));
            require(sum < int64_t(2) << BITS, "weights are too large");
        }
        const Axis axis{outer, length, inner, to_length};
        (inner == 3 ? resample_part<3> : resample_part<0>)(from, to, axis, start, stop, firsts, weights, taps);
    });
}
