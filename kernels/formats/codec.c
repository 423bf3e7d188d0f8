/* The tables of codecs and activation rules, and what all block codecs share: shapes, bytes, memory. */
#include "kernels/formats/codec.h"
#include <math.h>
#include <string.h>
#include "kernels/formats/blocks.h"

#define X(id) &codec_##id,
const struct codec *const codecs[] = {
#include "kernels/formats/formats.def"
    NULL};
#undef X
#define X(id) &act_##id,
const struct act *const acts[] = {
#include "kernels/formats/acts.def"
    NULL};
#undef X

const struct codec *codec_find(const char *name)
{
    for (const struct codec *const *c = codecs; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

const struct codec *codec_by_gguf_type(int type)
{
    for (const struct codec *const *c = codecs; *c; c++)
        if ((*c)->gguf_type == type && type >= 0)
            return *c;
    return NULL;
}

const struct act *act_find(const char *name)
{
    for (const struct act *const *a = acts; *a; a++)
        if (strcmp((*a)->name, name) == 0)
            return *a;
    return NULL;
}

int codec_layout_blocks(const struct codec *c, struct qmat *q, int64_t n, int64_t k, struct err *e)
{
    size_t stride, bytes;
    memset(q, 0, sizeof *q);
    if (n < 1 || k < 1)
        return err_set(e, ERR_FORMAT,
                       "a matrix of %lld x %lld weights has no %s form: both sizes must be positive",
                       (long long)n, (long long)k, c->name);
    if (k % c->block != 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s stores blocks of %d weights, which do not divide rows of %lld: choose "
                       "a format with smaller blocks for this tensor",
                       c->name, c->block, (long long)k);
    if (k > UINT32_MAX || !mem_mul((size_t)(k / c->block), (size_t)c->block_bytes, &stride) ||
        !mem_mul((size_t)n, stride, &bytes) || bytes > INT64_MAX)
        return err_set(e, ERR_LIMIT,
                       "a matrix of %lld x %lld weights is beyond what this program can address",
                       (long long)n, (long long)k);
    q->codec = c;
    q->n = n;
    q->k = k;
    q->n_seg = 1;
    q->seg1.k1 = (uint32_t)k;
    q->seg = &q->seg1;
    q->plane[PLANE_CODE].row_stride = stride;
    q->plane[PLANE_CODE].bytes = bytes;
    return 0;
}

size_t qmat_bytes(const struct qmat *q)
{
    size_t sum = 0;
    for (int i = 0; i < N_PLANES; i++)
        sum += i == PLANE_COLUMN ? 0 : q->plane[i].bytes;
    return sum;
}

int qmat_alloc(struct qmat *q, struct err *e)
{
    for (int i = 0; i < N_PLANES; i++) {
        size_t bytes = q->plane[i].bytes;
        if (bytes == 0)
            continue;
        q->plane[i].p = mem_aligned(bytes);
        if (!q->plane[i].p) {
            qmat_free(q);
            return err_nomem(e, bytes, q->codec->name);
        }
    }
    return 0;
}

int qmat_encode(struct qmat *q, const float *w, struct arena *a)
{
    const struct codec *c = q->codec;
    struct wstat stat = {0};
    int rc = c->measure ? c->measure(&stat, q, w, q->n) : 0;
    if (rc)
        return rc;
    return c->encode_all ? c->encode_all(q, w, NULL, a) : c->encode(q, 0, q->n, w, &stat, NULL, a);
}

void qmat_free(struct qmat *q)
{
    for (int i = 0; i < N_PLANES; i++) {
        mem_free(q->plane[i].p);
        q->plane[i].p = NULL;
    }
}

void qmat_share(struct qmat *dst, const struct qmat *src)
{
    *dst = *src;
    if (src->seg == &src->seg1)
        dst->seg = &dst->seg1;
}

double qmat_bits_per_weight(const struct qmat *q)
{
    double weights = (double)q->n * (double)q->k;
    return weights > 0 ? 8.0 * (double)qmat_bytes(q) / weights : NAN;
}

size_t act_row_bytes(const struct act *a, int64_t k)
{
    return (size_t)a->head_bytes + (size_t)((k + a->block - 1) / a->block) * (size_t)a->block_bytes;
}
