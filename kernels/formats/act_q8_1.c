/* int8 per 32 activations with their sum, the partner of Q4_1 and Q5_1: d, d * sum of codes (both f16), 32
 * codes. The sum meets the weight's offset in the dot product; it is rounded separately, which decode cannot
 * show. */
#include "kernels/formats/act_int8.h"

enum { LEN = 32, BYTES = 36 };

static void encode(void *dst, const float *x, int64_t k)
{
    uint8_t *out = dst;
    for (int64_t i = 0; i < k; i += LEN, out += BYTES) {
        float d = act_int8_codes(out + 4, x + i, LEN);
        int sum = 0;
        for (int j = 0; j < LEN; j++)
            sum += (int8_t)out[4 + j];
        wr_u16le(out, f32_to_f16(d));
        wr_u16le(out + 2, f32_to_f16(d * (float)sum));
    }
}

static void decode(float *dst, const void *src, int64_t k)
{
    const uint8_t *in = src;
    for (int64_t i = 0; i < k; i += LEN, in += BYTES)
        act_int8_values(dst + i, in + 4, LEN, f16_to_f32(rd_u16le(in)));
}

const struct act act_q8_1 = {.name = "q8_1",
                             .doc = "int8 codes, one f16 scale and one f16 sum per 32 activations.",
                             .scope = ACT_BLOCK,
                             .block = LEN,
                             .block_bytes = BYTES,
                             .encode = encode,
                             .decode = decode};
