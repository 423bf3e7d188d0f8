/* Blocks, tables and scales of scales of the two 4-bit formats of bitsandbytes (bnb_4bit.h). */
#include "kernels/formats/bnb_4bit.h"
#include <pthread.h>
#include <string.h>
#include "base/pool.h"

int bnb_4bit_layout(const struct codec *c, struct qmat *q, int64_t n, int64_t k, const struct qpar *par, struct err *e)
{
    struct qpar p = par ? *par : (struct qpar){.group = 64};
    if (p.group <= 0)
        return err_set(e, ERR_USAGE, "%s has blocks of 32 to 4096 weights, not one scale per row or tensor", c->name);
    p.bits = 4;
    bool nested = p.scale_type == BNB_NESTED;
    int rc = group_start(c, q, n, k, p, nested ? 1 : 4, GROUP_DIVIDES, e);
    if (rc == 0 && nested) {
        int64_t blocks = n * (k / p.group);
        group_share_plane(q, PLANE_BIAS, 4 * (size_t)((blocks + BNB_NESTED_BLOCK - 1) / BNB_NESTED_BLOCK));
        group_share_plane(q, PLANE_TENSOR, 4);
    }
    return rc;
}

/* Border j of n equal steps from 0.1 to 1, counted from the nearer end with one rounding (as torch.linspace does). */
static float border(int j, int n)
{
    float step = (1 - 0.1f) / (float)n;
    return j < (n + 1) / 2 ? fmaf(step, (float)j, 0.1f) : fmaf(-step, (float)(n - j), 1);
}

/* The 8-bit dynamic map: seven decades with 1, 2, ... 64 means of neighbouring borders, both signs, 0 and 1, rising. */
static void dynamic_map(float map[256])
{
    int n = 0;
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 1 << i; j++, n++) {
            float v = (float)pow(10, i - 6) * ((border(j, 1 << i) + border(j + 1, 1 << i)) / 2);
            map[128 + n] = v;
            map[126 - n] = -v;
        }
    map[127] = 0;
    map[255] = 1;
}

static float made_map[256];
static void make_map(void)
{
    dynamic_map(made_map);
}

const float *bnb_4bit_map(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_map);
    return made_map;
}

/* Number of midpoints strictly below x: a value on a midpoint takes the lower code. */
static int nearest(const float *sorted, int n, float x)
{
    int lo = 0, hi = n - 1;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if ((sorted[mid] + sorted[mid + 1]) / 2 < x)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

enum { RUN = 8 }; /* divides every block */

static float inverse(float abs_max)
{
    return 1 / (abs_max < 1e-38f ? 1e-38f : abs_max);
}

/* nearest() for a whole run, without branches: all 15 midpoints are compared. */
static void encode_block(const struct bnb_4bit *t, uint8_t *dst, const float *w, int64_t n, float abs_max)
{
    float inv = inverse(abs_max), mid[15];
    for (int j = 0; j < 15; j++)
        mid[j] = (t->sorted[j] + t->sorted[j + 1]) / 2;
    for (int64_t i = 0; i < n; i += RUN) {
        int32_t above[RUN];
        for (int c = 0; c < RUN; c++) {
            float x = clampf(w[i + c] * inv, -1, 1);
            int32_t count = 0;
            for (int j = 0; j < 15; j++)
                count += mid[j] < x;
            above[c] = count;
        }
        for (int c = 0; c < RUN; c += 2)
            dst[(i + c) / 2] = (uint8_t)(t->code[above[c]] << 4 | t->code[above[c + 1]]);
    }
}

int bnb_4bit_encode(const struct bnb_4bit *t, struct qmat *q, int64_t r0, int64_t r1, const float *w)
{
    int64_t len = group_size(q);
    if (q->seg->q.scale_type == BNB_NESTED)
        return ERR_USAGE; /* scales of scales need the whole matrix: encode_all */
    for (int64_t r = r0; r < r1; r++)
        for (int64_t g = 0; g * len < q->k; g++, w += len) {
            float m = range_absmax(w, len);
            wr_u32le(group_scales(q, r) + 4 * g, f32_bits(m));
            encode_block(t, codec_row(q, r) + g * len / 2, w, len, m);
        }
    return 0;
}

static void nest(struct qmat *q, float *m, int64_t n)
{
    const float *map = bnb_4bit_map();
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)m[i];
    float mean = (float)(sum / (double)n);
    wr_u32le(q->plane[PLANE_TENSOR].p, f32_bits(mean));
    for (int64_t b = 0; b * BNB_NESTED_BLOCK < n; b++) {
        int64_t i0 = b * BNB_NESTED_BLOCK, i1 = i0 + BNB_NESTED_BLOCK < n ? i0 + BNB_NESTED_BLOCK : n;
        for (int64_t i = i0; i < i1; i++)
            m[i] -= mean;
        float most = range_absmax(m + i0, i1 - i0), inv = inverse(most);
        wr_u32le(q->plane[PLANE_BIAS].p + 4 * b, f32_bits(most));
        for (int64_t i = i0; i < i1; i++)
            q->plane[PLANE_SCALE].p[i] = (uint8_t)nearest(map, 256, clampf(m[i] * inv, -1, 1));
    }
}

