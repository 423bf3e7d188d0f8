/* The wire format and the messages of onnx.proto (onnx_write.h): field numbers are onnx.proto's. */
#include "bench/artifact/onnx_write.h"
#include <string.h>
#include "base/half.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/sbuf.h"

/* onnx.proto, fields used. */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8 };
enum { OPSET_DOMAIN = 1, OPSET_VERSION = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_TENSOR = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5, NODE_DOMAIN = 7 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_F = 2, ATTRIBUTE_I = 3, ATTRIBUTE_S = 4, ATTRIBUTE_TYPE = 20 };
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9, TENSOR_EXTERNAL = 13, TENSOR_LOCATION = 14 };
enum { ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1, TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2 };
enum { SHAPE_DIM = 1, DIM_VALUE = 1, DIM_SYMBOL = 2 };
enum { LOCATION_EXTERNAL = 1 };
/* No tensor shares a page with what is inside the graph, and the graph stays below protobuf's 2 GiB by far. */
enum { MOST_CONSTANT_BYTES = 1 << 16 };

struct onnx_writer {
    struct file_out data;
    struct err err;
    char *path;
    const char *data_name; /* in the path of the data file */
    struct sbuf parts[3];  /* nodes, tensors, inputs and outputs: fields of GraphProto */
    char *graph_name;
    uint64_t left; /* bytes that the tensor being written lacks */
};
enum part { NODES, TENSORS, VALUES };

/* ---- wire format ---- */

static void put_varint(struct sbuf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        sbuf_putc(b, (char)(v | 0x80));
    sbuf_putc(b, (char)v);
}

static void put_int(struct sbuf *b, int field, int64_t v)
{
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, (uint64_t)v);
}

static void put_f32(struct sbuf *b, int field, float v)
{
    uint8_t p[4];
    put_varint(b, (uint64_t)field << 3 | 5);
    wr_u32le(p, f32_bits(v));
    sbuf_add(b, p, sizeof p);
}

static void put_bytes(struct sbuf *b, int field, const void *p, size_t n)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    sbuf_add(b, p, n);
}

static void put_str(struct sbuf *b, int field, const char *s)
{
    put_bytes(b, field, s, strlen(s));
}

/* A message that was made in a buffer of its own, which it ends. */
static void put_message(struct sbuf *b, int field, struct sbuf *message)
{
    b->failed |= message->failed;
    put_bytes(b, field, sbuf_str(message), message->n);
    sbuf_free(message);
}

/* ---- messages ---- */

static void fail(struct onnx_writer *w, int code, const char *what, const char *name)
{
    if (w->err.code == 0)
        err_set(&w->err, code, "%s: %s '%s'", w->path, what, name);
}

void onnx_writer_fail(struct onnx_writer *w, const struct err *e)
{
    if (w->err.code == 0)
        w->err = *e;
}

static void put_value(struct onnx_writer *w, int field, const struct onnx_value *v)
{
    struct sbuf shape = {0}, tensor = {0}, type = {0}, value = {0};
    for (int i = 0; i < v->n_dims; i++) {
        struct sbuf dim = {0};
        if (v->symbol[i])
            put_str(&dim, DIM_SYMBOL, v->symbol[i]);
        else
            put_int(&dim, DIM_VALUE, v->dim[i]);
        put_message(&shape, SHAPE_DIM, &dim);
    }
    put_int(&tensor, TENSOR_TYPE_ELEMENT, v->type);
    put_message(&tensor, TENSOR_TYPE_SHAPE, &shape);
    put_message(&type, TYPE_TENSOR, &tensor);
    put_str(&value, VALUE_NAME, v->name);
    put_message(&value, VALUE_TYPE, &type);
    put_message(&w->parts[VALUES], field, &value);
}

void onnx_writer_input(struct onnx_writer *w, const struct onnx_value *v)
{
    put_value(w, GRAPH_INPUT, v);
}

void onnx_writer_output(struct onnx_writer *w, const struct onnx_value *v)
{
    put_value(w, GRAPH_OUTPUT, v);
}

