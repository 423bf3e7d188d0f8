/* The upper half of a 32-bit float, rounded to nearest even. */
#include "base/half.h"
#include "kernels/formats/blocks.h"

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    (void)importance;
    for (int64_t i = 0; i < k; i++)
        wr_u16le(dst + 2 * i, f32_to_bf16(x[i]));
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (int64_t i = 0; i < k; i++)
        y[i] = bf16_to_f32(rd_u16le(src + 2 * i));
}

BLOCK_CODEC(bf16, 1, 2, .doc = "Brain floats: 8 exponent and 7 mantissa bits.",
            .source = "Intel, BFLOAT16 hardware "
                      "numerics definition",
            .gguf_type = 30, .act = "bf16");
