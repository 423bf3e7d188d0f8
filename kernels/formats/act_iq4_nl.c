/* IQ4_NL as llama.cpp writes it at run time, into a KV cache: no search. The value of largest magnitude takes the first
 * code, d is then the least-squares factor. Layout and values are those of the codec. */
#include "base/half.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/iq4.h"

enum { BYTES = 18, CODES = 2 };

static void encode_block(uint8_t *dst, const float *x)
{
    float v[IQ4_LEN], extreme = 0, qx = 0, qq = 0;
    int code[IQ4_LEN] = {0};
    block_limit(v, x, IQ4_LEN);
    for (int i = 0; i < IQ4_LEN; i++)
        extreme = fabsf(v[i]) > fabsf(extreme) ? v[i] : extreme;
    const float twice = 2 * block_inverse(extreme / (float)iq4_value[0]);
    for (int i = 0; i < IQ4_LEN && fabsf(extreme) >= 1e-15f; i++) {
        code[i] = iq4_nearest[(int)fminf(fmaxf(v[i] * twice + 256, 0), 511)];
        float q = (float)iq4_value[code[i]], wq = v[i] * v[i] * q;
        qx += wq * v[i];
        qq += wq * q;
    }
    wr_u16le(dst, f32_to_f16(qq > 0 ? qx / qq : 0));
    for (int i = 0; i < IQ4_LEN / 2; i++)
        dst[CODES + i] = (uint8_t)(code[i] | code[i + IQ4_LEN / 2] << 4);
}

static void encode(void *dst, const float *x, int64_t k)
{
    uint8_t *out = dst;
    for (int64_t i = 0; i < k; i += IQ4_LEN, out += BYTES)
        encode_block(out, x + i);
}

static void decode(float *dst, const void *src, int64_t k)
{
    struct qmat q = {.codec = &codec_iq4_nl, .n = 1, .k = k, .n_seg = 1};
    q.plane[PLANE_CODE].p = (uint8_t *)(uintptr_t)src;
    codec_iq4_nl.decode(dst, &q, 0, 1);
}

const struct act act_iq4_nl = {.name = "iq4_nl",
                               .doc = "4-bit codes into 16 uneven values, one f16 scale per 32, without a search.",
                               .scope = ACT_BLOCK,
                               .block = IQ4_LEN,
                               .block_bytes = BYTES,
                               .encode = encode,
                               .decode = decode};
