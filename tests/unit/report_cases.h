/* Decisions to render in tests: each case fills records, request and device and decides. */
#ifndef TESTS_REPORT_CASES_H
#define TESTS_REPORT_CASES_H
#include "bench/measure.h"
#include "matrix/matrix.h"
#include "reports/reports.h"
#include "tests/unit/decide_records.h"

enum { MOST_CASE_RECORDS = 1300 };
static struct record case_records[MOST_CASE_RECORDS]; /* of the case that is open */
struct report_case {
    struct record *rec;
    int n;
    struct request req;
    struct probe_device device;
    struct decision *decision;
    struct report_input in;
};

static inline void case_device(struct probe_device *d)
{
    memset(d, 0, sizeof *d);
    snprintf(d->source, sizeof d->source, "this machine");
    snprintf(d->cpu.brand, sizeof d->cpu.brand, "AMD EPYC 9R14 (2 vCPU)");
    snprintf(d->cpu.arch, sizeof d->cpu.arch, "x86_64");
    d->cpu.n_usable = 2;
    d->memory.total_bytes = (int64_t)24 << 30;
    d->memory.available_bytes = d->memory.usable_bytes = (int64_t)20 << 30;
    d->memory.limit_bytes = d->memory.swap_bytes = -1;
    d->memory.bandwidth_gb_s = 17;
    d->power.battery_percent = -1;
    d->memory.channels = -1;
    d->memory.mt_s = d->thermal.max_c = d->thermal.throttle_c = d->power.battery_wh = NAN;
    d->cpu.ghz_max = d->cpu.ghz_now = d->cpu.quota_cpus = NAN;
}

static inline void case_measured(struct report_case *c)
{
    c->n = sample_records(c->rec);
    full_record(&c->rec[c->n++], "gguf/q6_k", 121 << 20, 81.0, 2.4, 0.0094, 0.0005, 0.951);
    full_record(&c->rec[c->n++], "gguf/q5_0", 103 << 20, 76.4, 2.0, 0.062, 0.002, 0.871);
    full_record(&c->rec[c->n++], "gguf/q4_k_s", 95 << 20, 110.2, 3.1, 0.112, 0.004, 0.829);
    full_record(&c->rec[c->n++], "gguf/q3_k_m", 88 << 20, 121.0, 4.0, 0.201, 0.006, 0.771);
    struct record *r = record_of(&c->rec[c->n++], "testmodel", "gguf/q4_1", "llama.cpp");
    r->status = STATUS_CRASHED;
    snprintf(r->reason, sizeof r->reason, "the child died of signal 11 in the AMX path; the AVX-512 build runs");
    for (int i = 0; i < c->n; i++) {
        snprintf(c->rec[i].model.name, sizeof c->rec[i].model.name, "SmolLM2-135M-Instruct");
        snprintf(c->rec[i].device, sizeof c->rec[i].device, "%s", c->device.cpu.brand);
    }
}

