/* 4-bit floats (E2M1) as MXFP4 and NVFP4 of GGUF hold them: values doubled to whole numbers, scales halved. */
#ifndef KERNELS_FORMATS_FP4_H
#define KERNELS_FORMATS_FP4_H
#include <math.h>
#include <stdint.h>

static const int8_t fp4_value[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* Codes of the values nearest to x/d, at most FP4_RUN of them, the smaller magnitude where two are as near. All weights
 * are held against one value after another: a loop that compilers turn into SIMD. */
enum { FP4_RUN = 32 };
static inline void fp4_codes(uint8_t *code, const float *x, int n, float d)
{
    float best[FP4_RUN];
    int32_t nearest[FP4_RUN];
    for (int i = 0; i < n; i++) {
        best[i] = fabsf(x[i]);
        nearest[i] = 0;
    }
    for (int c = 1; c < 8; c++) {
        const float v = (float)fp4_value[c] * d;
        for (int i = 0; i < n; i++) {
            float b = best[i], err = fabsf(v - fabsf(x[i]));
            int32_t nearer = -(int32_t)(err < b);
            nearest[i] = (nearest[i] & ~nearer) | (c & nearer);
            best[i] = err < b ? err : b;
        }
    }
    for (int i = 0; i < n; i++)
        code[i] = (uint8_t)(x[i] < 0 && nearest[i] ? nearest[i] | 8 : nearest[i]);
}
#endif