static void put_attribute(struct sbuf *node, const struct onnx_attribute *a)
{
    struct sbuf b = {0};
    put_str(&b, ATTRIBUTE_NAME, a->name);
    if (a->type == ONNX_FLOAT)
        put_f32(&b, ATTRIBUTE_F, (float)a->f);
    else if (a->type == ONNX_INT)
        put_int(&b, ATTRIBUTE_I, a->i);
    else
        put_str(&b, ATTRIBUTE_S, a->s);
    put_int(&b, ATTRIBUTE_TYPE, a->type);
    put_message(node, NODE_ATTRIBUTE, &b);
}

void onnx_writer_node(struct onnx_writer *w, const struct onnx_node *n)
{
    struct sbuf b = {0};
    for (int i = 0; n->in[i]; i++)
        put_str(&b, NODE_INPUT, n->in[i]);
    for (int i = 0; n->out[i]; i++)
        put_str(&b, NODE_OUTPUT, n->out[i]);
    put_str(&b, NODE_NAME, n->out[0]);
    put_str(&b, NODE_OP, n->op);
    for (const struct onnx_attribute *a = n->attribute; a->type != ONNX_END; a++)
        put_attribute(&b, a);
    if (n->domain)
        put_str(&b, NODE_DOMAIN, n->domain);
    put_message(&w->parts[NODES], GRAPH_NODE, &b);
}

/* ---- tensors ---- */

static size_t type_bytes(enum onnx_type t)
{
    return t == ONNX_I64 ? 8 : t == ONNX_F32 || t == ONNX_I32 ? 4 : 1;
}

static bool tensor_bytes(const struct onnx_tensor *t, size_t *bytes)
{
    bool ok = t->n_dims >= 0 && t->n_dims <= ONNX_MOST_DIMS;
    *bytes = type_bytes(t->type);
    for (int i = 0; ok && i < t->n_dims; i++)
        ok = t->dim[i] > 0 && mem_mul(*bytes, (size_t)t->dim[i], bytes);
    return ok;
}

static void put_head(struct sbuf *b, const struct onnx_tensor *t)
{
    for (int i = 0; i < t->n_dims; i++)
        put_int(b, TENSOR_DIM, t->dim[i]);
    put_int(b, TENSOR_TYPE, t->type);
    put_str(b, TENSOR_NAME, t->name);
}

void onnx_writer_constant(struct onnx_writer *w, const struct onnx_tensor *t, const void *p, size_t n)
{
    struct sbuf b = {0};
    size_t bytes;
    if (!tensor_bytes(t, &bytes) || bytes != n || n > MOST_CONSTANT_BYTES) {
        fail(w, ERR_USAGE, "shape and bytes contradict each other in the constant", t->name);
        return;
    }
    put_head(&b, t);
    put_bytes(&b, TENSOR_RAW, p, n);
    put_message(&w->parts[TENSORS], GRAPH_TENSOR, &b);
}

static void put_entry(struct sbuf *b, const char *key, uint64_t number, const char *text)
{
    struct sbuf entry = {0}, value = {0};
    if (text)
        sbuf_puts(&value, text);
    else
        sbuf_printf(&value, "%llu", (unsigned long long)number);
    put_str(&entry, ENTRY_KEY, key);
    put_message(&entry, ENTRY_VALUE, &value);
    put_message(b, TENSOR_EXTERNAL, &entry);
}

static void write_data(struct onnx_writer *w, const void *p, size_t n)
{
    if (w->err.code == 0 && file_out_write(&w->data, p, n) < 0)
        w->err = w->data.err;
}

