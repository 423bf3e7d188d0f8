/* The candidates of the choice between models (choose.h): a row each, everything predicted or published. */
#include "matrix/choose.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/near.h"
#include "bench/catalogue_shape.h"
#include "matrix/choose_int.h"
#include "matrix/predict.h"
#include "matrix/quality.h"

enum { MOST_CANDIDATES = 64 };
struct candidate {
    const struct recipe *recipe;
    const char *framework;
    char backend[24], why[160]; /* of this target; "": none, for that reason */
};
struct build { /* what stays the same over all rows */
    struct judge *j;
    const struct choose_input *in;
    struct candidate at[MOST_CANDIDATES];
    int n;
};
static const struct {
    const char *format, *framework;
} usual[] = {
#define X(format, framework) {format, framework},
#include "matrix/choose.def"
#undef X
};
enum { N_USUAL = sizeof usual / sizeof *usual };

/* ---- which formats ---- */

/* The target's backends stand fastest first; the user may name one. The reason of the first that cannot be stays. */
static void take_backend(struct candidate *c, const struct target *t, const char *asked)
{
    for (const char *p = t->backends; *p && !*c->backend; p += strcspn(p, " "), p += *p == ' ') {
        char name[24], why[160];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p, " "), p);
        if (asked && strcmp(asked, name) != 0)
            continue;
        if (compat_check(c->framework, c->recipe->name, name, &t->device, why))
            snprintf(c->backend, sizeof c->backend, "%s", name);
        else if (!*c->why)
            snprintf(c->why, sizeof c->why, "%s", why);
    }
    if (!*c->backend && !*c->why)
        snprintf(c->why, sizeof c->why, asked ? "this device has no %.40s" : "this device runs no framework%.0s",
                 asked ? asked : "");
}

static void add_candidate(struct build *b, const struct recipe *r, const char *framework)
{
    for (int i = 0; i < b->n; i++)
        if (b->at[i].recipe == r && strcmp(b->at[i].framework, framework) == 0)
            return;
    if (b->n == MOST_CANDIDATES)
        return;
    struct candidate *c = &b->at[b->n++];
    *c = (struct candidate){.recipe = r, .framework = framework};
    take_backend(c, b->in->target, b->in->req->backend);
}

/* In the frameworks asked for that load it, or in its usual one. */
static void add_format(struct build *b, const struct recipe *r, const char *framework)
{
    const struct request *req = b->in->req;
    char why[160];
    for (int i = 0; i < req->n_frameworks; i++)
        if (compat_check(req->frameworks[i], r->name, NULL, NULL, why))
            add_candidate(b, r, runtime_find(req->frameworks[i])->framework);
    if (req->n_frameworks == 0)
        add_candidate(b, r, framework ? framework : "llama.cpp");
}

static int usual_row(const char *format)
{
    int i = 0;
    while (i < N_USUAL && strcmp(usual[i].format, format) != 0)
        i++;
    return i;
}

static int unknown_format(const char *name, struct err *e)
{
    const char *names[512], *near[1];
    int n = 0;
    for (; n < n_recipes && n < 512; n++)
        names[n] = recipes[n].name;
    int found = near_names(near, 1, name, names, n);
    return err_set(e, ERR_USAGE, "unknown format %.60s%s%s%s; `whichquant list formats` names them", name,
                   found ? " (did you mean " : "", found ? near[0] : "", found ? "?)" : "");
}

static int list_candidates(struct build *b, struct err *e)
{
    const struct request *req = b->in->req;
    for (int i = 0; i < req->n_frameworks; i++)
        if (!runtime_find(req->frameworks[i]))
            return err_set(e, ERR_USAGE, "unknown framework %.60s; `whichquant list frameworks` names them",
                           req->frameworks[i]);
    for (int i = 0; i < N_USUAL && req->n_formats == 0; i++)
        add_format(b, recipe_find(usual[i].format), usual[i].framework);
    for (int k = 0; k < req->n_formats; k++) {
        bool any = false;
        for (int i = 0; i < n_recipes; i++) {
            const struct recipe *r = &recipes[i];
            if ((recipe_find(req->formats[k]) != r && !recipe_in_group(r, req->formats[k])) ||
                strcmp(r->name, RECIPE_AS_IS) == 0) /* there is no file yet */
                continue;
            int u = usual_row(r->name);
            any = true;
            add_format(b, r, u < N_USUAL ? usual[u].framework : r->framework);
        }
        if (!any)
            return unknown_format(req->formats[k], e);
    }
    return 0;
}

