// Errors: what is wrong, in which kernel, at which line; and at the end what was run.
#include <atomic>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <mutex>
#include <unistd.h>
#include "driver.hpp"

namespace soft {

/// With what the program ends at an error.
constexpr int EXIT_CODE = 99;
static std::atomic<unsigned long> errors, refusals;
static std::atomic<const Kernel *> now_runs;

static void say(const char *kind, const char *words) {
    static std::mutex one;
    static char last[1024];
    static thread_local bool says;
    // A fault of memory while this thread says something else: it would wait for itself.
    if (says) return;
    says = true;
    std::lock_guard guard(one);
    char line[1024];
    snprintf(line, sizeof line, "soft-cuda: %s: %s\n", kind, words);
    if (strcmp(line, last)) { // of a thousand threads each says the same
        strcpy(last, line);
        fputs(line, stderr);
        fflush(stderr);
    }
    says = false;
}
void error(const char *format, ...) {
    char words[900];
    va_list values;
    va_start(values, format);
    vsnprintf(words, sizeof words, format, values);
    va_end(values);
    errors++;
    say("error", words);
    if (settings().stop_at_errors) _exit(EXIT_CODE);
}
void kernel_error(const Kernel *kernel, int line, const char *what) {
    std::string source = kernel ? kernel->library : "";
    if (source.size() > 3) source.replace(source.size() - 3, 3, ".cu");
    error("%s, line %d of %s: %s", kernel ? kernel->name.c_str() : "a kernel", line, source.c_str(), what);
}
void refused(const char *kernel, const char *why) {
    refusals++;
    say("refused", (std::string(kernel) + ": " + why).c_str());
}
void running(const Kernel *kernel) { now_runs = kernel; }

// ---- addresses outside of all memory
static struct sigaction before;

/// The line of a kernel's source at an address of its code, by addr2line; 0 where that does not know.
static int line_of(void *address, const char *library, void *library_base) {
    char command[1200], answer[512] = "";
    snprintf(command, sizeof command, "addr2line -e '%s' %#lx", library, (unsigned long)((char *)address - (char *)library_base));
    FILE *program = popen(command, "r");
    if (!program) return 0;
    const char *colon = fgets(answer, sizeof answer, program) ? strrchr(answer, ':') : nullptr;
    pclose(program);
    return colon ? atoi(colon + 1) : 0;
}
static void on_fault(int signal, siginfo_t *info, void *context) {
    const Kernel *kernel = now_runs;
    void *code = (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    Dl_info where;
    if (!kernel || !dladdr(code, &where) || kernel->library != where.dli_fname) {
        sigaction(signal, &before, nullptr); // not a kernel's: happens again, and goes where it went before
        return;
    }
    char words[256];
    Pointer address = (Pointer)info->si_addr;
    if (const Allocation *near = allocation_near(address))
        snprintf(words, sizeof words, "address %#llx lies %lld bytes from the beginning of an allocation of %zu", address,
                 (long long)(address - near->at), near->bytes);
    else
        snprintf(words, sizeof words, "address %#llx is not in any allocation", address);
    kernel_error(kernel, line_of(code, where.dli_fname, where.dli_fbase), words);
    _exit(EXIT_CODE);
}
void watch_this_thread() {
    static thread_local char *stack;
    if (stack) return;
    stack_t other = {};
    other.ss_size = 1 << 16;
    other.ss_sp = stack = (char *)malloc(other.ss_size);
    sigaltstack(&other, nullptr);
    static std::atomic<bool> installed;
    if (installed.exchange(true)) return;
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &before);
}

// ---- at the end
__attribute__((destructor)) static void summarise() {
    if (settings().summary.empty()) return;
    FILE *file = fopen(settings().summary.c_str(), "w");
    if (!file) return;
    Counts c = counts();
    fprintf(file, "{\"kernels\": %lu, \"launches\": %lu, \"probes\": %lu, \"refused\": %lu, \"errors\": %lu}\n", c.kernels,
            c.launches, c.probes, refusals.load(), errors.load());
    fclose(file);
}

} // namespace soft
