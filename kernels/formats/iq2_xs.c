/* 2.3 bits a weight: 8 weights are one of 512 points, signs with an even number of minuses, 4-bit scale per 16 weights.
 * Fields: d; 32 times 16 bits, 9 of index and 7 of signs; 8 bytes of scales, low half first. */
#include "kernels/formats/grid.h"

enum { BYTES = 74, SCALES = 66 };

static void pack(uint8_t *dst, const struct grid_block *b)
{
    wr_u16le(dst, b->d);
    for (int i = 0; i < GRID_SUPER / 8; i++)
        wr_u16le(dst + 2 + 2 * i, (uint16_t)(b->index[i] | (b->sign[i] & 127) << 9));
    for (int j = 0; j < 8; j++)
        dst[SCALES + j] = (uint8_t)(b->sc[2 * j] | b->sc[2 * j + 1] << 4);
}

static void unpack(struct grid_block *b, const uint8_t *src)
{
    b->d = rd_u16le(src);
    for (int i = 0; i < GRID_SUPER / 8; i++) {
        uint16_t bits = rd_u16le(src + 2 + 2 * i);
        b->index[i] = bits & 511;
        b->sign[i] = grid_even_signs(bits >> 9);
    }
    for (int j = 0; j < 16; j++)
        b->sc[j] = src[SCALES + j / 2] >> (j % 2 * 4) & 15;
}

const struct grid_rule iq2_xs_rule = {
    .grid = GRID_IQ2XS,
    .signs = GRID_EVEN_SIGNS,
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

GRID_CODEC(iq2_xs, BYTES, .doc = "8 weights to a point of a grid of 512, 7 bits of signs, 4-bit scale per 16.",
           .source = "llama.cpp ggml/src/ggml-common.h, block_iq2_xs", .gguf_type = 17, .needs_importance = true);
