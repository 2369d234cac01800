// The tensor memory accelerator: tiles with zeros outside of the tensor, swizzled; pixels as a convolution reads them.
#include "harness.hpp"

struct alignas(64) Map {
    uint64_t words[16];
};
static const int F32 = 7;

/// Loads a tile of `bytes` by `copy`, and writes it to global memory as it lies in shared memory.
static std::string loads(const char *name, const std::string &copy) {
    return std::string(R"(
#include <cuda/barrier>
struct alignas(64) CUtensorMap_ { unsigned long long words[16]; };
extern "C" __global__ void __launch_bounds__(32) )") + name + R"((const __grid_constant__ CUtensorMap_ map, float *to, int count) {
    extern __shared__ __align__(1024) char memory[];
    cuda::barrier<cuda::thread_scope_block> *barrier = (cuda::barrier<cuda::thread_scope_block> *)(memory + 4096);
    if (threadIdx.x == 0) init(barrier, 1);
    __syncthreads();
    if (threadIdx.x == 0) {
)" + copy + R"(
        cuda::device::barrier_arrive_tx(*barrier, 1, count * 4);
    }
    barrier->wait_parity(0);
    for (int i = threadIdx.x; i < count; i += 32) to[i] = ((float *)memory)[i];
})";
}
static std::vector<float> numbered(size_t count) {
    std::vector<float> values(count);
    for (size_t i = 0; i < count; i++) values[i] = (float)(i + 1);
    return values;
}

static void tile_and_zeros() {
    void *kernel = compiled("tile", loads("tile", "        cuda::device::experimental::cp_async_bulk_tensor_2d_global_to_shared(memory, &map, 10, -1, *barrier);"));
    Buffer<float> from(numbered(5 * 16)), to(8 * 4); // 5 rows of 16; a tile of 4 rows of 8 from row -1, column 10
    Map map;
    uint64_t sizes[] = {16, 5}, steps[] = {64};
    unsigned box[] = {8, 4}, strides[] = {1, 1};
    DEMAND(!cuTensorMapEncodeTiled(&map, F32, 2, (void *)from.at, sizes, steps, box, strides, 0, 0, 0, 0));
    launch(kernel, 1, 32, 4096 + 16, map, to.at, 32);
    auto found = to.values();
    for (int row = 0; row < 4; row++)
        for (int column = 0; column < 8; column++) {
            int r = row - 1, c = column + 10;
            DEMAND(found[(size_t)(row * 8 + column)] == (r < 0 || c >= 16 ? 0 : (float)(r * 16 + c + 1)));
        }
}

static void swizzled_tile() {
    void *kernel = compiled("swizzled", loads("swizzled", "        cuda::device::experimental::cp_async_bulk_tensor_2d_global_to_shared(memory, &map, 0, 0, *barrier);"));
    Buffer<float> from(numbered(16 * 32)), to(16 * 32);
    Map map;
    uint64_t sizes[] = {32, 16}, steps[] = {128};
    unsigned box[] = {32, 16}, strides[] = {1, 1};
    DEMAND(!cuTensorMapEncodeTiled(&map, F32, 2, (void *)from.at, sizes, steps, box, strides, 0, 3, 0, 0));
    launch(kernel, 1, 32, 4096 + 16, map, to.at, 512);
    auto found = to.values();
    // Pieces of 16 bytes: piece p of row r lies where piece p xor r % 8 would.
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 32; column++) {
            int piece = (column / 4) ^ (row % 8);
            DEMAND(found[(size_t)(row * 32 + piece * 4 + column % 4)] == (float)(row * 32 + column + 1));
        }
}

static void tile_out() {
    void *kernel = compiled("tile_out", R"(
struct alignas(64) CUtensorMap_ { unsigned long long words[16]; };
extern "C" __global__ void __launch_bounds__(32) tile_out(const __grid_constant__ CUtensorMap_ map) {
    extern __shared__ __align__(1024) char memory[];
    ((float *)memory)[threadIdx.x] = threadIdx.x;
    cuda::device::experimental::fence_proxy_async_shared_cta();
    __syncthreads();
    if (threadIdx.x == 0) {
        cuda::device::experimental::cp_async_bulk_tensor_2d_shared_to_global(&map, 12, 3, memory);
        cuda::device::experimental::cp_async_bulk_commit_group();
        cuda::device::experimental::cp_async_bulk_wait_group_read<0>();
    }
})");
    Buffer<float> to(std::vector<float>(5 * 16, -1)); // a tile of 4 rows of 8 at row 3, column 12: a quarter is inside
    Map map;
    uint64_t sizes[] = {16, 5}, steps[] = {64};
    unsigned box[] = {8, 4}, strides[] = {1, 1};
    DEMAND(!cuTensorMapEncodeTiled(&map, F32, 2, (void *)to.at, sizes, steps, box, strides, 0, 0, 0, 0));
    launch(kernel, 1, 32, 128, map);
    auto found = to.values();
    for (int row = 0; row < 5; row++)
        for (int column = 0; column < 16; column++)
            DEMAND(found[(size_t)(row * 16 + column)] == (row >= 3 && column >= 12 ? (float)((row - 3) * 8 + column - 12) : -1));
}

static void pixels_of_a_convolution() {
    // One image of 3 x 4 pixels with 4 channels, padded by 1, a 3 x 3 kernel: output pixel (h, w) reads (h + dh - 1, w + dw - 1).
    void *kernel = compiled("pixels", loads("pixels", R"(
        unsigned at = __cvta_generic_to_shared(memory), bar = __cvta_generic_to_shared(barrier);
        short dw = 2, dh = 0;
        asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], [%6], {%7, %8};"
            :: "r"(at), "l"(&map), "r"(0), "r"(-1), "r"(-1), "r"(0), "r"(bar), "h"(dw), "h"(dh) : "memory");)"));
    Buffer<float> from(numbered(3 * 4 * 4)), to(16 * 4);
    Map map;
    uint64_t sizes[] = {4, 4, 3, 1}, steps[] = {16, 64, 192};
    int lower[] = {-1, -1}, upper[] = {-1, -1};
    unsigned strides[] = {1, 1, 1, 1};
    DEMAND(!cuTensorMapEncodeIm2col(&map, F32, 4, (void *)from.at, sizes, steps, lower, upper, 4, 16, strides, 0, 0, 0, 0));
    launch(kernel, 1, 32, 4096 + 16, map, to.at, 64);
    auto found = to.values();
    for (int pixel = 0; pixel < 12; pixel++) // the other four are of a second image, which is not there
        for (int channel = 0; channel < 4; channel++) {
            int h = pixel / 4 - 1, w = pixel % 4 - 1 + 2;
            bool inside = h >= 0 && h < 3 && w >= 0 && w < 4;
            DEMAND(found[(size_t)(pixel * 4 + channel)] == (inside ? (float)((h * 4 + w) * 4 + channel + 1) : 0));
        }
}

std::vector<Check> tile_checks() {
    return {{"TMA: a tile, and zeros outside of the tensor", tile_and_zeros},
            {"TMA: a tile swizzled by 128 bytes", swizzled_tile},
            {"TMA: a tile is written, but what lies outside of the tensor", tile_out},
            {"TMA: pixels of a convolution (im2col)", pixels_of_a_convolution}};
}
