// Which of the libraries this processor can run, and what this one was built from.
#include "border.hpp"

#if defined(__x86_64__)
KERNEL const char* best_instructions() {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return "baseline";
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
    return wide ? "avx512" : "avx2";
}
#else
KERNEL const char* best_instructions() { return "baseline"; }
#endif

KERNEL const char* origin() { return ORIGIN; }
