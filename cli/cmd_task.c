/* task: multiple-choice accuracy of each format beside the model as it is, on the same items. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "bench/plan.h"
#include "bench/tasks.h"
#include "cli/cli.h"

struct result {
    char format[64], kv[48]; /* kv "": the cache of the format's arithmetic */
    double bits_per_weight;
    int *answer;           /* [n] */
    struct task_result of; /* beside the reference */
};
struct job {
    struct cli *cli;
    struct model *model;
    struct tasks *tasks;
    struct calibration *calib;
    struct plan *plan;
    struct kv_peaks *peaks;
    struct kv_pair *kv;    /* [cli->kv.n] caches to score through */
    struct result *result; /* [0] the reference, [n_results] the one being made */
    int *answers;          /* [results][n] */
    int n_results, n_ctx;
};

static int open_engine(struct job *j, struct engine **g, const struct weights *w, struct kv_pair kv, struct err *e)
{
    struct engine_opts o = {.mode = ENGINE_QUALITY,
                            .n_ctx = j->n_ctx,
                            .n_batch = j->n_ctx,
                            .kv = kv,
                            .kv_peaks = j->peaks,
                            .isa = j->cli->req.isa,
                            .pool = j->cli->pool};
    return engine_new(g, w, &o, e);
}

static void on_item(void *arg, int done, int n)
{
    const struct job *j = arg;
    const struct result *r = &j->result[j->n_results];
    int n_correct = 0;
    char what[128];
    for (int i = 0; i < done; i++)
        n_correct += r->answer[i] == j->tasks->item[i]->answer;
    snprintf(what, sizeof what, "%s %s: %.1f %% right", r->format, r->kv, 100.0 * n_correct / done);
    cli_progress(j->cli, done, n, what);
}

static int run_one(struct job *j, const struct weights *w, const char *format, double bits, struct kv_pair kv,
                   struct err *e)
{
    struct engine *g = NULL;
    struct result *r = &j->result[j->n_results];
    r->bits_per_weight = bits;
    snprintf(r->format, sizeof r->format, "%s", format);
    int rc = open_engine(j, &g, w, kv, e);
    if (rc == 0)
        rc = tasks_ask(j->tasks, g, j->model->vocab, r->answer, 0, on_item, j, e);
    if (rc > 0) {
        task_compare(&r->of, j->tasks, j->result[0].answer, r->answer, rc);
        j->n_results++;
    }
    engine_free(g);
    return rc < 0 ? rc : 0;
}

/* The same weights through each cache that was asked for; one that the framework has not, or that does not fit the
 * model, is left out. */
static int run_caches(struct job *j, const struct weights *w, const char *format, double bits, const char *numerics,
                      struct err *e)
{
    struct err why = {0};
    int rc = 0;
    for (int i = 0; i < j->cli->kv.n && rc == 0; i++) {
        struct result *r = &j->result[j->n_results];
        if (kv_check_framework(j->kv[i], numerics, &why) < 0) {
            cli_warn("%s: %s", format, why.text);
            continue;
        }
        kv_name(j->kv[i], r->kv);
        rc = run_one(j, w, format, bits, j->kv[i], e);
    }
    return rc;
}

static int run_formats(struct job *j, struct err *e)
{
    static const char *const as_it_is = "the model as it is";
    struct weights *w = NULL;
    int rc = weights_source(&w, j->model, false, e);
    if (rc == 0)
        rc = run_one(j, w, as_it_is, NAN, KV_BOTH(F32), e);
    if (rc == 0 && !j->plan)
        rc = run_caches(j, w, as_it_is, NAN, NULL, e);
    weights_free(w);
    for (int i = 0; j->plan && i < j->plan->n_cells && rc == 0; i++) {
        const struct plan_cell *p = &j->plan->cell[i];
        const char *numerics = recipe_numerics(p->recipe, j->cli->req.numerics);
        double bits = p->summary.bits_per_weight;
        w = NULL;
        rc = weights_encode(&w, j->model, p->assign, j->calib, j->cli->req.isa, j->cli->pool, e);
        if (rc == 0)
            rc = j->cli->kv.n ? run_caches(j, w, p->recipe->name, bits, numerics, e)
                              : run_one(j, w, p->recipe->name, bits, recipe_kv(p->recipe, numerics), e);
        weights_free(w);
    }
    return rc;
}

/* The caches of the candidates; without formats they alone are compared. */
static int take_kv(struct job *j, struct err *e)
{
    struct cli *c = j->cli;
    int rc = cli_kv_peaks(c, &j->peaks, j->model, e);
    j->kv = mem_alloc_n((size_t)c->kv.n + 1, sizeof *j->kv);
    if (!j->kv)
        return err_nomem(e, (size_t)c->kv.n * sizeof *j->kv, "the caches");
    for (int i = 0; i < c->kv.n && rc == 0; i++) {
        rc = kv_parse(&j->kv[i], c->kv.v[i], e);
        if (rc == 0)
            rc = kv_check(j->kv[i], &j->model->d, e);
        if (rc == 0)
            rc = kv_check_peaks(j->kv[i], j->peaks, e);
    }
    return rc;
}

