/* The runner of every framework behind the worker protocol: an artifact opened, repetitions, logits, and what the
 * record says about them. One worker a session; a crash or a hang there is a status here. */
#include "bench/runners/worker.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/rng.h"
#include "base/temp.h"
#include "datasets/catalogue.h"

enum {
    OPEN_MS = 300000, /* vLLM takes minutes on a busy machine */
    SLOWEST_DISK_MB_S = 50,
    LOGITS_MS = 600000,
    ASK_MS = 10000,
    LOOK_MS = 250,
    DEFAULT_CTX = 1024
};
static const double clock_tolerance = 1.02; /* of two clocks that time the same */

struct session {
    const struct measure_cell *cell;
    struct runner_info info;
    struct worker_link *link;
    int n_vocab, n_ctx;
    int32_t *tokens; /* [n_ctx]: what is fed where the workload brings nothing */
    float *logits;   /* of the last question, from the file or the line */
    char backend[32], kv[48], kernels[256];
    int gpu_layers;
    double load_ms;
    int64_t weights_bytes, kv_bytes, scratch_bytes; /* its own account; -1: none */
    struct process_memory memory;
};

/* ---- is it there ---- */

static int worker_detect(const struct runner *self, struct runner_info *info, struct err *e)
{
    struct worker_link *l = NULL;
    struct err why = {0};
    int rc = worker_link_open(&l, self->of, info, &why);
    worker_link_close(l);
    if (rc == ERR_MISSING) { /* a result, no failure */
        snprintf(info->note, sizeof info->note, "%s", why.text);
        return 0;
    }
    return rc < 0 ? err_set(e, rc, "%s", why.text) : 0;
}

/* ---- opening ---- */

static void worker_close(struct session *s)
{
    worker_link_close(s->link);
    mem_free(s->tokens);
    mem_free(s->logits);
    mem_free(s);
}

