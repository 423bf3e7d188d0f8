/* Shapes and decoding of codecs with groups (grouped.h). */
#include "kernels/formats/grouped.h"
#include <string.h>

static int refuse_group(const struct codec *c, int64_t k, int64_t group, struct err *e)
{
    return err_set(e, ERR_UNSUPPORTED,
                   "%s cuts rows into groups of %lld weights, which do not divide rows of %lld: choose a "
                   "smaller group or another format for this tensor",
                   c->name, (long long)group, (long long)k);
}

static int lay_out(const struct codec *c, struct qmat *q, int64_t n, int64_t k, struct qpar par, int scale_bytes,
                   int zero_bits, bool cut, struct err *e)
{
    memset(q, 0, sizeof *q);
    if (n < 1 || k < 1)
        return err_set(e, ERR_FORMAT, "a matrix of %lld x %lld weights has no %s form: both sizes must be positive",
                       (long long)n, (long long)k, c->name);
    if (par.bits < 1 || par.bits > 8)
        return err_set(e, ERR_USAGE, "%s with %d bits: codes have 1 to 8", c->name, par.bits);
    if (par.group > 0 && (k % (cut ? 32 : par.group) != 0 || par.group % 8 != 0))
        return refuse_group(c, k, par.group, e);
    int64_t n_groups = par.group > 0 ? (k + par.group - 1) / par.group : 1;
    size_t bytes;
    if (k > UINT32_MAX || n > INT32_MAX || !mem_mul((size_t)n, (size_t)k * 4, &bytes) || bytes > INT64_MAX)
        return err_set(e, ERR_LIMIT, "a matrix of %lld x %lld weights is beyond what this program can address",
                       (long long)n, (long long)k);
    q->codec = c;
    q->n = n;
    q->k = k;
    q->n_seg = 1;
    q->seg1 = (struct seg){.k0 = 0, .k1 = (uint32_t)k, .q = par};
    q->seg = &q->seg1;
    const size_t stride[N_PLANES] = {[PLANE_CODE] = bits_bytes(k, par.bits),
                                     [PLANE_SCALE] = (size_t)n_groups * (size_t)scale_bytes,
                                     [PLANE_ZERO] = zero_bits ? (size_t)(n_groups * zero_bits + 7) / 8 : 0};
    for (int p = 0; p < N_PLANES; p++) {
        q->plane[p].row_stride = stride[p];
        q->plane[p].bytes = stride[p] * (size_t)n;
    }
    return 0;
}

int grouped_layout(const struct codec *c, struct qmat *q, int64_t n, int64_t k, struct qpar par, int scale_bytes,
                   int zero_bits, struct err *e)
{
    return lay_out(c, q, n, k, par, scale_bytes, zero_bits, false, e);
}

int grouped_layout_cut(const struct codec *c, struct qmat *q, int64_t n, int64_t k, struct qpar par, int scale_bytes,
                       int zero_bits, struct err *e)
{
    return lay_out(c, q, n, k, par, scale_bytes, zero_bits, true, e);
}

void grouped_share_plane(struct qmat *q, enum plane p, size_t bytes)
{
    q->plane[p].row_stride = 0;
    q->plane[p].bytes = bytes;
}

static void decode_row(float *y, const struct qmat *q, int64_t r, grouped_book *book)
{
    const uint8_t *src = codec_row(q, r), *perm = q->plane[PLANE_PERM].p;
    int bits = q->seg->q.bits;
    int64_t len = grouped_len(q);
    float value[GROUPED_MAX_CODES];
    uint8_t codes[GROUPED_PIECE];
    for (int64_t g = 0; g * len < q->k; g++) {
        const int64_t end = g * len + grouped_len_of(q, g);
        book(value, q, r, g);
        for (int64_t i = g * len; i < end; i += GROUPED_PIECE) {
            int n = end - i < GROUPED_PIECE ? (int)(end - i) : GROUPED_PIECE;
            bits_unpack(codes, src + (size_t)(i / 8) * (size_t)bits, n, bits);
            for (int j = 0; j < n && !perm; j++)
                y[i + j] = value[codes[j]];
            for (int j = 0; j < n && perm; j++)
                y[rd_u32le(perm + 4 * (i + j))] = value[codes[j]];
        }
    }
}

void grouped_decode(float *dst, const struct qmat *q, int64_t r0, int64_t r1, grouped_book *book)
{
    const float *column = (const float *)q->plane[PLANE_COLUMN].p;
    for (int64_t r = r0; r < r1; r++, dst += q->k) {
        decode_row(dst, q, r, book);
        for (int64_t i = 0; i < q->k && column; i++)
            dst[i] /= column[i];
    }
}
