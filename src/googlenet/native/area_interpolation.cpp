// Shrinking by area: each output pixel is the mean over its own footprint. The values are those of OpenCV's INTER_AREA
// to the bit (its order of operations in float32; to be compiled without contraction), several times faster: a pixel's
// channels are one vector, and the sums along a row serve both output rows that it lies in.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "border.hpp"

namespace {

// A pixel's channels; the fourth is the next pixel's first, and what is stored of it is overwritten by that pixel.
typedef float Pixel __attribute__((vector_size(16), aligned(4), may_alias));

// What an output pixel takes from one axis: how much of each pixel from `first` on.
struct Footprint {
    int64_t first;
    std::vector<float> shares;
};

// OpenCV's: computed in double, and what is below a thousandth of a pixel is left out.
std::vector<Footprint> footprints(int64_t from, int64_t to) {
    const double scale = 1.0 / ((double)to / from);
    std::vector<Footprint> result(to);
    for (int64_t i = 0; i < to; i++) {
        const double start = i * scale, end = start + scale, length = std::min(scale, from - start);
        const int64_t last = std::min((int64_t)std::floor(end), from - 1);
        const int64_t whole = std::min((int64_t)std::ceil(start), last);
        Footprint& f = result[i];
        f.first = whole;
        if (whole - start > 1e-3) {
            f.first--;
            f.shares.push_back((whole - start) / length);
        }
        f.shares.insert(f.shares.end(), last - whole, 1.0 / length);
        if (end - last > 1e-3) f.shares.push_back(std::min(std::min(end - last, 1.0), length) / length);
    }
    return result;
}

// The sums along a row. All footprints are made as wide as the widest: what is added to one has no share.
class Columns {
    int64_t taps = 0;
    std::vector<const float*> starts;  // in the row, of each output pixel
    std::vector<float> shares;         // [taps, output pixels]
    std::vector<float> row;

  public:
    Columns(int64_t from, int64_t to) {
        const std::vector<Footprint> all = footprints(from, to);
        for (const Footprint& f : all) taps = std::max<int64_t>(taps, f.shares.size());
        row.resize(3 * (from + taps) + 1);
        shares.resize(taps * to);
        for (int64_t i = 0; i < to; i++) {
            starts.push_back(&row[3 * all[i].first]);
            for (size_t tap = 0; tap < all[i].shares.size(); tap++) shares[tap * to + i] = all[i].shares[tap];
        }
    }

    void sum(const uint8_t* pixels, int64_t count, float* sums) {
        std::copy(pixels, pixels + 3 * count, row.begin());
        taps == 1   ? sum_of<1>(sums)
        : taps == 2 ? sum_of<2>(sums)
        : taps == 3 ? sum_of<3>(sums)
                    : sum_of<0>(sums);
    }

  private:
    template <int known>
    void sum_of(float* sums) const {
        const int64_t width = starts.size(), count = known ? known : taps;
        const float* share = shares.data();
        for (int64_t i = 0; i < width; i++) {
            const float* at = starts[i];
            Pixel sum = *(const Pixel*)at * share[i];
            for (int64_t tap = 1; tap < count; tap++) sum += *(const Pixel*)(at + 3 * tap) * share[tap * width + i];
            *(Pixel*)(sums + 3 * i) = sum;
        }
    }
};

void shrink(const uint8_t* from, int64_t height, int64_t width, int64_t stride, uint8_t* to, int64_t to_height,
            int64_t to_width) {
    const int64_t length = 3 * to_width;
    Columns columns(width, to_width);
    std::vector<float> sums(length + 1), total(length);
    int64_t summed = -1;  // the row whose sums there are
    for (const Footprint& rows : footprints(height, to_height)) {
        std::fill(total.begin(), total.end(), 0.0f);
        for (size_t i = 0; i < rows.shares.size(); i++) {
            const int64_t row = rows.first + i;
            if (row != summed) columns.sum(from + row * stride, width, sums.data());
            summed = row;
            const float share = rows.shares[i];
            for (int64_t at = 0; at < length; at++) total[at] += sums[at] * share;
        }
        for (int64_t at = 0; at < length; at++) to[at] = (int32_t)std::nearbyint(total[at]);  // ties to even
        to += length;
    }
}

}  // namespace

// From [height, width, 3], `stride` bytes from row to row, to [to_height, to_width, 3], neither side larger.
KERNEL const char* shrink_by_area(const uint8_t* from, int64_t height, int64_t width, int64_t stride, uint8_t* to,
                                  int64_t to_height, int64_t to_width) {
    return guarded([&] {
        require(to_height >= 1 && to_height <= height && to_width >= 1 && to_width <= width, "each side may only shrink");
        require(stride >= product_of({3, width}), "a row is longer than what lies between two");
        product_of({stride, height});
        shrink(from, height, width, stride, to, to_height, to_width);
    });
}
