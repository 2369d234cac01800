// Modules, launches and tensor maps. A module is a library of the host, which the NVRTC here made.
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <mutex>
#include <vector>
#include "driver.hpp"

using soft::Dim, soft::Kernel;

/// What NVRTC's "PTX" begins with; the library's path follows.
static const char PREFIX[] = "soft-cuda:";
static std::mutex lock;
/// Never destroyed, as the settings: what is written when the program ends, after what is static was, needs both.
static std::vector<Kernel *> &kernels = *new std::vector<Kernel *>;
static unsigned long probes;

soft::Counts soft::counts() {
    Counts c = {0, 0, probes};
    for (Kernel *kernel : kernels) c.kernels += kernel->launches > 0, c.launches += kernel->launches;
    return c;
}

API Result cuModuleLoadData(Handle *module, const char *ptx) {
    if (strncmp(ptx, PREFIX, sizeof PREFIX - 1)) return INVALID_IMAGE;
    *module = dlopen(ptx + sizeof PREFIX - 1, RTLD_NOW | RTLD_LOCAL);
    if (!*module) return soft::error("%s", dlerror()), INVALID_IMAGE;
    return OK;
}
API Result cuModuleUnload(Handle) { return OK; }
API Result cuModuleGetFunction(Kernel **found, Handle module, const char *name) {
    auto bind = (void (*)(const soft::Runtime *, unsigned *, unsigned *))dlsym(module, "soft_bind");
    auto call = (void (*)(void **))dlsym(module, "soft_entry");
    auto together = (const int *)dlsym(module, "soft_together");
    Dl_info where;
    if (!bind || !call || !together || !dladdr((void *)call, &where)) return NOT_FOUND;
    Kernel *kernel = new Kernel{};
    kernel->name = name, kernel->library = where.dli_fname, kernel->call = call, kernel->together = *together != 0;
    bind(&soft::runtime, &kernel->arguments, kernel->sizes);
    std::lock_guard guard(lock);
    return kernels.push_back(kernel), *found = kernel, OK;
}
API Result cuFuncSetAttribute(Kernel *kernel, int attribute, int value) {
    if (attribute != 8) return OK; // the most shared memory that launches may ask for
    unsigned most = soft::settings().architecture >= 90 ? 232448 : 166912;
    if (value < 0 || (unsigned)value > most)
        return soft::refused(kernel->name.c_str(), "more shared memory than a block has"), INVALID_VALUE;
    return kernel->most_shared = std::max(kernel->most_shared, (unsigned)value), OK;
}

/// Why a device would refuse the launch; null where it would not.
static const char *unfit(const Kernel &kernel, Dim grid, Dim dim, unsigned shared) {
    uint64_t threads = (uint64_t)dim.x * dim.y * dim.z;
    if (!threads || !grid.x || !grid.y || !grid.z) return "a grid or a block is empty";
    if (threads > 1024 || dim.z > 64) return "a block has more than 1024 threads, or 64 in z";
    if (grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535) return "a grid has more than 2147483647, 65535, 65535 blocks";
    if (shared > kernel.most_shared) return "more shared memory than was asked for by cuFuncSetAttribute";
    if (kernel.arguments > 64) return "more than 64 arguments";
    return nullptr;
}
/// CubeCL measures what a device can do by kernels that would take this one minutes; their results are not used.
static bool is_probe(const Kernel &kernel) {
    return kernel.name.find("throughput") != std::string::npos || kernel.name.find("prime_buffer") != std::string::npos ||
        kernel.name.find("overhead") != std::string::npos;
}
API Result cuLaunchKernel(Kernel *kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                          unsigned shared, Handle stream, void **arguments, Handle *) {
    Dim grid = {gx, gy, gz}, dim = {bx, by, bz};
    if (const char *why = unfit(*kernel, grid, dim, shared)) return soft::refused(kernel->name.c_str(), why), INVALID_VALUE;
    bool probe = is_probe(*kernel) && soft::settings().skip_probes;
    // Time is made up: probes get rates of such a device's order, whatever else is timed takes next to none.
    double threads = (double)gx * gy * gz * bx * by * bz;
    soft::device_ms += probe ? 0.002 + threads * 32 / 3e9 : 1e-5;
    if (probe) return probes++, OK;
    // Arguments are read when a launch is asked for, and aligned as a tensor map has to be.
    std::vector<void *> kept(kernel->arguments);
    for (unsigned i = 0; i < kernel->arguments; i++) {
        kept[i] = aligned_alloc(128, (kernel->sizes[i] + 127) / 128 * 128);
        memcpy(kept[i], arguments[i], kernel->sizes[i]);
    }
    soft::enqueue(stream, [=]() mutable {
        kernel->launches++;
        soft::run(*kernel, grid, dim, shared, kept.data());
        for (void *argument : kept) free(argument);
    });
    return OK;
}

// ---- tensor maps: the 128 bytes that a kernel gets hold the address of ours, which is kept, for launches may come late
static soft::TensorMap *new_map(Handle map, int type, unsigned rank, void *base, const uint64_t *sizes, const uint64_t *steps,
                                const unsigned *strides, int swizzle) {
    static const unsigned bytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
    auto *m = new soft::TensorMap{};
    m->magic = soft::TENSOR_MAP, m->base = (char *)base, m->rank = rank, m->element_bytes = bytes[type];
    m->swizzle = (unsigned)swizzle;
    for (unsigned i = 0; i < rank; i++) {
        m->sizes[i] = sizes[i], m->strides[i] = strides[i];
        m->steps[i] = i ? steps[i - 1] : m->element_bytes;
    }
    return *(soft::TensorMap **)map = m;
}
/// Whether the driver would take such a tensor.
static bool is_tensor(int type, unsigned rank, void *base, const uint64_t *steps, int interleave, int swizzle, int fill) {
    bool is = type >= 0 && type <= 12 && rank >= 1 && rank <= 5 && (uintptr_t)base % 16 == 0 && !interleave && swizzle <= 3 && !fill;
    for (unsigned i = 0; is && i + 1 < rank; i++) is = steps[i] % 16 == 0;
    if (!is) soft::refused("cuTensorMapEncode", "an address or a step that is no multiple of 16 bytes, or a kind that is not modelled");
    return is;
}
API Result cuTensorMapEncodeTiled(Handle map, int type, unsigned rank, void *base, const uint64_t *sizes, const uint64_t *steps,
                                  const unsigned *box, const unsigned *strides, int interleave, int swizzle, int, int fill) {
    if (!is_tensor(type, rank, base, steps, interleave, swizzle, fill)) return INVALID_VALUE;
    soft::TensorMap *m = new_map(map, type, rank, base, sizes, steps, strides, swizzle);
    for (unsigned i = 0; i < rank; i++) m->box[i] = box[i];
    return OK;
}
API Result cuTensorMapEncodeIm2col(Handle map, int type, unsigned rank, void *base, const uint64_t *sizes, const uint64_t *steps,
                                   const int *lower, const int *upper, unsigned channels, unsigned pixels,
                                   const unsigned *strides, int interleave, int swizzle, int, int fill) {
    if (rank < 3 || !is_tensor(type, rank, base, steps, interleave, swizzle, fill)) return INVALID_VALUE;
    soft::TensorMap *m = new_map(map, type, rank, base, sizes, steps, strides, swizzle);
    m->im2col = true, m->channels = channels, m->pixels = pixels;
    for (unsigned i = 0; i < rank - 2; i++) m->lower[i] = lower[i], m->upper[i] = upper[i];
    return OK;
}
