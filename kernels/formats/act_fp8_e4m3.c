/* FP8 E4M3 per row, scale = max|x| / 448. */
#include "base/float8.h"
#include "kernels/formats/act_int8_row.h"

static void encode(void *dst, const float *x, int64_t k)
{
    float scale = range_absmax(x, k) / E4M3_MAX;
    uint8_t *out = dst;
    wr_u32le(out, f32_bits(scale));
    for (int64_t i = 0; i < k; i++)
        out[4 + i] = scale > 0 ? f32_to_e4m3(x[i] / scale) : 0;
}

static void decode(float *dst, const void *src, int64_t k)
{
    const uint8_t *in = src;
    float scale = f32_from_bits(rd_u32le(in));
    for (int64_t i = 0; i < k; i++)
        dst[i] = e4m3_to_f32(in[4 + i]) * scale;
}

const struct act act_fp8_e4m3 = {.name = "fp8_e4m3",
                                 .doc = "8-bit floats E4M3, one f32 scale per row of activations.",
                                 .scope = ACT_ROW,
                                 .block = 1,
                                 .block_bytes = 1,
                                 .head_bytes = 4,
                                 .encode = encode,
                                 .decode = decode};
