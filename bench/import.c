/* Import: which reader understands a file, and llama-bench's rows into records. */
#include "bench/import_state.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"

static const size_t most_bytes = (size_t)256 << 20;

struct record *import_add(struct import *im)
{
    if (im->n == im->cap) {
        int cap = im->cap ? 2 * im->cap : 16;
        struct record *rec = mem_resize(im->rec, (size_t)cap * sizeof *rec);
        im->rec = rec ? rec : im->rec;
        struct llama_bench_row *row = rec ? mem_resize(im->row, (size_t)cap * sizeof *row) : NULL;
        im->row = row ? row : im->row;
        if (!row) {
            err_nomem(im->e, (unsigned long long)cap * sizeof *rec, im->where);
            return NULL;
        }
        im->cap = cap;
    }
    struct record *r = &im->rec[im->n];
    char hash[65];
    llama_bench_row_init(&im->row[im->n++]);
    record_init(r);
    sha256_hex(im->text, im->size, hash);
    snprintf(r->run_id, sizeof r->run_id, "import-%.16s", hash);
    snprintf(r->device, sizeof r->device, "%s", im->device ? im->device : "");
    snprintf(r->tool_version, sizeof r->tool_version, "%s", WHICHQUANT_VERSION);
    return r;
}

/* ---- llama-bench ---- */

static bool same_run(const struct llama_bench_row *a, const struct llama_bench_row *b)
{
    return strcmp(a->build_commit, b->build_commit) == 0 && strcmp(a->cpu_info, b->cpu_info) == 0 &&
           strcmp(a->gpu_info, b->gpu_info) == 0 && strcmp(a->backends, b->backends) == 0 &&
           strcmp(a->model_filename, b->model_filename) == 0 && strcmp(a->model_type, b->model_type) == 0 &&
           strcmp(a->type_k, b->type_k) == 0 && a->model_size == b->model_size && a->n_batch == b->n_batch &&
           a->n_threads == b->n_threads && a->n_gpu_layers == b->n_gpu_layers && a->n_depth == b->n_depth;
}

/* The speed of one phase: from the samples, or the mean alone where the file holds no samples (csv, sql). */
static void put_phase(struct record *r, const struct llama_bench_row *row, bool decode)
{
    int n = (int)(decode ? row->n_gen : row->n_prompt);
    double rate[RECORD_MAX_SAMPLES];
    for (int i = 0; i < row->ns.n; i++)
        rate[i] = 1e9 * n / row->ns.x[i];
    struct interval mean = {row->avg_ts > 0 ? row->avg_ts : 1e9 * n / row->avg_ns, NAN, NAN};
    struct interval speed = row->ns.n > 0 ? stats_bootstrap_median(rate, row->ns.n, 42) : mean;
    *(decode ? &r->speed.decode_tok_s : &r->speed.prefill_tok_s) = speed;
    *(decode ? &r->speed.decode_ns : &r->speed.prefill_ns) = row->ns;
    *(decode ? &r->workload.n_gen : &r->workload.n_prompt) = n;
    r->speed.low_confidence |= row->ns.n < 5;
    r->speed_from = FROM_MEASURED;
    double ns = row->ns.n > 0 ? stats_median(row->ns.x, row->ns.n) : row->avg_ns;
    if (decode)
        r->speed.tpot_p50_ms = ns / n * 1e-6;
    else
        r->speed.ttft_ms = (struct interval){ns * 1e-6, NAN, NAN};
}

static struct record *record_for(struct import *im, const struct llama_bench_row *row, bool decode)
{
    for (int i = 0; i < im->n; i++) {
        bool lacks = decode ? im->rec[i].workload.n_gen == 0 : im->rec[i].workload.n_prompt == 0;
        if (lacks && im->rec[i].status == STATUS_OK && same_run(&im->row[i], row))
            return &im->rec[i];
    }
    struct record *r = import_add(im);
    if (!r)
        return NULL;
    im->row[im->n - 1] = *row;
    llama_bench_describe(row, r);
    if (!im->device)
        snprintf(r->device, sizeof r->device, "%s%s%s", row->cpu_info, *row->gpu_info ? ", " : "", row->gpu_info);
    snprintf(r->date, sizeof r->date, "%s", row->test_time);
    r->workload.n_depth = (int)row->n_depth;
    return r;
}

int import_llama_bench_row(struct import *im, const struct llama_bench_row *given)
{
    struct llama_bench_row row = *given;
    const char *why = NULL;
    bool usable = llama_bench_row_finish(&row, &why), both = usable && row.n_prompt > 0 && row.n_gen > 0;
    struct record *r = usable && !both ? record_for(im, &row, row.n_gen > 0) : import_add(im);
    if (!r)
        return ERR_NOMEM;
    if (usable && !both) {
        put_phase(r, &row, row.n_gen > 0);
        record_cell_id(r);
        return 0;
    }
    if (usable)
        llama_bench_describe(&row, r);
    r->status = both ? STATUS_UNSUPPORTED : STATUS_FAILED;
    if (both)
        snprintf(r->reason, sizeof r->reason,
                 "pp%d+tg%d: llama-bench's pg test mixes prompt and generation in one time, "
                 "which can be read as neither",
                 (int)row.n_prompt, (int)row.n_gen);
    else
        snprintf(r->reason, sizeof r->reason, "a row of llama-bench that cannot be used: %s", why);
    return 0;
}

