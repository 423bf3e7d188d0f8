/* 2 bits a weight: 8 weights are one of 256 points, signs with an even number of minuses, 4-bit scale per 32 weights.
 * Fields: d; per 32 weights 4 bytes of indices and 32 bits, four times 7 signs and above them the scale. */
#include "kernels/formats/grid.h"

enum { BYTES = 66, N_SUBS = 8 };

static void pack(uint8_t *dst, const struct grid_block *b)
{
    wr_u16le(dst, b->d);
    for (int j = 0; j < N_SUBS; j++) {
        uint8_t *p = dst + 2 + 8 * j;
        uint32_t bits = (uint32_t)b->sc[j] << 28;
        for (int i = 0; i < 4; i++) {
            p[i] = (uint8_t)b->index[4 * j + i];
            bits |= (uint32_t)(b->sign[4 * j + i] & 127) << 7 * i;
        }
        wr_u32le(p + 4, bits);
    }
}

static void unpack(struct grid_block *b, const uint8_t *src)
{
    b->d = rd_u16le(src);
    for (int j = 0; j < N_SUBS; j++) {
        const uint8_t *p = src + 2 + 8 * j;
        uint32_t bits = rd_u32le(p + 4);
        b->sc[j] = (uint8_t)(bits >> 28);
        for (int i = 0; i < 4; i++) {
            b->index[4 * j + i] = p[i];
            b->sign[4 * j + i] = grid_even_signs(bits >> 7 * i);
        }
    }
}

const struct grid_rule iq2_xxs_rule = {
    .grid = GRID_IQ2XXS,
    .signs = GRID_EVEN_SIGNS,
    .block_bytes = BYTES,
    .len = 32,
    .sc_max = 15,
    .unit = 0.125f,
    .n_near = 16,
    .n_starts = 4,
    .start = {46, 41, 36, 31},
    .pack = pack,
    .unpack = unpack,
};

GRID_CODEC(iq2_xxs, BYTES, .doc = "8 weights to a point of a grid of 256, 7 bits of signs, 4-bit scale per 32.",
           .source = "llama.cpp ggml/src/ggml-common.h, block_iq2_xxs", .gguf_type = 16, .needs_importance = true);
