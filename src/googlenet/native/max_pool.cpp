// Max pooling of channels-last maps [N, H, W, C] and its gradient, each in one pass over memory, with a ReLU if wanted.
//
// Forward: a window's maximum is that of its rows' maxima, and those serve every window that holds the row. Values are
// compared as integers in the same order, which for bfloat16 are half as wide as what it would be widened to. Where in
// its window each maximum lies is kept in one byte. Backward: each pixel asks the few windows that hold it, so that
// nothing is zeroed first and threads never write to one place.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "border.hpp"
#include "threads.hpp"

namespace {

// Vectors as long as the machine's: compilers take longer ones apart number by number.
#if defined(__AVX512BW__)
constexpr int64_t LENGTH = 64;
#elif defined(__AVX2__)
constexpr int64_t LENGTH = 32;
#else
constexpr int64_t LENGTH = 16;
#endif

template <class Number, int64_t length>
struct Typed {
    typedef Number Vector __attribute__((vector_size(length)));
};

template <class Number, int64_t length = LENGTH>
using Vector = typename Typed<Number, length>::Vector;

// As many bytes, or numbers of 16 bits, as a vector holds of Key.
template <class Key>
using Bytes = Vector<uint8_t, LENGTH / sizeof(Key)>;
template <class Key>
using Shorts = Vector<int16_t, LENGTH / sizeof(Key) * 2>;

template <class Key>
constexpr int64_t LANES = LENGTH / sizeof(Key);

typedef Vector<float> Floats;
typedef Vector<uint32_t> Bits;

template <class V, class T>
inline V load(const T* from, int64_t bytes = sizeof(V)) {
    V result = {};
    bytes == sizeof result ? std::memcpy(&result, from, sizeof result) : std::memcpy(&result, from, bytes);
    return result;
}

template <class V, class T>
inline void store(const V& value, T* to, int64_t bytes = sizeof(V)) {
    bytes == sizeof value ? std::memcpy(to, &value, sizeof value) : std::memcpy(to, &value, bytes);
}

// In two steps, since compilers make one of four times the width number by number.
template <class Key>
inline Vector<Key> widened(Bytes<Key> bytes) {
    return __builtin_convertvector(__builtin_convertvector(bytes, Shorts<Key>),
                                   Vector<Key>);
}

template <class Key>
inline Bytes<Key> narrowed(Vector<Key> places) {
    return __builtin_convertvector(__builtin_convertvector(places, Shorts<Key>),
                                   Bytes<Key>);
}

// f(start, count) for every block of `block` of `length` numbers; the last one overlaps the one before it.
template <class F>
inline void blocks(int64_t length, int64_t block, const F& f) {
    if (length < block) return f(0, length);
    for (int64_t start = 0; start < length; start += block) f(std::min(start, length - block), block);
}

struct Shape {
    int64_t images, channels, height, width, out_height, out_width, kernel, stride, padding;
    int64_t rectified;  // the maximum is over the window and 0: a ReLU before or behind the pool
};

constexpr int NOWHERE = 255;  // the place of a maximum that is the 0 of `rectified`

// Where a window's rows (or columns) inside the map begin and end.
struct Span {
    int64_t first, last;
    Span(int64_t start, int64_t kernel, int64_t length)
        : first(std::max<int64_t>(0, -start)), last(std::min(kernel, length - start)) {}
};

// Floating point numbers, given as their bits, and integers in the same order: -0 is 0, not-a-number above all others.
template <class Key>
constexpr Key LARGEST = std::numeric_limits<Key>::max();

template <class Key>
constexpr Key INFINITE = sizeof(Key) == 2 ? 0x7F80 : 0x7F800000;

template <class V, class Key>
inline V to_keys(V bits, Key) {
    const V negative = bits >> (8 * sizeof(Key) - 1), size = bits & LARGEST<Key>;
    return size > INFINITE<Key> ? V{} + LARGEST<Key> : (size ^ negative) - negative;
}

template <class V, class Key>
inline V from_keys(V keys, Key) {
    const V negative = keys >> (8 * sizeof(Key) - 1);
    return ((keys ^ negative) - negative) | (negative & std::numeric_limits<Key>::min());
}

// The largest so far and its place; the first of equals stays.
template <class V>
inline void take(V value, V where, V& best, V& place) {
    const V wins = value > best;
    best = wins ? value : best;
    place = wins ? where : place;
}

// The maxima of one row: over the kernel's columns, for each output column.
template <class Key>
void row_maxima(const Key* row, Key* keys, Key* best_out, Key* place_out, const Shape& s) {
    typedef Vector<Key> V;
    blocks(s.width * s.channels, LANES<Key>, [&](int64_t at, int64_t count) {
        store(to_keys(load<V>(row + at, count * sizeof(Key)), Key()), keys + at, count * sizeof(Key));
    });
    for (int64_t column = 0; column < s.out_width; column++) {
        const int64_t left = column * s.stride - s.padding, out = column * s.channels;
        const Span span(left, s.kernel, s.width);
        blocks(s.channels, LANES<Key>, [&](int64_t at, int64_t count) {
            const Key* from = keys + left * s.channels + at;
            V best = load<V>(from + span.first * s.channels, count * sizeof(Key)), place = V{} + Key(span.first);
            for (int64_t j = span.first + 1; j < span.last; j++)
                take(load<V>(from + j * s.channels, count * sizeof(Key)), V{} + Key(j), best, place);
            store(best, best_out + out + at, count * sizeof(Key));
            store(place, place_out + out + at, count * sizeof(Key));
        });
    }
}

constexpr int64_t ROWS = 16;  // of the output, that one thread makes at a time

// One piece of an image's output rows. Key is the integer as wide as the map's numbers.
template <class Key>
void forward(const Key* x, Key* y, uint8_t* where, const Shape& s, int64_t first, int64_t last) {
    typedef Vector<Key> V;
    const int64_t in_row = s.width * s.channels, out_row = s.out_width * s.channels;
    std::vector<Key> keys(in_row), best_rows(s.kernel * out_row), place_rows(s.kernel * out_row);  // by row % kernel
    const Key lowest = s.rectified ? 0 : std::numeric_limits<Key>::min();
    int64_t next = std::max<int64_t>(0, first * s.stride - s.padding);  // row that was not looked at
    for (int64_t row = first; row < last; row++) {
        const int64_t top = row * s.stride - s.padding;
        const Span span(top, s.kernel, s.height);
        for (next = std::max(next, top + span.first); next < top + span.last; next++) {
            const int64_t kept = next % s.kernel * out_row;
            row_maxima(x + next * in_row, keys.data(), &best_rows[kept], &place_rows[kept], s);
        }
        blocks(out_row, LANES<Key>, [&](int64_t at, int64_t count) {
            V best = V{} + lowest, place = V{} + Key(NOWHERE);
            for (int64_t i = span.first; i < span.last; i++) {
                const int64_t kept = (top + i) % s.kernel * out_row + at;
                const V column = load<V>(&place_rows[kept], count * sizeof(Key));
                take(load<V>(&best_rows[kept], count * sizeof(Key)), column + Key(i * s.kernel), best, place);
            }
            store(from_keys(best, Key()), y + row * out_row + at, count * sizeof(Key));
            store(narrowed<Key>(place), where + row * out_row + at, count);
        });
    }
}

// Sums of the gradients in one vector of them, in float32: of float32 one, of bfloat16 those at even and odd places.
template <class Key>
struct Sum;

template <>
struct Sum<int32_t> {
    Floats sum = {};
    void add(Vector<int32_t> bits) { sum += (Floats)bits; }
    Vector<int32_t> bits() const { return (Vector<int32_t>)sum; }
};

template <>
struct Sum<int16_t> {
    Floats even = {}, odd = {};

