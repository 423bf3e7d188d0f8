/* 4-bit codes, one f16 scale and one f16 offset per 32 weights: x ~ d*q + m.
 * Fields: d, m, 16 bytes with code i in the low and code i + 16 in the high half. */
#include "base/half.h"
#include "kernels/formats/block32.h"
#include "kernels/formats/blocks.h"

enum { BYTES = 20, LOW = 4 };

static void pack(uint8_t *dst, const struct block32 *b)
{
    wr_u16le(dst, b->d);
    wr_u16le(dst + 2, b->m);
    for (int i = 0; i < 16; i++)
        dst[LOW + i] = (uint8_t)(b->q[i] | b->q[i + 16] << 4);
}

static const struct block32_rule rule = {
    .block_bytes = BYTES,
    .q_max = 15,
    .zero = -1,
    .pack = pack,
    .grid = {.len = 32,
             .offset = FIT_OFFSET,
             .q_lo = 0,
             .q_hi = 15,
             .n_starts = 4,
             .start = {14.5f, 15, 15.5f, 16}},
};

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    block32_encode_row(&rule, dst, x, k, importance);
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (int64_t b = 0; b < k / 32; b++, y += 32, src += BYTES) {
        float d = f16_to_f32(rd_u16le(src)), m = f16_to_f32(rd_u16le(src + 2));
        for (int i = 0; i < 16; i++) {
            int q0 = src[LOW + i] & 15, q1 = src[LOW + i] >> 4;
            y[i] = (float)q0 * d + m;
            y[i + 16] = (float)q1 * d + m;
        }
    }
}

BLOCK_CODEC(q4_1, 32, BYTES, .doc = "4-bit codes, one f16 scale and one f16 offset per 32 weights.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_q4_1", .gguf_type = 3, .act = "q8_1");
