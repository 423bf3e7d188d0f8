/* The KV cache in memory: shapes, rotation, and what is stored, in any format of kv.def. */
#include <limits.h>
#include <math.h>
#include <string.h>
#include "base/half.h"
#include "bench/engine/ops.h"

enum { V_PAD = 32 };    /* keeps rows of V^T from falling on the same cache sets */
enum { ROTATION = 64 }; /* heads of a multiple of this are rotated */

/* llama.cpp: K by the largest power of two times 64 that divides a head, V by 64. */
static int rotation_of(const struct kv_format *f, bool is_v, int head_dim)
{
    int size = ROTATION;
    if (!f->rotated || head_dim % ROTATION)
        return 0;
    while (!is_v && head_dim % (2 * size) == 0)
        size *= 2;
    return size;
}

int kv_side_init(struct kv_side *out, const struct kv_format *f, bool is_v, const struct model_desc *d, int n_ctx,
                 uint64_t isa, struct err *e)
{
    f = f ? f : &kv_formats[KV_ID_F16];
    const struct codec *c = codec_find(f->codec);
    const bool transposed = is_v && f->floats;
    const char *encoder = f->floats ? f->codec : f->encoder; /* floats: the activation rule has their name */
    *out = (struct kv_side){.format = f,
                            .decode = kernel_decoder(c, isa),
                            .encode = encoder ? kernel_encoder(act_find(encoder), isa) : NULL,
                            .rotation = rotation_of(f, is_v, d->head_dim),
                            .transposed = transposed};
    if (!is_v && f->q) {
        out->q = act_find(f->q);
        out->encode_q = kernel_encoder(out->q, isa);
    }
    int64_t rows = (int64_t)d->n_head_kv * (transposed ? d->head_dim : n_ctx),
            k = transposed ? n_ctx + V_PAD : d->head_dim;
    if (f->positions) {
        out->n_groups = (n_ctx + f->positions - 1) / f->positions;
        rows = d->n_head_kv * out->n_groups * d->head_dim;
        k = f->positions;
    }
    if (f->exact)
        out->recent_bytes =
            sizeof(struct kv_recent) + (size_t)d->n_head_kv * (size_t)f->exact * (size_t)d->head_dim * sizeof(float);
    struct err why = {0};
    int rc = c->layout(&out->layer, rows, k, &f->par, &why);
    if (rc)
        return err_set(e, rc, "the KV format %s does not fit heads of %d values: %s", f->name, d->head_dim, why.text);
    return 0;
}

static size_t recent_at(const struct kv_side *side)
{
    return (qmat_bytes(&side->layer) + 63) / 64 * 64;
}

size_t kv_side_bytes(const struct kv_side *side)
{
    return side->recent_bytes ? (recent_at(side) + side->recent_bytes + 63) / 64 * 64 : qmat_bytes(&side->layer);
}

void kv_part_init(struct kv_part *out, const struct kv_side *side, void *at, const float *scale)
{
    uint8_t *p = at;
    *out = (struct kv_part){.side = side, .scale = scale};
    qmat_share(&out->data, &side->layer);
    for (int i = 0; i < N_PLANES; p += out->data.plane[i++].bytes)
        out->data.plane[i].p = out->data.plane[i].bytes ? p : NULL;
    if (side->recent_bytes)
        out->recent = (struct kv_recent *)(void *)((uint8_t *)at + recent_at(side));
}

void hadamard_rotate(float *x, int64_t n, int size)
{
    const float scale = 1.0f / sqrtf((float)size);
    for (float *end = x + n; x < end; x += size) {
        for (int h = 1; h < size; h *= 2)
            for (int i = 0; i < size; i += 2 * h)
                for (int j = i; j < i + h; j++) {
                    float a = x[j], b = x[j + h];
                    x[j] = a + b;
                    x[j + h] = a - b;
                }
        for (int i = 0; i < size; i++)
            x[i] *= scale;
    }
}

/* ---- storing ---- */

struct store {
    const struct kv_layer *kv;
    const float *k, *v;
    int pos0, n;
};

/* Head h of x[n][heads * head_dim] to [value][pos], in tiles: rows of x are read, rows of the cache written. */
static void store_transposed(const struct store *s, const struct kv_part *p, const float *x, int64_t h)
{
    enum { TILE = 64 };
    const int64_t hd = s->kv->head_dim, d = s->kv->n_head_kv * hd;
    const size_t stride = p->data.plane[PLANE_CODE].row_stride, step = (size_t)p->data.codec->block_bytes;
    float tile[TILE][TILE];
    for (int64_t t0 = 0, n; t0 < s->n; t0 += n) {
        n = s->n - t0 < TILE ? s->n - t0 : TILE;
        for (int64_t i0 = h * hd, m; i0 < (h + 1) * hd; i0 += m) {
            m = (h + 1) * hd - i0 < TILE ? (h + 1) * hd - i0 : TILE;
            for (int64_t t = 0; t < n; t++)
                for (int64_t i = 0; i < m; i++)
                    tile[i][t] = x[(t0 + t) * d + i0 + i];
            for (int64_t i = 0; i < m; i++)
                p->side->encode(p->data.plane[PLANE_CODE].p + (size_t)(i0 + i) * stride + (size_t)(s->pos0 + t0) * step,
                                tile[i], n);
        }
    }
}

