/* 3-bit codes, signed 6-bit scale per 16 weights, one f16 per 256.
 * Fields: 32 bytes of high bits, 64 bytes of low bit pairs (as in Q2_K), 12 bytes of scales + 32, d. Weight i
 * = 32p + l has its high bit at bit p of byte l; value = pair + 4*high - 4. Scale j: low half byte j % 8,
 * high pair byte 8 + j % 4. */
#include "kernels/formats/block256.h"

enum { BYTES = 110, LOW = 32, SCALES = 96, D = 108 };

static void pack(uint8_t *dst, const struct fit_super *f)
{
    for (int l = 0; l < 32; l++) {
        int high = 0;
        for (int p = 0; p < 8; p++)
            high |= (f->q[32 * p + l] >= 0) << p;
        dst[l] = (uint8_t)high;
    }
    for (int i = 0; i < 64; i++) {
        const int8_t *q = f->q + i / 32 * 128 + i % 32;
        dst[LOW + i] = (uint8_t)((q[0] & 3) | (q[32] & 3) << 2 | (q[64] & 3) << 4 | (q[96] & 3) << 6);
    }
    for (int j = 0; j < 8; j++)
        dst[SCALES + j] = (uint8_t)(((f->sc[j] + 32) & 15) | ((f->sc[j + 8] + 32) & 15) << 4);
    for (int j = 0; j < 4; j++) {
        int high = 0;
        for (int p = 0; p < 4; p++)
            high |= (f->sc[4 * p + j] + 32) >> 4 << 2 * p;
        dst[SCALES + 8 + j] = (uint8_t)high;
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
