/* The KV cache in memory: shapes, rotation, and what is stored, in any format of kv.def. */
#include <math.h>
#include <string.h>
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
    int64_t rows = transposed ? (int64_t)d->n_head_kv * d->head_dim : (int64_t)d->n_head_kv * n_ctx;
    *out = (struct kv_side){.format = f,
                            .decode = kernel_decoder(c, isa),
                            .encode = f->encoder ? kernel_encoder(act_find(f->encoder), isa) : NULL,
                            .rotation = rotation_of(f, is_v, d->head_dim),
                            .transposed = transposed};
    if (!is_v && f->q) {
        out->q = act_find(f->q);
        out->encode_q = kernel_encoder(out->q, isa);
    }
    struct err why = {0};
    int rc = c->layout(&out->layer, rows, transposed ? n_ctx + V_PAD : d->head_dim, &f->par, &why);
    if (rc)
        return err_set(e, rc, "the KV format %s does not fit heads of %d values: %s", f->name, d->head_dim, why.text);
    return 0;
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

struct store {
    const struct kv_layer *kv;
    const float *k, *v;
    int pos0, n;
};

/* Head h of x[n][heads * head_dim] to [value][pos]. */
static void store_transposed(const struct store *s, const struct qmat *q, const float *x, int64_t h)
{
    enum { PIECE = 64 };
    const int64_t hd = s->kv->head_dim, d = s->kv->n_head_kv * hd;
    const size_t step = (size_t)q->codec->block_bytes;
    float piece[PIECE];
    for (int64_t i = h * hd; i < (h + 1) * hd; i++)
        for (int64_t t0 = 0, n; t0 < s->n; t0 += n) {
            n = s->n - t0 < PIECE ? s->n - t0 : PIECE;
            struct qmat row = {.codec = q->codec, .n = 1, .k = n, .n_seg = 1};
            row.plane[PLANE_CODE].p =
                q->plane[PLANE_CODE].p + (size_t)i * q->plane[PLANE_CODE].row_stride + (size_t)(s->pos0 + t0) * step;
            for (int64_t t = 0; t < n; t++)
                piece[t] = x[(t0 + t) * d + i];
            q->codec->encode(&row, 0, 1, piece, NULL, NULL, NULL);
        }
}

/* Head h to [pos][value]. */
static void store_rows(const struct store *s, const struct kv_side *side, const struct qmat *q, const float *x,
                       int64_t h)
{
    const int64_t hd = s->kv->head_dim, d = s->kv->n_head_kv * hd, r = h * s->kv->n_ctx + s->pos0;
    const struct wstat fixed = {.abs_max = side->format->range};
    struct qmat dst = *q;
    dst.seg = &dst.seg1;
    for (int64_t t = 0; t < s->n; t++) {
        const float *row = x + t * d + h * hd;
        if (side->encode) {
            side->encode(dst.plane[PLANE_CODE].p + (size_t)(r + t) * dst.plane[PLANE_CODE].row_stride, row, hd);
        } else {
            size_t mark = arena_mark(s->kv->arena);
            q->codec->encode(&dst, r + t, r + t + 1, row, &fixed, NULL, s->kv->arena);
            arena_reset(s->kv->arena, mark);
        }
    }
}

static void store_heads(void *arg, int64_t h0, int64_t h1, int i_thread)
{
    const struct store *s = arg;
    (void)i_thread;
    for (int64_t h = h0; h < h1; h++) {
        store_rows(s, s->kv->k_side, &s->kv->k, s->k, h);
        if (s->kv->v_side->transposed)
            store_transposed(s, &s->kv->v, s->v, h);
        else
            store_rows(s, s->kv->v_side, &s->kv->v, s->v, h);
    }
}

/* Encoders take finite values; what is not stays so in the token's own hidden state, where it is found. */
static void prepare(const struct kv_side *side, float *x, int64_t n)
{
    for (int64_t i = 0; i < n && !side->format->floats; i++)
        x[i] = isfinite(x[i]) ? x[i] : 0;
    if (side->rotation)
        hadamard_rotate(x, n, side->rotation);
}

void kv_store(struct pool *p, struct kv_layer *kv, float *k, float *v, int pos0, int n)
{
    const int64_t n_values = (int64_t)n * kv->n_head_kv * kv->head_dim;
    struct store s = {.kv = kv, .k = k, .v = v, .pos0 = pos0, .n = n};
    prepare(kv->k_side, k, n_values);
    prepare(kv->v_side, v, n_values);
    if (n == 1 || !kv->k_side->format->floats || !kv->v_side->format->floats) /* the arena is one thread's */
        store_heads(&s, 0, kv->n_head_kv, 0);
    else
        pool_for(p, kv->n_head_kv, 1, store_heads, &s);
}
