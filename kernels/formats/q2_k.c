/* 2-bit codes, 4-bit scale and offset per 16 weights, two f16 per 256.
 * Fields: 16 bytes of scale (low half) and offset (high half), 64 bytes of codes, d, dmin. Byte 32h + l of
 * the codes holds weights 128h + 32p + l at bits 2p. */
#include "kernels/formats/block256.h"

enum { BYTES = 84, CODES = 16, D = 80, DMIN = 82 };

static void pack(uint8_t *dst, const struct fit_super *f)
{
    for (int j = 0; j < 16; j++)
        dst[j] = (uint8_t)(f->sc[j] | f->m[j] << 4);
    for (int i = 0; i < 64; i++) {
        const int8_t *q = f->q + i / 32 * 128 + i % 32;
        dst[CODES + i] = (uint8_t)(q[0] | q[32] << 2 | q[64] << 4 | q[96] << 6);
    }
    wr_u16le(dst + D, f->d);
    wr_u16le(dst + DMIN, f->dmin);
}

static void unpack(struct fit_super *f, const uint8_t *src)
{
    for (int j = 0; j < 16; j++) {
        f->sc[j] = src[j] & 15;
        f->m[j] = src[j] >> 4;
    }
    for (int i = 0; i < FIT_SUPER; i++)
        f->q[i] = src[CODES + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    f->d = rd_u16le(src + D);
    f->dmin = rd_u16le(src + DMIN);
}

const struct block256_rule q2_k_rule = {
    .block_bytes = BYTES,
    .gain = true,
    .d_at = D,
    .dmin_at = DMIN,
    .pack = pack,
    .unpack = unpack,
    .grid =
        {
            .n_sub = 16,
            .len = 16,
            .offset = FIT_OFFSET_BELOW_ZERO,
            .q_lo = 0,
            .q_hi = 3,
            .sc_lo = 0,
            .sc_hi = 15,
            .m_hi = 15,
            .n_rounds = 2,
            .reach = 1,
            .n_starts = 5,
            .start = {2.5f, 2.8f, 3.1f, 3.4f, 3.7f},
        },
};

BLOCK256_CODEC(q2_k, BYTES, .doc = "2-bit codes, 4-bit scale and offset per 16 weights, two f16 per 256.",
               .source = "llama.cpp ggml/src/ggml-common.h, block_q2_K", .gguf_type = 10);
