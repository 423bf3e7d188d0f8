/* int8 with an f32 scale per block of a row, symmetric, to nearest even. ONNX Runtime's MatMulNBits at accuracy level 4
 * takes blocks as long as the weights' own and multiplies by 127 / max|x|. OpenVINO's dynamic quantization takes 32 and
 * multiplies by 1 / scale, whose two roundings decide ties otherwise; in bf16, its default where the CPU has it, x is
 * rounded to bf16 before. */
#include "kernels/formats/act_int8.h"

/* q[n] from x[n]; the scale is returned. */
typedef float code_block(uint8_t *q, const float *x, int n);

static float openvino_codes(uint8_t *q, const float *x, int n)
{
    float scale = range_absmax(x, n) / 127, inv = scale >= 0x1p-126f ? 1 / scale : 0;
    for (int i = 0; i < n; i++)
        q[i] = fit_code(x[i] * inv);
    return scale;
}

static float openvino_bf16_codes(uint8_t *q, const float *x, int n)
{
    float y[32];
    for (int i = 0; i < n; i++)
        y[i] = bf16_to_f32(f32_to_bf16(x[i]));
    return openvino_codes(q, y, n);
}

static inline void encode(uint8_t *out, const float *x, int64_t k, int len, code_block *codes)
{
    for (int64_t i = 0; i < k; i += len, out += 4 + len) {
        int n = k - i < len ? (int)(k - i) : len;
        wr_u32le(out, f32_bits(codes(out + 4, x + i, n)));
        memset(out + 4 + n, 0, (size_t)(len - n));
    }
}

static inline void decode(float *dst, const uint8_t *in, int64_t k, int len)
{
    for (int64_t i = 0; i < k; i += len, in += 4 + len)
        act_int8_values(dst + i, in + 4, k - i < len ? (int)(k - i) : len, f32_from_bits(rd_u32le(in)));
}

#define ACT(id, len, codes, doc_)                                                                                      \
    static void encode_##id(void *dst, const float *x, int64_t k)                                                      \
    {                                                                                                                  \
        encode(dst, x, k, len, codes);                                                                                 \
    }                                                                                                                  \
    static void decode_##id(float *dst, const void *src, int64_t k)                                                    \
    {                                                                                                                  \
        decode(dst, src, k, len);                                                                                      \
    }                                                                                                                  \
    const struct act act_##id = {.name = #id,                                                                          \
                                 .doc = doc_,                                                                          \
                                 .scope = ACT_BLOCK,                                                                   \
                                 .block = len,                                                                         \
                                 .block_bytes = 4 + len,                                                               \
                                 .ragged = true,                                                                       \
                                 .encode = encode_##id,                                                                \
                                 .decode = decode_##id}
#define ONNX(len) ACT(i8_##len, len, act_int8_codes, "int8 codes, one f32 scale per " #len " activations.")
ONNX(16);
ONNX(32);
ONNX(64);
ONNX(128);
ONNX(256);
ACT(openvino_i8, 32, openvino_codes, "int8 codes, one f32 scale per 32 activations, as OpenVINO rounds.");
ACT(openvino_i8_bf16, 32, openvino_bf16_codes, "activations rounded to bf16, then openvino_i8.");
