/* GPTQ folders: qweight int32 [K*b/32][N], a stream of b-bit codes down each column; qzeros int32 [K/g][N*b/32], a
 * stream along N; scales f16 [K/g][N]; g_idx int32 [K], the group of each input. Format "gptq" stores zeros less one,
 * "gptq_v2" as they are. */
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "bench/artifact/hf_quant.h"
#include "kernels/formats/bitstream.h"

int hf_check_gptq(const json_t *settings, struct err *e);
int hf_read_gptq(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e);

static bool is_v1(const json_t *settings)
{
    return !strcmp(json_get_str(settings, "checkpoint_format", "gptq"), "gptq");
}

int hf_check_gptq(const json_t *settings, struct err *e)
{
    int64_t bits, group;
    const char *format = json_get_str(settings, "checkpoint_format", "gptq");
    int rc = hf_setting(settings, "bits", 4, &bits, e);
    if (rc || (rc = hf_setting(settings, "group_size", 128, &group, e)))
        return rc;
    if (!is_v1(settings) && strcmp(format, "gptq_v2"))
        return err_set(e, ERR_UNSUPPORTED, "GPTQ checkpoint_format \"%.20s\" is not supported: gptq and gptq_v2 are",
                       format);
    if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
        return err_set(e, ERR_UNSUPPORTED, "GPTQ with %lld bits is not supported: 2, 3, 4 and 8 are", (long long)bits);
    if (json_object_size(json_object_get(settings, "dynamic")))
        return err_set(e, ERR_UNSUPPORTED, "GPTQ with other settings for some modules (\"dynamic\") is not supported");
    return 0;
}

struct parts {
    const struct st_tensor *w, *zeros, *scales, *index;
    int bits;
    bool v1;
};

/* Code i of a stream whose words are `stride` words apart: b bits may cross into the next word. */
static unsigned stream_code(const uint8_t *p, int64_t i, int bits, int64_t stride)
{
    const int64_t at = i * bits, word = at / 32, shift = at % 32;
    uint64_t v = rd_u32le(p + 4 * word * stride);
    if (shift + bits > 32)
        v |= (uint64_t)rd_u32le(p + 4 * (word + 1) * stride) << 32;
    return (unsigned)(v >> shift) & ((1u << bits) - 1);
}

/* Format "gptq" took one from every field of a word at once, borrows included: they are given back the same way. Fields
 * that cross words (3 bits) were corrected one by one. */
static unsigned zero_at(const struct parts *p, int64_t g, int64_t n)
{
    static const uint32_t ones[9] = {[2] = 0x55555555, [4] = 0x11111111, [8] = 0x01010101};
    const uint8_t *row = p->zeros->data + 4 * g * p->zeros->dim[1];
    if (!p->v1)
        return stream_code(row, n, p->bits, 1);
    if (p->bits == 3)
        return (stream_code(row, n, 3, 1) + 1) & 7;
    const int64_t at = n * p->bits;
    return (rd_u32le(row + 4 * (at / 32)) + ones[p->bits]) >> at % 32 & ((1u << p->bits) - 1);
}

/* Inputs by group, in their own order within it: where groups are not simply consecutive. perm[i] = the input that
 * stands at position i. The last group may be short. */
static int order_of(const struct parts *p, int64_t k, int64_t group, uint32_t *perm, bool *trivial, struct err *e)
{
    const int64_t n_groups = p->scales->dim[0];
    int64_t *at = mem_alloc_n((size_t)n_groups, sizeof *at);
    int rc = at ? 0 : err_nomem(e, (size_t)n_groups * sizeof *at, "groups");
    *trivial = true;
    for (int64_t i = 0; i < k && !rc; i++) {
        const uint32_t g = rd_u32le(p->index->data + 4 * i);
        if (g >= n_groups || at[g] == group || g * group + at[g] >= k)
            rc = err_set(e, ERR_UNSUPPORTED, "g_idx does not give every group its %lld inputs", (long long)group);
        else
            perm[g * group + at[g]++] = (uint32_t)i;
        *trivial &= g == i / group;
    }
    mem_free(at);
    return rc;
}

