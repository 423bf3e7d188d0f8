/* OpenVINO's dynamic quantization on CPUs: int8 with an f32 scale per 32 values of a row, q = x * (1 / scale) to
 * nearest even, scale = max|x| / 127. The two roundings of 1 / scale decide ties otherwise than 127 / max|x| would. In
 * bf16, its default where the CPU has it, x is rounded to bf16 before. */
#include "kernels/formats/act_int8.h"

enum { BLOCK = 32 };

static float code_block(uint8_t *q, const float *x, int n)
{
    float scale = range_absmax(x, n) / 127, inv = scale >= 0x1p-126f ? 1 / scale : 0;
    for (int i = 0; i < n; i++)
        q[i] = (uint8_t)(int)fit_round(x[i] * inv);
    return scale;
}

static void encode_f32(void *dst, const float *x, int64_t k)
{
    uint8_t *out = dst;
    for (int64_t i = 0; i < k; i += BLOCK, out += 4 + BLOCK) {
        int n = k - i < BLOCK ? (int)(k - i) : BLOCK;
        wr_u32le(out, f32_bits(code_block(out + 4, x + i, n)));
        memset(out + 4 + n, 0, (size_t)(BLOCK - n));
    }
}

static void encode_bf16(void *dst, const float *x, int64_t k)
{
    uint8_t *out = dst;
    float y[BLOCK];
    for (int64_t i = 0; i < k; i += BLOCK, out += 4 + BLOCK) {
        int64_t n = k - i < BLOCK ? k - i : BLOCK;
        for (int64_t j = 0; j < n; j++)
            y[j] = bf16_to_f32(f32_to_bf16(x[i + j]));
        encode_f32(out, y, n);
    }
}

static void decode(float *dst, const void *src, int64_t k)
{
    const uint8_t *in = src;
    for (int64_t i = 0; i < k; i += BLOCK, in += 4 + BLOCK)
        act_int8_values(dst + i, in + 4, k - i < BLOCK ? (int)(k - i) : BLOCK, f32_from_bits(rd_u32le(in)));
}

#define ACT(symbol, name_, encode_, doc_)                                                                              \
    const struct act symbol = {.name = name_,                                                                          \
                               .doc = doc_,                                                                            \
                               .scope = ACT_BLOCK,                                                                     \
                               .block = BLOCK,                                                                         \
                               .block_bytes = 4 + BLOCK,                                                               \
                               .ragged = true,                                                                         \
                               .encode = encode_,                                                                      \
                               .decode = decode}
ACT(act_openvino_i8, "openvino_i8", encode_f32, "int8 codes, one f32 scale per 32 activations, as OpenVINO rounds.");
ACT(act_openvino_i8_bf16, "openvino_i8_bf16", encode_bf16, "activations rounded to bf16, then openvino_i8.");
