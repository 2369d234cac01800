// NCCL's operations: numbers go from rank to rank in chunks.
#include <algorithm>
#include <chrono>
#include <cstring>
#include "nccl.hpp"

namespace nccl {

using Clock = std::chrono::steady_clock;

uint64_t Operation::chunks() const { return std::max<uint64_t>(1, (request.count + per_chunk() - 1) / per_chunk()); }
size_t Operation::bytes(uint64_t chunk) const { return std::min(per_chunk(), request.count - chunk * per_chunk()) * width(); }

bool Operation::begin() {
    size_t all = request.count * width();
    if (!all) return true;
    if (from_at && !(from = soft::on_device(from_at, all))) return false;
    return !to_at || (to = soft::on_device(to_at, all));
}
/// Writes the next chunk for the ranks from `first` to `end`; the one whose reading is waited for, -1: none.
int Operation::write(Channel &channel, uint64_t before, unsigned first, unsigned end) {
    for (unsigned reader = first; reader < end; reader++)
        if (channel.read[reader] < before + written) return (int)reader;
    channel.request = request;
    if (from) memcpy(channel.data, from + written * CHUNK, bytes(written));
    channel.written = before + ++written;
    return -1;
}
/// Whether another's chunk belongs to the same operation.
bool Operation::fits(unsigned other, const Channel &channel) {
    if (channel.request == request) return true;
    c->failure = wrong(INVALID_USAGE, c->name() + " asks for " + request.words() + " where rank " + std::to_string(other) +
                                          " asks for " + channel.request.words());
    return false;
}
int Operation::step_collective() {
    Channel *channels = c->shared->to_all;
    uint64_t before = c->collective_chunks;
    if (written == taken) {
        int waits_for = write(channels[c->rank], before, 0, c->ranks);
        if (waits_for >= 0) return waits_for;
    }
    for (unsigned i = 0; i < c->ranks; i++)
        if (channels[i].written <= before + taken) return (int)i;
    const void *rows[MOST_RANKS];
    for (unsigned i = 0; i < c->ranks; i++) {
        if (!fits(i, channels[i])) return -1;
        rows[i] = channels[i].data;
    }
    if (to && request.kind == BROADCAST) memcpy(to + taken * CHUNK, rows[request.root], bytes(taken));
    else if (to) reduce(request.type, request.operation, to + taken * CHUNK, rows, c->ranks, bytes(taken) / width());
    taken++;
    for (unsigned i = 0; i < c->ranks; i++) channels[i].read[c->rank] = before + taken;
    return -1;
}
int Operation::step_receive() {
    Channel &channel = c->shared->to_one[peer][c->rank];
    if (channel.written <= c->received[peer] + taken) return (int)peer;
    if (!fits(peer, channel)) return -1;
    if (to) memcpy(to + taken * CHUNK, channel.data, bytes(taken));
    channel.read[c->rank] = c->received[peer] + ++taken;
    return -1;
}
int Operation::step() {
    if (request.kind != SEND) return step_collective();
    return receives ? step_receive() : write(c->shared->to_one[c->rank][peer], c->sent[peer], peer, peer + 1);
}
bool Operation::is_done() const {
    return c->failure || (request.kind == SEND && !receives ? written : taken) == chunks();
}
void Operation::end() {
    if (request.kind != SEND) c->collective_chunks += chunks();
    else (receives ? c->received : c->sent)[peer] += chunks();
}

/// Why a rank that is waited for will not come, as far as can be told.
static std::string hopeless(const Operation &operation, unsigned rank, Clock::time_point since) {
    const Rank &other = operation.c->shared->rank[rank];
    int patience = soft::settings().patience_s;
    bool late = Clock::now() - since >= std::chrono::seconds(patience);
    if (!late && !other.is_gone()) return "";
    std::string words = operation.c->name() + " waits for rank " + std::to_string(rank) + " in " + operation.request.words();
    if (other.is_gone()) return words + ", which has ended";
    uint64_t own = operation.c->shared->rank[operation.c->rank].asked;
    return words + ": for " + std::to_string(patience) + " s nothing has come; it has asked for " + std::to_string(other.asked) +
        " operations, this rank for " + std::to_string(own);
}
void run(std::vector<Operation> &operations) {
    for (Operation &operation : operations)
        if (operation.c->failure || !operation.begin()) return;
    auto since = Clock::now();
    std::string why;
    for (unsigned looks = 1;; looks++) {
        bool did = false;
        int rank = -1;
        const Operation *waiting = nullptr;
        for (Operation &operation : operations) {
            if (operation.is_done()) continue;
            int waits_for = operation.step();
            if (waits_for < 0) did = true;
            else rank = waits_for, waiting = &operation;
        }
        if (did) {
            since = Clock::now(), why = "";
            continue;
        }
        if (!waiting) break;
        if (!why.empty()) { // nor has it come since that was found
            waiting->c->failure = wrong(REMOTE_ERROR, why);
            return;
        }
        soft::let_others_work();
        if (looks % 1024 == 0) why = hopeless(*waiting, (unsigned)rank, since);
    }
    for (Operation &operation : operations) operation.end();
}

} // namespace nccl
