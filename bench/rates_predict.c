/* From the rates of this machine to the speed of a model: bytes over rates for a token, operations over rates for a
 * prompt (rates.h). */
#include <math.h>
#include <string.h>
#include "bench/measure.h"
#include "bench/rates_state.h"

/* What the sum over tensors leaves out: how layers of another form share the work, where the weights lie. */
static const double form_error = 0.07;

static double layer_weights(const struct model_desc *d)
{
    return d->d_model * (2.0 * d->n_head * d->head_dim + 2.0 * d->n_head_kv * d->head_dim + 3.0 * d->d_ff);
}

/* A layer's time is bytes/rate and something fixed, so the inverse of the rate is a straight line in 1/weights between
 * the shapes, and beyond the smallest; from the largest on it stays. */
static double inverse_at(const double inverse[RATE_SHAPES], const double at[RATE_SHAPES], double weights)
{
    double x = 1 / weights;
    if (x <= at[RATE_SHAPES - 1])
        return inverse[RATE_SHAPES - 1];
    int i = x >= at[1] ? 0 : 1;
    double k = (x - at[i + 1]) / (at[i] - at[i + 1]), v = inverse[i + 1] + k * (inverse[i] - inverse[i + 1]);
    return fmax(v, 0.8 * fmin(inverse[i], inverse[i + 1]));
}

static struct interval rate_at(const struct interval rate[RATE_SHAPES], const double at[RATE_SHAPES], double weights)
{
    double v[3][RATE_SHAPES];
    for (int i = 0; i < RATE_SHAPES; i++) {
        v[0][i] = 1 / rate[i].v;
        v[1][i] = 1 / (isfinite(rate[i].lo) ? rate[i].lo : rate[i].v);
        v[2][i] = 1 / (isfinite(rate[i].hi) ? rate[i].hi : rate[i].v);
    }
    return (struct interval){1 / inverse_at(v[0], at, weights), 1 / inverse_at(v[1], at, weights),
                             1 / inverse_at(v[2], at, weights)};
}

static const struct codec_rate *rate_of(const struct machine_rates *r, const struct use_assign *a)
{
    const struct codec *codec = a->head ? a->head : a->codec;
    const struct qpar *par = a->head ? &a->head_par : &a->par;
    const char *act = a->act ? a->act->name : "f32";
    const struct codec_rate *near = NULL;
    for (int i = 0; i < r->n_codecs; i++) {
        const struct codec_rate *c = &r->codec[i];
        if (strcmp(c->codec, codec->name) != 0 || strcmp(c->act, act) != 0 || c->par.bits != par->bits)
            continue;
        if (!near || !memcmp(&c->par, par, sizeof *par))
            near = c;
    }
    return near && isfinite(near->decode_gb_s[0].v + near->decode_gb_s[1].v + near->decode_gb_s[2].v) ? near : NULL;
}

static double bytes_of(const struct model_tensor *t, const struct use_assign *a)
{
    struct qmat q;
    const struct codec *codec = a->head ? a->head : a->codec;
    return codec->layout(&q, t->src.n, t->src.k, a->head ? &a->head_par : &a->par, NULL) < 0 ? NAN
                                                                                             : (double)qmat_bytes(&q);
}

struct sums { /* nanoseconds of a token, and of a prompt token's matrices, at the rates' v, lo, hi */
    double decode[3], prompt[3];
    double layer, at[RATE_SHAPES]; /* weights that a token reads of a layer; 1/weights of a layer of each shape */
    const struct use_assign *last; /* the tensor before, and its rates: most are alike */
    const struct codec_rate *rate;
};

static double share_read(const struct rates_work *w, int i)
{
    const struct model_tensor *t = &w->model->tensor[i];
    const bool looked_up = t->use == USE_TOKEN_EMBD && !w->model->tied && !w->assign[i].head;
    return !t->matrix ? 0 : w->read ? w->read[i] : looked_up ? 0 : 1;
}

/* Weights of a layer that a token reads, on average. */
static double weights_read(const struct rates_work *w)
{
    double n = 0;
    for (int i = 0; i < w->model->n_tensors; i++)
        if (w->model->tensor[i].layer >= 0)
            n += share_read(w, i) * (double)w->model->tensor[i].src.n * (double)w->model->tensor[i].src.k;
    return n / w->model->n_layer;
}

