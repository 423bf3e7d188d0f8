/* What the parametric codecs share: codes of 1 to 8 bits per row in one plane, least significant bits first, and per
 * group of consecutive weights a scale and perhaps a zero point (or bias), each in a plane of its own. Rows start on
 * whole bytes. A codec file writes fit() and values() and ends with GROUP_CODEC; one whose codes or scales are stored
 * otherwise takes group_start and the places of things alone.
 *
 * Where PLANE_PERM is there (u32[k]), codes stand in that order: position i is column perm[i]. Where PLANE_COLUMN is
 * there (f32[k]), the codes are of weights multiplied by it by column, and the decoded ones are divided by it. */
#ifndef KERNELS_FORMATS_GROUP_H
#define KERNELS_FORMATS_GROUP_H
#include "kernels/formats/bitstream.h"
#include "kernels/formats/blocks.h"
#include "kernels/formats/range.h"

enum { GROUP_RUN = 256 }; /* codes that values() sees at most at a time */

struct grid {
    float scale, zero; /* zero: a zero point in codes, or a bias in weights: the codec knows */
};
enum group_end {                 /* the last group of a row */
                 GROUP_DIVIDES,  /* is as long as the others, or the format does not take the row */
                 GROUP_CUT,      /* may be short; rows are a multiple of 32 */
                 GROUP_PADDED,   /* may be short: codes of 0 follow */
                 GROUP_EXTENDED, /* may be short: zeros follow its weights and are fitted with them */
};
struct group_rule {
    struct qpar usual;        /* what holds where no parameters are given */
    unsigned bits, zero_bits; /* allowed widths: bit b for b bits; zero_bits 0: 2, 4 and 8 */
    enum plane zero_plane;    /* where zero points go: PLANE_ZERO or PLANE_BIAS; 0: has none */
    enum group_end end;
    bool look_up;               /* values() rounds so much that it pays to ask once per code, not once per weight */
    bool one_type;              /* scales and zero points are always those of usual */
    bool per_tensor, rows_only; /* has one scale per tensor (group -1); has no groups in rows */
    int64_t group_max;          /* 0: any */
    float (*tensor_scale)(const struct wstat *stat); /* with E4M3 scales: a factor of them all, in PLANE_TENSOR */
    /* One group x[n] to codes and grid; what it puts into the grid is stored in par->scale_type and par->zero_type. */
    void (*fit)(const struct qpar *par, const float *x, int64_t n, const struct wstat *stat, uint8_t *code,
                struct grid *g);
    void (*values)(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g);
};

int group_layout(const struct codec *c, const struct group_rule *r, struct qmat *q, int64_t n, int64_t k,
                 const struct qpar *par, struct err *e);
int group_encode(const struct group_rule *r, struct qmat *q, int64_t r0, int64_t r1, const float *w,
                 const struct wstat *stat, struct arena *a);
/* Rows in pieces of n, each by that function, which may leave scratch in a. */
typedef int group_rows(struct qmat *q, int64_t r0, int64_t n, const float *w, struct pool *pool, struct arena *a);
int group_encode_rows(group_rows *encode_rows, struct qmat *q, int64_t r0, int64_t r1, int64_t n, const float *w,
                      struct pool *pool, struct arena *a);
/* The codes of a row, with what pads it, and its grids; code has room for 8 more and is overwritten. */
void group_store_row(const struct group_rule *r, struct qmat *q, int64_t row, uint8_t *code, const struct grid *g);
void group_decode(const struct group_rule *r, float *dst, const struct qmat *q, int64_t r0, int64_t r1);
int group_measure(struct wstat *s, const struct qmat *q, const float *w, int64_t n_rows);

/* Codes in groups and so many bytes of scales for each: sizes checked, planes of codes and scales set. */
int group_start(const struct codec *c, struct qmat *q, int64_t n, int64_t k, struct qpar par, size_t scale_bytes,
                enum group_end end, struct err *e);
/* Adds a plane of that many bytes that all rows share; before qmat_alloc. */
void group_share_plane(struct qmat *q, enum plane p, size_t bytes);

static inline int64_t group_size(const struct qmat *q)
{
    return q->seg->q.group > 0 ? q->seg->q.group : q->k;
}
/* Weights in group g, which may be a short last one. */
static inline int64_t group_size_of(const struct qmat *q, int64_t g)
{
    int64_t len = group_size(q), left = q->k - g * len;
    return left < len ? left : len;
}
static inline uint8_t *group_scales(const struct qmat *q, int64_t row)
{
    return q->plane[PLANE_SCALE].p + (size_t)row * q->plane[PLANE_SCALE].row_stride;
}
static inline uint8_t *group_zeros(const struct qmat *q, int64_t row)
{
    return q->plane[PLANE_ZERO].p + (size_t)row * q->plane[PLANE_ZERO].row_stride;
}

/* The value as a type of enum number_type keeps it. */
float number_round(enum number_type t, float x);

/* (q - zero)*scale; without zero points the middle code is zero. */
void group_values_unsigned(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g);
/* f16((q - zero)*scale) */
void group_values_f16(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g);

#define GROUP_CODEC_BOTH(id, ...)                                                                                      \
    static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)                     \
    {                                                                                                                  \
        return group_layout(&codec_##id, &rule, q, n, k, par, e);                                                      \
    }                                                                                                                  \
    static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)                                       \
    {                                                                                                                  \
        group_decode(&rule, dst, q, r0, r1);                                                                           \
    }                                                                                                                  \
    const struct codec codec_##id = {                                                                                  \
        .name = #id, .gguf_type = -1, .block = 1, .layout = layout, .encode = encode, .decode = decode, __VA_ARGS__}

#define GROUP_CODEC(id, ...)                                                                                           \
    static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,                \
                      const struct calib *cal, struct arena *a)                                                        \
    {                                                                                                                  \
        (void)cal;                                                                                                     \
        return group_encode(&rule, q, r0, r1, w, stat, a);                                                             \
    }                                                                                                                  \
    GROUP_CODEC_BOTH(id, __VA_ARGS__)

/* Where a matrix is encoded as a whole, by encode_rows (a group_rows) instead of fit(): single rows are matrices of
 * their own. */
#define GROUP_WHOLE_CODEC(id, ...)                                                                                     \
    static int encode_all(struct qmat *q, const float *w, struct pool *pool, struct arena *a)                          \
    {                                                                                                                  \
        return group_encode_rows(encode_rows, q, 0, q->n, q->n, w, pool, a);                                           \
    }                                                                                                                  \
    static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,                \
                      const struct calib *cal, struct arena *a)                                                        \
    {                                                                                                                  \
        (void)stat, (void)cal;                                                                                         \
        return group_encode_rows(encode_rows, q, r0, r1, 1, w, NULL, a);                                               \
    }                                                                                                                  \
    GROUP_CODEC_BOTH(id, .encode_all = encode_all, __VA_ARGS__)
#endif
