// Stands in for CUDA's driver where there is no GPU: it says that it is an H100, keeps memory on the host, copies what
// is copied, and computes nothing. What the program asks of it is written to $STAND_IN_LOG, a line each:
//
//   SECONDS launch MODULE KERNEL GRID(3) BLOCK(3) SHARED_BYTES      SECONDS h2d|d2h|d2d|copy2d BYTES...
//   SECONDS alloc|free BYTES TOTAL      SECONDS module BYTES      SECONDS sync
//
// It shows that every launch is one that a device would take, how many there are, and what crosses the bus. Results
// are whatever the memory held. It must not be called libcuda.so.1, which NVRTC opens and asks for more.
//
//   cc -O2 -shared -fPIC -o libcuda.so fake_driver.c
#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

typedef int Result;
typedef void *Handle;
typedef unsigned long long Pointer;
enum { OK = 0, INVALID = 1, OUT_OF_MEMORY = 2, NO_SUCH_DEVICE = 101, NOT_SUPPORTED = 801 };

static const size_t MEMORY = 80ull << 30, SHARED = 232448;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *journal;
static double begun;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

__attribute__((constructor)) static void open_journal(void) {
    const char *path = getenv("STAND_IN_LOG");
    begun = now();
    if (path && (journal = fopen(path, "w"))) setvbuf(journal, NULL, _IOLBF, 0);
}

void fake_say(const char *format, ...) {
    if (!journal) return;
    va_list values;
    va_start(values, format);
    pthread_mutex_lock(&lock);
    fprintf(journal, "%.6f ", now() - begun);
    vfprintf(journal, format, values);
    pthread_mutex_unlock(&lock);
    va_end(values);
}

// Work of fake_cudnn.c: small work is done at once.
void fake_run(Handle stream, double products, void (*work)(void *, int), void *data) { work(data, products < 1e7); }

static Handle new_handle(void) {
    static uintptr_t last = 0x1000;
    return (Handle)__sync_add_and_fetch(&last, 16);
}

// Device.
Result cuInit(unsigned flags) { return OK; }
Result cuDriverGetVersion(int *version) { return *version = 13000, OK; }
Result cuDeviceGetCount(int *count) { return *count = 1, OK; }
Result cuDeviceGet(int *device, int ordinal) { return *device = 0, ordinal ? NO_SUCH_DEVICE : OK; }
Result cuDeviceGetName(char *name, int size, int device) { return snprintf(name, size, "NVIDIA H100 (fake)"), OK; }
Result cuDeviceGetUuid(char *uuid, int device) { return memset(uuid, 7, 16), OK; }
Result cuDeviceGetUuid_v2(char *uuid, int device) { return memset(uuid, 7, 16), OK; }
Result cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = MEMORY, OK; }
Result cuDeviceGetPCIBusId(char *id, int size, int device) { return snprintf(id, size, "0000:01:00.0"), OK; }
Result cuDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {
    case 1: case 2: case 3: *value = 1024; break;             // threads of a block, and in x and y
    case 4: *value = 64; break;                               // threads in z
    case 5: *value = 2147483647; break;                       // blocks in x
    case 6: case 7: *value = 65535; break;                    // blocks in y and z
    case 8: *value = 49152; break;                            // shared bytes of a block
    case 10: *value = 32; break;                              // threads of a warp
    case 16: *value = 132; break;                             // multiprocessors
    case 75: *value = 9; break;                               // compute capability
    case 33: case 34: case 50: case 76: *value = 0; break;    // bus, device, domain; minor capability
    case 97: *value = (int)SHARED; break;                     // shared bytes that a kernel may ask for
    default: *value = 1;
    }
    return OK;
}

// Contexts, streams, events. Time is made up: what measures the device gets rates of an H100's order, whatever else is
// timed takes next to none.
static double clock_ms;
Result cuDevicePrimaryCtxRetain(Handle *context, int device) { return *context = (Handle)16, OK; }
Result cuDevicePrimaryCtxRelease_v2(int device) { return OK; }
Result cuCtxSetCurrent(Handle context) { return OK; }
Result cuCtxGetCurrent(Handle *context) { return *context = (Handle)16, OK; }
Result cuCtxSynchronize(void) { return OK; }
Result cuCtxGetStreamPriorityRange(int *least, int *greatest) { return *least = 0, *greatest = -5, OK; }
Result cuStreamCreate(Handle *stream, unsigned flags) { return *stream = new_handle(), OK; }
Result cuStreamCreateWithPriority(Handle *stream, unsigned flags, int p) { return *stream = new_handle(), OK; }
Result cuStreamDestroy_v2(Handle stream) { return OK; }
Result cuStreamSynchronize(Handle stream) { return fake_say("sync\n"), OK; }
Result cuStreamWaitEvent(Handle stream, Handle event, unsigned flags) { return OK; }
Result cuStreamIsCapturing(Handle stream, int *status) { return *status = 0, OK; }
Result cuStreamBeginCapture_v2(Handle stream, int mode) { return NOT_SUPPORTED; }
Result cuEventCreate(Handle *event, unsigned flags) { return *event = calloc(1, sizeof(double)), OK; }
Result cuEventDestroy_v2(Handle event) { return free(event), OK; }
Result cuEventRecord(Handle event, Handle stream) { return *(double *)event = clock_ms, OK; }
Result cuEventSynchronize(Handle event) { return fake_say("sync\n"), OK; }
Result cuEventQuery(Handle event) { return OK; }
Result cuEventElapsedTime(float *ms, Handle a, Handle b) { return *ms = (float)(*(double *)b - *(double *)a), OK; }
Result cuEventElapsedTime_v2(float *ms, Handle a, Handle b) { return cuEventElapsedTime(ms, a, b); }

