/* eval: perplexity, and KL divergence against the model itself, another model or a _logits_ file. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/eval.h"
#include "bench/quant/recipe.h"
#include "bench/runners/artifact.h"
#include "bench/runners/logits.h"
#include "cli/cli.h"

enum { PIECE = 512 };

struct job {
    struct model *model, *base;
    struct weights *weights, *base_weights;
    struct engine *ref;
    struct use_assign *assign;
    struct calibration *calib;
    struct recipe_summary summary;
    struct recipe format;
    const struct recipe *recipe; /* &format; NULL without --format */
    int32_t *tokens;
    int64_t n_tokens;
    struct eval *eval;
    struct kv_peaks *peaks;
    struct kv_pair *kv;     /* [n_cand] the cache of each candidate */
    struct eval_cand *cand; /* [n_cand] the same weights each */
    int n_cand;
    struct framework *framework; /* the last candidate; NULL: none asked for */
    struct measure_cell cell;    /* how it is run */
    char written[300];           /* its artifact, where we made it */
};

static void job_free(struct job *j)
{
    eval_free(j->eval);
    framework_close(j->framework);
    artifact_remove(j->written);
    for (int i = 0; j->cand && i < j->n_cand; i++)
        engine_free(j->cand[i].engine);
    engine_free(j->ref);
    mem_free(j->cand);
    mem_free(j->kv);
    weights_free(j->weights);
    weights_free(j->base_weights);
    mem_free(j->assign);
    calibration_free(j->calib);
    kv_peaks_free(j->peaks);
    mem_free(j->tokens);
    model_close(j->model);
    model_close(j->base);
}

/* Whose arithmetic: that of the format, of a plain file llama.cpp's. */
static const char *numerics(const struct cli *c, const struct job *j)
{
    return j->recipe ? recipe_numerics(j->recipe, c->req.numerics) : c->req.numerics ? c->req.numerics : "llama.cpp";
}

static struct kv_pair own_kv(const struct cli *c, const struct job *j)
{
    return j->recipe ? recipe_kv(j->recipe, c->req.numerics) : numerics_kv(numerics(c, j));
}

static int make_engine(const struct cli *c, const struct job *j, struct engine **g, const struct weights *w,
                       struct kv_pair kv, struct err *e)
{
    const int n_ctx = c->req.n_ctx_eval; /* long chunks in pieces, as llama-perplexity runs them */
    struct engine_opts o = {.mode = ENGINE_QUALITY,
                            .n_ctx = n_ctx,
                            .n_batch = c->kv.n && n_ctx > PIECE ? PIECE : n_ctx,
                            .kv = kv,
                            .kv_peaks = j->peaks,
                            .isa = c->req.isa,
                            .pool = c->pool};
    return engine_new(g, w, &o, e);
}

static int load_models(struct cli *c, struct job *j, struct err *e)
{
    int rc = cli_model(&j->model, c->arg[0], e);
    bool quantized = false;
    if (rc == 0 && model_source_codec(&j->model->d, &quantized) && quantized && c->formats.n && !c->req.dither)
        cli_warn("%s is already quantized: formats near its own grid look better than they are; --dither helps",
                 c->arg[0]);
    if (rc == 0)
        rc = model_check_finite(j->model, e);
    if (rc == 0 && c->req.dither)
        rc = model_dither(j->model, c->req.seed, e);
    if (rc == 0 && c->base_model)
        rc = cli_model(&j->base, c->base_model, e);
    if (rc == 0 && j->base && j->base->d.n_vocab != j->model->d.n_vocab)
        rc = err_set(e, ERR_USAGE, "%s has %d tokens and %s has %d: KL divergence needs the same vocabulary", c->arg[0],
                     j->model->d.n_vocab, c->base_model, j->base->d.n_vocab);
    return rc;
}

