// nvcuda::wmma: matrices that a warp holds together. CUDA leaves open which lane has which elements, so that a kernel
// which depends on it is wrong; here element i of a fragment is lane i % 32's.
#pragma once

namespace nvcuda::wmma {
struct row_major {};
struct col_major {};
struct matrix_a {};
struct matrix_b {};
struct accumulator {};
namespace precision {
struct tf32 {};
}
enum layout_t { mem_row_major, mem_col_major };

template <class T> struct soft_stored { using type = T; };
template <> struct soft_stored<precision::tf32> { using type = float; };
template <class Use, int M, int N, int K> struct soft_sides { enum { ROWS = M, COLUMNS = N }; };
template <int M, int N, int K> struct soft_sides<matrix_a, M, N, K> { enum { ROWS = M, COLUMNS = K }; };
template <int M, int N, int K> struct soft_sides<matrix_b, M, N, K> { enum { ROWS = K, COLUMNS = N }; };

template <class Use, int M, int N, int K, class T, class Layout = void> struct fragment {
    enum {
        ROWS = soft_sides<Use, M, N, K>::ROWS,
        COLUMNS = soft_sides<Use, M, N, K>::COLUMNS,
        num_elements = ROWS * COLUMNS / 32
    };
    typename soft_stored<T>::type x[num_elements];
};

SOFT float __float_to_tf32(float x) {
    unsigned u;
    memcpy(&u, &x, 4);
    u = (u + 0xfff + (u >> 13 & 1)) & ~0x1fffu;
    memcpy(&x, &u, 4);
    return x;
}
template <class F, class V> SOFT void fill_fragment(F &f, V value) {
    for (auto &x : f.x) x = value;
}

/// Calls `with` the fragment's number and the place in memory of each element of this lane's.
template <class F, class Each> SOFT void soft_elements(int site, unsigned step, bool by_columns, Each each) {
    soft_syncwarp(site);
    for (int t = 0; t < F::num_elements; t++) {
        unsigned i = t * 32 + soft_self()->lane, row = i / F::COLUMNS, column = i % F::COLUMNS;
        each(t, by_columns ? column * step + row : row * step + column);
    }
    soft_syncwarp(site + 1);
}
template <class Use, int M, int N, int K, class T, class P>
SOFT void soft_load(int site, fragment<Use, M, N, K, T, row_major> &f, const P *from, unsigned step) {
    soft_elements<std::decay_t<decltype(f)>>(site, step, false, [&](int t, unsigned at) { f.x[t] = from[at]; });
}
template <class Use, int M, int N, int K, class T, class P>
SOFT void soft_load(int site, fragment<Use, M, N, K, T, col_major> &f, const P *from, unsigned step) {
    soft_elements<std::decay_t<decltype(f)>>(site, step, true, [&](int t, unsigned at) { f.x[t] = from[at]; });
}
template <class F, class P> SOFT void soft_load(int site, F &f, const P *from, unsigned step, layout_t layout) {
    soft_elements<F>(site, step, layout == mem_col_major, [&](int t, unsigned at) { f.x[t] = from[at]; });
}
template <class F, class P> SOFT void soft_store(int site, P *to, const F &f, unsigned step, layout_t layout) {
    soft_elements<F>(site, step, layout == mem_col_major, [&](int t, unsigned at) { to[at] = f.x[t]; });
}

template <class D, class A, class B, class C> void soft_multiply(soft::Lane **lanes) {
    enum { M = A::ROWS, K = A::COLUMNS, N = B::COLUMNS };
    static thread_local float a[M * K], b[K * N], d[M * N];
    if (!soft_whole_warp(lanes, "mma_sync")) return;
    for (int i = 0; i < M * K; i++) a[i] = (float)((A *)lanes[i % 32]->in[1])->x[i / 32];
    for (int i = 0; i < K * N; i++) b[i] = (float)((B *)lanes[i % 32]->in[2])->x[i / 32];
    for (int i = 0; i < M * N; i++) d[i] = (float)((C *)lanes[i % 32]->in[3])->x[i / 32];
    for (int r = 0; r < M; r++)
        for (int k = 0; k < K; k++)
            for (int c = 0; c < N; c++) d[r * N + c] += a[r * K + k] * b[k * N + c];
    for (int i = 0; i < M * N; i++) ((D *)lanes[i % 32]->in[0])->x[i / 32] = d[i];
}
template <class D, class A, class B, class C> SOFT void soft_mma(int site, D &d, const A &a, const B &b, const C &c) {
    soft::Lane *self = soft_self();
    self->in[0] = (uint64_t)&d, self->in[1] = (uint64_t)&a, self->in[2] = (uint64_t)&b, self->in[3] = (uint64_t)&c;
    soft_warp(soft_multiply<D, A, B, C>, site, ~0u);
}
#define load_matrix_sync(...) soft_load(SOFT_SITE, __VA_ARGS__)
#define store_matrix_sync(...) soft_store(SOFT_SITE, __VA_ARGS__)
#define mma_sync(...) soft_mma(SOFT_SITE, __VA_ARGS__)
} // namespace nvcuda::wmma
