/* OpenVINO IR, version 11: a graph as NAME.xml, its constants in NAME.bin.
 * Order: ir_open -> values by ir_constant and ir_add, each from earlier ones -> ir_finish (or ir_abort). The first
 * failure sticks: later calls write nothing, values still have shapes, and ir_finish reports it. The same calls make
 * the same bytes. Constants start at multiples of 64 bytes; equal ones are stored once. */
#ifndef BENCH_ARTIFACT_OPENVINO_WRITE_H
#define BENCH_ARTIFACT_OPENVINO_WRITE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

/* X(enumerator, of constants and attributes, of ports, bits) */
#define IR_TYPES(X)                                                                                                    \
    X(F32, "f32", "FP32", 32)                                                                                          \
    X(F16, "f16", "FP16", 16) X(I64, "i64", "I64", 64) X(I32, "i32", "I32", 32) X(BOOL, "boolean", "BOOL", 8)          \
        X(U8, "u8", "U8", 8) X(I8, "i8", "I8", 8) X(U4, "u4", "U4", 4) X(I4, "i4", "I4", 4) X(U3, "u3", "U3", 3)       \
            X(U2, "u2", "U2", 2) X(NF4, "nf4", "NF4", 4) X(F4E2M1, "f4e2m1", "F4E2M1", 4)                              \
                X(F8E4M3, "f8e4m3", "F8E4M3", 8) X(F8E8M0, "f8e8m0", "F8E8M0", 8)
enum ir_type {
#define X(id, attribute, port, bits) IR_##id,
    IR_TYPES(X)
#undef X
        N_IR_TYPES
};
const char *ir_type_name(enum ir_type t); /* "f16", as attributes say it */

enum {
    IR_MOST_DIMS = 5,
    IR_MOST_INPUTS = 6,
    IR_MOST_OUTPUTS = 3,
    IR_MOST_ATTRIBUTES = 4,
    IR_ANY = -1 /* a dimension known at run time */
};
struct ir_shape {
    int n;
    int64_t dim[IR_MOST_DIMS];
};
#define IR_SHAPE(...) ((struct ir_shape){sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}})
#define IR_SCALAR     ((struct ir_shape){0})
struct ir_value { /* an output of a layer */
    int layer, port;
    enum ir_type type;
    struct ir_shape shape;
};
struct ir_attribute {
    const char *name, *value;
};
struct ir_layer {
    const char *type, *opset, *name; /* "MatMul", "opset1"; name NULL: made from the type and the number */
    struct ir_attribute attribute[IR_MOST_ATTRIBUTES];
    struct ir_value in[IR_MOST_INPUTS];
    int n_in, n_out;
    enum ir_type out_type;
    struct ir_shape out[IR_MOST_OUTPUTS];
    const char *tensor; /* name of the first output's tensor; NULL: none */
    bool decompresses;  /* widens a constant: the runtime keeps it as it is */
};
struct ir;
/* Both files go into the folder. */
int ir_open(struct ir **out, const char *folder, const char *name, struct err *e);
/* bytes: of all elements, in rows without gaps, several in a byte from the lowest bits on. */
struct ir_value ir_constant(struct ir *g, const char *name, enum ir_type type, struct ir_shape shape, const void *p,
                            size_t bytes);
/* Its first output. */
struct ir_value ir_add(struct ir *g, const struct ir_layer *l);
/* Output i of the layer whose first output is v. */
struct ir_value ir_output(struct ir_value v, const struct ir_layer *l, int i);
/* A value of rt_info: "nncf/weight_compression/mode", "int4_sym". Neighbours share the beginning of their paths. */
void ir_note(struct ir *g, const char *path, const char *value);
int ir_finish(struct ir *g, struct err *e); /* frees g */
void ir_abort(struct ir *g);
#endif
