// Calls every kernel with random shapes, right ones and wrong ones, on buffers that end where the shape says; to be
// compiled with sanitizers, which end the process at the first step beyond one. FUZZ ROUNDS SEED
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "inference.cpp"

KERNEL const char* local_response_norm(const void*, const void*, void*, int64_t, int64_t, int64_t, int64_t, int64_t, float,
                                       float, float, int, int, int);
KERNEL const char* max_pool(const void*, void*, uint8_t*, int64_t, int64_t, const int64_t*, int, int, int);
KERNEL const char* shrink_by_area(const uint8_t*, int64_t, int64_t, int64_t, uint8_t*, int64_t, int64_t);
KERNEL const char* resample(const uint8_t*, uint8_t*, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, const int64_t*,
                            const int32_t*, int64_t);
KERNEL const char* segment_graph(const uint8_t*, int64_t, int64_t, const int32_t*, const int32_t*, int64_t, int32_t*, int64_t*);
KERNEL const char* describe_pixels(const uint8_t*, int64_t, int64_t, const int32_t*, const int32_t*, uint8_t*);
KERNEL const char* group_regions(const uint8_t*, const int32_t*, int64_t, int64_t, int64_t, const int32_t*, int64_t, int32_t*,
                                 int32_t*);

namespace {

std::mt19937_64 engine;
int64_t computed = 0, refused = 0;

int64_t between(int64_t least, int64_t most) { return std::uniform_int_distribution<int64_t>(least, most)(engine); }
bool one_in(int64_t count) { return between(1, count) == 1; }

int64_t odd_number(int64_t usual) {
    const int64_t strange[] = {usual - 1, usual + 1, 2 * usual, -usual, 0, -1, 1, 1 << 16, int64_t(1) << 33, int64_t(1) << 62,
                               std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
    return strange[between(0, std::size(strange) - 1)];
}

void count(const char* refusal) { refusal ? refused++ : computed++; }

// Memory of its own for each buffer, so that what lies beyond is known.
template <class T>
std::unique_ptr<T[]> buffer(int64_t numbers) {
    std::unique_ptr<T[]> memory(new T[std::max<int64_t>(numbers, 0)]);
    for (int64_t i = 0; i < numbers; i++) memory[i] = T(between(-100, 100));
    return memory;
}

int threads() { return int(one_in(20) ? between(-1, 0) : between(1, 3)); }

void fuzz_local_response_norm() {
    int64_t outer = between(0, 5), channels = between(1, 40), inner = one_in(2) ? 1 : between(0, 70);
    int64_t size = one_in(8) ? between(13, int64_t(1) << 60) : between(1, 12), numbers = outer * channels * inner;
    const bool is_short = one_in(2);
    const auto x = buffer<float>(numbers), g = buffer<float>(numbers), result = buffer<float>(numbers);
    const auto xs = buffer<uint16_t>(numbers), gs = buffer<uint16_t>(numbers), results = buffer<uint16_t>(numbers);
    int64_t* const all[] = {&outer, &channels, &inner, &size, &numbers};
    if (one_in(3)) {
        int64_t* const changed = all[between(0, 3)];
        *changed = odd_number(*changed);
    }
    const float betas[] = {0.75f, 0.5f, 1.0f, 0.3f};
    const float beta = betas[between(0, 3)];
    const bool backward = one_in(2);
    const auto work = [&](const void* x, const void* g, void* result) {
        count(local_response_norm(x, backward ? g : nullptr, result, numbers, outer, channels, inner, size, 1e-4f, beta, 1.0f,
                                  one_in(2), is_short, threads()));
    };
    is_short ? work(xs.get(), gs.get(), results.get()) : work(x.get(), g.get(), result.get());
}

template <class T>
void fuzz_max_pool() {
    const int64_t kernel = between(1, 16), stride = one_in(10) ? 65536 : between(1, 6), padding = between(0, kernel / 2);
    int64_t shape[] = {between(0, 3), between(1, 70), between(1, 20), between(1, 20), 0, 0, kernel, stride, padding, one_in(2)};
    for (int axis = 2; axis < 4; axis++) {
        const int64_t space = shape[axis] + 2 * padding - kernel;
        shape[axis + 2] = space < 0 ? 1 : space / stride + between(1, 2);
    }
    const int64_t numbers = shape[0] * shape[1] * shape[2] * shape[3], outputs = shape[0] * shape[1] * shape[4] * shape[5];
    const auto x = buffer<T>(numbers), y = buffer<T>(outputs);
    const auto where = buffer<uint8_t>(outputs);
    if (one_in(3)) {
        int64_t& changed = shape[between(0, 9)];
        changed = odd_number(changed);
    }
    const bool gradient = one_in(2);
    count(::max_pool(gradient ? y.get() : x.get(), gradient ? x.get() : y.get(), where.get(), numbers, outputs, shape, gradient,
                   sizeof(T) == 2, threads()));
}

void fuzz_shrink_by_area() {
    int64_t height = between(1, 60), width = between(1, 60), to_height = between(1, height), to_width = between(1, width);
    int64_t stride = 3 * width + between(0, 5);
    const auto from = buffer<uint8_t>((height - 1) * stride + 3 * width), to = buffer<uint8_t>(3 * to_height * to_width);
    if (one_in(3)) {  // what would need memory that is not there cannot be seen from inside
        if (one_in(2)) to_height = height + between(1, 9);
        else stride = between(0, 3 * width - 1);
    }
    count(shrink_by_area(from.get(), height, width, stride, to.get(), to_height, to_width));
}

void fuzz_resample() {
    int64_t outer = between(0, 3), length = between(1, 40), inner = one_in(2) ? 3 : between(0, 9), to_length = between(1, 40);
    int64_t start = between(0, to_length);
    const int64_t stop = between(start, to_length), taps = between(1, length), parts = stop - start;
    const auto from = buffer<uint8_t>(outer * length * inner), to = buffer<uint8_t>(outer * to_length * inner);
    const auto firsts = buffer<int64_t>(parts);
    const auto weights = buffer<int32_t>(parts * taps);
    for (int64_t i = 0; i < parts; i++) firsts[i] = between(0, length - taps);
    for (int64_t i = 0; i < parts * taps; i++) weights[i] = between(-1, 1) * ((int64_t(1) << 23) / taps - 1);
    if (one_in(3)) {
        int64_t* const all[] = {&outer, &length, &inner, &to_length};
        if (parts && one_in(3)) firsts[0] = one_in(2) ? -1 : length - taps + 1;
        else if (parts && one_in(2)) weights[0] = one_in(2) ? INT32_MIN : 1 << 23;
        else if (one_in(2)) start = -between(1, 9);
        else *all[between(0, 3)] = one_in(2) ? -1 : int64_t(1) << 62;
    }
    count(resample(from.get(), to.get(), outer, length, inner, to_length, start, stop, firsts.get(), weights.get(), taps));
}

// Weights of 9 pixels that sum to one, unless they have signs; wrong ones are far too large.
std::unique_ptr<int32_t[]> filter(bool signs, bool right) {
    auto taps = buffer<int32_t>(9);
    int64_t left = 4096;
    for (int64_t i = 0; i < 8; i++) left -= taps[i] = between(0, left / 2);
    taps[8] = left;
    for (int64_t i = 0; signs && i < 9; i++) taps[i] *= between(-1, 1);
    if (!right) taps[between(0, 8)] = one_in(2) ? INT32_MIN : 5000;
    return taps;
}

void fuzz_selective_search() {
    int64_t height = between(1, 24), width = between(1, 24);
    const int64_t pixels = height * width, scales = between(0, 3);
    const auto planes = buffer<uint8_t>(3 * pixels), codes = buffer<uint8_t>(15 * pixels);
    const auto labels = buffer<int32_t>(scales * pixels), wanted = buffer<int32_t>(scales);
    const auto regions = buffer<int64_t>(scales);
    for (int64_t i = 0; i < scales; i++) wanted[i] = one_in(20) ? odd_number(0) : between(1, one_in(4) ? 1 << 24 : 60);
    const bool right = !one_in(4);
    if (one_in(5)) (one_in(2) ? height : width) = one_in(2) ? between(-1, 0) : int64_t(1) << 40;
    const char* const refusal = segment_graph(planes.get(), height, width, filter(false, right).get(), wanted.get(), scales,
                                              labels.get(), regions.get());
    count(refusal);
    count(describe_pixels(planes.get(), height, width, filter(false, true).get(), filter(true, right).get(), codes.get()));
    if (!right || refusal) return;
    for (int64_t i = 0; i < scales; i++) {
        const int64_t terms = between(0, 4), made = regions[i];
        const auto chosen = buffer<int32_t>(terms);
        const auto merges = buffer<int32_t>(terms * 2 * (made - 1)), boxes = buffer<int32_t>(terms * 4 * (2 * made - 1));
        for (int64_t term = 0; term < terms; term++) chosen[term] = between(one_in(9) ? -1 : 1, 15);
        if (one_in(6)) labels[i * pixels + between(0, pixels - 1)] = odd_number(made);
        if (one_in(6)) codes[between(0, 15 * pixels - 1)] = between(0, 255);
        count(group_regions(codes.get(), &labels[i * pixels], height, width, made, chosen.get(), terms, merges.get(),
                            boxes.get()));
    }
}

// A plan of one step, on maps that may be parts of wider ones.
void fuzz_run_plan() {
    const int64_t kind = between(CONVOLVE, NORMALISE), images = between(1, 2), channels = between(1, 40);
    const bool pool = kind == POOLED_CONVOLVE || kind == MAX_POOL || kind == AVERAGE_POOL;
    Step step{};
    step.kind = kind;
    step.x = {nullptr, 0, channels + (one_in(2) && kind != NORMALISE ? between(1, 9) : 0), channels, images, between(1, 15),
              between(1, 15)};
    Source& x = step.x;
    x.length = (images * x.height * x.width - 1) * x.stride + channels;
    const auto map = buffer<float>(x.length);
    x.data = map.get();

    Window& window = step.window;
    window.kernel = kind == WINOGRAD ? (one_in(2) ? 3 : 5) : between(1, 7);
    window.stride = kind == WINOGRAD ? 1 : one_in(10) ? 65536 : between(1, 3);
    window.top = between(0, window.kernel / 2), window.left = between(0, window.kernel / 2);
    const auto windows = [&](int64_t inputs, int64_t before) {
        const int64_t fitting = (inputs + before - 1) / window.stride + 1;  // begin inside
        return between(1, pool ? fitting : fitting + 2);
    };
    window.height = windows(x.height, window.top), window.width = windows(x.width, window.left);
    if (kind == AVERAGE_POOL && one_in(2)) window.kernel = 0;
    if (kind == NORMALISE) window.height = x.height, window.width = x.width;

    step.count = kind == CONVOLVE || kind == POOLED_CONVOLVE ? between(1, 3) : 1;
    std::vector<Target> targets;
    std::vector<std::unique_ptr<float[]>> memory;
    int64_t vectors = 0;
    for (int64_t i = 0; i < step.count; i++) {
        Target to{nullptr, 0, 0, kind >= MAX_POOL ? channels : between(1, 40)};
        to.stride = to.channels + (one_in(2) && kind != NORMALISE ? between(1, 9) : 0);
        to.length = (images * window.height * window.width - 1) * to.stride + to.channels;
        memory.push_back(buffer<float>(to.length));
        to.data = memory.back().get();
        vectors += (to.channels + width - 1) / width;
        targets.push_back(to);
    }
    step.targets = targets.data();
    const int64_t depth = kind == WINOGRAD          ? 36 * channels
                          : kind == POOLED_CONVOLVE ? channels
                                                    : channels * window.kernel * window.kernel;
    step.weights = (vectors + 1) / 2 * depth * columns, step.biases = (vectors + 1) / 2 * columns;
    if (kind >= MAX_POOL) step.weights = step.biases = 0;
    const auto weight = buffer<float>(step.weights), bias = buffer<float>(step.biases);
    step.weight = weight.get(), step.bias = bias.get();
    step.relu = one_in(2), step.size = between(1, 9), step.scale = 1e-4f, step.beta = 0.75f, step.k = 1.0f;

    int64_t top = between(0, 2), left = between(0, 2), sizes[] = {images, 3, between(1, 9), between(1, 9)};
    Source input{nullptr, 0, 3, 3, images, sizes[2] + top + between(0, 2), sizes[3] + left + between(0, 2)};
    input.length = images * input.height * input.width * 3;
    const auto inside = buffer<float>(input.length);
    input.data = inside.get();
    int64_t strides[] = {3 * sizes[2] * sizes[3], sizes[2] * sizes[3], sizes[3], 1};
    if (one_in(2)) strides[1] = 1, strides[2] = 3 * sizes[3], strides[3] = 3;
    int64_t numbers = images * 3 * sizes[2] * sizes[3];
    const auto pixels = buffer<float>(numbers);

    if (one_in(3)) {
        Target& to = targets[between(0, step.count - 1)];
        int64_t* const all[] = {&step.kind, &x.stride, &x.channels, &x.images, &x.height, &x.width, &window.kernel,
                                &window.stride, &window.top, &window.left, &window.height, &window.width, &to.stride,
                                &to.channels, &step.size, &top, &left, &sizes[0], &sizes[1], &sizes[2], &sizes[3],
                                &strides[0], &strides[1], &strides[2], &strides[3], &input.channels, &input.height,
                                &input.width, &input.images, &input.stride};
        int64_t* const changed = all[between(0, std::size(all) - 1)];
        *changed = odd_number(*changed);
    }
    count(run_plan(pixels.get(), numbers, sizes, strides, &input, top, left, &step, 1, threads()));
}

}  // namespace

int main(int, char** arguments) {
    const int64_t rounds = std::atoll(arguments[1]);
    for (int64_t round = 0; round < rounds; round++) {
        engine.seed(std::stoull(arguments[2]) + round);
        fuzz_local_response_norm();
        fuzz_max_pool<float>();
        fuzz_max_pool<uint16_t>();
        fuzz_shrink_by_area();
        fuzz_resample();
        fuzz_selective_search();
        for (int i = 0; i < 4; i++) fuzz_run_plan();
    }
    std::printf("%lld computed, %lld refused\n", (long long)computed, (long long)refused);
    return computed > 3 * rounds && refused > rounds ? 0 : 1;
}
