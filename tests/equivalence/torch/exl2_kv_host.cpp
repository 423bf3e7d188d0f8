// The device functions of ExLlamaV2's quantized KV cache as functions of the host: a block's threads are threads here, which
// meet at barriers where the device's exchange values. Halves are rounded after every operation.
#include <barrier>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

typedef _Float16 half;
struct half2 {
    half x, y;
};
struct int4 {
    int x, y, z, w;
};
static constexpr int N_THREADS = 256;
static std::barrier<> all(N_THREADS);
static uint32_t slot[N_THREADS];
static thread_local int self;

#define __device__
#define __restrict__
#define __shared__ static
#define BLOCKSIZE_Q 512
static void __syncthreads() { all.arrive_and_wait(); }
template <typename T> static T exchange(T v, int from)
{
    T got;
    memcpy(&slot[self], &v, sizeof v);
    __syncthreads();
    memcpy(&got, &slot[from], sizeof got);
    __syncthreads();
    return got;
}
template <typename T> static T __shfl_xor_sync(unsigned, T v, int i) { return exchange(v, self ^ i); }
template <typename T> static T __shfl_down_sync(unsigned, T v, int i)
{
    return exchange(v, (self & 31) + i < 32 ? self + i : self);
}
static half __float2half_rn(float x) { return (half)x; }
static half __int2half_rn(int x) { return (half)(float)x; }
static half2 __halves2half2(half a, half b) { return {a, b}; }
static half2 __half2half2(half a) { return {a, a}; }
static half2 __float2half2_rn(float x) { return {(half)x, (half)x}; }
static half __low2half(half2 a) { return a.x; }
static half __high2half(half2 a) { return a.y; }
static half __hmul(half a, half b) { return (half)((float)a * (float)b); }
static half __hmax(half a, half b) { return a > b ? a : b; }
static half2 __habs2(half2 a) { return {(half)fabsf((float)a.x), (half)fabsf((float)a.y)}; }
static half2 __hadd2(half2 a, half2 b) { return {(half)((float)a.x + (float)b.x), (half)((float)a.y + (float)b.y)}; }
static half2 __hmul2(half2 a, half2 b) { return {__hmul(a.x, b.x), __hmul(a.y, b.y)}; }
static half2 __h2div(half2 a, half2 b) { return {(half)((float)a.x / (float)b.x), (half)((float)a.y / (float)b.y)}; }
static half __hfma(half a, half b, half c) { return (half)std::fma((double)a, (double)b, (double)c); }
static half2 __hfma2(half2 a, half2 b, half2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }
static int __half2int_rn(half a) { return std::isnan((float)a) ? 0 : (int)rintf((float)a); }
static int clamp(int x, int a, int b) { return x < a ? a : x > b ? b : x; }
template <typename T> static T __ldg(const T *p) { return *p; }
template <typename T> static void __stcg(T *p, T v) { *p = v; }
template <typename T> static void __stwb(T *p, T v) { *p = v; }
#include "cuda/cache_q.cuh"

template <typename F> static void run(F f)
{
    std::vector<std::thread> threads;
    for (int t = 0; t < N_THREADS; t++)
        threads.emplace_back([=] {
            self = t;
            f(t);
        });
    for (auto &t : threads)
        t.join();
}

template <int BITS> static void there_and_back(const half *in, uint8_t *codes, half *scales, half *out, int n)
{
    run([=](int t) {
        for (int at = 0; at < n; at += BLOCKSIZE_Q) {
            fp16_to_q<BITS>(t, in, codes, scales, at, n);
            __syncthreads();
            q_to_fp16<BITS>(t, codes, scales, out, at, n);
            __syncthreads();
        }
    });
}

// in[n], n a multiple of 512, to codes[n * bits / 8], scales[n / 32] and what they are read as.
extern "C" void cache(int bits, const void *in, void *codes, void *scales, void *out, int n)
{
    auto f = bits == 4 ? there_and_back<4> : there_and_back<8>;
    f((const half *)in, (uint8_t *)codes, (half *)scales, (half *)out, n);
}
