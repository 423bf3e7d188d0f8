/* Producers: workers (docs/WORKER_PROTOCOL.md) that answer one call more, `produce`. */
#include "bench/producer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/temp.h"
#include "bench/engine/kld.h"
#include "datasets/catalogue.h"

enum { PRODUCE_MS = 3600000 };

#define P(symbol, name_, package, container_, runner_, doc_)                                                           \
    extern const struct exporter container_;                                                                           \
    static const struct producer producer_##symbol = {                                                                 \
        name_,                                                                                                         \
        doc_,                                                                                                          \
        &container_,                                                                                                   \
        runner_,                                                                                                       \
        {name_, package, dataset_producer_##symbol, "producer_" #symbol ".py", NULL}};
#include "bench/producers.def"
#undef P
const struct producer *const producers[] = {
#define P(symbol, name_, package, container_, runner_, doc_) &producer_##symbol,
#include "bench/producers.def"
#undef P
    NULL,
};

int producer_named(const struct producer **out, const char *name, struct err *e)
{
    char names[128] = "";
    size_t n = 0;
    for (int i = 0; producers[i]; i++) {
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", producers[i]->name);
        *out = producers[i];
        if (strcmp(name, producers[i]->name) == 0)
            return 0;
    }
    return err_set(e, ERR_USAGE, "unknown producer %s; there are %s", name, names);
}

/* ---- what it makes ---- */

static json_t *format_to_json(const struct recipe *r)
{
    return json_pack("{s:s,s:s,s:i,s:b,s:i,s:f,s:s?,s:s?,s:s?,s:s?}", "name", r->name, "codec", r->codec, "bits",
                     r->par.bits, "sym", (int)r->par.sym, "group", (int)r->par.group, "ratio",
                     r->ratio > 0 ? r->ratio : 1.0, "act", r->act, "mix", r->mix, "metric", r->metric, "algorithm",
                     r->algorithm);
}

static void take_result(struct producer_result *out, const struct runner_info *info, const json_t *reply)
{
    snprintf(out->version, sizeof out->version, "%s", info->version);
    snprintf(out->worst, sizeof out->worst, "%s", json_get_str(reply, "worst", ""));
    out->n_matrices = (int)json_get_num(reply, "matrices");
    out->n_unpaired = (int)json_get_num(reply, "unpaired");
    out->n_weights = (int64_t)json_get_num(reply, "weights");
    out->n_differ = (int64_t)json_get_num(reply, "differ");
    out->largest = json_get_num(reply, "largest");
    out->relative = json_get_num(reply, "relative");
}

static int ask(struct producer_result *out, const struct producer *p, const char *dir, const char *target,
               const struct recipe *r, int threads, struct err *e)
{
    struct worker_link *l = NULL;
    struct runner_info info;
    json_t *reply = NULL;
    char plain[TEMP_PATH + 8], ours[TEMP_PATH + 8];
    snprintf(plain, sizeof plain, "%s/plain", dir);
    snprintf(ours, sizeof ours, "%s/ours", dir);
    int rc = worker_link_open(&l, &p->row, &info, e);
    if (rc < 0)
        return rc;
    json_t *q = json_pack("{s:s,s:s,s:s,s:s,s:o,s:i}", "call", "produce", "plain", plain, "ours", ours, "out", target,
                          "format", format_to_json(r), "threads", threads);
    rc = q ? worker_link_call(l, q, clock_ns() + (uint64_t)PRODUCE_MS * 1000000, &reply, e)
           : err_nomem(e, 1000, "a question to a producer");
    if (rc == 0 && !(json_get_num(reply, "matrices") >= 1 && json_get_num(reply, "weights") < 1e15))
        rc = err_set(e, ERR_FORMAT, "%s does not say which matrices it made", p->name);
    if (rc == 0)
        take_result(out, &info, reply);
    json_decref(reply);
    worker_link_close(l);
    return rc;
}

/* ---- in the framework ---- */

/* Logits [n][*n_vocab] of an artifact; mem_free. */
static int logits_of(float **out, int *n_vocab, const struct runner *runner, const char *path, const int32_t *tokens,
                     int n, int threads, struct err *e)
{
    const struct measure_cell cell = {.runner = runner, .model_path = path, .threads = threads, .n_ctx = n};
    struct session *s = NULL;
    const float *rows = NULL;
    int rc = runner->open(&s, &cell, e);
    if (rc < 0)
        return rc;
    rc = runner->logits(s, tokens, n, &rows, n_vocab, e);
    size_t bytes = rc < 0 ? 0 : (size_t)n * (size_t)*n_vocab * sizeof *rows;
    if (rc == 0 && !(*out = mem_alloc(bytes)))
        rc = err_nomem(e, bytes, "logits");
    if (rc == 0)
        memcpy(*out, rows, bytes);
    runner->close(s);
    return rc;
}

static double mean_kld(const float *ref, const float *cand, int n, int n_vocab)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        const float *p = ref + (size_t)i * (size_t)n_vocab, *q = cand + (size_t)i * (size_t)n_vocab;
        struct row_norm pn = row_normalize(p, n_vocab), qn = row_normalize(q, n_vocab);
        sum += row_kld(p, &pn, q, &qn, n_vocab);
    }
    return sum / n;
}

