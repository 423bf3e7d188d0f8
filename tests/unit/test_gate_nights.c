/* The gate on simulated nights, beside the rules that other tools use: 300 cells a night, 3 % of them slower by 3, 5 or
 * 10 %, 2 % of all runs in a bad moment, 40 nights. Without arguments a test on a seed that nothing was tuned on;
 * `test_gate_nights table` prints the table of docs/GATE.md. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "bench/stats_compare.h"
#include "matrix/gate_cell.h"

enum { CELLS = 300, NIGHTS = 40, BASE = 30, SIZES = 3 };
static const double size[SIZES] = {0.03, 0.05, 0.10};
static const double share_slower = 0.03, share_bad = 0.02;

/* What a machine does: scatter of a cell, Student's t with 4 degrees of freedom; of that, `shared` of the variance is
 * the night's, which fresh runs of the same night cannot see. A bad moment (5 to 15 % slower) of the first run meets
 * each fresh run too with probability `lasts`. */
struct machine {
    double shared, lasts;
    const char *doc;
};
static const struct machine machines[] = {
    {0, 0.02, "fresh runs are independent of the first: spread in time, on a machine of its own"},
    {0, 0.25, "a bad moment lasts: a quarter of the fresh runs meet it too"},
    {0.5, 0.25, "and half of the variance is the night's, the same in all runs of it"},
};
enum { MACHINES = sizeof machines / sizeof *machines };
struct cell {
    double sigma, slower; /* slower 0: as before */
    double base[BASE], value, again[3];
};

static double student4(struct rng *r)
{
    double chi = 0;
    for (int i = 0; i < 4; i++) {
        double z = rng_normal(r);
        chi += z * z;
    }
    return rng_normal(r) / sqrt(chi / 4) / sqrt(2); /* its variance is 2 */
}

static double bad_moment(struct rng *r)
{
    return 1 + 0.05 + 0.10 * rng_uniform(r);
}

static void make_cell(const struct machine *m, struct rng *r, struct cell *c)
{
    double own = sqrt(1 - m->shared), night;
    c->sigma = 0.005 + 0.025 * rng_uniform(r);
    c->slower = rng_uniform(r) < share_slower ? size[rng_below(r, SIZES)] : 0;
    for (int i = 0; i < BASE; i++) {
        night = sqrt(m->shared) * rng_normal(r);
        c->base[i] = exp(c->sigma * (night + own * student4(r)));
        c->base[i] *= rng_uniform(r) < share_bad ? bad_moment(r) : 1;
    }
    night = sqrt(m->shared) * rng_normal(r);
    bool bad = rng_uniform(r) < share_bad;
    c->value = (1 + c->slower) * exp(c->sigma * (night + own * student4(r))) * (bad ? bad_moment(r) : 1);
    for (int i = 0; i < 3; i++) {
        c->again[i] = (1 + c->slower) * exp(c->sigma * (night + own * student4(r)));
        c->again[i] *= rng_uniform(r) < (bad ? m->lasts : share_bad) ? bad_moment(r) : 1;
    }
}

/* ---- rules that look at one run ---- */

static bool previous_20(const struct cell *c)
{
    return c->value > 1.2 * c->base[BASE - 1];
}
static bool mean_10(const struct cell *c)
{
    return c->value > 1.1 * stats_mean(c->base, BASE);
}
static bool median_20(const struct cell *c)
{
    return c->value > 1.2 * stats_median(c->base, BASE);
}
static bool fence(const struct cell *c)
{
    double q1 = stats_percentile(c->base, BASE, 0.25), q3 = stats_percentile(c->base, BASE, 0.75);
    return c->value > q3 + 3 * (q3 - q1);
}
static bool prediction(const struct cell *c)
{
    static const double t_995_29 = 2.756386; /* 0.995 quantile of Student's t, 29 degrees of freedom */
    return c->value > stats_mean(c->base, BASE) + t_995_29 * stats_stddev(c->base, BASE) * sqrt(1 + 1.0 / BASE);
}
static bool screen_only(const struct cell *c)
{
    struct gate_cell g = {.id = {.better = -1}};
    return gate_screen(&g, &gate_defaults, c->base, BASE, c->value) > 0;
}
static const struct {
    const char *name;
    bool (*alarms)(const struct cell *c);
} rules[] = {{"1.2 x the previous run", previous_20},       {"10 % over the mean", mean_10},
             {"20 % over the median", median_20},           {"fence of 3 interquartile ranges", fence},
             {"t prediction interval, 99.5 %", prediction}, {"the screen alone, no fresh runs", screen_only}};