/* Bytes of a file, or of the files in a folder. */
static int64_t artifact_bytes(const char *path)
{
    struct stat st;
    int64_t sum = 0;
    if (stat(path, &st) < 0)
        return -1;
    DIR *d = S_ISDIR(st.st_mode) ? opendir(path) : NULL;
    if (!d)
        return st.st_size;
    for (struct dirent *f; (f = readdir(d));)
        if (fstatat(dirfd(d), f->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            sum += st.st_size;
    closedir(d);
    return sum;
}

static bool ends_with(const char *path, const char *suffix)
{
    size_t n = strlen(path), k = strlen(suffix);
    return n >= k && !strcmp(path + n - k, suffix);
}

/* *ms: how long loading may take, on the slowest of disks. */
static int check_artifact(const struct measure_cell *cell, unsigned *ms, struct err *e)
{
    struct probe_state now;
    const char *name = cell->runner->name;
    int64_t bytes = cell->model_path ? artifact_bytes(cell->model_path) : -1;
    if (!cell->model_path)
        return err_set(e, ERR_UNSUPPORTED, "%s runs files, and this shape has none", name);
    if (cell->runner->containers && ends_with(cell->model_path, ".gguf") && !runner_loads(cell->runner, "gguf"))
        return err_set(e, ERR_UNSUPPORTED, "%s loads no GGUF files: give a --format of its own", name);
    if (bytes < 0)
        return err_set(e, ERR_MISSING, "cannot open %s for %s", cell->model_path, name);
    probe_sample(&now);
    if (now.available_bytes >= 0 && bytes > now.available_bytes)
        return err_set(e, ERR_LIMIT, "%s needs %.1f GiB and %.1f GiB are free", cell->model_path,
                       (double)bytes / 0x1p30, (double)now.available_bytes / 0x1p30);
    *ms = OPEN_MS + (unsigned)(bytes / (1000 * SLOWEST_DISK_MB_S));
    return 0;
}

/* The tokens that the own engine gets too: any, as long as they are always the same. */
static int make_tokens(struct session *s, struct err *e)
{
    struct rng r;
    rng_seed(&r, 1);
    s->tokens = mem_alloc_n((size_t)s->n_ctx, sizeof *s->tokens);
    if (!s->tokens)
        return err_nomem(e, (unsigned long long)s->n_ctx * sizeof *s->tokens, "tokens");
    for (int i = 0; i < s->n_ctx; i++)
        s->tokens[i] = (int32_t)rng_below(&r, (uint64_t)s->n_vocab);
    return 0;
}

static void copy_text(char *out, size_t size, const json_t *reply, const char *key, const char *otherwise)
{
    snprintf(out, size, "%s", json_get_str(reply, key, otherwise));
}

static int64_t get_bytes(const json_t *reply, const char *key, int64_t otherwise)
{
    double v = json_get_num(reply, key);
    return v >= 0 && v < 0x1p60 ? (int64_t)v : otherwise;
}

static json_t *settings_to_json(const struct measure_cell *c)
{
    json_t *o = json_object();
    for (int i = 0; i < c->n_settings; i++) {
        char key[96];
        const char *value = strchr(c->settings[i], '=');
        snprintf(key, sizeof key, "%.*s", value ? (int)(value - c->settings[i]) : 95, c->settings[i]);
        json_put(o, key, json_string(value ? value + 1 : "1"));
    }
    return o;
}

static uint64_t patience(const struct session *s, unsigned ms)
{
    uint64_t usual = clock_ns() + (uint64_t)ms * 1000000, asked = s->cell->deadline_ns;
    return asked && asked < usual ? asked : usual;
}

/* Not while it is timed. */
static void look_at_memory(struct session *s, unsigned every_ms)
{
    struct process *p = worker_link_process(s->link);
    if (p)
        process_look_every(p, every_ms);
}

static int ask_open(struct session *s, const char *path, unsigned timeout_ms, struct err *e)
{
    const struct measure_cell *c = s->cell;
    const bool offloads = c->gpu_layers && strcmp(c->gpu_layers, "0") != 0;
    char kv[48];
    json_t *reply = NULL, *q = json_pack("{s:s,s:s,s:i,s:i,s:s}", "call", "open", "artifact", path, "threads",
                                         c->threads > 0 ? c->threads : 1, "context", s->n_ctx, "device",
                                         c->device  ? c->device
                                         : offloads ? "gpu"
                                                    : "cpu");
    json_put(q, "options", settings_to_json(c));
    if (c->n_batch > 0)
        json_put(q, "batch", json_integer(c->n_batch));
    if (c->gpu_layers)
        json_put(q, "gpu_layers", json_string(c->gpu_layers));
    if (c->kv.k)
        json_put(q, "kv", json_string(kv_name(c->kv, kv)));
    look_at_memory(s, LOOK_MS);
    uint64_t t0 = clock_ns();
    int rc = worker_link_call(s->link, q, patience(s, timeout_ms), &reply, e);
    if (rc < 0)
        return rc;
    double wall_ms = (double)(clock_ns() - t0) * 1e-6, load_ns = json_get_num(reply, "load_ns");
    double n_vocab = json_get_num(reply, "vocab");
    look_at_memory(s, 0);
    s->load_ms = load_ns > 0 && load_ns * 1e-6 <= wall_ms * clock_tolerance ? load_ns * 1e-6 : wall_ms;
    copy_text(s->backend, sizeof s->backend, reply, "backend", "cpu");
    copy_text(s->kv, sizeof s->kv, reply, "kv", "");
    copy_text(s->kernels, sizeof s->kernels, reply, "kernels", "");
    double layers = json_get_num(reply, "gpu_layers");
    s->gpu_layers = layers >= 0 && layers < 1e4 ? (int)layers : strcmp(s->backend, "cpu") ? -1 : 0;
    worker_identity(&s->info, reply);
    json_decref(reply);
    if (!(n_vocab >= 1 && n_vocab <= 1 << 24))
        return err_set(e, ERR_FORMAT, "%s opened %s without naming the size of its vocabulary", s->info.name, path);
    s->n_vocab = (int)n_vocab;
    return 0;
}

static int worker_open(struct session **out, const struct measure_cell *cell, struct err *e)
{
    unsigned timeout_ms = 0;
    int rc = check_artifact(cell, &timeout_ms, e);
    if (rc < 0)
        return rc;
    char *path = realpath(cell->model_path, NULL);
    struct session *s = path ? mem_alloc(sizeof *s) : NULL;
    if (!s) {
        free(path);
        return err_nomem(e, sizeof *s, "a session");
    }
    *s = (struct session){.cell = cell, .weights_bytes = -1, .kv_bytes = -1, .scratch_bytes = -1};
    s->n_ctx = cell->n_ctx > 0 ? cell->n_ctx : DEFAULT_CTX;
    rc = worker_link_open(&s->link, cell->runner->of, &s->info, e);
    if (rc == 0)
        rc = ask_open(s, path, timeout_ms, e);
    if (rc == 0)
        rc = make_tokens(s, e);
    free(path);
    if (rc < 0) {
        worker_close(s);
        return rc;
    }
    s->memory = *process_memory(worker_link_process(s->link));
    *out = s;
    return 0;
}

/* ---- one repetition ---- */

static json_t *ids_to_json(const int32_t *ids, int n)
{
    json_t *a = json_array();
    for (int i = 0; a && i < n; i++)
        json_array_append_new(a, json_integer(ids[i]));
    return a;
}

/* depth + n_prompt tokens of the workload, or our own; at least n_gen in all: the i-th generated token is fed as the
 * i-th of them. */
static json_t *workload_tokens(const struct session *s, const struct workload *w)
{
    int n = w->n_depth + w->n_prompt, most = n > w->n_gen ? n : w->n_gen;
    json_t *a = ids_to_json(w->tokens ? w->tokens : s->tokens, n);
    for (int i = n; a && i < most; i++)
        json_array_append_new(a, json_integer(s->tokens[i]));
    return a;
}

static bool is_time(double ns)
{
    return ns > 0 && ns < 1e18;
}

static int take_decode(const json_t *reply, int n_gen, struct sample *out)
{
    const json_t *times = json_object_get(reply, "token_ns");
    double sum = 0;
    if (json_array_size(times) == 0) { /* a framework that tells the whole only */
        out->decode_ns = json_get_num(reply, "decode_ns");
        return is_time(out->decode_ns) ? 0 : ERR_FORMAT;
    }
    if (json_array_size(times) != (size_t)n_gen || n_gen > MAX_TOKEN_TIMES)
        return ERR_FORMAT;
    for (int i = 0; i < n_gen; i++) {
        double ns = json_number_value(json_array_get(times, (size_t)i));
        if (!is_time(ns))
            return ERR_FORMAT;
        out->token_ns[i] = ns;
        sum += ns;
    }
    out->n_token_ns = n_gen;
    out->decode_ns = sum;
    return 0;
}

static int take_times(const struct session *s, const struct workload *w, const json_t *reply, double wall_ns,
                      struct sample *out, struct err *e)
{
    double sum = 0;
    if (w->n_prompt > 0) {
        out->prefill_ns = out->ttft_ns = json_get_num(reply, "prefill_ns");
        if (!is_time(out->prefill_ns))
            return err_set(e, ERR_FORMAT, "%s told no time of the prompt", s->info.name);
        sum += out->prefill_ns;
    }
    if (w->n_gen > 0 && take_decode(reply, w->n_gen, out) < 0)
        return err_set(e, ERR_FORMAT, "%s told no times of %d generated tokens", s->info.name, w->n_gen);
    sum += w->n_gen > 0 ? out->decode_ns : 0;
    if (sum > wall_ns * clock_tolerance)
        return err_set(e, ERR_FORMAT,
                       "%s says that it worked for %.3f s within %.3f s: its clock is not to be believed", s->info.name,
                       sum * 1e-9, wall_ns * 1e-9);
    return 0;
}

/* What the framework itself says it holds; most say nothing. */
static void ask_memory(struct session *s)
{
    json_t *reply = NULL;
    if (worker_link_call(s->link, json_pack("{s:s}", "call", "memory"), clock_ns() + (uint64_t)ASK_MS * 1000000, &reply,
                         NULL) < 0)
        return;
    s->weights_bytes = get_bytes(reply, "weights_bytes", s->weights_bytes);
    s->kv_bytes = get_bytes(reply, "kv_bytes", s->kv_bytes);
    s->scratch_bytes = get_bytes(reply, "scratch_bytes", s->scratch_bytes);
    json_decref(reply);
}

static int worker_measure(struct session *s, const struct workload *w, struct sample *out, struct err *e)
{
    int longest = w->n_prompt > w->n_gen ? w->n_prompt : w->n_gen;
    out->prefill_ns = out->decode_ns = out->ttft_ns = NAN;
    out->n_token_ns = 0;
    if (longest > s->n_ctx - w->n_depth)
        return err_set(e, ERR_LIMIT, "%d tokens at depth %d do not fit in a context of %d", longest, w->n_depth,
                       s->n_ctx);
    json_t *reply = NULL, *q = json_pack("{s:s,s:i,s:i,s:i,s:o}", "call", "measure", "n_prompt", w->n_prompt, "n_gen",
                                         w->n_gen, "depth", w->n_depth, "tokens", workload_tokens(s, w));
    if (!q)
        return err_nomem(e, (unsigned long long)longest * 8, "a question to a worker");
    uint64_t t0 = clock_ns();
    int rc = worker_link_call(s->link, q, w->deadline_ns, &reply, e);
    if (rc == 0)
        rc = take_times(s, w, reply, (double)(clock_ns() - t0), out, e);
    json_decref(reply);
    if (rc < 0) {
        out->prefill_ns = out->decode_ns = out->ttft_ns = NAN;
        out->n_token_ns = 0;
        return rc;
    }
    ask_memory(s);
    if (worker_link_process(s->link))
        s->memory = *process_memory(worker_link_process(s->link));
    return 0;
}

/* ---- logits ---- */

static int check_logits(const struct session *s, int n, struct err *e)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < s->n_vocab; k++)
            if (!isfinite(s->logits[(size_t)i * (size_t)s->n_vocab + (size_t)k]))
                return err_set(e, ERR_DATA, "%s made a NaN or infinite logit at position %d", s->info.name, i);
    return 0;
}

