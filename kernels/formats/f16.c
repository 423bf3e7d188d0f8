/* 16-bit IEEE floats. Decoding is written without branches, so that the compiler vectorizes it. */
#include "base/half.h"
#include "kernels/formats/blocks.h"

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    (void)importance;
    for (int64_t i = 0; i < k; i++)
        wr_u16le(dst + 2 * i, f32_to_f16(x[i]));
}

/* Exponent and mantissa sit in place after a shift; the factor repairs the bias, also of subnormals. */
static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (int64_t i = 0; i < k; i++) {
        uint32_t h = rd_u16le(src + 2 * i), magnitude = h & 0x7fff;
        uint32_t bits = f32_bits(f32_from_bits(magnitude << 13) * 0x1p112f);
        bits |= magnitude >= 0x7c00 ? 0x7f800000 : 0; /* Inf and NaN */
        y[i] = f32_from_bits(bits | (h & 0x8000) << 16);
    }
}

BLOCK_CODEC(f16, 1, 2, .doc = "16-bit IEEE floats.", .source = "IEEE 754 binary16", .gguf_type = 1,
            .act = "f16");
