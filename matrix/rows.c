/* Records in, rows out. A row stands for model x format x framework; its quality and its speed may come from
 * different records. A record of the own engine with a speed becomes two rows: evidence (own), and the usual
 * real framework with that speed times the framework's measured ratio, unless that framework was itself
 * measured. A model too small to time (its speed is that of the caches) takes speed and memory from the
 * shapes that were run beside it. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "bench/quant/recipe.h"
#include "matrix/judge.h"
#include "matrix/quality.h"

static const char *usual_framework(const char *format)
{
    const struct recipe *r = recipe_find(format);
    return r && r->framework ? r->framework : "llama.cpp";
}

/* Does the quantized source already hold this format's grid? Then KLD says nothing about the format. */
static bool reproduces_source(const struct record *r)
{
    const char *format = r->format.name, *source = r->model.source_format;
    if (!r->model.source_quantized || r->model.dithered || format_is_reference(format, source))
        return false;
    return strcasecmp(format_codec(format, source), format_scheme(source)) == 0;
}

static void set_quality(struct judge *j, struct row *w, const struct record *r)
{
    const struct eval_quality *q = &r->quality;
    w->quality_from = provenance_name(r->quality_from != FROM_NOWHERE ? r->quality_from : FROM_MEASURED);
    w->kld = q->kld;
    w->kld_lo = isfinite(q->kld_lo) ? q->kld_lo : fmax(0, q->kld - 1.96 * q->kld_err);
    w->kld_hi = isfinite(q->kld_hi) ? q->kld_hi : q->kld + 1.96 * q->kld_err;
    if (isfinite(w->kld) && !isfinite(w->kld_lo + w->kld_hi))
        w->kld_lo = w->kld_hi = w->kld;
    w->ppl = q->ppl;
    w->ppl_ratio = q->ppl_ratio;
    w->top1_agreement = q->top1_agreement;
    w->reference = format_is_reference(r->format.name, r->model.source_format);
    if (w->reference && !isfinite(w->kld))
        w->kld = w->kld_lo = w->kld_hi = 0, w->ppl_ratio = w->top1_agreement = 1;
    w->n_chunks = q->n_chunks;
    w->not_comparable = reproduces_source(r);
    w->low_confidence = w->low_confidence || (q->n_chunks > 0 && q->n_chunks < 10);
    if (!*w->date)
        w->date = keep(j, r->date), w->run_id = keep(j, r->run_id);
}

static void set_task(struct judge *j, struct row *w, const struct record *r)
{
    const struct task_result *t = &r->task;
    w->task = keep(j, t->name);
    w->task_score = t->score.v, w->task_score_lo = t->score.lo, w->task_score_hi = t->score.hi;
    w->task_share = t->share.v, w->task_share_lo = t->share.lo, w->task_share_hi = t->share.hi;
    w->task_p = t->p;
    w->task_items = t->n_items;
    w->task_lost = t->n_lost, w->task_gained = t->n_gained, w->task_ref_correct = t->n_ref_correct;
    w->task_chance = t->chance;
    w->task_from = provenance_name(r->task_from);
}

/* The time to the first token of the prompt that was asked for, from that of the prompt that was run. */
static struct interval ttft_asked(const struct judge *j, const struct record *r)
{
    struct interval t = r->speed.ttft_ms;
    if (r->workload.n_prompt < 1 || j->want->n_prompt < 1 || r->workload.n_prompt == j->want->n_prompt)
        return t;
    double k = (double)j->want->n_prompt / r->workload.n_prompt;
    return (struct interval){t.v * k, t.lo * k, t.hi * k};
}

static const struct interval one = {1, 1, 1};
/* A speed of too few repetitions to have an interval of its own is taken to be this far from the truth. */
static const double assumed_error = 0.2;

static struct interval with_bounds(struct interval t)
{
    if (isfinite(t.v) && !isfinite(t.lo + t.hi))
        t.lo = t.v * (1 - assumed_error), t.hi = t.v * (1 + assumed_error);
    return t;
}

static double seconds_timed(const struct speed *s)
{
    double ns = 0;
    for (int i = 0; i < s->decode_ns.n; i++)
        ns += s->decode_ns.x[i];
    for (int i = 0; i < s->prefill_ns.n; i++)
        ns += s->prefill_ns.x[i];
    return ns > 0 ? ns * 1e-9 : NAN;
}

