/* The table as a sum of two effects, by alternating means: ln KLD of (model, format) = format + model. A model is
 * drawn towards models of its size until its own rows outweigh them. */
#include "matrix/quality_fit.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"

/* Found by leaving each model out in turn (docs/PREDICTED_QUALITY.md). */
static const double octaves = 1.2;         /* of ln size: models that far away count 0.6 */
static const double usual_spread = 0.45;   /* of ln KLD of one format around its model's mean */
static const double usual_fragility = 0.5; /* of models of one size */
static const double family_weight = 2;
static const double least_ln_ratio = 0.004; /* below that a perplexity ratio is noise and no KLD */
static const double hull = 0.25;            /* bits per weight beyond the family's formats */
enum { ROUNDS = 40 };

bool quality_same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a && !isalnum((unsigned char)*a))
            a++;
        while (*b && !isalnum((unsigned char)*b))
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

int quality_find_format(const struct quality_fit *f, const char *format)
{
    for (int i = 0; i < f->n_formats; i++)
        if (strcmp(f->format[i].name, format) == 0)
            return i;
    return -1;
}

int quality_find_model(const struct quality_fit *f, const char *model_id)
{
    for (int i = 0; i < f->n_models; i++)
        if (quality_same_name(f->model[i].name, model_id))
            return i;
    return -1;
}

/* A row is taken when it names both, and holds a figure that can be one. */
static void read_cell(struct quality_fit *f, const struct csv *c, const char *at)
{
    const char *model = csv_text(c, "model"), *format = csv_text(c, "format");
    double params_b = csv_number(c, "params_b"), bpw = csv_number(c, "bpw");
    struct quality_cell *cell = &f->cell[f->n_cells];
    *cell = (struct quality_cell){.ln_kld = NAN,
                                  .kld = csv_number(c, "kld"),
                                  .ppl_ratio = csv_number(c, "ppl_ratio"),
                                  .top1 = csv_number(c, "top1_agreement"),
                                  .at = at};
    bool named = *model && strchr(format, '/') && strlen(model) < QUALITY_NAME && strlen(format) < QUALITY_NAME;
    if (!named || !(params_b > 0 && params_b < 1e5))
        return;
    if (!(cell->kld > 0 && cell->kld < 100))
        cell->kld = NAN;
    if (!(cell->ppl_ratio > 0.5 && isfinite(cell->ppl_ratio)))
        cell->ppl_ratio = NAN;
    if (!(cell->top1 >= 0 && cell->top1 <= 1))
        cell->top1 = NAN;
    if (isfinite(cell->kld))
        cell->ln_kld = log(cell->kld);
    else if (log(cell->ppl_ratio) > least_ln_ratio)
        cell->ln_kld = log(log(cell->ppl_ratio));
    if (!isfinite(cell->kld) && !isfinite(cell->ppl_ratio))
        return;
    if ((cell->model = quality_find_model(f, model)) < 0) {
        cell->model = f->n_models++;
        strcpy(f->model[cell->model].name, model);
        f->model[cell->model].params_b = params_b;
    }
    if ((cell->format = quality_find_format(f, format)) < 0) {
        cell->format = f->n_formats++;
        strcpy(f->format[cell->format].name, format);
        f->format[cell->format].bpw = NAN;
    }
    struct quality_format *to = &f->format[cell->format];
    if (bpw > 0 && bpw <= 32 && params_b > to->bpw_params_b) {
        to->bpw = bpw;
        to->bpw_params_b = params_b;
    }
    f->n_cells++;
}

static void set_weights(struct quality_fit *f)
{
    for (int i = 0; i < f->n_cells; i++) {
        struct quality_cell *c = &f->cell[i];
        int same = 0, before = 0;
        for (int k = 0; k < f->n_cells; k++)
            if (f->cell[k].model == c->model && f->cell[k].format == c->format && isfinite(f->cell[k].ln_kld))
                same++, before += k < i;
        c->weight = isfinite(c->ln_kld) ? 1.0 / same : 0;
        f->model[c->model].n_cells += c->weight;
        f->format[c->format].n_models += isfinite(c->ln_kld) && before == 0;
    }
}

static double nearness(const char *model_id, double params_b, const struct quality_model *m)
{
    double apart = isfinite(params_b) ? log(params_b / m->params_b) / octaves : 0;
    size_t n = strcspn(m->name, "-0123456789 .");
    return exp(-0.5 * apart * apart) * (strncasecmp(model_id, m->name, n) == 0 ? family_weight : 1);
}

