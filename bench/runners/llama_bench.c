/* llama-bench's rows from json, jsonl, csv or sql cells. Its schema grew from 25 to more than 40 fields over the years;
 * what is read here has kept its name, and what is missing is unknown. */
#include "bench/runners/llama_bench.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct column {
    const char *name;
    bool text;
    size_t offset, size;
} columns[] = {
#define TEXT(m)   {#m, true, offsetof(struct llama_bench_row, m), sizeof(((struct llama_bench_row *)0)->m)},
#define NUMBER(m) {#m, false, offsetof(struct llama_bench_row, m), sizeof(double)},
    TEXT(build_commit) TEXT(cpu_info) TEXT(gpu_info) TEXT(backends) TEXT(model_filename) TEXT(model_type) TEXT(type_k)
        TEXT(test_time) NUMBER(build_number) NUMBER(model_size) NUMBER(model_n_params) NUMBER(n_batch) NUMBER(n_threads)
            NUMBER(n_gpu_layers) NUMBER(n_prompt) NUMBER(n_gen) NUMBER(n_depth) NUMBER(avg_ns) NUMBER(avg_ts)
#undef TEXT
#undef NUMBER
};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

/* Builds before October 2024 had a flag per backend in place of `backends`. */
static const char *const backend_flags[] = {"cuda", "vulkan", "metal", "sycl", "kompute", "opencl", "rpc"};

void llama_bench_row_init(struct llama_bench_row *r)
{
    memset(r, 0, sizeof *r);
    for (int i = 0; i < N_COLUMNS; i++)
        if (!columns[i].text)
            *(double *)(void *)((char *)r + columns[i].offset) = NAN;
}

static double number(const char *text)
{
    char *end;
    double v = strtod(text, &end);
    return end != text && *end == 0 ? v : NAN;
}

void llama_bench_row_set(struct llama_bench_row *r, const char *column, const char *text)
{
    for (int i = 0; i < N_COLUMNS; i++) {
        if (strcmp(columns[i].name, column) != 0)
            continue;
        char *p = (char *)r + columns[i].offset;
        if (columns[i].text)
            snprintf(p, columns[i].size, "%s", text);
        else
            *(double *)(void *)p = number(text);
        return;
    }
    for (size_t i = 0; i < sizeof backend_flags / sizeof *backend_flags; i++)
        if (strcmp(backend_flags[i], column) == 0 && (strcmp(text, "1") == 0 || strcmp(text, "true") == 0))
            snprintf(r->backends, sizeof r->backends, "%s", column);
}

static void samples_from_json(struct samples *s, const json_t *a)
{
    for (size_t i = 0; i < json_array_size(a) && s->n < RECORD_MAX_SAMPLES; i++)
        if (json_is_number(json_array_get(a, i)) && json_number_value(json_array_get(a, i)) > 0)
            s->x[s->n++] = json_number_value(json_array_get(a, i));
}

void llama_bench_row_from_json(struct llama_bench_row *r, const json_t *o)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, key, v)
    {
        char digits[40];
        snprintf(digits, sizeof digits, "%.17g", json_is_true(v) ? 1 : json_number_value(v));
        if (json_is_string(v) || json_is_number(v) || json_is_boolean(v))
            llama_bench_row_set(r, key, json_is_string(v) ? json_string_value(v) : digits);
    }
    samples_from_json(&r->ns, json_object_get(o, "samples_ns"));
}

bool llama_bench_row_finish(struct llama_bench_row *r, const char **why)
{
    double tokens = (r->n_prompt > 0 ? r->n_prompt : 0) + (r->n_gen > 0 ? r->n_gen : 0);
    r->n_depth = r->n_depth > 0 ? r->n_depth : 0;
    if (!(tokens > 0 && tokens < 1e8 && r->n_depth < 1e8)) {
        *why = "it names no tokens (n_prompt, n_gen)";
        return false;
    }
    if (!(r->avg_ns > 0) && r->ns.n > 0)
        r->avg_ns = stats_mean(r->ns.x, r->ns.n);
    if (!(r->avg_ns > 0) && r->avg_ts > 0)
        r->avg_ns = 1e9 * tokens / r->avg_ts;
    if (!(r->avg_ns > 0 && r->avg_ns < 1e18)) {
        *why = "it tells no time (avg_ns, avg_ts, samples_ns)";
        return false;
    }
    return true;
}

static int one_object(const json_t *o, int (*fn)(void *, const struct llama_bench_row *), void *arg)
{
    struct llama_bench_row r;
    if (!json_is_object(o))
        return 0;
    llama_bench_row_init(&r);
    llama_bench_row_from_json(&r, o);
    return fn(arg, &r);
}

