/* 16-bit IEEE floats. */
#include "base/half.h"
#include "kernels/formats/blocks.h"

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    (void)importance;
    for (int64_t i = 0; i < k; i++)
        wr_u16le(dst + 2 * i, f32_to_f16(x[i]));
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (int64_t i = 0; i < k; i++)
        y[i] = f16_to_f32(rd_u16le(src + 2 * i));
}

BLOCK_CODEC(f16, 1, 2, .doc = "16-bit IEEE floats.", .source = "IEEE 754 binary16", .gguf_type = 1,
            .act = "f16");
