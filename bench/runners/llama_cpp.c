/* llama.cpp, through its llama-bench: each repetition is a child process with a time limit, so that a crash or a hang
 * there is a status here. bitnet.cpp kept this program: a row of its own, no code. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/runners/llama_bench.h"
#include "bench/runners/llama_cpp.h"

enum { MOST_OUTPUT = 1 << 20 };

struct session {
    const struct measure_cell *cell;
    const struct llama_build *build;
    struct runner_info info;
    struct llama_options options;
    struct llama_bench_row row; /* of the last run */
    double load_ms;
    int64_t peak_rss_bytes;
    char command[512];
};
struct results {                   /* the two rows of one run */
    struct llama_bench_row row[2]; /* prefill, decode */
    bool have[2];
};

static int llama_detect(const struct runner *self, struct runner_info *info, struct err *e)
{
    return llama_build_detect(self->of, "llama-bench", info, e);
}

/* ---- one run ---- */

static int keep_row(void *arg, const struct llama_bench_row *row)
{
    struct results *x = arg;
    struct llama_bench_row r = *row;
    const char *why;
    int decode = r.n_gen > 0;
    if (llama_bench_row_finish(&r, &why) && !(r.n_gen > 0 && r.n_prompt > 0)) {
        x->row[decode] = r;
        x->have[decode] = true;
    }
    return 0;
}

static int run_bench(struct session *s, int n_prompt, int n_gen, int n_depth, unsigned timeout_ms, struct results *x,
                     double *wall_ns, struct err *e)
{
    char p[16], n[16], d[16], t[16];
    snprintf(p, sizeof p, "%d", n_prompt);
    snprintf(n, sizeof n, "%d", n_gen);
    snprintf(d, sizeof d, "%d", n_depth);
    snprintf(t, sizeof t, "%d", s->cell->threads > 0 ? s->cell->threads : 1);
    struct llama_args a = {.v = {s->info.library_path}, .n = 1};
    llama_args_add(&a, "-m", s->cell->model_path);
    llama_args_add(&a, "-p", p);
    llama_args_add(&a, "-n", n);
    if (n_depth > 0) /* older builds know no depth */
        llama_args_add(&a, "-d", d);
    llama_args_add(&a, "-t", t);
    llama_args_add(&a, "-r", "1");
    llama_args_add(&a, "-o", "jsonl");
    llama_args_options(&a, &s->options, s->cell);
    llama_args_print(&a, s->command, sizeof s->command);
    struct child_cmd cmd = {.argv = a.v, .timeout_ms = timeout_ms, .max_output = MOST_OUTPUT};
    struct child_result r;
    *x = (struct results){0};
    int rc = child_run(&cmd, &r, e);
    if (rc < 0)
        return rc;
    rc = llama_judge("llama-bench", &cmd, &r, e);
    if (rc == 0)
        llama_bench_each(r.out, r.n_out, keep_row, x);
    if (rc == 0 && ((n_prompt > 0 && !x->have[0]) || (n_gen > 0 && !x->have[1]))) {
        char said[128];
        text_last_line(said, sizeof said, r.out);
        rc = err_set(e, ERR_FORMAT, "llama-bench printed no usable row for %s; its output ends: %s",
                     n_prompt > 0 && !x->have[0] ? "the prompt" : "generation", said);
    }
    if (rc == 0) {
        s->row = x->row[x->have[1]];
        s->peak_rss_bytes =
            (int64_t)r.peak_rss_bytes > s->peak_rss_bytes ? (int64_t)r.peak_rss_bytes : s->peak_rss_bytes;
    }
    *wall_ns = (double)r.wall_ns;
    child_result_free(&r);
    return rc;
}

/* ---- the runner ---- */

static void llama_close(struct session *s)
{
    mem_free(s);
}

static unsigned time_left_ms(uint64_t deadline_ns)
{
    uint64_t now = clock_ns();
    if (deadline_ns == 0)
        return 0;
    uint64_t ms = deadline_ns > now ? (deadline_ns - now) / 1000000 : 0;
    return ms < 1 ? 1 : ms > 86400000 ? 86400000 : (unsigned)ms;
}

