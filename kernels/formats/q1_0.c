/* Signs and one f16 scale, the mean magnitude, per 128 weights: x ~ +-d. Importances make no difference.
 * Fields: d, 16 bytes with the sign of weight i in bit i % 8 of byte i / 8, 1 for +d. */
#include "base/half.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/vec4.h"

enum { N = 128, BYTES = 18, CODES = 2 };

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    (void)importance;
    for (; k > 0; k -= N, x += N, dst += BYTES) {
        float sum = 0;
        for (int i = 0; i < N; i++)
            sum += fabsf(x[i]);
        wr_u16le(dst, f32_to_f16(sum / N));
        for (int i = 0; i < N / 8; i++) {
            int bits = 0;
            for (int j = 0; j < 8; j++)
                bits |= (x[8 * i + j] >= 0) << j;
            dst[CODES + i] = (uint8_t)bits;
        }
    }
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (; k > 0; k -= N, y += N, src += BYTES) {
        float d = f16_to_f32(rd_u16le(src));
        for (int i = 0; i < N / 4; i++)
            v4_store(y + 4 * i, v4_flip(v4_of(-d), src[CODES + i / 2] >> (i % 2 * 4)));
    }
}

BLOCK_CODEC(q1_0, N, BYTES, .doc = "Signs and one f16 scale per 128 weights.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_q1_0", .gguf_type = 41, .act = "q8_0");
