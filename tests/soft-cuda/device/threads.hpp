// Threads: their numbers, and what they do together.
#pragma once

extern soft::Runtime soft_runtime;

#define SOFT static inline __attribute__((always_inline))
/// An operation's place: its line, and which one it is, where a line has several.
#define SOFT_SITE (__LINE__ * 64 + __COUNTER__ % 64)
SOFT int soft_line(int site) { return site / 64; }

/// The thread that runs: its `Lane` lies at the bottom of its stack.
SOFT soft::Lane *soft_self() {
    unsigned long stack_pointer;
    asm("mov %%rsp, %0" : "=r"(stack_pointer));
    return (soft::Lane *)(stack_pointer & ~(soft::STACK - 1));
}

typedef soft::Dim uint3;
#define threadIdx (soft_self()->thread)
#define blockIdx (soft_self()->block->index)
#define blockDim (soft_self()->block->dim)
#define gridDim (soft_self()->block->grid)
#define warpSize 32
SOFT char *soft_shared() { return soft_self()->block->shared; }

// Not inlined: nothing of a thread's may be kept in registers across the switch but what the ABI keeps.
static __attribute__((noinline)) void soft_wait(soft::State state, int site) {
    soft_runtime.wait(soft_self(), state, site);
}
static __attribute__((noinline)) void soft_warp(soft::Together together, int site, unsigned wants) {
    soft::Lane *self = soft_self();
    self->together = together, self->wants = wants;
    soft_runtime.wait(self, soft::AT_WARP, site);
}
static void soft_meet(soft::Lane **) {}
SOFT void soft_syncwarp(int site, unsigned mask = ~0u) { soft_warp(soft_meet, site, mask); }

#define __syncthreads() soft_wait(soft::AT_BLOCK, SOFT_SITE)
#define __syncwarp(...) soft_syncwarp(SOFT_SITE, ##__VA_ARGS__)
#define __threadfence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define __threadfence_block() __atomic_thread_fence(__ATOMIC_SEQ_CST)
SOFT unsigned soft_activemask(int site) { return soft_warp(soft_meet, site, 0), soft_self()->mask; }
#define __activemask() soft_activemask(SOFT_SITE)

// ---- shuffles and votes
enum { SOFT_SHUFFLE, SOFT_XOR, SOFT_UP, SOFT_DOWN, SOFT_BALLOT };

static void soft_exchange(soft::Lane **lanes) {
    unsigned ballot = 0;
    for (int i = 0; i < 32; i++) {
        if (lanes[i] && lanes[i]->kind == SOFT_BALLOT && lanes[i]->in[0]) ballot |= 1u << i;
    }
    for (int i = 0; i < 32; i++) {
        soft::Lane *lane = lanes[i];
        if (!lane) continue;
        int from = i, by = (int)lane->argument;
        switch (lane->kind) {
        case SOFT_SHUFFLE: from = by & 31; break;
        case SOFT_XOR: from = i ^ by; break;
        case SOFT_UP: from = i - by; break;
        case SOFT_DOWN: from = i + by; break;
        case SOFT_BALLOT: lane->out[0] = ballot; continue;
        }
        if (from < 0 || from > 31) from = i;
        if (!lanes[from]) {
            soft_runtime.error(soft_line(lane->site), "a shuffle reads a lane that takes no part");
            from = i;
        }
        lane->out[0] = lanes[from]->in[0], lane->out[1] = lanes[from]->in[1];
    }
}
template <class T> SOFT T soft_shuffle(int site, int kind, unsigned mask, T value, unsigned argument) {
    static_assert(sizeof(T) <= 16, "a shuffle moves 16 bytes at most");
    soft::Lane *self = soft_self();
    self->kind = kind, self->argument = argument;
    memcpy(self->in, &value, sizeof value);
    soft_warp(soft_exchange, site, mask);
    memcpy(&value, self->out, sizeof value);
    return value;
}
#define __shfl_sync(mask, value, lane) soft_shuffle(SOFT_SITE, SOFT_SHUFFLE, mask, value, lane)
#define __shfl_xor_sync(mask, value, by) soft_shuffle(SOFT_SITE, SOFT_XOR, mask, value, by)
#define __shfl_up_sync(mask, value, by) soft_shuffle(SOFT_SITE, SOFT_UP, mask, value, by)
#define __shfl_down_sync(mask, value, by) soft_shuffle(SOFT_SITE, SOFT_DOWN, mask, value, by)

SOFT unsigned soft_ballot(int site, unsigned mask, bool value) {
    soft::Lane *self = soft_self();
    self->kind = SOFT_BALLOT, self->in[0] = value;
    soft_warp(soft_exchange, site, mask);
    return (unsigned)self->out[0];
}
SOFT bool soft_all(int site, unsigned mask, bool value) {
    unsigned ballot = soft_ballot(site, mask, value);
    return ballot == soft_self()->mask;
}
#define __ballot_sync(mask, value) soft_ballot(SOFT_SITE, mask, value)
#define __any_sync(mask, value) (soft_ballot(SOFT_SITE, mask, value) != 0)
#define __all_sync(mask, value) soft_all(SOFT_SITE, mask, value)
