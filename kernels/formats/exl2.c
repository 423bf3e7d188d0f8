/* EXL2 weights (ExLlamaV2): codes of 2 to 8 bits around the middle code, a 4-bit scale code per row and group of
 * columns, squared, times one f16 per group: s = f16(f16(c^2) * f16(max / 256)), w = f16((code - middle) * s), c of 1
 * to
 * 16. Encoding takes the matrix as a whole, since the rows share the largest scale of a group; with what flows into
 * it: bench/quant/exl2.c. */
#include "kernels/formats/exl2.h"
#include <string.h>
#include "base/pool.h"
#include "kernels/formats/fit.h"

static int64_t n_groups(const struct qmat *q)
{
    return (q->k + q->seg->q.group - 1) / q->seg->q.group;
}

/* As many as its share of the columns touches. */
int64_t exl2_n_wide(const struct qmat *q)
{
    const int64_t group = 100 * q->seg->q.group;
    return (q->k * q->seg->q.wide_percent + group - 1) / group;
}

struct exl2_group exl2_group(const struct qmat *q, int64_t g)
{
    const struct qpar *p = &q->seg->q;
    int64_t wide = exl2_n_wide(q), before = g < wide ? g : wide;
    size_t bytes = (size_t)p->group / 8;
    return (struct exl2_group){.k0 = g * p->group,
                               .len = (int)group_size_of(q, g),
                               .bits = g < wide ? p->wide_bits : p->bits,
                               .at = bytes * ((size_t)before * p->wide_bits + (size_t)(g - before) * p->bits)};
}

float exl2_scale(unsigned nibble, float largest)
{
    float c = (float)(nibble + 1);
    return f16_round(f16_round(c * c) * f16_round(largest * (1.0f / 256)));
}

static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    struct qpar p = par ? *par : (struct qpar){.bits = 4, .group = 128};
    bool widths = p.bits >= 2 && (p.wide_percent == 0 || (p.wide_bits > p.bits && p.wide_bits <= 8));
    if (p.group <= 0 || p.group > 128 || !widths || p.wide_percent > 100)
        return err_set(e, ERR_USAGE,
                       "exl2 has groups of 32 to 128 columns with codes of 2 to 8 bits, the wider ones "
                       "in front");
    int rc = group_start(&codec_exl2, q, n, k, p, 1, GROUP_CUT, e);
    if (rc)
        return rc;
    size_t groups = (size_t)n_groups(q);
    struct exl2_group last = exl2_group(q, (int64_t)groups - 1);
    q->plane[PLANE_CODE].row_stride = last.at + (size_t)(last.len * last.bits / 8);
    q->plane[PLANE_CODE].bytes = (size_t)n * q->plane[PLANE_CODE].row_stride;
    q->plane[PLANE_SCALE].row_stride = (groups + 1) / 2;
    q->plane[PLANE_SCALE].bytes = (size_t)n * q->plane[PLANE_SCALE].row_stride;
    group_share_plane(q, PLANE_BIAS, 2 * groups);
    group_share_plane(q, PLANE_BOOK, 4 * groups);
    group_share_plane(q, PLANE_PERM, 4 * (size_t)k);
    return 0;
}

/* ---- plain rounding in file order, the scales as fitted to each group's largest weights ---- */

struct job {
    struct qmat *q;
    const float *w;
};

static float half_range(int bits)
{
    return ((float)(1 << bits) - 1) / 2;
}

/* Groups [g0, g1): the largest scale of all rows, and where the group stands. */
static void measure_groups(void *arg, int64_t g0, int64_t g1, int i_thread)
{
    const struct job *j = arg;
    struct qmat *q = j->q;
    (void)i_thread;
    for (int64_t g = g0; g < g1; g++) {
        struct exl2_group at = exl2_group(q, g);
        float largest = 0;
        for (int64_t r = 0; r < q->n; r++)
            largest = fmaxf(largest, (range_absmax(j->w + r * q->k + at.k0, at.len) + 1e-12f) / half_range(at.bits));
        wr_u16le(q->plane[PLANE_BIAS].p + 2 * g, f32_to_f16(largest));
        wr_u16le(q->plane[PLANE_BOOK].p + 4 * g, (uint16_t)at.bits);
        wr_u16le(q->plane[PLANE_BOOK].p + 4 * g + 2, (uint16_t)(at.at / 4));
    }
}

