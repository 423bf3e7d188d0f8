/* What the source is worth as a reference: is it finite, is it quantized already, and noise that takes it off
 * its grid (docs/METHOD.md: --dither). */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bench/engine/model.h"

static bool is_plain(const struct codec *c)
{
    return strcmp(c->name, "f32") == 0 || strcmp(c->name, "f16") == 0 || strcmp(c->name, "bf16") == 0;
}

const struct codec *model_source_codec(const struct model_desc *m, bool *quantized)
{
    const struct codec *best = NULL;
    int64_t most = -1;
    for (int i = 0; i < m->n_tensors; i++) {
        const struct codec *c = m->tensor[i].src.codec;
        int64_t n = 0;
        for (int j = 0; j < m->n_tensors; j++)
            if (m->tensor[j].matrix && m->tensor[j].src.codec == c)
                n += m->tensor[j].src.n * m->tensor[j].src.k;
        if (n > most) {
            most = n;
            best = c;
        }
    }
    if (quantized)
        *quantized = best && !is_plain(best);
    return best;
}

/* ---- NaN and Inf ---- */

/* All exponent bits set, as 16-bit halves of the bytes at p. */
static bool has_exponent16(const uint8_t *p, size_t n, uint16_t mask)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= (unsigned)((rd_u16le(p + 2 * i) & mask) == mask);
    return bad;
}

static bool has_nonfinite(const float *x, int64_t n)
{
    unsigned bad = 0;
    for (int64_t i = 0; i < n; i++)
        bad |= (unsigned)((f32_bits(x[i]) & 0x7f800000) == 0x7f800000);
    return bad;
}

static bool qmat_is_finite(const struct qmat *q, float *row)
{
    bool half = strcmp(q->codec->name, "f16") == 0, brain = strcmp(q->codec->name, "bf16") == 0;
    for (int64_t r = 0; r < q->n; r++) {
        if (half || brain) {
            const uint8_t *p = q->plane[PLANE_CODE].p + (size_t)r * q->plane[PLANE_CODE].row_stride;
            if (has_exponent16(p, (size_t)q->k, half ? 0x7c00 : 0x7f80))
                return false;
        } else {
            q->codec->decode(row, q, r, r + 1);
            if (has_nonfinite(row, q->k))
                return false;
        }
    }
    return true;
}

static int64_t longest_row(const struct model *m)
{
    int64_t k = 1;
    for (int i = 0; i < m->d.n_tensors; i++)
        if (m->d.tensor[i].src.k > k)
            k = m->d.tensor[i].src.k;
    return k;
}

void model_release(const struct model *m, const struct model_tensor *t)
{
    if (m->gguf)
        file_map_release(&m->gguf->map, t->src.plane[PLANE_CODE].p, t->src.plane[PLANE_CODE].bytes);
}

int model_check_finite(const struct model *m, struct err *e)
{
    int64_t k = longest_row(m);
    float *row = mem_alloc_n((size_t)k, sizeof *row);
    if (!row)
        return err_nomem(e, (size_t)k * sizeof *row, "a row of weights");
    int rc = 0;
    for (int i = 0; i < m->d.n_tensors && rc == 0; i++) {
        const struct model_tensor *t = &m->d.tensor[i];
        if (t->src.plane[PLANE_CODE].p && !qmat_is_finite(&t->src, row))
            rc = err_set(e, ERR_DATA,
                         "tensor %s holds NaN or infinity: the file is damaged or was converted wrongly",
                         t->name);
        model_release(m, t);
    }
    mem_free(row);
    return rc;
}

/* ---- dither ---- */

enum { SUB_BLOCK = 32 };

static const struct step_rule {
    const char *codec;
    int at, n, fill_a, fill_b, high_at, high_n;
} step_rules[] = {
#define D(codec, at, n, a, b, high_at, high_n) {#codec, at, n, a, b, high_at, high_n},
#include "bench/engine/dither.def"
#undef D
};

struct dither {
    struct rng rng;
    float *row, *step, *other; /* [k] decoded weights, their steps, scratch */
    uint8_t *bytes;            /* one encoded row */
};

