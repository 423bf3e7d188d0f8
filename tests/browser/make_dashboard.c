/* Writes the dashboard of a made history, for the browser tests, for timing and for looking at:
 * make_dashboard CASE PATH [CELLS NIGHTS METRICS [RELEASE]]; PATH: a folder, which
 * gets truth.csv too, or FILE.html. The series are known: steps, spikes,
 * gaps and fingerprints stand where this file puts them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "reports/dashboard.h"

enum { FIRST_NIGHT = 20000, REPS = 5 }; /* 2024-10-04 */
struct made {
    struct dashboard d;
    struct rng rng;
    struct series s;
    double *lo, *hi;
    bool *outlier;
    struct err e;
};

static const char *const models[] = {"Qwen3-4B", "Llama-3.2-1B-Instruct", "gemma-3-4b-it", "Phi-4-mini-instruct",
                                     "SmolLM2-1.7B-Instruct"};
static const char *const formats[] = {
    "gguf/q4_k_m", "gguf/q8_0",   "gguf/q6_k", "onnx/int4-g32-sym", "openvino/int4-sym-g128",
    "gguf/iq4_xs", "gguf/q5_k_m", "base/bf16", "mlx/4bit-g64",      "gguf/q4_0"};
static const char *const frameworks[] = {"llama.cpp", "onnxruntime-genai", "openvino-genai"};
static const char *const workloads[] = {"pp512 tg128 d0 t8", "pp2048 tg64 d4096 t8"};
static const struct {
    const char *name, *unit;
    int better;
    double level;
} metrics[] = {{"decode_tok_s", "tok/s", 1, 40},   {"prefill_tok_s", "tok/s", 1, 800}, {"ttft_ms", "ms", -1, 600},
               {"peak_rss_bytes", "B", -1, 4.2e9}, {"kld", "nat", -1, 0.012},          {"tpot_p95_ms", "ms", -1, 31}};

static void begin(struct made *m, const char *model, const char *format, const char *framework, const char *workload,
                  const char *device, int metric, const char *env)
{
    struct series *s = &m->s;
    char text[1200];
    snprintf(s->model, sizeof s->model, "%s", model);
    snprintf(s->format, sizeof s->format, "%s", format);
    snprintf(s->framework, sizeof s->framework, "%s", framework);
    snprintf(s->workload, sizeof s->workload, "%s", workload);
    snprintf(s->device, sizeof s->device, "%s", device);
    snprintf(s->metric, sizeof s->metric, "%s", metrics[metric].name);
    snprintf(s->unit, sizeof s->unit, "%s", metrics[metric].unit);
    s->better = metrics[metric].better;
    s->failed_time = 0;
    sha256_hex(env, strlen(env), s->env_sha256);
    sha256_hex(device, strlen(device), s->hw_sha256);
    snprintf(text, sizeof text, "%s|%s|%s|%s", model, format, framework, workload);
    sha256_hex(text, strlen(text), s->cell_key);
    snprintf(text, sizeof text, "%s|%s|%s", s->env_sha256, s->cell_key, s->metric);
    sha256_hex(text, strlen(text), s->key);
    s->n = 0;
}

/* A night's run: the median of REPS repetitions around `level` with relative noise `cv`. */
static void put_run(struct made *m, int night, double level, double cv, bool outlier)
{
    double x[REPS];
    struct series *s = &m->s;
    for (int i = 0; i < REPS; i++)
        x[i] = level * (1 + cv * rng_normal(&m->rng)) * (outlier ? 1 - 0.12 * s->better : 1);
    int i = s->n++;
    dashboard_interval(x, REPS, &m->lo[i], &m->hi[i]);
    m->outlier[i] = outlier;
    s->p[i] = (struct point){.run = night * 1000 + i,
                             .time = (FIRST_NIGHT + night) * (int64_t)86400 + 7200,
                             .value = x[REPS / 2],
                             .n_samples = REPS,
                             .artifact = 7,
                             .config = 9,
                             .engine = (uint64_t)(night + 1) << 33};
    snprintf(s->p[i].commit, sizeof s->p[i].commit, "%08x", (unsigned)(night / 2 * 2654435761u));
}

static void end(struct made *m)
{
    struct dashboard_extra x = {m->lo, m->hi, m->outlier};
    if (dashboard_add(&m->d, &m->s, &x, &m->e) < 0)
        fprintf(stderr, "%s\n", m->e.text);
}

static void put_change(struct made *m, int index, double before, double after, enum change_state state,
                       const char *note, const char *link)
{
    struct change c = {.run_before = m->s.p[index - 1].run,
                       .run_after = m->s.p[index].run,
                       .time = m->s.p[index].time,
                       .before = before,
                       .after = after,
                       .effect = before != 0 ? after / before - 1 : NAN,
                       .p = 0.0005,
                       .state = state,
                       .found_by = "history"};
    char line[17], text[128], hex[65];
    snprintf(text, sizeof text, "%s%lld", m->s.key, (long long)c.run_after);
    sha256_hex(text, strlen(text), hex);
    snprintf(c.id, sizeof c.id, "%.16s", hex);
    snprintf(c.series, sizeof c.series, "%s", m->s.key);
    snprintf(c.metric, sizeof c.metric, "%s", m->s.metric);
    snprintf(c.note, sizeof c.note, "%s", note);
    snprintf(c.link, sizeof c.link, "%s", link);
    dashboard_line_key(line, &m->s);
    dashboard_add_change(&m->d, line, &c, &m->e);
}