static int run_them(struct producer_result *out, const struct producer *p, const char *dir, const char *its,
                    const int32_t *tokens, int n, int threads, struct err *e)
{
    const struct runner *runner = runner_find(p->runner);
    float *rows[3] = {0};
    char plain[TEMP_PATH + 8], ours[TEMP_PATH + 8];
    int n_vocab[3], rc = 0;
    snprintf(plain, sizeof plain, "%s/plain", dir);
    snprintf(ours, sizeof ours, "%s/ours", dir);
    const char *const path[] = {plain, ours, its};
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = logits_of(&rows[i], &n_vocab[i], runner, path[i], tokens, n, threads, e);
    if (rc == 0 && (n_vocab[1] != n_vocab[0] || n_vocab[2] != n_vocab[0]))
        rc = err_set(e, ERR_FORMAT, "%s made a model of %d tokens from one of %d", p->name, n_vocab[2], n_vocab[0]);
    if (rc == 0) {
        out->n_tokens = n;
        out->kld_ours = mean_kld(rows[0], rows[1], n, n_vocab[0]);
        out->kld_its = mean_kld(rows[0], rows[2], n, n_vocab[0]);
        out->kld_between = mean_kld(rows[1], rows[2], n, n_vocab[0]);
    }
    for (int i = 0; i < 3; i++)
        mem_free(rows[i]);
    return rc;
}

/* ---- all of it ---- */

/* The recipe's name in the files that are made of the floats is nobody's business: they are gone soon. */
static int write_inputs(const struct producer *p, const char *dir, const struct model *m, const struct weights *own,
                        const struct weights *plain, const struct recipe *r, struct err *e)
{
    char path[TEMP_PATH + 8];
    snprintf(path, sizeof path, "%s/ours", dir);
    int rc = p->container->check(m, r, e);
    if (rc == 0)
        rc = p->container->write(path, m, own, r, e);
    snprintf(path, sizeof path, "%s/plain", dir);
    return rc ? rc : p->container->write(path, m, plain, r, e);
}

int producer_run(struct producer_result *out, const struct producer *p, const char *path, const struct model *m,
                 const struct weights *own, const struct weights *plain, const struct recipe *r, const int32_t *tokens,
                 int n_tokens, int threads, struct err *e)
{
    struct dir_out target;
    char dir[TEMP_PATH];
    *out =
        (struct producer_result){.largest = NAN, .relative = NAN, .kld_ours = NAN, .kld_its = NAN, .kld_between = NAN};
    if (exporter_find(r) != p->container)
        return err_set(e, ERR_UNSUPPORTED, "%s makes %s artifacts, and %s is no format of theirs", p->name,
                       p->container->name, r->name);
    int rc = temp_dir(dir, "producer", e);
    if (rc < 0)
        return rc;
    rc = write_inputs(p, dir, m, own, plain, r, e);
    if (rc == 0 && (rc = dir_out_open(&target, path, e)) == 0) {
        rc = ask(out, p, dir, target.temp, r, threads, e);
        if (rc == 0)
            rc = dir_out_commit(&target, e);
        else
            dir_out_abort(&target);
    }
    if (rc == 0 && n_tokens > 0)
        rc = run_them(out, p, dir, path, tokens, n_tokens, threads, e);
    temp_remove(dir);
    return rc;
}
