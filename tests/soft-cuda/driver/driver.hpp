// What the parts of the driver know of one another.
#pragma once
#include <functional>
#include <string>
#include "../abi.h"

using Result = int; // CUresult
using Handle = void *;
using Pointer = unsigned long long; // CUdeviceptr
enum : Result {
    OK = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    NOT_FOUND = 500,
    NOT_READY = 600,
    NOT_SUPPORTED = 801,
};

namespace soft {

// ---- settings.cpp
enum class Order { Forward, Reverse, Random };
/// What the environment asks for; the README says which variables there are.
struct Settings {
    int architecture, devices, workers;
    int patience_s; // for other ranks of a collective
    Order order;
    uint32_t seed;
    bool late, poison, guard, skip_probes, stop_at_errors;
    std::string summary;
};
const Settings &settings();

// ---- device.cpp
constexpr int MOST_DEVICES = 8;
/// The device whose context is current on this thread.
int current_device();

// ---- report.cpp
struct Kernel;
/// Counts an error and says it; ends the program, unless it is to go on.
void error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// An error in a kernel, at a line of its source (0: not known).
void kernel_error(const Kernel *kernel, int line, const char *what);
/// A launch that a device would refuse: the program is told too, and goes on.
void refused(const char *kernel, const char *why);
/// The kernel that runs, for errors in it; and that errors of memory be reported on this thread of the host.
void running(const Kernel *kernel);
void watch_this_thread();

// ---- memory.cpp
struct Allocation {
    Pointer at;
    size_t bytes, mapped;
    char *base;
};
/// The allocation in whose pages an address lies; null where there is none.
const Allocation *allocation_near(Pointer address);
/// Where so many bytes lie on the device; reports it where they do not lie in one allocation, and is null then.
char *on_device(Pointer at, size_t bytes);

// ---- streams.cpp
/// Has work done in a stream: at once, or as late as CUDA allows; its number there.
unsigned long enqueue(Handle stream, std::function<void()> work);
/// Does a stream's work up to a number, or all of it.
Result finish_stream(Handle stream, unsigned long number = ~0ul);
/// Does all work of the current device's streams.
Result finish_device();
int device_of_stream(Handle stream);
/// In a stream's work that waits for another process: other streams go on for a moment.
void let_others_work();
/// Milliseconds of the device's own clock, which is made up.
extern double device_ms;

// ---- run.cpp
struct Kernel {
    std::string name, library;
    void (*call)(void **arguments);
    bool together; // whether its threads do anything together
    unsigned arguments, sizes[64];
    unsigned most_shared = 49152;
    unsigned long launches = 0;
};
/// Runs a launch to its end.
void run(const Kernel &kernel, Dim grid, Dim dim, unsigned shared_bytes, void **arguments);
extern const Runtime runtime;

// ---- kernels.cpp
struct Counts {
    unsigned long kernels, launches, probes;
};
Counts counts();

} // namespace soft

#define API extern "C" __attribute__((visibility("default")))
API Result cuCtxSetCurrent(Handle context);
