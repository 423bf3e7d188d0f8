/* 5-bit codes, one f16 scale per 32 weights: x ~ d*(q - 16).
 * Fields: d, fifth bits (bit i of 32), 16 bytes with code i in the low and code i + 16 in the high half. */
#include "base/half.h"
#include "kernels/formats/block32.h"
#include "kernels/formats/blocks.h"

enum { BYTES = 22, HIGH = 2, LOW = 6 };

static void pack(uint8_t *dst, const struct block32 *b)
{
    uint32_t high = 0;
    wr_u16le(dst, b->d);
    for (int i = 0; i < 32; i++)
        high |= (uint32_t)(b->q[i] >> 4) << i;
    wr_u32le(dst + HIGH, high);
    for (int i = 0; i < 16; i++)
        dst[LOW + i] = (uint8_t)((b->q[i] & 15) | b->q[i + 16] << 4);
}

static const struct block32_rule rule = {
    .block_bytes = BYTES,
    .q_max = 31,
    .zero = 16,
    .pack = pack,
    .grid = {.len = 32,
             .offset = FIT_NO_OFFSET,
             .q_lo = -16,
             .q_hi = 15,
             .n_starts = 5,
             .start = {-16, -16.6f, -15.4f, 15, 15.5f}},
};

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    block32_encode_row(&rule, dst, x, k, importance);
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (int64_t b = 0; b < k / 32; b++, y += 32, src += BYTES) {
        float d = f16_to_f32(rd_u16le(src));
        uint32_t high = rd_u32le(src + HIGH);
        for (int i = 0; i < 16; i++) {
            int q0 = (src[LOW + i] & 15) | (int)(high >> i & 1) << 4,
                q1 = src[LOW + i] >> 4 | (int)(high >> (i + 16) & 1) << 4;
            y[i] = (float)(q0 - 16) * d;
            y[i + 16] = (float)(q1 - 16) * d;
        }
    }
}

BLOCK_CODEC(q5_0, 32, BYTES, .doc = "5-bit codes, one f16 scale per 32 weights.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_q5_0", .gguf_type = 6, .act = "q8_0");
