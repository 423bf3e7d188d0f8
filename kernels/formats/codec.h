/* Number formats of weights and activations, in plain C: the truth that every SIMD kernel is checked against.
 *
 * A weight matrix is always W[n][k], row-major, groups along k; other file orders are the container's
 * business. One codec per file, one row in formats.def; one activation rule per file, one row in acts.def.
 * Order: codec_find -> codec->layout (shape, strides, bytes) -> qmat_alloc or point the planes into a mapped
 * file
 * -> (measure) -> encode by rows -> decode by rows. encode and decode of different rows may run in parallel.
 */
#ifndef KERNELS_FORMATS_CODEC_H
#define KERNELS_FORMATS_CODEC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/mem.h"

enum number_type { NUMBER_F32, NUMBER_F16, NUMBER_BF16, NUMBER_E8M0, NUMBER_E4M3 };
enum zero_type { ZERO_NONE, ZERO_CODE /* `bits` bits each */, ZERO_FLOAT /* of the scale's type */ };
struct qpar { /* parameters of a parametric codec; all zero for the GGUF block types */
    uint8_t bits, sym, scale_type, zero_type;
    int32_t group; /* 0 = per row, -1 = per tensor */
    uint16_t wide_bits, wide_percent; /* a zone of wider codes in front: EXL2 */
};
struct seg { /* a zone of columns [k0, k1) with its own parameters; one segment elsewhere */
    uint32_t k0, k1;
    struct qpar q;
};
enum plane {
    PLANE_CODE,
    PLANE_HIGH,
    PLANE_SCALE,
    PLANE_ZERO,
    PLANE_BIAS,
    PLANE_TENSOR,
    PLANE_PERM,
    PLANE_BOOK,
    PLANE_COLUMN, /* f32[k]: a factor per column that files fold into the layer before, at no cost in bytes */
    N_PLANES
};

struct codec;
struct pool;
struct qmat {
    const struct codec *codec;
    int64_t n, k; /* rows, columns */
    int n_seg;
    struct seg seg1, *seg; /* seg == &seg1 where there is one */
    struct {
        uint8_t *p; /* not owned unless qmat_alloc gave it */
        size_t row_stride, bytes;
    } plane[N_PLANES];
};

struct wstat { /* whole-tensor statistics for codecs whose measure is not NULL */
    double abs_sum, square_sum;
    float abs_max, lo, hi;
    int64_t count;
};
struct calib {               /* activation statistics of one tensor; NULL where there are none */
    const float *importance; /* [k] mean of squared activations */
    const float *magnitude;  /* [k] mean of |x| */
    const float *gram;       /* [k][k] mean of x x^T, both triangles */
    const float *sample;     /* [n_samples][k] mean of x over a chunk of the text */
    int n_samples;
};

struct codec {
    const char *name;   /* "q4_k" */
    const char *doc;    /* one sentence */
    const char *source; /* where the layout is specified */
    int gguf_type;      /* tensor type id in GGUF files; -1 where GGUF has none */
    int block;          /* weights per block: k must be a multiple; parametric codecs: 1, and layout decides */
    int block_bytes;    /* 0 for parametric codecs */
    bool needs_importance; /* without activation statistics its encoder is not worth running */
    const char *act; /* the activation rule of the usual runtime's dot product (acts.def) */
    /* Fills codec, n, k, segments, row_stride and bytes of each plane (p stays NULL), or refuses with the
     * reason. */
    int (*layout)(struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e);
    int (*measure)(struct wstat *s, const struct qmat *q, const float *w,
                   int64_t n_rows); /* NULL: not needed */
    /* Rows [r0, r1) from w[r1-r0][k], contiguous. stat and cal may be NULL. Scratch is taken from a (may be
     * NULL for codecs that need none). Weights are finite: callers check before. */
    int (*encode)(struct qmat *q, int64_t r0, int64_t r1, const float *w, const struct wstat *stat,
                  const struct calib *cal, struct arena *a);
    void (*decode)(float *dst, const struct qmat *q, int64_t r0, int64_t r1); /* dst[r1-r0][k] */
    /* Where rows cannot be encoded apart (scales of scales, searches that stop for the whole matrix): called instead of
     * encode, w[n][k]; the bytes do not depend on the number of threads. encode then takes single rows as whole
     * matrices, or refuses. NULL elsewhere. */
    int (*encode_all)(struct qmat *q, const float *w, struct pool *pool, struct arena *a);
};

