/* 2.6 bits a weight: 8 weights are one of 1024 points, 8 signs, 4-bit scale per 16 weights.
 * Fields: d, 32 low bytes of indices, 32 bytes of signs, 8 bytes with the high 2 bits of four indices each, 8 bytes of
 * scales, low half first. */
#include "kernels/formats/grid.h"

enum { BYTES = 82, LOW = 2, SIGNS = 34, HIGH = 66, SCALES = 74 };

static void pack(uint8_t *dst, const struct grid_block *b)
{
    wr_u16le(dst, b->d);
    for (int j = 0; j < 8; j++) {
        int high = 0;
        for (int i = 4 * j; i < 4 * j + 4; i++) {
            dst[LOW + i] = (uint8_t)b->index[i];
            dst[SIGNS + i] = b->sign[i];
            high |= b->index[i] >> 8 << (i % 4 * 2);
        }
        dst[HIGH + j] = (uint8_t)high;
        dst[SCALES + j] = (uint8_t)(b->sc[2 * j] | b->sc[2 * j + 1] << 4);
    }
}

static void unpack(struct grid_block *b, const uint8_t *src)
{
    b->d = rd_u16le(src);
    for (int i = 0; i < GRID_SUPER / 8; i++) {
        b->index[i] = (uint16_t)(src[LOW + i] | (src[HIGH + i / 4] >> (i % 4 * 2) & 3) << 8);
        b->sign[i] = src[SIGNS + i];
    }
    for (int j = 0; j < 16; j++)
        b->sc[j] = src[SCALES + j / 2] >> (j % 2 * 4) & 15;
}

const struct grid_rule iq2_s_rule = {
    .grid = GRID_IQ2S,
    .signs = GRID_FREE_SIGNS,
    .block_bytes = BYTES,
    .len = 16,
    .sc_max = 15,
    .unit = 0.125f,
    .n_near = 16,
    .n_starts = 4,
    .start = {46, 41, 36, 31},
    .pack = pack,
    .unpack = unpack,
};

GRID_CODEC(iq2_s, BYTES, .doc = "8 weights to a point of a grid of 1024, free signs, 4-bit scale per 16.",
           .source = "llama.cpp ggml/src/ggml-common.h, block_iq2_s", .gguf_type = 22, .needs_importance = true);
