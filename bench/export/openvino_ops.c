/* Operations as layers of the graph (openvino_ops.h). Attributes and their values: OpenVINO's specification of
 * operation sets. */
#include "bench/export/openvino_ops.h"

#include <stdio.h>
#include <string.h>

/* ---- constants ---- */

struct ir_value ov_f32(struct ir *g, float v)
{
    return ir_constant(g, NULL, IR_F32, IR_SCALAR, &v, sizeof v);
}

struct ir_value ov_f32_vector(struct ir *g, const char *name, const float *v, struct ir_shape shape)
{
    size_t n = sizeof *v;
    for (int i = 0; i < shape.n; i++)
        n *= (size_t)shape.dim[i];
    return ir_constant(g, name, IR_F32, shape, v, n);
}

struct ir_value ov_i64(struct ir *g, int64_t v)
{
    return ir_constant(g, NULL, IR_I64, IR_SCALAR, &v, sizeof v);
}

struct ir_value ov_i64_list(struct ir *g, const int64_t *v, int n)
{
    return ir_constant(g, NULL, IR_I64, IR_SHAPE(n), v, (size_t)n * sizeof *v);
}

/* ---- shapes ---- */

static struct ir_shape broadcast(const struct ir_shape *a, const struct ir_shape *b)
{
    struct ir_shape y = {a->n > b->n ? a->n : b->n, {0}};
    for (int i = 1; i <= y.n; i++) {
        int64_t p = i <= a->n ? a->dim[a->n - i] : 1, q = i <= b->n ? b->dim[b->n - i] : 1;
        y.dim[y.n - i] = p == 1 ? q : q == 1 ? p : p == IR_ANY ? q : p;
    }
    return y;
}

/* ---- layers ---- */

static const char *shape_text(const struct ir_shape *s, char *text, size_t room)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < s->n && used < room; i++)
        used += s->dim[i] == IR_ANY
                    ? (size_t)snprintf(text + used, room - used, "%s?", i ? "," : "")
                    : (size_t)snprintf(text + used, room - used, "%s%lld", i ? "," : "", (long long)s->dim[i]);
    return text;
}

struct ir_value ov_input(struct ir *g, const char *name, enum ir_type type, struct ir_shape shape)
{
    char text[128];
    return ir_add(g, &(struct ir_layer){.type = "Parameter",
                                        .opset = "opset1",
                                        .name = name,
                                        .attribute = {{"shape", shape_text(&shape, text, sizeof text)},
                                                      {"element_type", ir_type_name(type)}},
                                        .n_out = 1,
                                        .out_type = type,
                                        .out = {shape},
                                        .tensor = name});
}

void ov_result(struct ir *g, const char *name, struct ir_value x)
{
    ir_add(g, &(struct ir_layer){.type = "Result", .opset = "opset1", .name = name, .in = {x}, .n_in = 1});
}

struct ir_value ov_unary(struct ir *g, const char *type, const char *opset, struct ir_value x)
{
    return ir_add(
        g, &(struct ir_layer){
               .type = type, .opset = opset, .in = {x}, .n_in = 1, .n_out = 1, .out_type = x.type, .out = {x.shape}});
}

struct ir_value ov_binary(struct ir *g, const char *type, struct ir_value a, struct ir_value b)
{
    bool compares = strncmp(type, "Less", 4) == 0 || strncmp(type, "Greater", 7) == 0;
    return ir_add(g, &(struct ir_layer){.type = type,
                                        .opset = strncmp(type, "Bitwise", 7) == 0 ? "opset13" : "opset1",
                                        .attribute = {{"auto_broadcast", "numpy"}},
                                        .in = {a, b},
                                        .n_in = 2,
                                        .n_out = 1,
                                        .out_type = compares ? IR_BOOL : a.type,
                                        .out = {broadcast(&a.shape, &b.shape)}});
}

static struct ir_value convert(struct ir *g, struct ir_value x, enum ir_type type, bool decompresses)
{
    return ir_add(g, &(struct ir_layer){.type = "Convert",
                                        .opset = "opset1",
                                        .attribute = {{"destination_type", ir_type_name(type)}},
                                        .in = {x},
                                        .n_in = 1,
                                        .n_out = 1,
                                        .out_type = type,
                                        .out = {x.shape},
                                        .decompresses = decompresses});
}

struct ir_value ov_convert(struct ir *g, struct ir_value x, enum ir_type type)
{
    return convert(g, x, type, false);
}

struct ir_value ov_decompress(struct ir *g, struct ir_value x)
{
    return convert(g, x, IR_F32, true);
}

struct ir_value ov_gelu_tanh(struct ir *g, struct ir_value x)
{
    return ir_add(g, &(struct ir_layer){.type = "Gelu",
                                        .opset = "opset7",
                                        .attribute = {{"approximation_mode", "TANH"}},
                                        .in = {x},
                                        .n_in = 1,
                                        .n_out = 1,
                                        .out_type = x.type,
                                        .out = {x.shape}});
}