/* A grid of int8 activations settled before the run, on a calibration text. */
struct act_fixed {
    float scale, zero;   /* scale 0: there is none */
    const float *column; /* [k] x is divided by it before it is rounded, and multiplied after; NULL: it is not */
};
struct act_fixed act_fixed_grid(float lo, float hi); /* of all values from lo to hi, and zero */
/* act.encode_fixed, act.decode and act.round_fixed of rules with one grid for all rows: scale and zero point (f32
 * each), then codes, these and the zero point as 0..255. */
enum { ACT_FIXED_HEADER = 8 };
void act_fixed_encode(void *dst, const float *x, int64_t i0, int64_t i1, int64_t k, const struct act_fixed *f);
void act_fixed_decode(float *dst, const void *src, int64_t k);
void act_fixed_round(float *dst, const float *x, int64_t k, const struct act_fixed *f);

/* An activation rule: how a runtime rounds the f32 inputs of a linear layer before its dot product. */
struct act {
    const char *name; /* "q8_k" */
    const char *doc;
    enum act_scope { ACT_BLOCK, ACT_ROW, ACT_BATCH, ACT_COLUMNS, ACT_FIXED } scope;
    int block, block_bytes;                                 /* block 1 for f32, f16, bf16 */
    int head_bytes;                                         /* before the blocks of a row: its scale */
    bool ragged;                                            /* the last block of a row may be short */
    void (*encode)(void *dst, const float *x, int64_t k);   /* one row; k a multiple of block unless ragged */
    void (*decode)(float *dst, const void *src, int64_t k); /* the values the dot product sees */
    /* ACT_COLUMNS, where the rows of a batch decide together how a column is rounded: the values that the dot product
     * sees of x[n][k]. encode and decode treat a single row. */
    void (*round)(float *dst, const float *x, int64_t n, int64_t k);
    /* ACT_BATCH: the grid of a batch whose least and largest values are lo and hi, or zero. */
    struct act_fixed (*grid)(float lo, float hi);
    /* ACT_BATCH, ACT_FIXED: the values of one row on the grid f. */
    void (*round_fixed)(float *dst, const float *x, int64_t k, const struct act_fixed *f);
    /* The rows [i0, i1) of a batch, whose first one x points to, encoded on it; row 0 brings what stands in front. */
    void (*encode_fixed)(void *dst, const float *x, int64_t i0, int64_t i1, int64_t k, const struct act_fixed *f);
};

extern const struct codec *const codecs[]; /* NULL-terminated, formats.def order */
extern const struct act *const acts[];     /* NULL-terminated, acts.def order */
const struct codec *codec_find(const char *name);
const struct codec *codec_by_gguf_type(int type);
const struct act *act_find(const char *name);
/* Do all rows of a call stand behind one scale or grid, as one long row? */
static inline bool act_is_batch(const struct act *a)
{
    return a->scope == ACT_BATCH || a->scope == ACT_FIXED;
}

/* layout shared by all codecs of self-contained blocks (codec->block, codec->block_bytes). */
int codec_layout_blocks(const struct codec *c, struct qmat *q, int64_t n, int64_t k, struct err *e);
size_t qmat_bytes(const struct qmat *q);       /* all planes but PLANE_COLUMN */
int qmat_alloc(struct qmat *q, struct err *e); /* after layout; 64-byte aligned, contents undefined */
/* All rows, measured before where the codec asks for it: w[n][k], after qmat_alloc, without activation statistics. */
int qmat_encode(struct qmat *q, const float *w, struct arena *a);
void qmat_free(struct qmat *q);                /* only after qmat_alloc */
void qmat_share(struct qmat *dst, const struct qmat *src);                /* same planes; keeps seg inside dst */
double qmat_bits_per_weight(const struct qmat *q);
size_t act_row_bytes(const struct act *a, int64_t k);
#endif
