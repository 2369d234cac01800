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
static void memory_is_not_a_number() {
    for (float x : Buffer<float>(100).values()) DEMAND(x != x);
}

std::vector<Check> stream_checks() {
    return {{"work is done when the host waits for it", work_waits_for_the_host},
            {"events order streams, and nothing else does", events_order_streams},
            {"new memory is NaN", memory_is_not_a_number}};
}
