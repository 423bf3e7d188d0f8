/* Matrices as ONNX Runtime multiplies them: MatMulNBits for codes in blocks; DynamicQuantizeLinear and MatMulInteger
 * for int8 with activations rounded a call at a time; QuantizeLinear and DequantizeLinear around MatMul for a fixed
 * grid; MatMul alone for floats. Integer products and MatMul take weights by input, [K][N]: these are turned on their
 * way out. */
#include <string.h>
#include "base/half.h"
#include "bench/export/onnx_graph.h"

enum { TURNED_COLUMNS = 64 };

static const struct qmat *matrix_of(const struct onnx_graph *g, const struct model_tensor *t, bool head)
{
    return head && g->weights->has_head ? &g->weights->head : &g->weights->mat[t - g->m->d.tensor];
}

static void put_plane(struct onnx_graph *g, const struct onnx_tensor *t, const struct qmat *q, enum plane plane)
{
    onnx_writer_tensor(g->w, t);
    onnx_writer_data(g->w, q->plane[plane].p, q->plane[plane].bytes);
}

/* Codes [n][k], int8 or floats, as [k][n]. */
static void put_turned(struct onnx_graph *g, const char *name, const struct qmat *q, bool floats)
{
    const size_t size = floats ? sizeof(float) : 1;
    uint8_t *buf = mem_alloc_n((size_t)q->n, TURNED_COLUMNS * size);
    struct err e = {0};
    onnx_writer_tensor(g->w, &(struct onnx_tensor){name, floats ? ONNX_F32 : ONNX_I8, 2, {q->k, q->n}});
    if (!buf) {
        err_nomem(&e, (size_t)q->n * TURNED_COLUMNS * size, name);
        onnx_writer_fail(g->w, &e);
        return;
    }
    for (int64_t k0 = 0; k0 < q->k; k0 += TURNED_COLUMNS) {
        const int64_t n = q->k - k0 < TURNED_COLUMNS ? q->k - k0 : TURNED_COLUMNS;
        for (int64_t r = 0; r < q->n; r++) {
            const uint8_t *row =
                q->plane[PLANE_CODE].p + (size_t)r * q->plane[PLANE_CODE].row_stride + (size_t)k0 * size;
            for (int64_t i = 0; i < n; i++)
                memcpy(buf + (size_t)(i * q->n + r) * size, row + (size_t)i * size, size);
        }
        onnx_writer_data(g->w, buf, (size_t)(n * q->n) * size);
    }
    mem_free(buf);
}

static bool per_tensor(const struct qmat *q)
{
    return q->seg->q.group < 0;
}

/* Scales of int8 weights, by tensor or by output channel. */
static const char *int8_scale(struct onnx_graph *g, const char *stem, const struct qmat *q)
{
    const char *name = onnx_name(g, "%s.scale", stem);
    put_plane(g, &(struct onnx_tensor){name, ONNX_F32, per_tensor(q) ? 0 : 1, {q->n}}, q, PLANE_SCALE);
    return name;
}

static const char *nbits(struct onnx_graph *g, const char *x, const char *stem, const struct qmat *q,
                         const struct act *act, const struct act_fixed *fixed)
{
    const struct qpar *p = &q->seg->q;
    const int64_t blocks = (q->k + p->group - 1) / p->group;
    const char *code = onnx_name(g, "%s.codes", stem), *scale = onnx_name(g, "%s.scales", stem);
    const char *zero = p->zero_type == ZERO_NONE ? NULL : onnx_name(g, "%s.zeros", stem);
    const bool packed = p->zero_type == ZERO_CODE;
    (void)fixed;
    put_plane(g, &(struct onnx_tensor){code, ONNX_U8, 3, {q->n, blocks, (int64_t)p->group * p->bits / 8}}, q,
              PLANE_CODE);
    put_plane(g, &(struct onnx_tensor){scale, ONNX_F32, 2, {q->n, blocks}}, q, PLANE_SCALE);
    if (zero)
        put_plane(g,
                  &(struct onnx_tensor){
                      zero, packed ? ONNX_U8 : ONNX_F32, 2, {q->n, packed ? (blocks * p->bits + 7) / 8 : blocks}},
                  q, PLANE_ZERO);
    return onnx_put(g,
                    &(struct onnx_node){.op = "MatMulNBits",
                                        .domain = ONNX_CONTRIB,
                                        .in = {x, code, scale, zero},
                                        .out = {stem},
                                        .attribute = {{"K", ONNX_INT, .i = q->k},
                                                      {"N", ONNX_INT, .i = q->n},
                                                      {"accuracy_level", ONNX_INT, .i = act->block == p->group ? 4 : 0},
                                                      {"bits", ONNX_INT, .i = p->bits},
                                                      {"block_size", ONNX_INT, .i = p->group}}});
}

