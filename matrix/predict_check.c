/* The table of errors, recomputed from the published speeds. */
#include "matrix/predict_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "matrix/predict_fit.h"

/* ---- formulas of other tools, as published; facts about them, not their code ---- */

const char *const predict_peer_names[N_PEERS] = {"llmfit", "whichllm", "ggufit"};

/* By leading letters of the format: llmfit's bytes a parameter of its speeds and multiplier of a CPU's, whichllm's
 * share of the bandwidth (0.30 to 0.56 by format; between the ends in proportion to the bits). */
static const struct {
    const char *start;
    double llmfit_bytes, llmfit_cpu, whichllm_share;
} formats[] = {
    {"f16", 2, 0.6, 0.56},     {"bf16", 2, 0.6, 0.56},   {"q8", 1, 0.8, 0.49},      {"int8", 1, 0.8, 0.49},
    {"q6", 0.75, 0.95, 0.47},  {"q5", 0.625, 1, 0.46},   {"q3", 0.375, 1.25, 0.38}, {"q2", 0.25, 1.35, 0.30},
    {"iq2", 0.25, 1.35, 0.30}, {"tq", 0.25, 1.35, 0.30}, {"", 0.5, 1.15, 0.45},
};

static size_t format_row(const char *format)
{
    size_t i = 0;
    while (strncmp(format, formats[i].start, strlen(formats[i].start)) != 0)
        i++;
    return i;
}

static double llmfit(const struct observation *o)
{
    size_t i = format_row(o->format);
    if (strcmp(o->backend, "cpu") != 0)
        return o->bandwidth_gb_s / (o->active_b * formats[i].llmfit_bytes) * 0.55;
    double k = !strcmp(predict_classes[o->class_id].name, "x86-cpu") ? 70 : 90;
    return k / o->params_b * formats[i].llmfit_cpu * (o->many_cores ? 1.1 : 1) * 0.3;
}

static double whichllm(const struct observation *o)
{
    static const struct {
        const char *class_name;
        double factor;
    } vendors[] = {{"apple-metal", 0.82}, {"rocm", 0.78}, {"openvino-gpu", 0.65}};
    double share = formats[format_row(o->format)].whichllm_share, vendor = 1;
    if (!strcmp(o->backend, "cpu"))
        return fmax(0.3, 18 / fmax(o->params_b, 0.5) * share / 0.45);
    for (size_t i = 0; i < sizeof vendors / sizeof *vendors; i++)
        if (!strcmp(vendors[i].class_name, predict_classes[o->class_id].name))
            vendor = vendors[i].factor;
    return o->bandwidth_gb_s / (o->x[TERM_BYTES] * o->bandwidth_gb_s) * share * vendor;
}

static double ggufit(const struct observation *o)
{
    return 0.85 / o->x[TERM_BYTES];
}

static double (*const peers[N_PEERS])(const struct observation *) = {llmfit, whichllm, ggufit};

/* ---- the table ---- */

enum { MOST = 1200 };
struct reason {
    const char *text;
    int n;
};

static void count_reason(struct reason r[8], const char *text)
{
    int i = 0;
    while (i < 7 && r[i].text && strcmp(r[i].text, text) != 0)
        i++;
    r[i].text = text;
    r[i].n++;
}

static double relative(double predicted, double published)
{
    return fabs(predicted / published - 1);
}

/* The median of each device's median. */
static double median_of_devices(const double *v, const int *device, int n)
{
    double *own = mem_alloc_n((size_t)n + 1, sizeof *own), *medians = mem_alloc_n((size_t)n + 1, sizeof *medians);
    int n_medians = 0;
    for (int i = 0; own && medians && i < n; i++) {
        int k = 0, before = 0;
        for (int j = 0; j < i; j++)
            before += device[j] == device[i];
        for (int j = 0; j < n && !before; j++)
            if (device[j] == device[i])
                own[k++] = v[j];
        if (!before)
            medians[n_medians++] = stats_median(own, k);
    }
    double m = own && medians ? stats_median(medians, n_medians) : NAN;
    mem_free(own);
    mem_free(medians);
    return m;
}

struct columns {
    double error[MOST], half[MOST], peer[N_PEERS][MOST];
    int device[MOST];
};

static void judge_row(const struct predict_table *t, const struct observation *o, struct predict_error *out,
                      struct columns *c)
{
    struct half_width h = predict_half_for(t, o->class_id, o->level[EFFECT_FRAMEWORK], o->phase, o->device);
    c->error[out->n] = fabs(expm1(o->ln_error));
    c->half[out->n] = exp(h.ln);
    c->device[out->n] = o->device;
    for (int p = 0; p < N_PEERS; p++)
        c->peer[p][out->n] = relative(peers[p](o), o->tok_s);
    out->n_within += fabs(o->ln_error) <= h.ln;
    out->n_suspect += o->suspect;
    out->n++;
}

static void fill(const struct predict_table *t, int class_id, enum predict_phase phase, struct predict_error *out,
                 struct columns *c)
{
    struct reason why[8] = {0};
    bool seen[MAX_DEVICES] = {false};
    *out = (struct predict_error){.class_name = predict_classes[class_id].name,
                                  .phase = phase == PHASE_DECODE ? "decode" : "prefill"};
    for (int i = 0; i < t->n && out->n < MOST; i++) {
        const struct observation *o = &t->row[i];
        if (o->class_id != class_id || o->phase != phase)
            continue;
        const char *reason = o->why_not
                                 ? o->why_not
                                 : predict_unfit(predict_half_for(t, class_id, o->level[EFFECT_FRAMEWORK], phase, -1));
        if (reason) {
            count_reason(why, reason);
            out->n_refused++;
            continue;
        }
        judge_row(t, o, out, c);
        out->n_devices += !seen[o->device];
        seen[o->device] = true;
    }
    for (int i = 0; i < 8 && why[i].text; i++) {
        size_t n = strlen(out->refused);
        snprintf(out->refused + n, sizeof out->refused - n, "%s%d %s", i ? ", " : "", why[i].n, why[i].text);
    }
    out->median = stats_median(c->error, out->n);
    out->device_median = median_of_devices(c->error, c->device, out->n);
    out->factor = stats_median(c->half, out->n);
    for (int p = 0; p < N_PEERS; p++)
        out->peer[p] = phase == PHASE_DECODE ? stats_median(c->peer[p], out->n) : NAN;
}

int predict_errors(struct predict_error out[], int most)
{
    const struct predict_table *t = predict_table_linked();
    struct columns *c = mem_alloc(sizeof *c);
    int n = 0;
    for (int phase = 0; t && c && phase < N_PHASES; phase++)
        for (int k = 0; k < n_predict_classes && n < most; k++)
            fill(t, k, (enum predict_phase)phase, &out[n++], c);
    mem_free(c);
    return n;
}
