// A program that checks the device itself, by kernels of which it is known what they compute, and by kernels that are
// wrong: through the functions that a program has of the driver and of NVRTC.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

extern "C" {
int cuInit(unsigned);
int cuDevicePrimaryCtxRetain(void **context, int device);
int cuCtxSetCurrent(void *context);
int cuModuleLoadData(void **module, const void *image);
int cuModuleGetFunction(void **function, void *module, const char *name);
int cuFuncSetAttribute(void *function, int attribute, int value);
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   void *stream, void **arguments, void **extra);
int cuMemAlloc_v2(unsigned long long *pointer, size_t bytes);
int cuMemAllocHost_v2(void **pointer, size_t bytes);
int cuMemFree_v2(unsigned long long pointer);
int cuMemFreeAsync(unsigned long long pointer, void *stream);
int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *stream);
int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes, void *stream);
int cuMemcpy2DAsync_v2(const void *copy, void *stream);
int cuStreamCreate(void **stream, unsigned flags);
int cuStreamSynchronize(void *stream);
int cuStreamWaitEvent(void *stream, void *event, unsigned flags);
int cuEventCreate(void **event, unsigned flags);
int cuEventRecord(void *event, void *stream);
int cuEventQuery(void *event);
int cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *base, const uint64_t *sizes, const uint64_t *steps,
                           const unsigned *box, const unsigned *strides, int interleave, int swizzle, int l2, int fill);
int cuTensorMapEncodeIm2col(void *map, int type, unsigned rank, void *base, const uint64_t *sizes, const uint64_t *steps,
                            const int *lower, const int *upper, unsigned channels, unsigned pixels, const unsigned *strides,
                            int interleave, int swizzle, int l2, int fill);
int nvrtcCreateProgram(void **program, const char *source, const char *name, int headers, void *, void *);
int nvrtcCompileProgram(void *program, int options, const char **);
int nvrtcGetPTXSize(void *program, size_t *bytes);
int nvrtcGetPTX(void *program, char *to);
int nvrtcGetProgramLogSize(void *program, size_t *bytes);
int nvrtcGetProgramLog(void *program, char *to);
}

#define DEMAND(condition) \
    do { \
        if (!(condition)) { \
            printf("line %d of %s: not so: %s\n", __LINE__, __FILE__, #condition); \
            exit(1); \
        } \
    } while (0)

/// A kernel by its source: `extern "C" __global__ void __launch_bounds__(...) NAME(...)`.
inline void *compiled(const std::string &name, const std::string &source) {
    void *program, *module, *function;
    DEMAND(!nvrtcCreateProgram(&program, source.c_str(), nullptr, 0, nullptr, nullptr));
    size_t bytes;
    if (nvrtcCompileProgram(program, 0, nullptr)) {
        nvrtcGetProgramLogSize(program, &bytes);
        std::string log(bytes, '\0');
        nvrtcGetProgramLog(program, log.data());
        printf("%s does not compile:\n%s\n", name.c_str(), log.c_str());
        exit(1);
    }
    DEMAND(!nvrtcGetPTXSize(program, &bytes));
    std::string ptx(bytes, '\0');
    DEMAND(!nvrtcGetPTX(program, ptx.data()) && !cuModuleLoadData(&module, ptx.data()));
    DEMAND(!cuModuleGetFunction(&function, module, name.c_str()));
    return function;
}

/// Memory of the device, with its values.
template <class T> struct Buffer {
    unsigned long long at;
    size_t count;
    explicit Buffer(size_t count) : count(count) { DEMAND(!cuMemAlloc_v2(&at, count * sizeof(T))); }
    explicit Buffer(const std::vector<T> &values) : Buffer(values.size()) {
        DEMAND(!cuMemcpyHtoDAsync_v2(at, values.data(), count * sizeof(T), nullptr));
    }
    std::vector<T> values() const {
        std::vector<T> found(count);
        DEMAND(!cuMemcpyDtoHAsync_v2(found.data(), at, count * sizeof(T), nullptr));
        return found;
    }
};

/// Launches so many blocks of so many threads; an argument is a buffer's address, or a value.
template <class... A> void launch(void *function, unsigned blocks, unsigned threads, unsigned shared, A... arguments) {
    void *all[] = {&arguments..., nullptr};
    DEMAND(!cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, shared, nullptr, all, nullptr));
}

inline uint16_t bf16(float f) { // exact for the small numbers here
    uint32_t u;
    memcpy(&u, &f, 4);
    return (uint16_t)(u >> 16);
}

/// A check: what it says, and what it does; or a program that is to end with an error that holds `words`.
struct Check {
    const char *name;
    std::function<void()> run;
    const char *words = nullptr;
};
std::vector<Check> together_checks(), matrix_checks(), async_checks(), tile_checks(), stream_checks(), convolution_checks(),
    collective_checks(), error_checks();
