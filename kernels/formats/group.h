/* What the parametric codecs share: codes of 2 to 8 bits per row in one plane, least significant bits first, and per
 * group of consecutive weights a scale and perhaps a zero point (or bias), each in a plane of its own. Rows start on
 * whole bytes. A codec file writes fit() and values() and ends with GROUP_CODEC. */
#ifndef KERNELS_FORMATS_GROUP_H
#define KERNELS_FORMATS_GROUP_H
#include "kernels/formats/blocks.h"

enum { GROUP_RUN = 256 }; /* codes that values() sees at most at a time */

struct grid {
    float scale, zero; /* zero: a zero point in codes, or a bias in weights: the codec knows */
};
struct group_rule {
    struct qpar usual;                               /* what holds where no parameters are given */
    unsigned bits;                                   /* allowed widths: bit b for b-bit codes */
    enum plane zero_plane;                           /* where zero points go: PLANE_ZERO or PLANE_BIAS */
    bool pads;                                       /* a row's last group may be short: zeros follow its weights */
    bool pads_coded;                                 /* and their codes stay; else the codes become 0 */
    int64_t group_max;                               /* 0: any */
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
/* The codes of a row, with what pads it, and its grids; code has room for 8 more and is overwritten. */
void group_store_row(const struct group_rule *r, struct qmat *q, int64_t row, uint8_t *code, const struct grid *g);
void group_decode(const struct group_rule *r, float *dst, const struct qmat *q, int64_t r0, int64_t r1);
int group_measure(struct wstat *s, const struct qmat *q, const float *w, int64_t n_rows);

/* The value as a type of enum number_type keeps it. */
float number_round(enum number_type t, float x);

/* (q - zero)*scale; without zero points the middle code is zero. */
void group_values_unsigned(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g);

/* Least and largest, of zero as well: what most integer grids cover. */
struct range {
    float lo, hi;
};
struct range range_of(const float *x, int64_t n);
struct range range_with_zero(const float *x, int64_t n);
float range_absmax(const float *x, int64_t n);

static inline float group_clamp(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

#define GROUP_CODEC(id, ...)                                                                                           \
    static int layout(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)                     \
    {                                                                                                                  \
        return group_layout(&codec_##id, &rule, q, n, k, par, e);                                                      \
    }                                                                                                                  \
    static int encode(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,                \
                      const struct calib *cal, struct arena *a)                                                        \
    {                                                                                                                  \
        (void)cal;                                                                                                     \
        return group_encode(&rule, q, r0, r1, w, stat, a);                                                             \
    }                                                                                                                  \
    static void decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1)                                       \
    {                                                                                                                  \
        group_decode(&rule, dst, q, r0, r1);                                                                           \
    }                                                                                                                  \
    const struct codec codec_##id = {                                                                                  \
        .name = #id, .gguf_type = -1, .block = 1, .layout = layout, .encode = encode, .decode = decode, __VA_ARGS__}
#endif
