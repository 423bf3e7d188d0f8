/* 4-bit codes into 16 uneven values, 6-bit scale per 32 weights, one f16 per 256: x ~ d * (scale - 32) * value.
 * Fields: d, 16 bits with the high 2 bits of each scale, 4 bytes with the low 4 bits, 128 bytes of codes: 16 for each
 * 32 weights, code i in the low and code i + 16 in the high half. */
#include <string.h>
#include "base/half.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/fit.h"
#include "kernels/formats/iq4.h"

enum { N = 256, N_SUBS = N / IQ4_LEN, BYTES = 136, HIGH = 2, LOW = 4, CODES = 8, SC_LO = -32, SC_HI = 31 };

struct sub {
    float w[IQ4_LEN], s;
    int sc;
    struct iq4_sums sum;
    uint8_t q[IQ4_LEN];
};

/* The best whole scale near s/d; returns the change of the squared error against all zeros. */
static float snap(struct sub *p, float d, const float *x)
{
    float near = rintf(p->s * block_inverse(d)), best = INFINITY;
    for (int t = -1; t <= 1; t++) {
        float sc = fminf(fmaxf(near + (float)t, SC_LO), SC_HI), s = d * sc;
        struct iq4_sums sum;
        uint8_t q[IQ4_LEN];
        iq4_codes(q, &sum, s, x, p->w);
        float err = s * s * sum.qq - 2 * s * sum.qx;
        if (err >= best)
            continue;
        best = err;
        p->sc = (int)sc;
        p->sum = sum;
        memcpy(p->q, q, sizeof q);
    }
    return best;
}

static void pack(uint8_t *dst, uint16_t d, const struct sub *p)
{
    int high = 0;
    wr_u16le(dst, d);
    for (int j = 0; j < N_SUBS; j++) {
        int sc = p[j].sc - SC_LO;
        high |= sc >> 4 << 2 * j;
        dst[LOW + j / 2] = (uint8_t)(j % 2 ? dst[LOW + j / 2] | sc << 4 : sc & 15);
        for (int i = 0; i < IQ4_LEN / 2; i++)
            dst[CODES + j * IQ4_LEN / 2 + i] = (uint8_t)(p[j].q[i] | p[j].q[i + IQ4_LEN / 2] << 4);
    }
    wr_u16le(dst + HIGH, (uint16_t)high);
}

static void encode_block(uint8_t *dst, const float *weights, const float *importance)
{
    struct sub p[N_SUBS];
    float x[N], w[N], extreme = 0, least = INFINITY;
    block_limit(x, weights, N);
    fit_weigh(w, x, importance, N);
    for (int j = 0; j < N_SUBS; j++) {
        memcpy(p[j].w, w + j * IQ4_LEN, sizeof p[j].w);
        p[j].s = iq4_fit(x + j * IQ4_LEN, p[j].w);
        extreme = fabsf(p[j].s) > fabsf(extreme) ? p[j].s : extreme;
    }
    float d = extreme / SC_LO;
    for (int round = 0; round < 2; round++) {
        uint16_t stored = block_scale_f16(d);
        float err = 0, aa = 0, ax = 0;
        for (int j = 0; j < N_SUBS; j++) {
            err += snap(&p[j], f16_to_f32(stored), x + j * IQ4_LEN);
            aa += (float)(p[j].sc * p[j].sc) * p[j].sum.qq;
            ax += (float)p[j].sc * p[j].sum.qx;
        }
        if (round == 0 || err < least)
            pack(dst, err > 0 ? 0 : stored, p); /* weights too small for any step are zero */
        least = fminf(err, least);
        d = aa > 0 ? ax / aa : 0;
    }
}

static void encode_row(uint8_t *dst, const float *x, int64_t k, const float *importance)
{
    for (int64_t at = 0; at < k; at += N, dst += BYTES)
        encode_block(dst, x + at, importance ? importance + at : NULL);
}

static void decode_row(float *y, const uint8_t *src, int64_t k)
{
    for (; k > 0; k -= N, src += BYTES) {
        float d = f16_to_f32(rd_u16le(src));
        int high = rd_u16le(src + HIGH);
        const uint8_t *q = src + CODES;
        for (int j = 0; j < N_SUBS; j++, y += IQ4_LEN, q += IQ4_LEN / 2) {
            int sc = (src[LOW + j / 2] >> (j % 2 * 4) & 15) | (high >> 2 * j & 3) << 4;
            float s = d * (float)(sc + SC_LO);
            for (int i = 0; i < IQ4_LEN / 2; i++) {
                y[i] = (float)iq4_value[q[i] & 15] * s;
                y[i + IQ4_LEN / 2] = (float)iq4_value[q[i] >> 4] * s;
            }
        }
    }
}

BLOCK_CODEC(iq4_xs, N, BYTES, .doc = "4-bit codes into 16 uneven values, 6-bit scale per 32 weights, one f16 per 256.",
            .source = "llama.cpp ggml/src/ggml-common.h, block_iq4_xs", .gguf_type = 23, .act = "q8_k");