struct ir_value ov_select(struct ir *g, struct ir_value condition, struct ir_value a, struct ir_value b)
{
    struct ir_shape values = broadcast(&a.shape, &b.shape);
    return ir_add(g, &(struct ir_layer){.type = "Select",
                                        .opset = "opset1",
                                        .attribute = {{"auto_broadcast", "numpy"}},
                                        .in = {condition, a, b},
                                        .n_in = 3,
                                        .n_out = 1,
                                        .out_type = a.type,
                                        .out = {broadcast(&condition.shape, &values)}});
}

static struct ir_value reduce(struct ir *g, const char *type, struct ir_value x, struct ir_value axes, bool keep,
                              struct ir_shape shape)
{
    return ir_add(g, &(struct ir_layer){.type = type,
                                        .opset = "opset1",
                                        .attribute = {{"keep_dims", keep ? "true" : "false"}},
                                        .in = {x, axes},
                                        .n_in = 2,
                                        .n_out = 1,
                                        .out_type = x.type,
                                        .out = {shape}});
}

struct ir_value ov_mean_of_rows(struct ir *g, struct ir_value x)
{
    struct ir_shape shape = x.shape;
    shape.dim[shape.n - 1] = 1;
    return reduce(g, "ReduceMean", x, OV_LIST(g, -1), true, shape);
}

struct ir_value ov_largest(struct ir *g, struct ir_value x)
{
    return reduce(g, "ReduceMax", x, OV_LIST(g, 0, 1), false, IR_SCALAR);
}

struct ir_value ov_gather(struct ir *g, struct ir_value data, struct ir_value index, int64_t axis)
{
    struct ir_shape shape = {data.shape.n - 1 + index.shape.n, {0}};
    for (int i = 0; i < shape.n && i < IR_MOST_DIMS; i++)
        shape.dim[i] = i < axis                   ? data.shape.dim[i]
                       : i < axis + index.shape.n ? index.shape.dim[i - axis]
                                                  : data.shape.dim[i - index.shape.n + 1];
    return ir_add(g, &(struct ir_layer){.type = "Gather",
                                        .opset = "opset8",
                                        .attribute = {{"batch_dims", "0"}},
                                        .in = {data, index, ov_i64(g, axis)},
                                        .n_in = 3,
                                        .n_out = 1,
                                        .out_type = data.type,
                                        .out = {shape}});
}

struct ir_value ov_dimension(struct ir *g, struct ir_value x, int64_t i)
{
    struct ir_value all = ir_add(g, &(struct ir_layer){.type = "ShapeOf",
                                                       .opset = "opset3",
                                                       .attribute = {{"output_type", "i64"}},
                                                       .in = {x},
                                                       .n_in = 1,
                                                       .n_out = 1,
                                                       .out_type = IR_I64,
                                                       .out = {IR_SHAPE(x.shape.n)}});
    return ov_gather(g, all, OV_LIST(g, i), 0);
}

struct ir_value ov_squeeze(struct ir *g, struct ir_value x)
{
    return ir_add(g, &(struct ir_layer){.type = "Squeeze",
                                        .opset = "opset1",
                                        .in = {x, ov_i64(g, 0)},
                                        .n_in = 2,
                                        .n_out = 1,
                                        .out_type = x.type,
                                        .out = {IR_SCALAR}});
}

struct ir_value ov_unsqueeze(struct ir *g, struct ir_value x, int64_t axis)
{
    struct ir_shape shape = x.shape;
    memmove(&shape.dim[axis + 1], &shape.dim[axis], (size_t)(shape.n - axis) * sizeof *shape.dim);
    shape.dim[axis] = 1;
    shape.n++;
    return ir_add(g, &(struct ir_layer){.type = "Unsqueeze",
                                        .opset = "opset1",
                                        .in = {x, ov_i64(g, axis)},
                                        .n_in = 2,
                                        .n_out = 1,
                                        .out_type = x.type,
                                        .out = {shape}});
}

struct ir_value ov_range(struct ir *g, struct ir_value from, struct ir_value to)
{
    return ir_add(g, &(struct ir_layer){.type = "Range",
                                        .opset = "opset4",
                                        .attribute = {{"output_type", "i64"}},
                                        .in = {from, to, ov_i64(g, 1)},
                                        .n_in = 3,
                                        .n_out = 1,
                                        .out_type = IR_I64,
                                        .out = {IR_SHAPE(IR_ANY)}});
}

struct ir_value ov_concat(struct ir *g, const struct ir_value *x, int n, int axis)
{
    char text[8];
    struct ir_layer l = {.type = "Concat", .opset = "opset1", .n_in = n, .n_out = 1, .out_type = x->type};
    snprintf(text, sizeof text, "%d", axis);
    l.attribute[0] = (struct ir_attribute){"axis", text};
    l.out[0] = x->shape;
    int64_t *along = &l.out[0].dim[axis < 0 ? x->shape.n + axis : axis];
    for (int i = 0; i < n; i++) {
        int64_t d = x[i].shape.dim[axis < 0 ? x->shape.n + axis : axis];
        l.in[i] = x[i];
        *along = i == 0 ? d : d == IR_ANY || *along == IR_ANY ? IR_ANY : *along + d;
    }
    return ir_add(g, &l);
}

