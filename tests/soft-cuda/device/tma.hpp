// The tensor memory accelerator: tiles of tensors between global and shared memory, and pixels as a convolution reads
// them. Copies take their time, as in async.hpp.
#pragma once

struct soft_tile {
    const soft::TensorMap *map;
    unsigned shared;  // bytes from the beginning of the block's memory
    int from[5];      // the innermost dimension first
    unsigned offsets[3];
    cuda::soft_barrier *barrier; // null: a store
};

/// Where a byte of shared memory lies in a swizzled tile.
SOFT unsigned soft_swizzled(unsigned at, unsigned how) {
    return how ? at ^ (at >> 3 & (how == 1 ? 0x10u : how == 2 ? 0x30u : 0x70u)) : at;
}
static void soft_copy_tile(soft::Block *block, const void *payload) {
    const soft_tile *t = (const soft_tile *)payload;
    const soft::TensorMap *m = t->map;
    unsigned counts[5], total = 1;
    for (unsigned i = 0; i < m->rank; i++) {
        counts[i] = (m->box[i] + m->strides[i] - 1) / m->strides[i];
        total *= counts[i];
    }
    for (unsigned k = 0; k < total; k++) {
        unsigned rest = k;
        bool inside = true;
        char *global = m->base;
        for (unsigned i = 0; i < m->rank; i++) {
            long long at = t->from[i] + (long long)(rest % counts[i]) * m->strides[i];
            rest /= counts[i];
            inside &= at >= 0 && at < (long long)m->sizes[i];
            global += at * (long long)m->steps[i];
        }
        char *shared = block->shared + soft_swizzled(t->shared + k * m->element_bytes, m->swizzle);
        if (!t->barrier) {
            if (inside) memcpy(global, shared, m->element_bytes);
        } else if (inside) {
            memcpy(shared, global, m->element_bytes);
        } else {
            memset(shared, 0, m->element_bytes);
        }
    }
    if (t->barrier) t->barrier->arrived((int)(total * m->element_bytes));
}
/// Pixels one after the other, each with its channels: the innermost dimension is the channels', the outermost the images'.
static void soft_copy_pixels(soft::Block *block, const void *payload) {
    const soft_tile *t = (const soft_tile *)payload;
    const soft::TensorMap *m = t->map;
    unsigned outermost = m->rank - 1, k = 0;
    int at[5];
    for (unsigned i = 0; i < m->rank; i++) at[i] = t->from[i];
    for (unsigned p = 0; p < m->pixels; p++) {
        for (unsigned c = 0; c < m->channels; c++, k++) {
            long long channel = t->from[0] + (long long)c;
            bool inside = channel >= 0 && channel < (long long)m->sizes[0];
            char *global = m->base + channel * m->element_bytes;
            for (unsigned i = 1; i < m->rank; i++) {
                long long x = at[i] + (i < outermost ? (long long)t->offsets[i - 1] : 0);
                inside &= x >= 0 && x < (long long)m->sizes[i];
                global += x * (long long)m->steps[i];
            }
            char *shared = block->shared + soft_swizzled(t->shared + k * m->element_bytes, m->swizzle);
            if (inside) memcpy(shared, global, m->element_bytes);
            else memset(shared, 0, m->element_bytes);
        }
        for (unsigned i = 1; i < outermost; i++) { // the next pixel within the box
            at[i] += m->strides[i];
            if (at[i] < (long long)m->sizes[i] + m->upper[i - 1]) break;
            at[i] = m->lower[i - 1];
            if (i == outermost - 1) at[outermost]++;
        }
    }
    t->barrier->arrived((int)(k * m->element_bytes));
}
SOFT void soft_defer_tile(int site, soft_tile tile, bool is_im2col) {
    if (tile.map->magic != soft::TENSOR_MAP || tile.map->im2col != is_im2col) {
        soft_runtime.error(soft_line(site), "a copy by a tensor map of another kind");
        return;
    }
    if (tile.shared % 128) soft_runtime.error(soft_line(site), "a tile is not aligned to 128 bytes in shared memory");
    soft_runtime.defer(soft_self(), is_im2col ? soft_copy_pixels : soft_copy_tile, &tile, sizeof tile);
}
/// A tensor map in a kernel's arguments holds the address of what the driver made of it.
template <class M> SOFT const soft::TensorMap *soft_map(const M *map) { return *(soft::TensorMap *const *)map; }

