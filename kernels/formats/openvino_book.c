/* NNCF's fixed books of 16 values: NF4 (quantiles of the normal distribution, largest 1) and CB4 (its default codebook,
 * largest 3.5), an f16 scale per row or group. A value halfway takes the lower code. */
#include <float.h>
#include "kernels/formats/group.h"
#include "kernels/formats/openvino_book.h"

static const float nf4[16] = {-1.0f,
                              -0.6961928009986877f,
                              -0.5250730514526367f,
                              -0.39491748809814453f,
                              -0.28444138169288635f,
                              -0.18477343022823334f,
                              -0.09105003625154495f,
                              0.0f,
                              0.07958029955625534f,
                              0.16093020141124725f,
                              0.24611230194568634f,
                              0.33791524171829224f,
                              0.44070982933044434f,
                              0.5626170039176941f,
                              0.7229568362236023f,
                              1.0f};
static const float cb4[16] = {-3.5f,    -2.5f,   -1.875f, -1.375f, -1.0f, -0.625f, -0.3125f, 0.0f,
                              0.28125f, 0.5625f, 0.875f,  1.125f,  1.5f,  2.0f,    2.5f,     3.5f};

/* The symmetric flag of the parameters chooses: NF4 is called symmetric, CB4 is not. */
const float *openvino_book_of(const struct qpar *par)
{
    return par->sym ? nf4 : cb4;
}

static void fit(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g)
{
    (void)stat;
    const float *book = openvino_book_of(par);
    float half[15], s = fmaxf(range_absmax(x, n) / book[15], FLT_EPSILON);
    for (int j = 0; j < 15; j++)
        half[j] = (book[j] + book[j + 1]) / 2;
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] / s;
        unsigned q = 0;
        for (int j = 0; j < 15; j++)
            q += v > half[j];
        code[i] = (uint8_t)q;
    }
    *g = (struct grid){s, 0};
}

static void values(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    const float *book = openvino_book_of(par);
    for (int i = 0; i < n; i++)
        y[i] = book[code[i] & 15] * g.scale;
}

static const struct group_rule rule = {
    .usual = {.bits = 4, .sym = 1, .scale_type = NUMBER_F16, .group = 128},
    .bits = 1 << 4,
    .fit = fit,
    .values = values,
};
GROUP_CODEC(openvino_book, .doc = "NNCF: a book of 16 values (NF4 or CB4), f16 scale per row or group.",
            .source = "openvinotoolkit/nncf src/nncf/quantization/algorithms/weight_compression/constants.py",
            .act = "f32");
