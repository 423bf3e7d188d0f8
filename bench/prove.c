/* Cells of the execution proof: what they hold, how logits are judged, and the child that fills one. */
#include "bench/prove.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/kld.h"

/* ---- the cell ---- */

void prove_cell_init(struct prove_cell *c, const char *framework, const char *format, const char *isa)
{
    *c = (struct prove_cell){.status = STATUS_OK, .kld = NAN, .seconds = NAN, .memory_bytes = -1};
    snprintf(c->framework, sizeof c->framework, "%s", framework);
    snprintf(c->format, sizeof c->format, "%s", format);
    snprintf(c->isa, sizeof c->isa, "%s", isa);
}

enum kind { TEXT, STATUS, NUMBER, BYTES };
static const struct column {
    const char *name;
    enum kind kind;
    size_t at, size;
} columns[] = {
#define FIELD(kind, field)                                                                                             \
    {                                                                                                                  \
        #field, kind, offsetof(struct prove_cell, field), sizeof(((struct prove_cell *)0)->field)                      \
    }
    FIELD(TEXT, framework), FIELD(TEXT, version),       FIELD(TEXT, backend), FIELD(TEXT, format),
    FIELD(TEXT, isa),       FIELD(STATUS, status),      FIELD(TEXT, reason),  FIELD(NUMBER, kld),
    FIELD(NUMBER, seconds), FIELD(BYTES, memory_bytes), FIELD(TEXT, kernels),
#undef FIELD
};
enum { N_COLUMNS = sizeof columns / sizeof *columns, FIRST_TOLD = 1 };

static bool is_identity(const struct column *k)
{
    return k->at == offsetof(struct prove_cell, framework) || k->at == offsetof(struct prove_cell, format) ||
           k->at == offsetof(struct prove_cell, isa);
}

static const void *field_of(const struct prove_cell *c, const struct column *k)
{
    return (const char *)c + k->at;
}

json_t *prove_cell_to_json(const struct prove_cell *c)
{
    json_t *o = json_object();
    for (int i = 0; i < N_COLUMNS; i++) {
        const void *v = field_of(c, &columns[i]);
        switch (columns[i].kind) {
        case TEXT:
            json_put(o, columns[i].name, json_string(v));
            break;
        case STATUS:
            json_put(o, columns[i].name, json_string(record_status_name(*(const enum record_status *)v)));
            break;
        case NUMBER:
            json_put(o, columns[i].name, json_num(*(const double *)v));
            break;
        case BYTES:
            json_put(o, columns[i].name, *(const int64_t *)v < 0 ? json_null() : json_integer(*(const int64_t *)v));
            break;
        }
    }
    return o;
}

int prove_cell_from_json(struct prove_cell *c, const json_t *j, struct err *e)
{
    int status = record_status_find(json_get_str(j, "status", ""));
    if (status < 0)
        return err_set(e, ERR_FORMAT, "a proof without a status");
    for (int i = 0; i < N_COLUMNS; i++) {
        void *v = (char *)c + columns[i].at;
        double number = json_get_num(j, columns[i].name);
        if (columns[i].kind == TEXT && !is_identity(&columns[i]))
            snprintf(v, columns[i].size, "%s", json_get_str(j, columns[i].name, ""));
        else if (columns[i].kind == NUMBER)
            *(double *)v = number;
        else if (columns[i].kind == BYTES)
            *(int64_t *)v = number >= 0 && number < 0x1p60 ? (int64_t)number : -1;
    }
    c->status = (enum record_status)status;
    return 0;
}

const char *prove_column(int i)
{
    return i < N_COLUMNS ? columns[i].name : NULL;
}

void prove_column_text(const struct prove_cell *c, int i, char out[256])
{
    const void *v = field_of(c, &columns[i]);
    out[0] = 0;
    if (columns[i].kind == TEXT)
        snprintf(out, 256, "%s", (const char *)v);
    else if (columns[i].kind == STATUS)
        snprintf(out, 256, "%s", record_status_name(*(const enum record_status *)v));
    else if (columns[i].kind == NUMBER && isfinite(*(const double *)v))
        snprintf(out, 256, "%.6g", *(const double *)v);
    else if (columns[i].kind == BYTES && *(const int64_t *)v >= 0)
        snprintf(out, 256, "%lld", (long long)*(const int64_t *)v);
}

