// What every function that Python calls keeps to: shapes are checked before memory is touched, and no exception crosses.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <new>
#include <stdexcept>

#define KERNEL extern "C" __attribute__((visibility("default")))

struct Refused {
    const char* why;
};

inline void require(bool condition, const char* why) {
    if (!condition) throw Refused{why};
}

// The product of lengths; refuses one below 0, and products that no memory can hold.
inline int64_t product_of(std::initializer_list<int64_t> lengths, const char* why = "a shape is out of range") {
    int64_t product = 1;
    for (const int64_t length : lengths) require(length >= 0, why);
    for (const int64_t length : lengths)
        require(!__builtin_mul_overflow(product, length, &product) && product < int64_t(1) << 48, why);
    return product;
}

// Runs f; returns null, or why it did not come to its end.
template <class F>
const char* guarded(const F& f) noexcept {
    try {
        f();
        return nullptr;
    } catch (const Refused& refused) {
        return refused.why;
    } catch (const std::bad_alloc&) {
        return "not enough memory";
    } catch (const std::length_error&) {
        return "not enough memory";
    } catch (...) {
        return "an unexpected failure";
    }
}