/* Speed of a record, times a framework's ratios (one: as measured). */
static void set_speed(struct judge *j, struct row *w, const struct record *r, struct interval decode_factor,
                      struct interval prefill_factor)
{
    const struct speed *s = &r->speed;
    bool measured = decode_factor.lo == decode_factor.hi && decode_factor.v == 1;
    bool assumed = isfinite(s->decode_tok_s.v) && !isfinite(s->decode_tok_s.lo + s->decode_tok_s.hi);
    struct interval decode = with_bounds(s->decode_tok_s), prefill = with_bounds(s->prefill_tok_s);
    struct interval ttft = with_bounds(ttft_asked(j, r));
    if (!measured) {
        decode = stats_product(decode, decode_factor);
        prefill = stats_product(prefill, prefill_factor);
        ttft = stats_ratio(ttft, prefill_factor);
    }
    w->speed_from = provenance_name(isnan(decode.v) && isnan(prefill.v) ? FROM_NOWHERE
                                    : r->model.synthesized              ? FROM_SHAPE_MEASURED
                                    : measured ? (r->speed_from ? r->speed_from : FROM_MEASURED)
                                               : FROM_EQUIVALENT);
    w->decode_tok_s = decode.v, w->decode_tok_s_lo = decode.lo, w->decode_tok_s_hi = decode.hi;
    w->prefill_tok_s = prefill.v, w->prefill_lo = prefill.lo, w->prefill_hi = prefill.hi;
    w->ttft_ms = ttft.v, w->ttft_ms_lo = ttft.lo, w->ttft_ms_hi = ttft.hi;
    w->tpot_p50_ms = s->tpot_p50_ms / decode_factor.v;
    w->tpot_p95_ms = s->tpot_p95_ms / decode_factor.v;
    w->load_ms = measured ? s->load_ms.v : NAN;
    w->energy_j_per_tok = r->energy_j_per_tok / decode_factor.v;
    w->energy_lo = r->energy_j_per_tok / decode_factor.hi, w->energy_hi = r->energy_j_per_tok / decode_factor.lo;
    w->energy_from = keep(j, isfinite(w->energy_j_per_tok) ? r->energy_from : "");
    w->bandwidth_share = measured ? s->bandwidth_share : NAN;
    w->low_confidence = w->low_confidence || s->low_confidence || assumed;
    w->timed_s = seconds_timed(s);
    w->dirty = s->dirty;
    w->cache_resident = s->cache_resident;
    w->n_prompt = r->workload.n_prompt, w->n_gen = r->workload.n_gen;
    w->date = keep(j, r->date), w->run_id = keep(j, r->run_id);
    w->kernels = keep(j, r->kernels);
}

/* Of the model whose quality is shown and of the shape whose speed is shown, the one that substitutes more counts. */
static void set_substitution(struct judge *j, struct row *w, const struct record *r)
{
    if (r->format.n_substituted <= 0 || (w->substituted && r->format.share_substituted <= w->share_substituted))
        return;
    w->substituted = true;
    w->share_substituted = r->format.share_substituted;
    w->substitutions = keep(j, r->format.substitutions);
}

static void set_memory(struct judge *j, struct row *w, const struct subject *s, const struct record *r)
{
    row_take_memory(j, w, s, r);
    set_substitution(j, w, r);
}

/* The subject whose sizes and file a row shows: the shape for the shipped model, else the model itself. */
static const struct subject *sized_by(const struct subject *q, const struct subject *s)
{
    return q && q != s && !q->shipped ? q : s;
}

static const char *command_of(struct judge *j, const struct row *w, const struct subject *q, const struct subject *s)
{
    const struct subject *sized = sized_by(q, s);
    bool file = !sized->shape && !sized->shipped && j->req->n_models == 1;
    return row_command(j, w, sized->first->model.name, file ? j->req->models[0] : NULL);
}

static struct row *start_row(struct judge *j, const struct subject *q, const struct subject *s, const char *format,
                             const char *framework, int group)
{
    struct row *w = row_add(j);
    if (!w)
        return NULL;
    const struct record *f = s->first;
    w->device = keep(j, f->device);
    w->license = keep(j, q ? q->first->model.license : f->model.license);
    w->model = !q || q == s ? keep(j, f->model.name)
               : q->shipped ? say(j, "%s + %s shape", q->first->model.name, f->model.name)
                            : say(j, "%s at the speed of %s", q->first->model.name, f->model.name);
    w->quality_of = q && q != s ? keep(j, q->first->model.name) : "";
    w->format = keep(j, format);
    w->dithered = q ? q->first->model.dithered : f->model.dithered;
    w->framework = keep(j, framework);
    w->group = group;
    w->ctx = j->want->ctx;
    w->batch = 1;
    w->own = strcmp(framework, "own") == 0;
    const struct recipe *p = recipe_find(format);
    w->unverified = !p || !p->verified_by;
    return w;
}