struct ir_value ov_broadcast(struct ir *g, struct ir_value x, struct ir_value to, const char *mode,
                             struct ir_shape shape)
{
    return ir_add(g, &(struct ir_layer){.type = "Broadcast",
                                        .opset = "opset3",
                                        .attribute = {{"mode", mode}},
                                        .in = {x, to},
                                        .n_in = 2,
                                        .n_out = 1,
                                        .out_type = x.type,
                                        .out = {shape}});
}

struct ir_value ov_reshape(struct ir *g, struct ir_value x, struct ir_shape pattern, struct ir_shape shape)
{
    return ir_add(g, &(struct ir_layer){.type = "Reshape",
                                        .opset = "opset1",
                                        .attribute = {{"special_zero", "true"}},
                                        .in = {x, ov_i64_list(g, pattern.dim, pattern.n)},
                                        .n_in = 2,
                                        .n_out = 1,
                                        .out_type = x.type,
                                        .out = {shape}});
}

struct ir_value ov_swap_middle(struct ir *g, struct ir_value x)
{
    struct ir_shape shape = x.shape;
    shape.dim[1] = x.shape.dim[2];
    shape.dim[2] = x.shape.dim[1];
    return ir_add(g, &(struct ir_layer){.type = "Transpose",
                                        .opset = "opset1",
                                        .in = {x, OV_LIST(g, 0, 2, 1, 3)},
                                        .n_in = 2,
                                        .n_out = 1,
                                        .out_type = x.type,
                                        .out = {shape}});
}

void ov_split(struct ir *g, struct ir_value x, const int64_t *length, int n, struct ir_value *part)
{
    struct ir_layer l = {.type = "VariadicSplit", .opset = "opset1", .n_in = 3, .n_out = n, .out_type = x.type};
    l.in[0] = x;
    l.in[1] = ov_i64(g, x.shape.n - 1);
    l.in[2] = ov_i64_list(g, length, n);
    for (int i = 0; i < n; i++) {
        l.out[i] = x.shape;
        l.out[i].dim[x.shape.n - 1] = length[i];
    }
    part[0] = ir_add(g, &l);
    for (int i = 1; i < n; i++)
        part[i] = ir_output(part[0], &l, i);
}

struct ir_value ov_matmul(struct ir *g, const char *name, struct ir_value x, struct ir_value w, const char *tensor)
{
    struct ir_shape shape = x.shape;
    shape.dim[shape.n - 1] = w.shape.dim[0];
    return ir_add(g, &(struct ir_layer){.type = "MatMul",
                                        .opset = "opset1",
                                        .name = name,
                                        .attribute = {{"transpose_a", "false"}, {"transpose_b", "true"}},
                                        .in = {x, w},
                                        .n_in = 2,
                                        .n_out = 1,
                                        .out_type = x.type,
                                        .out = {shape},
                                        .tensor = tensor});
}

struct ir_value ov_slice(struct ir *g, struct ir_value x, struct ir_value from, struct ir_value to, int64_t axis)
{
    struct ir_shape shape = x.shape;
    shape.dim[axis] = IR_ANY;
    return ir_add(g, &(struct ir_layer){.type = "Slice",
                                        .opset = "opset8",
                                        .in = {x, from, to, OV_LIST(g, 1), OV_LIST(g, axis)},
                                        .n_in = 5,
                                        .n_out = 1,
                                        .out_type = x.type,
                                        .out = {shape}});
}

struct ir_value ov_attention(struct ir *g, struct ir_value q, struct ir_value k, struct ir_value v,
                             struct ir_value mask, float scale)
{
    return ir_add(g, &(struct ir_layer){.type = "ScaledDotProductAttention",
                                        .opset = "opset13",
                                        .attribute = {{"causal", "false"}},
                                        .in = {q, k, v, mask, ov_f32(g, scale)},
                                        .n_in = 5,
                                        .n_out = 1,
                                        .out_type = q.type,
                                        .out = {q.shape}});
}

static struct ir_layer state(const char *type, const char *id, struct ir_value x, char *text, size_t room)
{
    return (struct ir_layer){.type = type,
                             .opset = "opset6",
                             .attribute = {{"variable_id", id},
                                           {"variable_type", ir_type_name(x.type)},
                                           {"variable_shape", shape_text(&x.shape, text, room)}},
                             .in = {x},
                             .n_in = 1,
                             .n_out = 1,
                             .out_type = x.type,
                             .out = {x.shape}};
}

struct ir_value ov_read_state(struct ir *g, const char *id, struct ir_value init)
{
    char text[128];
    struct ir_value any = init;
    any.shape.dim[2] = IR_ANY;
    struct ir_layer l = state("ReadValue", id, any, text, sizeof text);
    l.in[0] = init;
    return ir_add(g, &l);
}

void ov_write_state(struct ir *g, const char *id, struct ir_value x)
{
    char text[128];
    struct ir_layer l = state("Assign", id, x, text, sizeof text);
    ir_add(g, &l);
}