static int encode_candidate(struct cli *c, struct job *j, struct err *e)
{
    if (c->formats.n == 0)
        return weights_source(&j->weights, j->model, strcmp(numerics(c, j), "weights-only") != 0, e);
    if (c->formats.n > 1)
        return err_set(e, ERR_USAGE, "--format %s: eval takes one format of `whichquant list formats`",
                       c->formats.v[0]);
    int rc = recipe_resolve(&j->format, c->formats.v[0], e);
    if (rc)
        return rc;
    j->recipe = &j->format;
    j->assign = mem_alloc_n((size_t)j->model->d.n_tensors, sizeof *j->assign);
    if (!j->assign)
        return err_nomem(e, (unsigned long long)j->model->d.n_tensors * sizeof *j->assign, "the tensor table");
    rc = cli_calibration(c, &j->calib, j->model, recipe_statistics(c->req.formats, c->req.n_formats), e);
    struct recipe_known known = {j->calib, j->calib};
    if (rc == 0)
        rc = recipe_assign(&j->model->d, j->recipe, c->req.numerics, &known, j->assign, e);
    if (rc == 0)
        rc = weights_encode(&j->weights, j->model, j->assign, j->calib, c->req.isa, c->pool, e);
    return rc < 0 ? rc : recipe_summarize(&j->model->d, j->assign, &j->summary, e);
}

/* The candidates' caches: those asked for, else that of the arithmetic. */
static int take_kv(struct cli *c, struct job *j, struct err *e)
{
    const struct model_desc *d = &j->model->d;
    j->n_cand = c->kv.n ? c->kv.n : c->frameworks.n && j->base ? 2 : 1;
    j->kv = mem_alloc_n((size_t)j->n_cand, sizeof *j->kv);
    j->cand = mem_alloc_n((size_t)j->n_cand, sizeof *j->cand);
    if (!j->kv || !j->cand)
        return err_nomem(e, (unsigned long long)j->n_cand * sizeof *j->cand, "the candidates");
    int rc = cli_kv_peaks(c, &j->peaks, j->model, e);
    for (int i = 0; i < j->n_cand; i++)
        j->kv[i] = own_kv(c, j);
    for (int i = 0; i < c->kv.n && rc == 0; i++) {
        rc = kv_parse(&j->kv[i], c->kv.v[i], e);
        if (rc == 0)
            rc = kv_check_framework(j->kv[i], numerics(c, j), e);
        if (rc == 0)
            rc = kv_check(j->kv[i], d, e);
        if (rc == 0)
            rc = kv_check_peaks(j->kv[i], j->peaks, e);
    }
    if (rc == 0 && c->req.n_ctx_eval > d->n_ctx_train && d->n_ctx_train > 0)
        cli_warn("%s was trained for contexts of %d: in chunks of %d its positions mean nothing to it", c->arg[0],
                 d->n_ctx_train, c->req.n_ctx_eval);
    return rc;
}

/* A framework stands beside the own engine where both have another reference, else in its place. */
static int take_framework(struct cli *c, struct job *j, struct err *e)
{
    const struct runner *runner;
    const char *name = c->frameworks.v[0], *artifact = c->artifact ? c->artifact : j->model->path;
    int rc = runner_named(&runner, name, e);
    if (rc == 0 && j->recipe && !c->artifact) {
        rc = artifact_write(j->written, runner, j->model, j->weights, j->recipe, e);
        artifact = j->written;
    }
    if (rc < 0)
        return rc;
    j->cell = (struct measure_cell){.runner = runner,
                                    .model_path = artifact,
                                    .threads = c->req.threads,
                                    .n_ctx = c->req.n_ctx_eval,
                                    .device = c->req.backend,
                                    .gpu_layers = c->req.n_gpu_layers ? c->req.gpu_layers[0] : NULL,
                                    .settings = c->req.settings,
                                    .n_settings = c->req.n_settings};
    rc = framework_open(&j->framework, &j->cell, e);
    if (rc == 0)
        j->cand[j->n_cand - 1].source = framework_source(j->framework);
    return rc;
}

