/* 5-bit codes, 6-bit scale and offset per 32 weights, two f16 per 256.
 * Fields: d, dmin, 12 bytes of scales and offsets, 32 bytes of fifth bits, 128 bytes of low halves (as in
 * Q4_K). Weight i = 32p + l has its fifth bit at bit p of byte l. */
#include "kernels/formats/block256.h"

enum { BYTES = 176, SCALES = 4, HIGH = 16, LOW = 48 };

static void pack(uint8_t *dst, const struct fit_super *f)
{
    wr_u16le(dst, f->d);
    wr_u16le(dst + 2, f->dmin);
    block256_pack_6bit(dst + SCALES, f);
    for (int l = 0; l < 32; l++) {
        int high = 0;
        for (int p = 0; p < 8; p++)
            high |= f->q[32 * p + l] >> 4 << p;
        dst[HIGH + l] = (uint8_t)high;
    }
    for (int i = 0; i < 128; i++) {
        const int8_t *q = f->q + i / 32 * 64 + i % 32;
        dst[LOW + i] = (uint8_t)((q[0] & 15) | (q[32] & 15) << 4);
    }
}

static void unpack(struct fit_super *f, const uint8_t *src)
{
    f->d = rd_u16le(src);
    f->dmin = rd_u16le(src + 2);
    block256_unpack_6bit(f, src + SCALES);
    for (int i = 0; i < FIT_SUPER; i++) {
        int low = src[LOW + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15, high = src[HIGH + i % 32] >> (i / 32) & 1;
        f->q[i] = (int8_t)(low | high << 4);
    }
}

const struct block256_rule q5_k_rule = {
    .block_bytes = BYTES,
    .pack = pack,
    .unpack = unpack,
    .grid =
        {
            .n_sub = 8,
            .len = 32,
            .offset = FIT_OFFSET_BELOW_ZERO,
            .q_lo = 0,
            .q_hi = 31,
            .sc_lo = 0,
            .sc_hi = 63,
            .m_hi = 63,
            .n_rounds = 2,
            .reach = 1,
            .n_starts = 5,
            .start = {30.5f, 30.9f, 31.3f, 31.7f, 32.1f},
        },
};

BLOCK256_CODEC(q5_k, BYTES, .doc = "5-bit codes, 6-bit scale and offset per 32 weights, two f16 per 256.",
               .source = "llama.cpp ggml/src/ggml-common.h, block_q5_K", .gguf_type = 13);
