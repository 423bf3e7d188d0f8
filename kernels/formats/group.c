/* Shapes, bit streams and loops of the parametric codecs (group.h). */
#include "kernels/formats/group.h"
#include <string.h>
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

static struct shape shape_of(enum group_end end, const struct qpar *p, int64_t k)
{
    int64_t len = p->group > 0 ? p->group : k, n = (k + len - 1) / len;
    return (struct shape){len, n, end >= GROUP_PADDED ? n * len : k};
}

static int check_groups(const struct codec *c, int64_t k, int32_t group, enum group_end end, struct err *e)
{
    if (group % 8 != 0)
        return err_set(e, ERR_UNSUPPORTED, "%s has no groups of %d weights: give a multiple of 8", c->name, (int)group);
    if (end == GROUP_CUT && k % 32 != 0)
        return err_set(
            e, ERR_UNSUPPORTED,
            "%s takes rows of a multiple of 32 weights, which %lld is not: choose another format for this tensor",
            c->name, (long long)k);
    if (end == GROUP_DIVIDES && k % group != 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s groups %d weights, which do not divide rows of %lld: choose a smaller group or another "
                       "format for this tensor",
                       c->name, (int)group, (long long)k);
    return 0;
}

static void set_plane(struct qmat *q, enum plane pl, size_t row_bytes)
{
    q->plane[pl].row_stride = row_bytes;
    q->plane[pl].bytes = row_bytes * (size_t)q->n;
}

void group_share_plane(struct qmat *q, enum plane p, size_t bytes)
{
    q->plane[p].row_stride = 0;
    q->plane[p].bytes = bytes;
}

int group_start(const struct codec *c, struct qmat *q, int64_t n, int64_t k, struct qpar par, size_t scale_bytes,
                enum group_end end, struct err *e)
{
    memset(q, 0, sizeof *q);
    if (n < 1 || k < 1)
        return err_set(e, ERR_FORMAT, "a matrix of %lld x %lld weights has no %s form: both sizes must be positive",
                       (long long)n, (long long)k, c->name);
    if (k > INT32_MAX || n > INT64_MAX / 8 / k)
        return err_set(e, ERR_LIMIT,
                       "a matrix of %lld x %lld weights has no %s form: it is beyond what this program can address",
                       (long long)n, (long long)k, c->name);
    if (par.bits < 1 || par.bits > 8)
        return err_set(e, ERR_USAGE, "%s with %d bits: codes have 1 to 8", c->name, par.bits);
    int rc = par.group > 0 ? check_groups(c, k, par.group, end, e) : 0;
    if (rc)
        return rc;
    struct shape s = shape_of(end, &par, k);
    *q = (struct qmat){.codec = c, .n = n, .k = k, .n_seg = 1, .seg1 = {.k1 = (uint32_t)k, .q = par}};
    q->seg = &q->seg1;
    set_plane(q, PLANE_CODE, bits_bytes(s.n_codes, par.bits));
    set_plane(q, PLANE_SCALE, (size_t)s.n_groups * scale_bytes);
    return 0;
}

static struct qpar parameters(const struct group_rule *r, const struct qpar *par)
{
    if (!par || (!par->bits && !r->one_type))
        return r->usual;
    struct qpar p = *par;
    if (r->one_type) {
        p.bits = p.bits ? p.bits : r->usual.bits;
        p.scale_type = r->usual.scale_type;
        p.zero_type = r->usual.zero_type;
    }
    return p;
}

static int check(const struct codec *c, const struct group_rule *r, int64_t k, const struct qpar *p, struct err *e)
{
    unsigned zero_bits = r->zero_bits ? r->zero_bits : 1 << 2 | 1 << 4 | 1 << 8;
    if (p->group < 0 && !r->per_tensor)
        return err_set(e, ERR_USAGE, "%s has scales for the weights of one row, not one per tensor", c->name);
    if (p->group > 0 && r->rows_only)
        return err_set(e, ERR_USAGE, "%s has one scale per row%s, not per %d weights", c->name,
                       r->per_tensor ? " (group 0) or per tensor (group -1)" : "", (int)p->group);
    if (p->bits > 8 || !(r->bits >> p->bits & 1))
        return err_set(e, ERR_UNSUPPORTED, "%s has no codes of %d bits", c->name, p->bits);
    if (p->zero_type != ZERO_NONE && !r->zero_plane)
        return err_set(e, ERR_UNSUPPORTED, "%s has no zero points", c->name);
    if (p->zero_type == ZERO_CODE && !(zero_bits >> p->bits & 1))
        return err_set(e, ERR_UNSUPPORTED, "%s has no zero points of %d bits", c->name, p->bits);
    if (r->group_max && (p->group > 0 ? p->group : k) > r->group_max)
        return err_set(e, ERR_UNSUPPORTED, "%s takes groups of at most %lld weights", c->name, (long long)r->group_max);
    return 0;
}

