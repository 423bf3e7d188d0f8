/* The prediction for a device that is not here, and when there is none: outside of what was published nothing is
 * guessed, it is said what would have to be known. */
#include "matrix/predict.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "datasets/catalogue.h"
#include "matrix/predict_fit.h"

static const double normal_90 = 1.645;
/* How far beyond the smallest and largest model and bandwidth that were seen, as factors; what it adds to the spread.
 */
static const double hull_params = 4, hull_bandwidth = 2.5, hull_spread = 0.3;
static const double usual_rate_spread = 0.25; /* of ln seconds, where the arithmetic rate is that usual in the class */

struct job {
    const struct predict_table *t;
    const struct target *target;
    const struct predict_work *w;
    struct predict_place place;
    int level[N_EFFECTS];
    char backend[48];
    double rate, variance; /* beyond the residuals */
};

static int refuse(char out[160], const char *fmt, const char *a, const char *b)
{
    snprintf(out, 160, fmt, a, b);
    return -1;
}

/* Beyond the hull the spread grows; far beyond it there is no prediction. */
static int stretch(struct job *j, double v, double lo, double hi, double most)
{
    double beyond = v < lo ? lo / v : v > hi ? v / hi : 1;
    j->variance += hull_spread * hull_spread * log(beyond) * log(beyond);
    return beyond > most ? -1 : 0;
}

static int check_hull(struct job *j, const struct family_fit *f, char refused[160])
{
    char text[120];
    const struct predict_work *w = j->w;
    if (!(w->params_b > 0) || !(w->read_bytes > 0))
        return refuse(refused, "the model's size would have to be known%s%s", "", "");
    if (stretch(j, w->params_b, f->params_lo, f->params_hi, hull_params) < 0) {
        snprintf(text, sizeof text, "%.3g B parameters; published on %s are %.2g to %.3g B", w->params_b,
                 j->place.name[EFFECT_CLASS], f->params_lo, f->params_hi);
        return refuse(refused, "far outside: %s; a model of about that size would have to be measured%s", text, "");
    }
    if (stretch(j, j->target->bandwidth_gb_s, f->bandwidth_lo, f->bandwidth_hi, hull_bandwidth) < 0) {
        snprintf(text, sizeof text, "%.4g GB/s; published on %s are %.3g to %.4g", j->target->bandwidth_gb_s,
                 j->place.name[EFFECT_CLASS], f->bandwidth_lo, f->bandwidth_hi);
        return refuse(refused, "far outside: %s; a device of that kind would have to be measured%s", text, "");
    }
    return 0;
}

/* The class, its levels, its rate; what is missing is said. */
static int place_work(struct job *j, char refused[160])
{
    const struct target *t = j->target;
    const char *asked = j->w->backend, *framework = j->w->framework && *j->w->framework ? j->w->framework : "llama.cpp";
    snprintf(j->backend, sizeof j->backend, "%.*s", (int)strcspn(asked && *asked ? asked : t->backends, " "),
             asked && *asked ? asked : t->backends);
    if (t->microcontroller)
        return refuse(refused, "a microcontroller: no speed of a language model on one is published%s%s", "", "");
    bool codec_known = predict_place(&j->place, t, j->backend, j->w->codec ? j->w->codec : "", framework);
    if (j->place.class_id < 0 && !strcmp(j->backend, "cpu"))
        return refuse(refused, "the CPU's kind would have to be known: --isa avx2, or neon,dotprod%s%s", "", "");
    if (j->place.class_id < 0)
        return refuse(refused, "no published speeds of the backend %s: one would have to be measured%s", j->backend,
                      "");
    if (!codec_known)
        return refuse(refused, "no published speeds of the format %s: one would have to be measured%s",
                      j->w->codec ? j->w->codec : "", "");
    for (int e = 0; e < N_EFFECTS; e++)
        j->level[e] = predict_level(&j->t->names[e], j->place.name[e]);
    if (!isfinite(t->bandwidth_gb_s))
        return refuse(refused, "the memory's bandwidth would have to be known: --bandwidth GB/s%s%s", "", "");
    j->rate = predict_rate(t, j->backend, 0);
    return 0;
}

