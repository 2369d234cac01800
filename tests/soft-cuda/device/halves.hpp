// f16 and bf16: every operation in f32, rounded once.
#pragma once

SOFT unsigned short soft_to_bf16(float f) {
    unsigned u;
    memcpy(&u, &f, 4);
    if ((u & 0x7fffffff) > 0x7f800000) return 0x7fff;
    return (unsigned short)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
SOFT float soft_from_bf16(unsigned short h) {
    unsigned u = (unsigned)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}
SOFT unsigned short soft_to_f16(float f) { return _cvtss_sh(f, 0); }
SOFT float soft_from_f16(unsigned short h) { return _cvtsh_ss(h); }

#define SOFT_FROM(H, TO, T) H(T value) : bits(TO((float)value)) {}
#define SOFT_OPERATOR(H, H2, op) \
    SOFT H operator op(H a, H b) { return H((float)a op (float)b); } \
    SOFT H2 operator op(H2 a, H2 b) { return H2(a.x op b.x, a.y op b.y); }
#define SOFT_COMPARISON(H, op) \
    SOFT bool operator op(H a, H b) { return (float)a op (float)b; }
#define SOFT_FUNCTION(H, H2, name) \
    SOFT H h##name(H a) { return H((float)name##f((float)a)); } \
    SOFT H2 h2##name(H2 a) { return H2(h##name(a.x), h##name(a.y)); }
#define SOFT_HALF(H, H2, TO, FROM) \
    struct alignas(2) H { \
        unsigned short bits; \
        H() = default; \
        SOFT_FROM(H, TO, float) SOFT_FROM(H, TO, double) SOFT_FROM(H, TO, bool) \
        SOFT_FROM(H, TO, int) SOFT_FROM(H, TO, unsigned) SOFT_FROM(H, TO, long long) SOFT_FROM(H, TO, unsigned long long) \
        SOFT_FROM(H, TO, short) SOFT_FROM(H, TO, unsigned short) SOFT_FROM(H, TO, signed char) SOFT_FROM(H, TO, unsigned char) \
        operator float() const { return FROM(bits); } \
    }; \
    struct alignas(4) H2 { \
        H x, y; \
        H2() = default; \
        H2(H a, H b) : x(a), y(b) {} \
        H2(H a) : x(a), y(a) {} \
    }; \
    SOFT H operator-(H a) { H r; r.bits = a.bits ^ 0x8000; return r; } \
    SOFT H2 operator-(H2 a) { return H2(-a.x, -a.y); } \
    SOFT_OPERATOR(H, H2, +) SOFT_OPERATOR(H, H2, -) SOFT_OPERATOR(H, H2, *) SOFT_OPERATOR(H, H2, /) \
    SOFT_COMPARISON(H, ==) SOFT_COMPARISON(H, !=) SOFT_COMPARISON(H, <) SOFT_COMPARISON(H, <=) \
    SOFT_COMPARISON(H, >) SOFT_COMPARISON(H, >=) \
    SOFT_FUNCTION(H, H2, exp) SOFT_FUNCTION(H, H2, log) SOFT_FUNCTION(H, H2, sin) SOFT_FUNCTION(H, H2, cos) \
    SOFT_FUNCTION(H, H2, tanh) SOFT_FUNCTION(H, H2, sqrt) SOFT_FUNCTION(H, H2, rsqrt) SOFT_FUNCTION(H, H2, ceil) \
    SOFT_FUNCTION(H, H2, floor) SOFT_FUNCTION(H, H2, trunc) SOFT_FUNCTION(H, H2, rint) \
    SOFT H __habs(H a) { H r; r.bits = a.bits & 0x7fff; return r; } \
    SOFT H2 __habs2(H2 a) { return H2(__habs(a.x), __habs(a.y)); } \
    SOFT H __hmin(H a, H b) { return H(fminf((float)a, (float)b)); } \
    SOFT H __hmax(H a, H b) { return H(fmaxf((float)a, (float)b)); } \
    SOFT H2 __hmin2(H2 a, H2 b) { return H2(__hmin(a.x, b.x), __hmin(a.y, b.y)); } \
    SOFT H2 __hmax2(H2 a, H2 b) { return H2(__hmax(a.x, b.x), __hmax(a.y, b.y)); } \
    SOFT H __hfma(H a, H b, H c) { return H((double)(float)a * (double)(float)b + (double)(float)c); } \
    SOFT H2 __hfma2(H2 a, H2 b, H2 c) { return H2(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)); } \
    SOFT bool __hisnan(H a) { return (float)a != (float)a; } \
    SOFT bool __hisinf(H a) { return isinf((float)a); }
SOFT_HALF(__half, __half2, soft_to_f16, soft_from_f16)
SOFT_HALF(__nv_bfloat16, __nv_bfloat162, soft_to_bf16, soft_from_bf16)
