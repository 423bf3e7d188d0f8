/* uint8 with one scale and zero point for the whole batch: ONNX's DynamicQuantizeLinear. Scale, zero point (f32 each),
 * then the codes. */
#include "kernels/formats/group.h"
#include "base/half.h"

enum { HEADER = 8 };

static void encode(void *dst, const float *x, int64_t k)
{
    uint8_t *out = dst;
    struct range r = range_with_zero(x, k);
    float s = (r.hi - r.lo) / 255, zero = 0;
    if (s == 0)
        s = 1;
    else
        zero = clampf(rintf(0 - r.lo / s), 0, 255);
    wr_u32le(out, f32_bits(s));
    wr_u32le(out + 4, f32_bits(zero));
    for (int64_t i = 0; i < k; i++)
        out[HEADER + i] = (uint8_t)clamp_code(rintf(x[i] / s) + zero, 0, 255);
}

static void decode(float *dst, const void *src, int64_t k)
{
    const uint8_t *in = src;
    float s = f32_from_bits(rd_u32le(in)), zero = f32_from_bits(rd_u32le(in + 4));
    for (int64_t i = 0; i < k; i++)
        dst[i] = ((float)in[HEADER + i] - zero) * s;
}

const struct act act_u8_batch = {.name = "u8_batch",
                                 .doc = "uint8 codes, one scale and zero point for all tokens of a call.",
                                 .scope = ACT_BATCH,
                                 .block = 1,
                                 .block_bytes = 1,
                                 .head_bytes = HEADER,
                                 .encode = encode,
                                 .decode = decode};
