// ExLlamaV2's own kernels as functions of the host, a block's threads one after the other: packing, quantizing, and the
// reconstruction of a matrix of mixed widths. kernels.inc, written by compare_exl2.py, holds its __global__ functions.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>
#include <cuda_fp16.h>
#include "config.h"
#undef __device__
#undef __forceinline__
#undef __global__
#undef __shared__
#define __device__
#define __forceinline__ inline
#define __global__ static
#define __shared__ static
using std::max;
using std::min;

struct at {
    int x, y;
};
static at threadIdx, blockIdx, blockDim;

// Sums and products here are exact in f32, so rounding once is what an fma in halves does.
static half __hfma(half a, half b, half c)
{
    return __float2half(__half2float(a) * __half2float(b) + __half2float(c));
}
static half2 __hfma2(half2 a, half2 b, half2 c)
{
    return __halves2half2(__hfma(__low2half(a), __low2half(b), __low2half(c)),
                          __hfma(__high2half(a), __high2half(b), __high2half(c)));
}
static uint32_t __funnelshift_rc(uint32_t lo, uint32_t hi, uint32_t shift)
{
    return (uint32_t)(((uint64_t)hi << 32 | lo) >> (shift < 32 ? shift : 32));
}
#define __powf(x, y) powf(x, y)
static float __int2float_rn(int x) { return (float)x; }
static float clamp(float x, float a, float b) { return fmaxf(a, fminf(b, x)); }
static void atomicAdd(float *p, float x) { *p += x; }
static void __syncthreads() {}
#define THREADS_X 32
#define BLOCK_KN_SIZE 128
#include "cuda/matrix_view.cuh"
#include "cuda/quant/qdq_2.cuh"
#include "cuda/quant/qdq_3.cuh"
#include "cuda/quant/qdq_4.cuh"
#include "cuda/quant/qdq_5.cuh"
#include "cuda/quant/qdq_6.cuh"
#include "cuda/quant/qdq_8.cuh"
#include "kernels.inc"

template <typename F> static void launch(int gx, int gy, int bx, int by, F kernel)
{
    blockDim = {bx, by};
    for (blockIdx.y = 0; blockIdx.y < gy; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < gx; blockIdx.x++)
            for (int pass = 0; pass < 2; pass++) // what a block shares is complete in the second
                for (threadIdx.y = 0; threadIdx.y < by; threadIdx.y++)
                    for (threadIdx.x = 0; threadIdx.x < bx; threadIdx.x++)
                        kernel(pass);
}

static int over(int n, int d) { return (n + d - 1) / d; }

extern "C" {
void host_err(const float *x, float *out, const float *scale, int rows, int columns, float qzero, float maxq, float norm,
              float min_p, float max_p, int grid)
{
    launch(over(columns / 4, 32), over(rows, 32), 32, 32, [=](int pass) {
        if (pass)
            quantize_err_kernel(x, out, scale, rows, columns, qzero, maxq, norm, min_p, max_p, grid);
    });
}

void host_adjust(const float *weights, float *quant, const float *scale, uint16_t *out_q, const float *hessian_inv,
                 float *error, int row, int rows, int columns, float qzero, float maxq)
{
    launch(over(columns, 32), 1, 32, 1, [=](int) {
        fused_quantize_adjust_kernel(weights, quant, scale, out_q, hessian_inv, error, row, rows, columns, qzero, maxq);
    });
}

void host_mul_sub(const float *x, const float *y, float *z, int x_size, int y_size)
{
    launch(over(y_size / 4, 32), over(x_size, 32), 32, 32, [=](int pass) {
        if (pass)
            vv_mul_sub_kernel(x, y, z, x_size, y_size);
    });
}

void host_pack_rows(const uint16_t *x, uint32_t *out, int rows, int out_columns)
{
    launch(over(out_columns, 32), over(rows, 16), 32, 16, [=](int) { pack_rows_4_kernel(x, out, rows, out_columns); });
}

void host_pack_columns(const uint16_t *x, uint32_t *out, int out_rows, int columns, int bits)
{
    launch(over(columns, 32), over(out_rows, 16), 32, 16, [=](int) {
        bits == 2   ? pack_columns_kernel<2>(x, out, out_rows, columns)
        : bits == 3 ? pack_columns_kernel<3>(x, out, out_rows, columns)
        : bits == 4 ? pack_columns_kernel<4>(x, out, out_rows, columns)
        : bits == 5 ? pack_columns_kernel<5>(x, out, out_rows, columns)
        : bits == 6 ? pack_columns_kernel<6>(x, out, out_rows, columns)
                    : pack_columns_kernel<8>(x, out, out_rows, columns);
    });
}

// end: where the inputs of 8, 6, 5, 4, 3 and 2 bits end. q_weight is shuffled in place.
void host_reconstruct(uint32_t *q_weight, const uint16_t *perm, const uint32_t *q_scale, const half *q_scale_max,
                      const uint16_t *group_map, int k, int n, int groups, half *out, const int *end)
{
    launch(over(n, 32), 1, 32, 1, [=](int pass) {
        if (pass)
            shuffle_kernel(q_weight, k, n, end[0], end[1], end[2], end[3], end[4], end[5]);
    });
    std::vector<half> nowhere((size_t)k * n);
    launch(over(n, 128), over(k, 128), 128, 1, [&](int pass) {
        reconstruct_kernel(q_weight, perm, q_scale, q_scale_max, group_map, k, n, groups, pass ? out : nowhere.data(),
                           end[0], end[1], end[2], end[3], end[4], end[5], 0, 0);
    });
}
}
