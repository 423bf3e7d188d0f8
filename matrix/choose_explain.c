/* The choice between models in words: why this one, at which other limits another, and the plain sentence where a
 * device runs none of what was asked for, with what it does run. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "matrix/choose.h"
#include "matrix/choose_int.h"

static const char every_model[] = "the catalogue's models";

static const char *score_words(struct judge *j, const struct row *r)
{
    if (!isfinite(r->task_score))
        return "no published score";
    return say(j, "%s score, %.0f (%.0f-%.0f),", r->task, 100 * r->task_score, 100 * r->task_score_lo,
               100 * r->task_score_hi);
}

static const char *limits_words(struct judge *j)
{
    const struct decision *d = j->d;
    struct sbuf b = {0};
    if (j->usable_bytes >= 0)
        sbuf_printf(&b, " in %s", figure_bytes(j->usable_bytes).s);
    if (isfinite(j->min_decode_tok_s))
        sbuf_printf(&b, " at %.3g tok/s or more%s", j->min_decode_tok_s,
                    isfinite(j->want->min_decode_tok_s) ? "" : " (default)");
    if (isfinite(d->kld_limit))
        sbuf_printf(&b, ", KLD under %.3g%s", d->kld_limit, d->kld_limit_asked ? "" : " (default)");
    return say_taken(j, &b);
}

static const char *why_first(struct judge *j, const struct row *r)
{
    switch (j->want->objective) {
    case OBJECTIVE_SPEED:
        return "fastest of what fits";
    case OBJECTIVE_MEMORY:
        return "least memory of what fits";
    case OBJECTIVE_ENERGY:
        return "fewest joules per token of what fits";
    default:
        return isfinite(r->task_score) ? say(j, "best %s of what fits", score_words(j, r))
                                       : "largest of what fits, of which no score is published";
    }
}

/* Models that share the first place, the pick aside. */
static const char *tied_models(struct judge *j, int *n)
{
    const struct decision *d = j->d;
    struct sbuf b = {0};
    *n = 0;
    for (int i = 0; i < d->n_rows; i++)
        if (i != d->recommended && d->row[i].lead && d->row[i].rank == 1 &&
            d->row[i].group != d->row[d->recommended].group && (*n)++ < 3)
            sbuf_printf(&b, "%s%s", b.n ? ", " : "", d->row[i].model);
    if (*n > 3)
        sbuf_printf(&b, " and %d more", *n - 3);
    return say_taken(j, &b);
}

static void explain_confidence(struct judge *j)
{
    struct decision *d = j->d;
    int n;
    const char *names = tied_models(j, &n);
    const struct row *a = &d->row[d->recommended];
    if (n > 0)
        d->confidence = say(j, "as good by the intervals of the scores: %s", names);
    else if (d->runner_up >= 0 && isfinite(a->task_score - d->row[d->runner_up].task_score))
        d->confidence = say(j, "%.0f points over %s, beyond both intervals",
                            100 * (a->task_score - d->row[d->runner_up].task_score), d->row[d->runner_up].model);
}

/* The answer where decoding had to be that fast. */
static void add_neighbour(struct judge *j, double floor)
{
    struct decision *d = j->d;
    const double keep_floor = j->min_decode_tok_s;
    j->min_decode_tok_s = floor;
    judge_vetoes(j);
    int i = choose_best(j, 0, d->kld_limit, ANY_GROUP, NULL);
    const char *label = say(j, "at %.3g tok/s", floor);
    if (d->n_neighbours < (int)(sizeof d->neighbours / sizeof d->neighbours[0]))
        d->neighbours[d->n_neighbours++] = i == d->recommended
                                               ? say(j, "%s: the same", label)
                                               : say(j, "%s: %s", label, i < 0 ? "nothing" : row_short(j, &d->row[i]));
    j->min_decode_tok_s = keep_floor;
}

static void explain_neighbours(struct judge *j)
{
    static const double ladder[] = {2, 5, 10, 20, 40, 80};
    struct decision *d = j->d;
    const double here = j->min_decode_tok_s;
    double below = NAN, above = NAN;
    if (j->want->objective != OBJECTIVE_BALANCED || !isfinite(here))
        return;
    for (int i = 0; i < 6; i++) {
        below = ladder[i] < here * 0.99 ? ladder[i] : below;
        above = ladder[i] > here * 1.01 && !isfinite(above) ? ladder[i] : above;
    }
    const char *verdict[2] = {d->row[d->recommended].verdict, d->row[d->recommended].reason};
    if (isfinite(below))
        add_neighbour(j, below);
    if (isfinite(above))
        add_neighbour(j, above);
    judge_vetoes(j);
    for (int i = 0; i < d->n_rows; i++)
        if (row_eligible(&d->row[i], 0) && !d->row[i].on_front)
            d->row[i].verdict = "dominated";
    d->row[d->recommended].verdict = verdict[0];
    d->row[d->recommended].reason = verdict[1];
}

