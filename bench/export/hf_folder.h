/* What the containers in the form of a Hugging Face folder share: names, the order of rows, what is folded into the
 * layer before, plain tensors, the small files. A container says how it stores a quantized matrix: struct hf_container.
 *
 * GGUF's order of rows in q and k of Llama, its norms plus one, and factors per column (PLANE_COLUMN) are undone here.
 */
#ifndef BENCH_EXPORT_HF_FOLDER_H
#define BENCH_EXPORT_HF_FOLDER_H
#include "bench/artifact/hf_write.h"
#include "bench/artifact/safetensors_write.h"
#include "bench/export/export.h"

struct hf_place { /* where a tensor stands in the folder */
    char module[128];
    const char *part;         /* "weight", "bias" */
    bool plus_one;            /* of the norms in GGUF */
    int64_t n_head, head_dim; /* heads whose rows are in GGUF's pairs; n_head 0: rows are as they are */
    const float *fold;        /* rows (of vectors values) from fold_from on are divided by it; NULL: they are not */
    int64_t fold_from;
};
struct hf_export {
    const struct model *m;
    const struct weights *w;
    const struct recipe *r;
    const struct hf_container *c;
    struct hf_place *place; /* [m->d.n_tensors] part NULL: it is said in config.json */
    struct st_out *out;
    int n_out;
};
struct hf_container {
    const char *format; /* metadata of the weights' file: "pt", "mlx" */
    const char *codec;  /* of quantized matrices; all others are plain */
    bool folds;         /* factors per column go into the layer before */
    /* May a matrix W[n][k] be stored with those parameters? */
    int (*check)(int64_t n, int64_t k, const struct qpar *par, struct err *e);
    /* Describes the parts of a quantized matrix: hf_add_part each. */
    void (*declare)(struct hf_export *x, int tensor);
    st_fill *fill; /* of such a part; ctx: the struct hf_export */
    void (*settings)(const struct hf_export *x, json_t *config);
};
enum { HF_MAX_PARTS = 4, HF_PLAIN = -1 };

int hf_folder_check(const struct hf_container *c, const struct model *m, const struct recipe *r, struct err *e);
int hf_folder_write(const char *path, const struct hf_container *c, const struct model *m, const struct weights *w,
                    const struct recipe *r, struct err *e);
/* The next part: MODULE.suffix of a tensor. d1 < 0: a vector. */
void hf_add_part(struct hf_export *x, int tensor, int part, const char *suffix, enum st_dtype dtype, int64_t d0,
                 int64_t d1);
/* The row of the model's matrix that stands at row i of the folder's. */
int64_t hf_row(const struct hf_place *p, int64_t i);
/* What row i of the folder's matrix is divided by. */
float hf_row_fold(const struct hf_place *p, int64_t i);
/* The plain type of all that is not quantized. */
enum st_dtype hf_float_type(const struct recipe *r);
/* The same as config.json names it: "float16". */
const char *hf_float_name(const struct recipe *r);
#endif
