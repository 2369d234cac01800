// Atomic operations, which blocks on several threads of the host do at once.
#pragma once

template <class T, class F> SOFT T soft_atomic(T *at, F next) {
    using U = std::conditional_t<sizeof(T) == 8, unsigned long long,
                                 std::conditional_t<sizeof(T) == 4, unsigned, unsigned short>>;
    U *bits = (U *)at, old = __atomic_load_n(bits, __ATOMIC_RELAXED), wanted;
    T before, after;
    do {
        memcpy(&before, &old, sizeof old);
        after = next(before);
        memcpy(&wanted, &after, sizeof wanted);
    } while (!__atomic_compare_exchange_n(bits, &old, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return before;
}
template <class T> SOFT T atomicAdd(T *p, T v) { return soft_atomic(p, [v](T x) { return (T)(x + v); }); }
template <class T> SOFT T atomicExch(T *p, T v) { return soft_atomic(p, [v](T) { return v; }); }
template <class T> SOFT T atomicCAS(T *p, T c, T v) { return soft_atomic(p, [c, v](T x) { return x == c ? v : x; }); }
template <class T> SOFT T atomicMin(T *p, T v) { return soft_atomic(p, [v](T x) { return x < v ? x : v; }); }
template <class T> SOFT T atomicMax(T *p, T v) { return soft_atomic(p, [v](T x) { return x > v ? x : v; }); }
template <class T> SOFT T atomicAnd(T *p, T v) { return soft_atomic(p, [v](T x) { return x & v; }); }
template <class T> SOFT T atomicOr(T *p, T v) { return soft_atomic(p, [v](T x) { return x | v; }); }
template <class T> SOFT T atomicXor(T *p, T v) { return soft_atomic(p, [v](T x) { return x ^ v; }); }

#define PTX_atom_relaxed_add_f32(site, out, p, v) out = atomicAdd((float *)(p), v)
#define PTX_atom_relaxed_add_f64(site, out, p, v) out = atomicAdd((double *)(p), v)
#define PTX_atom_relaxed_add_u32(site, out, p, v) out = atomicAdd((unsigned *)(p), (unsigned)(v))
#define PTX_atom_relaxed_add_u64(site, out, p, v) out = atomicAdd((unsigned long long *)(p), (unsigned long long)(v))
#define PTX_atom_relaxed_min_u32(site, out, p, v) out = atomicMin((unsigned *)(p), (unsigned)(v))
#define PTX_atom_relaxed_max_u32(site, out, p, v) out = atomicMax((unsigned *)(p), (unsigned)(v))
#define PTX_atom_relaxed_min_s32(site, out, p, v) out = atomicMin((int *)(p), (int)(v))
#define PTX_atom_relaxed_max_s32(site, out, p, v) out = atomicMax((int *)(p), (int)(v))
