/* 1.6 bits a weight: 8 weights are one of 2048 ternary points, shifted by +-1/8, 3-bit scale per 32 weights.
 * Fields: d, 32 low bytes of indices, per 32 weights 16 bits: four times the high 3 bits of an index, the scale, and
 * the sign of the shift. */
#include "kernels/formats/grid.h"

enum { BYTES = 50, LOW = 2, HIGH = 34 };

static void pack(uint8_t *dst, const struct grid_block *b)
{
    wr_u16le(dst, b->d);
    for (int j = 0; j < 8; j++) {
        int high = b->sc[j] << 12 | b->minus[4 * j] << 15;
        for (int i = 0; i < 4; i++) {
            dst[LOW + 4 * j + i] = (uint8_t)b->index[4 * j + i];
            high |= b->index[4 * j + i] >> 8 << 3 * i;
        }
        wr_u16le(dst + HIGH + 2 * j, (uint16_t)high);
    }
}

static void unpack(struct grid_block *b, const uint8_t *src)
{
    b->d = rd_u16le(src);
    for (int j = 0; j < 8; j++) {
        int high = rd_u16le(src + HIGH + 2 * j);
        b->sc[j] = high >> 12 & 7;
        for (int i = 0; i < 4; i++) {
            b->index[4 * j + i] = (uint16_t)(src[LOW + 4 * j + i] | (high >> 3 * i & 7) << 8);
            b->minus[4 * j + i] = (uint8_t)(high >> 15);
        }
    }
}

const struct grid_rule iq1_s_rule = {
    .grid = GRID_IQ1S,
    .signs = GRID_SIGNED_LEVELS,
    .block_bytes = BYTES,
    .len = 32,
    .shift_len = 32,
    .sc_max = 7,
    .unit = 1,
    .n_near = 16,
    .n_starts = 4,
    .start = {1.1f, 1.4f, 1.8f, 2.3f},
    .pack = pack,
    .unpack = unpack,
};

GRID_CODEC(iq1_s, BYTES,
           .doc = "8 weights to one of 2048 ternary points, a shift of an eighth and a 3-bit scale per 32.",
           .source = "llama.cpp ggml/src/ggml-common.h, block_iq1_s", .gguf_type = 19, .needs_importance = true);
