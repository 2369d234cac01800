// How the driver calls a kernel, and what the compiler tells of misaligned addresses.
#pragma once

template <class... A, size_t... I> SOFT void soft_apply(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
    kernel(*(std::remove_cv_t<A> *)arguments[I]...);
}
/// Runs the kernel for the thread that calls.
template <class... A> SOFT void soft_call(void (*kernel)(A...), void **arguments) {
    soft_apply(kernel, arguments, std::index_sequence_for<A...>());
}
/// How many arguments the kernel takes, and their bytes.
template <class... A> void soft_sizes(void (*)(A...), unsigned *count, unsigned *sizes) {
    unsigned all[] = {(unsigned)sizeof(A)..., 0};
    *count = sizeof...(A);
    memcpy(sizes, all, sizeof...(A) * sizeof(unsigned));
}

/// What -fsanitize=alignment calls; the layout is compiler-rt's.
struct soft_place {
    const char *file;
    unsigned line, column;
};
struct soft_mismatch {
    soft_place place;
    const void *type;
    unsigned char log_alignment, kind;
};
extern "C" __attribute__((visibility("hidden"), weak)) void __ubsan_handle_type_mismatch_v1(soft_mismatch *data, uintptr_t address) {
    char words[128];
    snprintf(words, sizeof words, "misaligned address %#lx: a multiple of %u is needed", (unsigned long)address, 1u << data->log_alignment);
    soft_runtime.error((int)data->place.line, words);
}
