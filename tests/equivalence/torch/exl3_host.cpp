// ExLlamaV3's own decoding of trellis tiles (its exl3_dq.cuh and codebook.cuh), compiled for the host: the few things of
// CUDA that they use are given here. The program reads tiles from stdin and writes their halves in the order of steps.
// usage: exl3_host K2 CODEBOOK    (K2: twice the bits per weight; CODEBOOK 0: 3inst, 1: mcg, 2: mul1)
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#define USE_ROCM 1 // the portable forms of single instructions
#include <cuda_fp16.h>
#undef __device__
#undef __forceinline__
#define __device__
#define __forceinline__ inline

template <typename T, int n> struct Vec {
    T elems[n];
    T &operator[](int i) { return elems[i]; }
};
using FragB = Vec<half2, 2>;

union half2_uint32 {
    uint32_t as_uint32;
    half2 as_half2;
    half2_uint32(uint32_t v) : as_uint32(v) {}
};
union half_uint16 {
    uint16_t as_uint16;
    half as_half;
    half_uint16(uint16_t v) : as_uint16(v) {}
};

static uint32_t __dp4a(uint32_t a, uint32_t b, uint32_t c)
{
    for (int i = 0; i < 32; i += 8)
        c += (a >> i & 255) * (b >> i & 255);
    return c;
}

static uint32_t __funnelshift_r(uint32_t lo, uint32_t hi, uint32_t shift)
{
    return (uint32_t)(((uint64_t)hi << 32 | lo) >> (shift & 31));
}

static uint32_t bfe64(uint32_t lo, uint32_t hi, int offset, int length)
{
    return (uint32_t)(((uint64_t)hi << 32 | lo) >> offset) & ((1u << length) - 1);
}

/* Sums of the byte codebook are exact in f32, so rounding once is what an fma in halves does. */
static half __hfma(half a, half b, half c)
{
    return __float2half(__half2float(a) * __half2float(b) + __half2float(c));
}

static half2 __hfma2(half2 a, half2 b, half2 c)
{
    return __halves2half2(__hfma(__low2half(a), __low2half(b), __low2half(c)),
                          __hfma(__high2half(a), __high2half(b), __high2half(c)));
}

#define FSHF_IMM(dst, lo, hi, imm) (dst) = exl3_shf_r_wrap((lo), (hi), (imm))
#define BFE16_IMM(dst, src, imm) (dst) = exl3_bfe_u32_16((src), (imm))
#include "exl3_dq.cuh"

typedef void decoder(const uint32_t *, int, FragB &, FragB &);
#define ROW(cb) {dq_dispatch<1, cb>, dq_dispatch<2, cb>, dq_dispatch<3, cb>, dq_dispatch<4, cb>, \
                 dq_dispatch<5, cb>, dq_dispatch<6, cb>, dq_dispatch<7, cb>, dq_dispatch<8, cb>}
static decoder *const whole[3][8] = {ROW(0), ROW(1), ROW(2)};
static decoder *const halves[3] = {dq_dispatch<1, 2, true>, dq_dispatch<2, 2, true>, dq_dispatch<3, 2, true>};

int main(int argc, char **argv)
{
    int k2 = argc == 3 ? atoi(argv[1]) : 0, cb = argc == 3 ? atoi(argv[2]) : 0;
    if (k2 < 2 || k2 > 16 || cb < 0 || cb > 2 || (k2 % 2 && (k2 > 7 || cb != 2)))
        return 2;
    decoder *decode = k2 % 2 ? halves[k2 / 2 - 1] : whole[cb][k2 / 2 - 1];
    uint32_t words[64];
    while (fread(words, 4, 4 * k2, stdin) == (size_t)(4 * k2))
        for (int lane = 0; lane < 32; lane++) {
            FragB f[2];
            decode(words, lane * 8, f[0], f[1]);
            fwrite(f, sizeof f, 1, stdout);
        }
    return 0;
}
