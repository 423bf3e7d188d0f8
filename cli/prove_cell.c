/* doctor --prove-cell: one cell of the proof in this process. The format is made of the embedded model, the framework
 * runs the beginning of the embedded text and one token, and its logits are compared with the plain C engine's in the
 * same arithmetic. Prints the cell; whoever started it watches over time and memory. */
#include "cli/doctor_prove.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/temp.h"
#include "bench/engine/eval.h"
#include "bench/engine/logits_file.h"
#include "bench/runners/artifact.h"

enum { CONTEXT = 2 * PROVE_TOKENS, CALIBRATION_CHUNKS = 4, TEXT_BYTES = 600, RUN_MS = 120000 };
/* Mean KLD. Two runs that follow the same rule stand up to 1e-3 apart where activations are rounded to 8 bits, 1e-2
 * where a scale is one call's (docs/EQUIVALENCE.md); wrong kernels make whole nats. */
static const double own_limit = 1e-2, framework_limit = 5e-2;
/* Logits of two tokens nearer than this may change places by the same noise. */
static const float tie = 0.25f;

struct proof {
    struct cli *c;
    struct prove_cell cell;
    const struct runner *runner;
    struct model *model;
    struct recipe recipe;
    struct use_assign *assign;
    struct calibration *calib;
    struct weights *weights;
    int32_t *tokens; /* [n_tokens] of the text; the first PROVE_TOKENS are run */
    int64_t n_tokens;
    float *want, *got; /* [PROVE_TOKENS][n_vocab] */
};

static void proof_free(struct proof *p)
{
    mem_free(p->want);
    mem_free(p->got);
    mem_free(p->tokens);
    weights_free(p->weights);
    mem_free(p->assign);
    calibration_free(p->calib);
    model_close(p->model);
}

/* ---- the format, and what its arithmetic gives ---- */

static int read_text(struct proof *p, struct err *e)
{
    const struct vocab *v = p->model->vocab;
    int rc = eval_encode(v, (const char *)default_text, (size_t)(default_text_end - default_text), "the embedded text",
                         PROVE_TOKENS, &p->tokens, &p->n_tokens, e);
    if (rc == 0 && vocab_adds_bos(v))
        p->tokens[0] = vocab_bos(v);
    return rc;
}

/* A few tokens' worth for those that cannot be made without: what counts here is that they run. */
static int collect(struct proof *p, struct err *e)
{
    const char *name[] = {p->recipe.name};
    struct calib_text t = {.tokens = p->tokens, .n_tokens = p->n_tokens, .n_ctx = PROVE_TOKENS, .bos = -1};
    struct weights *w = NULL;
    if (!recipe_needs(&p->recipe) && !recipe_needs_importance(&p->recipe))
        return 0;
    t.n_chunks = CALIBRATION_CHUNKS;
    int rc = weights_source(&w, p->model, false, e);
    if (rc == 0)
        rc = calibration_collect(&p->calib, w, recipe_statistics(name, 1), &t, 0, p->c->pool, e);
    weights_free(w);
    return rc;
}

static int encode(struct proof *p, struct err *e)
{
    struct recipe_known known = {p->calib, p->calib};
    p->assign = mem_alloc_n((size_t)p->model->d.n_tensors, sizeof *p->assign);
    if (!p->assign)
        return err_nomem(e, (unsigned long long)p->model->d.n_tensors * sizeof *p->assign, "the tensor table");
    int rc = recipe_assign(&p->model->d, &p->recipe, NULL, &known, p->assign, e);
    return rc ? rc : weights_encode(&p->weights, p->model, p->assign, p->calib, p->c->req.isa, p->c->pool, e);
}

/* All but the last token at once, the last one alone: as a runtime reads a prompt and goes on. */
static int run_engine(struct proof *p, enum engine_mode mode, uint64_t isa, float *rows, char *names, struct err *e)
{
    const size_t n_vocab = (size_t)p->model->d.n_vocab;
    struct engine_opts o = {.mode = mode,
                            .n_ctx = CONTEXT,
                            .n_batch = PROVE_TOKENS,
                            .kv = numerics_kv(recipe_numerics(&p->recipe, NULL)),
                            .isa = isa,
                            .pool = p->c->pool};
    struct engine *g = NULL;
    int rc = engine_new(&g, p->weights, &o, e);
    if (rc == 0)
        rc = engine_forward(g, p->tokens, PROVE_TOKENS - 1, e);
    if (rc == 0)
        rc = engine_logits(g, 0, PROVE_TOKENS - 1, rows, e);
    if (rc == 0)
        rc = engine_forward(g, p->tokens + PROVE_TOKENS - 1, 1, e);
    if (rc == 0)
        rc = engine_logits(g, 0, 1, rows + (PROVE_TOKENS - 1) * n_vocab, e);
    if (rc == 0 && names)
        snprintf(names, sizeof p->cell.kernels, "%s", engine_is_packed(g) ? engine_kernels(g) : "");
    engine_free(g);
    return rc;
}

