// NCCL's functions: communicators of the devices of one or several processes of this machine. An operation takes place in
// its stream's turn, on a thread of its communicator's: a device's streams go on by themselves, whatever the host waits
// for. What hangs, or adds up nonsense, on a real device ends with an error here.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <unistd.h>
#include <utility>
#include "nccl.hpp"

using namespace nccl;
using std::string, std::to_string;

struct Id { // ncclUniqueId
    char bytes[128];
};
static const char MARK[] = "/soft-cuda-nccl-";
static thread_local string last_error;

Answer nccl::wrong(Answer answer, const string &words) {
    last_error = words;
    soft::error("NCCL: %s", words.c_str());
    return answer;
}

/// Does a communicator's work for as long as the process lives.
static void progress(Communicator *c) {
    cuCtxSetCurrent((Handle)(16ull * ((unsigned)c->device + 1)));
    for (;;) {
        std::unique_lock held(c->lock);
        c->asked.wait(held, [&] { return !c->goals.empty(); });
        Goal goal = c->goals.front();
        c->goals.pop_front();
        held.unlock();
        soft::finish_stream(goal.stream, goal.number);
    }
}

API int ncclGetVersion(int *version) { return *version = 22800, SUCCESS; }
API int ncclGetUniqueId(Id *id) {
    std::random_device random;
    memset(id->bytes, 0, sizeof id->bytes);
    snprintf(id->bytes, sizeof id->bytes, "%s%d-%08x%08x", MARK, getpid(), random(), random());
    return SUCCESS;
}

/// Takes a rank's place; why it cannot.
static string take_place(Shared &shared, unsigned ranks, unsigned rank, int device) {
    unsigned before = 0;
    if (!shared.ranks.compare_exchange_strong(before, ranks) && before != ranks)
        return "rank " + to_string(rank) + " joins " + to_string(ranks) + " ranks, others " + to_string(before);
    int nobody = 0;
    shared.rank[rank].device = device;
    if (!shared.rank[rank].process.compare_exchange_strong(nobody, getpid()))
        return "two join as rank " + to_string(rank) + " of " + to_string(ranks);
    shared.joined++;
    return "";
}
/// Waits until all have joined; why that is hopeless.
static string wait_for_all(const Shared &shared, unsigned ranks, unsigned rank) {
    auto begun = std::chrono::steady_clock::now();
    int patience = soft::settings().patience_s;
    while (shared.joined < ranks) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (std::chrono::steady_clock::now() - begun < std::chrono::seconds(patience)) continue;
        string missing;
        for (unsigned i = 0; i < ranks; i++)
            if (!shared.rank[i].process) missing += (missing.empty() ? "" : ", ") + to_string(i);
        return "rank " + to_string(rank) + " waits for ranks to join: " + missing + " of " + to_string(ranks) + " have not in " +
            to_string(patience) + " s";
    }
    for (unsigned i = 0; i < ranks; i++)
        if (i != rank && shared.rank[i].device == shared.rank[rank].device)
            return "rank " + to_string(rank) + " and rank " + to_string(i) + " of " + to_string(ranks) + " both have device " +
                to_string(shared.rank[i].device) + ": a device takes part once";
    return "";
}
API int ncclCommInitRank(Communicator **made, int ranks, Id id, int rank) {
    if (ranks < 1 || ranks > (int)MOST_RANKS || rank < 0 || rank >= ranks)
        return wrong(INVALID_ARGUMENT, "rank " + to_string(rank) + " of " + to_string(ranks) + " (16 at most here)");
    if (strncmp(id.bytes, MARK, sizeof MARK - 1) || !memchr(id.bytes, 0, sizeof id.bytes))
        return wrong(INVALID_ARGUMENT, "rank " + to_string(rank) + " joins by an identifier that ncclGetUniqueId has not made");
    Shared *shared = open_shared(id.bytes);
    if (!shared) return wrong(SYSTEM_ERROR, string(id.bytes) + ": no shared memory can be had");
    int device = soft::current_device();
    string why = take_place(*shared, (unsigned)ranks, (unsigned)rank, device);
    if (why.empty()) why = wait_for_all(*shared, (unsigned)ranks, (unsigned)rank);
    unlink_shared(id.bytes); // all have it, or never will
    if (!why.empty()) return wrong(INVALID_USAGE, why);
    auto *c = *made = new Communicator{};
    c->shared = shared, c->rank = (unsigned)rank, c->ranks = (unsigned)ranks, c->device = device;
    return std::thread(progress, c).detach(), SUCCESS;
}
API int ncclCommCount(const Communicator *c, int *count) { return *count = (int)c->ranks, SUCCESS; }
API int ncclCommUserRank(const Communicator *c, int *rank) { return *rank = (int)c->rank, SUCCESS; }
API int ncclCommCuDevice(const Communicator *c, int *device) { return *device = c->device, SUCCESS; }
API int ncclCommGetAsyncError(const Communicator *c, int *answer) { return *answer = c->failure, SUCCESS; }
API int ncclCommFinalize(Communicator *c) { return c->failure; }
// Kept: work in streams may name it.
API int ncclCommDestroy(Communicator *c) { return c->shared->rank[c->rank].left = true, SUCCESS; }
API int ncclCommAbort(Communicator *c) {
    c->failure = REMOTE_ERROR; // what waits for others goes on without them
    return ncclCommDestroy(c);
}
API const char *ncclGetErrorString(int answer) {
    switch (answer) {
    case SUCCESS: return "no error";
    case SYSTEM_ERROR: return "unhandled system error";
    case INVALID_ARGUMENT: return "invalid argument";
    case INVALID_USAGE: return "invalid usage";
    case REMOTE_ERROR: return "remote process exited or there was a network error";
    default: return "unknown result code";
    }
}
API const char *ncclGetLastError(const Communicator *) { return last_error.c_str(); }

