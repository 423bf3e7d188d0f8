/* The table as a sum of two effects, by alternating weighted means: ln KLD of (model, format) = format + model. A
 * model is drawn towards models of its size until its own rows outweigh them. */
#include "matrix/quality_fit.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "datasets/catalogue.h"

/* Chosen on models that were left out in turn (docs/PREDICTED_QUALITY.md). */
static const double cell_spread = 0.4;  /* of ln KLD around the sum */
static const double model_spread = 0.6; /* of models of one size */
static const double size_reach = 1.0;   /* of ln size: a model that far away counts 0.6 */
static const double family_weight = 2;
static const double ratio_error = 0.002; /* of ln PPL ratio, by chance and by rounding */
static const double bpw_reach = 1, bpw_beyond = 0.25;
enum { ROUNDS = 40, FEWEST_FORMATS = 3, PRIOR_CELLS = 6, PRIOR_MODELS = 3 };

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

static double within(double v, double lo, double hi)
{
    return v > lo && v <= hi ? v : NAN;
}

static int add_format(struct quality_fit *f, const char *name, double params_b, double bpw)
{
    int k = quality_find_format(f, name);
    if (k < 0) {
        k = f->n_formats++;
        strcpy(f->format[k].name, name);
        f->format[k].bpw = NAN;
    }
    if (isfinite(within(bpw, 0, 32)) && params_b > f->format[k].bpw_of) {
        f->format[k].bpw = bpw;
        f->format[k].bpw_of = params_b;
    }
    return k;
}

static int add_model(struct quality_fit *f, const char *name, double params_b)
{
    int k = quality_find_model(f, name);
    if (k >= 0)
        return k;
    strcpy(f->model[f->n_models].name, name);
    f->model[f->n_models].params_b = params_b;
    return f->n_models++;
}

/* A row is taken when it names a model and a format and holds a figure that can be one. */
static void read_cell(struct quality_fit *f, const struct csv *c, const char *at)
{
    const char *model = csv_text(c, "model"), *format = csv_text(c, "format");
    double params_b = csv_number(c, "params_b"), kld = within(csv_number(c, "kld"), 0, 100),
           ratio = within(csv_number(c, "ppl_ratio"), 0.5, 1e15), top1 = within(csv_number(c, "top1_agreement"), -1, 1);
    size_t n_model = strlen(model), n_format = strlen(format);
    bool named = n_model > 0 && n_model < QUALITY_NAME && n_format < QUALITY_NAME && strchr(format, '/');
    if (!named || !isfinite(within(params_b, 0, 1e5)) || (!isfinite(kld) && !isfinite(ratio)))
        return;
    double ln_ratio = fmax(log(ratio), ratio_error / 2), off = isfinite(kld) ? 0 : ratio_error / ln_ratio / cell_spread;
    f->cell[f->n_cells++] = (struct quality_cell){
        .model = add_model(f, model, params_b),
        .format = add_format(f, format, params_b, csv_number(c, "bpw")),
        .ln_kld = log(isfinite(kld) ? kld : ln_ratio),
        .weight = 1 / (1 + off * off),
        .kld = kld,
        .ppl_ratio = ratio,
        .top1 = top1 < 0 ? NAN : top1,
        .at = at,
    };
}

/* Rows that say the same cell share its weight. */
static void share_weights(struct quality_fit *f)
{
    for (int i = 0; i < f->n_cells; i++) {
        struct quality_cell *c = &f->cell[i];
        bool first = true;
        int same = 0;
        for (int k = 0; k < f->n_cells; k++)
            if (f->cell[k].model == c->model && f->cell[k].format == c->format) {
                same++;
                first = first && k >= i;
            }
        f->format[c->format].n_models += first;
        c->weight /= same;
        f->format[c->format].weight += c->weight;
        f->model[c->model].weight += c->weight;
    }
}

static double nearness(const char *model_id, double params_b, const struct quality_model *m)
{
    double apart = isfinite(params_b) ? log(params_b / m->params_b) / size_reach : 0;
    size_t family = strcspn(m->name, "-0123456789. ");
    double near = exp(-0.5 * apart * apart) + 1e-6; /* far from all, all count alike */
    return near * m->weight / (m->weight + 2) * (strncasecmp(model_id, m->name, family) == 0 ? family_weight : 1);
}

/* Of a model of that size whose own rows are not looked at. */
static struct normal others_fragility(const struct quality_fit *f, int self, const char *model_id, double params_b)
{
    double w = 0, sum = 0, square = 0;
    for (int i = 0; i < f->n_models; i++) {
        double near = i == self ? 0 : nearness(model_id, params_b, &f->model[i]);
        w += near;
        sum += near * f->model[i].fragile;
        square += near * f->model[i].fragile * f->model[i].fragile;
    }
    double mean = w > 0 ? sum / w : 0, var = w > 0 ? fmax(square / w - mean * mean, 0) : 0;
    var = (PRIOR_MODELS * model_spread * model_spread + w * var) / (PRIOR_MODELS + w);
    return (struct normal){mean, sqrt(var * (1 + 1 / (w + 0.25)))}; /* the fewer are near, the less is known of them */
}

