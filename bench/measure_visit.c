/* One repetition of one cell: calibration spin and state of the machine before and after, once more when they differ.
 */
#include "bench/measure_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"

enum { SPINS = 3, MOST_RERUNS = 3 };
static const double least_patience_s = 15;

/* ---- the calibration spin: fixed work in registers on every thread ---- */

struct spin_job {
    uint64_t rounds;
    volatile uint64_t sink;
};

static void spin_thread(void *arg, int i_thread, int n_threads)
{
    struct spin_job *j = arg;
    uint64_t x = 88172645463325252u + (uint64_t)i_thread;
    (void)n_threads;
    for (uint64_t i = 0; i < j->rounds; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    j->sink = x;
}

static double one_spin_ns(struct pool *pool, uint64_t rounds)
{
    struct spin_job j = {.rounds = rounds};
    uint64_t t0 = clock_ns();
    pool_run(pool, spin_thread, &j);
    return (double)(clock_ns() - t0);
}

/* The median of a few short ones: wakes the threads, and one interrupt does not count. */
double spin_ns(struct pool *pool, uint64_t rounds)
{
    double t[SPINS];
    for (int i = 0; i < SPINS; i++)
        t[i] = one_spin_ns(pool, rounds);
    return stats_median(t, SPINS);
}

uint64_t spin_rounds_of(struct pool *pool, double seconds)
{
    uint64_t rounds = 1000;
    while (rounds < (UINT64_C(1) << 40) && spin_ns(pool, rounds) < seconds * 1e9)
        rounds *= 2;
    return rounds;
}

/* ---- one repetition ---- */

double visit_cost_ns(const struct live *c, const struct workload *w)
{
    return c->extra_ns + c->prompt_ns * (w->n_prompt + w->n_depth) + c->token_ns * w->n_gen;
}

/* A repetition that takes twenty times what it should hangs; the first one may take ten minutes, but none takes half of
 * the time that is left for all from the others, as long as that is something. */
static uint64_t give_up_at(const struct measure_run *m, const struct live *c, const struct workload *w)
{
    double expected = visit_cost_ns(c, w) * 1e-9, seconds = c->n_attempts ? 10 + 20 * expected : 600;
    seconds = fmin(seconds, fmax(least_patience_s, clock_left_s(m->deadline_ns) / 2));
    uint64_t at = clock_ns() + (uint64_t)(seconds * 1e9);
    if (m->o->end_ns && m->o->end_ns < at)
        at = m->o->end_ns;
    return w->deadline_ns && w->deadline_ns < at ? w->deadline_ns : at;
}

bool past_end(const struct measure_run *m)
{
    return m->o->end_ns && clock_ns() >= m->o->end_ns;
}

/* Where the time of a repetition went: what the next one will cost. */
static void learn_cost(struct live *c, const struct workload *w, const struct visit *v)
{
    double prompt = isfinite(v->sample.prefill_ns) ? v->sample.prefill_ns : 0;
    double gen = isfinite(v->sample.decode_ns) ? v->sample.decode_ns : 0;
    if (w->n_prompt > 0 && prompt > 0)
        c->prompt_ns = prompt / w->n_prompt;
    if (w->n_gen > 0 && gen > 0)
        c->token_ns = gen / w->n_gen;
    double rest = v->wall_ns - prompt - gen - w->n_depth * c->prompt_ns;
    c->extra_ns = rest > 0 ? rest : 0;
}

int run_once(struct measure_run *m, struct live *c, const struct workload *w, struct visit *v, struct err *e)
{
    struct workload mine = *w;
    mine.deadline_ns = give_up_at(m, c, w);
    v->sample = (struct sample){.prefill_ns = NAN, .decode_ns = NAN, .ttft_ns = NAN};
    uint64_t t0 = clock_ns();
    probe_sample(&v->before);
    double before = spin_ns(c->cell->pool, m->spin_rounds);
    double gb_s = m->own_bandwidth ? bandwidth_now(&m->bandwidth) : NAN;
    int rc = c->cell->runner->measure(c->session, &mine, &v->sample, e);
    c->n_attempts++;
    if (rc < 0)
        return rc;
    v->gb_s = m->own_bandwidth ? (gb_s + bandwidth_now(&m->bandwidth)) / 2 : NAN;
    double after = spin_ns(c->cell->pool, m->spin_rounds);
    probe_sample(&v->after);
    v->wall_ns = (double)(clock_ns() - t0);
    v->drift = fabs(after / before - 1);
    learn_cost(c, w, v);
    return 0;
}

static bool throttled(const struct visit *v)
{
    return v->before.throttle_count != UINT64_MAX && v->after.throttle_count != UINT64_MAX &&
           v->after.throttle_count > v->before.throttle_count;
}

static void add_sample(struct samples *s, double v)
{
    if (s->n < RECORD_MAX_SAMPLES && isfinite(v))
        s->x[s->n++] = v;
}

static void add_times(struct times *t, const double *ns, int n)
{
    size_t need = t->n + (size_t)n;
    if (n <= 0)
        return;
    if (need > t->cap) {
        double *more = mem_resize(t->x, 2 * need * sizeof *more);
        if (!more)
            return; /* fewer times make a coarser percentile, nothing else */
        t->x = more;
        t->cap = 2 * need;
    }
    memcpy(t->x + t->n, ns, (size_t)n * sizeof *t->x);
    t->n = need;
}

/* The counters of the machine over this repetition; energy is taken to be spent evenly over its time. */
static void add_state(struct live *c, const struct workload *w, const struct visit *v)
{
    if (c->n_reps == 0)
        c->r->before = v->before;
    c->r->after = v->after;
    if (v->after.total_ticks > v->before.total_ticks && v->after.steal_ticks >= v->before.steal_ticks) {
        c->steal_ticks += v->after.steal_ticks - v->before.steal_ticks;
        c->total_ticks += v->after.total_ticks - v->before.total_ticks;
    }
    c->throttled += throttled(v);
    c->hottest_c = fmax(c->hottest_c, v->after.max_c); /* fmax and fmin skip NaN */
    c->slowest_ghz = fmin(c->slowest_ghz, v->after.ghz);
    double joule = v->after.energy_j - v->before.energy_j;
    if (joule > 0 && w->n_gen > 0 && isfinite(v->sample.decode_ns)) {
        c->energy_j += joule * v->sample.decode_ns / v->wall_ns;
        c->energy_tokens += w->n_gen;
    }
}

/* What cell i holds in anonymous memory beside its session; weights that an earlier cell holds too count once. */
static double weights_held(const struct measure_run *m, int i, const struct weights *not_these)
{
    const struct weights *w = m->live[i].cell->weights;
    for (int k = 0; k < i; k++)
        if (m->live[k].cell->weights == w)
            return 0;
    return w && w != not_these && w->owned ? (double)w->held_bytes : 0;
}

/* Resident memory while this cell's session is warm, less what the others hold; only what runs in this process. */
static void add_memory(const struct measure_run *m, struct live *c)
{
    char *text, *line;
    if (!c->cell->weights || c->cell->runner->real || file_read("/proc/self/status", 1 << 16, &text, NULL, NULL) < 0)
        return;
    double anon = (line = strstr(text, "RssAnon:")) ? strtod(line + 8, NULL) * 1024 : NAN;
    double file = (line = strstr(text, "RssFile:")) ? strtod(line + 8, NULL) * 1024 : NAN;
    mem_free(text);
    anon -= (double)m->bandwidth.bytes;
    anon += (double)(c->cell->weights->bytes - c->cell->weights->held_bytes); /* a real model holds all of them */
    for (int i = 0; i < m->n; i++) {
        anon -= weights_held(m, i, c->cell->weights);
        anon -= &m->live[i] != c && m->live[i].session ? (double)m->live[i].held_bytes : 0;
    }
    if (!(anon > 0 && file >= 0) || anon + file <= (double)c->r->memory.peak_rss_bytes)
        return;
    c->r->memory.peak_anon_bytes = (int64_t)anon;
    c->r->memory.peak_file_bytes = (int64_t)file;
    c->r->memory.peak_rss_bytes = (int64_t)(anon + file);
}

int visit_cell(struct measure_run *m, struct live *c, struct err *e)
{
    struct visit *v = m->visit;
    int rc = run_once(m, c, &m->w, v, e);
    if (rc < 0)
        return rc;
    bool disturbed = v->drift > most_drift || throttled(v);
    if (disturbed && c->r->speed.n_reruns < MOST_RERUNS && !interrupt_seen() &&
        clock_left_s(m->deadline_ns) > 4 * m->n * visit_cost_ns(c, &m->w) * 1e-9) {
        c->r->speed.n_reruns++;
        rc = run_once(m, c, &m->w, m->again, e);
        if (rc < 0)
            return rc;
        v = m->again->drift < v->drift ? m->again : v;
    }
    add_state(c, &m->w, v);
    add_sample(&c->r->speed.prefill_ns, v->sample.prefill_ns);
    add_sample(&c->r->speed.decode_ns, v->sample.decode_ns);
    add_sample(&c->r->speed.read_gb_s, v->gb_s);
    add_sample(&c->ttft_ns, v->sample.ttft_ns);
    add_sample(&c->drift, v->drift);
    add_times(&c->gaps, v->sample.token_ns, v->sample.n_token_ns);
    add_times(&c->ttfts, v->sample.stream_ttft_ns, v->sample.n_streams);
    add_memory(m, c);
    c->n_reps++;
    return 0;
}
