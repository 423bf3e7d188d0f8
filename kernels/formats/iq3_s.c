/* 3.4 bits a weight: 4 weights are one of 512 points, free signs, 4-bit scale per 32 weights.
 * Fields: d, 64 low bytes of indices, 8 bytes with the ninth bits of eight indices each, 32 bytes of signs, 4 bytes of
 * scales, low half first. */
#include "kernels/formats/grid.h"

enum { BYTES = 110, LOW = 2, HIGH = 66, SIGNS = 74, SCALES = 106 };

static void pack(uint8_t *dst, const struct grid_block *b)
{
    wr_u16le(dst, b->d);
    for (int j = 0; j < 8; j++) {
        int high = 0;
        for (int i = 0; i < 8; i++) {
            dst[LOW + 8 * j + i] = (uint8_t)b->index[8 * j + i];
            high |= b->index[8 * j + i] >> 8 << i;
        }
        dst[HIGH + j] = (uint8_t)high;
    }
    for (int i = 0; i < GRID_SUPER / 8; i++)
        dst[SIGNS + i] = b->sign[i];
    for (int j = 0; j < 4; j++)
        dst[SCALES + j] = (uint8_t)(b->sc[2 * j] | b->sc[2 * j + 1] << 4);
}

static void unpack(struct grid_block *b, const uint8_t *src)
{
    b->d = rd_u16le(src);
    for (int i = 0; i < GRID_SUPER / 4; i++)
        b->index[i] = (uint16_t)(src[LOW + i] | (src[HIGH + i / 8] >> i % 8 & 1) << 8);
    for (int i = 0; i < GRID_SUPER / 8; i++)
        b->sign[i] = src[SIGNS + i];
    for (int j = 0; j < 8; j++)
        b->sc[j] = src[SCALES + j / 2] >> (j % 2 * 4) & 15;
}

const struct grid_rule iq3_s_rule = {
    .grid = GRID_IQ3S,
    .signs = GRID_FREE_SIGNS,
    .block_bytes = BYTES,
    .len = 32,
    .sc_max = 15,
    .unit = 1,
    .n_near = 12,
    .n_starts = 4,
    .start = {15.5f, 14, 12.5f, 11},
    .pack = pack,
    .unpack = unpack,
};

GRID_CODEC(iq3_s, BYTES, .doc = "4 weights to a point of a grid of 512, free signs, 4-bit scale per 32.",
           .source = "llama.cpp ggml/src/ggml-common.h, block_iq3_s", .gguf_type = 21);