static void fill(struct qmat *q, const struct parts *p, const uint32_t *perm)
{
    for (int64_t i = 0; i < q->k; i++) {
        const int64_t k = perm ? perm[i] : i;
        for (int64_t n = 0; n < q->n; n++)
            bits_set(q->plane[PLANE_CODE].p + (size_t)n * q->plane[PLANE_CODE].row_stride, i, p->bits,
                     stream_code(p->w->data + 4 * n, k, p->bits, q->n));
    }
    for (int64_t n = 0; n < q->n; n++)
        for (int64_t g = 0; g < p->scales->dim[0]; g++) {
            bits_set(q->plane[PLANE_ZERO].p + (size_t)n * q->plane[PLANE_ZERO].row_stride, g, p->bits,
                     zero_at(p, g, n));
            wr_u16le(q->plane[PLANE_SCALE].p + (size_t)n * q->plane[PLANE_SCALE].row_stride + 2 * g,
                     rd_u16le(p->scales->data + 2 * (g * q->n + n)));
        }
    for (int64_t i = 0; perm && i < q->k; i++)
        wr_u32le(q->plane[PLANE_PERM].p + 4 * i, perm[i]);
}

static int read_parts(struct parts *p, struct hf *h, const char *module, int64_t *k, int64_t *group, struct err *e)
{
    int64_t bits;
    int rc = hf_part(&p->w, h, module, "qweight", ST_I32, 2, -1, -1, e);
    if (rc || (rc = hf_setting(h->quant_settings, "bits", 4, &bits, e)) ||
        (rc = hf_setting(h->quant_settings, "group_size", 128, group, e)))
        return rc;
    const int64_t n = p->w->dim[1];
    p->bits = (int)bits;
    p->v1 = is_v1(h->quant_settings);
    if (p->w->dim[0] > INT32_MAX || p->w->dim[0] * 32 % bits || n > INT32_MAX || n * bits % 32)
        return err_set(e, ERR_FORMAT, "its words do not divide into codes of %d bits", p->bits);
    *k = p->w->dim[0] * 32 / bits;
    *group = *group > 0 ? *group : *k;
    const int64_t n_groups = (*k + *group - 1) / *group; /* the last one may be short */
    if ((rc = hf_part(&p->zeros, h, module, "qzeros", ST_I32, 2, n_groups, n * bits / 32, e)) ||
        (rc = hf_part(&p->scales, h, module, "scales", ST_F16, 2, n_groups, n, e)))
        return rc == ERR_MISSING ? ERR_FORMAT : rc;
    rc = hf_part(&p->index, h, module, "g_idx", ST_I32, 1, *k, -1, e);
    return rc == ERR_MISSING ? 0 : rc;
}

int hf_read_gptq(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e)
{
    struct parts p = {0};
    int64_t k = 0, group = 0;
    bool trivial = true;
    int rc = read_parts(&p, h, module, &k, &group, e);
    if (rc)
        return rc;
    const struct qpar par = {.bits = (uint8_t)p.bits, .group = group == k ? 0 : (int32_t)group};
    uint32_t *perm = mem_alloc_n((size_t)k, sizeof *perm);
    if (!perm)
        return err_nomem(e, (size_t)k * sizeof *perm, "the order of inputs");
    if (p.index)
        rc = order_of(&p, k, group, perm, &trivial, e);
    if (!rc && !(rc = codec_find("gptq")->layout(out, p.w->dim[1], k, &par, e))) {
        out->plane[PLANE_PERM].row_stride = 0;
        out->plane[PLANE_PERM].bytes = trivial ? 0 : 4 * (size_t)k;
        rc = hf_planes(out, a, e);
    }
    if (!rc)
        fill(out, &p, trivial ? NULL : perm);
    mem_free(perm);
    return rc;
}
