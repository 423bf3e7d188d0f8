/* The operations of OpenVINO that decoders are made of, shapes worked out. All of them add one layer and its small
 * constants to the graph; failures stick there. */
#ifndef BENCH_EXPORT_OPENVINO_OPS_H
#define BENCH_EXPORT_OPENVINO_OPS_H
#include "bench/artifact/openvino_write.h"

struct ir_value ov_f32(struct ir *g, float v);
struct ir_value ov_f32_vector(struct ir *g, const char *name, const float *v, struct ir_shape shape);
struct ir_value ov_i64(struct ir *g, int64_t v);
struct ir_value ov_i64_list(struct ir *g, const int64_t *v, int n);
#define OV_LIST(g, ...) ov_i64_list(g, (int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

struct ir_value ov_input(struct ir *g, const char *name, enum ir_type type, struct ir_shape shape);
void ov_result(struct ir *g, const char *name, struct ir_value x);
/* One input, the same shape: "Cos", "opset1". */
struct ir_value ov_unary(struct ir *g, const char *type, const char *opset, struct ir_value x);
/* Two inputs broadcast to each other: "Multiply", "LessEqual". */
struct ir_value ov_binary(struct ir *g, const char *type, struct ir_value a, struct ir_value b);
struct ir_value ov_convert(struct ir *g, struct ir_value x, enum ir_type type);
struct ir_value ov_decompress(struct ir *g, struct ir_value x); /* a constant of f16, widened where it is used */
struct ir_value ov_gelu_tanh(struct ir *g, struct ir_value x);
struct ir_value ov_select(struct ir *g, struct ir_value condition, struct ir_value a, struct ir_value b);
struct ir_value ov_mean_of_rows(struct ir *g, struct ir_value x); /* [.., n] -> [.., 1] */
struct ir_value ov_largest(struct ir *g, struct ir_value x);      /* [a, b] -> scalar */
struct ir_value ov_gather(struct ir *g, struct ir_value data, struct ir_value index, int64_t axis);
/* Dimension i of x as a list of one. */
struct ir_value ov_dimension(struct ir *g, struct ir_value x, int64_t i);
struct ir_value ov_squeeze(struct ir *g, struct ir_value x); /* a list of one -> scalar */
struct ir_value ov_unsqueeze(struct ir *g, struct ir_value x, int64_t axis);
struct ir_value ov_range(struct ir *g, struct ir_value from, struct ir_value to);
struct ir_value ov_concat(struct ir *g, const struct ir_value *x, int n, int axis);
struct ir_value ov_broadcast(struct ir *g, struct ir_value x, struct ir_value to, const char *mode,
                             struct ir_shape shape);
/* pattern: 0 keeps a dimension, -1 is what is left; shape: what comes out. */
struct ir_value ov_reshape(struct ir *g, struct ir_value x, struct ir_shape pattern, struct ir_shape shape);
struct ir_value ov_swap_middle(struct ir *g, struct ir_value x); /* [a, b, c, d] -> [a, c, b, d] */
/* The last dimension in n parts of those lengths. */
void ov_split(struct ir *g, struct ir_value x, const int64_t *length, int n, struct ir_value *part);
struct ir_value ov_matmul(struct ir *g, const char *name, struct ir_value x, struct ir_value w, const char *tensor);
struct ir_value ov_slice(struct ir *g, struct ir_value x, struct ir_value from, struct ir_value to, int64_t axis);
struct ir_value ov_attention(struct ir *g, struct ir_value q, struct ir_value k, struct ir_value v,
                             struct ir_value mask, float scale);
/* A state [?, n_head, ?, head_dim] that begins with no positions. init: zeros of that shape. */
struct ir_value ov_read_state(struct ir *g, const char *id, struct ir_value init);
void ov_write_state(struct ir *g, const char *id, struct ir_value x);
#endif
