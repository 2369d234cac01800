// mma.sync, ldmatrix and stmatrix: registers as PTX hands them to lanes (PTX ISA, "Matrix Fragments for mma").
#pragma once

/// Whether all lanes of a warp take part, as an operation of matrices demands; reports it where they do not.
SOFT bool soft_whole_warp(soft::Lane **lanes, const char *operation) {
    soft::Lane *first = nullptr;
    bool whole = true;
    for (int i = 0; i < 32; i++) {
        if (!lanes[i]) whole = false;
        else if (!first) first = lanes[i];
    }
    if (!whole) {
        char words[128];
        snprintf(words, sizeof words, "%s without the whole warp", operation);
        soft_runtime.error(soft_line(first->site), words);
    }
    return whole;
}

// ---- mma.sync: D (16 x 8) = A (16 x K) B (K x 8) + C
struct soft_tf32 {};
template <class T> SOFT float soft_element(unsigned word, int half);
template <> SOFT float soft_element<__half>(unsigned word, int half) {
    return soft_from_f16((unsigned short)(word >> 16 * half));
}
template <> SOFT float soft_element<__nv_bfloat16>(unsigned word, int half) {
    return soft_from_bf16((unsigned short)(word >> 16 * half));
}
template <> SOFT float soft_element<soft_tf32>(unsigned word, int) {
    word &= ~0x1fffu; // 10 bits of mantissa
    float f;
    memcpy(&f, &word, 4);
    return f;
}
SOFT unsigned soft_bits(float f) {
    unsigned u;
    memcpy(&u, &f, 4);
    return u;
}
SOFT unsigned soft_bits(unsigned u) { return u; }
SOFT unsigned soft_bits(int i) { return (unsigned)i; }
SOFT float soft_float(uint64_t bits) {
    unsigned u = (unsigned)bits;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

template <class T, int K, int PACKED> void soft_mma_m16n8(soft::Lane **lanes) {
    enum { A_WORDS = 16 * K / 32 / PACKED, B_WORDS = K * 8 / 32 / PACKED };
    static thread_local float a[16][K], b[K][8], d[16][8];
    if (!soft_whole_warp(lanes, "mma.sync")) return;
    for (int l = 0; l < 32; l++) {
        unsigned group = l / 4, within = l % 4;
        const uint64_t *in = lanes[l]->in;
        for (int i = 0; i < A_WORDS; i++)
            for (int h = 0; h < PACKED; h++)
                a[group + (i & 1) * 8][within * PACKED + h + (i / 2) * 4 * PACKED] = soft_element<T>((unsigned)in[i], h);
        for (int i = 0; i < B_WORDS; i++)
            for (int h = 0; h < PACKED; h++)
                b[within * PACKED + h + i * 4 * PACKED][group] = soft_element<T>((unsigned)in[A_WORDS + i], h);
        for (int i = 0; i < 4; i++)
            d[group + (i / 2) * 8][within * 2 + (i & 1)] = soft_float(in[A_WORDS + B_WORDS + i]);
    }
    for (int r = 0; r < 16; r++)
        for (int k = 0; k < K; k++)
            for (int c = 0; c < 8; c++) d[r][c] += a[r][k] * b[k][c];
    for (int l = 0; l < 32; l++)
        for (int i = 0; i < 4; i++) lanes[l]->out[i] = soft_bits(d[l / 4 + (i / 2) * 8][l % 4 * 2 + (i & 1)]);
}
template <class T, int K, int PACKED, class... Words>
SOFT void soft_mma_sync(int site, float &d0, float &d1, float &d2, float &d3, Words... words) {
    static_assert(sizeof...(Words) == 16 * K / 32 / PACKED + K * 8 / 32 / PACKED + 4, "words of A, B and C");
    soft::Lane *self = soft_self();
    unsigned all[] = {soft_bits(words)...};
    for (unsigned i = 0; i < sizeof...(Words); i++) self->in[i] = all[i];
    soft_warp(soft_mma_m16n8<T, K, PACKED>, site, ~0u);
    d0 = soft_float(self->out[0]), d1 = soft_float(self->out[1]);
    d2 = soft_float(self->out[2]), d3 = soft_float(self->out[3]);
}
#define PTX_mma_sync_aligned_m16n8k16_row_col_f32_bf16_bf16_f32(site, ...) soft_mma_sync<__nv_bfloat16, 16, 2>(site, __VA_ARGS__)
#define PTX_mma_sync_aligned_m16n8k8_row_col_f32_bf16_bf16_f32(site, ...) soft_mma_sync<__nv_bfloat16, 8, 2>(site, __VA_ARGS__)
#define PTX_mma_sync_aligned_m16n8k16_row_col_f32_f16_f16_f32(site, ...) soft_mma_sync<__half, 16, 2>(site, __VA_ARGS__)
#define PTX_mma_sync_aligned_m16n8k8_row_col_f32_f16_f16_f32(site, ...) soft_mma_sync<__half, 8, 2>(site, __VA_ARGS__)
#define PTX_mma_sync_aligned_m16n8k8_row_col_f32_tf32_tf32_f32(site, ...) soft_mma_sync<soft_tf32, 8, 1>(site, __VA_ARGS__)

// ---- ldmatrix, stmatrix: lanes 8 m to 8 m + 7 hold the addresses of the rows of matrix m
/// Address of the matrix' element that lane `l` has in half `h` of its word.
template <bool TRANSPOSED> SOFT unsigned short *soft_matrix_element(soft::Lane **lanes, int m, int l, int h) {
    int row = TRANSPOSED ? l % 4 * 2 + h : l / 4, column = TRANSPOSED ? l / 4 : l % 4 * 2 + h;
    return (unsigned short *)lanes[8 * m + row]->in[0] + column;
}
template <int N, bool TRANSPOSED> void soft_load_matrices(soft::Lane **lanes) {
    if (!soft_whole_warp(lanes, "ldmatrix")) return;
    for (int l = 0; l < 32; l++)
        for (int m = 0; m < N; m++) {
            unsigned low = *soft_matrix_element<TRANSPOSED>(lanes, m, l, 0);
            lanes[l]->out[m] = low | (unsigned)*soft_matrix_element<TRANSPOSED>(lanes, m, l, 1) << 16;
        }
}
template <int N, bool TRANSPOSED> void soft_store_matrices(soft::Lane **lanes) {
    if (!soft_whole_warp(lanes, "stmatrix")) return;
    for (int l = 0; l < 32; l++)
        for (int m = 0; m < N; m++)
            for (int h = 0; h < 2; h++)
                *soft_matrix_element<TRANSPOSED>(lanes, m, l, h) = (unsigned short)(lanes[l]->in[1 + m] >> 16 * h);
}
/// Notes the row that this lane names, an address in shared memory.
template <int N> SOFT void soft_matrix_row(int site, unsigned address) {
    soft::Lane *self = soft_self();
    if (self->lane < 8 * N && address % 16) soft_runtime.error(soft_line(site), "a matrix' row is not aligned to 16 bytes");
    if (self->lane < 8 * N && address + 16 > self->block->shared_bytes)
        soft_runtime.error(soft_line(site), "a matrix' row lies beyond the block's shared memory");
    self->in[0] = (uint64_t)(soft_shared() + address);
}
template <int N, bool TRANSPOSED, class... Words> SOFT void soft_ldmatrix(int site, unsigned address, Words &...words) {
    static_assert(sizeof...(Words) == N, "a word a matrix");
    soft_matrix_row<N>(site, address);
    soft_warp(soft_load_matrices<N, TRANSPOSED>, site, ~0u);
    int m = 0;
    ((words = (unsigned)soft_self()->out[m++]), ...);
}
template <int N, bool TRANSPOSED, class... Words> SOFT void soft_stmatrix(int site, unsigned address, Words... words) {
    static_assert(sizeof...(Words) == N, "a word a matrix");
    soft_matrix_row<N>(site, address);
    int m = 1;
    ((soft_self()->in[m++] = soft_bits(words)), ...);
    soft_warp(soft_store_matrices<N, TRANSPOSED>, site, ~0u);
}
#define PTX_ldmatrix_sync_aligned_m8n8_x1_shared__cta_b16(site, a, p) soft_ldmatrix<1, false>(site, p, a)
#define PTX_ldmatrix_sync_aligned_m8n8_x2_shared__cta_b16(site, a, b, p) soft_ldmatrix<2, false>(site, p, a, b)
#define PTX_ldmatrix_sync_aligned_m8n8_x4_shared__cta_b16(site, a, b, c, d, p) soft_ldmatrix<4, false>(site, p, a, b, c, d)
#define PTX_ldmatrix_sync_aligned_m8n8_x1_trans_shared__cta_b16(site, a, p) soft_ldmatrix<1, true>(site, p, a)
#define PTX_ldmatrix_sync_aligned_m8n8_x2_trans_shared__cta_b16(site, a, b, p) soft_ldmatrix<2, true>(site, p, a, b)
#define PTX_ldmatrix_sync_aligned_m8n8_x4_trans_shared__cta_b16(site, a, b, c, d, p) soft_ldmatrix<4, true>(site, p, a, b, c, d)
#define PTX_stmatrix_sync_aligned_m8n8_x1_shared__cta_b16(site, ...) soft_stmatrix<1, false>(site, __VA_ARGS__)
#define PTX_stmatrix_sync_aligned_m8n8_x2_shared__cta_b16(site, ...) soft_stmatrix<2, false>(site, __VA_ARGS__)
#define PTX_stmatrix_sync_aligned_m8n8_x4_shared__cta_b16(site, ...) soft_stmatrix<4, false>(site, __VA_ARGS__)
#define PTX_stmatrix_sync_aligned_m8n8_x1_trans_shared__cta_b16(site, ...) soft_stmatrix<1, true>(site, __VA_ARGS__)
#define PTX_stmatrix_sync_aligned_m8n8_x2_trans_shared__cta_b16(site, ...) soft_stmatrix<2, true>(site, __VA_ARGS__)
#define PTX_stmatrix_sync_aligned_m8n8_x4_trans_shared__cta_b16(site, ...) soft_stmatrix<4, true>(site, __VA_ARGS__)
