// What the driver and a compiled kernel share: both are built by the same compiler from this file.
#pragma once
#include <cstddef>
#include <cstdint>

namespace soft {

/// Bytes of a thread's stack. A power of two, and aligned to it, so that a thread finds its `Lane`, which lies at the
/// bottom, by its stack pointer.
constexpr size_t STACK = 1u << 18;
/// Most threads of a block, and lanes of a warp.
constexpr unsigned MOST_THREADS = 1024, WARP = 32;
/// Most bytes of shared memory that a block may ask for: an H100's, and more than an A100's 163 KB.
constexpr unsigned MOST_SHARED = 232448;

struct Dim {
    unsigned x, y, z;
};

/// What a thread waits for.
enum State {
    READY,
    AT_WARP,    // the other lanes of its warp
    AT_BLOCK,   // the other threads of its block: __syncthreads
    AT_BARRIER, // a barrier in shared memory: asks again when all others have had their turn
    DONE,
};

struct Lane;
/// Does what lanes of a warp do together; null where a lane takes no part.
using Together = void (*)(Lane *lanes[WARP]);

struct Block {
    Dim index, dim, grid;
    char *shared;
    unsigned shared_bytes;
    void (*call)(void **arguments); // the kernel, for one thread
    void **arguments;
    void *scheduler; // the stack pointer of what runs the block, while one of its threads runs
    void *deferred;  // asynchronous copies that nobody has waited for yet
};

struct Lane {
    Dim thread;
    unsigned lane;
    Block *block;
    void *stack_pointer;
    State state;
    int site; // line of the source where it waits, and which of the line's operations
    Together together;
    unsigned wants; // lanes that the operation names
    unsigned mask;  // lanes that took part
    int kind;
    unsigned argument;
    uint64_t in[16], out[8];
};

/// What a kernel asks of the driver.
struct Runtime {
    /// Gives the turn to others until what `state` says has come about.
    void (*wait)(Lane *, State, int site);
    /// Reports an error in the running kernel, at a line of its source (0: not known).
    void (*error)(int line, const char *what);
    /// Keeps an asynchronous operation until threads can do nothing but wait for it. Those of a thread keep their order.
    void (*defer)(Lane *, void (*run)(Block *, const void *payload), const void *payload, size_t bytes);
    /// Does what the thread has deferred.
    void (*finish_deferred)(Lane *);
};

/// Most bytes of a deferred operation's payload.
constexpr size_t MOST_PAYLOAD = 128;

/// What a CUtensorMap points at; the innermost dimension first.
struct TensorMap {
    uint64_t magic;
    char *base;
    unsigned rank, element_bytes;
    bool im2col;
    unsigned swizzle;             // 0: none, 1: by 32 bytes, 2: by 64, 3: by 128
    uint64_t sizes[5], steps[5];  // steps in bytes
    unsigned box[5], strides[5];  // tiles
    int lower[3], upper[3];       // im2col: corners of the box of pixels
    unsigned channels, pixels;    // im2col: of one copy
};
constexpr uint64_t TENSOR_MAP = 0x50f7;

} // namespace soft
