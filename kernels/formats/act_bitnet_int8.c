/* int8 per row, factor 127 / max|x| (BitNet b1.58). */
#include "kernels/formats/act_int8_row.h"

static void encode(void *dst, const float *x, int64_t k)
{
    double most = (double)range_absmax(x, k);
    float factor = (float)(127.0 / (most > 1e-5 ? most : 1e-5));
    act_int8_row_put(dst, x, k, factor, 1 / factor);
}

ACT_INT8_ROW(bitnet_int8, .doc = "int8 codes, one scale per row of activations, as BitNet models are trained.");
