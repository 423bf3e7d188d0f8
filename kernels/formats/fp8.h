/* 8-bit floats with one f32 scale per row or per tensor: what the two codecs share. scale = max|w| / largest;
 * code = nearest(w / scale); w ~ code * scale. An all-zero row has scale 0 and codes 0. */
#ifndef KERNELS_FORMATS_FP8_H
#define KERNELS_FORMATS_FP8_H
#include "base/float8.h"
#include "kernels/formats/grouped.h"

struct fp8_rule {
    float max;
    uint8_t (*encode)(float x);
    float (*decode)(uint8_t code);
};

static inline int fp8_layout(const struct codec *c, struct qmat *q, int64_t n, int64_t k, const struct qpar *par,
                             struct err *e)
{
    struct qpar p = par ? *par : (struct qpar){0};
    if (p.group > 0 || p.group < -1)
        return err_set(e, ERR_USAGE, "%s has one scale per row (group 0) or per tensor (group -1), not per %d weights",
                       c->name, (int)p.group);
    p.bits = 8;
    int rc = grouped_layout(c, q, n, k, p, 4, 0, e);
    if (rc == 0 && p.group == -1)
        grouped_share_plane(q, PLANE_SCALE, 4);
    return rc;
}

static inline int fp8_measure(struct wstat *s, const struct qmat *q, const float *w, int64_t n_rows)
{
    for (int64_t i = 0; i < n_rows * q->k; i++)
        s->abs_max = fabsf(w[i]) > s->abs_max ? fabsf(w[i]) : s->abs_max;
    s->count += n_rows * q->k;
    return 0;
}

static inline int fp8_encode(const struct fp8_rule *rule, struct qmat *q, int64_t r0, int64_t r1, const float *w,
                             const struct wstat *stat)
{
    bool per_tensor = q->seg->q.group == -1;
    if (per_tensor && !stat)
        return ERR_USAGE; /* the largest weight of the tensor must be known */
    for (int64_t r = r0; r < r1; r++, w += q->k) {
        struct wstat row = {0};
        fp8_measure(&row, q, w, per_tensor ? 0 : 1);
        float scale = (per_tensor ? stat->abs_max : row.abs_max) / rule->max;
        uint8_t *code = codec_row(q, r);
        for (int64_t i = 0; i < q->k; i++)
            code[i] = scale > 0 ? rule->encode(w[i] / scale) : 0;
        if (!per_tensor || r == 0)
            wr_u32le(grouped_scale(q, r, 0, 4), f32_bits(scale));
    }
    return 0;
}

static inline void fp8_book(const struct fp8_rule *rule, float *value, const struct qmat *q, int64_t r)
{
    float scale = f32_from_bits(rd_u32le(grouped_scale(q, r, 0, 4)));
    for (int c = 0; c < 256; c++)
        value[c] = rule->decode((uint8_t)c) * scale;
}

#define FP8_CODEC(id, ...)                                                                                             \
    static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)                     \
    {                                                                                                                  \
        return fp8_layout(&codec_##id, q, n, k, par, e);                                                               \
    }                                                                                                                  \
    static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,                \
                      const struct calib *cal, struct arena *a)                                                        \
    {                                                                                                                  \
        (void)cal, (void)a;                                                                                            \
        return fp8_encode(&rule, q, r0, r1, w, stat);                                                                  \
    }                                                                                                                  \
    static void book(float *value, const struct qmat *q, int64_t r, int64_t g)                                         \
    {                                                                                                                  \
        (void)g;                                                                                                       \
        fp8_book(&rule, value, q, r);                                                                                  \
    }                                                                                                                  \
    static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)                                       \
    {                                                                                                                  \
        grouped_decode(dst, q, r0, r1, book);                                                                          \
    }                                                                                                                  \
    const struct codec codec_##id = {.name = #id,                                                                      \
                                     .gguf_type = -1,                                                                  \
                                     .block = 1,                                                                       \
                                     .layout = layout,                                                                 \
                                     .measure = fp8_measure,                                                           \
                                     .encode = encode,                                                                 \
                                     .decode = decode,                                                                 \
                                     __VA_ARGS__}
#endif
