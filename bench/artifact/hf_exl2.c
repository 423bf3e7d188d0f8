/* EXL2 folders (ExLlamaV2), decoded: q_groups int16 [2 G] = (bits, first row of q_weight) per group of inputs; q_weight
 * int32 [rows][N], a stream of codes down each column, group by group; q_scale int32 [G][N/8], nibbles; q_scale_max f16
 * [G]; q_invperm int32 [K], where an input stands. There is no codec of mixed zones: halves, as the kernel's own
 * dequantization gives them. */
#include "base/half.h"
#include "base/mem.h"
#include "bench/artifact/hf_quant.h"

int hf_check_exl2(const json_t *settings, struct err *e);
int hf_read_exl2(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e);

int hf_check_exl2(const json_t *settings, struct err *e)
{
    (void)settings, (void)e;
    return 0;
}

struct parts {
    const struct st_tensor *w, *groups, *scale, *scale_max, *invperm;
    int64_t n, k, n_groups;
};

static float half_of(float x)
{
    return f16_to_f32(f32_to_f16(x));
}

static unsigned code_at(const struct parts *p, int64_t row, int64_t i, int bits, int64_t n)
{
    const int64_t at = i * bits, shift = at % 32;
    const uint8_t *word = p->w->data + 4 * ((row + at / 32) * p->n + n);
    uint64_t v = rd_u32le(word);
    if (shift + bits > 32)
        v |= (uint64_t)rd_u32le(word + 4 * p->n) << 32;
    return (unsigned)(v >> shift) & ((1u << bits) - 1);
}

/* Bits, first and end row of q_weight, and with them the number of inputs of group g. */
static int group_at(const struct parts *p, int64_t g, int *bits, int64_t *row, int64_t *n_inputs, int64_t left,
                    struct err *e)
{
    const uint8_t *q = p->groups->data + 4 * g;
    const int64_t end = g + 1 < p->n_groups ? rd_u16le(q + 6) : p->w->dim[0];
    *bits = rd_u16le(q);
    *row = rd_u16le(q + 2);
    if (*bits < 2 || *bits > 8 || *bits == 7 || *row >= end || end > p->w->dim[0] || (end - *row) * 32 % *bits)
        return err_set(e, ERR_FORMAT, "group %lld of q_groups makes no sense", (long long)g);
    *n_inputs = (end - *row) * 32 / *bits;
    if (*n_inputs > left)
        return err_set(e, ERR_FORMAT, "its groups hold more inputs than q_invperm has");
    return 0;
}

/* w = f16(f16(code - middle) * s), s = f16(f16(c^2) * f16(max * f16(1/256))), c = nibble + 1. */
static void decode_group(uint8_t *dst, const struct parts *p, int64_t g, int bits, int64_t row, const int32_t *input,
                         int64_t n_inputs)
{
    const float m = half_of(f16_to_f32(rd_u16le(p->scale_max->data + 2 * g)) * (1.0f / 256));
    const int middle = 1 << (bits - 1);
    for (int64_t n = 0; n < p->n; n++) {
        const unsigned c = (rd_u32le(p->scale->data + 4 * (g * p->scale->dim[1] + n / 8)) >> 4 * (n % 8) & 15) + 1;
        const float s = half_of((float)(c * c) * m);
        for (int64_t i = 0; i < n_inputs; i++)
            wr_u16le(dst + 2 * (n * p->k + input[i]),
                     f32_to_f16((float)((int)code_at(p, row, i, bits, n) - middle) * s));
    }
}

/* input[position], from the position of each input; every position once. */
static int invert(const struct parts *p, int32_t *input, struct err *e)
{
    for (int64_t i = 0; i < p->k; i++)
        input[i] = -1;
    for (int64_t i = 0; i < p->k; i++) {
        const uint32_t at = rd_u32le(p->invperm->data + 4 * i);
        if (at >= p->k || input[at] >= 0)
            return err_set(e, ERR_FORMAT, "q_invperm is no order of the inputs");
        input[at] = (int32_t)i;
    }
    return 0;
}

static int decode_all(struct qmat *out, const struct parts *p, const int32_t *input, struct err *e)
{
    int64_t at = 0;
    for (int64_t g = 0; g < p->n_groups; g++) {
        int bits = 0;
        int64_t row = 0, n_inputs = 0;
        int rc = group_at(p, g, &bits, &row, &n_inputs, p->k - at, e);
        if (rc)
            return rc;
        decode_group(out->plane[PLANE_CODE].p, p, g, bits, row, input + at, n_inputs);
        at += n_inputs;
    }
    return at == p->k ? 0 : err_set(e, ERR_FORMAT, "its groups hold fewer inputs than q_invperm has");
}

int hf_read_exl2(struct qmat *out, struct hf *h, const char *module, struct arena *a, struct err *e)
{
    struct parts p;
    int rc = hf_part(&p.w, h, module, "q_weight", ST_I32, 2, -1, -1, e);
    if (rc)
        return rc;
    p.n = p.w->dim[1];
    if ((rc = hf_part(&p.invperm, h, module, "q_invperm", ST_I32, 1, -1, -1, e)) ||
        (rc = hf_part(&p.scale_max, h, module, "q_scale_max", ST_F16, 1, -1, -1, e)) ||
        (rc = hf_part(&p.groups, h, module, "q_groups", ST_I16, 1, 2 * p.scale_max->dim[0], -1, e)) ||
        (rc = hf_part(&p.scale, h, module, "q_scale", ST_I32, 2, p.scale_max->dim[0], (p.n + 7) / 8, e)))
        return rc == ERR_MISSING ? ERR_FORMAT : rc;
    p.n_groups = p.scale_max->dim[0];
    p.k = p.invperm->dim[0];
    int32_t *input = mem_alloc_n((size_t)p.k, sizeof *input);
    if (!input)
        return err_nomem(e, (size_t)p.k * sizeof *input, "the order of inputs");
    if (!(rc = invert(&p, input, e)) && !(rc = hf_plain(out, "f16", p.n, p.k, NULL, a, e)))
        rc = decode_all(out, &p, input, e);
    mem_free(input);
    return rc;
}
