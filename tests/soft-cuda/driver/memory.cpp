// Memory: pages of the host's. Before and behind an allocation lie pages that nobody may touch, and its end is at the
// latter where SOFT_CUDA_GUARD is set; it begins as NaN (all bits are set) where SOFT_CUDA_POISON is.
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include "driver.hpp"

static const size_t PAGE = 4096, MEMORY = 80ull << 30;
/// Larger allocations are not poisoned: each page that is touched takes memory.
static const size_t MOST_POISONED = 256u << 20;
/// CUDA aligns what it gives out to 256 bytes.
static const size_t ALIGNMENT = 256;

using soft::on_device;

static std::mutex lock;
static std::map<Pointer, soft::Allocation> allocations;
static size_t total;
static std::map<char *, size_t> pinned;

const soft::Allocation *soft::allocation_near(Pointer address) { // without the lock: for the report of a fault
    for (auto &[at, a] : allocations)
        if (address >= (Pointer)a.base && address < (Pointer)a.base + a.mapped) return &a;
    return nullptr;
}

API Result cuMemAlloc_v2(Pointer *pointer, size_t bytes) {
    std::lock_guard guard(lock);
    if (!bytes) return INVALID_VALUE;
    if (bytes > MEMORY - total) return OUT_OF_MEMORY;
    size_t mapped = ((bytes + ALIGNMENT + PAGE - 1) / PAGE + 2) * PAGE;
    char *base = (char *)mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return OUT_OF_MEMORY;
    mprotect(base, PAGE, PROT_NONE), mprotect(base + mapped - PAGE, PAGE, PROT_NONE);
    if (soft::settings().poison && bytes <= MOST_POISONED) memset(base + PAGE, 0xff, mapped - 2 * PAGE);
    char *at = base + PAGE;
    if (soft::settings().guard) at = base + mapped - PAGE - (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *pointer = (Pointer)at;
    allocations[*pointer] = {*pointer, bytes, mapped, base};
    total += bytes;
    return OK;
}
static Result release(Pointer pointer) {
    std::lock_guard guard(lock);
    auto found = allocations.find(pointer);
    if (found == allocations.end()) return soft::error("memory is freed that was not allocated, or is freed twice"), INVALID_VALUE;
    munmap(found->second.base, found->second.mapped);
    total -= found->second.bytes;
    return allocations.erase(found), OK;
}
API Result cuMemFree_v2(Pointer pointer) { return soft::finish_device(), release(pointer); }
API Result cuMemAllocAsync(Pointer *pointer, size_t bytes, Handle) { return cuMemAlloc_v2(pointer, bytes); }
// In its stream's turn: another stream's work that comes later finds it gone.
API Result cuMemFreeAsync(Pointer pointer, Handle stream) {
    return soft::enqueue(stream, [=] { release(pointer); }), OK;
}
API Result cuMemGetInfo_v2(size_t *free, size_t *all) { return *all = MEMORY, *free = MEMORY - total, OK; }
API Result cuMemAllocHost_v2(Handle *pointer, size_t bytes) {
    std::lock_guard guard(lock);
    *pointer = aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);
    return pinned[(char *)*pointer] = bytes, OK;
}
API Result cuMemFreeHost(Handle pointer) {
    soft::finish_device();
    std::lock_guard guard(lock);
    return pinned.erase((char *)pointer), free(pointer), OK;
}

// ---- copies: from memory that is not pinned the driver has read when it returns, and into such it has written
static bool is_pinned(const void *address) {
    std::lock_guard guard(lock);
    auto after = pinned.upper_bound((char *)address);
    if (after == pinned.begin()) return false;
    --after;
    return (char *)address < after->first + after->second;
}
char *soft::on_device(Pointer at, size_t bytes) {
    std::lock_guard guard(lock);
    auto after = allocations.upper_bound(at);
    if (after != allocations.begin()) {
        const Allocation &a = std::prev(after)->second;
        if (at + bytes <= a.at + a.bytes) return (char *)at;
    }
    error("a copy of %zu bytes at %#llx, which do not lie in one allocation", bytes, at);
    return nullptr;
}
static void move(char *to, const char *from, size_t bytes) {
    if (to && from) memmove(to, from, bytes);
}
API Result cuMemcpyHtoDAsync_v2(Pointer to, const char *from, size_t bytes, Handle stream) {
    if (is_pinned(from)) {
        soft::enqueue(stream, [=] { move(on_device(to, bytes), from, bytes); });
    } else {
        std::string kept(from, bytes);
        soft::enqueue(stream, [=, kept = std::move(kept)] { move(on_device(to, bytes), kept.data(), bytes); });
    }
    return OK;
}
API Result cuMemcpyDtoHAsync_v2(char *to, Pointer from, size_t bytes, Handle stream) {
    soft::enqueue(stream, [=] { move(to, on_device(from, bytes), bytes); });
    return is_pinned(to) ? OK : soft::finish_stream(stream);
}
API Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, Handle stream) {
    soft::enqueue(stream, [=] { move(on_device(to, bytes), on_device(from, bytes), bytes); });
    return OK;
}

struct Side { // of a CUDA_MEMCPY2D
    size_t x, y;
    int kind; // 1: host, 2: device
    char *host;
    Pointer device;
    Handle array;
    size_t pitch;
    /// Where the first of so many rows of `width` bytes begins; null where they are not in one allocation.
    char *begin(size_t width, size_t height) const {
        size_t offset = y * pitch + x;
        if (kind == 1 || !width || !height) return host + offset;
        return on_device(device + offset, (height - 1) * pitch + width);
    }
};
struct Copy2d {
    Side from, to;
    size_t width, height;
};
static void move_rows(char *to, size_t to_pitch, const char *from, size_t from_pitch, size_t width, size_t height) {
    for (size_t row = 0; to && from && row < height; row++) memcpy(to + row * to_pitch, from + row * from_pitch, width);
}
API Result cuMemcpy2DAsync_v2(const Copy2d *asked, Handle stream) {
    Copy2d c = *asked;
    if (c.from.kind == 1 && !is_pinned(c.from.host)) {
        std::string kept(c.width * c.height, '\0');
        move_rows(kept.data(), c.width, c.from.begin(c.width, c.height), c.from.pitch, c.width, c.height);
        soft::enqueue(stream, [=, kept = std::move(kept)] {
            move_rows(c.to.begin(c.width, c.height), c.to.pitch, kept.data(), c.width, c.width, c.height);
        });
    } else {
        soft::enqueue(stream, [=] {
            char *to = c.to.begin(c.width, c.height), *from = c.from.begin(c.width, c.height);
            move_rows(to, c.to.pitch, from, c.from.pitch, c.width, c.height);
        });
    }
    return c.to.kind == 1 && !is_pinned(c.to.host) ? soft::finish_stream(stream) : OK;
}
