// Barriers in shared memory, and copies that take their time: none has arrived before its threads can do nothing but
// wait for it, so that a kernel which forgets to wait reads what was there before.
#pragma once

struct CUtensorMap_st;
namespace cooperative_groups {
struct soft_group {};
SOFT soft_group this_thread_block() { return {}; }
} // namespace cooperative_groups

namespace cuda {
enum thread_scope { thread_scope_thread, thread_scope_block, thread_scope_device, thread_scope_system };

/// Eight bytes, as on the device. A phase is over when all arrived and what was expected has been copied.
template <thread_scope S> struct barrier {
    unsigned expected : 12, pending : 12, phase : 8;
    int bytes; // that are still to come
    using arrival_token = unsigned;

    void turn() {
        if (!pending && !bytes) pending = expected, phase++;
    }
    // `line` is the caller's.
    arrival_token arrive(unsigned n = 1, int line = __builtin_LINE()) {
        unsigned now = phase;
        if (pending < n) soft_runtime.error(line, "more threads arrive at a barrier than it expects");
        pending -= n, turn();
        return now;
    }
    void expect(int more) { bytes += more; }
    void arrived(int fewer) { bytes -= fewer, turn(); }
    void wait(arrival_token token, int line = __builtin_LINE()) const {
        while (((volatile barrier *)this)->phase == (token & 255)) soft_wait(soft::AT_BARRIER, line * 64);
    }
    void wait_parity(bool parity, int line = __builtin_LINE()) const {
        while ((((volatile barrier *)this)->phase & 1) == parity) soft_wait(soft::AT_BARRIER, line * 64);
    }
    void arrive_and_wait(int line = __builtin_LINE()) { wait(arrive(1, line), line); }
};
using soft_barrier = barrier<thread_scope_block>;
template <thread_scope S> SOFT void init(barrier<S> *b, unsigned n) {
    b->expected = b->pending = n, b->phase = 0, b->bytes = 0;
}
} // namespace cuda
using cuda::init;

// ---- copies of bytes
struct soft_bytes {
    void *to;
    const void *from;
    unsigned size, zeros;       // zeros behind what is copied
    cuda::soft_barrier *barrier; // told when it has arrived; null: none
};
static void soft_copy_bytes(soft::Block *, const void *payload) {
    const soft_bytes *c = (const soft_bytes *)payload;
    if (c->size) memcpy(c->to, c->from, c->size);
    if (c->zeros) memset((char *)c->to + c->size, 0, c->zeros);
    if (c->barrier) c->barrier->arrived((int)(c->size + c->zeros));
}
SOFT void soft_defer(const soft_bytes &copy) {
    soft_runtime.defer(soft_self(), soft_copy_bytes, &copy, sizeof copy);
}
SOFT void soft_defer_for(void *to, const void *from, size_t size, void *barrier, bool is_expected) {
    if (!is_expected) ((cuda::soft_barrier *)barrier)->expect((int)size);
    soft_defer({to, from, (unsigned)size, 0, (cuda::soft_barrier *)barrier});
}

// Addresses in a block's shared memory are numbers of bytes.
#define __cvta_generic_to_shared(p) ((unsigned)((const char *)(p) - soft_shared()))
SOFT void soft_cp_async(int site, unsigned to, const void *from, unsigned size, unsigned some) {
    if (to % size || (some && (uintptr_t)from % size)) soft_runtime.error(soft_line(site), "cp.async: misaligned address");
    if (to + size > soft_self()->block->shared_bytes)
        soft_runtime.error(soft_line(site), "cp.async beyond the block's shared memory");
    soft_defer({soft_shared() + to, from, some, size - some, nullptr});
}
#define PTX_cp_async_cg_shared__cta_global(site, to, from, size, some) soft_cp_async(site, to, (const void *)(from), size, some)
#define PTX_cp_async_ca_shared__cta_global(site, to, from, size, some) soft_cp_async(site, to, (const void *)(from), size, some)
#define PTX_cp_async_commit_group(site) ((void)0)
#define PTX_cp_async_wait_group(site, n) soft_runtime.finish_deferred(soft_self())
#define PTX_cp_async_wait_all(site) soft_runtime.finish_deferred(soft_self())
// The barrier's phase lasts until this thread's copies have arrived; a thread's deferred operations keep their order.
SOFT void soft_arrive_after_copies(unsigned barrier) {
    cuda::soft_barrier *at = (cuda::soft_barrier *)(soft_shared() + barrier);
    static const char nothing[1] = {};
    static char nowhere[1];
    at->expect(1);
    soft_defer({nowhere, nothing, 1, 0, at});
}
#define PTX_cp_async_mbarrier_arrive_shared__cta_b64(site, barrier) soft_arrive_after_copies(barrier)

namespace cuda {
template <class A, class B, thread_scope S> SOFT void memcpy_async(A *to, const B *from, size_t size, barrier<S> &b) {
    soft_defer_for(to, from, size, &b, false);
}
template <class A, class B, thread_scope S>
SOFT void memcpy_async(cooperative_groups::soft_group, A *to, const B *from, size_t size, barrier<S> &b) {
    soft::Dim t = soft_self()->thread;
    if (!t.x && !t.y && !t.z) soft_defer_for(to, from, size, &b, false);
}
namespace device {
template <thread_scope S> SOFT barrier<S> *barrier_native_handle(barrier<S> &b) { return &b; }
template <thread_scope S> SOFT unsigned barrier_arrive_tx(barrier<S> &b, unsigned n, unsigned bytes, int line = __builtin_LINE()) {
    b.expect((int)bytes);
    return b.arrive(n, line);
}
template <thread_scope S> SOFT void barrier_expect_tx(barrier<S> &b, unsigned bytes) { b.expect((int)bytes); }
template <class A, class B, thread_scope S> SOFT void memcpy_async_tx(A *to, const B *from, size_t size, barrier<S> &b) {
    soft_defer_for(to, from, size, &b, true);
}
} // namespace device
} // namespace cuda

SOFT unsigned soft_elect(int site) {
    unsigned mask = soft_activemask(site);
    return soft_self()->lane == (unsigned)__builtin_ctz(mask);
}
#define PTX_regpredpxregb32maskactivemaskb32maskelectsyncpxmaskselpb32010px(site, out) out = soft_elect(site)
