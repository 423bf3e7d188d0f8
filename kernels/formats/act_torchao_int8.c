/* int8 per row, scale = max|x| / 127.5 (torchao, dynamic activations). */
#include "kernels/formats/act_int8_row.h"

static void encode(void *dst, const float *x, int64_t k)
{
    float scale = range_absmax(x, k) / 127.5f;
    scale = scale < 0x1p-23f ? 0x1p-23f : scale;
    act_int8_row_put(dst, x, k, 1 / scale, scale);
}

ACT_INT8_ROW(torchao_int8, .doc = "int8 codes, one f32 scale per row of activations.");
