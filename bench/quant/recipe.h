/* Named formats: which codec and which activation rule each tensor of a model gets. One assign function per family,
 * one row of recipes.def per name. Order: recipe_find -> recipe_assign -> weights_encode -> weights_free. */
#ifndef BENCH_QUANT_RECIPE_H
#define BENCH_QUANT_RECIPE_H
#include "base/err.h"
#include "base/pool.h"
#include "bench/engine/model.h"
#include "bench/engine/weights.h"
#include "bench/quant/calib.h"
#include "kernels/formats/codec.h"

struct recipe_family;
struct recipe {
    const char *name;                 /* "gguf/q4_k_m" */
    const struct recipe_family *family;
    const char *scheme;               /* what assign switches on: "q4_k_m" */
    const char *codec;                /* the base codec: "q4_k" */
    struct qpar par;
    int gguf_file_type;               /* general.file_type, -1 outside GGUF */
    const char *framework;            /* usual runtime: "llama.cpp" */
    const char *verified_by;          /* package, version, test id; NULL = unverified, never recommended */
    const char *doc;
};
extern const struct recipe recipes[];
extern const int n_recipes;
const struct recipe *recipe_find(const char *name);   /* also without family where unambiguous: "q4_k_m" */

struct use_assign {                   /* one per model tensor, model order */
    const struct codec *codec;        /* what it will be stored in */
    const struct codec *wanted;       /* what the name promises; differs from codec when substituted */
    struct qpar par;
    const struct act *act;            /* rounding of this linear's input; NULL for non-matrices */
    char why[96];                     /* reason of a substitution, else "" */
};
struct recipe_family {
    const char *name;                 /* "gguf" */
    int (*assign)(const struct model_desc *m, const struct recipe *r, bool have_importance, struct use_assign out[],
                  struct err *e);
    bool needs_weight_stats, needs_activation_stats;
};
/* numerics: "llama.cpp" (the runtime's activation rules) or "weights-only" (f32 activations). have_importance: the
 * encoders will know which columns matter, which changes some mixtures. out[m->n_tensors]. */
int recipe_assign(const struct model_desc *m, const struct recipe *r, const char *numerics, bool have_importance,
                  struct use_assign out[], struct err *e);

struct recipe_summary {
    double bits_per_weight;           /* all tensors */
    int64_t bytes;                    /* all tensors as stored */
    int n_substituted;
    int64_t weights_substituted;
    char histogram[256];              /* "q4_k:12 q6_k:4 f32:9" */
};
int recipe_summarize(const struct model_desc *m, const struct use_assign *a, struct recipe_summary *s, struct err *e);

/* Encodes the model into the recipe, threaded over rows; each row through f32. cal may be NULL. */
int weights_encode(struct weights **out, const struct model *m, const struct use_assign *a,
                   const struct calibration *cal, struct pool *pool, struct err *e);
#endif