/* Quality of the shipped model, speed of two shapes, llama.cpp not installed: rows by equivalent kernels. */
static inline void case_demo(struct report_case *c)
{
    static const struct {
        const char *format;
        double bits, kld, top1, share;
    } f[] = {{"base/f16", 16, 0.00001, 0.999, 0.93},    {"gguf/q8_0", 8.5, 0.0004, 0.992, 0.92},
             {"gguf/q6_k", 6.56, 0.0012, 0.985, 0.91},  {"gguf/q5_k_m", 5.69, 0.0047, 0.972, 0.88},
             {"gguf/q5_0", 5.5, 0.0081, 0.962, 0.86},   {"gguf/q4_k_m", 4.85, 0.0182, 0.941, 0.9},
             {"gguf/q4_k_s", 4.58, 0.0223, 0.934, 0.9}, {"gguf/q4_0", 4.5, 0.0354, 0.917, 0.92},
             {"gguf/q3_k_m", 3.91, 0.0721, 0.88, 0.8},  {"gguf/q3_k_s", 3.5, 0.121, 0.842, 0.79},
             {"gguf/q2_k", 3.0, 0.334, 0.744, 0.75}};
    static const char *const shape[] = {"qwen3-0.6b", "llama-3.2-1b"};
    static const double params[] = {596e6, 1236e6};
    for (int i = 0; i < 11; i++)
        for (int s = -1; s < 2; s++) {
            struct record *r = record_of(&c->rec[c->n++], s < 0 ? "whichquant-default" : shape[s], f[i].format, "own");
            double bytes = f[i].bits / 8 * (s < 0 ? 3.5e6 : params[s]),
                   tok_s = s < 0 ? 3000 : f[i].share * 17e9 / bytes;
            r->model.n_params = (int64_t)(s < 0 ? 3.5e6 : params[s]);
            r->model.synthesized = s >= 0;
            give_speed(r, tok_s, tok_s * 0.015);
            give_memory(r, (int64_t)bytes);
            r->speed.cache_resident = s < 0;
            r->speed.bandwidth_share = f[i].share;
            r->speed_from = s < 0 ? FROM_MEASURED : FROM_SHAPE_MEASURED;
            r->memory.kv_bytes = (int64_t)(s < 0 ? 6144 : s ? 65536 : 114688) * 640;
            snprintf(r->device, sizeof r->device, "%s", c->device.cpu.brand);
            snprintf(r->format.histogram, sizeof r->format.histogram, "q4_k:168 q6_k:29 f32:113");
            if (s < 0)
                give_quality(r, f[i].kld, f[i].kld * 0.06, f[i].top1);
        }
}

/* Sixty models in twenty formats: what fits, what is too slow, what cannot run, predicted and measured. */
static inline void case_models(struct report_case *c)
{
    static const char *const family[] = {"Qwen3", "Llama-3.2", "Gemma-3", "SmolLM2", "Phi-4", "Granite-4"};
    static const char *const format[] = {"base/f16",     "gguf/q8_0",   "gguf/q6_k",   "gguf/q5_k_m",  "gguf/q5_k_s",
                                         "gguf/q5_1",    "gguf/q5_0",   "gguf/q4_k_m", "gguf/q4_k_s",  "gguf/q4_1",
                                         "gguf/q4_0",    "gguf/iq4_nl", "gguf/iq4_xs", "gguf/q3_k_l",  "gguf/q3_k_m",
                                         "gguf/iq3_xxs", "gguf/q3_k_s", "gguf/q2_k",   "mlx/4bit-g64", "awq/4bit-g128"};
    static const double bits[] = {16,  8.5, 6.56, 5.69, 5.54, 6,    5.5, 4.85, 4.58, 5,
                                  4.5, 4.5, 4.25, 4.27, 3.91, 3.06, 3.5, 3.0,  4.5,  4.25};
    for (int m = 0; m < 60; m++)
        for (int f = 0; f < 20; f++) {
            char name[64];
            double params = 0.1e9 * pow(1.117, m), bytes = params * bits[f] / 8, tok_s = 0.8 * 17e9 / bytes,
                   kld = 0.06 * pow(2, 5 - bits[f]) / sqrt(params / 1e9);
            snprintf(name, sizeof name, "%s-%.2gB-Instruct-%02d", family[m % 6], params / 1e9, m);
            struct record *r = record_of(&c->rec[c->n++], name, format[f],
                                         f == 18   ? "mlx"
                                         : f == 19 ? "vllm"
                                                   : "llama.cpp");
            r->model.n_params = (int64_t)params;
            give_memory(r, (int64_t)bytes);
            r->memory.kv_bytes = (int64_t)(params / 4000) * 16;
            give_speed(r, tok_s, tok_s * (m % 3 ? 0.3 : 0.03));
            give_quality(r, kld, kld * 0.2, 1 - 0.4 * sqrt(kld));
            r->speed_from = m % 3 == 0 ? FROM_MEASURED : m % 3 == 1 ? FROM_PREDICTED : FROM_SHAPE_MEASURED;
            r->quality_from = m % 3 == 0 ? FROM_MEASURED : m % 2 ? FROM_PUBLISHED : FROM_PREDICTED;
            snprintf(r->device, sizeof r->device, "%s", c->device.cpu.brand);
            if (f >= 18) {
                r->status = STATUS_UNSUPPORTED;
                snprintf(r->reason, sizeof r->reason, "%s does not run on this kind of machine", r->framework.name);
            }
        }
    c->req.want.min_decode_tok_s = 5;
}

