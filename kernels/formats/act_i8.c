/* int8 with an f32 scale per block of a row, symmetric: q = x * (127 / max|x|) to nearest even. ONNX Runtime's
 * MatMulNBits at accuracy level 4 takes blocks as long as the weights' own. */
#include "kernels/formats/act_int8.h"

static void encode(uint8_t *out, const float *x, int64_t k, int len)
{
    for (int64_t i = 0; i < k; i += len, out += 4 + len) {
        int n = k - i < len ? (int)(k - i) : len;
        wr_u32le(out, f32_bits(act_int8_codes(out + 4, x + i, n)));
        memset(out + 4 + n, 0, (size_t)(len - n));
    }
}

static void decode(float *dst, const uint8_t *in, int64_t k, int len)
{
    for (int64_t i = 0; i < k; i += len, in += 4 + len)
        act_int8_values(dst + i, in + 4, k - i < len ? (int)(k - i) : len, f32_from_bits(rd_u32le(in)));
}

#define ACT(len)                                                                                                       \
    static void encode_##len(void *dst, const float *x, int64_t k)                                                     \
    {                                                                                                                  \
        encode(dst, x, k, len);                                                                                        \
    }                                                                                                                  \
    static void decode_##len(float *dst, const void *src, int64_t k)                                                   \
    {                                                                                                                  \
        decode(dst, src, k, len);                                                                                      \
    }                                                                                                                  \
    const struct act act_i8_##len = {.name = "i8_" #len,                                                               \
                                     .doc = "int8 codes, one f32 scale per " #len " activations.",                     \
                                     .scope = ACT_BLOCK,                                                               \
                                     .block = len,                                                                     \
                                     .block_bytes = 4 + len,                                                           \
                                     .ragged = true,                                                                   \
                                     .encode = encode_##len,                                                           \
                                     .decode = decode_##len}
ACT(16);
ACT(32);
ACT(64);
ACT(128);
ACT(256);