struct normal quality_fragility(const struct quality_fit *f, const char *model_id, double params_b)
{
    double w = 0, sum = 0, square = 0;
    for (int i = 0; i < f->n_models; i++) {
        const struct quality_model *m = &f->model[i];
        if (m->n_cells <= 0 || quality_same_name(m->name, model_id))
            continue;
        double near = fmax(nearness(model_id, params_b, m), 1e-6) * m->n_cells / (m->n_cells + 2);
        w += near;
        sum += near * m->fragile;
    }
    double mean = w > 0 ? sum / w : 0;
    for (int i = 0; i < f->n_models; i++) {
        const struct quality_model *m = &f->model[i];
        double near = fmax(nearness(model_id, params_b, m), 1e-6) * m->n_cells / (m->n_cells + 2);
        if (m->n_cells > 0 && !quality_same_name(m->name, model_id))
            square += near * (m->fragile - mean) * (m->fragile - mean);
    }
    /* three models' worth of the usual spread; and the fewer models are near, the less is known of their mean */
    double var = (3 * usual_fragility * usual_fragility + square) / (3 + w);
    return (struct normal){mean, sqrt(var * (1 + 1 / (w + 0.25)))};
}

static void fit_formats(struct quality_fit *f)
{
    for (int k = 0; k < f->n_formats; k++) {
        struct quality_format *format = &f->format[k];
        double w = 0, sum = 0, square = 0;
        for (int i = 0; i < f->n_cells; i++)
            if (f->cell[i].format == k && f->cell[i].weight > 0) {
                w += f->cell[i].weight;
                sum += f->cell[i].weight * (f->cell[i].ln_kld - f->model[f->cell[i].model].fragile);
            }
        format->coarse = w > 0 ? sum / w : NAN;
        for (int i = 0; i < f->n_cells; i++)
            if (f->cell[i].format == k && f->cell[i].weight > 0) {
                double d = f->cell[i].ln_kld - f->model[f->cell[i].model].fragile - format->coarse;
                square += f->cell[i].weight * d * d;
            }
        format->spread = sqrt((3 * usual_spread * usual_spread + square) / (3 + w));
    }
}

static void fit_models(struct quality_fit *f)
{
    const double ratio = usual_spread * usual_spread / (usual_fragility * usual_fragility);
    for (int k = 0; k < f->n_models; k++) {
        struct quality_model *m = &f->model[k];
        double sum = 0;
        for (int i = 0; i < f->n_cells; i++)
            if (f->cell[i].model == k && f->cell[i].weight > 0)
                sum += f->cell[i].weight * (f->cell[i].ln_kld - f->format[f->cell[i].format].coarse);
        struct normal others = quality_fragility(f, m->name, m->params_b);
        m->fragile = (sum + ratio * others.mean) / (m->n_cells + ratio);
    }
}

struct normal quality_between(const struct quality_fit *f, const char *format, double bpw)
{
    size_t n = strcspn(format, "/");
    double w = 0, x = 0, y = 0, xx = 0, xy = 0, square = 0;
    bool below = false, above = false;
    for (int pass = 0; pass < 2; pass++) {
        double det = w * xx - x * x, slope = det > 1e-9 * w * w ? (w * xy - x * y) / det : 0, all = w;
        if (pass == 1 && (!below || !above))
            return (struct normal){NAN, NAN};
        for (int i = 0; i < f->n_formats; i++) {
            const struct quality_format *o = &f->format[i];
            if (strncmp(o->name, format, n + 1) != 0 || !isfinite(o->bpw) || !isfinite(o->coarse))
                continue;
            double apart = o->bpw - bpw, near = exp(-0.5 * apart * apart);
            double off = o->coarse - (y - slope * x) / fmax(all, 1e-9) - slope * apart;
            if (pass == 1) {
                square += near * off * off;
                continue;
            }
            below |= apart <= hull;
            above |= apart >= -hull;
            w += near;
            x += near * apart;
            y += near * o->coarse;
            xx += near * apart * apart;
            xy += near * apart * o->coarse;
        }
        if (pass == 1)
            return (struct normal){(y - slope * x) / w, sqrt(square / w + usual_spread * usual_spread * (1 + 2 / w))};
    }
    return (struct normal){NAN, NAN};
}

static void read_cells(struct quality_fit *f, const char *text, const char *without_model)
{
    struct csv c;
    if (!csv_open(&c, text))
        return;
    for (const char *at = c.at; csv_next(&c); at = c.at)
        if (!*without_model || !quality_same_name(csv_text(&c, "model"), without_model))
            read_cell(f, &c, at);
}

struct quality_fit *quality_fit_new(const char *text, const char *without_model)
{
    struct quality_fit *f = mem_alloc(sizeof *f);
    size_t rows = 1;
    for (const char *p = text; *p; p++)
        rows += *p == '\n';
    if (f) {
        f->cell = mem_alloc_n(rows, sizeof *f->cell);
        f->format = mem_alloc_n(rows, sizeof *f->format);
        f->model = mem_alloc_n(rows, sizeof *f->model);
    }
    if (!f || !f->cell || !f->format || !f->model) {
        quality_fit_free(f);
        return NULL;
    }
    f->text = text;
    read_cells(f, text, without_model);
    set_weights(f);
    for (int i = 0; i < ROUNDS; i++) {
        fit_formats(f);
        fit_models(f);
    }
    fit_formats(f);
    return f;
}

void quality_fit_free(struct quality_fit *f)
{
    if (f) {
        mem_free(f->cell);
        mem_free(f->format);
        mem_free(f->model);
    }
    mem_free(f);
}
