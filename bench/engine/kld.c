/* Log-softmax, KL divergence and statistics over tokens. Formulas: docs/METHOD.md, the same as
 * llama-perplexity's; the in-process comparison keeps full f32 logits where llama-perplexity has 16-bit ones.
 */
#include "bench/engine/kld.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench/stats.h"
#include "kernels/kernels.h"
#include "kernels/vec.h"

enum { BLOCK = 256 };

static const struct row_ops *plain(void)
{
    return kernel_find(OP_ROWS, NULL, NULL, 0)->rows;
}

struct row_norm row_normalize(const float *logits, int32_t n)
{
    return plain()->normalize(logits, n);
}

double row_kld(const float *ref, const struct row_norm *rn, const float *cand, const struct row_norm *cn, int32_t n)
{
    struct row_norm same;
    (void)cn;
    return plain()->compare(ref, rn, cand, &same, n);
}

struct token_score row_score(const struct row_ops *rows, const float *ref, const struct row_norm *rn, const float *cand,
                             struct row_norm *cn, int32_t n, int32_t target)
{
    struct token_score s = {.kld = rows->compare(ref, rn, cand, cn, n), .logit_diff = NAN};
    s.nll = cn->log_sum - (double)(cand[target] - cn->max);
    s.nll_base = rn->log_sum - (double)(ref[target] - rn->max);
    s.dp = exp(-s.nll) - exp(-s.nll_base);
    s.same_top = rn->top == cn->top;
    return s;
}

double row_distance(const float *ref, const float *cand, int32_t n)
{
    float most = 0;
    for (int32_t i = 0; i < n; i++) {
        float d = fabsf(ref[i] - cand[i]);
        most = d > most ? d : most;
    }
    return (double)most;
}

struct token_score row_score_base(const float *base, const float *cand, const struct row_norm *cn, int32_t n,
                                  int32_t target)
{
    float log_sum = (float)cn->log_sum, lse = cn->max + log_sum;
    float nll = cn->max + log_sum - cand[target], nll_base = -base[target];
    double kld = 0;
    int32_t top = 0;
    float max = vec_max(base, n);
    while (top < n - 1 && base[top] != max)
        top++;
    for (int32_t i = 0; i < n; i += BLOCK) {
        float t[BLOCK];
        int32_t m = n - i < BLOCK ? n - i : BLOCK;
        for (int32_t j = 0; j < m; j++) {
            float b = base[i + j], v = vec_exp(b) * (b - cand[i + j] + lse);
            t[j] = b > -16.0f ? v : 0.0f;
        }
        kld += vec_sum(t, m);
    }
    return (struct token_score){.nll = (double)nll,
                                .nll_base = (double)nll_base,
                                .kld = kld,
                                .dp = (double)(expf(-nll) - expf(-nll_base)),
                                .same_top = top == cn->top,
                                .logit_diff = NAN};
}

void acc_add(struct eval_acc *a, const struct token_score *s)
{
    a->nll += s->nll;
    a->nll2 += s->nll * s->nll;
    if (a->has_base) {
        double dp2 = s->dp * s->dp;
        a->nll_base += s->nll_base;
        a->nll_base2 += s->nll_base * s->nll_base;
        a->nll_nll_base += s->nll * s->nll_base;
        a->kld += s->kld;
        a->kld2 += s->kld * s->kld;
        a->dp += s->dp;
        a->dp2 += dp2;
        a->dp4 += dp2 * dp2;
        a->n_same_top += s->same_top;
        if (isnan(s->logit_diff) || s->logit_diff > a->logit_diff_max)
            a->logit_diff_max = s->logit_diff;
        a->kld_values[a->n] = (float)s->kld;
        a->dp_values[a->n] = (float)s->dp;
    }
    a->n++;
}

void acc_end_chunk(struct eval_acc *a)
{
    double n = (double)(a->n - a->chunk_start_n);
    a->chunk_nll[a->n_chunks] = (a->nll - a->chunk_start_nll) / n;
    a->chunk_kld[a->n_chunks] = a->has_base ? (a->kld - a->chunk_start_kld) / n : NAN;
    a->chunk_start_nll = a->nll;
    a->chunk_start_kld = a->kld;
    a->chunk_start_n = a->n;
    a->n_chunks++;
}