void choose_explain(struct judge *j)
{
    struct decision *d = j->d;
    struct row *r = &d->row[d->recommended];
    int n;
    tied_models(j, &n);
    explain_neighbours(j);
    d->subject = every_model;
    d->headline = say(j, "USE %s %s on %s", r->model, r->format, r->framework);
    d->reason = say(j, "%s%s%s%s", why_first(j, r), limits_words(j),
                    n ? say(j, "; the score alone does not tell it from %d other%s", n, n > 1 ? "s" : "") : "",
                    j->limit_moved ? "; nothing keeps the default limit on KLD" : "");
    d->command = r->command;
    r->reason = d->reason;
    d->plain_quality = row_plain_quality(j, r);
    explain_confidence(j);
}

/* ---- nothing fits ---- */

static const struct row *smallest(const struct judge *j)
{
    const struct row *best = NULL;
    for (int i = 0; i < j->d->n_rows; i++) {
        const struct row *r = &j->d->row[i];
        if (r->peak_bytes < 0 || (best && best->ran && !r->ran))
            continue;
        if (!best || r->peak_bytes < best->peak_bytes || (r->ran && !best->ran))
            best = r;
    }
    return best;
}

static bool all_break(const struct judge *j, int rule)
{
    for (int i = 0; i < j->d->n_rows; i++)
        if (j->d->row[i].ran && !(j->d->row[i].vetoes >> rule & 1))
            return false;
    return j->d->n_rows > 0;
}

void choose_explain_nothing(struct judge *j, const struct target *t, int n_models)
{
    struct decision *d = j->d;
    const struct row *r = smallest(j);
    const char *cloud = j->want->offline ? "a machine with more memory" : "a machine with more memory, or the cloud";
    d->nearest = cloud;
    d->subject = n_models == 1 && r ? r->model : every_model;
    if (!r || (!t->microcontroller && !all_break(j, RULE_memory)))
        return; /* another limit binds: explain_nothing_fits has said which */
    d->binding_limit = rule_info(RULE_memory)->limit;
    const char *what = n_models == 1   ? say(j, "%s even at the smallest format", r->model)
                       : n_models == 0 ? "any model of the catalogue"
                                       : "any of these models even at the smallest format";
    d->headline = say(j, "%s cannot run %s: %s %s needs %s, %s is usable, %s short", t->name, what,
                      n_models == 0 ? say(j, "the smallest, %s", r->model) : r->model, r->format,
                      figure_bytes(r->peak_bytes).s, figure_bytes(j->usable_bytes >= 0 ? j->usable_bytes : 0).s,
                      figure_bytes(r->peak_bytes - (j->usable_bytes >= 0 ? j->usable_bytes : 0)).s);
    d->reason = say(j, "memory binds: %s", *t->usable_rule ? t->usable_rule : "what a program may use here");
}

/* A model of one to two and a half billion weights that does fit, else what the choice without that model would be. */
static const struct row *alternative(const struct decision *all)
{
    for (int i = 0; i < all->n_rows; i++) {
        const struct row *r = &all->row[i];
        if (r->lead && r->params_b >= 1 && r->params_b < 2.5)
            return r;
    }
    return all->recommended >= 0 ? &all->row[all->recommended] : NULL;
}

void choose_explain_alternative(struct judge *j, const struct decision *all)
{
    const struct row *r = alternative(all);
    if (!r)
        return;
    const char *speed = isfinite(r->decode_tok_s) ? say(j, ", est. %s tok/s (%s)", figure_rate(r->decode_tok_s).s,
                                                        figure_range(r->decode_tok_s_lo, r->decode_tok_s_hi).s)
                                                  : "";
    j->d->nearest =
        say(j, "%s %s, which fits: %s of memory%s; %s%s", r->model, r->format, figure_bytes(r->peak_bytes).s, speed,
            r->command, j->want->offline ? "" : "; or the cloud for the model asked for");
}

/* ---- the line that runs it ---- */

const char *choose_command(struct judge *j, const struct row *r, const struct catalogue_model *m,
                           const struct recipe *recipe)
{
    char line[512];
    const bool is_default = strcmp(r->format, "gguf/q4_k_m") == 0; /* what Ollama's tags hold */
    if (catalogue_download_line(m, recipe, line, sizeof line)) {
        if (strncmp(line, "llama-server", 12) == 0)
            return say(j, "%s -c %lld", line, (long long)r->ctx);
        if (is_default)
            return say(j, "%s", line);
    }
    const char *run = *m->hf_repo ? row_command(j, r, m->id, m->id) : "";
    return *run ? say(j, "hf download %s --local-dir %s && %s", m->hf_repo, m->id, run) : "";
}
