/* 4-bit floats, one power of two per 32 weights. The exponent is that of the largest weight less 2; importances make
 * no difference. Fields: e, 16 bytes with code i in the low and code i + 16 in the high half; x ~ 2^(e - 128) * value.
 */
#include "base/half.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/fp4.h"
#include "kernels/formats/range.h"

enum { N = 32, BYTES = 17, CODES = 1 };

/* 2^(e - 128); subnormal for e < 2. */
static float scale_of(uint8_t e)
{
    return f32_from_bits(e < 2 ? (uint32_t)0x200000 << e : (uint32_t)(e - 1) << 23);
}

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    uint8_t code[N];
    (void)importance;
    for (; k > 0; k -= N, x += N, dst += BYTES) {
        float most = range_absmax(x, N), e = 0;
        if (most > 0)
            e = floorf(log2f(most)) + 125;
        dst[0] = (uint8_t)(e > 0 ? e : 0);
        float d = scale_of(dst[0]);
        fp4_codes(code, x, N, d);
        for (int i = 0; i < N / 2; i++)
            dst[CODES + i] = (uint8_t)(code[i] | code[i + N / 2] << 4);
    }
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (; k > 0; k -= N, y += N, src += BYTES) {
        float d = scale_of(src[0]);
        for (int i = 0; i < N / 2; i++) {
            y[i] = (float)fp4_value[src[CODES + i] & 15] * d;
            y[i + N / 2] = (float)fp4_value[src[CODES + i] >> 4] * d;
        }
    }
}

BLOCK_CODEC(mxfp4, N, BYTES, .doc = "4-bit floats, one power of two per 32 weights.",
            .source = "OCP Microscaling Formats 1.0; llama.cpp ggml/src/ggml-common.h, block_mxfp4", .gguf_type = 39,
            .act = "q8_0");