// ---- operations, alone or in groups
struct Asked {
    Handle stream;
    Operation operation;
};
static thread_local int depth;
static thread_local std::vector<Asked> group;

/// Has the operations of a group done in their streams' turn, those of a communicator together.
static int ask(std::vector<Asked> all) {
    while (!all.empty()) {
        Communicator *c = all[0].operation.c;
        Handle stream = all[0].stream;
        auto operations = std::make_shared<std::vector<Operation>>();
        std::vector<Asked> others;
        for (const Asked &one : all) {
            if (one.operation.c != c) others.push_back(one);
            else if (one.stream != stream) return wrong(INVALID_USAGE, c->name() + ": a group in two streams, which is not modelled");
            else operations->push_back(one.operation), c->shared->rank[c->rank].asked++;
        }
        unsigned long number = soft::enqueue(stream, [=] { run(*operations); });
        std::lock_guard guard(c->lock);
        c->goals.push_back({stream, number}), c->asked.notify_one();
        all = others;
    }
    return SUCCESS;
}
static int add(Communicator *c, Handle stream, const Request &request, unsigned peer, bool receives, const void *from, void *to) {
    if (c->failure) return c->failure;
    string what = c->name() + " asks for " + request.words();
    if (!bytes_of(request.type) || request.operation < 0 || request.operation > 4) return wrong(INVALID_ARGUMENT, what + ", which is not modelled");
    if (peer >= c->ranks) return wrong(INVALID_ARGUMENT, what + ", with a rank that is not there");
    if (soft::device_of_stream(stream) != c->device) return wrong(INVALID_USAGE, what + " in a stream of another device");
    Asked one = {stream, {c, request, peer, receives, (Pointer)from, (Pointer)to}};
    if (depth) return group.push_back(one), SUCCESS;
    return ask({one});
}
API int ncclGroupStart() { return depth++, SUCCESS; }
API int ncclGroupEnd() {
    if (!depth) return wrong(INVALID_USAGE, "a group ends that has not begun");
    return --depth ? SUCCESS : ask(std::exchange(group, {}));
}
API int ncclAllReduce(const void *from, void *to, size_t count, int type, int operation, Communicator *c, Handle stream) {
    return add(c, stream, {ALL_REDUCE, type, operation, 0, count}, 0, false, from, to);
}
API int ncclBroadcast(const void *from, void *to, size_t count, int type, int root, Communicator *c, Handle stream) {
    bool is_root = root == (int)c->rank;
    return add(c, stream, {BROADCAST, type, 0, root, count}, (unsigned)root, false, is_root ? from : nullptr, to);
}
API int ncclSend(const void *from, size_t count, int type, int peer, Communicator *c, Handle stream) {
    return add(c, stream, {SEND, type, 0, 0, count}, (unsigned)peer, false, from, nullptr);
}
API int ncclRecv(void *to, size_t count, int type, int peer, Communicator *c, Handle stream) {
    return add(c, stream, {SEND, type, 0, 0, count}, (unsigned)peer, true, nullptr, to);
}
