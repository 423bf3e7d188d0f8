/* 3-bit codes, signed 6-bit scale per 16 weights, one f16 per 256.
 * Fields: 32 bytes of high bits, 64 bytes of low bit pairs (as in Q2_K), 12 bytes of scales + 32, d. Weight i
 * = 32p + l has its high bit at bit p of byte l; value = pair + 4*high - 4. Scale j: low half byte j % 8,
 * high pair byte 8 + j % 4. */
#include "kernels/formats/block256.h"

enum { BYTES = 110, LOW = 32, SCALES = 96, D = 108 };

static void pack(uint8_t *dst, const struct fit_super *f)
{
    uint8_t code[FIT_SUPER], high[32] = {0};
    for (int i = 0; i < FIT_SUPER; i++)
        code[i] = (uint8_t)(f->q[i] + 4);
    for (int p = 7; p >= 0; p--)
        for (int l = 0; l < 32; l++)
            high[l] = (uint8_t)(2 * high[l] + (code[32 * p + l] >> 2));
    memcpy(dst, high, sizeof high);
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < 32; l++) {
            const uint8_t *c = code + 128 * h + l;
            dst[LOW + 32 * h + l] = (uint8_t)((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | c[96] << 6);
        }
    for (int j = 0; j < 8; j++)
        dst[SCALES + j] = (uint8_t)(((f->sc[j] + 32) & 15) | ((f->sc[j + 8] + 32) & 15) << 4);
    for (int j = 0; j < 4; j++) {
        int pairs = 0;
        for (int p = 0; p < 4; p++)
            pairs |= (f->sc[4 * p + j] + 32) >> 4 << 2 * p;
        dst[SCALES + 8 + j] = (uint8_t)pairs;
    }
    wr_u16le(dst + D, f->d);
}

static void unpack(struct fit_super *f, const uint8_t *src)
{
    for (int i = 0; i < FIT_SUPER; i++) {
        int pair = src[LOW + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3, high = src[i % 32] >> (i / 32) & 1;
        f->q[i] = (int8_t)(pair + 4 * high - 4);
    }
    for (int j = 0; j < 16; j++) {
        int low = src[SCALES + j % 8] >> (j / 8 * 4) & 15, high = src[SCALES + 8 + j % 4] >> (j / 4 * 2) & 3;
        f->sc[j] = (int8_t)((low | high << 4) - 32);
    }
    f->d = rd_u16le(src + D);
}

const struct block256_rule q3_k_rule = {
    .block_bytes = BYTES,
    .gain = true,
    .d_at = D,
    .pack = pack,
    .unpack = unpack,
    .grid =
        {
            .n_sub = 16,
            .len = 16,
            .q_lo = -4,
            .q_hi = 3,
            .sc_lo = -32,
            .sc_hi = 31,
            .n_rounds = 1,
            .reach = 3,
            .n_starts = 4,
            .start = {-4, -4.5f, 3, 3.5f},
        },
};

BLOCK256_CODEC(q3_k, BYTES, .doc = "3-bit codes, signed 6-bit scale per 16 weights, one f16 per 256.",
               .source = "llama.cpp ggml/src/ggml-common.h, block_q3_K", .gguf_type = 11);
