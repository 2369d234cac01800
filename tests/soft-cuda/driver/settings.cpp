// What the environment asks of the device.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
#include "driver.hpp"

namespace soft {

static int number(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value && *value ? atoi(value) : otherwise;
}

const Settings &settings() {
    // Never destroyed: the summary is written after what is static was.
    static const Settings &found = *new Settings([] {
        Settings s;
        s.architecture = number("SOFT_CUDA_ARCH", 80);
        s.devices = std::clamp(number("SOFT_CUDA_DEVICES", 1), 1, MOST_DEVICES);
        s.workers = number("SOFT_CUDA_WORKERS", 2);
        s.patience_s = number("SOFT_CUDA_PATIENCE", 300);
        s.late = number("SOFT_CUDA_LATE", 1);
        s.poison = number("SOFT_CUDA_POISON", 1);
        s.guard = number("SOFT_CUDA_GUARD", 1);
        s.skip_probes = number("SOFT_CUDA_SKIP_PROBES", 1);
        s.stop_at_errors = number("SOFT_CUDA_STOP", 1);
        const char *order = getenv("SOFT_CUDA_ORDER"), *summary = getenv("SOFT_CUDA_SUMMARY");
        s.order = !order || !strcmp(order, "forward") ? Order::Forward
            : !strcmp(order, "reverse")               ? Order::Reverse
                                                      : Order::Random;
        if (s.order == Order::Random && (!*order || strspn(order, "0123456789") != strlen(order))) {
            fprintf(stderr, "soft-cuda: error: invalid SOFT_CUDA_ORDER %s: expected forward, reverse or a number\n", order);
            _exit(99);
        }
        s.seed = s.order == Order::Random ? (uint32_t)atoi(order) * 2654435761u + 1 : 1;
        s.summary = summary ? summary : "";
        return s;
    }());
    return found;
}

} // namespace soft
