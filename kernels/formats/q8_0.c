/* 8-bit codes with one f16 scale per 32 weights: x ~ d*q, d = max|x| / 127, halves rounded away from zero. */
#include <math.h>
#include <string.h>
#include "base/half.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/range.h"

enum { LEN = 32, BYTES = 34 };

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    (void)importance;
    for (int64_t b = 0; b < k / LEN; b++, x += LEN, dst += BYTES) {
        float d = range_absmax(x, LEN) / 127, inv = block_inverse(d);
        wr_u16le(dst, f32_to_f16(d));
        for (int i = 0; i < LEN; i++) {
            float v = x[i] * inv;
            int t = (int)v; /* towards zero; the rest is exact */
            float rest = v - (float)t;
            dst[2 + i] = (uint8_t)(t + (rest >= 0.5f) - (rest <= -0.5f));
        }
    }
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (int64_t b = 0; b < k / LEN; b++, y += LEN, src += BYTES) {
        float d = f16_to_f32(rd_u16le(src));
        for (int i = 0; i < LEN; i++)
            y[i] = (float)(int8_t)src[2 + i] * d;
    }
}

BLOCK_CODEC(q8_0, LEN, BYTES, .doc = "8-bit codes, one f16 scale per 32 weights.",
            .source = "llama.cpp ggml-common.h, block_q8_0", .gguf_type = 8, .act = "q8_0");