static void encode_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct job *j = arg;
    struct qmat *q = j->q;
    uint8_t code[128];
    (void)i_thread;
    for (int64_t r = r0; r < r1; r++) {
        memset(group_scales(q, r), 0, q->plane[PLANE_SCALE].row_stride);
        for (int64_t g = 0; g < n_groups(q); g++) {
            struct exl2_group at = exl2_group(q, g);
            const float *x = j->w + r * q->k + at.k0;
            float largest = f16_to_f32(rd_u16le(q->plane[PLANE_BIAS].p + 2 * g)), middle = (float)(1 << (at.bits - 1));
            float share = (range_absmax(x, at.len) + 1e-12f) / half_range(at.bits) / fmaxf(largest, 1e-12f);
            float c = clampf(fit_round(16 * sqrtf(share)), 1, 16), s = exl2_scale((unsigned)c - 1, largest);
            bits_set(group_scales(q, r), g, 4, (unsigned)c - 1);
            if (s > 0)
                for (int i = 0; i < at.len; i++)
                    code[i] = (uint8_t)clampf(fit_round(x[i] / s) + middle, 0, 2 * middle - 1);
            else
                memset(code, 1 << (at.bits - 1), (size_t)at.len);
            bits_pack(codec_row(q, r) + at.at, code, at.len, at.bits);
        }
    }
}

static int encode_all(struct qmat *q, const float *w, struct pool *pool, struct arena *a)
{
    struct job j = {q, w};
    (void)a;
    for (int64_t i = 0; i < q->k; i++)
        wr_u32le(q->plane[PLANE_PERM].p + 4 * i, (uint32_t)i);
    pool_for(pool, n_groups(q), 1, measure_groups, &j);
    pool_for(pool, q->n, 16, encode_rows, &j);
    return 0;
}

static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,
                  const struct calib *cal, struct arena *a)
{
    (void)stat, (void)cal;
    return r0 == 0 && r1 == q->n ? encode_all(q, w, NULL, a) : ERR_USAGE;
}

static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)
{
    uint8_t code[128];
    for (int64_t r = r0; r < r1; r++, dst += q->k)
        for (int64_t g = 0; g < n_groups(q); g++) {
            struct exl2_group at = exl2_group(q, g);
            const uint8_t *perm = q->plane[PLANE_PERM].p + 4 * at.k0;
            const uint8_t *nibbles = group_scales(q, r);
            float s = exl2_scale(bits_get(nibbles, g, 4), f16_to_f32(rd_u16le(q->plane[PLANE_BIAS].p + 2 * g)));
            float value[256];
            for (int c = 0; c < 1 << at.bits; c++)
                value[c] = f16_round((float)(c - (1 << (at.bits - 1))) * s);
            bits_unpack(code, codec_row(q, r) + at.at, at.len, at.bits);
            for (int i = 0; i < at.len; i++)
                dst[rd_u32le(perm + 4 * i)] = value[code[i]];
        }
}

const struct codec codec_exl2 = {.name = "exl2",
                                 .doc = "2 to 8-bit codes in two widths, squared 4-bit scales, columns in an order of "
                                        "their own.",
                                 .source = "exllamav2 conversion/adaptivegptq.py, exllamav2_ext/cuda",
                                 .gguf_type = -1,
                                 .block = 1,
                                 .act = "f16",
                                 .layout = layout,
                                 .encode = encode,
                                 .decode = decode,
                                 .encode_all = encode_all};
