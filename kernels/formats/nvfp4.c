/* 4-bit floats, one unsigned 8-bit float (E4M3) per 16 weights. The scale is max |x| / 6, rounded; importances make no
 * difference. Fields per 64 weights: 4 scales, 32 bytes; byte 8s + i has codes i (low) and i + 8 of the 16 of scale s.
 * GGUF holds no second scale per tensor inside the block. */
#include "base/half.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/fp4.h"
#include "kernels/formats/range.h"

enum { N = 64, SUB = 16, N_SUBS = 4, BYTES = 36, CODES = 4 };

/* Half of an unsigned E4M3 number: the values are doubled. 0x7f stands for 0. */
static float scale_of(uint8_t u)
{
    int e = u >> 3 & 15, m = u & 7;
    if (u == 0x7f)
        return 0;
    return e ? ldexpf((float)(8 + m), e - 11) : ldexpf((float)m, -10);
}

/* To unsigned E4M3: normal numbers by the bit below the mantissa, subnormal ones by adding a half. */
static uint8_t scale_code(float v)
{
    v = v > 448 ? 448 : v;
    uint32_t bits = f32_bits(v);
    int e = (int)(bits >> 23) - 120;
    if (e <= 0)
        return (uint8_t)(v * 512 + 0.5f < 7 ? v * 512 + 0.5f : 7);
    uint32_t rounded = ((uint32_t)e << 3 | (bits >> 20 & 7)) + (bits >> 19 & 1);
    return (uint8_t)(rounded < 0x78 ? rounded : 0x7e);
}

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    uint8_t code[SUB];
    (void)importance;
    for (; k > 0; k -= N, dst += BYTES)
        for (int s = 0; s < N_SUBS; s++, x += SUB) {
            dst[s] = scale_code(range_absmax(x, SUB) / 6);
            float d = scale_of(dst[s]);
            fp4_codes(code, x, SUB, d);
            for (int i = 0; i < SUB / 2; i++)
                dst[CODES + s * SUB / 2 + i] = (uint8_t)(code[i] | code[i + SUB / 2] << 4);
        }
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (; k > 0; k -= N, src += BYTES)
        for (int s = 0; s < N_SUBS; s++, y += SUB) {
            float d = scale_of(src[s]);
            for (int i = 0; i < SUB / 2; i++) {
                uint8_t q = src[CODES + s * SUB / 2 + i];
                y[i] = (float)fp4_value[q & 15] * d;
                y[i + SUB / 2] = (float)fp4_value[q >> 4] * d;
            }
        }
}

BLOCK_CODEC(nvfp4, N, BYTES, .doc = "4-bit floats, one 8-bit float per 16 weights.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_nvfp4", .gguf_type = 40, .act = "q8_0");
