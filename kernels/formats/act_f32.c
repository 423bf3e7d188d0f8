/* Activations as they are. */
#include <string.h>
#include "kernels/formats/blocks.h"

static void encode(void *dst, const float *x, int64_t k)
{
    memcpy(dst, x, (size_t)k * 4);
}

static void decode(float *dst, const void *src, int64_t k)
{
    memcpy(dst, src, (size_t)k * 4);
}

const struct act act_f32 = {.name = "f32",
                            .doc = "32-bit floats, not rounded.",
                            .scope = ACT_BLOCK,
                            .block = 1,
                            .block_bytes = 4,
                            .encode = encode,
                            .decode = decode};