/* Against another model or, of a format, the model in f32; a cache alone against the same arithmetic with its plain
 * cache; a framework alone against the own engine in its arithmetic. */
static int make_reference(struct cli *c, struct job *j, struct err *e)
{
    if (c->frameworks.n && !j->base)
        return make_engine(c, j, &j->ref, j->weights, j->kv[0], e);
    if (c->base_logits || !(j->base || c->formats.n || c->kv.n))
        return 0;
    if (!j->base && !c->formats.n)
        return make_engine(c, j, &j->ref, j->weights, own_kv(c, j), e);
    int rc = weights_source(&j->base_weights, j->base ? j->base : j->model, false, e);
    return rc ? rc : make_engine(c, j, &j->ref, j->base_weights, KV_BOTH(F32), e);
}

static int prepare(struct cli *c, struct job *j, struct err *e)
{
    int rc = cli_pool(c, e);
    if (rc == 0)
        rc = load_models(c, j, e);
    if (rc == 0)
        rc = encode_candidate(c, j, e);
    if (rc == 0)
        rc = take_kv(c, j, e);
    for (int i = 0; i < j->n_cand - (c->frameworks.n > 0) && rc == 0; i++)
        rc = make_engine(c, j, &j->cand[i].engine, j->weights, j->kv[i], e);
    if (rc == 0 && c->frameworks.n)
        rc = take_framework(c, j, e);
    if (rc == 0)
        rc = make_reference(c, j, e);
    if (rc == 0)
        rc = eval_tokenize(j->model->vocab, c->text, c->req.n_ctx_eval, &j->tokens, &j->n_tokens, e);
    if (rc < 0)
        return rc;
    struct eval_text t = {.tokens = j->tokens,
                          .n_tokens = j->n_tokens,
                          .n_ctx = c->req.n_ctx_eval,
                          .n_chunks = c->req.n_chunks,
                          .bos = vocab_adds_bos(j->model->vocab) ? vocab_bos(j->model->vocab) : -1};
    rc = eval_new(&j->eval, &t, j->ref, j->cand, j->n_cand, e);
    if (rc == 0 && c->base_logits)
        rc = eval_use_base_file(j->eval, c->base_logits, e);
    if (rc == 0 && c->save_logits)
        rc = eval_write_base_file(j->eval, c->save_logits, e);
    return rc;
}

static int run(struct cli *c, struct job *j, struct err *e)
{
    int n = eval_n_chunks(j->eval), rc = 0;
    for (int i = 0; i < n; i++) {
        rc = interrupt_seen() ? err_set(e, ERR_CANCELLED, "interrupted after %d of %d chunks", i, n)
                              : eval_chunk(j->eval, i, NULL, e);
        if (rc < 0)
            return rc;
        eval_result(j->eval, 0, &j->cand[0].q, e);
        char what[96];
        snprintf(what, sizeof what, "perplexity %.4f", j->cand[0].q.ppl);
        cli_progress(c, i + 1, n, what);
    }
    cli_progress_end(c);
    for (int i = 0; i < j->n_cand && rc == 0; i++)
        rc = eval_result(j->eval, i, &j->cand[i].q, e);
    return rc;
}

/* Of each chunk, so that two evaluations on the same text can be compared pair by pair. */
static json_t *chunks_of(const struct job *j, int i_cand)
{
    const double *kld = NULL, *nll = NULL;
    json_t *all = json_array();
    const int n = eval_series(j->eval, i_cand, &kld, &nll);
    for (int i = 0; i < n; i++) {
        json_t *o = json_object();
        json_put(o, "kld", json_num(kld[i]));
        json_put(o, "nll", json_num(nll[i]));
        json_array_append_new(all, o);
    }
    return all;
}

