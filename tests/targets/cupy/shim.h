// CUDA C on the CPU, for kernels in which every thread works alone: no barriers, no shared memory, no atomics.
// A launch is two nested loops, over blocks and over threads; `backwards` runs both from their ends.
#include <cmath>
#include <cstring>
#include <utility>
using std::isfinite;
#define __global__
#define __device__ static inline
struct Triple { unsigned x, y, z; };
static thread_local Triple blockIdx, threadIdx, blockDim, gridDim;
static inline float __int_as_float(int bits) { float x; std::memcpy(&x, &bits, 4); return x; }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
template <class... P, size_t... K>
static void spread(void (*kernel)(P...), unsigned blocks, unsigned threads, void** args, int backwards, std::index_sequence<K...>) {
    gridDim = {blocks, 1, 1};
    blockDim = {threads, 1, 1};
    for (unsigned long long n = 0, total = (unsigned long long)blocks * threads; n < total; ++n) {
        const unsigned long long at = backwards ? total - 1 - n : n;
        blockIdx = {(unsigned)(at / threads), 0, 0};
        threadIdx = {(unsigned)(at % threads), 0, 0};
        kernel((P)args[K]...);
    }
}
template <class... P>
static void spread(void (*kernel)(P...), unsigned blocks, unsigned threads, void** args, int backwards) {
    spread(kernel, blocks, threads, args, backwards, std::index_sequence_for<P...>());
}
#define ON_CPU(kernel) \
    extern "C" void on_cpu_##kernel(unsigned blocks, unsigned threads, void** args, int backwards) { \
        spread(&kernel, blocks, threads, args, backwards); \
    }