int group_layout(const struct codec *c, const struct group_rule *r, struct qmat *q, int64_t n, int64_t k,
                 const struct qpar *par, struct err *e)
{
    struct qpar p = parameters(r, par);
    int rc = check(c, r, k, &p, e);
    if (!rc)
        rc = group_start(c, q, n, k, p, number_bytes[p.scale_type], r->end, e);
    if (rc)
        return rc;
    int64_t n_groups = shape_of(r->end, &p, k).n_groups;
    if (r->tensor_scale && p.scale_type == NUMBER_E4M3)
        group_share_plane(q, PLANE_TENSOR, 4);
    if (p.zero_type == ZERO_CODE)
        set_plane(q, r->zero_plane, bits_bytes(n_groups, p.bits));
    else if (p.zero_type == ZERO_FLOAT)
        set_plane(q, r->zero_plane, (size_t)n_groups * number_bytes[p.scale_type]);
    if (p.group < 0) {
        group_share_plane(q, PLANE_SCALE, q->plane[PLANE_SCALE].row_stride);
        if (r->zero_plane)
            group_share_plane(q, r->zero_plane, q->plane[r->zero_plane].row_stride);
    }
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

static void encode_row(const struct group_rule *r, struct qmat *q, int64_t row, const float *w,
                       const struct wstat *stat, const struct scratch *scratch)
{
    const struct qpar *p = &q->seg->q;
    struct shape s = shape_of(r->end, p, q->k);
    for (int64_t i = 0; i < s.n_groups; i++) {
        int64_t at = i * s.len, len = group_size_of(q, i);
        const float *x = w + at;
        if (len < s.len && r->end >= GROUP_PADDED) {
            x = memcpy(scratch->padded, x, (size_t)len * sizeof *x);
            memset(scratch->padded + len, 0, (size_t)(s.len - len) * sizeof *x);
            len = s.len;
        }
        r->fit(p, x, len, stat, scratch->code + at, &scratch->grid[i]);
    }
    if (r->end == GROUP_PADDED)
        memset(scratch->code + q->k, 0, (size_t)(s.n_codes - q->k));
    group_store_row(r, q, row, scratch->code, scratch->grid);
}

void group_store_row(const struct group_rule *r, struct qmat *q, int64_t row, uint8_t *code, const struct grid *g)
{
    const struct qpar *p = &q->seg->q;
    struct shape s = shape_of(r->end, p, q->k);
    bits_pack(codec_row(q, row), code, (int)s.n_codes, p->bits);
    if (p->group < 0 && row > 0)
        return; /* the first row has written what all share */
    for (int64_t i = 0; i < s.n_groups; i++)
        number_put(p->scale_type, group_scales(q, row) + (size_t)i * number_bytes[p->scale_type], g[i].scale);
    if (p->zero_type != ZERO_NONE)
        put_zeros(q, r->zero_plane, row, p, g, s.n_groups, code);
}

int group_encode(const struct group_rule *r, struct qmat *q, int64_t r0, int64_t r1, const float *w,
                 const struct wstat *stat, struct arena *a)
{
    struct shape s = shape_of(r->end, &q->seg->q, q->k);
    struct scratch scratch = {0};
    if ((q->seg->q.group < 0 || q->plane[PLANE_TENSOR].bytes) && !stat)
        return ERR_USAGE;
    size_t mark = a ? arena_mark(a) : 0;
    if (a) {
        scratch.code = arena_alloc_n(a, (size_t)s.n_codes + 8, 1);
        scratch.grid = arena_alloc_n(a, (size_t)s.n_groups, sizeof *scratch.grid);
        scratch.padded = arena_alloc_n(a, (size_t)s.len, sizeof *scratch.padded);
    }
    if (!scratch.code || !scratch.grid || !scratch.padded)
        return ERR_NOMEM;
    if (q->plane[PLANE_TENSOR].bytes && r0 == 0)
        wr_u32le(q->plane[PLANE_TENSOR].p, f32_bits(r->tensor_scale(stat)));
    for (int64_t row = r0; row < r1; row++, w += q->k)
        encode_row(r, q, row, w, stat, &scratch);
    arena_reset(a, mark);
    return 0;
}

int group_encode_rows(group_rows *encode_rows, struct qmat *q, int64_t r0, int64_t r1, int64_t n, const float *w,
                      struct pool *pool, struct arena *a)
{
    if (!a)
        return ERR_NOMEM;
    for (int64_t r = r0; r < r1; r += n, w += n * q->k) {
        size_t mark = arena_mark(a);
        int rc = encode_rows(q, r, n, w, pool, a);
        arena_reset(a, mark);
        if (rc)
            return rc;
    }
    return 0;
}

void group_values_unsigned(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    float zero = par->zero_type == ZERO_NONE ? (float)(1 << (par->bits - 1)) : g.zero;
    for (int i = 0; i < n; i++)
        y[i] = ((float)code[i] - zero) * g.scale;
}

void group_values_f16(const struct qpar *par, float *y, const uint8_t *code, int n, struct grid g)
{
    (void)par;
    for (int i = 0; i < n; i++)
        y[i] = f16_round(((float)code[i] - g.zero) * g.scale);
}

static struct grid grid_at(const struct group_rule *r, const struct qmat *q, int64_t row, int64_t i)
{
    const struct qpar *p = &q->seg->q;
    size_t at = (size_t)i * number_bytes[p->scale_type];
    struct grid g = {number_get(p->scale_type, group_scales(q, row) + at), 0};
    if (q->plane[PLANE_TENSOR].bytes)
        g.scale = number_round(NUMBER_F16, g.scale * f32_from_bits(rd_u32le(q->plane[PLANE_TENSOR].p)));
    if (p->zero_type == ZERO_NONE)
        return g;
    const uint8_t *z = q->plane[r->zero_plane].p + (size_t)row * q->plane[r->zero_plane].row_stride;
    g.zero = p->zero_type == ZERO_FLOAT ? number_get(p->scale_type, z + at) : (float)bits_get(z, i, p->bits);
    return g;
}

static void values_of(const struct group_rule *r, const struct qpar *p, float *y, const uint8_t *code, int n,
                      struct grid g)
{
    uint8_t all[GROUP_RUN / 2];
    float value[GROUP_RUN / 2];
    const int n_codes = 1 << p->bits;
    if (!r->look_up || 2 * n_codes > n) {
        r->values(p, y, code, n, g);
        return;
    }
    for (int c = 0; c < n_codes; c++)
        all[c] = (uint8_t)c;
    r->values(p, value, all, n_codes, g);
    for (int i = 0; i < n; i++)
        y[i] = value[code[i]];
}

static void decode_row(const struct group_rule *r, float *dst, const struct qmat *q, int64_t row)
{
    const struct qpar *p = &q->seg->q;
    const uint8_t *src = codec_row(q, row), *perm = q->plane[PLANE_PERM].p;
    const int64_t len = group_size(q);
    uint8_t code[GROUP_RUN];
    float y[GROUP_RUN];
    for (int64_t i = 0; i * len < q->k; i++) {
        struct grid g = grid_at(r, q, row, i);
        const int64_t end = i * len + group_size_of(q, i);
        for (int64_t at = i * len; at < end; at += GROUP_RUN) {
            int n = end - at < GROUP_RUN ? (int)(end - at) : GROUP_RUN;
            bits_unpack(code, src + at * p->bits / 8, n, p->bits);
            values_of(r, p, perm ? y : dst + at, code, n, g);
            for (int j = 0; j < n && perm; j++)
                dst[rd_u32le(perm + 4 * (at + j))] = y[j];
        }
    }
}

void group_decode(const struct group_rule *r, float *dst, const struct qmat *q, int64_t r0, int64_t r1)
{
    const float *column = (const float *)q->plane[PLANE_COLUMN].p;
    for (int64_t row = r0; row < r1; row++, dst += q->k) {
        decode_row(r, dst, q, row);
        for (int64_t i = 0; i < q->k && column; i++)
            dst[i] /= column[i];
    }
}
