// What the parts of the NCCL here know of one another.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>
#include "../driver/driver.hpp"

namespace nccl {

enum Answer { SUCCESS = 0, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, INVALID_USAGE = 5, REMOTE_ERROR = 6 };

// ---- shared.cpp: memory that the ranks of a communicator share, over all processes. All of it begins as zeros.
constexpr unsigned MOST_RANKS = 16;
/// Bytes that are handed over at once.
constexpr size_t CHUNK = 1 << 18;

enum Kind : int { ALL_REDUCE = 1, BROADCAST, SEND };

/// What a rank asks for: the same by all, but for a `SEND`'s receiver.
struct Request {
    Kind kind;
    int type, operation, root;
    uint64_t count;
    bool operator==(const Request &other) const {
        return kind == other.kind && type == other.type && operation == other.operation && root == other.root && count == other.count;
    }
    std::string words() const;
};

/// Chunks from one rank to others. One is written when all have read the one before.
struct Channel {
    std::atomic<uint64_t> written, read[MOST_RANKS]; // chunks; read by each rank
    Request request;                                 // of which the chunk is a part
    char data[CHUNK];
};

struct Rank {
    std::atomic<int> process; // 0: it has not joined
    std::atomic<int> device;
    std::atomic<bool> left;
    std::atomic<uint64_t> asked; // operations

    /// Whether it will do nothing any more: it has left, or its process has ended.
    bool is_gone() const;
};

struct Shared {
    std::atomic<unsigned> ranks, joined;
    Rank rank[MOST_RANKS];
    Channel to_all[MOST_RANKS];
    Channel to_one[MOST_RANKS][MOST_RANKS]; // from, to
};

/// The memory of a name, made where it is not there yet; null where it cannot be.
Shared *open_shared(const std::string &name);
void unlink_shared(const std::string &name);

/// Adds up `ranks` rows of `count` numbers, in the ranks' order; false where the type or the operation is not modelled.
bool reduce(int type, int operation, void *to, const void *const *rows, unsigned ranks, size_t count);
/// Bytes of a number; 0 where the type is not modelled.
size_t bytes_of(int type);

// ---- communicator.cpp
/// Work of a stream that other ranks wait for.
struct Goal {
    Handle stream;
    unsigned long number;
};
struct Communicator {
    Shared *shared;
    unsigned rank, ranks;
    int device;
    std::atomic<int> failure{SUCCESS}; // what it answers from now on
    uint64_t collective_chunks = 0, sent[MOST_RANKS] = {}, received[MOST_RANKS] = {};
    // What its thread has to do.
    std::mutex lock;
    std::condition_variable asked;
    std::deque<Goal> goals;

    std::string name() const { return "rank " + std::to_string(rank) + " of " + std::to_string(ranks); }
};
/// An error of the program: said, counted, and the end of it unless it is to go on.
Answer wrong(Answer answer, const std::string &words);

// ---- operations.cpp
/// What a rank does in its stream's turn, as far as others let it.
struct Operation {
    Communicator *c;
    Request request;
    unsigned peer; // of a send or a receipt
    bool receives; // a receipt, which is its sender's `SEND`
    Pointer from_at, to_at;
    uint64_t written = 0, taken = 0; // chunks
    char *from = nullptr, *to = nullptr;

    bool begin();
    /// Does what can be done now; the rank that it waits for, -1: it has gone on.
    int step();
    bool is_done() const;
    void end();

private:
    size_t width() const { return bytes_of(request.type); }
    uint64_t per_chunk() const { return CHUNK / width(); }
    uint64_t chunks() const;
    size_t bytes(uint64_t chunk) const;
    int write(Channel &, uint64_t before, unsigned first, unsigned end);
    bool fits(unsigned other, const Channel &);
    int step_collective();
    int step_receive();
};
/// Does the operations of a group, all at once.
void run(std::vector<Operation> &);

} // namespace nccl
