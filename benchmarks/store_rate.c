/* How fast the store takes records and gives series back: store_rate PLACE [RUNS].
 * 300 cells, a run a night each, 10 repetitions a run, 9 figures; from a file of JSON lines, as `history import` reads
 * it. Then the newest 31 points of every watched series (the gate), every point of them (the dashboard), and a whole
 * `history verify`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "bench/store_file.h"

enum { CELLS = 300, REPS = 5 };

static void fill(struct record *r, int night, int cell, struct rng *rng)
{
    record_init(r);
    clock_format(r->date, 1704067200 + (int64_t)night * 86400);
    snprintf(r->run_id, sizeof r->run_id, "night%d", night);
    snprintf(r->tool_commit, sizeof r->tool_commit, "%07x", night);
    snprintf(r->env_sha256, sizeof r->env_sha256, "%064d", 1);
    snprintf(r->hw_sha256, sizeof r->hw_sha256, "%064d", 2);
    snprintf(r->device, sizeof r->device, "a machine");
    snprintf(r->model.name, sizeof r->model.name, "model-%d", cell / 30);
    snprintf(r->model.sha256, sizeof r->model.sha256, "%064d", cell / 30);
    snprintf(r->format.name, sizeof r->format.name, "gguf/format-%d", cell % 30);
    snprintf(r->framework.name, sizeof r->framework.name, "llama.cpp");
    snprintf(r->framework.version, sizeof r->framework.version, "b%d-%07x", 6000 + night, night);
    r->workload.n_prompt = 512;
    r->workload.n_gen = 64;
    r->workload.threads = 4;
    r->speed_from = r->memory_from = FROM_MEASURED;
    r->speed.decode_ns.n = r->speed.prefill_ns.n = REPS;
    for (int i = 0; i < REPS; i++) {
        r->speed.decode_ns.x[i] = 64e9 / (40 + 0.01 * (double)rng_below(rng, 100));
        r->speed.prefill_ns.x[i] = 512e9 / (900 + 0.1 * (double)rng_below(rng, 100));
    }
    double ns = stats_median(r->speed.decode_ns.x, REPS), prompt_ns = stats_median(r->speed.prefill_ns.x, REPS);
    r->speed.decode_tok_s = stats_exact(64e9 / ns);
    r->speed.prefill_tok_s = stats_exact(512e9 / prompt_ns);
    r->speed.ttft_ms = stats_exact(prompt_ns * 1e-6);
    r->speed.tpot_p50_ms = ns / 64 * 1e-6;
    r->speed.bandwidth_gb_s = 20;
    r->memory.weights_bytes = 1000000 + cell;
    r->memory.kv_bytes = 4096;
    r->memory.peak_rss_bytes = 2000000 + (int64_t)rng_below(rng, 1000);
    r->energy_j_per_tok = 0.5;
}

static int write_runs(const char *path, int n_runs, struct err *e)
{
    struct file_out f;
    struct rng rng;
    struct record *r = mem_alloc(sizeof *r);
    rng_seed(&rng, 1);
    int rc = r ? file_out_open(&f, path, e) : err_nomem(e, sizeof *r, "a record");
    for (int i = 0; i < n_runs && rc == 0; i++) {
        struct sbuf b = {0};
        fill(r, i / CELLS, i % CELLS, &rng);
        json_t *j = record_to_json(r);
        json_print(&b, j, 0);
        json_decref(j);
        sbuf_putc(&b, '\n');
        rc = file_out_write(&f, sbuf_str(&b), b.n);
        sbuf_free(&b);
    }
    mem_free(r);
    return rc == 0 ? file_out_commit(&f, e) : rc;
}

static int count_points(void *arg, const struct series *x)
{
    *(int64_t *)arg += x->n;
    return 0;
}

static double seconds_since(uint64_t t0)
{
    return (double)(clock_ns() - t0) * 1e-9;
}

static int read_back(struct store *s, const char *what, const struct series_filter *f, struct err *e)
{
    double best = 1e9;
    int64_t n = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t t0 = clock_ns();
        n = 0;
        int rc = series_each(s, f, count_points, &n, e);
        if (rc < 0)
            return rc;
        best = fmin(best, seconds_since(t0));
    }
    printf("%s: %" PRId64 " points in %.3f s (best of 3)\n", what, n, best);
    return 0;
}

static void say(void *arg, const char *sentence)
{
    (void)arg;
    puts(sentence);
}

static int measure(const char *place, const char *file, int n_runs, struct err *e)
{
    struct store *s;
    struct import_count n = {0};
    struct verify_count v;
    int rc = write_runs(file, n_runs, e);
    if (rc == 0)
        rc = store_open(&s, place, e);
    if (rc < 0)
        return rc;
    uint64_t t0 = clock_ns();
    rc = store_import(s, file, &n, e);
    double took = seconds_since(t0);
    if (rc == 0)
        printf("ingest: %" PRId64 " runs, %" PRId64 " repetitions in %.1f s: %.0f runs/s, %.0f repetitions/s\n",
               n.records, n.records * 2 * REPS, took, (double)n.records / took, (double)n.records * 2 * REPS / took);
    if (rc == 0)
        rc = read_back(s, "gate: the newest 31 of every watched series", &(struct series_filter){.newest = 31}, e);
    if (rc == 0)
        rc = read_back(s, "dashboard: every watched series", NULL, e);
    t0 = clock_ns();
    if (rc == 0)
        rc = store_verify(s, say, NULL, &v, e);
    if (rc == 0)
        printf("verify: %" PRId64 " problems in %.1f s\n", v.problems, seconds_since(t0));
    t0 = clock_ns();
    store_close(s);
    s = NULL;
    if (rc == 0)
        rc = store_open(&s, place, e);
    if (rc == 0)
        printf("open: %.3f s\n", seconds_since(t0));
    store_close(s);
    return rc;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    char folder[] = "/tmp/store-rate-XXXXXX", file[64];
    int n_runs = argc > 2 ? atoi(argv[2]) : 100200;
    if (argc < 2 || n_runs < 1 || !mkdtemp(folder)) {
        fputs("usage: store_rate PLACE [RUNS]\n", stderr);
        return 2;
    }
    snprintf(file, sizeof file, "%s/runs.jsonl", folder);
    int rc = measure(argv[1], file, n_runs, &e);
    unlink(file);
    rmdir(folder);
    if (rc < 0)
        fprintf(stderr, "store_rate: %s\n", e.text);
    return rc < 0;
}
