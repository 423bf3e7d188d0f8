/* 4-bit codes into 16 uneven values, one f16 scale per 32 weights: x ~ d * value.
 * Fields: d, 16 bytes with code i in the low and code i + 16 in the high half. */
#include "base/half.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/fit.h"
#include "kernels/formats/iq4.h"

enum { N = IQ4_LEN, BYTES = 18, CODES = 2 };

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    float w[N], v[N];
    uint8_t q[N];
    for (int64_t at = 0; at < k; at += N, dst += BYTES) {
        block_limit(v, x + at, N);
        fit_weigh(w, v, importance ? importance + at : NULL, N);
        float s = iq4_fit(v, w);
        uint16_t d = f32_to_f16(s < -65504 ? -65504 : s > 65504 ? 65504 : s);
        iq4_codes(q, NULL, f16_to_f32(d), v, w);
        wr_u16le(dst, d);
        for (int i = 0; i < N / 2; i++)
            dst[CODES + i] = (uint8_t)(q[i] | q[i + N / 2] << 4);
    }
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (; k > 0; k -= N, y += N, src += BYTES) {
        float d = f16_to_f32(rd_u16le(src));
        for (int i = 0; i < N / 2; i++) {
            y[i] = (float)iq4_value[src[CODES + i] & 15] * d;
            y[i + N / 2] = (float)iq4_value[src[CODES + i] >> 4] * d;
        }
    }
}

BLOCK_CODEC(iq4_nl, N, BYTES, .doc = "4-bit codes into 16 uneven values, one f16 scale per 32 weights.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_iq4_nl", .gguf_type = 20, .act = "q8_0");
