/* Matrices in NNCF's pattern (openvino_matrix.h): Const -> Convert(f16) -> Subtract -> Multiply -> Reshape ->
 * Convert(f32); groups are a dimension of their own. */
#include "bench/export/openvino_matrix.h"

#include <stdio.h>
#include <string.h>
#include "base/float8.h"
#include "base/mem.h"
#include "bench/export/openvino_ops.h"
#include "kernels/formats/bitstream.h"
#include "kernels/formats/openvino_book.h"

enum { ANY = -1 };
/* How codes are stored. */
static const struct form {
    const char *codec;
    int bits, sym;
    enum ir_type type;
    bool middle; /* codes are unsigned, and the middle one is zero */
    bool book;   /* codes are places in a table */
} forms[] = {
    {"openvino_int", 8, 0, IR_U8, false, false},      {"openvino_int", 8, 1, IR_I8, false, false},
    {"openvino_int", 4, 0, IR_U4, false, false},      {"openvino_int", 4, 1, IR_I4, false, false},
    {"openvino_int", 3, 1, IR_U3, true, false},       {"openvino_int", 2, 1, IR_U2, true, false},
    {"openvino_book", 4, 1, IR_NF4, false, false},    {"openvino_book", 4, 0, IR_U4, false, true},
    {"openvino_fp", 4, ANY, IR_F4E2M1, false, false}, {"openvino_fp", 8, ANY, IR_F8E4M3, false, false},
};

static const struct form *form_of(const struct qmat *q)
{
    const struct qpar *p = &q->seg->q;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(forms[i].codec, q->codec->name) == 0 && forms[i].bits == p->bits &&
            (forms[i].sym == ANY || forms[i].sym == p->sym))
            return &forms[i];
    return NULL;
}

struct job {
    struct ir *g;
    const struct qmat *q;
    const char *name;
    int pairs;
    struct ir_shape codes, scales;
    struct arena *arena;
};

/* A plane's rows in the graph's order, n elements of so many bits each, without gaps. NULL: out of memory. */
static const uint8_t *rows_of(struct job *j, enum plane pl, int64_t n, int bits)
{
    const struct qmat *q = j->q;
    const uint8_t *src = q->plane[pl].p;
    size_t stride = q->plane[pl].row_stride, row = (size_t)n * (size_t)bits / 8;
    bool whole = (size_t)n * (size_t)bits % 8 == 0;
    if (!j->pairs && whole && stride == row)
        return src;
    uint8_t *dst = arena_alloc(j->arena, bits_bytes(q->n * n, bits));
    for (int64_t r = 0; dst && r < q->n; r++) {
        const uint8_t *from = src + (size_t)ov_source_row(r, j->pairs) * stride;
        if (whole)
            memcpy(dst + (size_t)r * row, from, row);
        for (int64_t i = 0; i < n && !whole; i++)
            bits_set(dst, r * n + i, bits, bits_get(from, i, bits));
    }
    return dst;
}

/* OpenVINO's own order of 3 bits: of 8 codes the low two bits each, first code highest, then their third bits. */
static const uint8_t *split_u3(struct arena *a, const uint8_t *stream, int64_t n)
{
    uint8_t *dst = arena_alloc(a, bits_bytes(n, 3));
    for (int64_t i = 0; dst && i < n; i++) {
        unsigned code = bits_get(stream, i, 3), at = (unsigned)(i % 8);
        dst[i / 8 * 3 + at / 4] |= (uint8_t)((code & 3) << (6 - at % 4 * 2));
        dst[i / 8 * 3 + 2] |= (uint8_t)(code >> 2 << (7 - at));
    }
    return dst;
}

static struct ir_value constant(struct job *j, const char *what, enum ir_type type, struct ir_shape shape,
                                const void *p, size_t bytes)
{
    char name[192];
    snprintf(name, sizeof name, "%s%s", j->name, what);
    return ir_constant(j->g, name, type, shape, p, bytes);
}

static int put_codes(struct ir_value *out, struct job *j, const struct form *f, struct err *e)
{
    const struct qmat *q = j->q;
    const uint8_t *p = rows_of(j, PLANE_CODE, q->k, f->bits);
    if (p && f->type == IR_U3)
        p = q->n * q->k % 8 ? NULL : split_u3(j->arena, p, q->n * q->k);
    if (!p)
        return err_nomem(e, qmat_bytes(q), j->name);
    struct ir_value codes =
        constant(j, f->book ? "_nncf_codebook_idxs" : "", f->type, j->codes, p, bits_bytes(q->n * q->k, f->bits));
    if (!f->book) {
        *out = ov_convert(j->g, codes, IR_F16);
        return 0;
    }
    uint8_t book[16];
    for (int i = 0; i < 16; i++)
        book[i] = f32_to_e4m3(openvino_book_of(&q->seg->q)[i]);
    struct ir_value values = constant(j, "_nncf_codebook", IR_F8E4M3, IR_SHAPE(16), book, sizeof book);
    *out = ov_gather(j->g, ov_convert(j->g, values, IR_F16), ov_convert(j->g, codes, IR_U8), 0);
    return 0;
}

