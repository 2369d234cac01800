// Streams: work is done when it is waited for, and in the order that events make.
#include "harness.hpp"

static void work_waits_for_the_host() {
    void *stream, *event;
    float *host, *back;
    DEMAND(!cuStreamCreate(&stream, 0) && !cuEventCreate(&event, 0));
    DEMAND(!cuMemAllocHost_v2((void **)&host, 4) && !cuMemAllocHost_v2((void **)&back, 4));
    unsigned long long at;
    DEMAND(!cuMemAlloc_v2(&at, 4));
    *host = 1, *back = 0;
    DEMAND(!cuMemcpyHtoDAsync_v2(at, host, 4, stream) && !cuMemcpyDtoHAsync_v2(back, at, 4, stream));
    DEMAND(!cuEventRecord(event, stream) && cuEventQuery(event) == 600);
    DEMAND(*back == 0);
    *host = 2; // a program that writes before it has waited sends this
    DEMAND(!cuStreamSynchronize(stream) && cuEventQuery(event) == 0 && *back == 2);
}
static void events_order_streams() {
    void *first, *second, *event;
    DEMAND(!cuStreamCreate(&first, 0) && !cuStreamCreate(&second, 0) && !cuEventCreate(&event, 0));
    Buffer<float> memory(std::vector<float>{7});
    DEMAND(!cuStreamSynchronize(nullptr));
    float *from, *to;
    DEMAND(!cuMemAllocHost_v2((void **)&from, 4) && !cuMemAllocHost_v2((void **)&to, 4));
    *from = 8;
    DEMAND(!cuMemcpyHtoDAsync_v2(memory.at, from, 4, first));
    DEMAND(!cuMemcpyDtoHAsync_v2(to, memory.at, 4, second) && !cuStreamSynchronize(second) && *to == 7); // no order
    DEMAND(!cuEventRecord(event, first) && !cuStreamWaitEvent(second, event, 0));
    DEMAND(!cuMemcpyDtoHAsync_v2(to, memory.at, 4, second) && !cuStreamSynchronize(second) && *to == 8);
}
struct Side { // of a CUDA_MEMCPY2D
    size_t x, y;
    int kind;
    void *host;
    unsigned long long device;
    void *array;
    size_t pitch;
};
static void rows_of_two_pitches() {
    std::vector<float> from(12), to(8, -1);
    for (size_t i = 0; i < 12; i++) from[i] = (float)i;
    Buffer<float> memory(20);
    struct {
        Side from, to;
        size_t width, height;
    } up = {{4, 1, 1, from.data(), 0, nullptr, 16}, {0, 0, 2, nullptr, memory.at, nullptr, 40}, 8, 2},
      down = {{0, 0, 2, nullptr, memory.at, nullptr, 40}, {8, 0, 1, to.data(), 0, nullptr, 16}, 8, 2};
    DEMAND(!cuMemcpy2DAsync_v2(&up, nullptr));
    from.assign(12, 0); // what is not pinned has been read
    DEMAND(!cuMemcpy2DAsync_v2(&down, nullptr) && to == (std::vector<float>{-1, -1, 5, 6, -1, -1, 9, 10}));
}
static void memory_is_not_a_number() {
    for (float x : Buffer<float>(100).values()) DEMAND(x != x);
}

std::vector<Check> stream_checks() {
    return {{"work is done when the host waits for it", work_waits_for_the_host},
            {"events order streams, and nothing else does", events_order_streams},
            {"rows are copied between memories of two pitches", rows_of_two_pitches},
            {"new memory is NaN", memory_is_not_a_number}};
}
