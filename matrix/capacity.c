/* Rows of one server are its numbers of users; of several servers of a machine the one that serves most counts. */
#include "matrix/capacity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "matrix/figures.h"

bool record_is_served(const struct record *r)
{
    return r->workload.streams > 0 && (r->workload.streams > 1 || strcmp(r->format.name, "as served") == 0);
}

static bool same_server(const struct record *a, const struct record *b)
{
    return strcmp(a->model.name, b->model.name) == 0 && strcmp(a->format.name, b->format.name) == 0 &&
           strcmp(a->framework.name, b->framework.name) == 0 && strcmp(a->framework.backend, b->framework.backend) == 0;
}

static double each_tok_s(const struct record *r)
{
    return r->speed.decode_tok_s.v / r->workload.streams;
}

/* Later than all others of that number of users? Of one date the last counts. */
static bool is_latest(const struct record *rec, int n, int i)
{
    for (int k = 0; k < n; k++)
        if (k != i && same_server(&rec[k], &rec[i]) && rec[k].workload.streams == rec[i].workload.streams) {
            int order = strcmp(rec[k].date, rec[i].date);
            if (order > 0 || (order == 0 && k > i))
                return false;
        }
    return true;
}

/* The next number of users of that server behind `after`; NULL: none. */
static const struct record *next_step(const struct record *rec, int n, const struct record *server, int after)
{
    const struct record *next = NULL;
    for (int i = 0; i < n; i++)
        if (same_server(&rec[i], server) && rec[i].workload.streams > after &&
            (!next || rec[i].workload.streams < next->workload.streams) && is_latest(rec, n, i))
            next = &rec[i];
    return next;
}

/* "" when the limits hold there, else what does not. */
static void what_fails(char out[128], const struct record *r, const struct constraints *want)
{
    const double ttft = r->speed.ttft_p95_ms, each = each_tok_s(r);
    out[0] = 0;
    if (r->status != STATUS_OK)
        snprintf(out, 128, "%.100s", *r->reason ? r->reason : record_status_name(r->status));
    else if (!isfinite(ttft))
        snprintf(out, 128, "no 95th percentile of the first token was measured");
    else if (ttft > want->max_ttft_s * 1000)
        snprintf(out, 128, "first token after %s", figure_ms(ttft).s);
    else if (isfinite(want->min_decode_tok_s) && !(each >= want->min_decode_tok_s))
        snprintf(out, 128, "%s tok/s each", figure_rate(each).s);
}

static void follow_server(struct capacity *c, const struct record *rec, int n, const struct record *server,
                          const struct constraints *want)
{
    char why[128] = "";
    const struct record *r = NULL, *kept = NULL;
    *c = (struct capacity){.model = server->model.name, .framework = server->framework.name};
    for (int at = 0; (r = next_step(rec, n, server, at)); at = r->workload.streams) {
        c->tried = r->workload.streams;
        if (c->fails_at)
            continue;
        what_fails(why, r, want);
        if (*why)
            c->fails_at = r->workload.streams, kept = c->users ? kept : r;
        else
            c->users = r->workload.streams, kept = r;
    }
    c->ttft_p95_ms = kept ? kept->speed.ttft_p95_ms : NAN;
    c->each_tok_s = kept ? each_tok_s(kept) : NAN;
    if (c->fails_at)
        snprintf(c->note, sizeof c->note, "at %d: %s", c->fails_at, why);
    else
        snprintf(c->note, sizeof c->note, "the largest number tried");
}

void capacity_find(struct capacity *c, const struct record *rec, int n, const struct constraints *want)
{
    *c = (struct capacity){.users = -1, .model = "", .framework = "", .ttft_p95_ms = NAN, .each_tok_s = NAN};
    snprintf(c->note, sizeof c->note, "not measured");
    for (int i = 0; i < n; i++) {
        struct capacity of;
        if (!isfinite(want->max_ttft_s)) {
            snprintf(c->note, sizeof c->note, "no --max-ttft");
            return;
        }
        follow_server(&of, rec, n, &rec[i], want);
        if (of.users > c->users)
            *c = of;
    }
}
