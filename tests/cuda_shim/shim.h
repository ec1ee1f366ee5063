// The device language for a host compiler, for tests only: every thread of a block is a coroutine, and __syncthreads() hands on to
// the next one. Blocks run one after another, so `__shared__` is `static`.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <ucontext.h>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static
#define __restrict__ __restrict

struct ShimDim {
    unsigned x, y, z;
};

static ShimDim threadIdx, blockIdx, blockDim, gridDim;

static inline float __int_as_float(int x) {
    float y;
    memcpy(&y, &x, 4);
    return y;
}

static inline int __float_as_int(float x) {
    int y;
    memcpy(&y, &x, 4);
    return y;
}

static inline double __longlong_as_double(long long x) {
    double y;
    memcpy(&y, &x, 8);
    return y;
}

static inline long long __double_as_longlong(double x) {
    long long y;
    memcpy(&y, &x, 8);
    return y;
}

static inline int min(int a, int b) {
    return a < b ? a : b;
}

namespace shim {

enum { MOST_THREADS = 1024, STACK = 256 << 10 };

static ucontext_t scheduler, threads[MOST_THREADS];
static bool finished[MOST_THREADS];
static char* stacks;
static unsigned current;
static void (*body)(const void*);
static const void* arguments;

static void fail(const char* why) {
    fprintf(stderr, "shim: %s in block (%u, %u, %u)\n", why, blockIdx.x, blockIdx.y, blockIdx.z);
    abort();
}

static void thread() {
    body(arguments);
    finished[current] = true;
    swapcontext(&threads[current], &scheduler);
}

// The n-th thread to run in a phase: an order that must not matter.
static unsigned pick(unsigned n, unsigned count, int order, unsigned phase) {
    switch (order) {
        case 0: return n;
        case 1: return count - 1 - n;
        default: return (n * 7919u + phase * 31u) % count;
    }
}

static void block(unsigned count, int order) {
    if (stacks == nullptr) {
        stacks = (char*)mmap(nullptr, (size_t)MOST_THREADS * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    for (unsigned t = 0; t < count; ++t) {
        getcontext(&threads[t]);
        threads[t].uc_stack.ss_sp = stacks + (size_t)t * STACK;
        threads[t].uc_stack.ss_size = STACK;
        threads[t].uc_link = nullptr;
        makecontext(&threads[t], thread, 0);
        finished[t] = false;
    }
    unsigned left = count;
    for (unsigned phase = 0; left > 0; ++phase) {
        const unsigned before = left;
        for (unsigned n = 0; n < count; ++n) {
            const unsigned t = pick(n, count, order, phase);
            if (finished[t]) {
                continue;
            }
            current = t;
            threadIdx.x = t;
            swapcontext(&scheduler, &threads[t]);
            left -= finished[t] ? 1 : 0;
        }
        if (left > 0 && left < before) {
            fail("some threads wait at a barrier, others have returned");
        }
    }
}

// Run a kernel over a grid.
static void run(void (*kernel)(const void*), const unsigned* grid, unsigned count, const void* args, int order) {
    body = kernel;
    arguments = args;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {count, 1, 1};
    const unsigned long long blocks = (unsigned long long)grid[0] * grid[1] * grid[2];
    for (unsigned long long n = 0; n < blocks; ++n) {
        const unsigned long long b = order == 1 ? blocks - 1 - n : n;
        blockIdx.x = (unsigned)(b % grid[0]);
        blockIdx.y = (unsigned)(b / grid[0] % grid[1]);
        blockIdx.z = (unsigned)(b / grid[0] / grid[1]);
        block(count, order);
    }
}

}  // namespace shim

static inline void __syncthreads() {
    const unsigned t = shim::current;
    swapcontext(&shim::threads[t], &shim::scheduler);
}

// The entry of a kernel, for the driver of the tests.
#define SHIM_ENTRY(unit, kernel)                                                                                   \
    static void unit##_##kernel##_body(const void* a) {                                                            \
        unit::kernel(*(const unit::Args*)a);                                                                       \
    }                                                                                                              \
    extern "C" void unit##_##kernel(const unsigned* grid, unsigned count, const void* args, int order) {           \
        shim::run(unit##_##kernel##_body, grid, count, args, order);                                               \
    }                                                                                                              \
    extern "C" {                                                                                                   \
    extern const size_t unit##_##kernel##_arguments;                                                               \
    const size_t unit##_##kernel##_arguments = sizeof(unit::Args);                                                 \
    }