/* ---- judging ---- */

void prove_fail(struct prove_cell *c, int code, const char *why)
{
    c->status = record_status_of(code);
    snprintf(c->reason, sizeof c->reason, "%s", why);
}

static bool all_finite(const float *x, int n)
{
    for (int i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

void prove_compare(struct prove_cell *c, const float *want, const float *got, int n, int n_vocab, double limit)
{
    double sum = 0;
    char why[128];
    for (int i = 0; i < n; i++, want += n_vocab, got += n_vocab) {
        if (!all_finite(got, n_vocab)) {
            snprintf(why, sizeof why, "it made a NaN or infinite logit at position %d", i);
            prove_fail(c, ERR_DATA, why);
            return;
        }
        struct row_norm wn = row_normalize(want, n_vocab), gn = row_normalize(got, n_vocab);
        sum += row_kld(want, &wn, got, &gn, n_vocab);
    }
    c->kld = sum / n;
    if (c->kld <= limit)
        return;
    snprintf(why, sizeof why, "wrong logits: KLD %.3g against the same arithmetic in plain C, more than %g", c->kld,
             limit);
    prove_fail(c, ERR_DATA, why);
}

/* ---- the child ---- */

/* What it prints last is the cell. */
static int read_cell(struct prove_cell *c, const struct child_result *r, struct err *e)
{
    size_t n = r->n_out;
    while (n > 0 && r->out[n - 1] == '\n')
        n--;
    size_t begin = n;
    while (begin > 0 && r->out[begin - 1] != '\n')
        begin--;
    json_t *o = NULL;
    int rc = json_parse(&o, r->out + begin, n - begin, "a proof", e);
    if (rc == 0)
        rc = prove_cell_from_json(c, o, e);
    json_decref(o);
    return rc;
}

static void say_how_it_ended(struct prove_cell *c, const struct child_result *r, const struct prove_limits *l)
{
    char said[128], why[256];
    text_last_line(said, sizeof said, *r->err ? r->err : r->out);
    if (r->too_large) {
        snprintf(why, sizeof why, "out of memory: it took more than %.2f GiB and was stopped",
                 (double)l->max_memory_bytes / 0x1p30);
        prove_fail(c, ERR_LIMIT, why);
    } else if (r->timed_out) {
        snprintf(why, sizeof why, "it was not done within %.3g s and was stopped; it last said: %s",
                 l->timeout_ms / 1e3, said);
        prove_fail(c, ERR_TIMEOUT, why);
    } else if (r->signal) {
        snprintf(why, sizeof why, "it died of signal %d (%s); it last said: %s", r->signal, strsignal(r->signal), said);
        prove_fail(c, ERR_CRASHED, why);
    } else {
        snprintf(why, sizeof why, "it ended with exit code %d and no result; it last said: %s", r->exit_code, said);
        prove_fail(c, ERR_FORMAT, why);
    }
}

int prove_run(struct prove_cell *c, const char *const *argv, const struct prove_limits *l, struct err *e)
{
    struct child_cmd cmd = {.argv = argv, .timeout_ms = l->timeout_ms, .max_memory_bytes = l->max_memory_bytes};
    struct child_result r;
    struct err why = {0};
    int rc = child_run(&cmd, &r, &why);
    if (rc < 0) {
        prove_fail(c, rc, why.text);
        return 0;
    }
    bool ended = !r.too_large && !r.timed_out && !r.signal && r.exit_code == 0;
    if (interrupt_seen())
        rc = err_set(e, ERR_CANCELLED, "interrupted");
    else if (!ended || read_cell(c, &r, &why) < 0)
        say_how_it_ended(c, &r, l);
    c->seconds = (double)r.wall_ns * 1e-9;
    if (c->memory_bytes < 0 && r.peak_rss_bytes)
        c->memory_bytes = (int64_t)r.peak_rss_bytes;
    child_result_free(&r);
    return rc;
}
