/* Repetitions by processes of their own: page placement, code layout and the minute are drawn anew for each. */
#include "bench/record_merge.h"

#include <string.h>
#include "bench/record_fields.h"

enum { MOST = 64 }; /* processes */

static const void *member(const struct record *r, const struct record_field *f)
{
    return (const char *)r + f->offset;
}

static bool is_measured_again(const struct record_field *f)
{
    return !strcmp(f->group, "speed") || !strcmp(f->group, "memory") || !strcmp(f->group, "energy");
}

static void put_figure(struct record *out, const struct record_field *f, double v, double lo, double hi)
{
    void *p = (char *)out + f->offset;
    if (f->kind == FIELD_NUM)
        *(double *)p = v;
    else if (f->kind == FIELD_IVL)
        *(struct interval *)p = (struct interval){v, lo, hi};
    else if (f->kind == FIELD_BYTES)
        *(int64_t *)p = (int64_t)v;
}

static void merge_figure(struct record *out, const struct record_field *f, const struct record *const *rec, int n)
{
    double v[MOST], lo = INFINITY, hi = -INFINITY;
    int k = 0;
    for (int i = 0; i < n; i++) {
        v[k] = record_figure(rec[i], f).v;
        if (isfinite(v[k])) {
            lo = fmin(lo, v[k]);
            hi = fmax(hi, v[k]);
            k++;
        }
    }
    if (k > 1)
        put_figure(out, f, stats_median(v, k), lo, hi);
}

static void merge_samples(struct record *out, const struct record_field *f, const struct record *const *rec, int n)
{
    struct samples *to = (struct samples *)(void *)((char *)out + f->offset);
    to->n = 0;
    for (int i = 0; i < n; i++) {
        const struct samples *s = member(rec[i], f);
        for (int k = 0; k < s->n && to->n < RECORD_MAX_SAMPLES; k++)
            to->x[to->n++] = s->x[k];
    }
}

/* Measured by one of the processes only: it is the same every time. */
static void take_quality(struct record *out, const struct record *r)
{
    out->quality_from = r->quality_from;
    out->quality = r->quality;
    out->kld_predicted = r->kld_predicted;
    out->chunk_kld = r->chunk_kld;
    out->chunk_nll = r->chunk_nll;
}

void record_merge(struct record *out, const struct record *const *rec, int n)
{
    const struct record *good[MOST], *latest = rec[0];
    int n_good = 0;
    for (int i = 0; i < n; i++) {
        bool ok = rec[i]->status == STATUS_OK, better = ok && latest->status != STATUS_OK;
        if (better || (ok == (latest->status == STATUS_OK) && strcmp(rec[i]->date, latest->date) > 0))
            latest = rec[i];
        if (ok && n_good < MOST)
            good[n_good++] = rec[i];
    }
    *out = *latest;
    for (int i = 0; i < n_good && out->quality_from == FROM_NOWHERE; i++)
        take_quality(out, good[i]);
    if (n_good < 2)
        return;
    for (int i = 0; i < n_record_fields; i++) {
        const struct record_field *f = &record_fields[i];
        if (f->kind == FIELD_SAMPLES && is_measured_again(f))
            merge_samples(out, f, good, n_good);
        else if (f->unit && is_measured_again(f))
            merge_figure(out, f, good, n_good);
    }
    out->speed.dirty = out->speed.low_confidence = false;
    for (int i = 0; i < n_good; i++) {
        out->speed.dirty |= good[i]->speed.dirty;
        out->speed.low_confidence |= good[i]->speed.low_confidence;
    }
}
