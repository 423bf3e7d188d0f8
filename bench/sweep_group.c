/* Groups of formats that memory holds together: each is encoded, evaluated, timed and released. The first one begins
 * with the formats that most likely win, for an answer within seconds that the rest makes better. */
#include <limits.h>
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/sweep_quality.h"

enum { MOST_AT_ONCE = 8 }; /* formats that share a reference pass where no speeds are compared */
enum { LOOK_FORMATS = 5, LOOK_CHUNKS = 3 };
static const double speed_share = 0.35, tasks_share = 0.3; /* of a group's time */

static void free_group(struct weights **w, int c0, int c1)
{
    for (int i = c0; i < c1; i++) {
        weights_free(w[i]);
        w[i] = NULL;
    }
}

/* A cell whose tensors are those of an earlier one is measured there. */
static int encode_group(const struct sweep_input *in, struct plan *p, struct weights **w, int c0, int c1, struct err *e)
{
    int n = 0;
    for (int i = c0; i < c1; i++) {
        if (p->cell[i].same_as >= 0 || p->cell[i].settled)
            continue;
        char what[96];
        snprintf(what, sizeof what, "encode %s", p->cell[i].recipe->name);
        sweep_tell(in, what, i, p->n_cells);
        struct err why = {0};
        int rc = weights_encode(&w[i], in->model, p->cell[i].assign, in->calib, in->req->isa, in->pool, &why);
        if (rc == 0) /* widths may have been chosen only now */
            rc = recipe_summarize(&in->model->d, p->cell[i].assign, &p->cell[i].summary, &why);
        n += rc == 0;
        if (rc < 0 && (rc = sweep_refuse(p, i, rc, &why, e)) < 0)
            return rc;
    }
    return n;
}

/* The budget, and what a format turned out to cost: 0 until one was measured. */
struct spending {
    struct sweep_tasks *tasks; /* NULL: none were asked for */
    uint64_t end_ns;           /* 0: no end */
    double encode_s, chunk_s;  /* encode_s: and its tasks */
    int n_encoded;
};

/* When a group is to stop: its first chunks, then all of them. */
struct group_time {
    uint64_t tasks_end_ns, quality_enough_ns, quality_end_ns, enough_ns, end_ns;
    double reserve_s; /* for speeds, in between */
};

/* Of two times, where 0 is none. */
static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static bool has_speed(const struct sweep_input *in, const struct plan_cell *c)
{
    return c->packed && !in->req->no_speed;
}

/* What a format holds while its quality and its speed are measured. */
double sweep_bytes_held(const struct sweep_input *in, const struct plan_cell *c)
{
    struct engine_opts o = {.mode = ENGINE_QUALITY,
                            .n_ctx = in->req->n_ctx_eval,
                            .n_batch = in->req->n_ctx_eval,
                            .isa = in->req->isa,
                            .pool = in->pool};
    struct memory_need need = {0};
    engine_memory(&in->model->d, &o, &need, NULL);
    double timed = has_speed(in, c) ? sweep_session_bytes(in) : 0;
    return (double)(c->summary.bytes + need.kv_bytes + need.scratch_bytes) + timed;
}

/* End of the group that starts at c0: those whose speeds are to be compared as far as they fit in memory, of others
 * just enough that the reference pass costs little, and no more than `left` seconds pay so many chunks of. Cells before
 * `encoded` are encoded already. *n: how many there are. */
static int end_with_chunks(const struct sweep_input *in, const struct plan *p, const struct spending *b, int c0,
                           int encoded, double left, int chunks, int *n)
{
    double room = sweep_room(in), taken = 0;
    int c1 = c0;
    left -= chunks * b->chunk_s; /* the reference's share */
    for (*n = 0; c1 < p->n_cells; c1++) {
        const struct plan_cell *c = &p->cell[c1];
        if (c->same_as >= 0 || c->settled)
            continue;
        taken += sweep_bytes_held(in, c);
        left -= (c1 < encoded ? 0 : b->encode_s) + chunks * b->chunk_s;
        if ((*n >= MOST_AT_ONCE && !has_speed(in, c)) || (*n > 0 && taken > room) || (c1 >= encoded && left < 0))
            break;
        ++*n;
    }
    return c1;
}

/* What the budget cannot pay is not begun: c0 = nothing. Rather a few formats with few chunks than one or two. */
static int group_end(const struct sweep_input *in, const struct plan *p, const struct spending *b, bool speeds, int c0,
                     int encoded)
{
    const int most = in->req->n_chunks > 0 ? in->req->n_chunks : RACE_LEAST_CHUNKS;
    const double left = clock_left_s(b->end_ns) * (speeds ? 1 - speed_share : 1);
    int n, c1 = end_with_chunks(in, p, b, c0, encoded, left, most, &n);
    for (int chunks = most - 1; chunks > 0 && n < LOOK_FORMATS && in->req->n_chunks <= 0; chunks--)
        c1 = end_with_chunks(in, p, b, c0, encoded, left, chunks, &n);
    return c1;
}

