/* int8 per 32 activations, the partner of Q8_0, Q4_0, Q5_0: d (f16), 32 codes. */
#include "kernels/formats/act_int8.h"

enum { LEN = 32, BYTES = 34 };

static void encode(void *dst, const float *x, int64_t k)
{
    uint8_t *out = dst;
    for (int64_t i = 0; i < k; i += LEN, out += BYTES)
        wr_u16le(out, f32_to_f16(act_int8_codes(out + 2, x + i, LEN)));
}

static void decode(float *dst, const void *src, int64_t k)
{
    const uint8_t *in = src;
    for (int64_t i = 0; i < k; i += LEN, in += BYTES)
        act_int8_values(dst + i, in + 2, LEN, f16_to_f32(rd_u16le(in)));
}

const struct act act_q8_0 = {.name = "q8_0",
                             .doc = "int8 codes, one f16 scale per 32 activations.",
                             .scope = ACT_BLOCK,
                             .block = LEN,
                             .block_bytes = BYTES,
                             .encode = encode,
                             .decode = decode};
