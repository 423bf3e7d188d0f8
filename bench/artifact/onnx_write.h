/* ONNX model files: a graph in onnx.proto's wire format, its tensors in a data file beside it. The handful of messages
 * that a writer needs are varints and length-prefixed bytes: less code here than what a protobuf compiler would make,
 * without the dependency, and tensors never pass through memory as a whole. The same calls give the same bytes.
 *
 * Order: onnx_writer_new -> inputs, outputs, tensors, nodes in any order -> onnx_writer_finish or abort. The first
 * failure sticks: later calls do nothing, and finish returns it. */
#ifndef BENCH_ARTIFACT_ONNX_WRITE_H
#define BENCH_ARTIFACT_ONNX_WRITE_H
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum {
    ONNX_OPSET = 23,
    ONNX_IR_VERSION = 11,
    ONNX_ALIGNMENT = 4096 /* of external tensors, so that they can be mapped */
};
enum onnx_type { ONNX_F32 = 1, ONNX_U8 = 2, ONNX_I8 = 3, ONNX_I32 = 6, ONNX_I64 = 7 };
enum { ONNX_MOST_DIMS = 4, ONNX_MOST_INPUTS = 10, ONNX_MOST_OUTPUTS = 4, ONNX_MOST_ATTRIBUTES = 8 };

struct onnx_tensor {
    const char *name;
    enum onnx_type type;
    int n_dims; /* 0: a scalar */
    int64_t dim[ONNX_MOST_DIMS];
};
struct onnx_value { /* an input or output of the graph */
    const char *name;
    enum onnx_type type;
    int n_dims;
    int64_t dim[ONNX_MOST_DIMS];
    const char *symbol[ONNX_MOST_DIMS]; /* in place of dim, where it is not NULL */
};
enum onnx_attribute_type { ONNX_END, ONNX_FLOAT, ONNX_INT, ONNX_STRING };
struct onnx_attribute {
    const char *name;
    enum onnx_attribute_type type;
    double f;
    int64_t i;
    const char *s;
};
struct onnx_node { /* inputs and outputs end with NULL; "" is one left out. Its name is that of its first output. */
    const char *op, *domain; /* NULL: the standard one */
    const char *in[ONNX_MOST_INPUTS + 1], *out[ONNX_MOST_OUTPUTS + 1];
    struct onnx_attribute attribute[ONNX_MOST_ATTRIBUTES + 1];
};
#define ONNX_CONTRIB "com.microsoft"

struct onnx_writer;
/* path and path.data are written, the latter named relative to the former. */
int onnx_writer_new(struct onnx_writer **out, const char *path, const char *graph_name, struct err *e);
void onnx_writer_input(struct onnx_writer *w, const struct onnx_value *v);
void onnx_writer_output(struct onnx_writer *w, const struct onnx_value *v);
void onnx_writer_node(struct onnx_writer *w, const struct onnx_node *n);
/* A small tensor, inside the graph. */
void onnx_writer_constant(struct onnx_writer *w, const struct onnx_tensor *t, const void *p, size_t n);
/* A tensor of the data file: its bytes follow by onnx_writer_data, in pieces of any size. */
void onnx_writer_tensor(struct onnx_writer *w, const struct onnx_tensor *t);
void onnx_writer_data(struct onnx_writer *w, const void *p, size_t n);
/* For callers that fail on their way: the sentence sticks as their own. */
void onnx_writer_fail(struct onnx_writer *w, const struct err *e);
int onnx_writer_finish(struct onnx_writer *w, struct err *e);
void onnx_writer_abort(struct onnx_writer *w); /* NULL is fine */
#endif