namespace cuda::device::experimental {
SOFT void fence_proxy_async_shared_cta() {}
template <class T, class M, class... At> SOFT void soft_tile_in(int site, T *shared, const M *map, void *barrier, At... at) {
    soft_defer_tile(site, {soft_map(map), __cvta_generic_to_shared(shared), {(int)at...}, {}, (soft_barrier *)barrier}, false);
}
template <class T, class M, class... At> SOFT void soft_tile_out(int site, const M *map, const T *shared, At... at) {
    soft_defer_tile(site, {soft_map(map), __cvta_generic_to_shared(shared), {(int)at...}, {}, nullptr}, false);
}
#define cp_async_bulk_tensor_1d_global_to_shared(to, map, a, bar) soft_tile_in(SOFT_SITE, to, map, &(bar), a)
#define cp_async_bulk_tensor_2d_global_to_shared(to, map, a, b, bar) soft_tile_in(SOFT_SITE, to, map, &(bar), a, b)
#define cp_async_bulk_tensor_3d_global_to_shared(to, map, a, b, c, bar) soft_tile_in(SOFT_SITE, to, map, &(bar), a, b, c)
#define cp_async_bulk_tensor_4d_global_to_shared(to, map, a, b, c, d, bar) soft_tile_in(SOFT_SITE, to, map, &(bar), a, b, c, d)
#define cp_async_bulk_tensor_5d_global_to_shared(to, map, a, b, c, d, e, bar) soft_tile_in(SOFT_SITE, to, map, &(bar), a, b, c, d, e)
#define cp_async_bulk_tensor_1d_shared_to_global(map, a, from) soft_tile_out(SOFT_SITE, map, from, a)
#define cp_async_bulk_tensor_2d_shared_to_global(map, a, b, from) soft_tile_out(SOFT_SITE, map, from, a, b)
#define cp_async_bulk_tensor_3d_shared_to_global(map, a, b, c, from) soft_tile_out(SOFT_SITE, map, from, a, b, c)
#define cp_async_bulk_tensor_4d_shared_to_global(map, a, b, c, d, from) soft_tile_out(SOFT_SITE, map, from, a, b, c, d)
#define cp_async_bulk_tensor_5d_shared_to_global(map, a, b, c, d, e, from) soft_tile_out(SOFT_SITE, map, from, a, b, c, d, e)
SOFT void cp_async_bulk_commit_group() {}
template <int N> SOFT void cp_async_bulk_wait_group() { soft_runtime.finish_deferred(soft_self()); }
template <int N> SOFT void cp_async_bulk_wait_group_read() { soft_runtime.finish_deferred(soft_self()); }
} // namespace cuda::device::experimental

SOFT void soft_pixels_in(int site, unsigned shared, const soft::TensorMap *map, const int *from, const unsigned *offsets, unsigned barrier) {
    soft_tile tile = {map, shared, {}, {}, (cuda::soft_barrier *)(soft_shared() + barrier)};
    for (unsigned i = 0; i < map->rank; i++) tile.from[i] = from[i];
    for (unsigned i = 0; i + 2 < map->rank; i++) tile.offsets[i] = offsets[i];
    soft_defer_tile(site, tile, true);
}
#define PTX_cp_async_bulk_tensor_3d_shared__cluster_global_im2col_mbarrier__complete_tx__bytes(site, to, map, c, w, n, bar, ow) \
    do { \
        int soft_from[] = {(int)(c), (int)(w), (int)(n)}; \
        unsigned soft_offsets[] = {(unsigned short)(ow)}; \
        soft_pixels_in(site, to, *(soft::TensorMap *const *)(map), soft_from, soft_offsets, bar); \
    } while (0)
#define PTX_cp_async_bulk_tensor_4d_shared__cluster_global_im2col_mbarrier__complete_tx__bytes(site, to, map, c, w, h, n, bar, ow, oh) \
    do { \
        int soft_from[] = {(int)(c), (int)(w), (int)(h), (int)(n)}; \
        unsigned soft_offsets[] = {(unsigned short)(ow), (unsigned short)(oh)}; \
        soft_pixels_in(site, to, *(soft::TensorMap *const *)(map), soft_from, soft_offsets, bar); \
    } while (0)
#define PTX_cp_async_bulk_tensor_5d_shared__cluster_global_im2col_mbarrier__complete_tx__bytes(site, to, map, c, w, h, d, n, bar, ow, oh, od) \
    do { \
        int soft_from[] = {(int)(c), (int)(w), (int)(h), (int)(d), (int)(n)}; \
        unsigned soft_offsets[] = {(unsigned short)(ow), (unsigned short)(oh), (unsigned short)(od)}; \
        soft_pixels_in(site, to, *(soft::TensorMap *const *)(map), soft_from, soft_offsets, bar); \
    } while (0)
