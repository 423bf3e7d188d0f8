/* What codecs with codes in one plane and scales in another share: rows of n-bit codes (LSB-first stream), each row cut
 * into groups along k with one scale and, where the format has one, one zero per group.
 *
 * A decoder is a function that writes the 2^bits values that the codes of one group stand for. Where PLANE_PERM is
 * there (u32[k]), codes stand in that order: position i is column perm[i]. Where PLANE_COLUMN is there (f32[k]), the
 * codes are of weights multiplied by it by column, and the decoded ones are divided by it. */
#ifndef KERNELS_FORMATS_GROUPED_H
#define KERNELS_FORMATS_GROUPED_H
#include "base/half.h"
#include "kernels/formats/bitstream.h"
#include "kernels/formats/blocks.h"

enum { GROUPED_PIECE = 256, GROUPED_MAX_CODES = 256 };

/* Bytes per scale, bits per zero (rows of zeros are padded to bytes). par: the codec's own with defaults filled in. */
int grouped_layout(const struct codec *c, struct qmat *q, int64_t n, int64_t k, struct qpar par, int scale_bytes,
                   int zero_bits, struct err *e);
/* The same where groups need not divide the rows: the last one is shorter. Rows are a multiple of 32. */
int grouped_layout_cut(const struct codec *c, struct qmat *q, int64_t n, int64_t k, struct qpar par, int scale_bytes,
                       int zero_bits, struct err *e);
/* Adds a plane of that many bytes that all rows share; before qmat_alloc. */
void grouped_share_plane(struct qmat *q, enum plane p, size_t bytes);

static inline int64_t grouped_len(const struct qmat *q)
{
    return q->seg->q.group > 0 ? q->seg->q.group : q->k;
}
/* Weights in group g. */
static inline int64_t grouped_len_of(const struct qmat *q, int64_t g)
{
    int64_t len = grouped_len(q), left = q->k - g * len;
    return left < len ? left : len;
}
static inline uint8_t *grouped_scale(const struct qmat *q, int64_t r, int64_t g, int bytes)
{
    return q->plane[PLANE_SCALE].p + (size_t)r * q->plane[PLANE_SCALE].row_stride + (size_t)g * (size_t)bytes;
}
static inline uint8_t *grouped_zeros(const struct qmat *q, int64_t r)
{
    return q->plane[PLANE_ZERO].p + (size_t)r * q->plane[PLANE_ZERO].row_stride;
}
/* Codes of positions [k0, k0 + n): k0 a multiple of 8. */
static inline void grouped_put(const struct qmat *q, int64_t r, int64_t k0, const uint8_t *codes, int n)
{
    int bits = q->seg->q.bits;
    bits_pack(codec_row(q, r) + (size_t)(k0 / 8) * (size_t)bits, codes, n, bits);
}

typedef void grouped_book(float *value, const struct qmat *q, int64_t r, int64_t g);
void grouped_decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1, grouped_book *book);

static inline float round_f16(float x)
{
    return f16_to_f32(f32_to_f16(x));
}
static inline float round_bf16(float x)
{
    return bf16_to_f32(f32_to_bf16(x));
}
static inline float clampf(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}
#endif
