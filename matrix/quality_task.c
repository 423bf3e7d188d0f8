/* Scores that join models: a benchmark's figure of the unquantized model, less what is lost on the way to this one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bench/catalogue.h"
#include "matrix/quality.h"

/* What the user does, the benchmark that stands for it, and its score by guessing. */
static const struct benchmark {
    const char *task, *name;
    size_t at; /* in struct catalogue_model */
    double chance;
    bool generated;
} benchmarks[] = {
#define B(task, name, field, chance, generated)                                                                        \
    {                                                                                                                  \
        task, name, offsetof(struct catalogue_model, field), chance, generated                                         \
    }
    B("chat", "MMLU", score_mmlu, 25, false),      B("extract", "MMLU", score_mmlu, 25, false),
    B("summarize", "MMLU", score_mmlu, 25, false), B("translate", "MMLU", score_mmlu, 25, false),
    B("reason", "GSM8K", score_gsm8k, 0, true),    B("code", "HumanEval", score_humaneval, 0, true),
#undef B
};
/* Makers differ by that much on one model for their harness alone. */
static const double harness_points = 3;
/* ln of the share kept = -loss x KLD: the usual, the least and the most of nine in ten published cells. */
static const struct interval loss_of_choice = {0.4, 0.12, 1}, loss_of_steps = {0.6, 0.1, 2};
/* Share above guessing that is left in another language: claimed by the maker as the Llama 3 cards show for seven
 * languages; not said; not claimed. The last two have no figures behind them and say so by their width. */
static const struct interval claimed = {0.7, 0.35, 0.9}, not_said = {0.55, 0.05, 0.9}, not_claimed = {0.3, 0, 0.75};
static const double prior_rows = 4, prior_spread = 0.7; /* of logit scores around the line */
/* A model above the line of one benchmark is so on another: of one deviation there, so much here. */
static const double shared = 0.6;

static const struct benchmark *benchmark_of(const char *task)
{
    for (size_t i = 0; task && i < sizeof benchmarks / sizeof *benchmarks; i++)
        if (strcmp(benchmarks[i].task, task) == 0)
            return &benchmarks[i];
    return &benchmarks[0];
}

static double score_of(const struct catalogue_model *m, const struct benchmark *b)
{
    double v;
    memcpy(&v, (const char *)m + b->at, sizeof v);
    return v;
}

struct interval quality_kept(struct interval kld, bool generated)
{
    struct interval loss = generated ? loss_of_steps : loss_of_choice;
    return (struct interval){exp(-loss.v * kld.v), exp(-loss.hi * kld.hi), exp(-loss.lo * kld.lo)};
}

/* --- no score is published: a line through those that are, in ln size and year --- */
enum { TERMS = 3 };

static void terms_of(const struct catalogue_model *m, double x[TERMS])
{
    double year = strtod(m->released, NULL);
    x[0] = 1;
    x[1] = log(sqrt(m->params_b * m->active_params_b)); /* a mixture of experts is worth less than its size */
    x[2] = year > 2015 && year < 2100 ? year - 2024 : 0;
}

/* a x = b in place; false where a is singular. */
static bool solve(double a[TERMS][TERMS], double b[TERMS])
{
    for (int i = 0; i < TERMS; i++) {
        if (!(fabs(a[i][i]) > 1e-9))
            return false;
        for (int k = 0; k < TERMS; k++) {
            double f = k == i ? 0 : a[k][i] / a[i][i];
            for (int j = i; j < TERMS; j++)
                a[k][j] -= f * a[i][j];
            b[k] -= f * b[i];
        }
    }
    for (int i = 0; i < TERMS; i++)
        b[i] /= a[i][i];
    return true;
}

static double logit(double score)
{
    double p = fmin(fmax(score / 100, 0.01), 0.99);
    return log(p / (1 - p));
}

static double percent(double logit_score)
{
    return 100 / (1 + exp(-logit_score));
}

struct line {
    double w[TERMS], sd; /* of logit scores around it, for one more model */
    int n;
};

static double on_line(const struct line *l, const struct catalogue_model *m)
{
    double x[TERMS];
    terms_of(m, x);
    return l->w[0] + l->w[1] * x[1] + l->w[2] * x[2];
}

static bool fit_line(struct line *l, const struct benchmark *b, const struct catalogue_model *self)
{
    const struct catalogue_model *row;
    int n_rows = catalogue_models(&row);
    double a[TERMS][TERMS] = {{0}}, x[TERMS], square = 0;
    *l = (struct line){.n = 0};
    for (int i = 0; i < n_rows; i++) {
        if (!isfinite(score_of(&row[i], b)) || &row[i] == self)
            continue;
        terms_of(&row[i], x);
        for (int j = 0; j < TERMS; j++)
            for (int k = 0; k < TERMS; k++)
                a[j][k] += x[j] * x[k];
        for (int j = 0; j < TERMS; j++)
            l->w[j] += x[j] * logit(score_of(&row[i], b));
        l->n++;
    }
    if (l->n <= TERMS || !solve(a, l->w))
        return false;
    for (int i = 0; i < n_rows; i++)
        if (isfinite(score_of(&row[i], b)) && &row[i] != self) {
            double off = logit(score_of(&row[i], b)) - on_line(l, &row[i]);
            square += off * off;
        }
    l->sd = sqrt((square + prior_rows * prior_spread * prior_spread) / (l->n - TERMS + prior_rows) * (1 + 3.0 / l->n));
    return true;
}