void onnx_writer_tensor(struct onnx_writer *w, const struct onnx_tensor *t)
{
    static const uint8_t zeros[ONNX_ALIGNMENT];
    struct sbuf b = {0};
    size_t bytes;
    if (w->left || !tensor_bytes(t, &bytes)) {
        fail(w, ERR_USAGE, w->left ? "bytes are missing before the tensor" : "a wrong shape has the tensor", t->name);
        return;
    }
    if (w->data.bytes % ONNX_ALIGNMENT)
        write_data(w, zeros, ONNX_ALIGNMENT - w->data.bytes % ONNX_ALIGNMENT);
    put_head(&b, t);
    put_entry(&b, "location", 0, w->data_name);
    put_entry(&b, "offset", w->data.bytes, NULL);
    put_entry(&b, "length", bytes, NULL);
    put_int(&b, TENSOR_LOCATION, LOCATION_EXTERNAL);
    put_message(&w->parts[TENSORS], GRAPH_TENSOR, &b);
    w->left = bytes;
}

void onnx_writer_data(struct onnx_writer *w, const void *p, size_t n)
{
    if (n > w->left) {
        fail(w, ERR_USAGE, "more bytes than the tensor has", w->data_name);
        return;
    }
    write_data(w, p, n);
    w->left -= n;
}

/* ---- files ---- */

int onnx_writer_new(struct onnx_writer **out, const char *path, const char *graph_name, struct err *e)
{
    const char *slash = strrchr(path, '/');
    struct sbuf data = {0};
    struct onnx_writer *w = mem_alloc(sizeof *w);
    *out = NULL;
    if (!w)
        return err_nomem(e, sizeof *w, "an ONNX writer");
    w->data.fd = -1;
    w->path = mem_strdup(path);
    w->graph_name = mem_strdup(graph_name);
    sbuf_printf(&data, "%s.data", path);
    int rc = w->path && w->graph_name && !data.failed ? file_out_open(&w->data, sbuf_str(&data), e)
                                                      : err_nomem(e, data.n, "an ONNX writer");
    sbuf_free(&data);
    if (rc < 0) {
        onnx_writer_abort(w);
        return rc;
    }
    w->data_name = w->data.path + (slash ? slash + 1 - path : 0);
    *out = w;
    return 0;
}

void onnx_writer_abort(struct onnx_writer *w)
{
    if (!w)
        return;
    if (w->data.path)
        file_out_abort(&w->data);
    for (int i = 0; i < 3; i++)
        sbuf_free(&w->parts[i]);
    mem_free(w->path);
    mem_free(w->graph_name);
    mem_free(w);
}

static void put_opset(struct sbuf *model, const char *domain, int version)
{
    struct sbuf b = {0};
    if (*domain)
        put_str(&b, OPSET_DOMAIN, domain);
    put_int(&b, OPSET_VERSION, version);
    put_message(model, MODEL_OPSET, &b);
}

static void put_model(struct sbuf *model, struct onnx_writer *w)
{
    struct sbuf graph = {0};
    for (int i = 0; i < 3; i++) {
        graph.failed |= w->parts[i].failed;
        sbuf_add(&graph, sbuf_str(&w->parts[i]), w->parts[i].n);
    }
    put_str(&graph, GRAPH_NAME, w->graph_name);
    put_int(model, MODEL_IR_VERSION, ONNX_IR_VERSION);
    put_str(model, MODEL_PRODUCER, "whichquant");
    put_message(model, MODEL_GRAPH, &graph);
    put_opset(model, "", ONNX_OPSET);
    put_opset(model, ONNX_CONTRIB, 1);
}

/* The graph names the data file: it comes last. */
int onnx_writer_finish(struct onnx_writer *w, struct err *e)
{
    struct sbuf model = {0};
    if (w->left)
        fail(w, ERR_USAGE, "bytes are missing of the last tensor in", w->data_name);
    int rc = w->err.code;
    if (rc < 0 && e)
        *e = w->err;
    if (rc == 0)
        put_model(&model, w);
    if (rc == 0 && model.failed)
        rc = err_nomem(e, model.n, "an ONNX graph");
    if (rc == 0)
        rc = file_out_commit(&w->data, e);
    if (rc == 0)
        rc = file_write(w->path, model.p, model.n, e);
    sbuf_free(&model);
    onnx_writer_abort(w);
    return rc;
}
