/* Running two commands in turn. */
#include "bench/ab.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"

static int find_metric(struct ab_result *r, const struct ab_figure *f, struct ab_metric **out, struct err *e)
{
    for (int i = 0; i < r->n; i++)
        if (strcmp(r->metric[i].name, f->name) == 0) {
            *out = &r->metric[i];
            return 0;
        }
    struct ab_metric *m = mem_resize(r->metric, (size_t)(r->n + 1) * sizeof *m);
    if (!m)
        return err_nomem(e, (size_t)(r->n + 1) * sizeof *m, "the metrics");
    r->metric = m;
    *out = &m[r->n++];
    **out = (struct ab_metric){.better = f->better};
    memcpy((*out)->name, f->name, sizeof f->name);
    memcpy((*out)->unit, f->unit, sizeof f->unit);
    return 0;
}

static int put_figure(struct ab_result *r, int side, int64_t time, const struct ab_figure *f, struct err *e)
{
    struct ab_metric *m = NULL;
    int rc = find_metric(r, f, &m, e);
    if (rc < 0 || !isfinite(f->value) || m->n[side] == AB_MOST_RUNS)
        return rc;
    if (m->unit[0] && strcmp(m->unit, f->unit) != 0)
        return err_set(e, ERR_FORMAT, "%s is in %.20s here and in %.20s there", f->name, m->unit, f->unit);
    struct ab_run *run = mem_resize(m->run[side], (size_t)(m->n[side] + 1) * sizeof *run);
    if (!run)
        return err_nomem(e, (size_t)(m->n[side] + 1) * sizeof *run, "the runs");
    m->run[side] = run;
    run[m->n[side]++] = (struct ab_run){time, f->value};
    return 0;
}

static int put_wall(struct ab_result *r, int side, int64_t time, const struct child_result *c, struct err *e)
{
    struct ab_figure wall = {"wall_s", "s", -1, (double)c->wall_ns * 1e-9};
    struct ab_figure peak = {"peak_rss_bytes", "B", -1, (double)c->peak_rss_bytes};
    int rc = put_figure(r, side, time, &wall, e);
    return rc == 0 && c->peak_rss_bytes ? put_figure(r, side, time, &peak, e) : rc;
}

static int put_printed(struct ab_result *r, int side, int64_t time, const struct child_result *c, struct err *e)
{
    struct ab_figure *f = NULL;
    int n = 0, rc = ab_read_figures(&f, &n, c->out, c->n_out, e);
    for (int i = 0; i < n && rc == 0; i++)
        rc = put_figure(r, side, time, &f[i], e);
    mem_free(f);
    return rc;
}

static int check_end(const struct ab_options *o, const struct child_result *c, struct err *e)
{
    char last[200];
    text_last_line(last, sizeof last, c->n_err ? c->err : c->out);
    if (c->timed_out)
        return err_set(e, ERR_TIMEOUT, "it took longer than %.0f s (--timeout)", o->timeout_ms / 1000.0);
    if (c->signal)
        return err_set(e, ERR_CRASHED, "it died of signal %d; it said last: %s", c->signal, last);
    if (c->exit_code)
        return err_set(e, ERR_IO, "it ended with code %d; it said last: %s", c->exit_code, last);
    return 0;
}

static int run_one(struct ab_result *r, const struct ab_options *o, int side, struct err *e)
{
    const char *const argv[] = {"/bin/sh", "-c", o->command[side], NULL};
    struct child_cmd cmd = {.argv = argv, .timeout_ms = o->timeout_ms};
    struct child_result c = {0};
    int64_t now = (int64_t)time(NULL);
    int rc = child_run(&cmd, &c, e);
    if (rc == 0 && interrupt_seen())
        rc = ERR_CANCELLED;
    if (rc == 0)
        rc = check_end(o, &c, e);
    if (rc == 0)
        rc = o->wall ? put_wall(r, side, now, &c, e) : put_printed(r, side, now, &c, e);
    child_result_free(&c);
    if (rc < 0 && rc != ERR_CANCELLED)
        err_context(e, "command %c, %.100s", "AB"[side], o -> command[side]);
    return rc;
}

int ab_run(struct ab_result *out, const struct ab_options *o, struct err *e)
{
    struct rng order;
    int rc = 0, first = 0;
    *out = (struct ab_result){0};
    rng_seed_text(&order, o->seed, "order of A and B");
    for (int i = 0; i < 2 * o->n_pairs && rc == 0; i++) {
        first = i % 2 ? first : (int)rng_below(&order, 2);
        rc = run_one(out, o, i % 2 ? 1 - first : first, e);
        if (rc == 0 && o->on_run)
            o->on_run(o->arg, i + 1, 2 * o->n_pairs);
    }
    out->interrupted = rc == ERR_CANCELLED;
    if (rc < 0 && !(out->interrupted && out->n)) {
        ab_free(out);
        return out->interrupted ? err_set(e, ERR_CANCELLED, "interrupted before anything was measured") : rc;
    }
    return 0;
}

void ab_free(struct ab_result *r)
{
    for (int i = 0; i < r->n; i++)
        for (int side = 0; side < 2; side++)
            mem_free(r->metric[i].run[side]);
    mem_free(r->metric);
    r->metric = NULL;
    r->n = 0;
}
