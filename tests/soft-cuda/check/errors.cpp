// Kernels that are wrong: each ends the program with an error that names the kernel and the line.
#include "harness.hpp"

/// Runs one block of a kernel on a buffer of 64 numbers.
static std::function<void()> wrong(const char *name, const char *body, unsigned threads = 64) {
    return [=] {
        void *kernel = compiled(name, std::string("extern \"C\" __global__ void __launch_bounds__(64) ") + name + "(float *to) {\n" + body + "\n}\n");
        Buffer<float> to(64);
        launch(kernel, 1, threads, 64, to.at);
        to.values();
    };
}
static void too_much_shared_memory() {
    void *kernel = compiled("hungry", "extern \"C\" __global__ void __launch_bounds__(32) hungry(float *to) {\n    to[0] = 0;\n}\n");
    Buffer<float> to(1);
    void *arguments[] = {&to.at};
    DEMAND(cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 50000, nullptr, arguments, nullptr) == 1);
    DEMAND(cuFuncSetAttribute(kernel, 8, 50000) == 0);
    DEMAND(cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 50000, nullptr, arguments, nullptr) == 0);
    DEMAND(cuFuncSetAttribute(kernel, 8, 300000) == 1);
    DEMAND(cuLaunchKernel(kernel, 1, 70000, 1, 32, 1, 1, 0, nullptr, arguments, nullptr) == 1);
    to.values();
    _Exit(99); // what is said of refused launches is looked at as errors are
}

static void freed_twice() {
    Buffer<float> memory(1);
    cuMemFree_v2(memory.at);
    cuMemFree_v2(memory.at);
}
static void freed_in_another_stream() {
    void *kernel = compiled("late_reader", "extern \"C\" __global__ void __launch_bounds__(32) late_reader(float *to) {\n    to[threadIdx.x] = 1;\n}\n");
    void *stream;
    DEMAND(!cuStreamCreate(&stream, 0));
    Buffer<float> memory(32);
    launch(kernel, 1, 32, 0, memory.at); // by the default stream, for which nobody waits
    cuMemFreeAsync(memory.at, stream), cuStreamSynchronize(stream);
    cuStreamSynchronize(nullptr);
}
static void copied_too_far() {
    Buffer<float> memory(10);
    std::vector<float> values(11);
    cuMemcpyHtoDAsync_v2(memory.at, values.data(), 44, nullptr), cuStreamSynchronize(nullptr);
}
static void streams_that_wait_for_each_other() {
    void *first, *second, *one, *two;
    DEMAND(!cuStreamCreate(&first, 0) && !cuStreamCreate(&second, 0) && !cuEventCreate(&one, 0) && !cuEventCreate(&two, 0));
    Buffer<float> memory(1);
    float values[2];
    // An event is recorded behind a wait for the other stream's, which is recorded anew behind a wait for it.
    cuMemcpyHtoDAsync_v2(memory.at, values, 4, second), cuEventRecord(two, second);
    cuStreamWaitEvent(first, two, 0), cuEventRecord(one, first);
    cuStreamWaitEvent(second, one, 0), cuEventRecord(two, second);
    DEMAND(!cuStreamSynchronize(second)); // that is no cycle: each waits for what was asked before
}

std::vector<Check> error_checks() {
    return {
        {"divergent barriers are found", wrong("divergent", "    if (threadIdx.x < 32)\n        __syncthreads();\n    else\n        __syncthreads();"),
         "divergent, line 3 of "},
        {"a partial warp is found", wrong("partial", "    float x = threadIdx.x;\n    if (threadIdx.x < 40)\n        x = __shfl_xor_sync(0xffffffff, x, 1);\n    __syncthreads();\n    to[threadIdx.x] = x;"),
         "partial, line 4 of "},
        {"a deadlock is found", wrong("stuck", "    cuda::barrier<cuda::thread_scope_block> *b = (cuda::barrier<cuda::thread_scope_block> *)soft_shared();\n    if (threadIdx.x == 0) init(b, 65);\n    __syncthreads();\n    b->arrive_and_wait();"),
         "stuck, line 5 of "},
        {"more arrivals than a barrier expects are found", wrong("crowded", "    cuda::barrier<cuda::thread_scope_block> *b = (cuda::barrier<cuda::thread_scope_block> *)soft_shared();\n    if (threadIdx.x == 0) init(b, 1);\n    __syncthreads();\n    if (threadIdx.x == 0)\n        b->arrive(2);"),
         "crowded, line 6 of "},
        {"a misaligned address is found", wrong("askew", "    struct alignas(16) four { float x[4]; };\n    if (threadIdx.x == 0)\n        *(four *)(to + 1) = four{};", 1),
         "askew, line 4 of "},
        {"a shuffle from a lane that takes no part is found", wrong("lonely", "    if (threadIdx.x % 32 >= 16) return;\n    to[threadIdx.x] = __shfl_sync(__activemask(), 1.0f, 20);"),
         "lonely, line 3 of "},
        {"mma.sync without its whole warp is found", wrong("half_warp", R"(    float a = 0, b = 0, c = 0, d = 0;
    unsigned w = 0;
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
        : "=f"(a), "=f"(b), "=f"(c), "=f"(d) : "r"(w), "r"(w), "r"(w), "r"(w), "r"(w), "r"(w), "f"(a), "f"(b), "f"(c), "f"(d));
    to[threadIdx.x] = a;)", 24), "half_warp, line 4 of "},
        {"memory that is freed twice is found", freed_twice, "freed twice"},
        {"memory that another stream has freed is found", freed_in_another_stream, "late_reader, line 2 of "},
        {"a copy beyond an allocation is found", copied_too_far, "a copy of 44 bytes"},
        {"events that are recorded anew make no cycle", streams_that_wait_for_each_other},
        {"an address beyond an allocation is found", wrong("beyond", "    to[0] = 1;\n    to[threadIdx.x + 1] = 2;"), "beyond, line 3 of "},
        {"an address before an allocation is found", wrong("before", "    to[(int)threadIdx.x - 2048] = 2;"), "before, line 2 of "},
        {"launches that a device refuses are refused", too_much_shared_memory, "refused: hungry: more shared memory"},
    };
}
