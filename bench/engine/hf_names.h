/* What Hugging Face calls the parts of a model: the rows of hf_names.def, for reading folders and for writing them. */
#ifndef BENCH_ENGINE_HF_NAMES_H
#define BENCH_ENGINE_HF_NAMES_H
#include "bench/engine/arch.h"

enum hf_models { HF_IN_ANY, HF_IN_PLAIN, HF_IN_SANDWICH };
enum hf_change { HF_AS_IS, HF_NORM, HF_ROWS_Q, HF_ROWS_K };
struct hf_name {
    enum tensor_use use;
    const char *module, *part; /* "layers.%d.self_attn.q_proj" below the model, "weight" */
    enum hf_models models;
    enum hf_change change; /* from GGUF's tensor to the folder's */
};
extern const struct hf_name hf_names[];
extern const int n_hf_names;
bool hf_name_is_in(const struct hf_name *n, const struct arch *a);
/* NULL: the folder has no such tensor (the head, tables of factors). Where a use has two names, the last one is that of
 * fused matrices. */
const struct hf_name *hf_name_of(const struct arch *a, enum tensor_use use);
#endif