enum { RULES = sizeof rules / sizeof *rules };

/* ---- nights ---- */

struct tally {
    int n[SIZES], caught[SIZES], n_false;
};
static void count(struct tally *t, const struct cell *c, bool alarm)
{
    if (c->slower == 0)
        t->n_false += alarm;
    for (int s = 0; s < SIZES; s++)
        if (c->slower == size[s]) {
            t->n[s]++;
            t->caught[s] += alarm;
        }
}

static void judge(const struct cell *cell, struct gate_cell *g)
{
    const struct gate_policy *p = &gate_defaults;
    for (int i = 0; i < CELLS; i++) {
        const struct cell *c = &cell[i];
        g[i] = (struct gate_cell){.id = {.better = -1}, .method = GATE_RANKS, .tested = true, .p = 1, .n_base = BASE};
        snprintf(g[i].id.key, sizeof g[i].id.key, "cell %d", i);
        if (gate_screen(&g[i], p, c->base, BASE, c->value)) {
            double fresh[] = {c->value, c->again[0], c->again[1], c->again[2]};
            gate_test_ranks(&g[i], p, c->base, BASE, fresh, 4);
        }
    }
}

/* The last tally is the gate's. False when there is no memory. */
static bool run_nights(uint64_t seed, const struct machine *m, struct tally t[RULES + 1])
{
    static struct cell cell[CELLS];
    static struct gate_cell g[CELLS];
    struct rng rng;
    struct err e;
    rng_seed(&rng, seed);
    memset(t, 0, (RULES + 1) * sizeof *t);
    for (int night = 0; night < NIGHTS; night++) {
        for (int i = 0; i < CELLS; i++)
            make_cell(m, &rng, &cell[i]);
        judge(cell, g);
        if (gate_decide(g, CELLS, &gate_defaults, &e) < 0)
            return false;
        for (int i = 0; i < CELLS; i++) {
            for (int k = 0; k < RULES; k++)
                count(&t[k], &cell[i], rules[k].alarms(&cell[i]));
            count(&t[RULES], &cell[i], g[i].verdict == GATE_REGRESSION);
        }
    }
    return true;
}

static double share_caught(const struct tally *t)
{
    int n = 0, caught = 0;
    for (int s = 0; s < SIZES; s++) {
        n += t->n[s];
        caught += t->caught[s];
    }
    return (double)caught / n;
}

static void print_table(const struct machine *m, const struct tally t[RULES + 1])
{
    printf("%s:\n\n", m->doc);
    printf("| rule | caught the same night | of 3 %% | of 5 %% | of 10 %% | false alerts a night "
           "|\n|---|---|---|---|---|---|\n");
    for (int k = 0; k <= RULES; k++) {
        printf("| %s | %.0f %%", k < RULES ? rules[k].name : "**the gate**", 100 * share_caught(&t[k]));
        for (int s = 0; s < SIZES; s++)
            printf(" | %d/%d", t[k].caught[s], t[k].n[s]);
        printf(" | %.2f |\n", (double)t[k].n_false / NIGHTS);
    }
    printf("\n");
}

static int check(bool ok, const char *what)
{
    printf("%s %s\n", ok ? "ok  " : "FAIL", what);
    return !ok;
}

int main(int argc, char **argv)
{
    static const uint64_t held_out = 20261122;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : held_out;
    struct tally all[MACHINES][RULES + 1], *t = all[0], *gate = &t[RULES];
    for (int i = 0; i < MACHINES; i++)
        if (!run_nights(seed, &machines[i], all[i]))
            return 1;
    for (int i = 0; argc > 1 && i < MACHINES; i++)
        print_table(&machines[i], all[i]);
    if (argc > 1)
        return 0;
    int failed = check(share_caught(gate) > 0.5, "the gate catches more than half the same night");
    failed += check(gate->caught[2] > 0.85 * gate->n[2], "and more than 85 % of what is 10 % slower");
    failed += check(gate->n_false <= NIGHTS / 4, "with at most one false alert in four nights");
    failed += check(all[1][RULES].n_false <= NIGHTS, "at most one a night where bad moments last");
    for (int k = 0; k < RULES; k++)
        if (share_caught(&t[k]) > 0.3)
            failed += check(t[k].n_false > 10 * (gate->n_false + 1), rules[k].name);
    failed += check(share_caught(&t[RULES - 1]) - share_caught(gate) < 0.2,
                    "fresh runs cost less than a fifth of what the screen sees");
    return failed != 0;
}
