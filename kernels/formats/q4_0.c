/* 4-bit codes, one f16 scale per 32 weights: x ~ d*(q - 8).
 * Fields: d, 16 bytes with code i in the low and code i + 16 in the high half. */
#include "base/half.h"
#include "kernels/formats/block32.h"
#include "kernels/formats/blocks.h"

enum { BYTES = 18, LOW = 2 };

static void pack(uint8_t *dst, const struct block32 *b)
{
    wr_u16le(dst, b->d);
    for (int i = 0; i < 16; i++)
        dst[LOW + i] = (uint8_t)(b->q[i] | b->q[i + 16] << 4);
}

static const struct block32_rule rule = {
    .block_bytes = BYTES,
    .q_max = 15,
    .zero = 8,
    .pack = pack,
    .grid = {.len = 32,
             .offset = FIT_NO_OFFSET,
             .q_lo = -8,
             .q_hi = 7,
             .n_starts = 5,
             .start = {-8, -8.6f, -7.4f, 7, 7.5f}},
};

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    block32_encode_row(&rule, dst, x, k, importance);
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (int64_t b = 0; b < k / 32; b++, y += 32, src += BYTES) {
        float d = f16_to_f32(rd_u16le(src));
        for (int i = 0; i < 16; i++) {
            int q0 = src[LOW + i] & 15, q1 = src[LOW + i] >> 4;
            y[i] = (float)(q0 - 8) * d;
            y[i + 16] = (float)(q1 - 8) * d;
        }
    }
}

BLOCK_CODEC(q4_0, 32, BYTES, .doc = "4-bit codes, one f16 scale per 32 weights.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_q4_0", .gguf_type = 2, .act = "q8_0");
