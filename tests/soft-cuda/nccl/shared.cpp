// NCCL's shared memory, and its sums.
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <type_traits>
#include <unistd.h>
#include "nccl.hpp"

namespace nccl {
namespace {

enum Type { INT32 = 2, UINT32, INT64, UINT64, FLOAT16, FLOAT32, FLOAT64, BFLOAT16 };
enum Operation { SUM, PRODUCT, MAX, MIN, AVERAGE };

struct Bf16 {
    uint16_t bits;
    operator float() const {
        uint32_t wide = (uint32_t)bits << 16;
        float value;
        return memcpy(&value, &wide, 4), value;
    }
    static Bf16 of(float value) { // to the nearest, ties to even
        uint32_t wide;
        memcpy(&wide, &value, 4);
        if (value != value) return {0x7fff};
        return {(uint16_t)((wide + 0x7fff + (wide >> 16 & 1)) >> 16)};
    }
};

/// `T`: as it lies in memory; `A`: in which it is computed, and rounded once at the end.
template <class T, class A> bool reduced(int operation, T *to, const void *const *rows, unsigned ranks, size_t count) {
    if (operation < SUM || operation > AVERAGE) return false;
    for (size_t i = 0; i < count; i++) {
        A total = (A)((const T *)rows[0])[i];
        for (unsigned r = 1; r < ranks; r++) {
            A next = (A)((const T *)rows[r])[i];
            switch (operation) {
            case PRODUCT: total = total * next; break;
            case MAX: total = total < next ? next : total; break;
            case MIN: total = next < total ? next : total; break;
            default: total = total + next;
            }
        }
        if (operation == AVERAGE) total = total / (A)ranks;
        if constexpr (std::is_same_v<T, Bf16>) to[i] = Bf16::of(total);
        else to[i] = total;
    }
    return true;
}
const char *name_of(int type) {
    static const char *const names[] = {"int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bfloat16"};
    return type >= 0 && type < 10 ? names[type] : "an unknown type";
}

} // namespace

size_t bytes_of(int type) {
    static const size_t bytes[] = {0, 0, 4, 4, 8, 8, 0, 4, 8, 2};
    return type >= 0 && type < 10 ? bytes[type] : 0;
}

bool reduce(int type, int operation, void *to, const void *const *rows, unsigned ranks, size_t count) {
    switch (type) {
    case INT32: return reduced<int32_t, int32_t>(operation, (int32_t *)to, rows, ranks, count);
    case UINT32: return reduced<uint32_t, uint32_t>(operation, (uint32_t *)to, rows, ranks, count);
    case INT64: return reduced<int64_t, int64_t>(operation, (int64_t *)to, rows, ranks, count);
    case UINT64: return reduced<uint64_t, uint64_t>(operation, (uint64_t *)to, rows, ranks, count);
    case FLOAT32: return reduced<float, float>(operation, (float *)to, rows, ranks, count);
    case FLOAT64: return reduced<double, double>(operation, (double *)to, rows, ranks, count);
    case BFLOAT16: return reduced<Bf16, float>(operation, (Bf16 *)to, rows, ranks, count);
    default: return false;
    }
}

std::string Request::words() const {
    static const char *const operations[] = {"sum", "product", "maximum", "minimum", "average"};
    std::string numbers = std::to_string(count) + " " + name_of(type);
    switch (kind) {
    case ALL_REDUCE: return std::string("the ") + (operation >= 0 && operation < 5 ? operations[operation] : "?") + " of " + numbers;
    case BROADCAST: return "a broadcast of " + numbers + " from rank " + std::to_string(root);
    default: return numbers + " from one rank to another";
    }
}

bool Rank::is_gone() const {
    char path[64], words[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", process.load());
    FILE *file = fopen(path, "r");
    if (!file) return true;
    const char *behind_name = fgets(words, sizeof words, file) ? strrchr(words, ')') : nullptr;
    fclose(file);
    return left || !behind_name || behind_name[2] == 'Z'; // ended, and its parent has not asked yet
}

Shared *open_shared(const std::string &name) {
    int file = shm_open(name.c_str(), O_CREAT | O_RDWR, 0600);
    if (file < 0) return nullptr;
    void *at = MAP_FAILED;
    if (!ftruncate(file, sizeof(Shared))) at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    close(file);
    return at == MAP_FAILED ? nullptr : (Shared *)at;
}
void unlink_shared(const std::string &name) { shm_unlink(name.c_str()); }

} // namespace nccl
