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
        for (int i = 0; i < 4; i++) fuzz_run_plan();
    }
    std::printf("%lld computed, %lld refused\n", (long long)computed, (long long)refused);
    return computed > 3 * rounds && refused > rounds ? 0 : 1;
}