// Memory: pages that nothing touches take no room.
static const size_t BEFORE = 1 << 16;
static size_t total;

Result cuMemAlloc_v2(Pointer *pointer, size_t bytes) {
    if (bytes > MEMORY - total) return OUT_OF_MEMORY;
    size_t *page = mmap(NULL, bytes + BEFORE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (page == MAP_FAILED) return OUT_OF_MEMORY;
    *page = bytes;
    total += bytes;
    *pointer = (Pointer)page + BEFORE;
    return fake_say("alloc %zu %zu\n", bytes, total), OK;
}
Result cuMemFree_v2(Pointer pointer) {
    size_t *page = (size_t *)(pointer - BEFORE), bytes = *page;
    total -= bytes;
    munmap(page, bytes + BEFORE);
    return fake_say("free %zu %zu\n", bytes, total), OK;
}
Result cuMemAllocAsync(Pointer *pointer, size_t bytes, Handle stream) { return cuMemAlloc_v2(pointer, bytes); }
Result cuMemFreeAsync(Pointer pointer, Handle stream) { return cuMemFree_v2(pointer); }
Result cuMemGetInfo_v2(size_t *free, size_t *all) { return *all = MEMORY, *free = MEMORY - total, OK; }
Result cuMemAllocHost_v2(Handle *p, size_t bytes) { return *p = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096), OK; }
Result cuMemFreeHost(Handle pointer) { return free(pointer), OK; }
Result cuMemcpyHtoDAsync_v2(Pointer to, Handle from, size_t bytes, Handle stream) {
    return memcpy((Handle)to, from, bytes), fake_say("h2d %zu\n", bytes), OK;
}
Result cuMemcpyDtoHAsync_v2(Handle to, Pointer from, size_t bytes, Handle stream) {
    return memcpy(to, (Handle)from, bytes), fake_say("d2h %zu\n", bytes), OK;
}
Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, Handle stream) {
    return memmove((Handle)to, (Handle)from, bytes), fake_say("d2d %zu\n", bytes), OK;
}
typedef struct {
    size_t x, y;
    int kind; // 1: host, 2: device
    char *host;
    Pointer device;
    Handle array;
    size_t pitch;
} Side;
typedef struct {
    Side from, to;
    size_t width, height;
} Copy;
Result cuMemcpy2DAsync_v2(const Copy *copy, Handle stream) {
    const Side *a = &copy->from, *b = &copy->to;
    char *from = a->kind == 1 ? a->host : (char *)a->device, *to = b->kind == 1 ? b->host : (char *)b->device;
    for (size_t row = 0; row < copy->height; row++)
        memcpy(to + (b->y + row) * b->pitch + b->x, from + (a->y + row) * a->pitch + a->x, copy->width);
    return fake_say("copy2d %zu %zu\n", copy->width, copy->height), OK;
}

// Kernels.
typedef struct {
    char *name;
    Handle module;
} Kernel;
Result cuModuleLoadData(Handle *module, const char *ptx) {
    return *module = new_handle(), fake_say("module %zu\n", strlen(ptx)), OK;
}
Result cuModuleUnload(Handle module) { return OK; }
Result cuModuleGetFunction(Kernel **kernel, Handle module, const char *name) {
    *kernel = malloc(sizeof(Kernel));
    **kernel = (Kernel){strdup(name), module};
    return OK;
}
Result cuFuncSetAttribute(Kernel *kernel, int attribute, int value) {
    return attribute == 8 && (size_t)value > SHARED ? INVALID : OK;
}
Result cuLaunchKernel(Kernel *kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared, Handle stream, Handle *arguments, Handle *extra) {
    double threads = (double)gx * gy * gz * bx * by * bz;
    int fits = threads > 0 && gy <= 65535 && gz <= 65535 && bz <= 64 && bx * by * bz <= 1024 && shared <= SHARED;
    int measures = strstr(kernel->name, "throughput") || strstr(kernel->name, "overhead");
    clock_ms += measures ? 0.002 + threads * 32 / 3e9 : 1e-5;
    fake_say("%s %lx %s %u %u %u %u %u %u %u\n", fits ? "launch" : "REFUSED", (unsigned long)kernel->module, kernel->name,
        gx, gy, gz, bx, by, bz, shared);
    return fits ? OK : INVALID;
}
Result cuTensorMapEncodeTiled(Handle map) { return OK; }
Result cuTensorMapEncodeIm2col(Handle map) { return OK; }
Result cuGetErrorName(Result error, const char **name) { return *name = "STAND_IN", OK; }
Result cuGetErrorString(Result error, const char **text) { return *text = "the fake refused it", OK; }
