/* Shapes, bit streams and loops of the parametric codecs (group.h). */
#include "kernels/formats/group.h"
#include <string.h>
#include "kernels/formats/bitstream.h"
#include "kernels/formats/minifloat.h"

static const size_t number_bytes[] = {
    [NUMBER_F32] = 4, [NUMBER_F16] = 2, [NUMBER_BF16] = 2, [NUMBER_E8M0] = 1, [NUMBER_E4M3] = 1};

static float number_get(enum number_type t, const uint8_t *p)
{
    switch (t) {
    case NUMBER_F16:
        return f16_to_f32(rd_u16le(p));
    case NUMBER_BF16:
        return bf16_to_f32(rd_u16le(p));
    case NUMBER_E8M0:
        return e8m0_to_f32(*p);
    case NUMBER_E4M3:
        return e4m3_to_f32(*p);
    default:
        return f32_from_bits(rd_u32le(p));
    }
}

static void number_put(enum number_type t, uint8_t *p, float x)
{
    int exponent;
    switch (t) {
    case NUMBER_F16:
        wr_u16le(p, f32_to_f16(x));
        break;
    case NUMBER_BF16:
        wr_u16le(p, f32_to_bf16(x));
        break;
    case NUMBER_E8M0:
        frexpf(x, &exponent); /* a power of two: its exponent plus one */
        *p = (uint8_t)(exponent + 126);
        break;
    case NUMBER_E4M3:
        *p = f32_to_e4m3(x);
        break;
    default:
        wr_u32le(p, f32_bits(x));
    }
}

float number_round(enum number_type t, float x)
{
    uint8_t p[4];
    number_put(t, p, x);
    return number_get(t, p);
}

struct range range_of(const float *x, int64_t n)
{
    struct range r = {x[0], x[0]};
    for (int64_t i = 1; i < n; i++) {
        r.lo = x[i] < r.lo ? x[i] : r.lo;
        r.hi = x[i] > r.hi ? x[i] : r.hi;
    }
    return r;
}

struct range range_with_zero(const float *x, int64_t n)
{
    struct range r = range_of(x, n);
    return (struct range){r.lo > 0 ? 0 : r.lo, r.hi < 0 ? 0 : r.hi}; /* keeps the sign of a zero */
}