/* Formats that are measured together: cells q.c0 to c1. */
struct group {
    struct quality_run q;
    int c1;
    bool timed, tells, evaluated; /* tells: what is found on the way; evaluated: q was begun */
    double quality_s;             /* that it took so far */
};

/* What was encoded so far becomes part of the evaluation, up to that chunk. */
static int evaluate(struct group *g, struct sweep *s, struct weights **w, int n_chunks, uint64_t enough_ns,
                    uint64_t end_ns, struct err *e)
{
    const uint64_t t0 = clock_ns();
    bool any = false;
    for (int c = g->q.c0; c < g->c1 && !g->q.in->req->no_quality; c++)
        any |= w[c] != NULL;
    int rc = any && !g->evaluated ? quality_begin(&g->q, e) : 0;
    g->evaluated |= any;
    if (rc == 0 && any)
        rc = quality_more(&g->q, w, e);
    if (rc == 0 && any)
        rc = quality_chunks(&g->q, s, n_chunks, enough_ns, end_ns, e);
    g->quality_s += (double)(clock_ns() - t0) * 1e-9;
    return rc;
}

/* What is known by now. */
static int tell(const struct sweep *s, struct quality_run *q, struct err *e)
{
    const struct sweep_input *in = q->in;
    struct sweep so_far = {0};
    int rc = quality_so_far(q, &so_far, e);
    for (int i = 0; i < s->n && rc == 0; i++)
        rc = sweep_keep(&so_far, NULL, &s->rec[i], e);
    if (rc == 0)
        in->on_look(in->arg, so_far.rec, so_far.n);
    mem_free(so_far.rec);
    return rc;
}

static bool measured_again(const struct sweep *s, int i)
{
    for (int k = i + 1; k < s->n; k++)
        if (!strcmp(s->rec[k].cell_id, s->rec[i].cell_id) && isfinite(s->rec[k].speed.decode_tok_s.v))
            return true;
    return false;
}

/* Those of the first look that were measured longer since. */
static void drop_first_speeds(struct sweep *s)
{
    for (int i = s->n - 1; i >= 0; i--)
        if (measured_again(s, i))
            memmove(&s->rec[i], &s->rec[i + 1], (size_t)(--s->n - i) * sizeof *s->rec);
}

/* Quality of what was encoded: the fewest chunks that tell formats apart, then speeds, then what is left of the text
 * for those that may still win. */
static int measure_encoded(struct sweep *s, const struct sweep_input *in, struct plan *p, struct weights **w,
                           struct group *g, const struct group_time *t, struct err *e)
{
    const bool in_two = g->timed && in->req->n_chunks <= 0;
    int rc = evaluate(g, s, w, in_two ? RACE_LEAST_CHUNKS : INT_MAX, t->quality_enough_ns, t->quality_end_ns, e);
    if (rc == 0 && g->timed && !s->interrupted)
        rc = sweep_speed(s, in, p, w, g->q.c0, g->c1, sooner(clock_end_ns(t->reserve_s), t->end_ns), e);
    drop_first_speeds(s);
    if (rc == 0 && g->evaluated && in_two && !s->interrupted) {
        rc = g->tells ? tell(s, &g->q, e) : 0;
        if (rc == 0)
            rc = evaluate(g, s, w, INT_MAX, t->enough_ns, t->end_ns, e);
    }
    return rc;
}

static void learn_costs(struct spending *b, const struct group *g, int n_encoded, double encode_s)
{
    if (n_encoded > 0) {
        b->encode_s = (b->encode_s * b->n_encoded + encode_s) / (b->n_encoded + n_encoded);
        b->n_encoded += n_encoded;
    }
    if (g->evaluated && g->q.n_done > 0)
        b->chunk_s = g->quality_s / (g->q.n_done * (g->q.n_cand + 1));
}

/* The formats that most likely win, before the others: what they cost tells how many of those the budget pays, and who
 * asks has a measured answer early. *c: the first cell behind them. */