/* In the line where there are few, else in the file that was named. */
static int take_logits(struct session *s, const json_t *reply, const char *path, int n, struct err *e)
{
    size_t wanted = (size_t)n * (size_t)s->n_vocab, bytes = 0;
    const json_t *in_line = json_object_get(reply, "logits");
    if (json_get_num(reply, "rows") != n || json_get_num(reply, "vocab") != s->n_vocab)
        return err_set(e, ERR_FORMAT, "%s made logits of %g x %g, not of %d x %d", s->info.name,
                       json_get_num(reply, "rows"), json_get_num(reply, "vocab"), n, s->n_vocab);
    mem_free(s->logits);
    s->logits = NULL;
    if (in_line) {
        s->logits = json_array_size(in_line) == wanted ? mem_alloc_n(wanted, sizeof *s->logits) : NULL;
        for (size_t i = 0; s->logits && i < wanted; i++) {
            const json_t *v = json_array_get(in_line, i);
            s->logits[i] = json_is_number(v) ? (float)json_number_value(v) : NAN;
        }
        bytes = json_array_size(in_line) * sizeof *s->logits;
    } else {
        char *text = NULL;
        int rc = file_read(path, wanted * sizeof *s->logits, &text, &bytes, e);
        if (rc < 0)
            return err_context(e, "logits of %s", s->info.name);
        s->logits = (float *)(void *)text;
    }
    if (bytes != wanted * sizeof *s->logits)
        return err_set(e, ERR_FORMAT, "%s wrote %zu bytes of logits, not %zu", s->info.name, bytes,
                       wanted * sizeof *s->logits);
    return s->logits ? check_logits(s, n, e) : err_nomem(e, wanted * sizeof *s->logits, "logits");
}

