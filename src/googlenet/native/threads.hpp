// parallel(count, team, f): f(0) ... f(count - 1), each once, on up to `team.threads` threads, the caller's among them.
// What f throws is thrown here, once all have ended; pieces that had not begun by then are left out.
//
// Between torch's operators the threads are those of its OpenMP, which would otherwise wait beside ours: it is asked for
// by name, since torch has loaded it. Everywhere else a pool of our own does the work, which waits only for what a thread
// has really begun: on a busy machine the caller then does alone what the others do not come to, instead of waiting at a
// barrier for threads that have no processor.
#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

struct Team {
    int threads;
    bool openmp = false;
};

namespace threads {

// The pieces of one job, and the first exception among them.
template <class F>
class Pieces {
    const F& f;
    std::atomic<int64_t> next{0};
    std::atomic<bool> failed{false};
    std::exception_ptr error;

  public:
    const int64_t count;

    Pieces(const F& f, int64_t count) : f(f), count(count) {}

    void take(int64_t i) noexcept {
        if (failed.load(std::memory_order_relaxed)) return;
        try {
            f(i);
        } catch (...) {
            if (!failed.exchange(true)) error = std::current_exception();
        }
    }

    void take_all() noexcept {
        for (int64_t i = next++; i < count; i = next++) take(i);
    }

    void finish() {
        if (error) std::rethrow_exception(error);
    }
};

using OpenMP = void (*)(void (*)(void*), void*, unsigned, unsigned);

// GCC's entry to a parallel region, which the other OpenMP libraries have too; null where none is loaded for all.
inline OpenMP openmp() {
#if defined(_WIN32)
    return nullptr;
#else
    static const OpenMP found = (OpenMP)dlsym(RTLD_DEFAULT, "GOMP_parallel");
    return found;
#endif
}

class Pool {
    using Work = void (*)(void*, int64_t);

    struct Job {
        Work work = nullptr;
        void* context = nullptr;
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

    // Where a thread cannot be started, those that there are do the work.
    void start_workers() {
        try {
            for (; workers < wanted; workers++) std::thread(&Pool::work, this, workers).detach();
        } catch (const std::exception&) {
            wanted = workers;
        }
    }

    void run(Work work, void* context, uint64_t count, int threads) {
        Job mine{work, context, 0, count};
        {
            std::lock_guard<std::mutex> lock(state);
            mine.number = job.number + 1;
            job = mine;
            wanted = threads - 1;
            done = 0;
            next = (mine.number & index_mask) << index_bits;
            published = mine.number;
            start_workers();
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

    template <class Pieces>
    void each(Pieces& pieces, int threads) {
        std::unique_lock<std::mutex> mine(one_caller, std::try_to_lock);
        if (threads > 1 && pieces.count > 1 && pieces.count < int64_t(index_mask) && mine.owns_lock())
            run([](void* context, int64_t i) { ((Pieces*)context)->take(i); }, &pieces, pieces.count, threads);
        else
            pieces.take_all();
    }
};

}  // namespace threads

template <class F>
void parallel(int64_t count, Team team, const F& f) {
    threads::Pieces<F> pieces(f, count);
    const int threads = int(std::min<int64_t>(team.threads, count));
    const threads::OpenMP openmp = team.openmp && threads > 1 ? threads::openmp() : nullptr;
    if (openmp)
        openmp([](void* context) { ((threads::Pieces<F>*)context)->take_all(); }, &pieces, threads, 0);
    else
        threads::Pool::get().each(pieces, threads);
    pieces.finish();
}
