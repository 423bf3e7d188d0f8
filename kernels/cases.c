/* The cases of cases.def, and weights made for them. */
#include "kernels/cases.h"
#include <string.h>
#include "base/rng.h"
#include "kernels/formats/group.h"

#define CASE(c, a, b, sym_, scale, zero, g, plane)                                                                     \
    {#c,                                                                                                               \
     #a,                                                                                                               \
     {.bits = b, .sym = sym_, .scale_type = NUMBER_##scale, .zero_type = ZERO_##zero, .group = g},                     \
     PLANE_##plane,                                                                                                    \
     #c " " #b " bits, group " #g ", sym " #sym_ ", scale " #scale ", zero " #zero},
#define EXL2(b, g, wide, percent)                                                                                      \
    {"exl2",                                                                                                           \
     "f16",                                                                                                            \
     {.bits = b, .group = g, .wide_bits = wide, .wide_percent = percent},                                              \
     PLANE_PERM,                                                                                                       \
     "exl2 " #b " bits, group " #g ", " #wide " bits in " #percent " %"},
const struct kernel_case kernel_cases[] = {
#include "kernels/cases.def"
};
const int n_kernel_cases = sizeof kernel_cases / sizeof *kernel_cases;

int kernel_case_layout(const struct kernel_case *c, struct qmat *q, int64_t n, int64_t k, struct err *e)
{
    int rc = codec_find(c->codec)->layout(q, n, k, &c->par, e);
    if (rc == 0 && c->extra != PLANE_CODE)
        group_share_plane(q, c->extra, 4 * (size_t)k);
    return rc;
}

static void shuffle(uint8_t *perm, int64_t k, struct rng *r)
{
    for (int64_t i = 0; i < k; i++) {
        int64_t j = (int64_t)rng_below(r, (uint64_t)i + 1);
        wr_u32le(perm + 4 * i, rd_u32le(perm + 4 * j));
        wr_u32le(perm + 4 * j, (uint32_t)i);
    }
}

int kernel_case_encode(const struct kernel_case *c, struct qmat *q, const float *w, uint64_t seed, struct err *e)
{
    struct rng r;
    struct arena *a = arena_new();
    if (!a)
        return err_nomem(e, 0, "the encoder of a kernel check");
    rng_seed(&r, seed);
    for (int64_t i = 0; i < q->k && c->extra == PLANE_COLUMN; i++) {
        float factor = 0.5f + (float)rng_below(&r, 1024) / 1024;
        memcpy(q->plane[PLANE_COLUMN].p + 4 * i, &factor, sizeof factor);
    }
    int rc = qmat_encode(q, w, a);
    if (c->extra == PLANE_PERM) /* behind the encoders: that of EXL2 leaves the columns in order */
        shuffle(q->plane[PLANE_PERM].p, q->k, &r);
    arena_free(a);
    return rc ? err_set(e, rc, "%s cannot be encoded", c->name) : 0;
}

bool kernel_case_taken(const struct kernel_case *c, const struct kernel *k)
{
    struct qmat q;
    return k->takes && kernel_case_layout(c, &q, 1, 256, NULL) == 0 && k->takes(&q, act_find(c->act));
}

enum { SEED_ROWS = 16 };

static int layout_any(const struct codec *codec, const struct kernel_case *c, struct qmat *q, int64_t n, int64_t k,
                      struct err *e)
{
    return c ? kernel_case_layout(c, q, n, k, e) : codec->layout(q, n, k, NULL, e);
}

static int seed_weights(struct qmat *q, const struct kernel_case *c, struct err *e)
{
    float *w = mem_alloc_n((size_t)(q->n * q->k), sizeof *w);
    struct arena *a = arena_new();
    struct rng r;
    rng_seed(&r, 1);
    for (int64_t i = 0; w && i < q->n * q->k; i++)
        w[i] = (float)rng_normal(&r);
    int rc = !w || !a ? err_nomem(e, (unsigned long long)(q->n * q->k) * sizeof *w, "rows of a benchmark") : 0;
    if (rc == 0)
        rc = c ? kernel_case_encode(c, q, w, 1, e) : q->codec->encode(q, 0, q->n, w, NULL, NULL, a);
    arena_free(a);
    mem_free(w);
    return rc;
}

int kernel_bench_weights(struct qmat *q, const struct codec *codec, const struct kernel_case *c, size_t bytes,
                         int64_t k, struct err *e)
{
    struct qmat seed;
    *q = (struct qmat){0};
    int rc = layout_any(codec, c, &seed, SEED_ROWS, k, e);
    if (rc == 0)
        rc = qmat_alloc(&seed, e);
    if (rc)
        return rc;
    rc = seed_weights(&seed, c, e);
    int64_t n = (int64_t)(bytes / qmat_bytes(&seed)) + 1;
    if (rc == 0)
        rc = layout_any(codec, c, q, n * SEED_ROWS, k, e);
    if (rc == 0)
        rc = qmat_alloc(q, e);
    for (int i = 0; i < N_PLANES && rc == 0; i++)
        for (size_t at = 0, left = q->plane[i].bytes, one = seed.plane[i].bytes; left; at += one, left -= one) {
            one = one < left ? one : left;
            memcpy(q->plane[i].p + at, seed.plane[i].p, one);
        }
    qmat_free(&seed);
    return rc;
}