    void add(Vector<int16_t> pairs) {
        even += (Floats)((Bits)pairs << 16);
        odd += (Floats)((Bits)pairs & 0xFFFF0000);
    }

    static Bits rounded(Floats value) {  // to the nearest, ties to even; not-a-number stays one
        const Bits bits = (Bits)value;
        return value == value ? bits + 0x7FFF + ((bits >> 16) & 1) : Bits{} + 0x7FC00000;
    }

    Vector<int16_t> bits() const {
        return (Vector<int16_t>)((rounded(even) >> 16) | (rounded(odd) & 0xFFFF0000));
    }
};

// The windows that hold a place (counted with the padding), as a span of outputs.
inline Span holding(int64_t place, const Shape& s, int64_t outputs) {
    Span span(0, 0, 0);
    span.first = place < s.kernel ? 0 : (place - s.kernel) / s.stride + 1;
    span.last = std::min(outputs, place / s.stride + 1);
    return span;
}

// One row of a gradient: for each pixel the sum of the gradients of those windows whose maximum lay there.
template <class Key>
void backward(const Key* g, Key* result, const uint8_t* where, const Shape& s, int64_t row) {
    typedef Vector<Key> V;
    const int64_t y = row + s.padding;
    const Span rows = holding(y, s, s.out_height);
    for (int64_t column = 0; column < s.width; column++) {
        const int64_t x = column + s.padding, to = (row * s.width + column) * s.channels;
        const Span columns = holding(x, s, s.out_width);
        blocks(s.channels, LANES<Key>, [&](int64_t at, int64_t count) {
            Sum<Key> sum;
            for (int64_t i = rows.first; i < rows.last; i++)
                for (int64_t j = columns.first; j < columns.last; j++) {
                    const int64_t out = (i * s.out_width + j) * s.channels + at;
                    const V place = widened<Key>(load<Bytes<Key>>(where + out, count));
                    const V here = place == Key((y - i * s.stride) * s.kernel + x - j * s.stride);
                    sum.add(load<V>(g + out, count * sizeof(Key)) & here);
                }
            store(sum.bits(), result + to + at, count * sizeof(Key));
        });
    }
}

template <class Key>
void pool(const void* from, void* to, uint8_t* where, const Shape& s, bool gradient, Team team) {
    const int64_t in = s.height * s.width * s.channels, out = s.out_height * s.out_width * s.channels;
    if (gradient)
        parallel(s.images * s.height, team, [&](int64_t row) {
            const int64_t image = row / s.height;
            backward((const Key*)from + image * out, (Key*)to + image * in, where + image * out, s, row % s.height);
        });
    else {
        const int64_t pieces = (s.out_height + ROWS - 1) / ROWS;
        parallel(s.images * pieces, team, [&](int64_t piece) {
            const int64_t image = piece / pieces, first = piece % pieces * ROWS;
            forward((const Key*)from + image * in, (Key*)to + image * out, where + image * out, s, first,
                    std::min(first + ROWS, s.out_height));
        });
    }
}

// Every window must hold a pixel, and a place in it fit into a byte.
void check(const Shape& s, int64_t numbers, int64_t outputs) {
    require(product_of({s.images, s.channels, s.height, s.width}) == numbers, "the shape is not that of the map");
    require(product_of({s.images, s.channels, s.out_height, s.out_width}) == outputs,
            "the shape is not that of the maxima");
    require(s.kernel >= 1 && s.kernel <= 15, "a window is 1 to 15 pixels wide");
    require(s.stride >= 1 && s.stride < int64_t(1) << 31, "a stride is 1 or more");
    require(s.padding >= 0 && s.padding < s.kernel, "a padding is less than a window");
    for (const auto& [inputs, windows] : {std::pair{s.height, s.out_height}, std::pair{s.width, s.out_width}})
        require(product_of({std::max<int64_t>(windows - 1, 0), s.stride}) - s.padding < inputs,
                "a window lies outside the map");
}

}  // namespace

// `from` and `to` are x and y, or, with `gradient`, y's gradient and x's; shape is the ten numbers of Shape, and there
// are `numbers` in x and `outputs` in y and `where`.
KERNEL const char* max_pool(const void* from, void* to, uint8_t* where, int64_t numbers, int64_t outputs,
                            const int64_t* shape, int gradient, int is_short, int threads) {
    return guarded([&] {
        Shape s;
        std::memcpy(&s, shape, sizeof s);
        check(s, numbers, outputs);
        if (numbers && (outputs || gradient))
            (is_short ? pool<int16_t> : pool<int32_t>)(from, to, where, s, gradient, Team{threads, true});
    });
}