static int each_line(const char *text, size_t n, int (*fn)(void *, const struct llama_bench_row *), void *arg)
{
    int n_rows = 0;
    for (const char *p = text, *end = text + n; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop ? stop : end;
        json_t *o = *p == '{' ? json_loadb(p, (size_t)(stop - p), 0, NULL) : NULL;
        int rc = o ? one_object(o, fn, arg) : 0;
        n_rows += o != NULL;
        json_decref(o);
        if (rc)
            return rc;
        p = stop + 1;
    }
    return n_rows;
}

int llama_bench_each(const char *text, size_t n, int (*fn)(void *, const struct llama_bench_row *), void *arg)
{
    json_t *a = json_loadb(text, n, 0, NULL);
    if (!json_is_array(a)) {
        json_decref(a);
        return each_line(text, n, fn, arg);
    }
    int rc = 0, n_rows = (int)json_array_size(a);
    for (int i = 0; i < n_rows && rc == 0; i++)
        rc = one_object(json_array_get(a, (size_t)i), fn, arg);
    json_decref(a);
    return rc ? rc : n_rows;
}

/* ---- into a record ---- */

const char *llama_bench_format(const char *model_type, size_t *n)
{
    static const struct {
        const char *label, *format;
    } labels[] = {
#define L(label, format) {label, format},
#include "bench/runners/llama_labels.def"
#undef L
    };
    const char *found = NULL;
    size_t all = strlen(model_type), longest = 0;
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        size_t k = strlen(labels[i].label);
        bool ends = k <= all && strcmp(model_type + all - k, labels[i].label) == 0;
        if (ends && k > longest && (k == all || model_type[all - k - 1] == ' ')) { /* "BF16" also ends in "F16" */
            longest = k;
            found = labels[i].format;
        }
    }
    *n = all - longest;
    while (*n > 0 && model_type[*n - 1] == ' ')
        --*n;
    return found;
}

/* Builds tell -1 where they chose the layers themselves, and some thousand where all were asked for. */
enum { ALL_LAYERS = 999 };
static int layers_of(double n)
{
    return n >= 0 && n < ALL_LAYERS ? (int)n : -1;
}

bool llama_bench_on_cpu(const struct llama_bench_row *row)
{
    const char *p = row->backends;
    size_t n = strcspn(p, ",");
    return n == 0 || row->n_gpu_layers == 0 || strncasecmp(p, "CPU", n) == 0 || strncasecmp(p, "BLAS", n) == 0;
}

/* "CUDA", "CPU", "BLAS,CPU": the first that is not the CPU itself, in lower case; "cpu" when nothing went elsewhere. */
static void backend_name(char *out, size_t size, const struct llama_bench_row *row)
{
    const char *p = llama_bench_on_cpu(row) ? "cpu" : row->backends;
    snprintf(out, size, "%.*s", (int)strcspn(p, ","), p);
    for (; *out; out++)
        *out = (char)tolower((unsigned char)*out);
}

static int whole(double v)
{
    return v > 0 && v < 2e9 ? (int)v : 0;
}

void llama_bench_describe(const struct llama_bench_row *row, struct record *r)
{
    size_t n = 0;
    const char *format = llama_bench_format(row->model_type, &n), *slash = strrchr(row->model_filename, '/');
    snprintf(r->framework.name, sizeof r->framework.name, "llama.cpp");
    snprintf(r->framework.numerics, sizeof r->framework.numerics, "llama.cpp");
    if (row->build_commit[0])
        snprintf(r->framework.version, sizeof r->framework.version, "b%d-%s", whole(row->build_number),
                 row->build_commit);
    backend_name(r->framework.backend, sizeof r->framework.backend, row);
    r->framework.gpu_layers = llama_bench_on_cpu(row) ? 0 : layers_of(row->n_gpu_layers);
    if (!r->model.name[0])
        snprintf(r->model.name, sizeof r->model.name, "%s", slash ? slash + 1 : row->model_filename);
    if (!r->model.arch[0])
        snprintf(r->model.arch, sizeof r->model.arch, "%.*s", (int)strcspn(row->model_type, " "), row->model_type);
    if (!r->format.name[0] && format)
        snprintf(r->format.name, sizeof r->format.name, "%s", format);
    if (r->format.bytes < 0 && row->model_size > 0 && row->model_size < 9e15)
        r->format.bytes = (int64_t)row->model_size;
    if (r->model.n_params == 0 && row->model_n_params > 0 && row->model_n_params < 9e15)
        r->model.n_params = (int64_t)row->model_n_params;
    if (isnan(r->format.bits_per_weight) && r->model.n_params > 0 && r->format.bytes > 0)
        r->format.bits_per_weight = 8.0 * (double)r->format.bytes / (double)r->model.n_params;
    if (r->memory.weights_bytes < 0)
        r->memory.weights_bytes = r->format.bytes;
    snprintf(r->workload.kv_type, sizeof r->workload.kv_type, "%s", row->type_k);
    r->workload.threads = whole(row->n_threads);
    r->workload.n_batch = whole(row->n_batch);
}
