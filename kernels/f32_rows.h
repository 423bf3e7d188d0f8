/* Codes in groups as f32 values: what decode and prefill with float activations share, for any vector width.
 *
 * The value of a code is a function of it, a scale and a zero point, each step rounded as the format's framework
 * rounds; `kind` names it. Codes of up to 5 bits are looked up in a table that is made once per group. */
#ifndef KERNELS_F32_ROWS_H
#define KERNELS_F32_ROWS_H
#include "base/float8.h"
#include "kernels/formats/bnb_4bit.h"
#include "kernels/formats/exl2.h"
#include "kernels/formats/minifloat.h"
#include "kernels/formats/openvino_book.h"
#include "kernels/group_rows.h"

enum kind {
    KIND_PLAIN,     /* (q - zero) s */
    KIND_F16,       /* f16((q - zero) s) */
    KIND_F16_TWICE, /* f16(f16(q - zero) s) */
    KIND_BIAS,      /* q s + bias */
    KIND_BIAS_F16,  /* f16(f16(q s) + bias), q less `less` */
    KIND_BIAS_BF16, /* bf16(bf16(q s) + bias), likewise */
    KIND_BOOK,      /* book[q] s */
    KIND_BOOK_F16,  /* f16(book[q] s) */
    KIND_E4M3,      /* q as E4M3, times s */
    KIND_E5M2
};

enum { F32_TILE = 2048, F32_GROUPS = F32_TILE / 16 };

struct f32_rule {
    enum kind kind;
    int flip;        /* q is the stored code xor this, */
    float less;      /* less this */
    float times;     /* a factor of all scales */
    bool high_first; /* of two nibbles */
    bool no_zeros;   /* the caller knows them */
    enum plane zeros;
    float book[16];
};

struct f32_row { /* one row's numbers for the columns of a tile */
    const uint8_t *code;
    float scale[F32_GROUPS + 8], zero[F32_GROUPS + 8];
    _Alignas(64) float table[F32_GROUPS][16]; /* of groups of 32 on, two of codes of 5 bits */
};

INLINE void set_book(struct f32_rule *r, const struct qmat *w)
{
    const struct bnb_4bit *bnb = w->codec == &codec_bnb_nf4 ? &bnb_4bit_nf4 : &bnb_4bit_fp4;
    for (unsigned i = 0; i < 16; i++)
        if (r->kind == KIND_BOOK_F16)
            r->book[bnb->code[i]] = bnb->sorted[i];
        else
            r->book[i] = w->codec == &codec_openvino_book ? openvino_book_of(&w->seg->q)[i] : e2m1_to_f32(i);
}

INLINE enum kind kind_of(const struct qmat *w)
{
    const struct codec *c = w->codec;
    const enum number_type t = w->seg->q.scale_type;
    if (c == &codec_awq || c == &codec_gptq || c == &codec_exl2)
        return KIND_F16;
    if (c == &codec_hqq)
        return KIND_F16_TWICE;
    if (c == &codec_mlx_affine)
        return t == NUMBER_F16 ? KIND_BIAS_F16 : t == NUMBER_BF16 ? KIND_BIAS_BF16 : KIND_BIAS;
    if (c == &codec_torchao_int4)
        return KIND_BIAS_BF16;
    if (c == &codec_bnb_nf4 || c == &codec_bnb_fp4)
        return KIND_BOOK_F16;
    if (c == &codec_fp8_e5m2)
        return KIND_E5M2;
    if (c == &codec_fp8_e4m3 || c == &codec_mlx_fp || c == &codec_openvino_fp)
        return w->seg->q.bits == 4 ? KIND_BOOK : KIND_E4M3;
    return c == &codec_openvino_book ? KIND_BOOK : KIND_PLAIN;
}

INLINE struct f32_rule f32_rule_of(const struct qmat *w)
{
    struct f32_rule r = {.kind = kind_of(w), .flip = code_flip(w), .times = 1, .zeros = PLANE_ZERO};
    r.high_first = r.kind == KIND_BOOK_F16;
    if (w->codec == &codec_mlx_affine)
        r.zeros = PLANE_BIAS;
    if (w->codec == &codec_torchao_int4)
        r.less = 8;
    if (w->codec == &codec_bnb_int8)
        r.times = 7.874015718698502e-3f; /* 1/127: what is stored is the largest magnitude */
    if (r.kind == KIND_BOOK || r.kind == KIND_BOOK_F16)
        set_book(&r, w);
    return r;
}

