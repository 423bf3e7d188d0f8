/* What is said of a format of a model that is not on disk: published, or predicted from the fit. */
#include "matrix/quality.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "matrix/quality_fit.h"

static const double nine_of_ten = 1.645; /* standard deviations */
/* Files of one name by different makers, texts and importance matrices: ln KLD. */
static const double same_name_spread = 0.35;
/* ln PPL ratio over KLD, and how far it strays; a text of that many tokens adds its own noise. */
static const double ratio_low = 0.2, ratio_usual = 0.9, ratio_high = 1.35, text_tokens = 5000;
/* 1 - same top = exp(a + b ln KLD), with the spread of a. */
static const double top_a = -0.9, top_b = 0.43, top_spread = 0.25;

static struct interval spread_out(double ln, double sd)
{
    return (struct interval){exp(ln), exp(ln - nine_of_ten * sd), exp(ln + nine_of_ten * sd)};
}

/* Perplexity and top words follow from KLD; a published figure stands where there is one. */
static void fill_from_kld(struct quality_guess *q)
{
    double noise = nine_of_ten * sqrt(2 * q->kld.hi / text_tokens);
    if (!isfinite(q->ppl_ratio.v))
        q->ppl_ratio = (struct interval){exp(ratio_usual * q->kld.v), exp(ratio_low * q->kld.lo - noise),
                                         exp(ratio_high * q->kld.hi + noise)};
    if (!isfinite(q->top1.v)) {
        double off = nine_of_ten * top_spread;
        q->top1 =
            (struct interval){1 - exp(top_a + top_b * log(q->kld.v)), 1 - exp(top_a + top_b * log(q->kld.hi) + off),
                              1 - exp(top_a + top_b * log(q->kld.lo) - off)};
        q->top1.lo = fmax(q->top1.lo, 0);
        q->top1.v = fmax(q->top1.v, q->top1.lo);
    }
}

static void guess_none(struct quality_guess *q, const char *why)
{
    *q = (struct quality_guess){.kld = INTERVAL_NONE, .ppl_ratio = INTERVAL_NONE, .top1 = INTERVAL_NONE, .from = ""};
    snprintf(q->source, sizeof q->source, "%s", why);
}

/* The mean of all rows that say it (of several files by one name no one is the user's). */
static bool take_published(const struct quality_fit *f, struct quality_guess *q, int model, int format)
{
    double ln = 0, w = 0, ratio = 0, n_ratio = 0, top = 0, n_top = 0;
    struct csv c;
    for (int i = 0; i < f->n_cells; i++) {
        const struct quality_cell *cell = &f->cell[i];
        if (cell->model != model || cell->format != format || !isfinite(cell->ln_kld))
            continue;
        if (w == 0 && csv_open(&c, f->text) && (c.at = cell->at, csv_next(&c)))
            snprintf(q->source, sizeof q->source, "%.180s, %.60s", csv_text(&c, "source"), csv_text(&c, "protocol"));
        ln += cell->ln_kld, w++;
        if (isfinite(cell->ppl_ratio))
            ratio += log(cell->ppl_ratio), n_ratio++;
        if (isfinite(cell->top1))
            top += cell->top1, n_top++;
    }
    if (w == 0)
        return false;
    q->from = "published";
    q->kld = spread_out(ln / w, same_name_spread);
    fill_from_kld(q);
    if (n_ratio > 0)
        q->ppl_ratio.v = exp(ratio / n_ratio);
    if (n_top > 0)
        q->top1.v = top / n_top;
    q->ppl_ratio.lo = fmin(q->ppl_ratio.lo, q->ppl_ratio.v);
    q->ppl_ratio.hi = fmax(q->ppl_ratio.hi, q->ppl_ratio.v);
    q->top1.lo = fmin(q->top1.lo, q->top1.v);
    q->top1.hi = fmax(q->top1.hi, q->top1.v);
    return true;
}

void quality_fit_predict(const struct quality_fit *f, struct quality_guess *q, const char *model_id, double params_b,
                         const char *format, double effective_bpw)
{
    char name[QUALITY_NAME];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(format, "@"), format);
    int k = quality_find_format(f, name), m = quality_find_model(f, model_id);
    guess_none(q, "");
    if (strcmp(name, "base/f32") == 0) {
        q->kld = stats_exact(0), q->ppl_ratio = q->top1 = stats_exact(1), q->from = "predicted";
        snprintf(q->source, sizeof q->source, "the weights themselves");
        return;
    }
    if (k >= 0 && m >= 0 && take_published(f, q, m, k))
        return;
    bool known = k >= 0 && isfinite(f->format[k].coarse);
    struct normal fragile = quality_fragility(f, model_id, params_b),
                  coarse = known ? (struct normal){f->format[k].coarse,
                                                   f->format[k].spread * sqrt(1 + 1 / fmax(f->format[k].n_models, 1))}
                                 : quality_between(f, name, effective_bpw);
    if (!isfinite(coarse.mean)) {
        guess_none(q, "no figure of this format or of its neighbours by bits per weight is known");
        return;
    }
    double own = m >= 0 ? f->model[m].n_cells : 0;
    if (own > 0)
        fragile = (struct normal){f->model[m].fragile, fragile.sd / sqrt(1 + own)};
    q->from = "predicted";
    q->kld = spread_out(fragile.mean + coarse.mean, hypot(fragile.sd, coarse.sd));
    fill_from_kld(q);
    if (known)
        snprintf(q->source, sizeof q->source, "%s on %d models, moved to this size by all %d", name,
                 f->format[k].n_models, f->n_models);
    else
        snprintf(q->source, sizeof q->source, "between formats of its family at %.2f bits per weight", effective_bpw);
}

static struct quality_fit *all;

static void fit_all(void)
{
    all = quality_fit_new(dataset_published_quality, "");
}

void quality_predict(struct quality_guess *q, const char *model_id, double params_b, const char *format,
                     double effective_bpw)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fit_all);
    if (all)
        quality_fit_predict(all, q, model_id, params_b, format, effective_bpw);
    else
        guess_none(q, "no memory for the published figures");
}
