/* 1.75 bits a weight: 8 weights are one of 2048 ternary points, shifted by +-1/8 each, 3-bit scale per 16 weights.
 * Fields: 32 low bytes of indices, 16 bytes with the high 3 bits of two indices and the signs of their shifts, four
 * times 16 bits with four scales and, on top, a quarter of d. */
#include "kernels/formats/grid.h"

enum { BYTES = 56, HIGH = 32, SCALES = 48 };

static void pack(uint8_t *dst, const struct grid_block *b)
{
    for (int i = 0; i < GRID_SUPER / 8; i += 2) {
        dst[i] = (uint8_t)b->index[i];
        dst[i + 1] = (uint8_t)b->index[i + 1];
        dst[HIGH + i / 2] =
            (uint8_t)(b->index[i] >> 8 | b->minus[i] << 3 | b->index[i + 1] >> 8 << 4 | b->minus[i + 1] << 7);
    }
    for (int j = 0; j < 4; j++) {
        const uint8_t *sc = b->sc + 4 * j;
        wr_u16le(dst + SCALES + 2 * j,
                 (uint16_t)(sc[0] | sc[1] << 3 | sc[2] << 6 | sc[3] << 9 | (b->d >> 4 * j & 15) << 12));
    }
}

static void unpack(struct grid_block *b, const uint8_t *src)
{
    int d = 0;
    for (int i = 0; i < GRID_SUPER / 8; i++) {
        int high = src[HIGH + i / 2] >> (i % 2 * 4);
        b->index[i] = (uint16_t)(src[i] | (high & 7) << 8);
        b->minus[i] = high >> 3 & 1;
    }
    for (int j = 0; j < 16; j++) {
        int bits = rd_u16le(src + SCALES + j / 4 * 2);
        b->sc[j] = bits >> (j % 4 * 3) & 7;
        d |= bits >> 12 << (j / 4 * 4);
    }
    b->d = (uint16_t)d;
}

const struct grid_rule iq1_m_rule = {
    .grid = GRID_IQ1S,
    .signs = GRID_SIGNED_LEVELS,
    .block_bytes = BYTES,
    .len = 16,
    .shift_len = 8,
    .sc_max = 7,
    .unit = 1,
    .n_near = 16,
    .n_starts = 4,
    .start = {1.1f, 1.4f, 1.8f, 2.3f},
    .pack = pack,
    .unpack = unpack,
};

GRID_CODEC(iq1_m, BYTES,
           .doc = "8 weights to one of 2048 ternary points with a shift of an eighth, 3-bit scale per 16.",
           .source = "llama.cpp ggml/src/ggml-common.h, block_iq1_m", .gguf_type = 29, .needs_importance = true);