static const char *dynamic(struct onnx_graph *g, const char *x, const char *stem, const struct qmat *q,
                           const struct act *act, const struct act_fixed *fixed)
{
    const char *w = onnx_name(g, "%s.codes", stem), *scale = int8_scale(g, stem, q);
    const char *sum = onnx_name(g, "%s.sum", stem), *f32 = onnx_name(g, "%s.sum_f32", stem);
    const char *scales = onnx_name(g, "%s.scales", stem);
    (void)act, (void)fixed;
    if (!g->rounded.x || strcmp(g->rounded.x, x) != 0) {
        g->rounded.x = x;
        g->rounded.code = onnx_name(g, "%s.codes", x);
        g->rounded.scale = onnx_name(g, "%s.scale", x);
        g->rounded.zero = onnx_name(g, "%s.zero", x);
        onnx_put(g, &(struct onnx_node){.op = "DynamicQuantizeLinear",
                                        .in = {x},
                                        .out = {g->rounded.code, g->rounded.scale, g->rounded.zero}});
    }
    put_turned(g, w, q, false);
    onnx_put(g, &(struct onnx_node){.op = "MatMulInteger", .in = {g->rounded.code, w, g->rounded.zero}, .out = {sum}});
    onnx_put(g, &(struct onnx_node){
                    .op = "Cast", .in = {sum}, .out = {f32}, .attribute = {{"to", ONNX_INT, .i = ONNX_F32}}});
    onnx_put(g, &(struct onnx_node){.op = "Mul", .in = {g->rounded.scale, scale}, .out = {scales}});
    return onnx_put(g, &(struct onnx_node){.op = "Mul", .in = {f32, scales}, .out = {stem}});
}

/* x on its grid, as floats. */
static const char *on_grid(struct onnx_graph *g, const char *x, const char *stem, const struct act_fixed *f)
{
    if (g->rounded.x && strcmp(g->rounded.x, x) == 0 && g->rounded.grid.scale == f->scale &&
        g->rounded.grid.zero == f->zero)
        return g->rounded.code;
    const int8_t zero = (int8_t)f->zero;
    const char *s = onnx_f32(g, onnx_name(g, "%s.input.scale", stem), f->scale);
    const char *z = onnx_name(g, "%s.input.zero", stem), *code = onnx_name(g, "%s.input.codes", stem);
    onnx_writer_constant(g->w, &(struct onnx_tensor){z, ONNX_I8, 0, {0}}, &zero, 1);
    onnx_put(g, &(struct onnx_node){.op = "QuantizeLinear", .in = {x, s, z}, .out = {code}});
    g->rounded.x = x;
    g->rounded.grid = *f;
    g->rounded.code = onnx_put(
        g, &(struct onnx_node){.op = "DequantizeLinear", .in = {code, s, z}, .out = {onnx_name(g, "%s.input", stem)}});
    return g->rounded.code;
}

static const char *qdq(struct onnx_graph *g, const char *x, const char *stem, const struct qmat *q,
                       const struct act *act, const struct act_fixed *fixed)
{
    const char *w = onnx_name(g, "%s.codes", stem), *scale = int8_scale(g, stem, q);
    const char *input = on_grid(g, x, stem, fixed), *weight = onnx_name(g, "%s.weight", stem);
    (void)act;
    put_turned(g, w, q, false);
    onnx_put(
        g, &(struct onnx_node){
               .op = "DequantizeLinear", .in = {w, scale}, .out = {weight}, .attribute = {{"axis", ONNX_INT, .i = 1}}});
    return onnx_put(g, &(struct onnx_node){.op = "MatMul", .in = {input, weight}, .out = {stem}});
}

/* What others quantize themselves. */
static const char *plain(struct onnx_graph *g, const char *x, const char *stem, const struct qmat *q,
                         const struct act *act, const struct act_fixed *fixed)
{
    const char *w = onnx_name(g, "%s.weight", stem);
    (void)act;
    (void)fixed;
    put_turned(g, w, q, true);
    return onnx_put(g, &(struct onnx_node){.op = "MatMul", .in = {x, w}, .out = {stem}});
}

