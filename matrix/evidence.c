/* Which record a figure of a row comes from: by model, format, place (framework, backend, layers on a device), and what
 * the record shows. */
#include <math.h>
#include <string.h>
#include <strings.h>
#include "matrix/judge.h"

bool record_shows(const struct record *r, enum aspect a)
{
    const bool ok = r->status == STATUS_OK, beside = isfinite(r->kld_predicted);
    switch (a) {
    case ASPECT_QUALITY: /* what a framework made of a few chunks stands beside this */
        return ok && !beside && (isfinite(r->quality.kld) || isfinite(r->quality.ppl));
    case ASPECT_BESIDE:
        return ok && beside && isfinite(r->quality.kld);
    case ASPECT_TASK:
        return ok && r->task.n_items > 0;
    case ASPECT_SPEED:
        return ok && isfinite(r->speed.decode_tok_s.v);
    case ASPECT_FAILED:
        return !ok && r->status != STATUS_NOT_REACHED;
    default:
        return ok || r->status == STATUS_NOT_REACHED;
    }
}

bool format_is_reference(const char *format, const char *source_format)
{
    return strcmp(format, RECIPE_AS_IS) == 0 ||
           (strncmp(format, "base/", 5) == 0 && !strcasecmp(format_scheme(format), format_scheme(source_format)));
}

const char *format_codec(const char *format, const char *source_format)
{
    const struct recipe *r = recipe_find(format);
    if (strcmp(format, RECIPE_AS_IS) == 0)
        return format_scheme(source_format);
    return r ? r->codec : format_scheme(format);
}

static const char *backend_of(const struct record *r)
{
    return *r->framework.backend ? r->framework.backend : "cpu";
}

bool record_on_cpu(const struct record *r)
{
    return strcmp(backend_of(r), "cpu") == 0 && r->framework.gpu_layers <= 0;
}

bool record_same_place(const struct record *a, const struct record *b)
{
    return strcmp(a->framework.name, b->framework.name) == 0 && strcmp(backend_of(a), backend_of(b)) == 0 &&
           a->framework.gpu_layers == b->framework.gpu_layers;
}

/* How well a record answers what was asked: matching numerics for quality, an empty context and the asked
 * prompt for speed. Among equals the newest wins, then the last. */
static int fitness(const struct judge *j, const struct record *r, enum aspect a)
{
    if (a == ASPECT_QUALITY || a == ASPECT_TASK)
        return strcmp(r->framework.numerics, "weights-only") != 0;
    return 2 * (r->workload.n_depth == 0) + (r->workload.n_prompt == j->want->n_prompt);
}

static bool better(const struct judge *j, const struct record *r, const struct record *best, enum aspect a)
{
    int gain = best ? fitness(j, r, a) - fitness(j, best, a) : 1;
    return gain > 0 || (gain == 0 && strcmp(r->date, best->date) >= 0);
}

const struct record *best_record(const struct judge *j, const struct subject *s, const char *format, enum aspect a)
{
    const struct record *best = NULL;
    for (int i = 0; s && i < j->n_recs; i++) {
        const struct record *r = &j->recs[i];
        if (record_same_model(r, s->first) && !strcmp(r->format.name, format) && record_shows(r, a) &&
            better(j, r, best, a))
            best = r;
    }
    return best;
}

const struct record *best_record_at(const struct judge *j, const struct subject *s, const struct record *place,
                                    enum aspect a)
{
    const struct record *best = NULL;
    for (int i = 0; s && i < j->n_recs; i++) {
        const struct record *r = &j->recs[i];
        if (record_same_model(r, s->first) && !strcmp(r->format.name, place->format.name) &&
            record_same_place(r, place) && record_shows(r, a) && better(j, r, best, a))
            best = r;
    }
    return best;
}

const struct record *best_own_record(const struct judge *j, const struct subject *s, const char *format, enum aspect a)
{
    const struct record *best = NULL;
    for (int i = 0; s && i < j->n_recs; i++) {
        const struct record *r = &j->recs[i];
        if (record_same_model(r, s->first) && !strcmp(r->format.name, format) && record_is_own(r) &&
            record_shows(r, a) && better(j, r, best, a))
            best = r;
    }
    return best;
}
