// Barriers in shared memory, and copies that arrive no sooner than they are waited for.
#include "harness.hpp"

/// Sixteen bytes a thread by cp.async; what follows is the wait, or none.
static std::string cp_async(const char *name, const char *wait) {
    return std::string(R"(
#include <cuda/barrier>
extern "C" __global__ void __launch_bounds__(32) )") + name + R"((const float *from, float *to) {
    extern __shared__ __align__(16) char memory[];
    float *values = (float *)(memory + 16);
    cuda::barrier<cuda::thread_scope_block> *barrier = (cuda::barrier<cuda::thread_scope_block> *)memory;
    if (threadIdx.x == 0) init(barrier, blockDim.x);
    __syncthreads();
    unsigned at = __cvta_generic_to_shared(values + threadIdx.x * 4), bar = __cvta_generic_to_shared(barrier);
    asm volatile("cp.async.cg.shared::cta.global [%0], [%1], 16, %2;" :: "r"(at), "l"(from + threadIdx.x * 4), "r"(12) : "memory");
)" + wait + R"(
    __syncthreads();
    for (int i = 0; i < 4; i++) to[threadIdx.x * 4 + i] = values[(threadIdx.x + 1) % 32 * 4 + i];
})";
}
static std::vector<float> copied(const char *name, const char *wait) {
    void *kernel = compiled(name, cp_async(name, wait));
    std::vector<float> values(128);
    for (size_t i = 0; i < 128; i++) values[i] = (float)i;
    Buffer<float> from(values), to(128);
    launch(kernel, 1, 32, 16 + 512, from.at, to.at);
    return to.values();
}
static void cp_async_arrives() {
    auto found = copied("copy_and_wait", R"(
    asm volatile("cp.async.mbarrier.arrive.shared::cta.b64 [%0];" :: "r"(bar) : "memory");
    barrier->arrive_and_wait();)");
    for (size_t i = 0; i < 128; i++) DEMAND(found[i] == (i % 4 == 3 ? 0 : (float)((i + 4) % 128)));
}
static void cp_async_is_late() {
    auto found = copied("copy_without_wait", "");
    for (float x : found) DEMAND(x != x); // what shared memory held before: NaN
}

static void producer_and_consumers() {
    void *kernel = compiled("pipeline", R"(
#include <cuda/barrier>
extern "C" __global__ void __launch_bounds__(64) pipeline(float *to) {
    extern __shared__ __align__(16) char memory[];
    cuda::barrier<cuda::thread_scope_block> *full = (cuda::barrier<cuda::thread_scope_block> *)memory, *empty = full + 1;
    float *value = (float *)(memory + 16);
    if (threadIdx.x == 0) init(full, 1), init(empty, 63);
    __syncthreads();
    float sum = 0;
    for (int step = 0; step < 5; step++) {
        if (threadIdx.x == 0) {
            if (step) empty->wait_parity((step - 1) % 2);
            *value = step + 1;
            full->arrive();
        } else {
            full->wait_parity(step % 2);
            sum += *value;
            empty->arrive();
        }
    }
    to[threadIdx.x] = sum;
})");
    Buffer<float> to(64);
    launch(kernel, 1, 64, 20, to.at);
    auto found = to.values();
    for (size_t t = 1; t < 64; t++) DEMAND(found[t] == 15);
}

static void groups_of_copies() {
    auto found = copied("copy_group", R"(
    asm volatile("cp.async.commit_group;" ::: "memory");
    asm volatile("cp.async.wait_group 0;" ::: "memory");)");
    for (size_t i = 0; i < 128; i++) DEMAND(found[i] == (i % 4 == 3 ? 0 : (float)((i + 4) % 128)));
}

/// A block's copy of 64 numbers by `memcpy_async`, all threads together or one of them by the bytes that it expects.
static void copies_of_a_block() {
    for (const char *how : {"cuda::memcpy_async(cooperative_groups::this_thread_block(), values, from, 64 * 4, *barrier); barrier->arrive_and_wait();",
                            "if (threadIdx.x == 0) { cuda::device::memcpy_async_tx(values, from, 64 * 4, *barrier); cuda::device::barrier_expect_tx(*barrier, 256); } barrier->arrive_and_wait();"}) {
        void *kernel = compiled("block_copy", std::string(R"(
extern "C" __global__ void __launch_bounds__(32) block_copy(const float *from, float *to) {
    extern __shared__ __align__(16) char memory[];
    float *values = (float *)(memory + 16);
    cuda::barrier<cuda::thread_scope_block> *barrier = (cuda::barrier<cuda::thread_scope_block> *)memory;
    if (threadIdx.x == 0) init(barrier, blockDim.x);
    __syncthreads();
    )") + how + R"(
    to[threadIdx.x] = values[threadIdx.x] + values[threadIdx.x + 32];
})");
        std::vector<float> values(64);
        for (size_t i = 0; i < 64; i++) values[i] = (float)i;
        Buffer<float> from(values), to(32);
        launch(kernel, 1, 32, 16 + 256, from.at, to.at);
        auto found = to.values();
        for (size_t i = 0; i < 32; i++) DEMAND(found[i] == (float)(2 * i + 32));
    }
}

std::vector<Check> async_checks() {
    return {{"cp.async has arrived once it is waited for", cp_async_arrives},
            {"cp.async has not arrived before", cp_async_is_late},
            {"cp.async by groups", groups_of_copies},
            {"memcpy_async of a block, and by expected bytes", copies_of_a_block},
            {"a producer and its consumers take turns at two barriers", producer_and_consumers}};
}