static void set_run(struct judge *j, struct row *w, const struct record *r)
{
    w->framework_version = keep(j, strcmp(r->framework.name, w->framework) == 0 ? r->framework.version : "");
    w->backend = *r->framework.backend ? keep(j, r->framework.backend) : "cpu";
    w->gpu_layers = r->framework.gpu_layers >= 0 ? r->framework.gpu_layers : INT64_MIN;
    w->threads = r->workload.threads > 0                    ? r->workload.threads
                 : j->req && j->req->threads > 0            ? j->req->threads
                 : j->device && j->device->cpu.n_usable > 0 ? j->device->cpu.n_usable
                                                            : INT64_MIN;
    w->kv_type = *r->workload.kv_type ? keep(j, r->workload.kv_type) : "f16";
}

static void set_source(struct judge *j, struct row *w, const struct subject *q, const struct subject *s,
                       const char *factor)
{
    const char *what = sized_by(q, s) == s ? "speed and memory" : "speed";
    const char *shape = s->shape ? say(j, "%s of the shape %s, synthesized weights", what, s->first->model.name) : "";
    const char *quality = q && q != s ? say(j, "; quality of %s", q->first->model.name) : "";
    const char *cache =
        w->cache_resident ? "cache-resident: the model fits the caches, so this speed is not that of a real one" : "";
    w->speed_note = s->shape && *w->speed_from ? say(j, "shape %s", s->first->model.name)
                    : w->cache_resident        ? "cache-resident"
                                               : "";
    w->source = say(j, "%s%s%s%s%s%s", shape, quality, *shape && *factor ? "; " : "", factor,
                    *cache && (*shape || *factor) ? "; " : "", cache);
}

/* The row of a framework that was really run, of the own engine, or (factored) of one that stands in for it.
 * quality and speed may be NULL; any: a record of the cell. */
static void add_row(struct judge *j, const struct subject *q, const struct subject *s, const struct record *any,
                    const char *framework, const struct record *quality, const struct record *speed, bool factored,
                    int group)
{
    const char *format = any->format.name;
    struct row *w = start_row(j, q, s, format, framework, group);
    if (!w)
        return;
    const char *source = "";
    w->ran = true;
    set_run(j, w, any);
    if (quality)
        set_quality(j, w, quality);
    else
        w->remark = keep(j, any->reason);
    const struct record *task = best_record(j, q, format, ASPECT_TASK);
    if (task)
        set_task(j, w, task);
    if (speed && !factored)
        set_speed(j, w, speed, one, one);
    if (speed && factored) {
        const char *codec = format_codec(format, speed->model.source_format);
        char from[256], unused[256];
        uint64_t isa = j->device ? j->device->cpu.isa_mask : speed->isa;
        struct interval fd = framework_here(j, speed, framework, false, from);
        struct interval fp = framework_here(j, speed, framework, true, unused);
        if (!isfinite(fd.v))
            fd = framework_stored(j, format, framework, false, from);
        if (!isfinite(fp.v))
            fp = framework_stored(j, format, framework, true, unused);
        if (!isfinite(fd.v))
            fd = framework_factor(framework, codec, false, isa, speed->speed.bandwidth_share, from);
        set_speed(j, w, speed, fd, isfinite(fp.v) ? fp : framework_factor(framework, codec, true, isa, NAN, unused));
        w->stands_in = isfinite(fd.v);
        source = isfinite(fd.v) ? say(j, "own equivalent kernels x %.2f (%.2f-%.2f), %s", fd.v, fd.lo, fd.hi, from)
                                : say(j, "how fast %s is beside the own engine is not known here", framework);
    }
    const struct subject *sized = sized_by(q, s);
    if (sized != s && quality)
        set_memory(j, w, sized, quality);
    else if (!speed && s->shape && quality)
        row_scale_memory(j, w, s, quality);
    else
        set_memory(j, w, s, any);
    if (quality)
        set_substitution(j, w, quality);
    row_set_memory(j, w);
    set_source(j, w, q, s, source);
    if (any->status == STATUS_NOT_REACHED && !quality && !speed) { /* what was expected of it before stands */
        w->reference = format_is_reference(format, any->model.source_format);
        row_predict_quality(j, w, any->model.name, (double)any->model.n_params / 1e9, &(struct quality_guess){0});
    }
    w->command = w->own ? keep(j, any->command) : command_of(j, w, q, s);
}