static int add_row(void *arg, const struct llama_bench_row *row)
{
    return import_llama_bench_row(arg, row);
}

static int import_json_llama_bench(struct import *im)
{
    return llama_bench_each(im->text, im->size, add_row, im);
}

/* ---- our own records ---- */

static int import_records(struct import *im)
{
    int line = 0;
    for (const char *p = im->text; *p; line++) {
        size_t n = strcspn(p, "\n");
        json_t *j = NULL;
        char where[300];
        snprintf(where, sizeof where, "%.200s, line %d", im->where, line + 1);
        bool blank = strspn(p, " \t\r") >= n;
        int rc = blank ? 0 : json_parse(&j, p, n, where, im->e);
        struct record *r = rc == 0 && !blank ? import_add(im) : NULL;
        if (rc == 0 && !blank)
            rc = !r ? ERR_NOMEM : record_from_json(r, j, im->e) < 0 ? err_context(im->e, "%s", where) : 0;
        if (r && rc == 0 && im->device) {
            memset(r->device, 0, sizeof r->device);
            snprintf(r->device, sizeof r->device, "%s", im->device);
        }
        json_decref(j);
        if (rc < 0)
            return rc;
        p += n + (p[n] == '\n');
    }
    return im->n;
}

/* ---- which reader ---- */

/* `word` before any line break: the header of a CSV, the first object of JSON lines. */
static bool first_line_has(const char *text, const char *word)
{
    const char *at = strstr(text, word), *end = strchr(text, '\n');
    return at && (!end || at < end);
}

static bool is_records(const char *t)
{
    return *t == '{' && first_line_has(t, "\"schema\"") && first_line_has(t, "\"cell_id\"");
}
static bool is_json(const char *t)
{
    return (*t == '{' || *t == '[') && strstr(t, "\"n_prompt\"");
}
static bool is_sql(const char *t)
{
    return strstr(t, "INSERT INTO llama_bench") != NULL;
}
static bool is_csv(const char *t)
{
    return first_line_has(t, "n_prompt") && first_line_has(t, "n_gen");
}
static bool is_metrics(const char *t)
{
    return first_line_has(t, "metric") && first_line_has(t, "value");
}
static bool is_perplexity(const char *t)
{
    return strstr(t, "PPL") || strstr(t, "KLD");
}

static const struct {
    const char *what;
    bool (*is)(const char *text);
    int (*read)(struct import *im);
} readers[] = {
    {"records.jsonl", is_records, import_records},        {"llama-bench json", is_json, import_json_llama_bench},
    {"llama-bench sql", is_sql, import_sql_llama_bench},  {"llama-bench csv", is_csv, import_csv_llama_bench},
    {"metric,value csv", is_metrics, import_csv_metrics}, {"llama-perplexity output", is_perplexity, import_perplexity},
};

static int read_any(struct import *im)
{
    const char *start = im->text + strspn(im->text, " \t\r\n\xef\xbb\xbf");
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        if (!readers[i].is(start))
            continue;
        im->size -= (size_t)(start - im->text);
        im->text = start;
        int n = readers[i].read(im);
        if (n < 0)
            return n;
        return n > 0 && im->n > 0 ? 0
                                  : err_set(im->e, ERR_FORMAT, "%s looks like %s, but holds nothing that can be used",
                                            im->where, readers[i].what);
    }
    return err_set(im->e, ERR_FORMAT,
                   "%s is nothing that can be imported: give records.jsonl, llama-bench json, jsonl, csv "
                   "or sql, the output of llama-perplexity, or a CSV with the columns metric,value",
                   im->where);
}

int import_text(const char *text, size_t size, const char *where, const char *device, struct record **out, int *n,
                struct err *e)
{
    struct err local = {0};
    struct import im = {.text = text, .size = size, .where = where, .device = device, .e = e ? e : &local};
    *out = NULL;
    *n = 0;
    int rc =
        strlen(text) != size ? err_set(im.e, ERR_FORMAT, "%s holds a zero byte: it is no text", where) : read_any(&im);
    mem_free(im.row);
    if (rc < 0) {
        mem_free(im.rec);
        return rc;
    }
    *out = im.rec;
    *n = im.n;
    return 0;
}

int import_file(const char *path, const char *device, struct record **out, int *n, struct err *e)
{
    char *text;
    size_t size;
    int rc = file_read(path, most_bytes, &text, &size, e);
    if (rc < 0)
        return rc;
    rc = import_text(text, size, path, device, out, n, e);
    mem_free(text);
    return rc;
}
