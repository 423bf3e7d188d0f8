/* int8 per 256 activations, the partner of the k-types: d (f32), 256 codes, 16 sums of 16 codes (int16).
 * The extreme activation, whatever its sign, gets code -127; d may therefore be negative. */
#include <string.h>
#include "kernels/formats/act_int8.h"

enum { LEN = 256, CODES = 4, SUMS = CODES + LEN, BYTES = SUMS + 2 * 16 };

static void encode_block(uint8_t *out, const float *x)
{
    float extreme = 0;
    for (int i = 0; i < LEN; i++)
        extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    float inv = fabsf(extreme) >= 0x1p-120f ? -127 / extreme : 0;
    wr_u32le(out, f32_bits(inv != 0 ? 1 / inv : 0));
    for (int i = 0; i < LEN; i++)
        out[CODES + i] = fit_code(x[i] * inv); /* at most 127 in magnitude */
    for (int j = 0; j < 16; j++) {
        int sum = 0;
        for (int i = 0; i < 16; i++)
            sum += (int8_t)out[CODES + 16 * j + i];
        wr_u16le(out + SUMS + 2 * j, (uint16_t)sum);
    }
}

static void encode(void *dst, const float *x, int64_t k)
{
    uint8_t *out = dst;
    for (int64_t i = 0; i < k; i += LEN, out += BYTES)
        encode_block(out, x + i);
}

static void decode(float *dst, const void *src, int64_t k)
{
    const uint8_t *in = src;
    for (int64_t i = 0; i < k; i += LEN, in += BYTES)
        act_int8_values(dst + i, in + CODES, LEN, f32_from_bits(rd_u32le(in)));
}

const struct act act_q8_k = {.name = "q8_k",
                             .doc = "int8 codes, one f32 scale per 256 activations.",
                             .scope = ACT_BLOCK,
                             .block = LEN,
                             .block_bytes = BYTES,
                             .encode = encode,
                             .decode = decode};