/* ---- one row ---- */

/* The first number in the scheme is what the field calls its bits: q4_k_m, int8-asym, 3bit-g64, mxfp4. */
static const char *precision_class(const char *format)
{
    const char *p = format_scheme(format);
    int bits = strstr(format, "fp8/") ? 8 : 0;
    while (*p && !isdigit((unsigned char)*p))
        p++;
    if (!bits)
        sscanf(p, "%3d", &bits);
    return bits < 1 ? "" : bits <= 2 ? "1-2 bit" : bits <= 4 ? "3-4 bit" : bits <= 8 ? "5-8 bit" : "16 bit";
}

static void set_quality(struct build *b, struct row *w, const struct catalogue_model *m)
{
    struct quality_guess q;
    char source[256] = "";
    w->reference = strncmp(w->format, "base/", 5) == 0;
    row_predict_quality(b->j, w, m->id, m->params_b, &q);
    struct interval s = quality_task_score(m, b->in->req->want.task, b->in->req->want.language, &q, source);
    w->task = b->in->req->want.task ? b->in->req->want.task : "chat";
    w->task_score = s.v / 100, w->task_score_lo = s.lo / 100, w->task_score_hi = s.hi / 100;
    w->task_from = !isfinite(s.v) ? "" : strncmp(source, "published", 9) ? "predicted" : "published";
    const bool code = !strcmp(w->task, "code");
    w->scored = (isfinite(m->score_mmlu) || isfinite(m->score_gsm8k) || isfinite(m->score_humaneval)) &&
                (code || strstr(m->tasks, "chat"));
    w->source = say(b->j, "score: %s; quality: %s", *source ? source : "none published", q.source);
}

static void set_speed(struct row *w, struct interval decode, struct interval prefill)
{
    if (!isfinite(decode.v) || !(decode.v > 0))
        return;
    w->speed_from = "predicted";
    w->decode_tok_s = decode.v, w->decode_tok_s_lo = decode.lo, w->decode_tok_s_hi = decode.hi;
    w->tpot_p50_ms = 1000 / decode.v;
    if (!isfinite(prefill.v) || !(prefill.v > 0))
        return;
    w->prefill_tok_s = prefill.v, w->prefill_lo = prefill.lo, w->prefill_hi = prefill.hi;
    double n = (double)w->n_prompt * 1000;
    w->ttft_ms = n / prefill.v + 1000 / decode.v;
    w->ttft_ms_lo = n / prefill.hi + 1000 / decode.hi;
    w->ttft_ms_hi = n / prefill.lo + 1000 / decode.lo;
}

/* How fast the framework is over the own engine for that format, decode and prefill. */
static void factors_of(struct build *b, const struct row *w, const struct recipe *recipe, struct interval f[2],
                       char from[256])
{
    const struct machine_rates *r = b->in->rates;
    char unused[256];
    double share = NAN; /* of the read bandwidth, in the own engine */
    for (int i = 0; i < r->n_codecs && r->n_bandwidth; i++)
        if (!strcmp(r->codec[i].codec, recipe->codec))
            share = fmin(r->codec[i].decode_gb_s[1].v / r->bandwidth[0].gb_s.v, 1);
    f[0] = framework_stored(b->j, w->format, w->framework, false, from);
    f[1] = framework_stored(b->j, w->format, w->framework, true, unused);
    if (!isfinite(f[0].v))
        f[0] = framework_factor(w->framework, recipe->codec, false, r->isa, share, from);
    if (!isfinite(f[1].v))
        f[1] = framework_factor(w->framework, recipe->codec, true, r->isa, NAN, unused);
}

/* From the calibration of the own engine, times what the framework makes of it; false: a codec has no rate, or nothing
 * is known of the framework. */
