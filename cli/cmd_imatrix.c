/* What commands share of calibration: --imatrix FILE or --calibration TEXT into statistics; and `imatrix`. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "bench/engine/eval.h"
#include "bench/quant/imatrix.h"
#include "cli/cli.h"

static void on_chunk(void *arg, int done, int total)
{
    cli_progress(arg, done, total, "activation statistics");
}

static int collect(struct cli *c, struct calibration **out, const struct model *m, const char *path, unsigned want,
                   struct calib_text *text, struct err *e)
{
    struct weights *w = NULL;
    int32_t *tokens = NULL;
    int rc = cli_pool(c, e);
    if (rc == 0)
        rc = eval_tokenize(m->vocab, path, text->n_ctx, &tokens, &text->n_tokens, e);
    if (rc == 0)
        rc = weights_source(&w, m, false, e);
    text->tokens = tokens;
    text->bos = vocab_adds_bos(m->vocab) ? vocab_bos(m->vocab) : -1;
    text->on_chunk = on_chunk;
    text->arg = c;
    if (rc == 0)
        rc = calibration_collect(out, w, want, text, c->req.isa, c->pool, e);
    cli_progress_end(c);
    if (rc == 0)
        snprintf((*out)->dataset, sizeof(*out)->dataset, "%s", path);
    weights_free(w);
    mem_free(tokens);
    return rc;
}

static int chunk_of(const struct model *m)
{
    enum { CHUNK = 512 };
    return m->d.n_ctx_train > 0 && m->d.n_ctx_train < CHUNK ? m->d.n_ctx_train : CHUNK;
}

int cli_calibration(struct cli *c, struct calibration **out, const struct model *m, unsigned want, struct err *e)
{
    *out = NULL;
    if (c->req.imatrix && c->req.calibration)
        return err_set(e, ERR_USAGE, "give --imatrix or --calibration, not both");
    if (c->req.imatrix)
        return imatrix_read(out, c->req.imatrix, &m->d, e);
    if (!c->req.calibration)
        return 0;
    struct calib_text text = {.n_ctx = chunk_of(m)};
    return collect(c, out, m, c->req.calibration, want, &text, e);
}

static bool needs_peaks(const struct cli *c)
{
    struct kv_pair p;
    bool yes = false;
    for (int i = 0; i < c->kv.n; i++)
        yes |= kv_parse(&p, c->kv.v[i], NULL) == 0 && kv_needs_peaks(p);
    return yes;
}

/* As long as the chunks that are to be evaluated: K turns with the position, and shows its largest values late. */
static int peaks_chunk(const struct cli *c, const struct model *m, int64_t n_tokens)
{
    int n = c->req.n_ctx_eval > 2048 ? c->req.n_ctx_eval : 2048;
    for (int i = 0; i < c->req.n_kv_ctx; i++)
        n = c->req.kv_ctx[i] > n ? c->req.kv_ctx[i] : n;
    n = m->d.n_ctx_train > 0 && m->d.n_ctx_train < n ? m->d.n_ctx_train : n;
    return n_tokens < n ? (int)n_tokens : n;
}

int cli_kv_peaks(struct cli *c, struct kv_peaks **out, const struct model *m, struct err *e)
{
    struct kv_peaks_text text = {.n_ctx = chunk_of(m),
                                 .bos = vocab_adds_bos(m->vocab) ? vocab_bos(m->vocab) : -1,
                                 .on_chunk = on_chunk,
                                 .arg = c};
    struct weights *w = NULL;
    int32_t *tokens = NULL;
    *out = NULL;
    if (!c->req.calibration || !needs_peaks(c))
        return 0;
    int rc = cli_pool(c, e);
    if (rc == 0)
        rc = eval_tokenize(m->vocab, c->req.calibration, text.n_ctx, &tokens, &text.n_tokens, e);
    if (rc == 0)
        rc = weights_source(&w, m, false, e);
    text.tokens = tokens;
    text.n_ctx = peaks_chunk(c, m, text.n_tokens);
    if (rc == 0)
        rc = kv_peaks_collect(out, w, &text, c->req.isa, c->pool, e);
    cli_progress_end(c);
    weights_free(w);
    mem_free(tokens);
    return rc;
}

static int print_summary(struct cli *c, const struct calibration *s)
{
    int n = 0, n_matrices = 0;
    for (int i = 0; i < s->d->n_tensors; i++) {
        n_matrices += s->d->tensor[i].matrix;
        n += s->tensor[i] != NULL;
    }
    if (!c->json) {
        printf("%s: %d of %d matrices, %d chunks of %d tokens of %s\n", c->req.out_dir, n, n_matrices, s->n_chunks,
               s->chunk_size, s->dataset);
        return EXIT_DONE;
    }
    json_t *o = json_object();
    json_put(o, "path", json_string(c->req.out_dir));
    json_put(o, "matrices", json_integer(n_matrices));
    json_put(o, "matrices_seen", json_integer(n));
    json_put(o, "chunks", json_integer(s->n_chunks));
    json_put(o, "chunk_size", json_integer(s->chunk_size));
    return cli_print_json(o);
}

int cmd_imatrix(struct cli *c)
{
    struct err e = {0};
    struct model *m = NULL;
    struct calibration *s = NULL;
    if (!c->req.out_dir || (!c->text == !c->req.imatrix)) {
        cli_warn("imatrix needs -o FILE (.gguf or .dat) and --text FILE, or --imatrix FILE to convert one");
        return EXIT_USAGE;
    }
    if (c->req.n_ctx_eval < 1) {
        cli_warn("--ctx %d: chunks need at least 1 token", c->req.n_ctx_eval);
        return EXIT_USAGE;
    }
    struct calib_text text = {.n_ctx = c->req.n_ctx_eval, .n_chunks = c->req.n_chunks, .head = c->process_output};
    int rc = cli_model(&m, c->arg[0], &e);
    if (rc == 0)
        rc = model_check_finite(m, &e);
    if (rc == 0)
        rc = c->text ? collect(c, &s, m, c->text, CALIB_SQUARES, &text, &e)
                     : imatrix_read(&s, c->req.imatrix, &m->d, &e);
    if (rc == 0)
        rc = imatrix_write(c->req.out_dir, s, &e);
    int code = rc < 0 ? cli_fail(&e) : print_summary(c, s);
    calibration_free(s);
    model_close(m);
    return code;
}
