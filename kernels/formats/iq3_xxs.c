/* 3 bits a weight: 4 weights are one of 256 points, 8 signs with an even number of minuses, 4-bit scale per 32 weights.
 * Fields: d, 64 bytes of indices, per 32 weights 32 bits: four times 7 signs and above them the scale. */
#include "kernels/formats/grid.h"

enum { BYTES = 98, LOW = 2, SIGNS = 66 };

static void pack(uint8_t *dst, const struct grid_block *b)
{
    wr_u16le(dst, b->d);
    for (int i = 0; i < GRID_SUPER / 4; i++)
        dst[LOW + i] = (uint8_t)b->index[i];
    for (int j = 0; j < 8; j++) {
        uint32_t bits = (uint32_t)b->sc[j] << 28;
        for (int i = 0; i < 4; i++)
            bits |= (uint32_t)(b->sign[4 * j + i] & 127) << 7 * i;
        wr_u32le(dst + SIGNS + 4 * j, bits);
    }
}

static void unpack(struct grid_block *b, const uint8_t *src)
{
    b->d = rd_u16le(src);
    for (int i = 0; i < GRID_SUPER / 4; i++)
        b->index[i] = src[LOW + i];
    for (int j = 0; j < 8; j++) {
        uint32_t bits = rd_u32le(src + SIGNS + 4 * j);
        b->sc[j] = (uint8_t)(bits >> 28);
        for (int i = 0; i < 4; i++)
            b->sign[4 * j + i] = grid_even_signs(bits >> 7 * i);
    }
}

const struct grid_rule iq3_xxs_rule = {
    .grid = GRID_IQ3XXS,
    .signs = GRID_EVEN_SIGNS,
    .block_bytes = BYTES,
    .len = 32,
    .sc_max = 15,
    .unit = 0.25f,
    .n_near = 12,
    .n_starts = 4,
    .start = {64, 58, 52, 46},
    .pack = pack,
    .unpack = unpack,
};

GRID_CODEC(iq3_xxs, BYTES, .doc = "4 weights to a point of a grid of 256, 7 bits of signs per 8, 4-bit scale per 32.",
           .source = "llama.cpp ggml/src/ggml-common.h, block_iq3_xxs", .gguf_type = 18, .needs_importance = true);