/* Which operators stand for a codec whose inputs are rounded in that way. */
static const struct operators {
    const char *codec, *act; /* act NULL: by blocks, or not at all */
    const char *(*put)(struct onnx_graph *g, const char *x, const char *stem, const struct qmat *q,
                       const struct act *act, const struct act_fixed *fixed);
} operators[] = {
    {"onnx_nbits", NULL, nbits}, {"onnx_rtn", NULL, nbits},          {"onnx_k_quant", NULL, nbits},
    {"onnx_hqq", NULL, nbits},   {"onnx_int8", "u8_batch", dynamic}, {"onnx_int8", "i8_fixed", qdq},
    {"f32", "f32", plain},
};

const char *onnx_linear(struct onnx_graph *g, const char *x, const struct model_tensor *t, const char *logits)
{
    const struct qmat *q = matrix_of(g, t, logits);
    const struct act *act = g->weights->act[t - g->m->d.tensor];
    const char *stem = logits ? logits : onnx_stem(g, t);
    struct err e = {0};
    act = act ? act : act_find("f32");
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        const struct operators *o = &operators[i];
        bool rounds_alike =
            o->act ? strcmp(act->name, o->act) == 0 : strcmp(act->name, "f32") == 0 || act->block == q->seg->q.group;
        if (strcmp(q->codec->name, o->codec) == 0 && rounds_alike)
            return o->put(g, x, stem, q, act, &g->weights->fixed[t - g->m->d.tensor]);
    }
    err_set(&e, ERR_UNSUPPORTED, "tensor %s: no operator of ONNX Runtime multiplies %s weights with %s activations",
            t->name, q->codec->name, act->name);
    onnx_writer_fail(g->w, &e);
    return stem;
}

/* Rows of a matrix in f32, a few at a time. */
static void put_f32_rows(struct onnx_graph *g, const char *name, const struct qmat *q, int n_dims)
{
    enum { PIECE = 1 << 16 };
    const int64_t rows = q->k < PIECE ? PIECE / q->k : 1;
    float *buf = mem_alloc_n((size_t)rows, (size_t)q->k * sizeof *buf);
    struct err e = {0};
    onnx_writer_tensor(g->w, &(struct onnx_tensor){name, ONNX_F32, n_dims, {n_dims > 1 ? q->n : q->k, q->k}});
    if (!buf) {
        err_nomem(&e, (size_t)(rows * q->k) * sizeof *buf, name);
        onnx_writer_fail(g->w, &e);
        return;
    }
    for (int64_t r = 0, n; r < q->n; r += n) {
        n = q->n - r < rows ? q->n - r : rows;
        q->codec->decode(buf, q, r, r + n);
        for (int64_t i = 0; i < n * q->k; i++)
            wr_u32le(&buf[i], f32_bits(buf[i]));
        onnx_writer_data(g->w, buf, (size_t)(n * q->k) * sizeof *buf);
    }
    mem_free(buf);
}

const char *onnx_vector(struct onnx_graph *g, const struct model_tensor *t)
{
    put_f32_rows(g, t->name, matrix_of(g, t, false), 1);
    return t->name;
}

const char *onnx_embedding(struct onnx_graph *g, const char *ids, const struct model_tensor *t)
{
    const struct qmat *q = matrix_of(g, t, false);
    const char *stem = onnx_stem(g, t);
    if (strcmp(q->codec->name, "onnx_int8") != 0) {
        put_f32_rows(g, t->name, q, 2);
        return onnx_put(g, &(struct onnx_node){.op = "Gather", .in = {t->name, ids}, .out = {stem}});
    }
    const char *code = onnx_name(g, "%s.codes", stem), *rows = onnx_name(g, "%s.rows", stem);
    const char *zero = onnx_name(g, "%s.zero", stem), *scale = int8_scale(g, stem, q);
    put_plane(g, &(struct onnx_tensor){code, ONNX_U8, 2, {q->n, q->k}}, q, PLANE_CODE);
    put_plane(g, &(struct onnx_tensor){zero, ONNX_U8, 0, {0}}, q, PLANE_ZERO);
    onnx_put(g, &(struct onnx_node){.op = "Gather", .in = {code, ids}, .out = {rows}});
    return onnx_put(g, &(struct onnx_node){.op = "DequantizeLinear", .in = {rows, scale, zero}, .out = {stem}});
}