static int subtract_zeros(struct ir_value *x, struct job *j, const struct form *f, int64_t n_groups, struct err *e)
{
    struct ir_value zero;
    if (f->middle) {
        const int8_t middle = (int8_t)(1 << (f->bits - 1));
        zero = constant(j, "/zero_point", IR_I8, j->scales.n == 3 ? IR_SHAPE(1, 1, 1) : IR_SHAPE(1, 1), &middle, 1);
    } else if (j->q->seg->q.zero_type == ZERO_CODE && j->q->plane[PLANE_ZERO].bytes) {
        const uint8_t *p = rows_of(j, PLANE_ZERO, n_groups, f->bits);
        if (!p)
            return err_nomem(e, j->q->plane[PLANE_ZERO].bytes, j->name);
        zero = constant(j, "/zero_point", f->type, j->scales, p, bits_bytes(j->q->n * n_groups, f->bits));
    } else {
        return 0;
    }
    *x = ov_binary(j->g, "Subtract", *x, ov_convert(j->g, zero, IR_F16));
    return 0;
}

static int multiply_scales(struct ir_value *x, struct job *j, int64_t n_groups, struct err *e)
{
    static const struct {
        enum ir_type type;
        int bytes;
    } kinds[] = {[NUMBER_F32] = {IR_F32, 4},
                 [NUMBER_F16] = {IR_F16, 2},
                 [NUMBER_E8M0] = {IR_F8E8M0, 1},
                 [NUMBER_E4M3] = {IR_F8E4M3, 1}};
    const struct qmat *q = j->q;
    int kind = q->seg->q.scale_type;
    const uint8_t *p = rows_of(j, PLANE_SCALE, n_groups, 8 * kinds[kind].bytes);
    if (!p)
        return err_nomem(e, q->plane[PLANE_SCALE].bytes, j->name);
    struct ir_value s =
        constant(j, "/scale", kinds[kind].type, j->scales, p, (size_t)(q->n * n_groups) * (size_t)kinds[kind].bytes);
    if (q->plane[PLANE_TENSOR].bytes)
        s = ov_binary(j->g, "Multiply", ov_convert(j->g, s, IR_F32),
                      constant(j, "/second_order_scale", IR_F32, IR_SHAPE(1, 1, 1), q->plane[PLANE_TENSOR].p, 4));
    if (s.type != IR_F16)
        s = ov_convert(j->g, s, IR_F16);
    *x = ov_binary(j->g, "Multiply", *x, s);
    return 0;
}

static int put_plain(struct ir_value *out, struct job *j, enum ir_type type, int bits, struct err *e)
{
    const struct qmat *q = j->q;
    const uint8_t *p = rows_of(j, PLANE_CODE, q->k, bits);
    if (!p)
        return err_nomem(e, qmat_bytes(q), j->name);
    *out = constant(j, "", type, IR_SHAPE(q->n, q->k), p, bits_bytes(q->n * q->k, bits));
    if (type != IR_F32)
        *out = ov_decompress(j->g, *out);
    return 0;
}

static int put_compressed(struct ir_value *out, struct job *j, const struct form *f, struct err *e)
{
    const struct qmat *q = j->q;
    int64_t group = q->seg->q.group > 0 ? q->seg->q.group : q->k, n_groups = q->k / group;
    bool by_row = q->seg->q.group <= 0;
    j->codes = by_row ? IR_SHAPE(q->n, q->k) : IR_SHAPE(q->n, n_groups, group);
    j->scales = by_row ? IR_SHAPE(q->n, 1) : IR_SHAPE(q->n, n_groups, 1);
    struct ir_value x;
    int rc = put_codes(&x, j, f, e);
    if (rc == 0)
        rc = subtract_zeros(&x, j, f, n_groups, e);
    if (rc == 0)
        rc = multiply_scales(&x, j, n_groups, e);
    if (rc)
        return rc;
    if (!by_row)
        x = ov_reshape(j->g, x, IR_SHAPE(q->n, q->k), IR_SHAPE(q->n, q->k));
    *out = ov_convert(j->g, x, IR_F32);
    return 0;
}

int ov_matrix(struct ir_value *out, struct ir *g, const char *name, const struct qmat *q, int pairs, struct err *e)
{
    struct job j = {.g = g, .q = q, .name = name, .pairs = pairs, .arena = arena_new()};
    const struct form *f = form_of(q);
    int rc;
    if (!j.arena)
        rc = err_nomem(e, 4096, name);
    else if (f)
        rc = put_compressed(out, &j, f, e);
    else if (strcmp(q->codec->name, "f16") == 0)
        rc = put_plain(out, &j, IR_F16, 16, e);
    else if (strcmp(q->codec->name, "f32") == 0)
        rc = put_plain(out, &j, IR_F32, 32, e);
    else
        rc = err_set(e, ERR_UNSUPPORTED, "%s: OpenVINO has no constants of %s", name, q->codec->name);
    arena_free(j.arena);
    return rc;
}