/* Coders write well what they answer badly: on its own (mean error 14 points with or without the others). */
static bool is_code(const struct benchmark *b)
{
    return strcmp(b->task, "code") == 0;
}

/* How far the model lies above or below others of its size on the benchmarks that are published of it, in deviations.
 */
static double above_line(const struct catalogue_model *m, const struct benchmark *b, const struct catalogue_model *self)
{
    double sum = 0;
    int n = 0;
    for (size_t i = 0; i < sizeof benchmarks / sizeof *benchmarks; i++) {
        struct line l;
        bool again = i > 0 && benchmarks[i].at == benchmarks[i - 1].at;
        if (again || is_code(b) || is_code(&benchmarks[i]) || benchmarks[i].at == b->at ||
            !isfinite(score_of(m, &benchmarks[i])) || !fit_line(&l, &benchmarks[i], self))
            continue;
        sum += (logit(score_of(m, &benchmarks[i])) - on_line(&l, m)) / l.sd;
        n++;
    }
    return n ? sum / n : 0;
}

static struct interval score_by_size(const struct catalogue_model *m, const struct benchmark *b,
                                     const struct catalogue_model *self, int *n)
{
    struct line l;
    bool fits = fit_line(&l, b, self);
    *n = l.n;
    if (!fits)
        return INTERVAL_NONE;
    double y = on_line(&l, m) + shared * l.sd * above_line(m, b, self), v = percent(y);
    return (struct interval){v, fmin(percent(y - 1.645 * l.sd), fmax(v - harness_points, 0)),
                             fmax(percent(y + 1.645 * l.sd), fmin(v + harness_points, 100))};
}

struct interval quality_full_score(const struct catalogue_model *m, const char *task,
                                   const struct catalogue_model *self, char source[256])
{
    const struct benchmark *b = benchmark_of(task);
    double v = score_of(m, b);
    int n;
    if (isfinite(v) && m != self) {
        snprintf(source, 256, "published: %s %.1f (%.80s)", b->name, v, m->score_source);
        return (struct interval){v, fmax(v - harness_points, 0), fmin(v + harness_points, 100)};
    }
    struct interval s = score_by_size(m, b, self, &n);
    if (isfinite(s.v))
        snprintf(source, 256, "predicted: %s as %d models by size and year", b->name, n);
    else
        snprintf(source, 256, "too few models have a published %s", b->name);
    return s;
}

/* --- language --- */
static bool in_list(const char *list, const char *word, size_t n)
{
    for (const char *p = list; *p; p += strcspn(p, ";"), p += *p == ';') {
        p += strspn(p, " ");
        size_t have = strcspn(p, ";-_ ");
        if (have == n && strncasecmp(p, word, n) == 0)
            return true;
    }
    return false;
}

static struct interval kept_in_language(const struct catalogue_model *m, const char *language, const char **says)
{
    size_t n = language ? strcspn(language, "-_") : 0;
    *says = "";
    if (n == 0 || (n == 2 && strncasecmp(language, "en", 2) == 0))
        return stats_exact(1);
    if (in_list(m->languages, language, n)) {
        *says = "in that language, which its maker claims, less";
        return claimed;
    }
    *says = *m->languages ? "its maker does not claim that language" : "whether it knows that language is not said";
    return *m->languages ? not_claimed : not_said;
}

struct interval quality_task_score(const struct catalogue_model *m, const char *task, const char *language,
                                   const struct quality_guess *q, char source[256])
{
    const struct benchmark *b = benchmark_of(task);
    const char *tongue;
    char from[256];
    struct interval full = quality_full_score(m, task, NULL, source), other = kept_in_language(m, language, &tongue),
                    kept = q ? quality_kept(q->kld, b->generated) : stats_exact(1);
    if (!isfinite(full.v))
        return INTERVAL_NONE;
    if (!isfinite(kept.v)) {
        snprintf(source, 256, "the quality of that format is not known: %.150s", q->source);
        return INTERVAL_NONE;
    }
    double left = kept.v * other.v, least = kept.lo * other.lo, most = fmin(kept.hi * other.hi, 1);
    snprintf(from, sizeof from, "%s", source);
    snprintf(source, 256, "%.120s; quantization keeps %.0f to %.0f %% above guessing%s%s", from, 100 * kept.lo,
             100 * kept.hi, *tongue ? "; " : "", tongue);
    struct interval s = {b->chance + left * (full.v - b->chance), b->chance + least * (full.lo - b->chance),
                         b->chance + most * (full.hi - b->chance)};
    if (full.v < b->chance) /* worse than guessing already: nothing to lose */
        s = full;
    return (struct interval){s.v, fmax(fmin(s.lo, s.v), 0), fmin(fmax(s.hi, s.v), 100)};
}
