/* 32-bit floats: the reference. */
#include <string.h>
#include "kernels/formats/blocks.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "weights are used in place as the files store them");

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    (void)importance;
    memcpy(dst, x, (size_t)k * 4);
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    memcpy(y, src, (size_t)k * 4);
}

BLOCK_CODEC(f32, 1, 4, .doc = "32-bit IEEE floats.", .source = "IEEE 754 binary32", .gguf_type = 0,
            .act = "f32");