struct job {
    const struct bnb_4bit *t;
    struct qmat *q;
    const float *w;
    float *m; /* [blocks] largest magnitudes; NULL: each is stored as it is */
};

static void encode_rows(void *arg, int64_t r0, int64_t r1, int i_thread)
{
    const struct job *j = arg;
    const int64_t len = group_size(j->q), per_row = j->q->k / len;
    (void)i_thread;
    if (!j->m)
        bnb_4bit_encode(j->t, j->q, r0, r1, j->w + r0 * j->q->k);
    for (int64_t i = r0 * per_row; i < r1 * per_row && j->m; i++) {
        const float *w = j->w + i * len;
        j->m[i] = range_absmax(w, len);
        encode_block(j->t, j->q->plane[PLANE_CODE].p + i * len / 2, w, len, j->m[i]);
    }
}

int bnb_4bit_encode_all(const struct bnb_4bit *t, struct qmat *q, const float *w, struct pool *pool, struct arena *a)
{
    int64_t n = q->n * (q->k / group_size(q));
    bool nested = q->seg->q.scale_type == BNB_NESTED;
    size_t mark = arena_mark(a);
    struct job j = {t, q, w, nested ? arena_alloc_n(a, (size_t)n, sizeof(float)) : NULL};
    if (nested && !j.m)
        return ERR_NOMEM;
    pool_for(pool, q->n, 16, encode_rows, &j);
    if (nested)
        nest(q, j.m, n);
    arena_reset(a, mark);
    return 0;
}

void bnb_4bit_decode(const struct bnb_4bit *t, float *dst, const struct qmat *q, int64_t r0, int64_t r1)
{
    int64_t len = group_size(q), per_row = q->k / len;
    bool nested = q->seg->q.scale_type == BNB_NESTED;
    const float *map = bnb_4bit_map();
    float book[16];
    for (int i = 0; i < 16; i++)
        book[t->code[i]] = t->sorted[i];
    float mean = nested ? f32_from_bits(rd_u32le(q->plane[PLANE_TENSOR].p)) : 0;
    for (int64_t i = r0 * per_row; i < r1 * per_row; i++, dst += len) {
        const uint8_t *src = q->plane[PLANE_CODE].p + i * len / 2, *scale = q->plane[PLANE_SCALE].p;
        float m =
            nested ? map[scale[i]] * f32_from_bits(rd_u32le(q->plane[PLANE_BIAS].p + 4 * (i / BNB_NESTED_BLOCK))) + mean
                   : f32_from_bits(rd_u32le(scale + 4 * i));
        float value[16];
        for (int c = 0; c < 16; c++)
            value[c] = f16_round(book[c] * m);
        for (int64_t j = 0; j < len / 2; j++) {
            dst[2 * j] = value[src[j] >> 4];
            dst[2 * j + 1] = value[src[j] & 15];
        }
    }
}
