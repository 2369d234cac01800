// Runs the blocks of a launch on the CPU: each thread is a fiber, so that barriers, warps and waiting work as they do on a
// device. Blocks are divided among a few threads of the host (SOFT_CUDA_WORKERS).
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>
#include "driver.hpp"

/// Keeps the stack pointer of what runs in `*save`, and goes on where `to` was kept.
extern "C" void soft_switch(void **save, void *to);
asm(".text\n.globl soft_switch\n.type soft_switch,@function\nsoft_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");

namespace soft {
namespace {

/// Rounds in which all threads wait for barriers in shared memory before that is taken for a deadlock.
constexpr int PATIENCE = 10000;

const Kernel *kernel_now; // one launch runs at a time

struct Deferred {
    Lane *lane;
    void (*run)(Block *, const void *payload);
    alignas(16) char payload[MOST_PAYLOAD];
};
using Queue = std::deque<Deferred>;

void wait_for(Lane *lane, State state, int site) {
    lane->state = state, lane->site = site;
    soft_switch(&lane->stack_pointer, lane->block->scheduler);
}
void report(int line, const char *what) { kernel_error(kernel_now, line, what); }
void defer(Lane *lane, void (*run)(Block *, const void *), const void *payload, size_t bytes) {
    Deferred d = {lane, run, {}};
    memcpy(d.payload, payload, std::min(bytes, MOST_PAYLOAD));
    ((Queue *)lane->block->deferred)->push_back(d);
}
void finish_deferred(Lane *lane) {
    Queue &queue = *(Queue *)lane->block->deferred;
    for (size_t i = 0; i < queue.size();) {
        if (queue[i].lane != lane) {
            i++;
            continue;
        }
        queue[i].run(lane->block, queue[i].payload);
        queue.erase(queue.begin() + (long)i);
    }
}

void fiber() {
    uintptr_t stack_pointer;
    asm("mov %%rsp, %0" : "=r"(stack_pointer));
    Lane *lane = (Lane *)(stack_pointer & ~(STACK - 1));
    for (;;) {
        lane->block->call(lane->block->arguments);
        wait_for(lane, DONE, 0);
    }
}
Lane *new_lane(Block *block, unsigned number) {
    char *room = (char *)mmap(nullptr, 2 * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *stack = (char *)(((uintptr_t)room + STACK - 1) & ~(STACK - 1));
    if (stack > room) munmap(room, (size_t)(stack - room));
    munmap(stack + STACK, (size_t)(room + STACK - stack));
    // Frames of different fibers lie in different sets of the cache.
    void **top = (void **)(stack + STACK - 64 - number % 61 * 128);
    *--top = nullptr, *--top = (void *)fiber, top -= 6;
    Lane *lane = new (stack) Lane{};
    lane->stack_pointer = top, lane->block = block;
    return lane;
}

/// A thread of the host, with the fibers of the block that it runs.
struct Worker {
    Block block = {};
    Queue deferred;
    std::vector<Lane *> lanes;
    uint32_t random = 1;

    Worker() {
        block.shared = (char *)aligned_alloc(1024, MOST_SHARED);
        block.deferred = &deferred;
    }
    uint32_t draw(uint32_t below) {
        random ^= random << 13, random ^= random >> 17, random ^= random << 5;
        return random % below;
    }
    /// The numbers below `n` in the order in which they get their turn.
    template <class T> void turns(T *turn, unsigned n) {
        for (unsigned i = 0; i < n; i++) turn[i] = (T)(settings().order == Order::Reverse ? n - 1 - i : i);
        if (settings().order == Order::Random)
            for (unsigned i = n; i > 1; i--) std::swap(turn[i - 1], turn[draw(i)]);
    }
    Dim thread(unsigned i) const { return {i % block.dim.x, i / block.dim.x % block.dim.y, i / block.dim.x / block.dim.y}; }

    /// A kernel whose threads do nothing together: one after the other, on one fiber.
    void run_apart(unsigned threads) {
        uint16_t turn[MOST_THREADS];
        turns(turn, threads);
        for (unsigned i = 0; i < threads; i++) {
            Lane *lane = lanes[0];
            lane->thread = thread(turn[i]), lane->lane = turn[i] % WARP;
            soft_switch(&block.scheduler, lane->stack_pointer);
        }
    }
    /// Lanes that an operation names, and that live, but have not come to it.
    void check_partial(Lane *const *warp, unsigned n, const Lane *first, uint32_t mask) {
        uint32_t missing = 0;
        for (unsigned i = 0; i < n; i++)
            if ((first->wants >> i & 1) && !(mask >> i & 1) && warp[i]->state != DONE) missing |= 1u << i;
        if (!missing) return;
        char words[160];
        const Lane *other = warp[__builtin_ctz(missing)];
        snprintf(words, sizeof words, "a partial warp: lanes %#x came to an operation that names %#x; a lane that is missing waits at line %d",
                 mask, first->wants, other->site / 64);
        report(first->site / 64, words);
    }
    /// Runs a warp until none of its lanes can go on; whether they did anything together. Lanes that wait for a barrier
    /// in shared memory may still come to an operation, and are waited for unless that is `hopeless`.
    bool run_warp(Lane **warp, unsigned n, bool hopeless) {
        for (bool did = false;; did = true) {
            uint8_t turn[WARP];
            turns(turn, n);
            for (unsigned i = 0; i < n; i++)
                if (warp[turn[i]]->state == READY) soft_switch(&block.scheduler, warp[turn[i]]->stack_pointer);
            uint32_t waits = 0, asks = 0;
            for (unsigned i = 0; i < n; i++) {
                waits |= (uint32_t)(warp[i]->state == AT_WARP) << i;
                asks |= (uint32_t)(warp[i]->state == AT_BARRIER) << i;
            }
            if (!waits || (asks && !hopeless)) return did;
            while (waits) {
                Lane *part[WARP] = {}, *first = warp[__builtin_ctz(waits)];
                uint32_t mask = 0;
                for (unsigned i = 0; i < n; i++)
                    if (waits >> i & 1 && warp[i]->site == first->site) part[i] = warp[i], mask |= 1u << i;
                check_partial(warp, n, first, mask);
                first->together(part);
                for (unsigned i = 0; i < n; i++)
                    if (part[i]) part[i]->state = READY, part[i]->mask = mask;
                waits &= ~mask;
            }
        }
    }
    /// Does one of the operations that were deferred, and what its thread deferred before it.
    void do_deferred() {
        size_t which = settings().order == Order::Forward ? 0
            : settings().order == Order::Reverse          ? deferred.size() - 1
                                                          : draw((uint32_t)deferred.size());
        Lane *lane = deferred[which].lane;
        for (size_t i = 0; i < which; i++)
            if (deferred[i].lane == lane) {
                which = i;
                break;
            }
        Deferred one = deferred[which];
        deferred.erase(deferred.begin() + (long)which);
        one.run(&block, one.payload);
    }
    void run_together(unsigned threads) {
        for (unsigned i = 0; i < threads; i++) {
            Lane *lane = lanes[i];
            lane->thread = thread(i), lane->lane = i % WARP, lane->state = READY;
        }
        unsigned warps = (threads + WARP - 1) / WARP;
        for (int idle = 0;;) {
            bool did = false;
            uint8_t turn[MOST_THREADS / WARP];
            turns(turn, warps);
            for (unsigned i = 0; i < warps; i++) {
                unsigned begin = turn[i] * WARP;
                did |= run_warp(&lanes[begin], std::min(threads - begin, WARP), idle > 3);
            }
            if (go_on(threads, did, idle)) continue;
            break;
        }
        while (!deferred.empty()) do_deferred();
    }
    /// Frees threads from what they waited for; false where all are done.
    bool go_on(unsigned threads, bool did, int &idle) {
        const Lane *at_block = nullptr, *apart = nullptr, *asks = nullptr;
        for (unsigned i = 0; i < threads; i++) {
            Lane *lane = lanes[i];
            if (lane->state == AT_BARRIER) asks = lane;
            if (lane->state == AT_BLOCK && !at_block) at_block = lane;
            if (lane->state == AT_BLOCK && lane->site != at_block->site) apart = lane;
        }
        if (asks) {
            idle = did ? 0 : idle + 1;
            if (idle > 1 && !deferred.empty()) do_deferred(), idle = 0;
            if (idle > PATIENCE) {
                report(asks->site / 64, "a deadlock: threads wait for a barrier at which nobody arrives any more");
                _exit(99);
            }
            free_from(AT_BARRIER, threads);
            return true;
        }
        idle = 0;
        if (!at_block) return false;
        if (apart) {
            char words[128];
            snprintf(words, sizeof words, "divergent barriers: other threads of the block wait at line %d", apart->site / 64);
            report(at_block->site / 64, words);
        }
        free_from(AT_BLOCK, threads);
        return true;
    }
    void free_from(State state, unsigned threads) {
        for (unsigned i = 0; i < threads; i++)
            if (lanes[i]->state == state) lanes[i]->state = READY;
    }
};

// ---- a launch: its blocks go to the workers by number
struct Job {
    const Kernel *kernel;
    Dim grid, dim;
    unsigned shared_bytes;
    void **arguments;
    std::atomic<uint64_t> next;
    uint64_t blocks;
} job;
// Never destroyed: workers wait for them still when the program ends.
std::mutex &lock = *new std::mutex;
std::condition_variable &begins = *new std::condition_variable, &ends = *new std::condition_variable;
long launch_number;
int busy;

/// The block that gets the turn `i`. At random: a prime's multiples meet each block once.
uint64_t block_at(uint64_t i, uint64_t blocks) {
    if (settings().order == Order::Forward) return i;
    if (settings().order == Order::Reverse) return blocks - 1 - i;
    static const uint64_t PRIMES[] = {7919, 104729, 1299709, 15485863, 179424673};
    uint64_t stride = 1;
    for (unsigned k = 0; k < 5; k++) {
        uint64_t prime = PRIMES[(k + settings().seed) % 5];
        if (blocks % prime) {
            stride = prime % blocks;
            break;
        }
    }
    return (uint64_t)(((unsigned __int128)i * stride + settings().seed) % blocks);
}

void take_part(Worker &w) {
    watch_this_thread();
    unsigned threads = job.dim.x * job.dim.y * job.dim.z;
    unsigned needed = job.kernel->together ? threads : 1;
    while (w.lanes.size() < needed) w.lanes.push_back(new_lane(&w.block, (unsigned)w.lanes.size()));
    w.block.call = job.kernel->call, w.block.arguments = job.arguments;
    w.block.dim = job.dim, w.block.grid = job.grid, w.block.shared_bytes = job.shared_bytes;
    for (uint64_t i; (i = job.next++) < job.blocks;) {
        uint64_t number = block_at(i, job.blocks);
        w.random = (((uint32_t)number * 2654435761u) ^ settings().seed) | 1;
        w.block.index = {(unsigned)(number % job.grid.x), (unsigned)(number / job.grid.x % job.grid.y),
                         (unsigned)(number / job.grid.x / job.grid.y)};
        // What a block's memory holds at first is not defined: NaN.
        if (job.shared_bytes) memset(w.block.shared, 0xff, job.shared_bytes);
        if (job.kernel->together) w.run_together(threads);
        else w.run_apart(threads);
    }
}
void work() {
    Worker worker;
    for (long seen = 0;;) {
        std::unique_lock guard(lock);
        begins.wait(guard, [&] { return launch_number != seen; });
        seen = launch_number;
        guard.unlock();
        take_part(worker);
        guard.lock();
        if (!--busy) ends.notify_one();
    }
}

} // namespace

const Runtime runtime = {wait_for, report, defer, finish_deferred};

void run(const Kernel &kernel, Dim grid, Dim dim, unsigned shared_bytes, void **arguments) {
    static std::mutex one_at_a_time;
    std::lock_guard alone(one_at_a_time);
    static Worker *own = [] {
        for (int i = 1; i < settings().workers; i++) std::thread(work).detach();
        return new Worker;
    }();
    kernel_now = &kernel;
    running(&kernel);
    std::unique_lock guard(lock);
    job.kernel = &kernel, job.grid = grid, job.dim = dim, job.shared_bytes = shared_bytes, job.arguments = arguments;
    job.next = 0, job.blocks = (uint64_t)grid.x * grid.y * grid.z;
    bool help = job.blocks > 1 && settings().workers > 1;
    if (help) busy = settings().workers - 1, launch_number++, begins.notify_all();
    guard.unlock();
    take_part(*own);
    guard.lock();
    if (help) ends.wait(guard, [] { return !busy; });
    running(nullptr);
}

} // namespace soft
