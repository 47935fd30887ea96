#include "local_response_norm.hpp"

// x, g (null: the forward pass) and result are [outer, channels, inner], `numbers` in each, in float or, with `is_short`,
// bfloat16. Returns null, or why nothing was computed; so do all functions here.
KERNEL const char* local_response_norm(const void* x, const void* g, void* result, int64_t numbers, int64_t outer,
                                       int64_t channels, int64_t inner, int64_t size, float scale, float beta, float k,
                                       int rectified, int is_short, int threads) {
    return guarded([&] {
        const local_response::Task task{x, g, result, outer, channels, inner, rectified != 0};
        local_response::normalise(task, numbers, size, scale, beta, k, is_short, Team{threads, true});
    });
}
