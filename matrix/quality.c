/* What is said of a format of a model that is not on disk: published, or predicted from the fit. */
#include "matrix/quality.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "datasets/catalogue.h"
#include "matrix/quality_fit.h"

static const double nine_of_ten = 1.645; /* standard deviations */
/* ln KLD of files of one name by other makers, with another importance matrix, on another text. */
static const double same_name_spread = 0.4;
/* ln PPL ratio is KLD (published rows: 0.9 to 1.05 of it) and chance: a text of that many tokens, rounded figures. Tiny
 * models that say more than they know can even gain. */
static const double ratio_low = 0.75, ratio_high = 1.15, text_tokens = 10000, rounding = 0.0015, tiny_b = 0.05;
/* ln (1 - same top) = a + b ln KLD, and how far rows are from that. */
static const double top_a = -0.8, top_b = 0.44, top_spread = 0.15;

static struct interval spread_out(struct normal ln)
{
    return (struct interval){exp(ln.mean), exp(ln.mean - nine_of_ten * ln.sd), exp(ln.mean + nine_of_ten * ln.sd)};
}

static double top_words(double kld, double sign)
{
    return fmax(1 - exp(top_a + top_b * log(kld) + sign * nine_of_ten * top_spread), 0);
}

/* Perplexity and top words follow from KLD. */
static void fill_from_kld(struct quality_guess *q, double params_b)
{
    double chance = nine_of_ten * sqrt(2 * q->kld.hi / text_tokens) + rounding;
    q->ppl_ratio = (struct interval){exp(q->kld.v), exp((params_b < tiny_b ? 0 : ratio_low) * q->kld.lo - chance),
                                     exp(ratio_high * q->kld.hi + chance)};
    q->top1 = (struct interval){top_words(q->kld.v, 0), top_words(q->kld.hi, 1), top_words(q->kld.lo, -1)};
}

static void guess_none(struct quality_guess *q, const char *why)
{
    *q = (struct quality_guess){.kld = INTERVAL_NONE, .ppl_ratio = INTERVAL_NONE, .top1 = INTERVAL_NONE, .from = ""};
    snprintf(q->source, sizeof q->source, "%s", why);
}

static struct interval around(struct interval i, double v)
{
    return (struct interval){v, fmin(i.lo, v), fmax(i.hi, v)};
}

static void say_row(const struct quality_fit *f, const char *at, char out[256])
{
    struct csv c;
    if (csv_open(&c, f->text)) {
        c.at = at;
        csv_next(&c);
        snprintf(out, 256, "%.150s; %.90s", csv_text(&c, "source"), csv_text(&c, "protocol"));
    }
}

/* The mean of all rows that say it: of several files by one name none is more the user's than another. */
static bool take_published(const struct quality_fit *f, struct quality_guess *q, int model, int format)
{
    double ln = 0, w = 0, ratio = 0, n_ratio = 0, top = 0, n_top = 0;
    for (int i = 0; i < f->n_cells; i++) {
        const struct quality_cell *c = &f->cell[i];
        if (c->model != model || c->format != format)
            continue;
        if (w == 0)
            say_row(f, c->at, q->source);
        w += c->weight;
        ln += c->weight * c->ln_kld;
        if (isfinite(c->ppl_ratio))
            ratio += log(c->ppl_ratio), n_ratio++;
        if (isfinite(c->top1))
            top += c->top1, n_top++;
    }
    if (w == 0)
        return false;
    q->from = "published";
    /* a perplexity ratio within chance of 1 says little of KLD */
    q->kld = spread_out((struct normal){ln / w, same_name_spread / sqrt(fmin(w, 1))});
    fill_from_kld(q, f->model[model].params_b);
    if (n_ratio > 0)
        q->ppl_ratio = around(q->ppl_ratio, exp(ratio / n_ratio));
    if (n_top > 0)
        q->top1 = around(q->top1, top / n_top);
    return true;
}

static void predict(const struct quality_fit *f, struct quality_guess *q, const char *model_id, double params_b,
                    const char *format, double bpw)
{
    int k = quality_find_format(f, format);
    struct normal fragile = quality_fragility(f, model_id, params_b),
                  coarse = k >= 0 ? quality_coarseness(f, k) : quality_between(f, format, bpw);
    if (!isfinite(coarse.mean)) {
        guess_none(q,
                   "no model has a figure of this format, nor of formats of its family with fewer and with more bits");
        return;
    }
    q->from = "predicted";
    q->kld = spread_out((struct normal){fragile.mean + coarse.mean, hypot(fragile.sd, coarse.sd)});
    fill_from_kld(q, params_b);
    if (k >= 0)
        snprintf(q->source, sizeof q->source, "%s on %d models, moved to this size as %d models say", format,
                 f->format[k].n_models, f->n_models);
    else
        snprintf(q->source, sizeof q->source, "between formats of its family, at %.2f bits per weight; %d models", bpw,
                 f->n_models);
}

void quality_fit_predict(const struct quality_fit *f, struct quality_guess *q, const char *model_id, double params_b,
                         const char *format, double effective_bpw)
{
    char name[QUALITY_NAME]; /* without a variant's options, which move little */
    snprintf(name, sizeof name, "%.*s", (int)strcspn(format, "@"), format);
    int k = quality_find_format(f, name), m = quality_find_model(f, model_id);
    guess_none(q, "");
    if (strcmp(name, "base/f32") == 0) {
        *q = (struct quality_guess){stats_exact(0), stats_exact(1), stats_exact(1), "predicted",
                                    "the weights themselves"};
        return;
    }
    if (k < 0 || m < 0 || !take_published(f, q, m, k))
        predict(f, q, model_id, params_b, name, effective_bpw);
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
