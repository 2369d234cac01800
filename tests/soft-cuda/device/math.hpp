// Functions of numbers that CUDA has and C++ has not, or has otherwise.
#pragma once

#define SOFT_MIN_MAX(T) \
    SOFT T min(T a, T b) { return a < b ? a : b; } \
    SOFT T max(T a, T b) { return a > b ? a : b; }
SOFT_MIN_MAX(int) SOFT_MIN_MAX(unsigned) SOFT_MIN_MAX(long long) SOFT_MIN_MAX(unsigned long long)
// As on the device: a number wins over NaN.
SOFT float min(float a, float b) { return fminf(a, b); }
SOFT float max(float a, float b) { return fmaxf(a, b); }
SOFT double min(double a, double b) { return fmin(a, b); }
SOFT double max(double a, double b) { return fmax(a, b); }
SOFT float rsqrt(float x) { return 1.0f / sqrtf(x); }
SOFT float rsqrtf(float x) { return 1.0f / sqrtf(x); }
SOFT double rsqrt(double x) { return 1.0 / sqrt(x); }
// The device's fast functions are less exact than these.
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __powf(x, y) powf(x, y)
SOFT float __fdividef(float x, float y) { return x / y; }
SOFT float __fdiv_rn(float x, float y) { return x / y; }

SOFT int __popc(unsigned x) { return __builtin_popcount(x); }
SOFT int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
SOFT int __clz(unsigned x) { return x ? __builtin_clz(x) : 32; }
SOFT int __clzll(unsigned long long x) { return x ? __builtin_clzll(x) : 64; }
SOFT int __ffs(unsigned x) { return __builtin_ffs((int)x); }
SOFT int __ffsll(unsigned long long x) { return __builtin_ffsll((long long)x); }
SOFT unsigned __brev(unsigned x) { return __builtin_bitreverse32(x); }
SOFT unsigned long long __brevll(unsigned long long x) { return __builtin_bitreverse64(x); }
SOFT unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
SOFT int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
SOFT unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
SOFT long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }

SOFT int soft_saturated(long long x) {
    return x > 2147483647ll ? 2147483647 : x < -2147483648ll ? -2147483647 - 1 : (int)x;
}
#define PTX_add_sat_s32(site, out, a, b) out = soft_saturated((long long)(a) + (b))
#define PTX_sub_sat_s32(site, out, a, b) out = soft_saturated((long long)(a) - (b))
