// NCCL: ranks that are processes, or threads of one, add up the right numbers in their streams' turn; and what would hang
// on a real device is told.
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include "harness.hpp"

struct Id {
    char bytes[128];
};
extern "C" {
int ncclGetUniqueId(Id *id);
int ncclCommInitRank(void **communicator, int ranks, Id id, int rank);
int ncclCommAbort(void *communicator);
int ncclCommGetAsyncError(void *communicator, int *answer);
int ncclAllReduce(const void *from, void *to, size_t count, int type, int operation, void *communicator, void *stream);
int ncclBroadcast(const void *from, void *to, size_t count, int type, int root, void *communicator, void *stream);
int ncclSend(const void *from, size_t count, int type, int peer, void *communicator, void *stream);
int ncclRecv(void *to, size_t count, int type, int peer, void *communicator, void *stream);
int ncclGroupStart();
int ncclGroupEnd();
}
enum { INT64 = 4, FLOAT32 = 7, BFLOAT16 = 9, SUM = 0, MAX = 2, AVERAGE = 4 };
/// Numbers that take several chunks, the last of which is not full.
static const size_t MANY = 150001;

/// One of a job's ranks, with a device and a stream of its own.
struct Member {
    int rank, ranks;
    void *communicator = nullptr, *stream = nullptr;
    Member(Id id, int ranks, int rank, int device) : rank(rank), ranks(ranks) {
        void *context;
        DEMAND(!cuDevicePrimaryCtxRetain(&context, device) && !cuCtxSetCurrent(context) && !cuStreamCreate(&stream, 0));
        DEMAND(!ncclCommInitRank(&communicator, ranks, id, rank));
    }
    template <class T> void all_reduce(const Buffer<T> &from, Buffer<T> &to, int type, int operation = SUM) {
        DEMAND(!ncclAllReduce((void *)from.at, (void *)to.at, from.count, type, operation, communicator, stream));
    }
    void finish() { DEMAND(!cuStreamSynchronize(stream)); }
};
/// Memory that holds its values once this returns: no stream waits for the default one.
template <class T> static Buffer<T> filled(const std::vector<T> &values) {
    Buffer<T> made(values);
    DEMAND(!cuStreamSynchronize(nullptr));
    return made;
}
/// Every rank's work in a process of its own; ends as the first that fails.
static void job(int ranks, const std::function<void(int rank, Id id)> &work) {
    setenv("SOFT_CUDA_DEVICES", std::to_string(ranks).c_str(), 1);
    Id id;
    DEMAND(!ncclGetUniqueId(&id));
    std::vector<pid_t> processes;
    for (int rank = 0; rank < ranks; rank++) {
        pid_t process = fork();
        if (!process) alarm(120), work(rank, id), exit(0); // what hangs has failed
        processes.push_back(process);
    }
    int first = 0;
    for (pid_t process : processes) {
        int status;
        DEMAND(waitpid(process, &status, 0) == process);
        if (!first) first = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    if (first) exit(first);
}
static std::vector<float> numbers(int rank, size_t count) {
    std::vector<float> made(count);
    for (size_t i = 0; i < count; i++) made[i] = (float)(i % 1000 + 1000 * (size_t)rank);
    return made;
}

static void sums_over_processes() {
    job(3, [](int rank, Id id) {
        Member m(id, 3, rank, rank);
        auto own = filled(numbers(rank, MANY));
        Buffer<float> sum(MANY);
        m.all_reduce(own, sum, FLOAT32), m.all_reduce(sum, sum, FLOAT32, AVERAGE), m.finish();
        auto found = sum.values();
        for (size_t i = 0; i < MANY; i++) DEMAND(found[i] == (float)(3 * (i % 1000) + 3000));
    });
}
static void numbers_of_several_types() {
    job(2, [](int rank, Id id) {
        Member m(id, 2, rank, rank);
        auto whole = filled(std::vector<int64_t>{1ll << 40, rank ? -5 : 5});
        auto half = filled(std::vector<uint16_t>{bf16(1), bf16(rank ? 256 : 1)});
        m.all_reduce(whole, whole, INT64, MAX), m.all_reduce(half, half, BFLOAT16), m.finish();
        DEMAND(whole.values() == (std::vector<int64_t>{1ll << 40, 5}));
        DEMAND(half.values() == (std::vector<uint16_t>{bf16(2), bf16(256)})); // 257 is rounded to even
    });
}
static void in_the_streams_turn() {
    job(2, [](int rank, Id id) {
        Member m(id, 2, rank, rank);
        float *from, *to;
        DEMAND(!cuMemAllocHost_v2((void **)&from, 4) && !cuMemAllocHost_v2((void **)&to, 4));
        Buffer<float> own(1), sum(1);
        void *event, *other;
        DEMAND(!cuEventCreate(&event, 0) && !cuStreamCreate(&other, 0));
        *from = rank + 1.0f, *to = 0;
        // Copied in another stream, added up in the communicator's behind it, brought back in the first behind that.
        DEMAND(!cuMemcpyHtoDAsync_v2(own.at, from, 4, other) && !cuEventRecord(event, other));
        DEMAND(!cuStreamWaitEvent(m.stream, event, 0));
        m.all_reduce(own, sum, FLOAT32);
        DEMAND(!cuEventRecord(event, m.stream) && !cuStreamWaitEvent(other, event, 0));
        DEMAND(!cuMemcpyDtoHAsync_v2(to, sum.at, 4, other) && !cuStreamSynchronize(other) && *to == 3);
    });
}
/// The second waits for its sum before it says that the first may wait for its own.
static void streams_go_on_by_themselves() {
    int ends[2];
    DEMAND(!pipe(ends));
    job(2, [&](int rank, Id id) {
        Member m(id, 2, rank, rank);
        auto own = filled(numbers(rank, 10));
        Buffer<float> sum(10);
        m.all_reduce(own, sum, FLOAT32);
        char said = 0;
        if (rank == 0) DEMAND(read(ends[0], &said, 1) == 1);
        m.finish();
        if (rank == 1) DEMAND(write(ends[1], &said, 1) == 1);
        DEMAND(sum.values()[9] == 1018);
    });
}
static void broadcasts_and_exchanges() {
    job(3, [](int rank, Id id) {
        Member m(id, 3, rank, rank);
        auto own = filled(numbers(rank, MANY));
        Buffer<float> got(MANY);
        DEMAND(!ncclBroadcast((void *)own.at, (void *)got.at, MANY, FLOAT32, 2, m.communicator, m.stream));
        m.finish();
        DEMAND(got.values() == numbers(2, MANY));
        // Round in a circle: each sends before it receives, more than is handed over at once.
        DEMAND(!ncclGroupStart() && !ncclSend((void *)own.at, MANY, FLOAT32, (rank + 1) % 3, m.communicator, m.stream));
        DEMAND(!ncclRecv((void *)got.at, MANY, FLOAT32, (rank + 2) % 3, m.communicator, m.stream) && !ncclGroupEnd());
        m.finish();
        DEMAND(got.values() == numbers((rank + 2) % 3, MANY));
    });
}
static void devices_of_one_process() {
    setenv("SOFT_CUDA_DEVICES", "2", 1);
    Id id;
    DEMAND(!ncclGetUniqueId(&id));
    auto work = [=](int rank) {
        Member m(id, 2, rank, rank);
        for (int i = 0; i < 20; i++) {
            auto own = filled(numbers(rank + i, 100));
            Buffer<float> sum(100);
            m.all_reduce(own, sum, FLOAT32), m.finish();
            DEMAND(sum.values()[1] == (float)(2 + 1000 * (2 * i + 1)));
            DEMAND(!cuMemFree_v2(own.at));
        }
    };
    std::thread other(work, 1);
    work(0), other.join();
}
static void an_abort_frees_who_waits() {
    job(2, [](int rank, Id id) {
        Member m(id, 2, rank, rank);
        auto own = filled(numbers(rank, 10));
        Buffer<float> sum(10);
        if (rank == 1) return void(sleep(1));
        m.all_reduce(own, sum, FLOAT32);
        int answer;
        DEMAND(!ncclCommAbort(m.communicator));
        m.finish();
        DEMAND(!ncclCommGetAsyncError(m.communicator, &answer) && answer == 6);
    });
}

// ---- errors
static void counts_differ() {
    job(2, [](int rank, Id id) {
        Member m(id, 2, rank, rank);
        auto own = filled(numbers(0, 10 + (size_t)rank));
        Buffer<float> sum(11);
        m.all_reduce(own, sum, FLOAT32), m.finish();
    });
}
static void types_differ() {
    job(2, [](int rank, Id id) {
        Member m(id, 2, rank, rank);
        auto own = filled(numbers(0, 10));
        Buffer<float> sum(10);
        m.all_reduce(own, sum, rank ? FLOAT32 : BFLOAT16), m.finish();
    });
}
static void a_rank_has_ended() {
    job(2, [](int rank, Id id) {
        Member m(id, 2, rank, rank);
        auto own = filled(numbers(0, 10));
        Buffer<float> sum(10);
        if (rank == 0) m.all_reduce(own, sum, FLOAT32), m.finish();
    });
}
static void a_rank_asks_for_nothing() {
    setenv("SOFT_CUDA_PATIENCE", "1", 1);
    job(2, [](int rank, Id id) {
        Member m(id, 2, rank, rank);
        auto own = filled(numbers(0, 10));
        Buffer<float> sum(10);
        if (rank == 0) m.all_reduce(own, sum, FLOAT32), m.finish();
        sleep(4);
    });
}
static void a_rank_does_not_join() {
    setenv("SOFT_CUDA_PATIENCE", "1", 1);
    job(3, [](int rank, Id id) {
        if (rank == 1) Member(id, 3, rank, rank);
    });
}
static void two_ranks_with_one_device() {
    job(2, [](int rank, Id id) { Member(id, 2, rank, 1); });
}
static void a_stream_of_another_device() {
    job(2, [](int rank, Id id) {
        Member m(id, 2, rank, rank), *all = &m;
        void *context, *stream;
        DEMAND(!cuDevicePrimaryCtxRetain(&context, 1 - rank) && !cuCtxSetCurrent(context) && !cuStreamCreate(&stream, 0));
        auto own = filled(numbers(0, 10));
        all->stream = stream, all->all_reduce(own, own, FLOAT32);
    });
}
static void more_than_the_allocation() {
    job(2, [](int rank, Id id) {
        Member m(id, 2, rank, rank);
        auto own = filled(numbers(0, 10));
        Buffer<float> sum(8);
        m.all_reduce(own, sum, FLOAT32), m.finish();
    });
}

std::vector<Check> collective_checks() {
    return {
        {"sums over three processes, in several chunks", sums_over_processes},
        {"sums of integers, and of bf16 rounded once", numbers_of_several_types},
        {"a sum in its stream's turn", in_the_streams_turn},
        {"a sum while no host waits for it", streams_go_on_by_themselves},
        {"a broadcast, and a circle of sends", broadcasts_and_exchanges},
        {"sums over two devices of one process", devices_of_one_process},
        {"an abort frees who waits", an_abort_frees_who_waits},
        {"ranks that give unequal counts", counts_differ, "asks for the sum of 10 float32 where rank 1 asks for the sum of 11 float32"},
        {"ranks that give unequal types", types_differ, "10 bfloat16 where rank 1 asks for the sum of 10 float32"},
        {"a rank that has ended", a_rank_has_ended, "rank 0 of 2 waits for rank 1 in the sum of 10 float32, which has ended"},
        {"a rank that asks for nothing", a_rank_asks_for_nothing, "for 1 s nothing has come; it has asked for 0 operations, this rank for 1"},
        {"a rank that does not join", a_rank_does_not_join, "rank 1 waits for ranks to join: 0, 2 of 3 have not in 1 s"},
        {"two ranks with one device", two_ranks_with_one_device, "both have device 1: a device takes part once"},
        {"a stream of another device", a_stream_of_another_device, "in a stream of another device"},
        {"a sum that leaves its allocation", more_than_the_allocation, "do not lie in one allocation"},
    };
}