static inline void case_nothing(struct report_case *c)
{
    case_measured(c);
    c->req.want.ram_bytes = 60 << 20;
}

static inline void case_undecided(struct report_case *c)
{
    case_measured(c);
    c->req.want.objective = OBJECTIVE_ENERGY;
}

/* Names as an attacker would choose them. */
static const char hostile_name[] = "<script>document.title='pwned'</script>\"'`|\n=cmd|' /C calc'!A0 \x1b[31m\xff "
                                   "**b** [x](javascript:1) \xe2\x80\xae </title></style>";
static inline void case_hostile(struct report_case *c)
{
    case_measured(c);
    for (int i = 0; i < c->n; i++) {
        struct record *r = &c->rec[i];
        snprintf(r->model.name, sizeof r->model.name, "%s", hostile_name);
        snprintf(r->device, sizeof r->device, "=HYPERLINK(\"http://x/\",\"<img src=x onerror=1>\")");
        snprintf(r->run_id, sizeof r->run_id, "@SUM(1)<svg/onload=1>");
        snprintf(r->framework.version, sizeof r->framework.version, "-1+1, \"quoted\"\r\nnext | <b>");
        snprintf(r->format.histogram, sizeof r->format.histogram, "<img src=\"http://evil/\">");
        snprintf(r->kernels, sizeof r->kernels, "</dd><script src=//evil/x.js></script>");
        if (r->status != STATUS_OK)
            snprintf(r->reason, sizeof r->reason, "%s", hostile_name);
    }
    snprintf(c->rec[3].format.name, sizeof c->rec[3].format.name, "<b>&\"'\"\n;set output|");
}

static inline void case_estimate(struct report_case *c)
{
    (void)c; /* no records: the decision comes from matrix_estimate */
}

static const struct {
    const char *name;
    void (*fill)(struct report_case *);
} report_cases[] = {{"measured", case_measured},   {"demo", case_demo},       {"nothing", case_nothing},
                    {"undecided", case_undecided}, {"hostile", case_hostile}, {"models", case_models},
                    {"estimate", case_estimate}};
enum { N_REPORT_CASES = sizeof report_cases / sizeof report_cases[0] };

static inline int case_open(struct report_case *c, const char *name, struct err *e)
{
    memset(c, 0, sizeof *c);
    c->rec = case_records;
    request_defaults(&c->req);
    c->req.threads = 2;
    case_device(&c->device);
    int i = 0;
    while (i < N_REPORT_CASES - 1 && strcmp(report_cases[i].name, name) != 0)
        i++;
    report_cases[i].fill(c);
    int rc;
    if (report_cases[i].fill == case_estimate) {
        struct model *m = NULL;
        rc = model_from_shape(&m, &shape_find("qwen3-4b")->d, e);
        if (rc == 0)
            rc = matrix_estimate(&c->decision, &m->d, &c->device, &c->req, e);
        model_close(m);
    } else {
        rc = matrix_decide(&c->decision, c->rec, c->n, NULL, &c->device, &c->req, e);
    }
    for (int n = 0; rc == 0 && report_cases[i].fill == case_models && n < c->decision->n_rows; n++) {
        struct row *r = &c->decision->row[n]; /* as a decision between models has it: larger ones know more */
        r->task_score = 0.25 + 0.11 * log10((double)r->weights_bytes / r->effective_bpw / 1e7);
        r->task_score_lo = r->task_score - 0.02;
        r->task_score_hi = r->task_score + 0.02;
        r->task_from = "published";
    }
    c->in = (struct report_input){.decision = c->decision,
                                  .device = &c->device,
                                  .request = &c->req,
                                  .records = c->rec,
                                  .n_records = c->n,
                                  .elapsed_s = 130,
                                  .utf8 = true,
                                  .columns = 100};
    return rc;
}
#endif