static int make_results(struct job *j, struct err *e)
{
    const struct cli *c = j->cli;
    size_t n_kv = c->kv.n > 0 ? (size_t)c->kv.n : 1, n = (size_t)j->tasks->n;
    size_t n_results = 1 + n_kv * (j->plan ? (size_t)j->plan->n_cells : 1);
    j->result = mem_alloc_n(n_results, sizeof *j->result);
    j->answers = mem_alloc_n(n * n_results, sizeof *j->answers);
    for (size_t i = 0; i < n_results && j->result && j->answers; i++)
        j->result[i].answer = j->answers + i * n;
    return j->result && j->answers ? 0 : err_nomem(e, n * sizeof *j->answers, "the answers");
}

static int prepare(struct job *j, struct err *e)
{
    struct cli *c = j->cli;
    int rc = cli_pool(c, e);
    if (rc == 0)
        rc = tasks_read(&j->tasks, &c->arg[1], 1, c->req.n_items, e);
    if (rc == 0)
        rc = cli_model(&j->model, c->arg[0], e);
    if (rc == 0)
        rc = j->n_ctx = tasks_context(j->tasks, j->model->vocab, c->req.n_ctx_eval, e);
    if (rc > 0)
        rc = model_check_finite(j->model, e);
    if (rc == 0 && c->req.dither)
        rc = model_dither(j->model, c->req.seed, e);
    if (rc == 0)
        rc = take_kv(j, e);
    if (rc == 0)
        rc = cli_calibration(c, &j->calib, j->model, recipe_statistics(c->req.formats, c->req.n_formats), e);
    if (rc == 0 && (c->req.n_formats || !c->kv.n))
        rc = plan_formats(&j->plan, j->model, &c->req, j->calib, e);
    if (rc < 0)
        return rc;
    for (int i = 0; j->plan && i < j->plan->n_refused; i++)
        cli_warn("%s is left out: %s", j->plan->refused[i].recipe->name, j->plan->refused[i].why_not);
    return make_results(j, e);
}

static json_t *result_json(const struct result *r)
{
    const struct task_result *t = &r->of;
    json_t *o = json_object();
    json_put(o, "format", json_string(r->format));
    json_put(o, "kv", json_str_or_null(r->kv[0] ? r->kv : NULL));
    json_put(o, "bits_per_weight", json_num(r->bits_per_weight));
    json_put(o, "correct", json_integer(t->n_correct));
    json_put(o, "accuracy", json_num(t->score.v));
    json_put(o, "accuracy_lo", json_num(t->score.lo));
    json_put(o, "accuracy_hi", json_num(t->score.hi));
    json_put(o, "share_of_reference", json_num((double)t->n_correct / t->n_ref_correct));
    json_put(o, "lost", json_integer(t->n_lost));
    json_put(o, "gained", json_integer(t->n_gained));
    json_put(o, "changed", json_integer(t->n_changed));
    json_put(o, "mcnemar_p", json_num(t->p));
    json_t *answers = json_array();
    for (int i = 0; i < t->n_items; i++)
        json_array_append_new(answers, json_integer(r->answer[i]));
    json_put(o, "answers", answers);
    return o;
}

static int print_json(const struct job *j)
{
    json_t *o = json_object(), *list = json_array();
    json_put(o, "task", json_string(j->tasks->set[0]->form));
    json_put(o, "items", json_integer(j->tasks->n));
    json_put(o, "random_accuracy", json_num(j->tasks->chance));
    for (int i = 0; i < j->n_results; i++)
        json_array_append_new(list, result_json(&j->result[i]));
    json_put(o, "results", list);
    return cli_print_json(o);
}

static int print_table(const struct job *j)
{
    const int width = j->cli->kv.n ? 40 : 24;
    printf("%d items (%s), %.1f %% right by chance\n", j->tasks->n, j->tasks->set[0]->form, 100 * j->tasks->chance);
    printf("%-*s %6s  %-19s %9s %6s %6s %8s  %s\n", width, "format", "bits", "right %", "of ref. %", "lost", "gained",
           "changed", "McNemar p");
    for (int i = 0; i < j->n_results; i++) {
        const struct result *r = &j->result[i];
        const struct task_result *t = &r->of;
        char bits[16] = "", right[32], name[128];
        if (isfinite(r->bits_per_weight))
            snprintf(bits, sizeof bits, "%.2f", r->bits_per_weight);
        snprintf(right, sizeof right, "%.1f (%.1f-%.1f)", 100 * t->score.v, 100 * t->score.lo, 100 * t->score.hi);
        snprintf(name, sizeof name, "%s%s%s", r->format, r->kv[0] ? ", KV " : "", r->kv);
        printf("%-*s %6s  %-19s", width, name, bits, right);
        if (i > 0)
            printf(" %9.1f %6d %6d %8d  %.2g", 100.0 * t->n_correct / t->n_ref_correct, t->n_lost, t->n_gained,
                   t->n_changed, t->p);
        putchar('\n');
    }
    return cli_flush();
}

int cmd_task(struct cli *c)
{
    struct err e = {0};
    struct job j = {.cli = c};
    int rc = prepare(&j, &e);
    if (rc == 0)
        rc = run_formats(&j, &e);
    cli_progress_end(c);
    int code = rc < 0 ? cli_fail(&e) : c->json ? print_json(&j) : print_table(&j);
    mem_free(j.kv);
    mem_free(j.result);
    mem_free(j.answers);
    plan_free(j.plan);
    calibration_free(j.calib);
    kv_peaks_free(j.peaks);
    tasks_free(j.tasks);
    model_close(j.model);
    return code;
}