static void encode_rows(const struct kv_layer *kv, const struct kv_part *p, int64_t r, int64_t n, const float *x)
{
    const struct wstat fixed = {.abs_max = p->side->format->range};
    struct qmat dst = p->data;
    dst.seg = &dst.seg1;
    if (p->side->encode) {
        for (int64_t i = 0; i < n; i++)
            p->side->encode(dst.plane[PLANE_CODE].p + (size_t)(r + i) * dst.plane[PLANE_CODE].row_stride, x + i * dst.k,
                            dst.k);
        return;
    }
    size_t mark = arena_mark(kv->arena);
    dst.codec->encode(&dst, r, r + n, x, &fixed, NULL, kv->arena);
    arena_reset(kv->arena, mark);
}

/* By channel: positions [pos, pos + n) of rows x[n] with stride ld join the group that holds those before them, whose
 * values are what their codes say: so the runtimes grow a group. The room after them repeats the last, which moves no
 * range. */
static void encode_groups(const struct kv_layer *kv, const struct kv_part *p, int64_t h, int64_t pos, int64_t n,
                          const float *x, int64_t ld)
{
    const int64_t len = p->side->format->positions, hd = kv->head_dim, end = pos + n;
    size_t mark = arena_mark(kv->arena);
    float *group = arena_alloc_n(kv->arena, (size_t)(hd * len), sizeof *group);
    for (int64_t g = pos / len; group && g * len < end; g++) {
        const int64_t row = (h * p->side->n_groups + g) * hd, from = pos > g * len ? pos - g * len : 0;
        if (from)
            p->side->decode(group, &p->data, row, row + hd);
        for (int64_t i = 0; i < hd; i++)
            for (int64_t t = from; t < len; t++) {
                int64_t at = g * len + t < end ? g * len + t : end - 1;
                group[i * len + t] = x[(at - pos) * ld + i];
            }
        encode_rows(kv, p, row, hd, group);
    }
    arena_reset(kv->arena, mark);
}

static void encode_positions(const struct kv_layer *kv, const struct kv_part *p, int64_t h, int64_t pos, int64_t n,
                             const float *x, int64_t ld)
{
    if (p->side->format->positions)
        encode_groups(kv, p, h, pos, n, x, ld);
    else
        for (int64_t t = 0; t < n; t++)
            encode_rows(kv, p, h * kv->n_ctx + pos + t, 1, x + t * ld);
}

float *kv_recent_rows(const struct kv_layer *kv, const struct kv_part *p, int64_t h, int64_t pos)
{
    const int64_t exact = p->side->format->exact;
    return p->recent->x + (h * exact + pos % exact) * kv->head_dim;
}

/* All heads of a window as one matrix, from x[head][n][head_dim], where the codec asks for that. */
static void encode_heads(struct pool *pool, const struct kv_layer *kv, const struct kv_part *p, int64_t pos, int64_t n,
                         const float *x)
{
    struct qmat all;
    size_t mark = arena_mark(kv->arena);
    bool ok = !p->data.codec->layout(&all, kv->n_head_kv * n, kv->head_dim, &p->side->format->par, NULL);
    for (int i = 0; i < N_PLANES && ok; i++)
        if (all.plane[i].bytes)
            ok = (all.plane[i].p = arena_alloc(kv->arena, all.plane[i].bytes)) != NULL;
    if (ok && !all.codec->encode_all(&all, x, pool, kv->arena))
        for (int i = 0; i < N_PLANES; i++)
            for (int64_t h = 0; h < kv->n_head_kv && all.plane[i].p; h++) {
                const size_t row = all.plane[i].row_stride, bytes = (size_t)n * row;
                memcpy(p->data.plane[i].p + (size_t)(h * kv->n_ctx + pos) * row, all.plane[i].p + (size_t)h * bytes,
                       bytes);
            }
    arena_reset(kv->arena, mark);
}

/* A full window is encoded when the next one begins: until then its own queries see it exactly. After a rewind into an
 * earlier window that one comes back as it was encoded. */