static const char *const status_verdict[N_STATUSES] = {
    [STATUS_OK] = "",
    [STATUS_CANNOT_RUN] = "cannot-run",
    [STATUS_UNSUPPORTED] = "unsupported",
    [STATUS_FAILED] = "failed",
    [STATUS_TIMED_OUT] = "failed",
    [STATUS_CRASHED] = "failed",
    [STATUS_NOT_REACHED] = "not-reached",
};

static void add_failed(struct judge *j, const struct subject *q, const struct subject *s, const struct record *r,
                       int group)
{
    struct row *w = start_row(j, q, s, r->format.name,
                              record_is_own(r) ? usual_framework(r->format.name) : r->framework.name, group);
    if (!w)
        return;
    set_run(j, w, r);
    set_memory(j, w, s, r);
    row_set_memory(j, w);
    w->verdict = status_verdict[r->status];
    w->reason = *r->reason ? keep(j, r->reason) : say(j, "%s, no reason given", record_status_name(r->status));
    w->date = keep(j, r->date), w->run_id = keep(j, r->run_id);
}

/* True when an earlier record of this model names the same format, or (by_place) the same framework and device with
 * it. */
static bool seen_before(const struct judge *j, int i, bool by_place)
{
    const struct record *r = &j->recs[i];
    for (int k = 0; k < i; k++)
        if (record_same_model(&j->recs[k], r) && strcmp(j->recs[k].format.name, r->format.name) == 0 &&
            (!by_place || record_same_place(&j->recs[k], r)))
            return true;
    return false;
}

/* The row just added: what the framework itself made of some chunks, and the equivalent kernels of the same ones. Where
 * the two differ by more than rounding does, the row's KLD follows the framework. */
static void set_beside(struct judge *j, const struct record *r)
{
    static const double share = 0.1, nats = 0.001;
    struct row *w = r ? &j->d->row[j->d->n_rows - 1] : NULL;
    if (!w || j->failed)
        return;
    const struct recipe *p = recipe_find(w->format);
    const struct act *act = p && p->act ? act_find(p->act) : NULL;
    const bool by_call = act && act->scope == ACT_BATCH; /* one scale for all tokens of a call, and calls differ */
    const double more = by_call ? 0 : r->quality.kld - r->kld_predicted;
    w->kld_framework = r->quality.kld;
    w->kld_predicted = r->kld_predicted;
    w->kld_chunks = r->quality.n_chunks;
    if (fabs(more) > nats + share * r->kld_predicted) {
        w->kld = fmax(w->kld + more, 0);
        w->kld_lo = fmax(w->kld_lo + more, 0);
        w->kld_hi = fmax(w->kld_hi + more, 0);
    }
    w->source = say(j, "%s%sKLD of %d chunk%s: %s measured in %s, %s predicted by the equivalent kernels%s", w->source,
                    *w->source ? "; " : "", r->quality.n_chunks, r->quality.n_chunks == 1 ? "" : "s",
                    figure_kld(r->quality.kld).s, w->framework, figure_kld(r->kld_predicted).s,
                    by_call ? ", which scale activations by chunks, as the framework may not" : "");
}

/* Rows of the real frameworks that were tried on this format. */
static bool add_real(struct judge *j, const struct subject *q, const struct subject *s, const char *format,
                     const struct record *quality, int group)
{
    bool usual_tried = false;
    for (int i = 0; i < j->n_recs; i++) {
        const struct record *r = &j->recs[i];
        if (record_is_own(r) || !record_same_model(r, s->first) || strcmp(r->format.name, format) != 0 ||
            seen_before(j, i, true))
            continue;
        const char *framework = r->framework.name;
        const struct record *speed = best_record_at(j, s, r, ASPECT_SPEED);
        const struct record *own_quality = best_record_at(j, s, r, ASPECT_QUALITY);
        const struct record *any = speed ? speed : own_quality ? own_quality : r;
        const bool usual = strcmp(framework, usual_framework(format)) == 0;
        if (any->status == STATUS_NOT_REACHED && usual && record_on_cpu(r))
            continue; /* what is expected of it stands for it */
        if (any->status == STATUS_OK) {
            add_row(j, q, s, any, framework, own_quality ? own_quality : quality, speed, false, group);
            set_beside(j, best_record_at(j, s, r, ASPECT_BESIDE));
        } else
            add_failed(j, q, s, r, group);
        usual_tried = usual_tried || usual;
    }
    return usual_tried;
}

