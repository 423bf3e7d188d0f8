/* With how many threads each phase of a cell is fastest, by trying some numbers in turns: decoding that waits for
 * memory may want fewer of them than prefill. */
#include <math.h>
#include "base/os.h"
#include "bench/measure_state.h"

enum { MOST_NUMBERS = 5, MOST_ROUNDS = 5, LEAST_PROMPT = 32 };
static const double all_cells_s = 1, least_s = 0.1; /* for both phases of all cells; for a phase of the first */
static const double try_ns = 2e7;
static const double clearly = 1.03; /* what fewer threads must gain */
static const double share_of_time = 0.1;

/* All, three quarters, half, a quarter, one: those that differ. */
static int numbers_to_try(int number[MOST_NUMBERS], int n_threads)
{
    const int wanted[MOST_NUMBERS] = {n_threads, n_threads * 3 / 4, n_threads / 2, n_threads / 4, 1};
    int n = 0;
    for (int i = 0; i < MOST_NUMBERS; i++)
        if (wanted[i] >= 1 && (n == 0 || wanted[i] < number[n - 1]))
            number[n++] = wanted[i];
    return n;
}

static int tokens_to_try(double token_ns, int least, int most)
{
    double n = token_ns > 0 ? try_ns / token_ns : 1;
    return n > most ? most : n > least ? (int)n : least < most ? least : most;
}

static int time_of(struct measure_run *m, struct live *c, const struct workload *w, int n_threads, double *ns)
{
    const bool decode = w->n_gen > 0;
    struct workload mine = *w;
    struct err e = {0};
    mine.deadline_ns = clock_ns() + (uint64_t)60e9;
    c->cell->runner->use_threads(c->session, n_threads, n_threads);
    int rc = c->cell->runner->measure(c->session, &mine, &m->visit->sample, &e);
    if (rc < 0) {
        fail_cell(c, rc, e.text);
        return rc;
    }
    *ns = fmin(*ns, decode ? m->visit->sample.decode_ns : m->visit->sample.prefill_ns);
    return 0;
}

/* The fastest number for that work; best times count: what disturbs a machine only ever makes it slower. `before` where
 * trying each number once would take longer than there is; 0 after a failure. */
static int fastest(struct measure_run *m, struct live *c, const struct workload *w, double seconds, int before)
{
    int number[MOST_NUMBERS], best = 0, n = numbers_to_try(number, pool_n_threads(c->cell->pool));
    double ns[MOST_NUMBERS];
    double once_ns = c->prompt_ns * w->n_prompt + c->token_ns * w->n_gen;
    if (w->n_prompt + w->n_gen == 0 || once_ns * n * 1e-9 > seconds)
        return before;
    for (int i = 0; i < n; i++)
        ns[i] = INFINITY;
    uint64_t end = clock_ns() + (uint64_t)(seconds * 1e9);
    for (int round = 0; round < MOST_ROUNDS && (round == 0 || clock_ns() < end) && !interrupt_seen(); round++)
        for (int i = 0; i < n; i++)
            if (time_of(m, c, w, number[i], &ns[i]) < 0)
                return 0;
    for (int i = 1; i < n; i++)
        if (ns[i] * clearly < ns[best] || (best > 0 && ns[i] < ns[best]))
            best = i;
    return best == 0 ? 0 : number[best];
}

int choose_threads(struct measure_run *m, int i0, int i1)
{
    const double left = clock_left_s(m->deadline_ns) * share_of_time;
    int prefill = 0, decode = 0;
    for (int i = i0; i < i1; i++) {
        struct live *c = &m->live[i];
        double seconds = fmin(left, i == 0 ? fmax(all_cells_s / m->n, 2 * least_s) : all_cells_s / m->n) / 2;
        if (!c->session || c->done || !c->cell->find_threads || !c->cell->runner->use_threads)
            continue;
        if (pool_n_threads(c->cell->pool) > 1) {
            const int n_prompt = m->w.n_prompt > 0 ? tokens_to_try(c->prompt_ns, LEAST_PROMPT, m->w.n_prompt) : 0;
            const int n_gen = m->w.n_gen > 0 ? tokens_to_try(c->token_ns, 1, m->w.n_gen) : 0;
            prefill = fastest(m, c, &(struct workload){.n_prompt = n_prompt}, seconds, prefill);
            decode = c->failed ? 0 : fastest(m, c, &(struct workload){.n_gen = n_gen}, seconds, decode);
        }
        c->prefill_threads = prefill;
        c->decode_threads = decode;
        c->cell->runner->use_threads(c->session, prefill, decode);
    }
    return interrupt_seen() ? ERR_CANCELLED : 0;
}
