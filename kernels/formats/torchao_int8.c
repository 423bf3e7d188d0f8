/* int8 per row, scale = max|w| / 127.5 (torchao): codes reach -128, the largest positive weight is cut to 127. */
#include "kernels/formats/int8_rows.h"

static float stored(float abs_max)
{
    float scale = abs_max / 127.5f;
    return scale < 0x1p-23f ? 0x1p-23f : scale;
}

static int8_t code(float w, float scale)
{
    return (int8_t)clampf(fit_round(w * (1 / scale)), -128, 127);
}

static float value(int c, float scale)
{
    return (float)c * scale;
}

INT8_ROWS_CODEC(torchao_int8, .doc = "int8 codes, one f32 scale per row.",
                .source = "torchao quantization/quantize_/workflows/int8/int8_tensor.py", .act = "torchao_int8");
