// Products of matrices: mma.sync, ldmatrix and wmma beside sums of integers, which are exact in every order. Where a lane
// has which element is written out as in the PTX ISA ("Matrix Fragments for mma.m16n8k16"), not as the device does it.
#include "harness.hpp"

static int a_of(int row, int k) { return (row * 7 + k * 3) % 11 - 5; }
static int b_of(int k, int column) { return (k * 5 + column * 2) % 9 - 4; }
static int product(int row, int column, int depth) {
    int sum = 0;
    for (int k = 0; k < depth; k++) sum += a_of(row, k) * b_of(k, column);
    return sum;
}
template <class T, class F> static std::vector<T> filled(int rows, int columns, F of) {
    std::vector<T> values;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) values.push_back((T)of(r, c));
    return values;
}
static std::vector<uint16_t> a_bf16(int rows, int depth) {
    return filled<uint16_t>(rows, depth, [](int r, int k) { return bf16((float)a_of(r, k)); });
}
/// B's element (k, column), column by column.
static std::vector<uint16_t> b_columns(int columns, int depth) {
    return filled<uint16_t>(columns, depth, [](int c, int k) { return bf16((float)b_of(k, c)); });
}
static void check_product(const std::vector<float> &d, int rows, int columns, int depth) {
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) DEMAND(d[(size_t)(r * columns + c)] == (float)(product(r, c, depth) + r));
}

static const char STORE_D[] = R"(
    to[group * 8 + within * 2] = d0, to[group * 8 + within * 2 + 1] = d1;
    to[(group + 8) * 8 + within * 2] = d2, to[(group + 8) * 8 + within * 2 + 1] = d3;
})";
static const char MMA_BF16[] = R"(
    float c0 = group, c1 = group, c2 = group + 8, c3 = group + 8, d0, d1, d2, d3;
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
        : "=f"(d0), "=f"(d1), "=f"(d2), "=f"(d3)
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "f"(c0), "f"(c1), "f"(c2), "f"(c3));)";

static void mma_bf16() {
    void *kernel = compiled("mma_bf16", std::string(R"(
extern "C" __global__ void __launch_bounds__(32) mma_bf16(const unsigned *a, const unsigned *b, float *to) {
    int group = threadIdx.x / 4, within = threadIdx.x % 4; // a and b as pairs: a[row * 8 + k / 2]
    unsigned a0 = a[group * 8 + within], a1 = a[(group + 8) * 8 + within];
    unsigned a2 = a[group * 8 + within + 4], a3 = a[(group + 8) * 8 + within + 4];
    unsigned b0 = b[group * 8 + within], b1 = b[group * 8 + within + 4];)") + MMA_BF16 + STORE_D);
    Buffer<uint16_t> a(a_bf16(16, 16)), b(b_columns(8, 16));
    Buffer<float> to(128);
    launch(kernel, 1, 32, 0, a.at, b.at, to.at);
    check_product(to.values(), 16, 8, 16);
}

static void mma_tf32() {
    void *kernel = compiled("mma_tf32", std::string(R"(
extern "C" __global__ void __launch_bounds__(32) mma_tf32(const unsigned *a, const unsigned *b, float *to) {
    int group = threadIdx.x / 4, within = threadIdx.x % 4; // a[row * 8 + k], b[column * 8 + k]
    unsigned a0 = a[group * 8 + within], a1 = a[(group + 8) * 8 + within];
    unsigned a2 = a[group * 8 + within + 4], a3 = a[(group + 8) * 8 + within + 4];
    unsigned b0 = b[group * 8 + within], b1 = b[group * 8 + within + 4];
    float c0 = group, c1 = group, c2 = group + 8, c3 = group + 8, d0, d1, d2, d3;
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
        : "=f"(d0), "=f"(d1), "=f"(d2), "=f"(d3)
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "f"(c0), "f"(c1), "f"(c2), "f"(c3));)") + STORE_D);
    Buffer<float> a(filled<float>(16, 8, a_of)), b(filled<float>(8, 8, [](int c, int k) { return b_of(k, c); })), to(128);
    launch(kernel, 1, 32, 0, a.at, b.at, to.at);
    check_product(to.values(), 16, 8, 8);
}

static void ldmatrix_feeds_mma() {
    void *kernel = compiled("ldmatrix_mma", std::string(R"(
extern "C" __global__ void __launch_bounds__(32) ldmatrix_mma(const unsigned short *a, const unsigned short *b, float *to) {
    extern __shared__ __align__(16) char memory[];
    unsigned short *as = (unsigned short *)memory, *bs = as + 256; // A: 16 x 16; B: 16 x 8, row by row
    for (int i = threadIdx.x; i < 256; i += 32) as[i] = a[i];
    for (int i = threadIdx.x; i < 128; i += 32) bs[i] = b[i];
    __syncthreads();
    int group = threadIdx.x / 4, within = threadIdx.x % 4, lane = threadIdx.x;
    unsigned a0, a1, a2, a3, b0, b1;
    unsigned at = __cvta_generic_to_shared(as + lane % 16 * 16 + lane / 16 * 8);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared::cta.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(a0), "=r"(a1), "=r"(a2), "=r"(a3) : "r"(at) : "memory");
    unsigned bt = __cvta_generic_to_shared(bs + lane % 16 * 8);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared::cta.b16 {%0, %1}, [%2];" : "=r"(b0), "=r"(b1) : "r"(bt) : "memory");)") + MMA_BF16 + STORE_D);
    Buffer<uint16_t> a(a_bf16(16, 16)), b(filled<uint16_t>(16, 8, [](int k, int c) { return bf16((float)b_of(k, c)); }));
    Buffer<float> to(128);
    launch(kernel, 1, 32, 768, a.at, b.at, to.at);
    check_product(to.values(), 16, 8, 16);
}

static void wmma_product() {
    void *kernel = compiled("wmma_product", R"(
#include <mma.h>
extern "C" __global__ void __launch_bounds__(32) wmma_product(const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *to) {
    nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 16, __nv_bfloat16, nvcuda::wmma::row_major> x;
    nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, 16, __nv_bfloat16, nvcuda::wmma::col_major> y;
    nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float> sum;
    nvcuda::wmma::load_matrix_sync(sum, to, 16, nvcuda::wmma::mem_row_major);
    nvcuda::wmma::load_matrix_sync(x, a, 16);
    nvcuda::wmma::load_matrix_sync(y, b, 16);
    nvcuda::wmma::mma_sync(sum, x, y, sum);
    nvcuda::wmma::store_matrix_sync(to, sum, 16, nvcuda::wmma::mem_row_major);
})");
    Buffer<uint16_t> a(a_bf16(16, 16)), b(b_columns(16, 16));
    Buffer<float> to(filled<float>(16, 16, [](int r, int) { return r; }));
    launch(kernel, 1, 32, 0, a.at, b.at, to.at);
    check_product(to.values(), 16, 16, 16);
}

std::vector<Check> matrix_checks() {
    return {{"mma.sync of bf16", mma_bf16},
            {"mma.sync of tf32", mma_tf32},
            {"ldmatrix, plain and transposed, feeds mma.sync", ldmatrix_feeds_mma},
            {"wmma", wmma_product}};
}
