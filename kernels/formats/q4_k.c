/* 4-bit codes, 6-bit scale and offset per 32 weights, two f16 per 256.
 * Fields: d, dmin, 12 bytes of scales and offsets, 128 bytes of codes. Byte 32c + l of the codes holds weight
 * 64c + l in its low and weight 64c + 32 + l in its high half. */
#include "kernels/formats/block256.h"

enum { BYTES = 144, SCALES = 4, CODES = 16 };

static void pack(uint8_t *dst, const struct fit_super *f)
{
    wr_u16le(dst, f->d);
    wr_u16le(dst + 2, f->dmin);
    block256_pack_6bit(dst + SCALES, f);
    for (int i = 0; i < 128; i++) {
        const int8_t *q = f->q + i / 32 * 64 + i % 32;
        dst[CODES + i] = (uint8_t)(q[0] | q[32] << 4);
    }
}

static void unpack(struct fit_super *f, const uint8_t *src)
{
    f->d = rd_u16le(src);
    f->dmin = rd_u16le(src + 2);
    block256_unpack_6bit(f, src + SCALES);
    for (int i = 0; i < FIT_SUPER; i++)
        f->q[i] = src[CODES + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
}

const struct block256_rule q4_k_rule = {
    .block_bytes = BYTES,
    .pack = pack,
    .unpack = unpack,
    .grid =
        {
            .n_sub = 8,
            .len = 32,
            .offset = FIT_OFFSET_BELOW_ZERO,
            .q_lo = 0,
            .q_hi = 15,
            .sc_lo = 0,
            .sc_hi = 63,
            .m_hi = 63,
            .n_rounds = 2,
            .reach = 1,
            .n_starts = 5,
            .start = {14.5f, 14.9f, 15.3f, 15.7f, 16.1f},
        },
};

BLOCK256_CODEC(q4_k, BYTES, .doc = "4-bit codes, 6-bit scale and offset per 32 weights, two f16 per 256.",
               .source = "llama.cpp ggml/src/ggml-common.h, block_q4_K", .gguf_type = 12);
