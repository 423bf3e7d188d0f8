/* 4-bit codes into 16 uneven values, 6-bit scale per 32 weights, one f16 per 256: x ~ d * (scale - 32) * value. */
#define LANES 4
#include "kernels/formats/iq4_lanes.h"

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    iq4_xs_encode_row(dst, x, k, importance);
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (; k > 0; k -= IQ4_XS_RUNS * IQ4_LEN, src += IQ4_XS_BYTES) {
        float d = f16_to_f32(rd_u16le(src));
        int high = rd_u16le(src + IQ4_XS_HIGH);
        const uint8_t *q = src + IQ4_XS_CODES;
        for (int j = 0; j < IQ4_XS_RUNS; j++, y += IQ4_LEN, q += IQ4_LEN / 2) {
            int sc = (src[IQ4_XS_LOW + j / 2] >> (j % 2 * 4) & 15) | (high >> 2 * j & 3) << 4;
            float s = d * (float)(sc + IQ4_XS_SC_LO);
            for (int i = 0; i < IQ4_LEN / 2; i++) {
                y[i] = (float)iq4_value[q[i] & 15] * s;
                y[i + IQ4_LEN / 2] = (float)iq4_value[q[i] >> 4] * s;
            }
        }
    }
}

BLOCK_CODEC(iq4_xs, IQ4_XS_RUNS *IQ4_LEN, IQ4_XS_BYTES,
            .doc = "4-bit codes into 16 uneven values, 6-bit scale per 32 weights, one f16 per 256.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_iq4_xs", .gguf_type = 23, .act = "q8_k");