static int prepare(struct proof *p, struct err *e)
{
    int rc = cli_device(p->c, e);
    if (rc == 0) /* nothing is timed: threads that go where there is room are done sooner on a busy machine */
        rc = pool_new(&p->c->pool, p->c->req.threads, NULL, e);
    if (rc == 0)
        rc = cli_model(&p->model, "default", e);
    if (rc == 0)
        rc = read_text(p, e);
    if (rc == 0)
        rc = collect(p, e);
    if (rc == 0)
        rc = encode(p, e);
    if (rc < 0)
        return rc;
    size_t n = (size_t)p->model->d.n_vocab * PROVE_TOKENS;
    p->want = mem_alloc_n(n, sizeof *p->want);
    p->got = mem_alloc_n(n, sizeof *p->got);
    if (!p->want || !p->got)
        return err_nomem(e, n * sizeof *p->want, "logits");
    return run_engine(p, ENGINE_REFERENCE, 0, p->want, NULL, e);
}

/* ---- who runs it ---- */

static int prove_own(struct proof *p, struct err *e)
{
    int rc = run_engine(p, ENGINE_PACKED, p->c->req.isa, p->got, p->cell.kernels, e);
    if (rc == 0)
        prove_compare(&p->cell, p->want, p->got, PROVE_TOKENS, p->model->d.n_vocab, own_limit);
    if (rc == 0 && !p->cell.kernels[0] && p->cell.status == STATUS_OK)
        snprintf(p->cell.reason, sizeof p->cell.reason,
                 "no packed kernel for every matrix on this path: decoded and multiplied in f32");
    return rc;
}

static void remark(struct proof *p, const char *text)
{
    snprintf(p->cell.reason, sizeof p->cell.reason, "%s", text);
}

static int compare_rows(struct proof *p, const float *rows, int n_vocab, struct err *e)
{
    const size_t own = (size_t)p->model->d.n_vocab;
    if (n_vocab < p->model->d.n_vocab)
        return err_set(e, ERR_DATA, "it has %d tokens and the model %d", n_vocab, p->model->d.n_vocab);
    for (size_t i = 0; i < PROVE_TOKENS; i++) /* padded vocabularies: what is behind is no token */
        memcpy(p->got + i * own, rows + i * (size_t)n_vocab, own * sizeof *rows);
    prove_compare(&p->cell, p->want, p->got, PROVE_TOKENS, (int)own, framework_limit);
    return 0;
}

static int ask_next(struct proof *p, struct session *s, struct err *e)
{
    const size_t own = (size_t)p->model->d.n_vocab;
    const float *last = p->want + (PROVE_TOKENS - 1) * own;
    int32_t token = 0;
    int rc = p->runner->next(s, p->tokens, PROVE_TOKENS, &token, e);
    size_t best = 0;
    if (rc < 0)
        return rc;
    for (size_t i = 1; i < own; i++)
        best = last[i] > last[best] ? i : best;
    if (token < 0 || (size_t)token >= own || last[token] < last[best] - tie)
        return err_set(e, ERR_DATA, "wrong token: %d, where the same arithmetic in plain C makes %zu", (int)token,
                       best);
    remark(p, "it shows no logits; its next token is right");
    return 0;
}

/* Logits, else the next token, else only that it ran. */
static int ask(struct proof *p, struct session *s, struct err *e)
{
    const float *rows;
    struct err why = {0};
    int n_vocab = 0, rc = ERR_UNSUPPORTED;
    if (p->runner->logits)
        rc = p->runner->logits(s, p->tokens, PROVE_TOKENS, &rows, &n_vocab, &why);
    if (rc == 0)
        return compare_rows(p, rows, n_vocab, e);
    if (rc == ERR_UNSUPPORTED && p->runner->next)
        rc = ask_next(p, s, &why);
    if (rc != ERR_UNSUPPORTED)
        return rc < 0 ? err_set(e, rc, "%s", why.text) : 0;
    remark(p, "it ran; it shows neither logits nor tokens to compare");
    return 0;
}

/* Row i of the file belongs to position n_ctx / 2 + i. */
static int compare_file(struct proof *p, const char *path, struct err *e)
{
    const int n_vocab = p->model->d.n_vocab, first = PROVE_TOKENS / 2;
    struct logits_file f;
    int rc = logits_file_open(&f, path, e);
    if (rc < 0)
        return rc;
    bool same = f.n_ctx == PROVE_TOKENS && f.n_vocab == n_vocab && f.n_chunks == 1;
    for (int i = 1; i < PROVE_TOKENS && same; i++) /* the first may be replaced */
        same = logits_file_token(&f, i) == p->tokens[i];
    for (int i = 0; same && i < f.rows_per_chunk; i++)
        logits_file_row(&f, 0, i, p->got + (size_t)i * (size_t)n_vocab);
    if (same)
        prove_compare(&p->cell, p->want + (size_t)first * (size_t)n_vocab, p->got, f.rows_per_chunk, n_vocab,
                      framework_limit);
    else
        rc = err_set(e, ERR_DATA, "wrong tokens: it reads the text otherwise than the model's tokenizer");
    logits_file_close(&f);
    return rc;
}