/* Scales of 8 bits; those of OpenVINO are rounded to halves, after a factor of the whole tensor where there is one. */
INLINE void small_scales(float *s, const struct qmat *w, const uint8_t *p, int64_t n)
{
    const bool halves = w->codec == &codec_openvino_fp, e8m0 = w->seg->q.scale_type == NUMBER_E8M0;
    const uint8_t *tensor = w->plane[PLANE_TENSOR].p;
    const float factor = tensor ? f32_from_bits(rd_u32le(tensor)) : 1;
    scales_of_8_bits(s, p, n, e8m0);
    for (int64_t i = 0; i < n && halves; i++)
        s[i] *= factor;
    if (halves)
        round_to_halves(s, n);
}

/* bitsandbytes: largest magnitudes of blocks, in f32 or as codes that have scales of their own. */
INLINE void bnb_scales(float *s, const struct qmat *w, int64_t b0, int64_t n)
{
    const uint8_t *p = w->plane[PLANE_SCALE].p, *outer = w->plane[PLANE_BIAS].p;
    if (w->seg->q.scale_type != BNB_NESTED) {
        memcpy(s, p + 4 * b0, (size_t)n * sizeof *s);
        return;
    }
    const float *map = bnb_4bit_map(), mean = f32_from_bits(rd_u32le(w->plane[PLANE_TENSOR].p));
    for (int64_t i = 0; i < n; i++)
        s[i] = map[p[b0 + i]] * f32_from_bits(rd_u32le(outer + 4 * ((b0 + i) / BNB_NESTED_BLOCK))) + mean;
}

/* EXL2: c^2 times a 256th of the largest scale, in halves, c of 1 to 16; those of a zone start at its first column. */
INLINE void exl2_scales(float *s, const struct qmat *w, int64_t r, int64_t g0, int64_t n)
{
    const int64_t stride = (int64_t)w->plane[PLANE_SCALE].row_stride;
    int32_t code[F32_GROUPS + 8];
    g0 += w->seg->k0 / w->seg->q.group;
    small_codes(code, w->plane[PLANE_SCALE].p + r * stride, stride, g0, n, 4);
    numbers_to_f32(s, w->plane[PLANE_BIAS].p, NUMBER_F16, g0, n);
    for (int64_t i = 0; i < n; i++)
        s[i] *= 1.0f / 256;
    round_to_halves(s, n);
    for (int64_t i = 0; i < n; i++)
        s[i] *= (float)((code[i] + 1) * (code[i] + 1));
    round_to_halves(s, n);
}

INLINE void f32_row_zeros(float *z, const struct qmat *w, int64_t r, int64_t g0, int64_t n, enum plane zeros)
{
    const struct qpar *p = &w->seg->q;
    int32_t code[F32_GROUPS + 8];
    if (p->zero_type == ZERO_FLOAT) {
        numbers_to_f32(z, w->plane[zeros].p + (size_t)r * w->plane[zeros].row_stride, p->scale_type, g0, n);
        return;
    }
    if (p->zero_type == ZERO_CODE)
        row_zero_codes(code, w, r, g0, n);
    for (int64_t i = 0; i < n; i++)
        z[i] = p->zero_type == ZERO_CODE ? (float)code[i] : (float)(1 << (p->bits - 1));
}

/* Columns [c0, c0 + n) of row r, without the tables. Returns the number of groups. */
INLINE int64_t f32_row_open(struct f32_row *row, const struct qmat *w, const struct f32_rule *rule, int64_t r,
                            int64_t c0, int64_t n)
{
    const int log2 = group_log2(w);
    const int64_t g0 = c0 >> log2, n_groups = ((c0 + n - 1) >> log2) + 1 - g0;
    row->code = qmat_row(w, r) + c0 * w->seg->q.bits / 8;
    if (rule->kind == KIND_BOOK_F16)
        bnb_scales(row->scale, w, r * (w->k >> log2) + g0, n_groups);
    else if (w->codec == &codec_exl2)
        exl2_scales(row->scale, w, r, g0, n_groups);
    else if (w->seg->q.scale_type >= NUMBER_E8M0)
        small_scales(row->scale, w, w->plane[PLANE_SCALE].p + (size_t)r * w->plane[PLANE_SCALE].row_stride + g0,
                     n_groups);
    else
        row_scales(row->scale, w, r, g0, n_groups);
    if (rule->times != 1)
        for (int64_t i = 0; i < n_groups; i++)
            row->scale[i] *= rule->times;
    if (rule->kind <= KIND_BIAS_BF16 && !rule->no_zeros)
        f32_row_zeros(row->zero, w, r, g0, n_groups, rule->zeros);
    return n_groups;
}
#endif