void mean_unc(double sum, double sum2, int64_t n, double *mean, double *unc)
{
    *mean = sum / (double)n;
    double var = sum2 / (double)n - *mean * *mean;
    *unc = var > 0 && n > 10 ? sqrt(var / (double)(n - 1)) : 0;
}

float percentile(const float *sorted, int64_t n, float fraction)
{
    float p = fraction * (float)(n - 1);
    int64_t i = (int64_t)p, j = i + 1 < n ? i + 1 : n - 1;
    p -= (float)i;
    return (1 - p) * sorted[i] + p * sorted[j];
}

float median(const float *sorted, int64_t n)
{
    return n % 2 == 0 ? 0.5f * (sorted[n / 2] + sorted[n / 2 - 1]) : sorted[n / 2];
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Chunks are the blocks: within one, tokens are far from independent. */
static void bootstrap(const double *chunk_mean, int n, double *lo, double *hi)
{
    struct interval i = n < 2 ? INTERVAL_NONE : stats_bootstrap_mean(chunk_mean, n, 0x626f6f74);
    *lo = i.lo;
    *hi = i.hi;
}

static void set_all_nan(struct eval_quality *q)
{
    double *first = &q->ppl, *last = &q->top1_agreement_err;
    for (double *p = first; p <= last; p++)
        *p = NAN;
}

static void result_ppl(const struct eval_acc *a, struct eval_quality *q)
{
    double f, u, fb, ub, n = (double)a->n;
    mean_unc(a->nll, a->nll2, a->n, &f, &u);
    q->ppl = exp(f);
    q->ppl_err = q->ppl * u;
    bootstrap(a->chunk_nll, a->n_chunks, &q->ppl_lo, &q->ppl_hi);
    q->ppl_lo = exp(q->ppl_lo);
    q->ppl_hi = exp(q->ppl_hi);
    if (!a->has_base)
        return;
    mean_unc(a->nll_base, a->nll_base2, a->n, &fb, &ub);
    double cov = a->n < 10 ? 0 : (a->nll_nll_base / n - a->nll / n * (a->nll_base / n)) / (n - 1);
    double var = u * u + ub * ub - 2 * cov;
    q->ppl_base = exp(fb);
    q->ppl_base_err = q->ppl_base * ub;
    q->cor_ln_ppl = cov / (u * ub);
    q->ln_ppl_ratio = f - fb;
    q->ln_ppl_ratio_err = sqrt(var > 0 ? var : 0);
    q->ppl_ratio = exp(q->ln_ppl_ratio);
    q->ppl_ratio_err = q->ppl_ratio * q->ln_ppl_ratio_err;
    q->ppl_diff = q->ppl - q->ppl_base;
    var = q->ppl_err * q->ppl_err + q->ppl_base_err * q->ppl_base_err - 2 * q->ppl * q->ppl_base * cov;
    q->ppl_diff_err = sqrt(var > 0 ? var : 0);
}

static void result_kld(const struct eval_acc *a, struct eval_quality *q, float *v)
{
    int64_t n = a->n;
    memcpy(v, a->kld_values, (size_t)n * sizeof *v);
    qsort(v, (size_t)n, sizeof *v, compare_floats);
    mean_unc(a->kld, a->kld2, n, &q->kld, &q->kld_err);
    bootstrap(a->chunk_kld, a->n_chunks, &q->kld_lo, &q->kld_hi);
    q->kld_max = (double)v[n - 1];
    q->kld_p999 = (double)percentile(v, n, 0.999f);
    q->kld_p99 = (double)percentile(v, n, 0.990f);
    q->kld_p95 = (double)percentile(v, n, 0.950f);
    q->kld_p90 = (double)percentile(v, n, 0.900f);
    q->kld_p50 = (double)median(v, n);
    q->kld_p10 = (double)percentile(v, n, 0.100f);
    q->kld_p05 = (double)percentile(v, n, 0.050f);
    q->kld_p01 = (double)percentile(v, n, 0.010f);
    q->kld_p001 = (double)percentile(v, n, 0.001f);
    q->kld_min = (double)v[0];
    q->logit_diff_max = a->logit_diff_max;
}

static void result_dp(const struct eval_acc *a, struct eval_quality *q, float *v)
{
    int64_t n = a->n;
    memcpy(v, a->dp_values, (size_t)n * sizeof *v);
    qsort(v, (size_t)n, sizeof *v, compare_floats);
    mean_unc(a->dp, a->dp2, n, &q->dp_mean, &q->dp_mean_err);
    q->dp_max = (double)v[n - 1];
    q->dp_p999 = (double)percentile(v, n, 0.999f);
    q->dp_p99 = (double)percentile(v, n, 0.990f);
    q->dp_p95 = (double)percentile(v, n, 0.950f);
    q->dp_p90 = (double)percentile(v, n, 0.900f);
    q->dp_p75 = (double)percentile(v, n, 0.750f);
    q->dp_p50 = (double)median(v, n);
    q->dp_p25 = (double)percentile(v, n, 0.250f);
    q->dp_p10 = (double)percentile(v, n, 0.100f);
    q->dp_p05 = (double)percentile(v, n, 0.050f);
    q->dp_p01 = (double)percentile(v, n, 0.010f);
    q->dp_p001 = (double)percentile(v, n, 0.001f);
    q->dp_min = (double)v[0];
    double mse, mse_unc;
    mean_unc(a->dp2, a->dp4, n, &mse, &mse_unc);
    q->rms_dp = sqrt(mse);
    q->rms_dp_err = q->rms_dp > 0 ? 0.5 / q->rms_dp * mse_unc : 0;
    q->top1_agreement = (double)a->n_same_top / (double)n;
    q->top1_agreement_err = sqrt(q->top1_agreement * (1 - q->top1_agreement) / (double)(n - 1));
}

void acc_result(const struct eval_acc *a, struct eval_quality *q, float *scratch)
{
    memset(q, 0, sizeof *q);
    set_all_nan(q);
    q->n_chunks = a->n_chunks;
    q->n_scored = a->n;
    if (a->n == 0)
        return;
    result_ppl(a, q);
    if (!a->has_base)
        return;
    result_kld(a, q, scratch);
    result_dp(a, q, scratch);
}

/* ---- a chunk in the store: u32 scored tokens, u32 has a reference, then of each token nll, nll_base, kld, dp as f64
 * and same_top as a byte; in this machine's byte order, since the store belongs to one machine ---- */

enum { CHUNK_HEAD = 8, CHUNK_TOKEN = 4 * 8 + 1 };

int acc_save(const struct eval_acc *a, int n_scored, struct sbuf *out)
{
    uint32_t head[2] = {(uint32_t)n_scored, a->has_base};
    sbuf_add(out, head, sizeof head);
    for (int t = 0; t < n_scored; t++) {
        const struct token_score *s = &a->last[t];
        double figures[4] = {s->nll, s->nll_base, s->kld, s->dp};
        sbuf_add(out, figures, sizeof figures);
        sbuf_putc(out, (char)s->same_top);
    }
    return out->failed ? ERR_NOMEM : 0;
}

bool acc_load(struct eval_acc *a, int n_scored, const void *p, size_t n)
{
    uint32_t head[2];
    if (n != CHUNK_HEAD + (size_t)n_scored * CHUNK_TOKEN)
        return false;
    memcpy(head, p, sizeof head);
    if (head[0] != (uint32_t)n_scored || head[1] != a->has_base)
        return false;
    const uint8_t *b = (const uint8_t *)p + CHUNK_HEAD;
    for (int t = 0; t < n_scored; t++, b += CHUNK_TOKEN) {
        double f[4];
        memcpy(f, b, sizeof f);
        acc_add(a, &(struct token_score){.nll = f[0],
                                         .nll_base = f[1],
                                         .kld = f[2],
                                         .dp = f[3],
                                         .same_top = b[sizeof f] != 0,
                                         .logit_diff = NAN});
    }
    acc_end_chunk(a);
    a->last_chunk = -1;
    return true;
}