/* A run of one token shows whether this build can run this file at all, and what loading costs. */
static int llama_open(struct session **out, const struct measure_cell *cell, struct err *e)
{
    const struct llama_build *build = cell->runner->of;
    unsigned timeout_ms = 0;
    int rc = llama_check_model(build, cell->model_path, &timeout_ms, e);
    if (rc < 0)
        return rc;
    struct session *s = mem_alloc(sizeof *s);
    if (!s)
        return err_nomem(e, sizeof *s, "a session");
    s->cell = cell;
    s->build = build;
    struct results *x = mem_alloc(sizeof *x);
    double wall_ns = NAN;
    if (cell->deadline_ns) {
        unsigned left_ms = time_left_ms(cell->deadline_ns);
        timeout_ms = left_ms < timeout_ms ? left_ms : timeout_ms;
    }
    rc = x ? llama_build_need(build, "llama-bench", &s->info, e) : err_nomem(e, sizeof *x, "a session");
    if (rc == 0)
        rc = llama_options_take(&s->options, build, s->info.library_path, '/', cell, e);
    if (rc == 0)
        rc = run_bench(s, 0, 1, 0, timeout_ms, x, &wall_ns, e);
    if (rc == 0 && s->options.must_offload && llama_bench_on_cpu(&s->row))
        rc = err_set(e, ERR_UNSUPPORTED, "%s here was built for the CPU alone: it drives no device %s", build->name,
                     cell->device ? cell->device : "gpu");
    mem_free(x);
    if (rc < 0) {
        llama_close(s);
        return rc;
    }
    s->load_ms = fmax(0, wall_ns - 2 * s->row.avg_ns) * 1e-6; /* it generates one token to warm up and one in earnest */
    *out = s;
    return 0;
}

static int llama_measure(struct session *s, const struct workload *w, struct sample *out, struct err *e)
{
    struct results *x = mem_alloc(sizeof *x);
    if (!x)
        return err_nomem(e, sizeof *x, "a run");
    double wall_ns;
    int rc = run_bench(s, w->n_prompt, w->n_gen, w->n_depth, time_left_ms(w->deadline_ns), x, &wall_ns, e);
    out->prefill_ns = out->ttft_ns = rc == 0 && w->n_prompt > 0 ? x->row[0].avg_ns : NAN;
    out->decode_ns = rc == 0 && w->n_gen > 0 ? x->row[1].avg_ns : NAN;
    out->n_token_ns = 0;
    mem_free(x);
    return rc;
}

static void llama_describe(const struct session *s, struct record *r)
{
    const struct llama_options *o = &s->options;
    size_t n;
    const char *format = llama_bench_format(s->row.model_type, &n);
    llama_bench_describe(&s->row, r);
    if (s->cell->runner->own_files && format) /* nobody else could tell */
        snprintf(r->format.name, sizeof r->format.name, "%s", format);
    snprintf(r->framework.name, sizeof r->framework.name, "%s", s->build->name);
    snprintf(r->framework.numerics, sizeof r->framework.numerics, "%s", s->build->name);
    if (o->backend[0])
        snprintf(r->framework.backend, sizeof r->framework.backend, "%s", o->backend);
    if (o->gpu_layers >= 0)
        r->framework.gpu_layers = o->gpu_layers;
    if (s->cell->kv.k)
        kv_name(s->cell->kv, r->workload.kv_type);
    if (s->info.version[0])
        snprintf(r->framework.version, sizeof r->framework.version, "%s", s->info.version);
    snprintf(r->framework.library_sha256, sizeof r->framework.library_sha256, "%s", s->info.library_sha256);
    r->memory.peak_rss_bytes = s->peak_rss_bytes > 0 ? s->peak_rss_bytes : -1;
    r->speed.load_ms = (struct interval){s->load_ms, NAN, NAN};
    if (s->command[0])
        snprintf(r->command, sizeof r->command, "%s", s->command);
}

#define LLAMA_BENCH_FUNCTIONS                                                                                          \
    .real = true, .own_process = true, .offloads = true, .detect = llama_detect, .open = llama_open,                   \
    .measure = llama_measure, .text_logits = llama_text_logits, .describe = llama_describe, .close = llama_close

const struct runner runner_llama_cpp = {
    .name = "llama.cpp",
    .doc = "llama.cpp through llama-bench: on PATH, or where LLAMA_CPP_PATH says",
    .containers = "gguf",
    .of = &llama_cpp_build,
    LLAMA_BENCH_FUNCTIONS,
};
const struct runner runner_bitnet_cpp = {
    .name = "bitnet.cpp",
    .doc = "bitnet.cpp (i2_s, tl1, tl2) through its llama-bench, where BITNET_CPP_PATH says",
    .own_files = true,
    .of = &bitnet_cpp_build,
    LLAMA_BENCH_FUNCTIONS,
};
