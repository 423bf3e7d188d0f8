/* Activations rounded to brain floats before the dot product. */
#include "base/half.h"
#include "kernels/formats/blocks.h"

static void encode(void *dst, const float *x, int64_t k)
{
    uint8_t *d = dst;
    for (int64_t i = 0; i < k; i++)
        wr_u16le(d + 2 * i, f32_to_bf16(x[i]));
}

static void decode(float *dst, const void *src, int64_t k)
{
    const uint8_t *s = src;
    for (int64_t i = 0; i < k; i++)
        dst[i] = bf16_to_f32(rd_u16le(s + 2 * i));
}

const struct act act_bf16 = {.name = "bf16",
                             .doc = "Rounded to brain floats.",
                             .scope = ACT_BLOCK,
                             .block = 1,
                             .block_bytes = 2,
                             .encode = encode,
                             .decode = decode};
