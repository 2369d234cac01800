// What threads do together: barriers, shuffles, votes, atomics.
#include "harness.hpp"

static void reversed_through_shared_memory() {
    void *kernel = compiled("reverse_block", R"(
extern "C" __global__ void __launch_bounds__(256) reverse_block(const float *from, float *to) {
    extern __shared__ __align__(16) char memory[];
    float *shared = (float *)memory;
    shared[threadIdx.x] = from[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    to[blockIdx.x * blockDim.x + threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
})");
    std::vector<float> values(3 * 256);
    for (size_t i = 0; i < values.size(); i++) values[i] = (float)i;
    Buffer<float> from(values), to(values.size());
    launch(kernel, 3, 256, 1024, from.at, to.at);
    auto found = to.values();
    for (size_t i = 0; i < values.size(); i++) DEMAND(found[i] == (float)(i / 256 * 256 + 255 - i % 256));
}

static void shuffles_and_votes() {
    void *kernel = compiled("shuffles", R"(
extern "C" __global__ void __launch_bounds__(64) shuffles(int *to) {
    int lane = threadIdx.x % 32, sum = lane;
    for (int by = 16; by > 0; by /= 2) sum += __shfl_xor_sync(0xffffffff, sum, by);
    int up = __shfl_up_sync(0xffffffff, lane, 3), down = __shfl_down_sync(0xffffffff, lane, 3);
    int first = __shfl_sync(0xffffffff, lane * 2, 5);
    int votes = __ballot_sync(0xffffffff, lane % 2 == 0);
    int all = __all_sync(0xffffffff, lane < 32), any = __any_sync(0xffffffff, lane == 40);
    int *out = to + threadIdx.x * 7;
    out[0] = sum, out[1] = up, out[2] = down, out[3] = first, out[4] = votes, out[5] = all, out[6] = any;
})");
    Buffer<int> to(64 * 7);
    launch(kernel, 1, 64, 0, to.at);
    auto found = to.values();
    for (int t = 0; t < 64; t++) {
        int lane = t % 32, *out = &found[(size_t)t * 7];
        DEMAND(out[0] == 31 * 16 && out[1] == (lane < 3 ? lane : lane - 3) && out[2] == (lane > 28 ? lane : lane + 3));
        DEMAND(out[3] == 10 && out[4] == 0x55555555 && out[5] == 1 && out[6] == 0);
    }
}

static void lanes_that_ended_are_not_waited_for() {
    void *kernel = compiled("ended", R"(
extern "C" __global__ void __launch_bounds__(40) ended(int *to) {
    if (threadIdx.x % 32 >= 20) return;
    int sum = 1;
    for (int by = 1; by < 4; by *= 2) sum += __shfl_xor_sync(0xffffffff, sum, by);
    __syncthreads();
    to[threadIdx.x] = sum + 100 * __popc(__activemask());
})");
    Buffer<int> to(40);
    launch(kernel, 1, 40, 0, to.at);
    auto found = to.values();
    for (int t = 0; t < 40; t++)
        DEMAND(found[(size_t)t] == (t % 32 >= 20 ? -1 : t < 32 ? 2004 : 804)); // -1: poisoned memory
}

static void atomic_sums() {
    void *kernel = compiled("atomic_sum", R"(
extern "C" __global__ void __launch_bounds__(128) atomic_sum(float *sum, unsigned *most) {
    atomicAdd(sum, 1.0f);
    atomicMax(most, blockIdx.x * blockDim.x + threadIdx.x);
})");
    Buffer<float> sum(std::vector<float>{0});
    Buffer<unsigned> most(std::vector<unsigned>{0});
    launch(kernel, 50, 128, 0, sum.at, most.at);
    DEMAND(sum.values()[0] == 6400 && most.values()[0] == 6399);
}

std::vector<Check> together_checks() {
    return {{"a block is reversed through shared memory", reversed_through_shared_memory},
            {"shuffles and votes", shuffles_and_votes},
            {"lanes that ended are not waited for", lanes_that_ended_are_not_waited_for},
            {"atomic sums over blocks", atomic_sums}};
}
