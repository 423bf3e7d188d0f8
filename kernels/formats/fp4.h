/* 4-bit floats (E2M1) as MXFP4 and NVFP4 of GGUF hold them: values doubled to whole numbers, scales halved. */
#ifndef KERNELS_FORMATS_FP4_H
#define KERNELS_FORMATS_FP4_H
#include <math.h>
#include <stdint.h>

static const int8_t fp4_value[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* Code of the value nearest to x/d, the smaller magnitude where two are as near. */
static inline uint8_t fp4_code(float x, float d)
{
    float a = fabsf(x), best = a;
    int code = 0;
    for (int i = 1; i < 8; i++) {
        float err = fabsf((float)fp4_value[i] * d - a);
        code = err < best ? i : code;
        best = err < best ? err : best;
    }
    return (uint8_t)(x < 0 && code ? code | 8 : code);
}
#endif