static bool calibrated_speed(struct build *b, struct row *w, const struct recipe *recipe, struct catalogue_shape *s,
                             const struct catalogue_cost *cost)
{
    const size_t mark = arena_mark(s->arena), n = (size_t)s->d.n_tensors;
    struct use_assign *assign = arena_alloc_n(s->arena, n, sizeof *assign);
    double *read = arena_alloc_n(s->arena, n, sizeof *read);
    struct interval f[2] = {INTERVAL_NONE, INTERVAL_NONE};
    struct rates_guess g = {.decode_tok_s = INTERVAL_NONE};
    char from[256];
    for (size_t i = 0; read && i < n; i++)
        read[i] = s->share[i].multiplied ? s->share[i].read : 0;
    if (assign && read &&
        recipe_assign(&s->d, recipe, NULL, &(struct recipe_known){.importance = true}, assign, NULL) == 0) {
        rates_predict(&g, b->in->rates,
                      &(struct rates_work){.model = &s->d,
                                           .assign = assign,
                                           .read = read,
                                           .n_prompt = (int)w->n_prompt,
                                           .kv_bytes = (double)cost->kv_read_bytes});
        factors_of(b, w, recipe, f, from);
    }
    arena_reset(s->arena, mark);
    if (!isfinite(g.decode_tok_s.v) || !isfinite(f[0].v))
        return false;
    set_speed(w, stats_product(g.decode_tok_s, f[0]), stats_product(g.prefill_tok_s, f[1]));
    w->stands_in = true;
    w->source = say(b->j, "%s; speed: this machine's calibrated kernels x %.2f (%.2f-%.2f), %s", w->source, f[0].v,
                    f[0].lo, f[0].hi, from);
    return true;
}

static void class_speed(struct build *b, struct row *w, const struct catalogue_model *m, const struct candidate *c,
                        const struct catalogue_cost *cost)
{
    struct predict_speed p;
    predict_speed(&p, b->in->target,
                  &(struct predict_work){.codec = c->recipe->name,
                                         .framework = c->framework,
                                         .backend = c->backend,
                                         .read_bytes = (double)cost->read_bytes,
                                         .kv_read_bytes = (double)cost->kv_read_bytes,
                                         .ops_per_token = cost->ops_per_token,
                                         .params_b = m->params_b,
                                         .n_layer = m->n_layer});
    set_speed(w, p.decode_tok_s, p.prefill_tok_s);
    w->remark = *p.refused ? say(b->j, "its speed is not predicted: %s", p.refused) : "";
    w->source = say(b->j, "%s; speed: %s", w->source, *p.refused ? p.refused : p.basis);
}

/* The class's power while it computes is at most what it is cooled for. */
static void set_energy(struct build *b, struct row *w)
{
    static const double least_share = 0.4;
    const double watts = b->in->target->tdp_w;
    if (!isfinite(watts) || !isfinite(w->decode_tok_s))
        return;
    w->energy_j_per_tok = watts / w->decode_tok_s;
    w->energy_lo = least_share * w->energy_j_per_tok;
    w->energy_hi = watts / w->decode_tok_s_lo;
    w->energy_from = "design power";
}

static void set_names(struct build *b, struct row *w, const struct catalogue_model *m, const struct candidate *c)
{
    const struct target *t = b->in->target;
    const struct request *req = b->in->req;
    w->ran = *c->backend != 0;
    w->device = keep(b->j, t->name);
    w->model = m->id;
    w->license = m->licence;
    w->format = c->recipe->name;
    w->framework = c->framework;
    w->backend = keep(b->j, c->backend); /* the candidates end before the decision */
    w->gpu_layers = strcmp(c->backend, "cpu") ? INT64_MIN : 0;
    w->batch = 1;
    w->kv_type = "f16";
    w->n_prompt = req->want.n_prompt;
    w->threads = req->threads > 0 && b->in->rates ? req->threads : t->cores > 0 ? t->cores : 4;
    w->unverified = !c->recipe->verified_by;
    w->precision_class = precision_class(w->format);
    w->model_class = catalogue_size_class(m);
    w->params_b = m->params_b;
    if (!w->ran) {
        w->verdict = "unsupported";
        w->reason = keep(b->j, c->why);
    }
}