/* The row just added stands for a framework that the budget did not reach. */
static void note_not_reached(struct judge *j, const struct subject *s, const char *format)
{
    for (int i = 0; i < j->n_recs && !j->failed; i++) {
        const struct record *r = &j->recs[i];
        struct row *w = &j->d->row[j->d->n_rows - 1];
        if (r->status != STATUS_NOT_REACHED || record_is_own(r) || !record_same_model(r, s->first) ||
            strcmp(r->format.name, format) != 0 || strcmp(r->framework.name, w->framework) != 0)
            continue;
        w->source = say(j, "%s%s%s", w->source, *w->source ? "; " : "", r->reason);
        return;
    }
}

static void add_format(struct judge *j, const struct subject *q, const struct subject *s, const char *format, int group)
{
    const struct record *quality = best_record(j, q, format, ASPECT_QUALITY);
    const struct record *own = best_own_record(j, s, format, ASPECT_SPEED);
    const struct record *broken = quality ? NULL : best_own_record(j, q, format, ASPECT_FAILED);
    if (broken) { /* the model does not work in this format: its speed is of no interest */
        add_failed(j, q, s, broken, group);
        return;
    }
    const struct record *failed = best_own_record(j, s, format, ASPECT_FAILED);
    const struct record *empty = best_own_record(j, s, format, ASPECT_EMPTY);
    bool tried = add_real(j, q, s, format, quality, group);
    if (own)
        add_row(j, q, s, own, "own", quality, own, false, group);
    if (!tried && (own || quality)) {
        add_row(j, q, s, own ? own : quality, usual_framework(format), quality, own, own != NULL, group);
        note_not_reached(j, s, format);
    } else if (!tried && failed)
        add_failed(j, q, s, failed, group);
    else if (!tried && empty)
        add_row(j, q, s, empty, usual_framework(format), NULL, NULL, false, group);
}

/* Every format of which the model (or, for a shape alone, the shape) has a record. */
static void add_formats(struct judge *j, const struct subject *q, const struct subject *s, int group)
{
    const struct subject *lead = q ? q : s;
    for (int i = 0; i < j->n_recs; i++)
        if (record_same_model(&j->recs[i], lead->first) && *j->recs[i].format.name && !seen_before(j, i, false))
            add_format(j, q, s, j->recs[i].format.name, group);
}

static bool has_headline_speed(const struct judge *j, const struct subject *s)
{
    for (int i = 0; i < j->n_recs; i++)
        if (record_same_model(&j->recs[i], s->first) && record_shows(&j->recs[i], ASPECT_SPEED) &&
            !j->recs[i].speed.cache_resident)
            return true;
    return false;
}

static int list_subjects(const struct judge *j, struct subject *s)
{
    int n = 0;
    for (int i = 0; i < j->n_recs; i++) {
        bool known = !*j->recs[i].format.name;
        for (int k = 0; k < n && !known; k++)
            known = record_same_model(&j->recs[i], s[k].first);
        if (!known)
            s[n++] = (struct subject){.first = &j->recs[i],
                                      .shape = j->recs[i].model.synthesized,
                                      .shipped = strncmp(j->recs[i].model.name, "whichquant", 10) == 0};
    }
    return n;
}

int rows_from_records(struct judge *j, struct err *e)
{
    struct subject *s = mem_alloc_n((size_t)j->n_recs + 1, sizeof *s);
    if (!s)
        return err_nomem(e, (unsigned long long)j->n_recs * sizeof *s, "the list of models");
    int n = list_subjects(j, s), group = 0;
    for (int i = 0; i < n; i++) {
        if (s[i].shape)
            continue;
        bool lent = false;
        for (int k = 0; k < n && !has_headline_speed(j, &s[i]); k++)
            if (s[k].shape)
                add_formats(j, &s[i], &s[k], group++), s[k].joined = lent = true;
        if (!lent)
            add_formats(j, &s[i], &s[i], group++);
    }
    for (int k = 0; k < n; k++)
        if (s[k].shape && !s[k].joined)
            add_formats(j, NULL, &s[k], group++);
    mem_free(s);
    return j->failed ? err_nomem(e, 0, "the rows of the decision") : 0;
}