float range_absmax(const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

int group_measure(struct wstat *s, const struct qmat *q, const float *w, int64_t n_rows)
{
    struct range r = range_of(w, n_rows * q->k);
    s->lo = s->count == 0 || r.lo < s->lo ? r.lo : s->lo;
    s->hi = s->count == 0 || r.hi > s->hi ? r.hi : s->hi;
    s->abs_max = fmaxf(fabsf(s->lo), fabsf(s->hi));
    s->count += n_rows * q->k;
    return 0;
}

struct shape {
    int64_t len, n_groups, n_codes; /* of a row; n_codes with what pads it */
};

static struct shape shape_of(const struct group_rule *r, const struct qpar *p, int64_t k)
{
    int64_t len = p->group > 0 ? p->group : k, n = (k + len - 1) / len;
    return (struct shape){len, n, r->pads && p->group > 0 ? n * len : k};
}

static int check(const struct codec *c, const struct group_rule *r, int64_t n, int64_t k, const struct qpar *p,
                 struct err *e)
{
    if (n < 1 || k < 1 || k > INT32_MAX || n > INT64_MAX / 8 / k)
        return err_set(e, ERR_FORMAT, "a matrix of %lld x %lld weights has no %s form", (long long)n, (long long)k,
                       c->name);
    if (p->bits > 8 || !(r->bits >> p->bits & 1))
        return err_set(e, ERR_UNSUPPORTED, "%s has no codes of %d bits", c->name, p->bits);
    if (p->zero_type == ZERO_CODE && 8 % p->bits != 0)
        return err_set(e, ERR_UNSUPPORTED, "%s has no zero points of %d bits", c->name, p->bits);
    if (p->group > 0 && p->group % 8 != 0)
        return err_set(e, ERR_UNSUPPORTED, "%s has no groups of %d weights: give a multiple of 8", c->name,
                       (int)p->group);
    if (r->group_max && (p->group > 0 ? p->group : k) > r->group_max)
        return err_set(e, ERR_UNSUPPORTED, "%s takes groups of at most %lld weights", c->name, (long long)r->group_max);
    if (p->group > 0 && !r->pads && k % p->group != 0)
        return err_set(e, ERR_UNSUPPORTED, "%s groups %d weights, which do not divide rows of %lld", c->name,
                       (int)p->group, (long long)k);
    return 0;
}

static void set_plane(struct qmat *q, enum plane pl, size_t row_bytes, bool shared)
{
    q->plane[pl].row_stride = shared ? 0 : row_bytes;
    q->plane[pl].bytes = shared ? row_bytes : row_bytes * (size_t)q->n;
}

int group_layout(const struct codec *c, const struct group_rule *r, struct qmat *q, int64_t n, int64_t k,
                 const struct qpar *par, struct err *e)
{
    struct qpar p = par && par->bits ? *par : r->usual;
    memset(q, 0, sizeof *q);
    int rc = check(c, r, n, k, &p, e);
    if (rc)
        return rc;
    *q = (struct qmat){.codec = c, .n = n, .k = k, .n_seg = 1, .seg1 = {.k1 = (uint32_t)k, .q = p}};
    q->seg = &q->seg1;
    struct shape s = shape_of(r, &p, k);
    bool tensor = p.group < 0;
    if (r->tensor_scale && p.scale_type == NUMBER_E4M3)
        set_plane(q, PLANE_TENSOR, 4, true);
    set_plane(q, PLANE_CODE, (size_t)((s.n_codes * p.bits + 7) / 8), false);
    set_plane(q, PLANE_SCALE, (size_t)s.n_groups * number_bytes[p.scale_type], tensor);
    if (p.zero_type == ZERO_CODE)
        set_plane(q, r->zero_plane, (size_t)((s.n_groups * p.bits + 7) / 8), tensor);
    else if (p.zero_type == ZERO_FLOAT)
        set_plane(q, r->zero_plane, (size_t)s.n_groups * number_bytes[p.scale_type], tensor);
    return 0;
}

/* Zero points of a row as they were fitted; in whole bytes, what is left over means the middle of the codes. */
static void put_zeros(struct qmat *q, enum plane pl, int64_t row, const struct qpar *p, const struct grid *g,
                      int64_t n_groups, uint8_t *scratch)
{
    uint8_t *dst = q->plane[pl].p + (size_t)row * q->plane[pl].row_stride;
    if (p->zero_type == ZERO_FLOAT) {
        for (int64_t i = 0; i < n_groups; i++)
            number_put(p->scale_type, dst + (size_t)i * number_bytes[p->scale_type], g[i].zero);
        return;
    }
    int64_t n = (n_groups * p->bits + 7) / 8 * 8 / p->bits;
    for (int64_t i = 0; i < n; i++)
        scratch[i] = i < n_groups ? (uint8_t)g[i].zero : (uint8_t)(1 << (p->bits - 1));
    bits_pack(dst, scratch, n, p->bits);
}

struct scratch {
    uint8_t *code; /* [codes of a row + 8] */
    struct grid *grid;
    float *padded; /* [group] */
};

/* The group at w[at], followed by zeros where the row ends within it. */
static const float *whole_group(const struct group_rule *r, const struct qmat *q, const float *w, int64_t at,
                                int64_t *len, float *padded)
{
    int64_t left = q->k - at;
    if (left >= *len)
        return w + at;
    if (!r->pads) {
        *len = left;
        return w + at;
    }
    memcpy(padded, w + at, (size_t)left * sizeof *padded);
    memset(padded + left, 0, (size_t)(*len - left) * sizeof *padded);
    return padded;
}

static void encode_row(const struct group_rule *r, struct qmat *q, int64_t row, const float *w,
                       const struct wstat *stat, const struct scratch *scratch)
{
    uint8_t *code = scratch->code;
    struct grid *g = scratch->grid;
    const struct qpar *p = &q->seg->q;
    struct shape s = shape_of(r, p, q->k);
    for (int64_t i = 0; i < s.n_groups; i++) {
        int64_t at = i * s.len, len = s.len;
        const float *x = whole_group(r, q, w, at, &len, scratch->padded);
        r->fit(p, x, len, stat, code + at, &g[i]);
    }
    if (!r->pads_coded)
        memset(code + q->k, 0, (size_t)(s.n_codes - q->k));
    group_store_row(r, q, row, code, g);
}

void group_store_row(const struct group_rule *r, struct qmat *q, int64_t row, uint8_t *code, const struct grid *g)
{
    const struct qpar *p = &q->seg->q;
    struct shape s = shape_of(r, p, q->k);
    bits_pack(codec_row(q, row), code, s.n_codes, p->bits);
    if (p->group < 0 && row > 0)
        return; /* the first row has written what all share */
    uint8_t *scale = q->plane[PLANE_SCALE].p + (size_t)row * q->plane[PLANE_SCALE].row_stride;
    for (int64_t i = 0; i < s.n_groups; i++)
        number_put(p->scale_type, scale + (size_t)i * number_bytes[p->scale_type], g[i].scale);
    if (p->zero_type != ZERO_NONE)
        put_zeros(q, r->zero_plane, row, p, g, s.n_groups, code);
}

int group_encode(const struct group_rule *r, struct qmat *q, int64_t r0, int64_t r1, const float *w,
                 const struct wstat *stat, struct arena *a)
{
    struct shape s = shape_of(r, &q->seg->q, q->k);
    struct scratch scratch = {0};
    if (a) {
        scratch.code = arena_alloc_n(a, (size_t)s.n_codes + 8, 1);
        scratch.grid = arena_alloc_n(a, (size_t)s.n_groups, sizeof *scratch.grid);
        scratch.padded = arena_alloc_n(a, (size_t)s.len, sizeof *scratch.padded);
    }
    if (!scratch.code || !scratch.grid || !scratch.padded)
        return ERR_NOMEM;
    if ((q->seg->q.group < 0 || q->plane[PLANE_TENSOR].bytes) && !stat)
        return ERR_USAGE;
    if (q->plane[PLANE_TENSOR].bytes && r0 == 0)
        wr_u32le(q->plane[PLANE_TENSOR].p, f32_bits(r->tensor_scale(stat)));
    for (int64_t row = r0; row < r1; row++, w += q->k)
        encode_row(r, q, row, w, stat, &scratch);
    return 0;
}

static float zero_of(const struct qmat *q, const struct group_rule *r, const struct qpar *p, int64_t row, int64_t i)
{
    const uint8_t *z = q->plane[r->zero_plane].p + (size_t)row * q->plane[r->zero_plane].row_stride;
    if (p->zero_type == ZERO_FLOAT)
        return number_get(p->scale_type, z + (size_t)i * number_bytes[p->scale_type]);
    int64_t bit = i * p->bits; /* 2, 4 or 8 bits: never across bytes */
    return (float)(z[bit / 8] >> bit % 8 & ((1 << p->bits) - 1));
}

void group_values_unsigned(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    float zero = par->zero_type == ZERO_NONE ? (float)(1 << (par->bits - 1)) : g.zero;
    for (int i = 0; i < n; i++)
        y[i] = ((float)code[i] - zero) * g.scale;
}

void group_decode(const struct group_rule *r, float *dst, const struct qmat *q, int64_t r0, int64_t r1)
{
    const struct qpar *p = &q->seg->q;
    struct shape s = shape_of(r, p, q->k);
    uint8_t code[GROUP_RUN];
    bool scaled = q->plane[PLANE_TENSOR].bytes > 0;
    float factor = scaled ? f32_from_bits(rd_u32le(q->plane[PLANE_TENSOR].p)) : 1;
    for (int64_t row = r0; row < r1; row++, dst += q->k) {
        const uint8_t *src = codec_row(q, row);
        const uint8_t *scale = q->plane[PLANE_SCALE].p + (size_t)row * q->plane[PLANE_SCALE].row_stride;
        for (int64_t i = 0; i < s.n_groups; i++) {
            struct grid g = {number_get(p->scale_type, scale + (size_t)i * number_bytes[p->scale_type]), 0};
            if (scaled)
                g.scale = number_round(NUMBER_F16, g.scale * factor);
            if (p->zero_type != ZERO_NONE)
                g.zero = zero_of(q, r, p, row, i);
            int64_t end = (i + 1) * s.len < q->k ? (i + 1) * s.len : q->k;
            for (int64_t at = i * s.len; at < end; at += GROUP_RUN) {
                int n = end - at < GROUP_RUN ? (int)(end - at) : GROUP_RUN;
                bits_unpack(code, src + at * p->bits / 8, n, p->bits);
                r->values(p, dst + at, code, n, g);
            }
        }
    }
}
