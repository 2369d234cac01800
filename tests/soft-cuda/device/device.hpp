// CUDA C++ as CubeCL writes it, on the host: what NVRTC and its headers give a kernel. Precompiled, before each kernel.
#pragma once
#include <immintrin.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <type_traits>
#include <utility>
#include "../abi.h"

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __grid_constant__
#define __align__(n) alignas(n)
#define __forceinline__ inline

#include "threads.hpp"
#include "atomics.hpp"
#include "math.hpp"
#include "halves.hpp"
#include "mma.hpp"
#include "wmma.hpp"
#include "async.hpp"
#include "tma.hpp"
#include "entry.hpp"

// CubeCL declares these itself, as types of the same size by other names.
#define SOFT_INTEGER(name, type) typedef type soft_##name;
SOFT_INTEGER(uint64_t, unsigned long long) SOFT_INTEGER(int64_t, long long) SOFT_INTEGER(uint32_t, unsigned)
SOFT_INTEGER(int32_t, int) SOFT_INTEGER(uint16_t, unsigned short) SOFT_INTEGER(int16_t, short)
SOFT_INTEGER(uint8_t, unsigned char) SOFT_INTEGER(int8_t, signed char)
#define uint64_t soft_uint64_t
#define int64_t soft_int64_t
#define uint32_t soft_uint32_t
#define int32_t soft_int32_t
#define uint16_t soft_uint16_t
#define int16_t soft_int16_t
#define uint8_t soft_uint8_t
#define int8_t soft_int8_t