static int worker_logits(struct session *s, const int32_t *tokens, int n, const float **out, int *n_vocab,
                         struct err *e)
{
    char path[TEMP_PATH];
    int rc = temp_file(path, "logits", e);
    if (rc < 0)
        return rc;
    json_t *reply = NULL,
           *q = json_pack("{s:s,s:o,s:s}", "call", "logits", "tokens", ids_to_json(tokens, n), "path", path);
    look_at_memory(s, LOOK_MS);
    rc = q ? worker_link_call(s->link, q, patience(s, LOGITS_MS), &reply, e)
           : err_nomem(e, (unsigned long long)n * 8, "a question to a worker");
    look_at_memory(s, 0);
    if (rc == 0)
        rc = take_logits(s, reply, path, n, e);
    json_decref(reply);
    temp_remove(path);
    *out = s->logits;
    *n_vocab = s->n_vocab;
    return rc;
}

static int worker_next(struct session *s, const int32_t *tokens, int n, int32_t *token, struct err *e)
{
    json_t *reply = NULL, *q = json_pack("{s:s,s:o}", "call", "next", "tokens", ids_to_json(tokens, n));
    int rc = q ? worker_link_call(s->link, q, patience(s, LOGITS_MS), &reply, e)
               : err_nomem(e, (unsigned long long)n * 8, "a question to a worker");
    double id = json_get_num(reply, "token");
    json_decref(reply);
    if (rc < 0)
        return rc;
    if (!(id >= 0 && id < s->n_vocab))
        return err_set(e, ERR_FORMAT, "%s told no token of its vocabulary", s->info.name);
    *token = (int32_t)id;
    return 0;
}

