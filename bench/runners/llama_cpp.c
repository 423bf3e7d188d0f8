/* llama.cpp, through its llama-bench: each repetition is a child process with a time limit, so that a crash or a hang
 * there is a status here. Found through LLAMA_CPP_PATH (the program or a folder of a build), else on PATH. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/runners/llama_bench.h"
#include "bench/runners/llama_cpp.h"

enum { VERSION_TIMEOUT_MS = 10000, OPEN_TIMEOUT_MS = 60000, SLOWEST_DISK_MB_S = 50, MOST_OUTPUT = 1 << 20 };

struct session {
    const struct measure_cell *cell;
    struct runner_info info;
    struct llama_bench_row row; /* of the last run */
    double load_ms;
    int64_t peak_rss_bytes;
    char command[512];
};
struct results {                   /* the two rows of one run */
    struct llama_bench_row row[2]; /* prefill, decode */
    bool have[2];
};

/* ---- finding it ---- */

/* A program that is named stands for the folder that it is in. */
static char *find_program(const char *name)
{
    static const char *const below[] = {"/", "/bin/", "/build/bin/"};
    const char *given = getenv("LLAMA_CPP_PATH");
    char folder[512], path[1024];
    if (!given || !*given)
        return program_find(name);
    snprintf(folder, sizeof folder, "%s%s", strchr(given, '/') ? "" : "./", given);
    if (!dir_exists(folder) && strrchr(folder, '/'))
        *strrchr(folder, '/') = 0;
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        snprintf(path, sizeof path, "%s%s%s", folder, below[i], name);
        if (file_exists(path))
            return program_find(path);
    }
    return NULL;
}

/* "version: 6710 (0c1e57098)", or "... (build 6710, commit 0c1e57098)": builds without --version tell it in each row.
 */
static void read_version(struct runner_info *info, const char *text)
{
    const char *at = strstr(text, "build "), *version = strstr(text, "version: ");
    char commit[41];
    int number;
    if ((at && sscanf(at, "build %d, commit %40[0-9a-f]", &number, commit) == 2) ||
        (version && sscanf(version, "version: %d (%40[0-9a-f]", &number, commit) == 2))
        snprintf(info->version, sizeof info->version, "b%d-%s", number, commit);
}

int llama_cpp_detect(struct runner_info *info, const char *program, struct err *e)
{
    *info = (struct runner_info){0};
    snprintf(info->name, sizeof info->name, "llama.cpp");
    char *path = find_program(program);
    if (!path) {
        snprintf(info->note, sizeof info->note, "%s is neither on PATH nor in LLAMA_CPP_PATH", program);
        return 0;
    }
    snprintf(info->library_path, sizeof info->library_path, "%s", path);
    mem_free(path);
    int rc = sha256_file(info->library_path, info->library_sha256, e);
    const char *argv[] = {info->library_path, "--version", NULL};
    struct child_cmd cmd = {.argv = argv, .timeout_ms = VERSION_TIMEOUT_MS, .max_output = MOST_OUTPUT};
    struct child_result r;
    if (rc < 0 || (rc = child_run(&cmd, &r, e)) < 0)
        return rc;
    info->found = true;
    read_version(info, r.out);
    read_version(info, r.err);
    child_result_free(&r);
    return 0;
}