struct normal quality_fragility(const struct quality_fit *f, const char *model_id, double params_b)
{
    int self = quality_find_model(f, model_id);
    struct normal n = others_fragility(f, self, model_id, params_b);
    if (self < 0 || f->model[self].weight <= 0)
        return n;
    double known = f->model[self].weight / (cell_spread * cell_spread), before = 1 / (n.sd * n.sd);
    return (struct normal){f->model[self].fragile, 1 / sqrt(known + before)};
}

struct normal quality_coarseness(const struct quality_fit *f, int format)
{
    const struct quality_format *k = &f->format[format];
    return (struct normal){k->coarse, k->spread * sqrt(1 + 1 / fmax(k->weight, 0.1))};
}

static void fit_formats(struct quality_fit *f)
{
    for (int k = 0; k < f->n_formats; k++)
        f->format[k].coarse = f->format[k].spread = 0;
    for (int i = 0; i < f->n_cells; i++) {
        const struct quality_cell *c = &f->cell[i];
        f->format[c->format].coarse +=
            c->weight * (c->ln_kld - f->model[c->model].fragile) / f->format[c->format].weight;
    }
    for (int i = 0; i < f->n_cells; i++) {
        const struct quality_cell *c = &f->cell[i];
        double off = c->ln_kld - f->model[c->model].fragile - f->format[c->format].coarse;
        f->format[c->format].spread += c->weight * off * off;
    }
    for (int k = 0; k < f->n_formats; k++)
        f->format[k].spread =
            sqrt((PRIOR_CELLS * cell_spread * cell_spread + f->format[k].spread) / (PRIOR_CELLS + f->format[k].weight));
}

static void fit_models(struct quality_fit *f)
{
    const double prior = cell_spread * cell_spread / (model_spread * model_spread);
    for (int k = 0; k < f->n_models; k++) {
        struct quality_model *m = &f->model[k];
        struct normal others = others_fragility(f, k, m->name, m->params_b);
        double sum = prior * others.mean;
        for (int i = 0; i < f->n_cells; i++)
            if (f->cell[i].model == k)
                sum += f->cell[i].weight * (f->cell[i].ln_kld - f->format[f->cell[i].format].coarse);
        m->fragile = sum / (m->weight + prior);
    }
}

/* A line y(x) through the formats of a family, weighted around x = 0. */
struct line {
    double w, x, y, xx, xy, yy;
    int n;
    bool below, above;
};

/* least_b: bits per weight of smaller models are not asked; their embedding tables and odd rows hide the format. */
static struct line line_through(const struct quality_fit *f, const char *format, double bpw, double least_b)
{
    struct line s = {0};
    for (int i = 0; i < f->n_formats; i++) {
        const struct quality_format *o = &f->format[i];
        if (strncmp(o->name, format, strcspn(format, "/") + 1) != 0 || !isfinite(o->bpw) || o->bpw_of < least_b)
            continue;
        double x = o->bpw - bpw, near = exp(-0.5 * x * x / (bpw_reach * bpw_reach));
        s.n++;
        s.below |= x <= bpw_beyond;
        s.above |= x >= -bpw_beyond;
        s.w += near;
        s.x += near * x;
        s.y += near * o->coarse;
        s.xx += near * x * x;
        s.xy += near * x * o->coarse;
        s.yy += near * o->coarse * o->coarse;
    }
    return s;
}

static bool line_holds(const struct line *s)
{
    return s->n >= FEWEST_FORMATS && s->below && s->above;
}

struct normal quality_between(const struct quality_fit *f, const char *format, double bpw)
{
    struct line s = line_through(f, format, bpw, 1);
    if (!line_holds(&s))
        s = line_through(f, format, bpw, 0);
    if (!line_holds(&s))
        return (struct normal){NAN, NAN};
    double x = s.x / s.w, y = s.y / s.w, xx = s.xx / s.w - x * x, xy = s.xy / s.w - x * y, yy = s.yy / s.w - y * y;
    double slope = xx > 1e-9 ? xy / xx : 0, off = fmax(yy - slope * xy, 0);
    return (struct normal){y - slope * x, sqrt(off + cell_spread * cell_spread * (1 + 2 / s.w))};
}

static void read_cells(struct quality_fit *f, const char *without_model)
{
    struct csv c;
    if (!csv_open(&c, f->text))
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
        rows += *p == '\n' || *p == '\r';
    if (f) {
        f->text = text;
        f->cell = mem_alloc_n(rows, sizeof *f->cell);
        f->format = mem_alloc_n(rows, sizeof *f->format);
        f->model = mem_alloc_n(rows, sizeof *f->model);
    }
    if (!f || !f->cell || !f->format || !f->model) {
        quality_fit_free(f);
        return NULL;
    }
    read_cells(f, without_model);
    share_weights(f);
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