/* ---- the record ---- */

static void worker_describe(const struct session *s, struct record *r)
{
    const struct worker_row *row = s->cell->runner->of;
    const struct process_memory *m = &s->memory;
    snprintf(r->framework.name, sizeof r->framework.name, "%s", s->cell->runner->name);
    snprintf(r->framework.version, sizeof r->framework.version, "%s", s->info.version);
    snprintf(r->framework.backend, sizeof r->framework.backend, "%s", s->backend);
    r->framework.gpu_layers = s->gpu_layers;
    snprintf(r->framework.library_sha256, sizeof r->framework.library_sha256, "%s", s->info.library_sha256);
    snprintf(r->kernels, sizeof r->kernels, "%s", s->kernels);
    snprintf(r->workload.kv_type, sizeof r->workload.kv_type, "%s", s->kv);
    char *python = row->script ? worker_python() : NULL;
    snprintf(r->command, sizeof r->command, "%s%s%s %s", python ? python : "", python ? " " : "",
             row->script ? row->script_name : row->program, s->cell->model_path);
    mem_free(python);
    r->workload.n_ctx = s->n_ctx;
    r->speed.load_ms = (struct interval){s->load_ms, NAN, NAN};
    r->memory.weights_bytes = s->weights_bytes >= 0 ? s->weights_bytes : r->memory.weights_bytes;
    r->memory.kv_bytes = s->kv_bytes;
    r->memory.scratch_bytes = s->scratch_bytes;
    r->memory.peak_rss_bytes = m->peak_rss_bytes;
    r->memory.peak_anon_bytes = m->pss_anon_bytes;
    r->memory.peak_file_bytes = m->pss_file_bytes;
}

#define WORKER_FUNCTIONS                                                                                               \
    .offloads = true, .detect = worker_detect, .open = worker_open, .measure = worker_measure,                         \
    .logits = worker_logits, .next = worker_next, .describe = worker_describe, .close = worker_close

struct runner worker_runner(const struct worker_row *row)
{
    return (struct runner){.name = row->name,
                           .doc = "an executable of the worker protocol on PATH",
                           .real = true,
                           .of = row,
                           WORKER_FUNCTIONS};
}

#define W(symbol, name_, formats, package, loads, doc_)                                                                \
    static const struct worker_row row_##symbol = {name_, package, dataset_worker_##symbol, "worker_" #symbol ".py",   \
                                                   NULL};                                                              \
    extern const struct runner runner_##symbol;                                                                        \
    const struct runner runner_##symbol = {.name = name_,                                                              \
                                           .doc = doc_,                                                                \
                                           .real = true,                                                               \
                                           .numerics = formats,                                                        \
                                           .containers = loads,                                                        \
                                           .of = &row_##symbol,                                                        \
                                           WORKER_FUNCTIONS};
#include "bench/runners/workers.def"
#undef W