static bool add_tensor(struct sums *s, const struct machine_rates *r, const struct rates_work *w, int i)
{
    const struct model_tensor *t = &w->model->tensor[i];
    const bool head = t->layer < 0;
    const double share = share_read(w, i);
    if (share <= 0)
        return true;
    if (!s->last || !assign_same(s->last, &w->assign[i]))
        s->rate = rate_of(r, &w->assign[i]);
    s->last = &w->assign[i];
    if (!s->rate)
        return false;
    const struct interval d = rate_at(s->rate->decode_gb_s, s->at, head ? INFINITY : s->layer),
                          p = rate_at(s->rate->prefill_gop_s, s->at, s->layer);
    const double rates[2][3] = {{d.v, d.lo, d.hi}, {p.v, p.lo, p.hi}};
    for (int k = 0; k < 3; k++) {
        s->decode[k] += share * bytes_of(t, &w->assign[i]) / rates[0][k];
        if (!head) /* one token of a prompt needs it only */
            s->prompt[k] += share * 2.0 * (double)t->src.n * (double)t->src.k / rates[1][k];
    }
    return true;
}

static struct interval widen(double v, double lo, double hi)
{
    return stats_product((struct interval){v, lo, hi}, (struct interval){1, 1 - form_error, 1 + form_error});
}

double rates_kv_bytes(const struct model_desc *m, int depth)
{
    double bytes = 0;
    for (int l = 0; l < m->n_layer; l++) {
        int window = model_layer_is_local(m, l) ? m->sliding_window : 0;
        bytes += 4.0 * m->n_head_kv * m->head_dim * (window && window < depth ? window : depth);
    }
    return bytes;
}

/* Norms, gates and attention of n tokens, nanoseconds a token. */
static double beside(const struct machine_rates *r, const struct model_desc *m, int n)
{
    double value = isfinite(r->value_ns.v) ? r->value_ns.v : 0, pair = isfinite(r->pair_ns.v) ? r->pair_ns.v : 0;
    return m->n_layer * (value * rates_layer_values(m) + pair * m->n_head * m->head_dim * (double)n);
}

void rates_predict(struct rates_guess *out, const struct machine_rates *r, const struct rates_work *w)
{
    struct sums s = {.layer = weights_read(w)};
    for (int i = 0; i < RATE_SHAPES; i++)
        s.at[i] = 1 / layer_weights(&shape_find(rate_shape_ids[i])->d);
    *out =
        (struct rates_guess){.decode_tok_s = INTERVAL_NONE, .prefill_tok_s = INTERVAL_NONE, .ttft_ms = INTERVAL_NONE};
    for (int i = 0; i < w->model->n_tensors; i++)
        if (!add_tensor(&s, r, w, i)) {
            snprintf(out->missing, sizeof out->missing, "%s", w->assign[i].codec->name);
            return;
        }
    const double kv = isfinite(r->kv_gb_s.v) ? w->kv_bytes / r->kv_gb_s.v : 0;
    const double more = beside(r, w->model, w->n_prompt);
    const double t[3] = {s.decode[0] + kv, s.decode[1] + kv, s.decode[2] + kv};
    const double p[3] = {s.prompt[0] + more, s.prompt[1] + more, s.prompt[2] + more};
    out->decode_tok_s = widen(1e9 / t[0], 1e9 / t[1], 1e9 / t[2]);
    if (isfinite(r->seen_gb_s.v + r->seen_gb_s.lo +
                 r->seen_gb_s.hi)) { /* memory that was slower before may be so again */
        out->decode_tok_s.lo *= r->seen_gb_s.lo / r->seen_gb_s.v;
        out->decode_tok_s.hi *= r->seen_gb_s.hi / r->seen_gb_s.v;
    }
    if (w->n_prompt < 1 || !isfinite(p[0]))
        return;
    out->prefill_tok_s = widen(1e9 / p[0], 1e9 / p[1], 1e9 / p[2]);
    struct interval n = stats_exact(w->n_prompt * 1e3);
    out->ttft_ms = stats_ratio(n, out->prefill_tok_s);
    out->ttft_ms.v += t[0] * 1e-6;
    out->ttft_ms.lo += t[0] * 1e-6;
    out->ttft_ms.hi += t[0] * 1e-6;
}
