/* Named formats: which codec and which activation rule each tensor of a model gets. One assign function per family,
 * one row of recipes.def per name. Order: recipe_find -> recipe_assign -> weights_encode -> weights_free. */
#ifndef BENCH_QUANT_RECIPE_H
#define BENCH_QUANT_RECIPE_H
#include "base/err.h"
#include "base/pool.h"
#include "bench/engine/kv.h"
#include "bench/engine/model.h"
#include "bench/engine/weights.h"
#include "bench/quant/calib.h"
#include "kernels/formats/codec.h"

struct recipe_family;
struct range_rule;
struct recipe {
    const char *name;                 /* "gguf/q4_k_m"; a variant: "mlx/4bit-g64@dtype=bf16" */
    const struct recipe_family *family;
    const char *scheme;               /* what assign switches on: "q4_k_m" */
    const char *codec;                /* the base codec: "q4_k" */
    struct qpar par;
    const char *act;                  /* activation rule; NULL: the codec's own */
    const char *range;                /* how the grid of fixed activations is found: ranges.h */
    const char *high_codec;           /* what the tensors get that the family's rules (mix, ratio) except; NULL: none */
    struct qpar high;
    const char *high_act;             /* activation rule of those; NULL: act */
    const char *mix;                  /* which ones: a name the family knows */
    double bpw;                       /* bits per weight that the algorithm brings its tensors to; 0: as par says */
    double ratio;                     /* share of weights in the base codec where sensitivity decides; 0: all */
    double alpha;                     /* of SmoothQuant, 0 to 1 */
    const char *metric;               /* what decides with activations; NULL: the weights alone */
    const char *algorithm;            /* encodes whole matrices with activation statistics; NULL: the codec by rows */
    bool all_linear;                  /* refused where a linear layer does not fit, as its package does */
    bool on_request;                  /* no part of a sweep that names no formats */
    int gguf_file_type;               /* general.file_type, -1 outside GGUF */
    const char *framework;            /* usual runtime: "llama.cpp" */
    const char *verified_by;          /* package, version, test id; NULL = unverified, never recommended */
    const char *doc;
};
#define RECIPE_AS_IS "base/as-is" /* every tensor stays what it is in the file */
extern const struct recipe recipes[];
extern const int n_recipes;
/* Also without family where unambiguous ("q4_k_m"); of a variant (name@key=value,...) the row it varies. */
const struct recipe *recipe_find(const char *name);
/* The row with what follows @ applied. out->name is `name` itself, which must live on, where it is a variant. */
int recipe_resolve(struct recipe *out, const char *name, struct err *e);
/* What most of a model's weights are stored in, as far as the tensors tell: the format of that file type, codec, width
 * and groups (NULL: none is named), and a name, "awq/4bit-g32". */
const struct recipe *recipe_of_source(char name[48], const struct model *m);
/* "onnx", or "all": is the recipe one of those? */
bool recipe_in_group(const struct recipe *r, const char *group);
/* Does it take part where it is not named itself? base/f32 would be compared with itself; base/as-is is of quantized
 * GGUF files alone, others are base/f16 or the like as they are. */
bool recipe_is_candidate(const struct recipe *r, const struct model_desc *m);
/* Bits of enum calib_stat that the recipe cannot do without. */
unsigned recipe_needs(const struct recipe *r);
/* Bits of enum calib_stat that encoding the formats of a request can use: names and groups. */
unsigned recipe_statistics(const char *const *names, int n);

struct use_assign {                   /* one per model tensor, model order */
    const struct codec *codec;        /* what it will be stored in */
    const struct codec *wanted;       /* what the name promises; differs from codec when substituted */
    struct qpar par;
    const struct act *act;            /* rounding of this linear's input; NULL for non-matrices */
    const struct range_rule *range;   /* what settles the grid where act is fixed; else NULL */
    const struct codec *head;         /* of a tied embedding: the head's own copy, stored beside it; NULL: the same */
    struct qpar head_par;
    const struct algorithm *algorithm; /* NULL: the codec alone, row by row */
    double alpha;                     /* of the algorithm; 0: it has none */
    double bpw;                       /* that all tensors of the algorithm are to meet together; 0: par stands */
    char why[96];                     /* reason of a substitution, else "" */
};
/* Do both make the same tensor and round its input alike? What was promised, and why it was not kept, is no matter. */
bool assign_same(const struct use_assign *a, const struct use_assign *b);
/* What is known of the model's activations where tensors are assigned. */
struct recipe_known {
    bool importance;               /* the encoders will know which columns matter, which changes some mixtures */
    const struct calibration *cal; /* where activations decide; NULL: there in model order, for sizes alone */
};
struct recipe_family {
    const char *name;                 /* "gguf" */
    int (*assign)(const struct model_desc *m, const struct recipe *r, const struct recipe_known *known,
                  struct use_assign out[], struct err *e);
};
/* Whose arithmetic: what was asked for, or (asked NULL) that of the recipe's own framework. */
const char *recipe_numerics(const struct recipe *r, const char *asked);
/* The KV cache of that framework where nobody asks for another: f32, of llama.cpp and MLX f16. */
struct kv_pair numerics_kv(const char *numerics);
/* The same for a recipe, which may say more of its floats (mlx/4bit-g64@dtype=f32). */
struct kv_pair recipe_kv(const struct recipe *r, const char *asked);
/* Does it hold matrices in types that are not made without an importance matrix? */
bool recipe_needs_importance(const struct recipe *r);
/* numerics: the recipe's framework or NULL (its activation rules), or "weights-only" (f32 activations). known may be
 * NULL: nothing is. out[m->n_tensors]. */
int recipe_assign(const struct model_desc *m, const struct recipe *r, const char *numerics,
                  const struct recipe_known *known, struct use_assign out[], struct err *e);

struct recipe_summary {
    double bits_per_weight;           /* all tensors */
    int64_t bytes;                    /* all tensors as stored */
    int n_substituted;
    int64_t weights_substituted;
    char histogram[256];              /* "q4_k:12 q6_k:4 f32:9" */
};
int recipe_summarize(const struct model_desc *m, const struct use_assign *a, struct recipe_summary *s, struct err *e);

/* Encodes the model into the recipe, threaded over rows; each row through f32. cal may be NULL. Parameters that an
 * algorithm chooses are put into a. isa: what encoders may use, to the same bytes. */
int weights_encode(struct weights **out, const struct model *m, struct use_assign *a,
                   const struct calibration *cal, uint64_t isa, struct pool *pool, struct err *e);
/* The same a part at a time, for models larger than memory: what is not encoded is the source's. A part is a layer, or
 * one of these. Order: open -> (part -> use -> release)... -> weights_free. */
enum { PART_ALL = -1, PART_EMBEDDING = -2, PART_HEAD = -3 /* what is behind the layers */ };
int weights_encode_open(struct weights **out, const struct model *m, struct use_assign *a,
                        const struct calibration *cal, struct pool *pool, struct err *e);
int weights_encode_part(struct weights *w, const struct use_assign *a, const struct calibration *cal, int part,
                        uint64_t isa, struct pool *pool, struct err *e);
void weights_release_part(struct weights *w, int part);
#endif