/* What eval prints, in order: JSON key, label as llama-perplexity prints it, value, error, factor for the text form. */
static json_t *result_of(struct cli *c, const struct job *j, int i_cand, bool text)
{
    const struct eval_quality *q = &j->cand[i_cand].q;
    char kv[48];
    const struct {
        const char *key, *label;
        double v, err, scale;
    } row[] = {
        {"ppl", "PPL", q->ppl, q->ppl_err, 1},
        {"ppl_base", "PPL of the reference", q->ppl_base, q->ppl_base_err, 1},
        {"cor_ln_ppl", "Correlation of ln PPL %", q->cor_ln_ppl, NAN, 100},
        {"ln_ppl_ratio", "Mean ln(PPL ratio)", q->ln_ppl_ratio, q->ln_ppl_ratio_err, 1},
        {"ppl_ratio", "PPL ratio", q->ppl_ratio, q->ppl_ratio_err, 1},
        {"kld", "Mean KLD", q->kld, q->kld_err, 1},
        {"kld_max", "Maximum KLD", q->kld_max, NAN, 1},
        {"kld_p99", "99 % KLD", q->kld_p99, NAN, 1},
        {"kld_p95", "95 % KLD", q->kld_p95, NAN, 1},
        {"kld_p50", "Median KLD", q->kld_p50, NAN, 1},
        {"kld_min", "Minimum KLD", q->kld_min, NAN, 1},
        {"logit_diff_max", "Largest |d logit|", q->logit_diff_max, NAN, 1},
        {"dp_mean", "Mean change of p %", q->dp_mean, q->dp_mean_err, 100},
        {"rms_dp", "RMS change of p %", q->rms_dp, q->rms_dp_err, 100},
        {"top1_agreement", "Same top token %", q->top1_agreement, q->top1_agreement_err, 100},
    };
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        char key[40];
        snprintf(key, sizeof key, "%s_err", row[i].key);
        json_put(o, row[i].key, json_num(row[i].v));
        if (isfinite(row[i].err) || i == 0)
            json_put(o, key, json_num(row[i].err));
        if (!text || !isfinite(row[i].v))
            continue;
        printf("%-24s %12.6f", row[i].label, row[i].v * row[i].scale);
        if (isfinite(row[i].err))
            printf(" +- %.6f", row[i].err * row[i].scale);
        putchar('\n');
    }
    json_put(o, "ppl_lo", json_num(q->ppl_lo));
    json_put(o, "ppl_hi", json_num(q->ppl_hi));
    json_put(o, "kld_lo", json_num(q->kld_lo));
    json_put(o, "kld_hi", json_num(q->kld_hi));
    json_put(o, "chunks", json_integer(q->n_chunks));
    json_put(o, "by_chunk", chunks_of(j, i_cand));
    json_put(o, "tokens_scored", json_integer(q->n_scored));
    json_put(o, "numerics", json_string(numerics(c, j)));
    json_put(o, "format", json_str_or_null(j->recipe ? j->recipe->name : NULL));
    json_put(o, "effective_bpw", json_num(j->recipe ? j->summary.bits_per_weight : NAN));
    json_put(o, "substitutions", j->recipe ? json_integer(j->summary.n_substituted) : json_null());
    json_put(o, "kv", json_string(kv_name(j->kv[i_cand], kv)));
    json_put(o, "kv_bytes_per_token", json_num(kv_bytes_per_token(j->kv[i_cand], &j->model->d)));
    json_put(o, "ctx", json_integer(c->req.n_ctx_eval));
    bool framework = j->cand[i_cand].source != NULL;
    json_put(o, "framework", json_string(framework ? c->frameworks.v[0] : "own"));
    json_put(o, "framework_version",
             json_str_or_null(framework ? framework_version(j->framework) : WHICHQUANT_VERSION));
    return o;
}