static int predict_phase(struct job *j, enum predict_phase phase, struct interval *out, struct half_width *half,
                         char refused[160])
{
    int family = predict_classes[j->place.class_id].family;
    const struct family_fit *f = &j->t->fit[family][phase];
    const struct predict_prior *prior = predict_prior(family, phase);
    const struct predict_work *w = j->w;
    *half = predict_half_for(j->t, j->place.class_id, j->level[EFFECT_FRAMEWORK], phase, -1);
    j->variance = 0;
    if (predict_unfit(*half)) {
        snprintf(refused, 160, "%s of %s for %s: a speed on such a device would have to be measured",
                 predict_unfit(*half), j->place.name[EFFECT_CLASS], phase == PHASE_DECODE ? "decode" : "prefill");
        return -1;
    }
    if (check_hull(j, f, refused) < 0)
        return -1;
    double rate = j->rate, unseen;
    if (!isfinite(rate)) {
        rate = j->target->bandwidth_gb_s * j->t->rate_per_gb_s[j->place.class_id];
        j->variance += phase == PHASE_DECODE ? usual_rate_spread * usual_rate_spread / 4
                                             : 4 * usual_rate_spread * usual_rate_spread;
    }
    const double x[N_TERMS] = {
        [TERM_BYTES] =
            (w->read_bytes + (isfinite(w->kv_read_bytes) ? w->kv_read_bytes : 0)) / 1e9 / j->target->bandwidth_gb_s,
        [TERM_LAYERS] = (w->n_layer > 0 ? w->n_layer : 32) * 1e-6,
        [TERM_LAUNCHES] = j->place.launches ? (w->n_layer > 0 ? w->n_layer : 32) * 1e-6 : 0,
        [TERM_OPERATIONS] = w->ops_per_token * 1e-12 / rate * (strcmp(j->backend, "cpu") ? 1 : j->place.cpu_cost)};
    double ln_tok_s = -predict_ln_seconds(f, prior, x, j->level, &unseen);
    if (!isfinite(ln_tok_s))
        return refuse(refused, "the device's arithmetic rate would have to be known: %s%s",
                      strcmp(j->backend, "cpu") ? "fp32_tflops" : "cores and ghz", "");
    double wide = sqrt(half->ln * half->ln + normal_90 * normal_90 * (unseen + j->variance));
    *out = (struct interval){exp(ln_tok_s), exp(ln_tok_s - wide), exp(ln_tok_s + wide)};
    if (phase == PHASE_DECODE) { /* what the bandwidth allows */
        out->hi = fmin(out->hi, 1 / x[TERM_BYTES]);
        out->v = fmin(out->v, out->hi);
        out->lo = fmin(out->lo, out->v);
    }
    return 0;
}

void predict_with(const struct predict_table *t, struct predict_speed *out, const struct target *target,
                  const struct predict_work *w)
{
    struct job j = {.t = t, .target = target, .w = w};
    struct half_width half, of_prefill;
    *out = (struct predict_speed){.decode_tok_s = INTERVAL_NONE, .prefill_tok_s = INTERVAL_NONE};
    if (place_work(&j, out->refused) < 0) {
        snprintf(out->prefill_refused, sizeof out->prefill_refused, "%s", out->refused);
        return;
    }
    if (predict_phase(&j, PHASE_DECODE, &out->decode_tok_s, &half, out->refused) == 0)
        snprintf(out->basis, sizeof out->basis,
                 "published speeds of %s, %d devices; 90 %% of those left out fell within a factor of %.2f",
                 j.place.name[EFFECT_CLASS], half.n_devices, exp(half.ln));
    predict_phase(&j, PHASE_PREFILL, &out->prefill_tok_s, &of_prefill, out->prefill_refused);
}

static struct predict_table *linked;

static void fit_linked(void)
{
    linked = predict_table_new(dataset_published_speeds);
    if (linked && !predict_table_fit(linked)) {
        predict_table_free(linked);
        linked = NULL;
    }
}

const struct predict_table *predict_table_linked(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fit_linked);
    return linked;
}

void predict_speed(struct predict_speed *out, const struct target *t, const struct predict_work *w)
{
    const struct predict_table *table = predict_table_linked();
    if (table) {
        predict_with(table, out, t, w);
        return;
    }
    *out = (struct predict_speed){.decode_tok_s = INTERVAL_NONE, .prefill_tok_s = INTERVAL_NONE};
    snprintf(out->refused, sizeof out->refused, "no memory for the published speeds");
    snprintf(out->prefill_refused, sizeof out->prefill_refused, "%s", out->refused);
}
