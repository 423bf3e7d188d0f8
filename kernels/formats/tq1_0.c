/* Ternary weights, five to a byte, one f16 scale per 256: x ~ d*(q - 1). For weights that are ternary already;
 * importances make no difference.
 * Fields: 48 bytes of five digits, 4 bytes of four, d. A byte is ceil(value * 256 / 243) with the first weight's digit
 * the highest, so that multiplying by 3 shifts digits out at the top. Weights of a byte are `stride` apart. */
#include "base/half.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/ternary.h"

enum { N = 256, BYTES = 54, SCALE = 52, N_RUNS = 3 };

static const struct run {
    int byte, weight, stride, digits; /* bytes [byte, byte + stride) hold digits * stride weights */
} runs[N_RUNS] = {{0, 0, 32, 5}, {32, 160, 16, 5}, {48, 240, 4, 4}};
static const int weight_of_digit[5] = {81, 27, 9, 3, 1}, shift_of_digit[5] = {1, 3, 9, 27, 81};

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    uint8_t q[N];
    (void)importance;
    for (; k > 0; k -= N, x += N, dst += BYTES) {
        wr_u16le(dst + SCALE, ternary_codes(q, x, N));
        for (const struct run *r = runs; r < runs + N_RUNS; r++)
            for (int i = 0; i < r->stride; i++) {
                int v = 0;
                for (int m = 0; m < r->digits; m++)
                    v += q[r->weight + m * r->stride + i] * weight_of_digit[m];
                dst[r->byte + i] = (uint8_t)((v * 256 + 242) / 243);
            }
    }
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (; k > 0; k -= N, src += BYTES, y += N) {
        float d = f16_to_f32(rd_u16le(src + SCALE));
        for (const struct run *r = runs; r < runs + N_RUNS; r++)
            for (int m = 0; m < r->digits; m++)
                for (int i = 0; i < r->stride; i++) {
                    uint8_t rest = (uint8_t)(src[r->byte + i] * shift_of_digit[m]);
                    y[r->weight + m * r->stride + i] = (float)((rest * 3 >> 8) - 1) * d;
                }
    }
}

BLOCK_CODEC(tq1_0, N, BYTES, .doc = "Ternary weights, five to a byte, one f16 scale per 256.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_tq1_0", .gguf_type = 34, .act = "q8_k");
