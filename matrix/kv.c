/* The second axis: the format in question under each KV cache of which there are records. A cache is measured once, by
 * itself, on the model's own weights; a row under it has the KLD of the format plus that of the cache (errors that know
 * nothing of each other add up), its memory follows from the cache's bytes, and its speed is that of the usual cache.
 */
#include <math.h>
#include <string.h>
#include "bench/engine/kv.h"
#include "matrix/judge.h"

/* A cache by itself: a record without a format. */
static bool is_cache(const struct record *r, const char *model, const char *kv)
{
    return !*r->format.name && *r->workload.kv_type && !r->model.synthesized && strcmp(r->model.name, model) == 0 &&
           (!kv || strcmp(r->workload.kv_type, kv) == 0);
}

/* The record of that cache with the shortest or longest chunks; later ones win. */
static const struct record *cache_record(const struct judge *j, const char *model, const char *kv, bool longest)
{
    const struct record *best = NULL;
    for (int i = 0; i < j->n_recs; i++) {
        const struct record *r = &j->recs[i];
        if (!is_cache(r, model, kv))
            continue;
        bool better =
            best && (longest ? r->workload.n_ctx >= best->workload.n_ctx : r->workload.n_ctx <= best->workload.n_ctx);
        bool works = r->status == STATUS_OK, worked = best && best->status == STATUS_OK;
        if (!best || (works == worked ? better : works))
            best = r;
    }
    return best;
}

static double bytes_of(struct kv_pair kv)
{
    const struct model_desc head = {.n_layer = 1, .n_head_kv = 1, .head_dim = 128};
    return kv_bytes_per_token(kv, &head);
}

/* From the row's cache so far to that one. */
static void set_memory(struct row *w, struct kv_pair kv)
{
    struct kv_pair usual;
    if (w->kv_bytes < 0 || kv_parse(&usual, *w->kv_type ? w->kv_type : "f16", NULL))
        return;
    int64_t bytes = (int64_t)((double)w->kv_bytes * bytes_of(kv) / bytes_of(usual));
    if (w->peak_bytes >= 0)
        w->peak_bytes += bytes - w->kv_bytes;
    w->kv_bytes = bytes;
}

static void set_quality(struct judge *j, struct row *w, const struct record *near, const struct record *far)
{
    w->kv_ctx = near->workload.n_ctx;
    w->kv_kld = near->quality.kld;
    if (far != near) {
        w->kv_ctx_long = far->workload.n_ctx;
        w->kv_kld_long = far->quality.kld;
    }
    w->kld += far->quality.kld;
    w->kld_lo += isfinite(far->quality.kld_lo) ? far->quality.kld_lo : far->quality.kld;
    w->kld_hi += isfinite(far->quality.kld_hi) ? far->quality.kld_hi : far->quality.kld;
    w->ppl = w->ppl_ratio = w->top1_agreement = NAN;
    w->quality_from = provenance_name(FROM_PREDICTED);
    w->source = say(j, "%s%sKLD: the format's plus the cache's alone at %d tokens; speed: with the usual cache",
                    w->source, *w->source ? "; " : "", far->workload.n_ctx);
}

static void set_command(struct judge *j, struct row *w)
{
    const char *flags = row_kv_flags(j, w);
    if (*w->command && *flags)
        w->command = say(j, "%s %s", w->command, flags);
}

static void add_row(struct judge *j, const struct row *base, const char *model, const char *kv_type)
{
    const struct record *near = cache_record(j, model, kv_type, false), *far = cache_record(j, model, kv_type, true);
    struct kv_pair kv;
    struct err why = {0};
    struct row *w = row_add(j);
    if (!w)
        return;
    *w = *base;
    w->kv_variant = true;
    w->recommended = 0;
    w->kv_note = say(j, ", KV %s", kv_type);
    int rc = kv_parse(&kv, kv_type, &why);
    if (rc == 0)
        set_memory(w, kv);
    w->kv_type = keep(j, kv_type);
    rc = rc ? rc : kv_check_framework(kv, w->framework, &why);
    if (rc || near->status != STATUS_OK) {
        w->ran = false;
        w->verdict = "unsupported";
        w->reason = rc ? say(j, "%s has no KV cache of %s", w->framework, kv_type) : keep(j, near->reason);
        w->kld = w->kld_lo = w->kld_hi = w->ppl = w->ppl_ratio = w->top1_agreement = NAN;
        w->kv_bytes = w->peak_bytes = INT64_MIN;
        w->command = "";
        return;
    }
    w->unverified |= !kv_is_verified(kv);
    set_quality(j, w, near, far);
    set_command(j, w);
}

static bool only_memory_is_short(const struct row *r)
{
    return r->ran && !r->own && r->vetoes == RULE_BIT(memory) && isfinite(r->kld);
}

bool kv_add_rows(struct judge *j, int best)
{
    int n = j->d->n_rows;
    for (int i = 0; i < n && !j->failed; i++) {
        const struct row base = j->d->row[i];
        if (best >= 0 ? i != best : !only_memory_is_short(&base))
            continue;
        for (int r = 0; r < j->n_recs; r++) {
            const struct record *rec = &j->recs[r];
            const char *model = rec->model.name, *kv = rec->workload.kv_type;
            bool seen = strcmp(kv, *base.kv_type ? base.kv_type : "f16") == 0;
            bool of_it = strcmp(*base.quality_of ? base.quality_of : base.model, model) == 0;
            for (int k = 0; k < r && !seen; k++)
                seen = is_cache(&j->recs[k], model, kv);
            if (of_it && !seen && is_cache(rec, model, NULL))
                add_row(j, &base, model, kv);
        }
    }
    return j->d->n_rows > n;
}