/* Cell i: every 10th got slower for good, every 12th got faster, some were answered; a tenth has noise of 3 %. */
static void make_cell(struct made *m, int i, int n_nights, int metric)
{
    begin(m, models[i % 5], formats[i / 5 % 10], frameworks[i / 50 % 3], workloads[i / 150 % 2],
          i % 300 == i ? "AMD Ryzen 9 7950X" : "Raspberry Pi 5", metric, "env");
    double level = metrics[metric].level * (1 + i % 37 / 12.0), cv = i % 10 == 3 ? 0.03 : 0.004 + i % 7 * 0.001;
    int step = i % 10 == 0 ? n_nights * (50 + i % 45) / 100 : i % 12 == 5 ? n_nights * (10 + i % 60) / 100 : 0;
    double effect = -m->s.better * (i % 10 == 0 ? 0.03 + i % 9 * 0.02 : -0.06);
    enum change_state state =
        i % 10 ? (enum change_state)(i / 12 % N_CHANGE_STATES) : (enum change_state)(i / 10 % 7 > 4 ? 0 : i / 10 % 7);
    m->s.failed_time = i == 4 ? (FIRST_NIGHT + n_nights - 1) * (int64_t)86400 : 0;
    for (int night = 0; night < n_nights; night++)
        if (night % 97 != 50 && (i % 23 != 4 || night < n_nights * 9 / 10))
            put_run(m, night, level * (step && night >= step ? 1 + effect : 1), cv, rng_uniform(&m->rng) < 0.004);
    end(m);
    int index = 0;
    while (index < m->s.n && m->s.p[index].time / 86400 - FIRST_NIGHT < step)
        index++;
    if (step > 0 && index > 0 && index < m->s.n)
        put_change(m, index, level, level * (1 + effect), state, state ? "looked at" : "", "");
}

static void make_history(struct made *m, int n_cells, int n_nights, int n_metrics)
{
    for (int i = 0; i < n_cells; i++)
        for (int k = 0; k < n_metrics; k++)
            make_cell(m, i, n_nights, k);
}

static const char hostile[] = "<img src=x onerror=alert(1)></script><script>document.title='pwned'</script>";

static void make_hostile(struct made *m)
{
    static const char *const names[] = {
        hostile, "\"'`${alert(1)}&amp;]]>", "<!--<script> 5%_",
        "\xe2\x80\xae"
        "evil\xff\x01",
        "a-model-with-a-name-that-has-no-end-and-no-space-in-it-at-all-for-anything-to-break-at-anywhere"};
    for (int i = 0; i < 5; i++) {
        begin(m, names[i], names[(i + 1) % 5], "llama.cpp", "javascript:alert(1)", hostile, 0, names[i]);
        for (int night = 0; night < 40; night++)
            put_run(m, night, night < 20 ? 40 : 36, 0.005, false);
        snprintf(m->s.p[30].commit, sizeof m->s.p[30].commit, "</script><b>");
        end(m);
        put_change(m, 20, 40, 36, CHANGE_NEW, hostile,
                   i % 2 ? "javascript:alert(1)" : "https://example.org/?a=<b>&c=\"");
    }
}

/* Two fingerprints, a gap of 40 nights, weekly runs, one run, equal values, values that are no number, a change from
 * nothing to something. */
static void make_odd(struct made *m)
{
    const char *const env[] = {"kernel 6.1", "kernel 6.12"};
    for (int k = 0; k < 2; k++) {
        begin(m, "two-fingerprints", "gguf/q8_0", "llama.cpp", workloads[0], "lab", 0, env[k]);
        for (int night = k * 60; night < 60 + k * 60; night++)
            put_run(m, night, k ? 44 : 40, 0.005, night == 30);
        for (int i = 40; i < m->s.n; i++)
            m->s.p[i].artifact = 8;
        end(m);
    }
    begin(m, "a-gap", "gguf/q8_0", "llama.cpp", workloads[0], "lab", 0, env[0]);
    for (int night = 0; night < 120; night++)
        if (night < 50 || night >= 90)
            put_run(m, night, 40, 0.005, false);
    end(m);
    begin(m, "one-run", "gguf/q8_0", "llama.cpp", workloads[0], "lab", 0, env[0]);
    put_run(m, 100, 40, 0.005, false);
    end(m);
    begin(m, "equal", "gguf/q8_0", "llama.cpp", workloads[0], "lab", 4, env[0]);
    for (int night = 0; night < 120; night++)
        put_run(m, night, night % 2 ? 0 : -0.0, 0, false);
    end(m);
    begin(m, "no-number", "gguf/q8_0", "llama.cpp", workloads[0], "lab", 0, env[0]);
    for (int night = 0; night < 120; night++) {
        put_run(m, night, 40, 0.005, false);
        m->s.p[night].value = night % 3 == 0 ? NAN : night % 3 == 1 ? INFINITY : m->s.p[night].value;
        m->lo[night] = night % 2 ? NAN : m->lo[night];
    }
    end(m);
    begin(m, "many-scales", "gguf/q8_0", "llama.cpp", workloads[0], "lab", 4, env[0]);
    for (int night = 0; night < 120; night++)
        put_run(m, night, pow(10, night % 11 - 6), 0.01, false);
    end(m);
    for (int k = 0; k < 2; k++) {
        begin(m, k ? "from-nothing" : "longer", "gguf/q8_0", "llama.cpp", workloads[0], "lab", 4, env[0]);
        for (int night = 0; night < 120; night++)
            put_run(m, night, night < 60 ? 1 - k : 1.5, 0, false);
        end(m);
        put_change(m, 60, 1 - k, 1.5, CHANGE_NEW, "", "");
    }
}