static int look_first(struct sweep *s, const struct sweep_input *in, struct plan *p, struct weights **w,
                      struct spending *b, struct group *g, int *c, struct err *e)
{
    static const double share = 0.2, most_s = 10;
    static const double encode_share = 0.3, quality_share = 0.65; /* of its time, from its beginning on */
    const uint64_t t0 = clock_ns();
    struct sweep_input unkept = *in; /* so short a measurement is not worth keeping */
    unkept.store = NULL;
    const double all = fmin(clock_left_s(b->end_ns) * share, most_s) * 1e9;
    int n = 0, k = 0;
    for (; *c < g->c1 && n < LOOK_FORMATS && k >= 0; ++*c) {
        if (n > 1 && (double)(clock_ns() - t0) > all * encode_share)
            break;
        n += (k = encode_group(in, p, w, *c, *c + 1, e)) > 0;
    }
    const double encode_s = (double)(clock_ns() - t0) * 1e-9;
    int rc = k < 0 ? k : evaluate(g, s, w, LOOK_CHUNKS, 0, t0 + (uint64_t)(all * (g->tells ? quality_share : 1)), e);
    s->out_of_budget = false; /* it was this look's */
    learn_costs(b, g, n, encode_s);
    if (rc == 0 && g->tells && g->evaluated && !s->interrupted)
        rc = sweep_speed(s, &unkept, p, w, g->q.c0, *c, t0 + (uint64_t)all, e);
    if (rc == 0 && g->tells && g->evaluated && !s->interrupted)
        rc = tell(s, &g->q, e);
    return rc;
}

/* The times of a group that begins now, which gets `part` of what is left. */
static struct group_time divide_time(const struct sweep_input *in, const struct spending *b, double part, bool timed)
{
    double left = clock_left_s(b->end_ns);
    double reserve = timed ? (isfinite(left) ? left : in->req->budget_s) * part * speed_share : 0;
    if (in->req->no_quality)
        reserve = left * part;
    return (struct group_time){.tasks_end_ns = clock_end_ns(left * part * tasks_share),
                               .quality_enough_ns = clock_end_ns(left * part - reserve),
                               .quality_end_ns = clock_end_ns(fmax(left - reserve, 0)),
                               .enough_ns = clock_end_ns(left * part),
                               .end_ns = clock_end_ns(left),
                               .reserve_s = reserve};
}

static int encode_and_measure(struct sweep *s, const struct sweep_input *in, struct plan *p, struct weights **w,
                              struct spending *b, struct group *g, int encoded, struct err *e)
{
    struct group_time t = divide_time(in, b, (double)g->q.n / (p->n_cells - g->q.c0), g->timed);
    const uint64_t t0 = clock_ns();
    int n = encode_group(in, p, w, encoded, g->c1, e);
    int rc = n > 0 && b->tasks ? sweep_tasks_group(s, b->tasks, p, w, g->q.c0, g->c1, t.tasks_end_ns, e) : 0;
    const double encode_s = (double)(clock_ns() - t0) * 1e-9;
    if (n < 0)
        return n;
    if (rc == 0)
        rc = measure_encoded(s, in, p, w, g, &t, e);
    learn_costs(b, g, n, encode_s);
    return rc;
}

/* *c1: where it ends; on return where what the budget paid ended. */
static int run_group(struct sweep *s, const struct sweep_input *in, struct plan *p, struct weights **w,
                     struct spending *b, bool speeds, int c0, int *c1, struct err *e)
{
    static const double worth_telling_s = 30;
    struct group g = {.q = {.in = in, .plan = p, .c0 = c0, .n = *c1 - c0, .sweep = s}, .c1 = *c1};
    int rc = 0, looked = c0;
    for (int c = c0; c < *c1; c++)
        g.timed |= speeds && has_speed(in, &p->cell[c]);
    g.tells = in->on_look && g.timed && clock_left_s(b->end_ns) >= worth_telling_s;
    if (b->n_encoded == 0 && b->end_ns && !in->req->no_quality && !b->tasks) { /* nobody knows what they cost */
        rc = look_first(s, in, p, w, b, &g, &looked, e);
        *c1 = group_end(in, p, b, g.timed, c0, looked);
        *c1 = g.c1 = *c1 < looked ? looked : *c1;
    }
    if (rc == 0 && !s->interrupted)
        rc = encode_and_measure(s, in, p, w, b, &g, looked, e);
    if (rc == ERR_CANCELLED) {
        s->interrupted = true;
        rc = 0;
    }
    return g.evaluated ? quality_finish(&g.q, s, rc, e) : rc;
}

int sweep_groups(struct sweep *s, const struct sweep_input *in, struct plan *p, uint64_t end_ns, bool speeds,
                 struct err *e)
{
    struct weights **w = arena_alloc_n(s->arena, (size_t)p->n_cells, sizeof(struct weights *));
    if (!w)
        return err_nomem(e, (unsigned long long)p->n_cells * sizeof *w, "the sweep");
    struct spending b = {.end_ns = end_ns};
    int rc = in->req->n_tasks > 0 ? sweep_tasks_open(&b.tasks, in, clock_end_ns(clock_left_s(b.end_ns) / 4), e) : 0;
    for (int c0 = 0, c1; c0 < p->n_cells && rc == 0 && !s->interrupted; c0 = c1) {
        c1 = group_end(in, p, &b, speeds, c0, c0);
        if (c1 == c0)
            break;
        rc = run_group(s, in, p, w, &b, speeds, c0, &c1, e);
        free_group(w, c0, c1);
    }
    sweep_tasks_close(b.tasks);
    return rc;
}
