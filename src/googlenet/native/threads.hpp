// parallel(count, threads, f): f(0) ... f(count - 1), each once, on up to `threads` threads, the caller's among them.
//
// Under OpenMP (where torch's operators run before and after) its threads do it. Otherwise a pool of our own does,
// which waits only for work that a thread has really begun: on a busy machine the caller then does alone what the
// others do not come to, instead of waiting at a barrier for threads that have no processor.
#pragma once
#include <cstdint>

#ifdef _OPENMP

template <class F>
void parallel(int64_t count, int threads, const F& f) {
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = 0; i < count; i++) f(i);
}

#else

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

class Pool {
    using Work = void (*)(const void*, int64_t);

    struct Job {
        Work work = nullptr;
        const void* context = nullptr;
        uint64_t number = 0, count = 0;
    };

    std::mutex one_caller, state;
    std::condition_variable wake;
    Job job;                                         // guarded by `state`
    int workers = 0, wanted = 0;                     // the first `wanted` workers take part
    std::atomic<uint64_t> published{0};              // the job's number
    std::atomic<uint64_t> next{0};                   // number << 32 | index of the next piece
    std::atomic<uint64_t> done{0};                   // pieces of the job that are finished

    static constexpr uint64_t index_bits = 32, index_mask = (uint64_t(1) << index_bits) - 1;

    static void pause() {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }

    // A piece is taken only while its job is the current one; the caller then waits for it, so the context is alive.
    void take_part(const Job& mine) {
        uint64_t ticket = next.load();
        while (ticket >> index_bits == (mine.number & index_mask) && (ticket & index_mask) < mine.count)
            if (next.compare_exchange_weak(ticket, ticket + 1)) {
                mine.work(mine.context, ticket & index_mask);
                done.fetch_add(1);
                ticket = next.load();
            }
    }

    void work(int me) {
        uint64_t seen = 0;
        while (true) {
            for (int spin = 0; spin < 2000 && published.load() == seen; spin++) pause();
            Job mine;
            {
                std::unique_lock<std::mutex> lock(state);
                wake.wait(lock, [&] { return job.number != seen && me < wanted; });
                mine = job;
            }
            seen = mine.number;
            take_part(mine);
        }
    }

    void run(Work work, const void* context, uint64_t count, int threads) {
        Job mine{work, context, 0, count};
        {
            std::lock_guard<std::mutex> lock(state);
            mine.number = job.number + 1;
            job = mine;
            wanted = threads - 1;
            done = 0;
            next = (mine.number & index_mask) << index_bits;
            published = mine.number;
            for (; workers < wanted; workers++) std::thread(&Pool::work, this, workers).detach();
        }
        wake.notify_all();
        take_part(mine);
        for (int spin = 0; done.load() < count; spin++) spin < 2000 ? pause() : std::this_thread::yield();
    }

  public:
    static Pool& get() {
        static Pool* pool = new Pool;  // for ever: its threads may outlive the end of main
        return *pool;
    }

    template <class F>
    void each(int64_t count, int threads, const F& f) {
        std::unique_lock<std::mutex> mine(one_caller, std::try_to_lock);
        if (threads > 1 && count > 1 && mine.owns_lock())
            run([](const void* context, int64_t i) { (*(const F*)context)(i); }, &f, count, threads);
        else
            for (int64_t i = 0; i < count; i++) f(i);
    }
};

template <class F>
void parallel(int64_t count, int threads, const F& f) {
    Pool::get().each(count, threads, f);
}

#endif
