// Planes [height, width], filtered in integers with 9 taps along each axis: what segmentation and description share.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "border.hpp"

constexpr int64_t MOST_PIXELS = int64_t(1) << 24;  // quotients of the similarities are then exact

inline int64_t pixels_of(int64_t height, int64_t width) {
    require(height >= 1 && width >= 1, "there is no pixel");
    require(product_of({height, width}) <= MOST_PIXELS, "there are too many pixels");
    return height * width;
}

constexpr int64_t RADIUS = 4, TAPS = 2 * RADIUS + 1;
constexpr int TAP_BITS = 12;           // behind the point, in the weights
constexpr int ROW_BITS = 7, BITS = 5;  // in a plane that was filtered along its rows, and then along its columns

template <class Number>
inline int32_t weighted(const Number* const* values, int64_t at, const int32_t* taps, int shift) {
    int32_t sum = 1 << (shift - 1);
    for (int64_t tap = 0; tap < TAPS; tap++) sum += taps[tap] * values[tap][at];
    return sum >> shift;
}

// Along the rows; beyond a border its pixel is repeated.
inline void filter_rows(const uint8_t* from, int64_t height, int64_t width, const int32_t* taps, int16_t* __restrict to) {
    std::vector<uint8_t> padded(width + 2 * RADIUS);
    const uint8_t* values[TAPS];
    for (int64_t tap = 0; tap < TAPS; tap++) values[tap] = padded.data() + tap;
    for (int64_t y = 0; y < height; y++, from += width, to += width) {
        std::fill_n(padded.begin(), RADIUS, from[0]);
        std::copy_n(from, width, padded.begin() + RADIUS);
        std::fill_n(padded.end() - RADIUS, RADIUS, from[width - 1]);
        for (int64_t x = 0; x < width; x++) to[x] = weighted(values, x, taps, TAP_BITS - ROW_BITS);
    }
}

inline void filter_columns(const int16_t* from, int64_t height, int64_t width, const int32_t* taps,
                           int16_t* __restrict to) {
    const int16_t* values[TAPS];
    for (int64_t y = 0; y < height; y++, to += width) {
        for (int64_t tap = 0; tap < TAPS; tap++)
            values[tap] = from + std::clamp<int64_t>(y + tap - RADIUS, 0, height - 1) * width;
        for (int64_t x = 0; x < width; x++) to[x] = weighted(values, x, taps, ROW_BITS + TAP_BITS - BITS);
    }
}

// Weights of no more than 1 together, so that whatever is filtered fits into 16 bits.
inline void require_taps(const int32_t* taps) {
    int64_t sum = 0;
    for (int64_t tap = 0; tap < TAPS; tap++) sum += std::abs(int64_t(taps[tap]));
    require(sum <= 1 << TAP_BITS, "a filter's weights are too large");
}
