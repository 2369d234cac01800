// Devices and contexts: an A100 (8.0) or an H100 (9.0), as often as it is asked for.
#include <cstdio>
#include <cstring>
#include "driver.hpp"

using soft::settings;

static const size_t MEMORY = 80ull << 30;
static bool is_there(int device) { return device >= 0 && device < settings().devices; }

API Result cuInit(unsigned) { return OK; }
API Result cuDriverGetVersion(int *version) { return *version = 13000, OK; }
API Result cuDeviceGetCount(int *count) { return *count = settings().devices, OK; }
API Result cuDeviceGet(int *device, int ordinal) { return *device = ordinal, is_there(ordinal) ? OK : INVALID_DEVICE; }
API Result cuDeviceGetName(char *name, int size, int) {
    return snprintf(name, size, "%s (software)", settings().architecture >= 90 ? "NVIDIA H100" : "NVIDIA A100"), OK;
}
API Result cuDeviceGetUuid(char *uuid, int device) { return memset(uuid, 7 + device, 16), OK; }
API Result cuDeviceGetUuid_v2(char *uuid, int device) { return cuDeviceGetUuid(uuid, device); }
API Result cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = MEMORY, OK; }
API Result cuDeviceGetPCIBusId(char *id, int size, int device) { return snprintf(id, size, "0000:%02x:00.0", device + 1), OK; }
API Result cuDeviceGetAttribute(int *value, int attribute, int device) {
    bool hopper = settings().architecture >= 90;
    switch (attribute) {
    case 1: case 2: case 3: *value = 1024; break;            // threads of a block, and in x and y
    case 4: *value = 64; break;                              // threads in z
    case 5: *value = 2147483647; break;                      // blocks in x
    case 6: case 7: *value = 65535; break;                   // blocks in y and z
    case 8: *value = 49152; break;                           // shared bytes of a block
    case 10: *value = 32; break;                             // threads of a warp
    case 16: *value = hopper ? 132 : 108; break;             // multiprocessors
    case 33: *value = device + 1; break;                     // PCI bus
    case 34: case 50: *value = 0; break;                     // PCI device, domain
    case 75: *value = settings().architecture / 10; break;   // compute capability
    case 76: *value = settings().architecture % 10; break;
    case 97: *value = hopper ? 232448 : 166912; break;       // shared bytes that a kernel may ask for
    default: *value = 1;
    }
    return OK;
}

// A device has one context, its primary one.
static thread_local Handle current = (Handle)16;
/// Without a context it is the first, as in the runtime that NCCL asks.
int soft::current_device() { return current ? (int)((uintptr_t)current / 16) - 1 : 0; }
API Result cuDevicePrimaryCtxRetain(Handle *context, int device) { return *context = (Handle)(16ull * (device + 1)), OK; }
API Result cuDevicePrimaryCtxRelease_v2(int) { return OK; }
API Result cuCtxSetCurrent(Handle context) { return current = context, OK; }
API Result cuCtxGetCurrent(Handle *context) { return *context = current, OK; }
API Result cuCtxSynchronize() { return soft::finish_device(); }
API Result cuCtxGetStreamPriorityRange(int *least, int *greatest) { return *least = 0, *greatest = -5, OK; }

API Result cuGetErrorName(Result, const char **name) { return *name = "SOFT_CUDA", OK; }
API Result cuGetErrorString(Result error, const char **text) {
    switch (error) {
    case OK: *text = "no error"; break;
    case OUT_OF_MEMORY: *text = "the software device has no more memory"; break;
    case NOT_READY: *text = "the work is not done yet"; break;
    case NOT_SUPPORTED: *text = "the software device does not support it"; break;
    default: *text = "the software device refused it";
    }
    return OK;
}