static void open_window(struct pool *pool, const struct kv_layer *kv, struct kv_part *p, int pos0)
{
    const int64_t exact = p->side->format->exact, window = pos0 / exact, first = window * exact, hd = kv->head_dim;
    struct kv_recent *r = p->recent;
    size_t mark = arena_mark(kv->arena);
    float *scratch = arena_alloc_n(kv->arena, (size_t)(exact * hd), sizeof *scratch);
    const bool full = r->window == window - 1 && pos0 == first, whole = p->data.codec->encode_all != NULL;
    if (full && whole)
        encode_heads(pool, kv, p, first - exact, exact, r->x);
    for (int64_t h = 0; h < kv->n_head_kv && scratch; h++) {
        if (full && !whole)
            encode_positions(kv, p, h, first - exact, exact, kv_recent_rows(kv, p, h, first), hd);
        else if (r->window != window && pos0 > first)
            kv_load_rows(kv_recent_rows(kv, p, h, first), kv, &(struct kv_part){.side = p->side, .data = p->data},
                         (int)h, (int)first, (int)(pos0 - first), scratch);
    }
    r->window = window;
    arena_reset(kv->arena, mark);
}

static void store_part(const struct store *s, const struct kv_part *p, const float *x, int64_t h)
{
    const int64_t hd = s->kv->head_dim, d = s->kv->n_head_kv * hd;
    if (p->side->transposed) {
        store_transposed(s, p, x, h);
    } else if (p->recent) {
        float *dst = kv_recent_rows(s->kv, p, h, s->pos0);
        for (int64_t t = 0; t < s->n; t++)
            for (int64_t i = 0; i < hd; i++)
                dst[t * hd + i] = f16_round(x[t * d + h * hd + i]);
    } else {
        encode_positions(s->kv, p, h, s->pos0, s->n, x + h * hd, d);
    }
}

static void store_heads(void *arg, int64_t h0, int64_t h1, int i_thread)
{
    const struct store *s = arg;
    (void)i_thread;
    for (int64_t h = h0; h < h1; h++) {
        store_part(s, &s->kv->k, s->k, h);
        store_part(s, &s->kv->v, s->v, h);
    }
}

/* Encoders take finite values; what is not stays so in the token's own hidden state, where it is found. */
static void prepare(const struct kv_layer *kv, const struct kv_part *p, float *x, int64_t n)
{
    const int64_t d = (int64_t)kv->n_head_kv * kv->head_dim;
    for (int64_t i = 0; i < n * d && !p->side->format->floats; i++)
        x[i] = isfinite(x[i]) ? x[i] : 0;
    if (p->side->rotation)
        hadamard_rotate(x, n * d, p->side->rotation);
    for (int64_t i = 0; i < d && p->scale; i++) {
        const float inverse = 1.0f / p->scale[i];
        for (int64_t t = 0; t < n; t++)
            x[t * d + i] *= inverse;
    }
}

void kv_store(struct pool *p, struct kv_layer *kv, float *k, float *v, int pos0, int n)
{
    struct store s = {.kv = kv, .k = k, .v = v, .pos0 = pos0, .n = n};
    prepare(kv, &kv->k, k, n);
    prepare(kv, &kv->v, v, n);
    if (kv->k.recent)
        open_window(p, kv, &kv->k, pos0);
    if (kv->v.recent)
        open_window(p, kv, &kv->v, pos0);
    if (n == 1 || !kv->k.side->format->floats || !kv->v.side->format->floats) /* the arena is one thread's */
        store_heads(&s, 0, kv->n_head_kv, 0);
    else
        pool_for(p, kv->n_head_kv, 1, store_heads, &s);
}

/* ---- reading ---- */

int kv_piece(const struct kv_side *k, const struct kv_side *v, int pos0, int n)
{
    const int exact[] = {k->format->exact, v->format->exact};
    for (int i = 0; i < 2; i++)
        if (exact[i] && n > exact[i] - pos0 % exact[i])
            n = exact[i] - pos0 % exact[i];
    return n;
}

int kv_exact_from(const struct kv_part *p, int last)
{
    return p->recent ? last - last % p->side->format->exact : INT_MAX;
}

/* Whole groups, turned. */
static void load_groups(float *dst, const struct kv_layer *kv, const struct kv_part *p, int h, int pos, int n,
                        float *scratch)
{
    const int64_t len = p->side->format->positions, hd = kv->head_dim;
    for (int64_t g = pos / len; g * len < pos + n; g++, dst += len * hd) {
        const int64_t row = (h * p->side->n_groups + g) * hd;
        p->side->decode(scratch, &p->data, row, row + hd);
        for (int64_t i = 0; i < hd; i++)
            for (int64_t t = 0; t < len; t++)
                dst[t * hd + i] = scratch[i * len + t];
    }
}

void kv_load_rows(float *dst, const struct kv_layer *kv, const struct kv_part *p, int h, int pos, int n, float *scratch)
{
    const int64_t hd = kv->head_dim, row = h * kv->n_ctx + pos;
    if (p->side->format->positions)
        load_groups(dst, kv, p, h, pos, n, scratch);
    else
        p->side->decode(dst, &p->data, row, row + n);
    for (int64_t t = 0; t < n && p->scale; t++)
        for (int64_t i = 0; i < hd; i++)
            dst[t * hd + i] *= p->scale[h * hd + i];
}
