// Max pooling of channels-last maps [N, H, W, C] and its gradient, each in one pass over memory, with a ReLU if wanted.
// The forward pass remembers where in its window each maximum lies, in one byte; the backward pass then asks, for each
// input pixel, the few windows that hold it, so that nothing is zeroed first and threads never write to one place.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

namespace {

// Sixteen channels at a time; the compiler splits these where the machine's vectors are shorter.
constexpr int64_t WIDTH = 16;
typedef float Floats __attribute__((vector_size(4 * WIDTH)));
typedef int32_t Numbers __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t Bits __attribute__((vector_size(4 * WIDTH)));
typedef uint16_t Halves __attribute__((vector_size(2 * WIDTH)));
typedef uint8_t Bytes __attribute__((vector_size(WIDTH)));

struct bfloat16 {
    uint16_t bits;
};

template <class V, class T>
inline V read(const T* from, int64_t count) {
    V result = {};
    std::memcpy(&result, from, count == WIDTH ? sizeof result : count * sizeof(T));
    return result;
}

template <class V, class T>
inline void write(V value, T* to, int64_t count) {
    std::memcpy(to, &value, count == WIDTH ? sizeof value : count * sizeof(T));
}

inline Floats load(const float* from, int64_t count) { return read<Floats>(from, count); }

inline Floats load(const bfloat16* from, int64_t count) {
    return (Floats)(__builtin_convertvector(read<Halves>(from, count), Bits) << 16);
}

inline void store(Floats value, float* to, int64_t count) { write(value, to, count); }

inline void store(Floats value, bfloat16* to, int64_t count) {  // to the nearest, ties to even; not-a-number stays one
    const Bits bits = (Bits)value, rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    const Bits chosen = value == value ? rounded : Bits{} + 0x7FC0;
    write(__builtin_convertvector(chosen, Halves), to, count);
}

struct Shape {
    int64_t images, channels, height, width, out_height, out_width, kernel, stride, padding;
    int64_t rectified;  // the maximum is over the window and 0: a ReLU before or behind the pool
};

constexpr int32_t NOWHERE = 255;  // the place of a maximum that is the 0 of `rectified`

// Where a window's rows (or columns) inside the map begin and end.
struct Span {
    int64_t first, last;
    Span(int64_t start, int64_t kernel, int64_t length)
        : first(std::max<int64_t>(0, -start)), last(std::min(kernel, length - start)) {}
};

// The first maximum of a window wins, and not-a-number wins over all, as in torch.
template <class T>
inline void largest(const T* x, T* y, uint8_t* where, const Shape& s, Span rows, Span columns, int64_t count) {
    Floats best = Floats{} - (s.rectified ? 0.0f : std::numeric_limits<float>::infinity());
    Numbers place = Numbers{} + (s.rectified ? NOWHERE : 0);
    for (int64_t i = rows.first; i < rows.last; i++)
        for (int64_t j = columns.first; j < columns.last; j++) {
            const Floats value = load(x + (i * s.width + j) * s.channels, count);
            const Numbers wins = (value > best) | (value != value);
            best = wins ? value : best;
            place = wins ? Numbers{} + int32_t(i * s.kernel + j) : place;
        }
    store(best, y, count);
    write(__builtin_convertvector(place, Bytes), where, count);
}

template <class T>
void forward(const T* x, T* y, uint8_t* where, Shape s, int threads) {
#pragma omp parallel for num_threads(threads)
    for (int64_t row = 0; row < s.images * s.out_height; row++) {
        const int64_t image = row / s.out_height, top = row % s.out_height * s.stride - s.padding;
        for (int64_t column = 0; column < s.out_width; column++) {
            const int64_t left = column * s.stride - s.padding, out = (row * s.out_width + column) * s.channels;
            const T* from = x + ((image * s.height + top) * s.width + left) * s.channels;
            const Span rows(top, s.kernel, s.height), columns(left, s.kernel, s.width);
            int64_t c = 0;
            for (; c + WIDTH <= s.channels; c += WIDTH)
                largest(from + c, y + out + c, where + out + c, s, rows, columns, WIDTH);
            if (c < s.channels) largest(from + c, y + out + c, where + out + c, s, rows, columns, s.channels - c);
        }
    }
}

constexpr int64_t WIDE = 64;  // channels that the loops below, which the compiler makes into vector code, take at once

inline float widen(float value) { return value; }

inline float widen(bfloat16 value) {
    const uint32_t bits = uint32_t(value.bits) << 16;
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

inline void narrow(float value, float& result) { result = value; }

inline void narrow(float value, bfloat16& result) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    result.bits = value == value ? (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 : 0x7FC0;
}

// The sum of the gradients of those windows whose maximum lay here.
template <int64_t known, class T>
inline void gathered(const T* __restrict g, const uint8_t* __restrict where, T* __restrict result, const Shape& s,
                     int64_t y, int64_t x, Span rows, Span columns, int64_t count) {
    float sum[WIDE] = {0};
    const int64_t used = known ? known : count;
    for (int64_t i = rows.first; i < rows.last; i++)
        for (int64_t j = columns.first; j < columns.last; j++) {
            const int64_t out = (i * s.out_width + j) * s.channels;
            const uint8_t here = uint8_t((y - i * s.stride) * s.kernel + x - j * s.stride);
            for (int64_t c = 0; c < used; c++) sum[c] += where[out + c] == here ? widen(g[out + c]) : 0.0f;
        }
    for (int64_t c = 0; c < used; c++) narrow(sum[c], result[c]);
}

// The windows that hold a place (counted with the padding), as a span of outputs.
inline Span holding(int64_t place, const Shape& s, int64_t outputs) {
    Span span(0, 0, 0);
    span.first = place < s.kernel ? 0 : (place - s.kernel) / s.stride + 1;
    span.last = std::min(outputs, place / s.stride + 1);
    return span;
}

template <class T>
void backward(const T* g, T* result, const uint8_t* where, Shape s, int threads) {
#pragma omp parallel for num_threads(threads)
    for (int64_t row = 0; row < s.images * s.height; row++) {
        const int64_t image = row / s.height * s.out_height * s.out_width * s.channels, y = row % s.height + s.padding;
        const Span rows = holding(y, s, s.out_height);
        for (int64_t column = 0; column < s.width; column++) {
            const int64_t x = column + s.padding, to = (row * s.width + column) * s.channels;
            const Span columns = holding(x, s, s.out_width);
            int64_t c = 0;
            for (; c + WIDE <= s.channels; c += WIDE)
                gathered<WIDE>(g + image + c, where + image + c, result + to + c, s, y, x, rows, columns, WIDE);
            if (c < s.channels)
                gathered<0>(g + image + c, where + image + c, result + to + c, s, y, x, rows, columns, s.channels - c);
        }
    }
}

}  // namespace

// `from` and `to` are x and y, or, with `gradient`, y's gradient and x's; shape is the ten numbers of Shape.
extern "C" void max_pool(const void* from, void* to, uint8_t* where, const int64_t* shape, int gradient, int is_short,
                         int threads) {
    Shape s;
    std::memcpy(&s, shape, sizeof s);
    if (is_short)
        gradient ? backward((const bfloat16*)from, (bfloat16*)to, where, s, threads)
                 : forward((const bfloat16*)from, (bfloat16*)to, where, s, threads);
    else
        gradient ? backward((const float*)from, (float*)to, where, s, threads)
                 : forward((const float*)from, (float*)to, where, s, threads);
}