static int llama_detect(const struct runner *self, struct runner_info *info, struct err *e)
{
    (void)self;
    return llama_cpp_detect(info, "llama-bench", e);
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

static int judge_child(const struct child_cmd *cmd, const struct child_result *r, struct err *e)
{
    char said[128];
    text_last_line(said, sizeof said, *r->err ? r->err : r->out);
    if (interrupt_seen())
        return err_set(e, ERR_CANCELLED, "llama-bench was interrupted");
    if (r->timed_out)
        return err_set(e, ERR_TIMEOUT, "llama-bench did not finish within %.1f s and was stopped",
                       cmd->timeout_ms / 1e3);
    if (r->signal)
        return err_set(e, ERR_CRASHED, "llama-bench died of signal %d (%s); it last said: %s", r->signal,
                       strsignal(r->signal), said);
    if (r->exit_code != 0)
        return err_set(e, ERR_IO, "llama-bench ended with exit code %d; it last said: %s", r->exit_code, said);
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
    const struct kv_pair kv = s->cell->kv;
    const char *argv[24] = {
        s->info.library_path, "-m", s->cell->model_path, "-p", p, "-n", n, "-t", t, "-r", "1", "-o", "jsonl"};
    int n_args = 13;
    if (kv.k && kv.v) {
        const char *const flags[] = {"-fa", "1", "-ctk", kv.k->name, "-ctv", kv.v->name};
        memcpy(&argv[n_args], flags, sizeof flags);
        n_args += 6;
    }
    if (n_depth > 0) { /* older builds know no depth */
        argv[n_args++] = "-d";
        argv[n_args++] = d;
    }
    struct child_cmd cmd = {.argv = argv, .timeout_ms = timeout_ms, .max_output = MOST_OUTPUT};
    struct child_result r;
    *x = (struct results){0};
    int rc = child_run(&cmd, &r, e);
    if (rc < 0)
        return rc;
    rc = judge_child(&cmd, &r, e);
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

int llama_cpp_check_model(const char *path, unsigned *ms, struct err *e)
{
    struct stat st;
    struct probe_state now;
    if (!path)
        return err_set(e, ERR_UNSUPPORTED, "llama.cpp runs model files, and this shape has none");
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(e, ERR_MISSING, "cannot open %s for llama.cpp", path);
    probe_sample(&now);
    if (now.available_bytes >= 0 && st.st_size > now.available_bytes)
        return err_set(e, ERR_LIMIT, "%s needs %.1f GiB and %.1f GiB are free", path, (double)st.st_size / 0x1p30,
                       (double)now.available_bytes / 0x1p30);
    *ms = OPEN_TIMEOUT_MS + (unsigned)(st.st_size / (1000 * SLOWEST_DISK_MB_S));
    return 0;
}

/* A run of one token shows whether this build can run this file at all, and what loading costs. */
static int llama_open(struct session **out, const struct measure_cell *cell, struct err *e)
{
    unsigned timeout_ms = 0;
    int rc = llama_cpp_check_model(cell->model_path, &timeout_ms, e);
    if (rc < 0)
        return rc;
    struct session *s = mem_alloc(sizeof *s);
    if (!s)
        return err_nomem(e, sizeof *s, "a session");
    s->cell = cell;
    struct results *x = mem_alloc(sizeof *x);
    rc = x ? llama_detect(cell->runner, &s->info, e) : err_nomem(e, sizeof *x, "a session");
    if (rc == 0 && !s->info.found)
        rc = err_set(e, ERR_MISSING, "%s; install llama.cpp or set LLAMA_CPP_PATH to its build", s->info.note);
    double wall_ns = NAN;
    if (rc == 0)
        rc = run_bench(s, 0, 1, 0, timeout_ms, x, &wall_ns, e);
    mem_free(x);
    if (rc < 0) {
        llama_close(s);
        return rc;
    }
    s->load_ms = fmax(0, wall_ns - 2 * s->row.avg_ns) * 1e-6; /* it generates one token to warm up and one in earnest */
    *out = s;
    return 0;
}

static unsigned time_left_ms(const struct workload *w)
{
    uint64_t now = clock_ns();
    if (w->deadline_ns == 0)
        return 0;
    uint64_t ms = w->deadline_ns > now ? (w->deadline_ns - now) / 1000000 : 0;
    return ms < 1 ? 1 : ms > 86400000 ? 86400000 : (unsigned)ms;
}

static int llama_measure(struct session *s, const struct workload *w, struct sample *out, struct err *e)
{
    struct results *x = mem_alloc(sizeof *x);
    if (!x)
        return err_nomem(e, sizeof *x, "a run");
    double wall_ns;
    int rc = run_bench(s, w->n_prompt, w->n_gen, w->n_depth, time_left_ms(w), x, &wall_ns, e);
    out->prefill_ns = out->ttft_ns = rc == 0 && w->n_prompt > 0 ? x->row[0].avg_ns : NAN;
    out->decode_ns = rc == 0 && w->n_gen > 0 ? x->row[1].avg_ns : NAN;
    out->n_token_ns = 0;
    snprintf(s->command, sizeof s->command, "llama-bench -m %s -p %d -n %d -d %d -t %d -r 1 -o jsonl",
             s->cell->model_path, w->n_prompt, w->n_gen, w->n_depth, s->cell->threads);
    mem_free(x);
    return rc;
}

static void llama_describe(const struct session *s, struct record *r)
{
    llama_bench_describe(&s->row, r);
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

const struct runner runner_llama_cpp = {
    .name = "llama.cpp",
    .doc = "llama.cpp through llama-bench: on PATH, or where LLAMA_CPP_PATH says",
    .real = true,
    .own_process = true,
    .containers = "gguf",
    .detect = llama_detect,
    .open = llama_open,
    .measure = llama_measure,
    .describe = llama_describe,
    .close = llama_close,
};
