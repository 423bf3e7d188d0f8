/* What the files of the ONNX Runtime GenAI container share: the graph under construction. */
#ifndef BENCH_EXPORT_ONNX_GRAPH_H
#define BENCH_EXPORT_ONNX_GRAPH_H
#include "base/mem.h"
#include "bench/artifact/onnx_write.h"
#include "bench/quant/recipe.h"

struct onnx_graph {
    struct onnx_writer *w;
    const struct model *m;
    const struct weights *weights;
    struct arena *names;
    struct { /* the value that was rounded last, and into what: matrices with the same input share it */
        const char *x, *code, *scale, *zero;
        struct act_fixed grid;
    } rounded;
};
/* A text that lives as long as the graph; "" and a sticky failure when there is no memory. */
const char *onnx_name(struct onnx_graph *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The node's first output. */
const char *onnx_put(struct onnx_graph *g, const struct onnx_node *n);

/* The name of a tensor without ".weight". */
const char *onnx_stem(struct onnx_graph *g, const struct model_tensor *t);
/* x W^T by the operators of the recipe. logits: of the head, what to call them; NULL: no head, named by its tensor. */
const char *onnx_linear(struct onnx_graph *g, const char *x, const struct model_tensor *t, const char *logits);
/* Rows of the embedding in f32. */
const char *onnx_embedding(struct onnx_graph *g, const char *ids, const struct model_tensor *t);
/* A vector of the model as f32[k]; its name. */
const char *onnx_vector(struct onnx_graph *g, const struct model_tensor *t);
const char *onnx_f32(struct onnx_graph *g, const char *name, float v);
const char *onnx_i64s(struct onnx_graph *g, const char *name, const int64_t *v, int n, int n_dims);

/* Positions that the tables of rotations have, and that the model is exported for. */
int onnx_context(const struct model_desc *d);
/* cos and sin of a base, f32[onnx_context][rope_dim / 2]: "cos" and "sin" with the suffix. */
void onnx_rope(struct onnx_graph *g, const char *suffix, bool local);
/* The whole decoder: inputs to logits. */
void onnx_decoder(struct onnx_graph *g);

/* What ONNX Runtime GenAI calls the architecture; NULL: it has none. */
const char *onnx_genai_type(const struct arch *a);
int onnx_write_config(const char *path, const struct model *m, struct err *e);
#endif