static int ask_for_text(struct proof *p, const struct measure_cell *cell, struct err *e)
{
    char text[TEMP_PATH] = "", out[TEMP_PATH] = "";
    const char *begin = (const char *)default_text;
    size_t n = TEXT_BYTES;
    struct err why = {0};
    while (n > 0 && begin[n] != ' ')
        n--;
    int rc = temp_file(text, "text", e);
    if (rc == 0)
        rc = temp_file(out, "logits", e);
    if (rc == 0)
        rc = file_write(text, begin, n, e);
    if (rc == 0) {
        rc = p->runner->text_logits(cell, text, PROVE_TOKENS, out, &why);
        if (rc == 0)
            rc = compare_file(p, out, e);
        else if (rc == ERR_MISSING)
            remark(p, why.text);
        else
            err_set(e, rc, "%s", why.text);
    }
    temp_remove(text);
    temp_remove(out);
    return rc == ERR_MISSING ? 0 : rc;
}

/* A prompt and one token behind it, as it would be measured. */
static int run_token(struct proof *p, struct session *s, struct err *e)
{
    struct sample *x = mem_alloc(sizeof *x);
    struct workload w = {.n_prompt = PROVE_TOKENS, .n_gen = 1, .tokens = p->tokens};
    if (!x)
        return err_nomem(e, sizeof *x, "a sample");
    w.deadline_ns = clock_ns() + (uint64_t)RUN_MS * 1000000;
    int rc = p->runner->measure(s, &w, x, e);
    mem_free(x);
    return rc;
}

static int run_framework(struct proof *p, const char *artifact, struct err *e)
{
    const struct measure_cell cell = {.runner = p->runner,
                                      .model_path = artifact,
                                      .threads = p->c->req.threads,
                                      .n_ctx = CONTEXT,
                                      .n_batch = PROVE_TOKENS,
                                      .isa = p->c->req.isa,
                                      .pool = p->c->pool};
    struct session *s = NULL;
    struct record *r = mem_alloc(sizeof *r);
    if (!r)
        return err_nomem(e, sizeof *r, "a record");
    record_init(r);
    int rc = p->runner->open(&s, &cell, e);
    if (rc == 0)
        rc = p->runner->text_logits ? ask_for_text(p, &cell, e) : ask(p, s, e);
    if (rc == 0 && p->cell.status == STATUS_OK)
        rc = run_token(p, s, e);
    if (s) {
        p->runner->describe(s, r);
        snprintf(p->cell.version, sizeof p->cell.version, "%s", r->framework.version);
        snprintf(p->cell.backend, sizeof p->cell.backend, "%s", r->framework.backend);
        p->cell.memory_bytes = r->memory.peak_rss_bytes;
        p->runner->close(s);
    }
    mem_free(r);
    return rc;
}

static int prove_framework(struct proof *p, struct err *e)
{
    char path[300] = "";
    int rc = artifact_write(path, p->runner, p->model, p->weights, &p->recipe, e);
    if (rc == 0)
        rc = run_framework(p, path, e);
    artifact_remove(path);
    return rc;
}

/* Which instructions a framework is to use is told by its environment. */
static int turn_knob(const struct proof *p, struct err *e)
{
    const struct prove_knob *k;
    for (int state = 0; (k = prove_knob(p->cell.framework, &state));)
        if (strcmp(k->isa, p->cell.isa) == 0) {
            setenv(k->variable, k->value, 1);
            return 0;
        }
    return strcmp(p->cell.isa, "native") == 0
               ? 0
               : err_set(e, ERR_UNSUPPORTED, "%s takes no order to use %s", p->cell.framework, p->cell.isa);
}

int prove_cell_here(struct cli *c)
{
    struct err e = {0};
    struct proof p = {.c = c};
    if (c->formats.n != 1 || c->frameworks.n != 1) {
        cli_warn("--prove-cell needs one --framework and one --format");
        return EXIT_USAGE;
    }
    prove_cell_init(&p.cell, c->frameworks.v[0], c->formats.v[0], c->isa ? c->isa : "native");
    int rc = runner_named(&p.runner, p.cell.framework, &e);
    if (rc == 0)
        rc = recipe_resolve(&p.recipe, p.cell.format, &e);
    if (rc < 0)
        return cli_fail(&e);
    bool own = !p.runner->real;
    rc = own ? 0 : turn_knob(&p, &e);
    if (!own)
        c->isa = NULL; /* what we do ourselves is not in question */
    if (rc == 0)
        rc = prepare(&p, &e);
    if (rc == 0)
        rc = own ? prove_own(&p, &e) : prove_framework(&p, &e);
    if (rc < 0)
        prove_fail(&p.cell, rc, e.text);
    struct sbuf b = {0};
    json_t *o = prove_cell_to_json(&p.cell);
    json_print(&b, o, 0);
    json_decref(o);
    puts(sbuf_str(&b));
    sbuf_free(&b);
    proof_free(&p);
    return rc == ERR_CANCELLED ? EXIT_INTERRUPTED : cli_flush();
}
