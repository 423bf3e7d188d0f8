/* The instant answer: every cell predicted before anything is measured. Bytes are exact (the recipes say what
 * each tensor gets), memory follows from them, speed is what the read bandwidth leaves of a framework's usual
 * share, quality is published or predicted from what is (quality.h). */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "bench/engine/engine.h"
#include "bench/quant/recipe.h"
#include "matrix/judge.h"
#include "matrix/quality.h"

static bool wanted_format(const struct request *req, const struct recipe *r, const struct model_desc *m)
{
    bool of_group = req->n_formats == 0 && !r->on_request;
    for (int i = 0; i < req->n_formats; i++) {
        if (recipe_find(req->formats[i]) == r)
            return true;
        of_group |= recipe_in_group(r, req->formats[i]);
    }
    return of_group && recipe_is_candidate(r, m);
}

void row_predict_quality(struct judge *j, struct row *w, const char *model, double params_b, struct quality_guess *q)
{
    if (w->reference) {
        const struct interval all = stats_exact(1);
        *q = (struct quality_guess){.kld = stats_exact(0), .ppl_ratio = all, .top1 = all, .from = "predicted"};
        snprintf(q->source, sizeof q->source, "the weights as they are");
    } else
        quality_predict(q, model, params_b > 0 ? params_b : NAN, w->format, w->effective_bpw);
    w->quality_from = q->from;
    w->kld = q->kld.v, w->kld_lo = q->kld.lo, w->kld_hi = q->kld.hi;
    w->top1_agreement = q->top1.v;
    w->ppl_ratio = q->ppl_ratio.v;
    if (*q->from)
        w->source = say(j, "quality: %s", q->source);
}

/* Bandwidth of this machine: measured, or what its memory modules can deliver at best with a wide interval.
 */
static struct interval bandwidth(const struct probe_device *d)
{
    if (!d)
        return INTERVAL_NONE;
    if (isfinite(d->memory.bandwidth_gb_s) && d->memory.bandwidth_gb_s > 0)
        return stats_exact(d->memory.bandwidth_gb_s);
    double peak = d->memory.peak_gb_s;
    if (!(peak > 0))
        peak = d->memory.channels > 0 ? d->memory.mt_s * 8 * d->memory.channels / 1000 : NAN;
    return isfinite(peak) ? (struct interval){0.7 * peak, 0.4 * peak, 0.9 * peak} : INTERVAL_NONE;
}

/* Bytes that one generated token reads: all weights except an embedding table that is not also the head. */
static double bytes_read(const struct model_desc *m, const struct use_assign *a, int64_t all)
{
    for (int i = 0; i < m->n_tensors; i++) {
        const struct qmat *w = &m->tensor[i].src;
        struct qmat q;
        bool apart = m->tensor[i].use == USE_TOKEN_EMBD && (!m->tied || a[i].head);
        if (apart && a[i].codec->layout(&q, w->n, w->k, &a[i].par, NULL) == 0)
            return (double)all - (double)qmat_bytes(&q);
    }
    return (double)all;
}

static void predict_speed(struct row *w, const char *codec, const struct probe_device *device, double bytes)
{
    struct interval gb_s = bandwidth(device),
                    share = framework_share(w->framework, codec, device ? device->cpu.isa_mask : 0);
    if (!isfinite(gb_s.v) || !isfinite(share.v) || !(bytes > 0))
        return;
    struct interval rate = stats_product(gb_s, share);
    w->speed_from = "predicted";
    w->decode_tok_s = rate.v * 1e9 / bytes;
    w->decode_tok_s_lo = rate.lo * 1e9 / bytes;
    w->decode_tok_s_hi = rate.hi * 1e9 / bytes;
}

static int add_format(struct judge *j, const struct model_desc *m, const struct recipe *r, const char *source_format,
                      struct use_assign *a, struct err *e)
{
    struct recipe_summary s;
    struct quality_guess q;
    struct memory_need need = {0};
    struct engine_opts o = {.mode = ENGINE_PACKED, .n_ctx = j->want->ctx, .n_batch = 512};
    if (recipe_assign(m, r, NULL, &(struct recipe_known){.importance = true}, a, NULL) < 0 ||
        recipe_summarize(m, a, &s, NULL) < 0)
        return 0; /* this format is not for this architecture: no row */
    int rc = engine_memory(m, &o, &need, e);
    struct row *w = rc < 0 ? NULL : row_add(j);
    if (!w)
        return rc;
    w->ran = true;
    w->device = keep(j, j->device ? j->device->cpu.brand : "");
    w->model = keep(j, m->name);
    w->license = keep(j, m->license);
    w->format = r->name;
    w->framework = r->framework ? r->framework : "llama.cpp";
    w->backend = "cpu";
    w->gpu_layers = 0;
    w->batch = 1;
    w->ctx = j->want->ctx;
    w->kv_type = "f16";
    w->threads = j->req->threads > 0                        ? j->req->threads
                 : j->device && j->device->cpu.n_usable > 0 ? j->device->cpu.n_usable
                                                            : 1;
    w->unverified = !r->verified_by;
    w->reference = format_is_reference(r->name, source_format);
    w->effective_bpw = s.bits_per_weight;
    w->weights_bytes = s.bytes;
    w->kv_bytes = need.kv_bytes;
    w->scratch_bytes = need.scratch_bytes;
    w->n_vocab = m->n_vocab;
    w->read_bytes = (int64_t)bytes_read(m, a, s.bytes);
    w->memory_from = "predicted";
    w->substituted = s.n_substituted > 0;
    w->share_substituted = m->n_params > 0 ? (double)s.weights_substituted / (double)m->n_params : 0;
    w->histogram = keep(j, s.histogram);
    row_predict_quality(j, w, m->name, (double)m->n_params / 1e9, &q);
    predict_speed(w, format_codec(r->name, source_format), j->device, (double)w->read_bytes);
    row_set_memory(j, w);
    w->dithered = j->req->dither;
    w->command = row_command(j, w, m->name, j->req->n_models == 1 ? j->req->models[0] : NULL);
    return 0;
}

/* What most of the weights are stored in; "" for a shape without a file. */
static const char *source_format(const struct model_desc *m)
{
    for (int i = 0; i < m->n_tensors; i++)
        if (m->tensor[i].matrix && m->tensor[i].src.plane[PLANE_CODE].p)
            return model_source_codec(m, NULL)->name;
    return "";
}

int matrix_estimate(struct decision **out, const struct model_desc *m, const struct probe_device *device,
                    const struct request *req, struct err *e)
{
    struct judge j;
    int rc = judge_open(&j, out, device, req, e);
    if (rc < 0)
        return rc;
    struct use_assign *a = arena_alloc_n(j.arena, (size_t)m->n_tensors + 1, sizeof *a);
    if (!a)
        rc = err_nomem(e, (unsigned long long)m->n_tensors * sizeof *a, "the estimate");
    const char *source = source_format(m);
    for (int i = 0; i < n_recipes && rc == 0; i++)
        if (wanted_format(req, &recipes[i], m))
            rc = add_format(&j, m, &recipes[i], source, a, e);
    if (rc == 0)
        judge_decide(&j);
    if (rc == 0 && j.failed)
        rc = err_nomem(e, 0, "the estimate");
    if (rc < 0) {
        decision_free(*out);
        *out = NULL;
    }
    return rc;
}
