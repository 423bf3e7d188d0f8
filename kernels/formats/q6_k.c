/* 6-bit codes, 8-bit scale per 16 weights, one f16 per 256.
 * Fields: 128 bytes of low halves, 64 bytes of high pairs, 16 signed scales, d. Weight i = 128h + 32p + l has
 * its low half in byte 64h + 32(p % 2) + l, low nibble first, its high pair at bits 2p of byte 32h + l; value
 * = code - 32. */
#include "kernels/formats/block256.h"

enum { BYTES = 210, HIGH = 128, SCALES = 192, D = 208 };

static void pack(uint8_t *dst, const struct fit_super *f)
{
    uint8_t code[FIT_SUPER];
    for (int i = 0; i < FIT_SUPER; i++)
        code[i] = (uint8_t)(f->q[i] + 32);
    for (int h = 0; h < 2; h++) {
        const uint8_t *c = code + 128 * h;
        for (int i = 0; i < 64; i++)
            dst[64 * h + i] = (uint8_t)((c[i] & 15) | c[64 + i] << 4);
        for (int i = 0; i < 32; i++)
            dst[HIGH + 32 * h + i] =
                (uint8_t)(c[i] >> 4 | c[32 + i] >> 4 << 2 | c[64 + i] >> 4 << 4 | c[96 + i] >> 4 << 6);
    }
    for (int j = 0; j < 16; j++)
        dst[SCALES + j] = (uint8_t)f->sc[j];
    wr_u16le(dst + D, f->d);
}

static void unpack(struct fit_super *f, const uint8_t *src)
{
    for (int i = 0; i < FIT_SUPER; i++) {
        int low = src[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
        int high = src[HIGH + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
        f->q[i] = (int8_t)((low | high << 4) - 32);
    }
    for (int j = 0; j < 16; j++)
        f->sc[j] = (int8_t)src[SCALES + j];
    f->d = rd_u16le(src + D);
}

const struct block256_rule q6_k_rule = {
    .block_bytes = BYTES,
    .pack = pack,
    .unpack = unpack,
    .grid =
        {
            .n_sub = 16,
            .len = 16,
            .q_lo = -32,
            .q_hi = 31,
            .sc_lo = -128,
            .sc_hi = 127,
            .n_rounds = 1,
            .reach = 6,
            .n_starts = 1,
            .start = {-32},
        },
};

BLOCK256_CODEC(q6_k, BYTES, .doc = "6-bit codes, 8-bit scale per 16 weights, one f16 per 256.",
               .source = "llama.cpp ggml/src/ggml-common.h, block_q6_K", .gguf_type = 14);
