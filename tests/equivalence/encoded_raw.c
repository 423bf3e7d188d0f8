/* encoded_raw MODEL TEXT N_CTX N_CHUNKS FORMAT...: the calibration text's tokens, then the model's matrices in each
 * format as its encoder stores them, for comparison with packages that compress whole models (tests/equivalence). For
 * every part a line "name bytes" and the bytes: i32 tokens, planes one after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bench/engine/eval.h"
#include "bench/quant/recipe.h"
#include "kernels/kernels.h"

static int fail(const struct err *e)
{
    fprintf(stderr, "%s\n", e->text);
    return 1;
}

static void put_matrix(const char *name, const struct qmat *q)
{
    printf("%s %zu\n", name, qmat_bytes(q));
    for (int i = 0; i < N_PLANES; i++)
        if (i != PLANE_COLUMN && q->plane[i].bytes)
            fwrite(q->plane[i].p, 1, q->plane[i].bytes, stdout);
}

static int put_format(const struct model *m, const char *name, const struct calibration *cal, struct pool *pool,
                      struct err *e)
{
    struct recipe r;
    struct weights *w = NULL;
    struct recipe_known known = {true, cal};
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    int rc = a ? recipe_resolve(&r, name, e) : ERR_NOMEM;
    if (rc == 0)
        rc = recipe_assign(&m->d, &r, NULL, &known, a, e);
    if (rc == 0)
        rc = weights_encode(&w, m, a, cal, 0, pool, e);
    for (int i = 0; rc == 0 && i < m->d.n_tensors; i++) {
        char label[160];
        snprintf(label, sizeof label, "%s|%s|%d", name, m->d.tensor[i].name, a[i].par.bits);
        if (m->d.tensor[i].matrix)
            put_matrix(label, &w->mat[i]);
        if (a[i].range && w->fixed[i].scale > 0) {
            printf("%s|%s.input|8 8\n", name, m->d.tensor[i].name);
            fwrite(&w->fixed[i], sizeof(float), 2, stdout);
        }
    }
    weights_free(w);
    mem_free(a);
    return rc;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct model *m = NULL;
    struct weights *source = NULL;
    struct calibration *cal = NULL;
    struct pool *pool = NULL;
    int32_t *tokens = NULL;
    if (argc < 6)
        return 2;
    struct calib_text text = {.n_ctx = atoi(argv[3]), .n_chunks = atoi(argv[4]), .bos = -1};
    unsigned want = recipe_statistics((const char *const *)argv + 5, argc - 5);
    int rc = model_open(&m, argv[1], &e);
    if (rc == 0)
        rc = eval_tokenize(m->vocab, argv[2], text.n_ctx, &tokens, &text.n_tokens, &e);
    if (rc == 0)
        rc = weights_source(&source, m, false, &e);
    text.tokens = tokens;
    if (rc == 0)
        rc = calibration_collect(&cal, source, want, &text, 0, pool, &e);
    if (rc)
        return fail(&e);
    size_t n = (size_t)text.n_ctx * (size_t)cal->n_chunks;
    printf("tokens %zu\n", 4 * n);
    fwrite(tokens, 4, n, stdout);
    for (int i = 5; i < argc && rc == 0; i++)
        rc = put_format(m, argv[i], cal, pool, &e);
    calibration_free(cal);
    weights_free(source);
    mem_free(tokens);
    model_close(m);
    return rc ? fail(&e) : fflush(stdout) != 0;
}