/* Row r of q with every code of every block replaced, decoded. */
static void decode_filled(float *dst, const struct qmat *q, int64_t r, const struct step_rule *s, int fill,
                          uint8_t *bytes)
{
    size_t stride = q->plane[PLANE_CODE].row_stride, block = (size_t)q->codec->block_bytes;
    memcpy(bytes, q->plane[PLANE_CODE].p + (size_t)r * stride, stride);
    for (size_t b = 0; b + block <= stride; b += block) {
        memset(bytes + b + s->at, fill, (size_t)s->n);
        memset(bytes + b + s->high_at, 0, (size_t)s->high_n);
    }
    struct qmat one = *q;
    one.n = 1;
    one.seg = &one.seg1;
    one.plane[PLANE_CODE].p = bytes;
    q->codec->decode(dst, &one, 0, 1);
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Grid types: the smallest gap between the decoded values of a sub-block. */
static void step_by_gap(float *step, const float *w, int64_t k)
{
    for (int64_t b = 0; b < k; b += SUB_BLOCK) {
        int n = (int)(k - b < SUB_BLOCK ? k - b : SUB_BLOCK);
        float v[SUB_BLOCK], gap = INFINITY;
        memcpy(v, w + b, (size_t)n * sizeof *v);
        qsort(v, (size_t)n, sizeof *v, compare_floats);
        for (int i = 1; i < n; i++)
            if (v[i] > v[i - 1] && v[i] - v[i - 1] < gap)
                gap = v[i] - v[i - 1];
        for (int i = 0; i < n; i++)
            step[b + i] = isfinite(gap) ? gap : 0;
    }
}

static void dither_row(uint16_t *dst, const struct qmat *q, int64_t r, const struct step_rule *rule,
                       struct dither *d)
{
    q->codec->decode(d->row, q, r, r + 1);
    if (rule) {
        decode_filled(d->step, q, r, rule, rule->fill_b, d->bytes);
        decode_filled(d->other, q, r, rule, rule->fill_a, d->bytes);
        for (int64_t i = 0; i < q->k; i++)
            d->step[i] = fabsf(d->step[i] - d->other[i]);
    } else {
        step_by_gap(d->step, d->row, q->k);
    }
    for (int64_t i = 0; i < q->k; i++)
        dst[i] = f32_to_f16(d->row[i] + d->step[i] * (float)(rng_uniform(&d->rng) - 0.5));
}

static int dither_tensor(struct model *m, struct model_tensor *t, uint64_t seed, struct dither *d,
                         struct err *e)
{
    struct qmat q = {0};
    int rc = codec_find("f16")->layout(&q, t->src.n, t->src.k, NULL, e);
    if (rc)
        return rc;
    const struct step_rule *rule = NULL;
    for (size_t i = 0; i < sizeof step_rules / sizeof step_rules[0]; i++)
        if (strcmp(step_rules[i].codec, t->src.codec->name) == 0)
            rule = &step_rules[i];
    uint8_t *p = arena_alloc(m->arena, q.plane[PLANE_CODE].bytes);
    if (!p)
        return err_nomem(e, q.plane[PLANE_CODE].bytes, "dithered weights");
    rng_seed_text(&d->rng, seed, t->name);
    for (int64_t r = 0; r < t->src.n; r++)
        dither_row((uint16_t *)(p + (size_t)r * q.plane[PLANE_CODE].row_stride), &t->src, r, rule, d);
    q.plane[PLANE_CODE].p = p;
    t->src = q;
    t->src.seg = &t->src.seg1;
    return 0;
}

int model_dither(struct model *m, uint64_t seed, struct err *e)
{
    size_t k = (size_t)longest_row(m);
    struct dither d = {.row = mem_alloc_n(3 * k, sizeof(float)), .bytes = mem_alloc_n(k, sizeof(float))};
    int rc = d.row && d.bytes ? 0 : err_nomem(e, 4 * k * sizeof(float), "rows of weights");
    d.step = d.row + k;
    d.other = d.step + k;
    for (int i = 0; i < m->d.n_tensors && rc == 0; i++)
        if (m->d.tensor[i].matrix && !is_plain(m->d.tensor[i].src.codec) &&
            m->d.tensor[i].src.plane[PLANE_CODE].p) {
            rc = dither_tensor(m, &m->d.tensor[i], seed, &d, e);
            m->dithered = true;
        }
    mem_free(d.row);
    mem_free(d.bytes);
    return rc;
}