static void make_single(struct made *m)
{
    begin(m, models[0], formats[0], frameworks[0], workloads[0], "lab", 0, "env");
    put_run(m, 0, 40, 0.005, false);
    end(m);
}

/* PATH/truth.csv: the points as they were before they were packed into the page. */
static void write_truth(const char *dir, const struct dashboard *d)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/truth.csv", dir);
    FILE *f = fopen(path, "w");
    if (!f)
        return;
    fputs("key,night,value,lo,hi,build,samples,outlier,env\n", f);
    for (int i = 0; i < d->n; i++)
        for (int k = 0; k < d->line[i].n; k++) {
            const struct dashboard_point *p = &d->line[i].p[k];
            fprintf(f, "%s,%d,%.17g,%.17g,%.17g,%d,%d,%d,%d\n", d->line[i].key, p->night, p->value, p->lo, p->hi,
                    p->build, p->n_samples, p->outlier, p->env);
        }
    fclose(f);
}

/* A node whose clock stood in the year 2572 for two nights, and runs without a date. */
static void make_clock(struct made *m)
{
    begin(m, "wrong-clock", formats[0], frameworks[0], workloads[0], "lab", 0, "env");
    for (int night = 0; night < 20; night++)
        put_run(m, night < 10 || night > 11 ? night : 200000 + night, 40, 0.005, false);
    end(m);
    begin(m, "no-date", formats[0], frameworks[0], workloads[0], "lab", 0, "env");
    for (int night = 0; night < 5; night++)
        put_run(m, night, 40, 0.005, false);
    m->s.p[0].time = 0;
    end(m);
}

static void warn(void *arg, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "%s\n", sentence);
}

int main(int argc, char **argv)
{
    static struct made m;
    if (argc < 3)
        return fprintf(stderr, "usage: make_dashboard history|hostile|odd|clock|single|empty PATH [CELLS NIGHTS "
                               "METRICS [RELEASE]]\n"),
               1;
    int n_cells = argc > 3 ? atoi(argv[3]) : 60, n_nights = argc > 4 ? atoi(argv[4]) : 200,
        n_metrics = argc > 5 ? atoi(argv[5]) : 2;
    struct dashboard_options o = {0};
    rng_seed(&m.rng, 20261122);
    m.s.p = mem_alloc_n(4000, sizeof *m.s.p);
    m.lo = mem_alloc_n(4000, sizeof *m.lo);
    m.hi = mem_alloc_n(4000, sizeof *m.hi);
    m.outlier = mem_alloc_n(4000, sizeof *m.outlier);
    if (strcmp(argv[1], "history") == 0) {
        make_history(&m, n_cells, n_nights, n_metrics);
        o.release = argc > 6 ? argv[6] : NULL;
    } else if (strcmp(argv[1], "hostile") == 0)
        make_hostile(&m), o.release = "</scr";
    else if (strcmp(argv[1], "odd") == 0)
        make_odd(&m);
    else if (strcmp(argv[1], "clock") == 0)
        make_clock(&m);
    else if (strcmp(argv[1], "single") == 0)
        make_single(&m);
    int rc = dashboard_finish(&m.d, &o, &m.e);
    if (rc == 0)
        rc = reports_dashboard(argv[2], &m.d, warn, NULL, &m.e);
    if (rc == 0 && !strstr(argv[2], ".html"))
        write_truth(argv[2], &m.d);
    struct sbuf text = {0};
    if (rc == 0 && report_dashboard_text(&text, &m.d, &m.e) == 0)
        fputs(sbuf_str(&text), stdout);
    if (rc < 0)
        fprintf(stderr, "%s\n", m.e.text);
    sbuf_free(&text);
    dashboard_free(&m.d);
    mem_free(m.s.p);
    mem_free(m.lo);
    mem_free(m.hi);
    mem_free(m.outlier);
    return rc < 0;
}