static void print_kv_table(const struct job *j)
{
    printf("%-36s %12s %12s %12s %12s %10s %8s\n", "KV cache", "bytes/token", "mean KLD", "+-", "99 % KLD", "PPL",
           "top %");
    for (int i = 0; i < j->n_cand; i++) {
        const struct eval_quality *q = &j->cand[i].q;
        char name[48];
        printf("%-36s %12.0f %12.6f %12.6f %12.6f %10.4f %8.3f\n", kv_name(j->kv[i], name),
               kv_bytes_per_token(j->kv[i], &j->model->d), q->kld, q->kld_err, q->kld_p99, q->ppl,
               100 * q->top1_agreement);
    }
}

/* Predicted by the equivalent kernels, and measured. */
static void print_framework_table(const struct cli *c, const struct job *j)
{
    printf("%-36s %12s %12s %12s %12s %12s %10s %8s\n", "made by", "mean KLD", "+-", "99 % KLD", "max KLD",
           "max |d logit|", "PPL", "top %");
    for (int i = 0; i < j->n_cand; i++) {
        const struct eval_quality *q = &j->cand[i].q;
        char most[16] = "-"; /* own kernels beside another model: nobody asks */
        if (j->cand[i].source)
            snprintf(most, sizeof most, "%.3e", q->logit_diff_max);
        printf("%-36s %12.3e %12.3e %12.3e %12.3e %12s %10.4f %8.3f\n",
               j->cand[i].source ? c->frameworks.v[0] : "own kernels (predicted)", q->kld, q->kld_err, q->kld_p99,
               q->kld_max, most, q->ppl, 100 * q->top1_agreement);
    }
    printf("against %s\n", c->base_model ? c->base_model : "the own engine in the same arithmetic");
}

static int print_result(struct cli *c, const struct job *j)
{
    const struct eval_quality *q = &j->cand[0].q;
    json_t *all = json_array();
    for (int i = 0; i < j->n_cand; i++)
        json_array_append_new(all, result_of(c, j, i, !c->json && j->n_cand == 1 && !j->framework));
    if (c->json && j->n_cand > 1)
        return cli_print_json(all);
    if (c->json) {
        json_t *one = json_incref(json_array_get(all, 0));
        json_decref(all);
        return cli_print_json(one);
    }
    json_decref(all);
    if (j->framework)
        print_framework_table(c, j);
    else if (j->n_cand > 1)
        print_kv_table(j);
    char kv[48];
    printf("%d chunks of %d tokens, %lld scored, numerics %s", q->n_chunks, c->req.n_ctx_eval, (long long)q->n_scored,
           numerics(c, j));
    if (j->n_cand == 1)
        printf(", KV cache %s", kv_name(j->kv[0], kv));
    putchar('\n');
    return EXIT_DONE;
}

int cmd_eval(struct cli *c)
{
    struct err e = {0};
    if (!c->text) {
        cli_warn("eval needs --text FILE");
        return EXIT_USAGE;
    }
    if (!c->formats.n && c->req.numerics && strcmp(c->req.numerics, "llama.cpp") &&
        strcmp(c->req.numerics, "weights-only")) {
        cli_warn("--numerics %s: a file as it is has those of llama.cpp, or weights-only", c->req.numerics);
        return EXIT_USAGE;
    }
    if (c->frameworks.n > 1 || (c->frameworks.n && (c->kv.n || c->base_logits || c->save_logits)) ||
        (c->artifact && !c->frameworks.n)) {
        cli_warn("--framework takes one name, and neither --kv nor files of logits; --artifact needs it");
        return EXIT_USAGE;
    }
    if (c->req.n_ctx_eval < 4) {
        cli_warn("--n-ctx %d: chunks need at least 4 tokens", c->req.n_ctx_eval);
        return EXIT_USAGE;
    }
    struct job j = {0};
    int rc = prepare(c, &j, &e);
    if (rc == 0)
        rc = run(c, &j, &e);
    int code = rc < 0 ? cli_fail(&e) : print_result(c, &j);
    job_free(&j);
    return code;
}