static int add_row(struct build *b, const struct catalogue_model *m, struct catalogue_shape *shape,
                   const struct candidate *c, int group, struct err *e)
{
    struct catalogue_cost cost;
    struct err why = {0};
    const int asked = b->in->req->want.ctx, ctx = asked > m->context && m->context > 0 ? m->context : asked;
    int rc = catalogue_cost(&cost, m, c->recipe, NULL, ctx, &why);
    if (rc == ERR_NOMEM)
        return err_set(e, rc, "%s", why.text);
    struct row *w = rc < 0 ? NULL : row_add(b->j);
    if (!w)
        return 0; /* this format is not for this model: no row */
    set_names(b, w, m, c);
    w->group = group;
    w->ctx = asked;
    w->n_ctx_train = m->context;
    w->effective_bpw = cost.effective_bpw;
    w->weights_bytes = cost.weights_bytes;
    w->download_bytes = cost.download_bytes;
    w->kv_bytes = cost.kv_bytes;
    w->scratch_bytes = strcmp(c->backend, "cpu") ? cost.reserved_bytes : cost.scratch_bytes;
    w->read_bytes = cost.read_bytes;
    w->n_vocab = m->n_vocab;
    w->memory_from = "predicted";
    w->substituted = cost.share_substituted > 0;
    w->share_substituted = cost.share_substituted;
    row_set_memory(b->j, w);
    set_quality(b, w, m);
    const bool own = b->in->rates && shape && strcmp(c->backend, "cpu") == 0;
    if (w->ran && !(own && calibrated_speed(b, w, c->recipe, shape, &cost)))
        class_speed(b, w, m, c, &cost);
    set_energy(b, w);
    w->command = choose_command(b->j, w, m, c->recipe);
    return 0;
}

static int add_model(struct build *b, const struct catalogue_model *m, int group, struct err *e)
{
    struct catalogue_shape *shape = NULL;
    int rc = catalogue_arch_find(m->arch) ? catalogue_shape_make(&shape, m, e) : 0;
    for (int i = 0; i < b->n && rc == 0; i++)
        rc = add_row(b, m, shape, &b->at[i], group, e);
    catalogue_shape_free(shape);
    return rc;
}

static int add_models(struct build *b, struct err *e)
{
    const struct catalogue_model *m;
    int n = catalogue_models(&m), rc = 0;
    for (int i = 0; i < b->in->n_models && rc == 0; i++) {
        const struct catalogue_model *one = catalogue_model_find(b->in->models[i]);
        rc = one ? add_model(b, one, i, e) : catalogue_model_near(b->in->models[i], e);
    }
    for (int i = 0; i < n && rc == 0 && b->in->n_models == 0; i++)
        rc = add_model(b, &m[i], i, e);
    return rc;
}

/* ---- all of it ---- */

static int decide(struct judge *j, struct build *b, struct decision **out, struct err *e)
{
    const struct choose_input *in = b->in;
    int rc = judge_open(j, out, &in->target->device, in->req, e);
    if (rc < 0)
        return rc;
    b->j = j;
    j->across = true;
    j->known = in->known;
    j->target = in->target;
    if (in->target->usable_bytes >= 0 && (j->usable_bytes < 0 || in->target->usable_bytes < j->usable_bytes ||
                                          in->req->want.ram_bytes < 0)) /* --ram asks for less, never for more */
        j->usable_bytes = in->target->usable_bytes;
    rc = list_candidates(b, e);
    if (rc == 0)
        rc = add_models(b, e);
    if (rc == 0)
        judge_decide(j);
    return rc < 0 ? rc : j->failed ? err_nomem(e, 0, "the choice between models") : 0;
}

/* What does run here, where the models that were asked for do not. */
static void find_alternative(struct judge *j, const struct choose_input *in)
{
    struct choose_input all = *in;
    struct request req = *in->req;
    struct decision *d = NULL;
    req.n_formats = 0;
    req.want.only_framework = NULL;
    all.req = &req;
    all.n_models = 0;
    if (in->n_models == 0 || matrix_choose(&d, &all, NULL) < 0)
        return;
    choose_explain_alternative(j, d);
    decision_free(d);
}

int matrix_choose(struct decision **out, const struct choose_input *in, struct err *e)
{
    struct judge j;
    struct build b = {.in = in};
    *out = NULL;
    int rc = decide(&j, &b, out, e);
    if (rc == 0 && !strcmp((*out)->verdict, "nothing-fits")) {
        choose_explain_nothing(&j, in->target, in->n_models);
        find_alternative(&j, in);
        rc = j.failed ? err_nomem(e, 0, "the sentences of the decision") : 0;
    }
    if (rc < 0) {
        decision_free(*out);
        *out = NULL;
    }
    return rc;
}
