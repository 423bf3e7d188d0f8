/* The gate: closed forms of what a lone regression must show, each method of deciding, the choice of the baseline
 * through the states of a change, and nights of a store with a way to measure again. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/os.h"
#include "bench/stats.h"
#include "matrix/gate_int.h"

enum { N_CELLS = 300, BASE = 30 };

/* ---- the decision ---- */

static void quiet_cell(struct gate_cell *c, int i)
{
    *c = (struct gate_cell){.id = {.better = 1}, .method = GATE_RANKS, .tested = true, .p = 1, .n_base = BASE};
    snprintf(c->id.key, sizeof c->id.key, "cell %d", i);
}

/* A lone cell among 300, 10 % slower than n_base runs that differ a little, in n_fresh runs. */
static enum gate_verdict lone(int n_base, int n_fresh, double *p, double *p_adjusted)
{
    static struct gate_cell cell[N_CELLS];
    double base[BASE], fresh[4] = {90.1, 89.9, 90.0, 90.2};
    struct err e;
    for (int i = 0; i < n_base; i++)
        base[i] = 100 + 0.02 * i;
    for (int i = 0; i < N_CELLS; i++)
        quiet_cell(&cell[i], i);
    assert_int_equal(gate_screen(&cell[7], &gate_defaults, base, n_base, fresh[0]), 1);
    gate_test_ranks(&cell[7], &gate_defaults, base, n_base, fresh, n_fresh);
    assert_int_equal(gate_decide(cell, N_CELLS, &gate_defaults, &e), 0);
    for (int i = 0; i < N_CELLS; i++)
        if (i != 7)
            assert_int_equal(cell[i].verdict, GATE_NONE);
    *p = cell[7].p;
    *p_adjusted = cell[7].p_adjusted;
    return cell[7].verdict;
}

/* C(34, 4) = 46376 and C(23, 3) = 1771: one of so many choices is the outermost. */
static void a_lone_regression(void **state)
{
    double p, adjusted;
    (void)state;
    assert_int_equal(lone(30, 4, &p, &adjusted), GATE_REGRESSION);
    assert_true(fabs(p - 1.0 / 46376) < 1e-12 && fabs(adjusted - 300.0 / 46376) < 1e-9);
    assert_int_equal(lone(20, 3, &p, &adjusted), GATE_INSUFFICIENT); /* the smallest p there is passes no more */
    assert_true(fabs(p - 1.0 / 1771) < 1e-12 && fabs(adjusted - 300.0 / 1771) < 1e-9);
    assert_int_equal(lone(30, 1, &p, &adjusted), GATE_INSUFFICIENT); /* not run again */
    assert_true(adjusted == 1);                                      /* one run is no evidence */
}

static void what_the_screen_lets_pass(void **state)
{
    double base[] = {99, 100, 101, 100, 99, 101, 100, 100}; /* median 100, MAD 0.5 * 1.4826 */
    struct gate_cell c = {.id = {.better = -1}};
    const struct gate_policy *p = &gate_defaults;
    (void)state;
    double limit = 2.5 * 1.4826 * 0.5 / 100;
    assert_int_equal(gate_screen(&c, p, base, 8, 100 * (1 + limit) + 1e-6), 1);
    assert_int_equal(gate_screen(&c, p, base, 8, 100 * (1 + limit) - 1e-6), 0);
    assert_int_equal(gate_screen(&c, p, base, 8, 100 * (1 - limit) - 1e-6), -1);
    assert_true(fabs(c.noise - 1.4826 * 0.005) < 1e-12);
    double same[] = {100, 100, 100, 100};
    assert_int_equal(gate_screen(&c, p, same, 4, 101.51), 1); /* the floor, 1.5 % */
    assert_int_equal(gate_screen(&c, p, same, 4, 101.49), 0);
    c.id.better = 1;
    assert_int_equal(gate_screen(&c, p, same, 4, 98.4), 1);
    assert_true(fabs(c.effect - 0.016) < 1e-12);
    double wild[] = {50, 60, 80, 100, 100, 120, 140, 150}; /* on a busy machine: MAD over median 0.44 */
    assert_int_equal(gate_screen(&c, p, wild, 8, 60), 0);
    assert_int_equal(gate_screen(&c, p, wild, 8, 40), 1); /* 60 % of a rate is 2.5 times the time */
}

static enum gate_verdict alone(struct gate_cell *c)
{
    struct err e;
    c->tested = c->method == GATE_RANKS || c->method == GATE_ANSWERS;
    assert_int_equal(gate_decide(c, 1, &gate_defaults, &e), 0);
    return c->verdict;
}

static enum gate_verdict ranks_of(double better, const double fresh[4], bool same_build)
{
    double base[BASE];
    struct gate_cell c;
    quiet_cell(&c, 0);
    c.id.better = (int)better;
    c.same_build = same_build;
    for (int i = 0; i < BASE; i++)
        base[i] = 100 + sin(i);
    gate_screen(&c, &gate_defaults, base, BASE, fresh[0]);
    gate_test_ranks(&c, &gate_defaults, base, BASE, fresh, 4);
    return alone(&c);
}

static void verdicts_of_runs(void **state)
{
    static const double slow[] = {90, 91, 90, 90}, small[] = {95, 99, 100, 101}, mixed[] = {80, 80, 130, 88};
    (void)state;
    assert_int_equal(ranks_of(1, slow, false), GATE_REGRESSION);
    assert_int_equal(ranks_of(-1, slow, false), GATE_IMPROVEMENT);
    assert_int_equal(ranks_of(1, slow, true), GATE_ENVIRONMENT_DRIFT);
    assert_int_equal(ranks_of(1, small, false), GATE_NONE); /* only the first was low */
    assert_int_equal(ranks_of(1, mixed, false), GATE_NOISY);
}

static void memory_has_a_limit(void **state)
{
    double base[] = {100, 100, 100, 101, 100}, all[] = {104, 104}, one[] = {104, 100};
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct gate_cell c = {.id = {.better = -1, .metric = "peak_rss_bytes"}};
        gate_cell_kind(&c);
        assert_int_equal(c.kind, GATE_MEMORY);
        assert_int_equal(c.method, GATE_THRESHOLD);
        assert_int_equal(gate_screen(&c, &gate_defaults, base, 5, 104), 1);
        gate_test_threshold(&c, &gate_defaults, 5, k ? one : all, 2);
        assert_int_equal(alone(&c), k ? GATE_NONE : GATE_REGRESSION);
    }
}

/* Chunks that all lose the same: the mean's interval is a point, and Wilcoxon's p is 2^-n. */
static void chunks_in_pairs(void **state)
{
    enum { N = 8 };
    double differ[N];
    static const struct {
        double shift, swing;
        enum gate_verdict verdict;
    } row[] = {{0.01, 0, GATE_REGRESSION},
               {0.004, 0, GATE_NONE},
               {-0.01, 0, GATE_IMPROVEMENT},
               {0.01, 0.2, GATE_NOISY},
               {0, 0, GATE_NONE}};
    (void)state;
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        struct gate_cell c = {.id = {.better = -1, .metric = "ppl"}, .n_new = N};
        gate_cell_kind(&c);
        assert_int_equal(c.method, GATE_CHUNKS);
        for (int i = 0; i < N; i++) {
            const double base = 3 + 0.1 * i, now = base + row[k].shift + row[k].swing * (i % 2 ? 1 : -1);
            differ[i] = now - base;
        }
        gate_test_chunks(&c, &gate_defaults, differ, N);
        assert_true(fabs(c.delta.v - row[k].shift) < 1e-12);
        assert_true(fabs(c.ratio.v - exp(row[k].shift)) < 1e-12);
        if (k == 0)
            assert_true(fabs(c.p - 1.0 / 256) < 1e-12 && fabs(c.delta.lo - 0.01) < 1e-9);
        assert_int_equal(alone(&c), row[k].verdict);
    }
}

/* 40 of 100 lost: at most 4 + 44 answers differ, so at worst 44 went one way and 4 the other. */
static void answers_in_pairs(void **state)
{
    struct task_result before = {.n_items = 100, .n_correct = 80, .n_ref_correct = 82, .n_lost = 3, .n_gained = 1};
    struct task_result now = {.n_items = 100, .n_correct = 40, .n_ref_correct = 82, .n_lost = 43, .n_gained = 1};
    struct gate_cell c = {.id = {.better = 1, .metric = "score"}, .baseline = 0.8, .current = 0.4, .n_new = 100};
    (void)state;
    gate_cell_kind(&c);
    assert_int_equal(c.method, GATE_ANSWERS);
    gate_test_answers(&c, &gate_defaults, &before, &now);
    assert_true(fabs(c.p - stats_mcnemar(44, 4)) < 1e-15);
    assert_int_equal(alone(&c), GATE_REGRESSION);
    now = (struct task_result){.n_items = 100, .n_correct = 77, .n_ref_correct = 82, .n_lost = 7, .n_gained = 2};
    c.verdict = GATE_NONE;
    c.current = 0.77;
    gate_test_answers(&c, &gate_defaults, &before, &now); /* 13 differ, an odd number: 8 and 5 */
    assert_true(fabs(c.p - stats_mcnemar(8, 5)) < 1e-15);
    assert_int_equal(alone(&c), GATE_NONE);
}

/* ---- the baseline ---- */

enum { POINTS = 60, DAY = 86400 };
static struct point point[POINTS];
static int base_at[BASE];

static struct series days(int n, int slow_from, double slow)
{
    struct series x = {.key = "k", .metric = "decode_tok_s", .better = 1, .n = n, .p = point};
    for (int i = 0; i < n; i++)
        point[i] = (struct point){.run = 100 + i, .time = (int64_t)DAY * (i + 1), .value = i < slow_from ? 100 : slow};
    return x;
}

static struct change change_at(int i, double after, enum change_state state)
{
    struct change c = {.run_after = 100 + i,
                       .time = (int64_t)DAY * (i + 1),
                       .before = 100,
                       .after = after,
                       .effect = after / 100 - 1,
                       .state = state};
    return c;
}

static void the_baseline_and_states(void **state)
{
    struct gate_choice choice = {.base = base_at};
    struct series x = days(50, 45, 90);
    (void)state;
    gate_choose(&choice, &x, NULL, 0, &gate_defaults);
    assert_int_equal(choice.n_base, 30);
    assert_int_equal(choice.base[0], 19);
    assert_int_equal(choice.base[29], 48);
    assert_int_equal(choice.n_fresh, 1);
    struct change c = change_at(45, 90, CHANGE_NEW);
    gate_choose(&choice, &x, &c, 1, &gate_defaults);
    assert_int_equal(choice.base[29], 44); /* it ends before the change */
    assert_int_equal(choice.fresh, 46);    /* three runs and the newest: no need to run again */
    assert_ptr_equal(choice.open, &c);
    c.state = CHANGE_ACCEPTED;
    gate_choose(&choice, &x, &c, 1, &gate_defaults);
    assert_int_equal(choice.n_base, 4); /* 45 to 48 */
    c.state = CHANGE_NOISE;
    gate_choose(&choice, &x, &c, 1, &gate_defaults);
    assert_int_equal(choice.base[29], 48);
    x = days(50, 45, 90);
    for (int i = 47; i < 50; i++)
        point[i].value = 100;
    c.state = CHANGE_FIXED;
    gate_choose(&choice, &x, &c, 1, &gate_defaults);
    assert_int_equal(choice.base[29], 48);
    assert_int_equal(choice.base[28], 47);
    assert_int_equal(choice.base[27], 44); /* 45 and 46 were the regression */
}

/* What was won is the new baseline as soon as there are runs enough of it, whatever a person says. */
static void improvements_become_the_baseline(void **state)
{
    struct gate_choice choice = {.base = base_at};
    struct series x = days(50, 45, 120);
    struct change c = change_at(45, 120, CHANGE_NEW);
    (void)state;
    gate_choose(&choice, &x, &c, 1, &gate_defaults);
    assert_int_equal(choice.base[29], 44);
    x = days(56, 45, 120);
    gate_choose(&choice, &x, &c, 1, &gate_defaults);
    assert_int_equal(choice.n_base, 10);
    assert_int_equal(choice.base[0], 45);
    assert_null(choice.open);
}

/* ---- nights of a store ---- */

struct night {
    int day;
    double tok_s;
    const char *library, *env;
    enum record_status status;
    double shift; /* of every chunk's -ln p */
};

static void put_night(struct store *s, const struct night *n)
{
    static struct record r;
    struct err e = {0};
    record_init(&r);
    snprintf(r.date, sizeof r.date, "2026-%02d-%02dT03:00:00Z", 1 + n->day / 28, 1 + n->day % 28);
    snprintf(r.env_sha256, sizeof r.env_sha256, "%s", n->env ? n->env : "env");
    snprintf(r.hw_sha256, sizeof r.hw_sha256, "hw");
    snprintf(r.device, sizeof r.device, "a machine");
    snprintf(r.model.name, sizeof r.model.name, "tiny");
    snprintf(r.model.sha256, sizeof r.model.sha256, "%064d", 1);
    snprintf(r.format.name, sizeof r.format.name, "gguf/q4_0");
    snprintf(r.framework.name, sizeof r.framework.name, "llama.cpp");
    snprintf(r.framework.version, sizeof r.framework.version, "b%d-c%d", 6000 + n->day, n->day);
    snprintf(r.framework.library_sha256, sizeof r.framework.library_sha256, "%s", n->library);
    r.workload.n_gen = 64;
    r.speed_from = r.quality_from = FROM_MEASURED;
    r.status = n->status;
    snprintf(r.reason, sizeof r.reason, "%s", n->status ? "out of memory" : "");
    if (n->status == STATUS_OK) {
        r.speed.decode_tok_s = stats_exact(n->tok_s);
        r.chunk_nll.n = 16;
        double sum = 0;
        for (int i = 0; i < r.chunk_nll.n; i++)
            sum += r.chunk_nll.x[i] = 2.5 + 0.1 * (i % 5) + n->shift;
        r.quality.ppl = exp(sum / r.chunk_nll.n);
    }
    if (store_put(s, &r, &e) < 0)
        fail_msg("%s", e.text);
}

#define LIB_A "1111111111111111111111111111111111111111111111111111111111111111"
#define LIB_B "2222222222222222222222222222222222222222222222222222222222222222"

static void put_nights(struct store *s, int from, int n, double tok_s, const char *library)
{
    for (int i = from; i < from + n; i++)
        put_night(s, &(struct night){.day = i, .tok_s = tok_s * (1 + 0.003 * sin(i)), .library = library});
}

static struct store *new_store(void)
{
    struct store *s;
    struct err e = {0};
    if (store_open(&s, ":memory:", &e) < 0)
        fail_msg("%s", e.text);
    return s;
}

static int n_asked;
static double again_value;
static int measure_again(void *arg, const struct series *const *s, int n, double *value, struct err *e)
{
    (void)arg, (void)e;
    for (int i = 0; i < n; i++) {
        assert_string_equal(s[i]->metric, "decode_tok_s");
        value[i] = again_value * (1 + 0.001 * n_asked++);
    }
    return 0;
}

/* The verdict of one metric; the report's failed in *failed, the cell in *out (its history freed). */
static enum gate_verdict judge(struct store *s, const char *metric, double again, bool *failed, struct gate_cell *out)
{
    struct gate_report r;
    struct err e = {0};
    const struct gate_hooks h = {.rerun = measure_again};
    enum gate_verdict v = N_GATE_VERDICTS;
    again_value = again;
    n_asked = 0;
    if (gate_run(&r, s, &gate_defaults, again > 0 ? &h : NULL, &e) < 0)
        fail_msg("%s", e.text);
    for (int i = 0; i < r.n; i++)
        if (strcmp(r.cell[i].id.metric, metric) == 0) {
            assert_int_equal(v, N_GATE_VERDICTS); /* once */
            v = r.cell[i].verdict;
            *out = r.cell[i];
        }
    *failed = r.failed;
    gate_free(&r);
    return v;
}

static void set_state(struct store *s, const char *id, enum change_state state)
{
    struct err e = {0};
    if (store_set_change(s, id, state, "seen", "https://example.org/1", &e) < 0)
        fail_msg("%s", e.text);
}

static void a_regression_through_its_states(void **state)
{
    struct store *s = new_store();
    struct gate_cell c;
    bool failed;
    char id[17];
    (void)state;
    put_nights(s, 0, 35, 100, LIB_A);
    assert_int_equal(judge(s, "decode_tok_s", 0, &failed, &c), GATE_NONE);
    put_nights(s, 35, 1, 90, LIB_B);
    assert_int_equal(judge(s, "decode_tok_s", 0, &failed, &c), GATE_INSUFFICIENT); /* nobody runs it again */
    assert_false(failed);
    assert_int_equal(judge(s, "decode_tok_s", 100, &failed, &c), GATE_NONE);
    assert_int_equal(judge(s, "decode_tok_s", 90, &failed, &c), GATE_REGRESSION);
    assert_true(failed);
    assert_int_equal(n_asked, 3);
    assert_int_equal(c.n_new, 4);
    assert_int_equal(c.n_base, 30);
    assert_string_equal(c.first_bad.commit, "c35");
    assert_string_equal(c.last_good.commit, "c34");
    assert_int_equal(strlen(c.change), 16);
    strcpy(id, c.change);
    put_nights(s, 36, 3, 90, LIB_B); /* the nights after: the same change, and runs enough without a hook */
    assert_int_equal(judge(s, "decode_tok_s", 0, &failed, &c), GATE_REGRESSION);
    assert_true(failed);
    assert_string_equal(c.change, id);
    assert_string_equal(c.first_bad.commit, "c35");
    set_state(s, id, CHANGE_ACKNOWLEDGED);
    assert_int_equal(judge(s, "decode_tok_s", 0, &failed, &c), GATE_REGRESSION);
    assert_false(failed);
    assert_string_equal(c.note, "seen");
    put_nights(s, 39, 1, 80, LIB_B); /* worse than what was acknowledged: another change */
    assert_int_equal(judge(s, "decode_tok_s", 80, &failed, &c), GATE_REGRESSION);
    assert_true(failed && strcmp(c.change, id) != 0);
    strcpy(id, c.change);
    put_nights(s, 40, 1, 80, LIB_B); /* which keeps its name too */
    assert_int_equal(judge(s, "decode_tok_s", 80, &failed, &c), GATE_REGRESSION);
    assert_true(failed && strcmp(c.change, id) == 0);
    store_close(s);
}

static void a_regression_that_ends(void **state)
{
    struct store *s = new_store();
    struct gate_cell c;
    bool failed;
    (void)state;
    put_nights(s, 0, 30, 100, LIB_A);
    put_nights(s, 30, 2, 90, LIB_B);
    assert_int_equal(judge(s, "decode_tok_s", 90, &failed, &c), GATE_REGRESSION);
    put_nights(s, 32, 1, 100, LIB_A);
    assert_int_equal(judge(s, "decode_tok_s", 0, &failed, &c), GATE_NONE);
    assert_int_equal(c.state, CHANGE_FIXED);
    put_nights(s, 33, 1, 89, LIB_B); /* again: a change of its own, new */
    assert_int_equal(judge(s, "decode_tok_s", 89, &failed, &c), GATE_REGRESSION);
    assert_true(failed && c.state == CHANGE_NEW);
    set_state(s, c.change, CHANGE_ACCEPTED);
    put_nights(s, 34, 1, 89, LIB_B);
    assert_int_equal(judge(s, "decode_tok_s", 0, &failed, &c), GATE_INSUFFICIENT); /* one run of the new level */
    put_nights(s, 35, 9, 89, LIB_B);
    assert_int_equal(judge(s, "decode_tok_s", 0, &failed, &c), GATE_NONE);
    store_close(s);
}

static void the_same_build_cannot_regress(void **state)
{
    struct store *s = new_store();
    struct gate_cell c;
    bool failed;
    (void)state;
    put_nights(s, 0, 30, 100, LIB_A);
    put_nights(s, 30, 1, 90, LIB_A);
    assert_int_equal(judge(s, "decode_tok_s", 90, &failed, &c), GATE_ENVIRONMENT_DRIFT);
    assert_false(failed);
    store_close(s);
    s = new_store(); /* a regression that was missed at first is none of the environment */
    put_nights(s, 0, 30, 100, LIB_A);
    put_nights(s, 30, 2, 90, LIB_B);
    assert_int_equal(judge(s, "decode_tok_s", 90, &failed, &c), GATE_REGRESSION);
    assert_string_equal(c.first_bad.commit, "c30");
    store_close(s);
}

static void another_environment(void **state)
{
    struct store *s = new_store();
    struct gate_cell c;
    bool failed;
    (void)state;
    put_nights(s, 0, 20, 100, LIB_A);
    put_night(s, &(struct night){.day = 20, .tok_s = 50, .library = LIB_A, .env = "new kernel"});
    assert_int_equal(judge(s, "decode_tok_s", 50, &failed, &c), GATE_ENVIRONMENT_CHANGED);
    assert_int_equal(n_asked, 0);
    assert_string_equal(c.id.env_sha256, "new kernel"); /* and no cell of the old series: judge looks */
    store_close(s);
}

static void failed_and_missing(void **state)
{
    struct store *s = new_store();
    struct gate_cell c;
    struct gate_report r;
    struct err e = {0};
    bool failed;
    (void)state;
    put_nights(s, 0, 12, 100, LIB_A);
    put_night(s, &(struct night){.day = 12, .library = LIB_A, .status = STATUS_CRASHED});
    assert_int_equal(judge(s, "decode_tok_s", 0, &failed, &c), GATE_FAILED);
    assert_string_equal(c.reason, "crashed: out of memory");
    assert_false(failed);
    struct foreign f = {.metric = "latency", .unit = "ms", .better = -1, .n = 1, .value = {5}};
    struct foreign_run run = {.source = "x", .env_sha256 = "env", .metric = &f, .n = 1};
    strcpy(run.date, "2026-01-14T03:00:00Z"); /* the machine was there, that cell was not */
    assert_int_equal(store_put_foreign(s, &run, &e), 0);
    struct gate_policy p = gate_defaults;
    p.since = 1768348800; /* 2026-01-14 */
    p.fail_on = GATE_MISSING;
    assert_int_equal(gate_run(&r, s, &p, NULL, &e), 0);
    assert_int_equal(r.count[GATE_FAILED], 2); /* its speed and its perplexity */
    assert_true(r.failed);
    gate_free(&r);
    p.since += 30 * DAY; /* nothing ran at all: nothing is missing */
    assert_int_equal(gate_run(&r, s, &p, NULL, &e), 0);
    assert_int_equal(r.n, 0);
    gate_free(&r);
    store_close(s);
}

static void quality_of_a_store(void **state)
{
    struct store *s = new_store();
    struct gate_cell c;
    bool failed;
    (void)state;
    put_nights(s, 0, 3, 100, LIB_A);
    put_night(s, &(struct night){.day = 3, .tok_s = 100, .library = LIB_B, .shift = 0.02});
    assert_int_equal(judge(s, "ppl", 0, &failed, &c), GATE_REGRESSION); /* three runs are enough: nothing is random */
    assert_true(failed);
    assert_int_equal(c.method, GATE_CHUNKS);
    assert_int_equal(c.n_new, 16);
    assert_true(fabs(c.delta.v - 0.02) < 1e-9 && fabs(c.p - pow(0.5, 16)) < 1e-9);
    store_close(s);
    s = new_store();
    put_nights(s, 0, 3, 100, LIB_A);
    put_night(s, &(struct night){.day = 3, .tok_s = 100, .library = LIB_A, .shift = 0.02});
    assert_int_equal(judge(s, "ppl", 0, &failed, &c), GATE_ENVIRONMENT_DRIFT);
    store_close(s);
}

/* Figures of another program under the same gate; without chunks two perplexities are compared, and it says so. */
static void figures_of_others(void **state)
{
    struct store *s = new_store();
    struct gate_cell c;
    struct err e = {0};
    bool failed;
    (void)state;
    for (int i = 0; i < 31; i++) {
        struct foreign f[] = {
            {.metric = "latency", .unit = "ms", .better = -1, .n = 1, .value = {i < 30 ? 5 + 0.01 * (i % 3) : 6}},
            {.metric = "ppl", .better = -1, .n = 1, .value = {i < 30 ? 20 : 20.2}},
            {.metric = "errors", .better = -1, .n = 1, .value = {i == 30}}};
        struct foreign_run run = {.source = "x", .env_sha256 = "env", .metric = f, .n = 3};
        snprintf(run.date, sizeof run.date, "2026-01-%02dT03:00:00Z", i + 1);
        assert_int_equal(store_put_foreign(s, &run, &e), 0);
    }
    assert_int_equal(judge(s, "ppl", 0, &failed, &c), GATE_REGRESSION); /* ln(20.2/20) = 0.00995 */
    assert_int_equal(c.method, GATE_FIGURES);
    assert_non_null(strstr(c.reason, "two figures"));
    assert_true(isnan(c.p) && fabs(c.delta.v - log(1.01)) < 1e-9);
    assert_int_equal(judge(s, "latency", 0, &failed, &c), GATE_INSUFFICIENT);
    assert_int_equal(judge(s, "errors", 0, &failed, &c), GATE_INSUFFICIENT); /* zero has no ratio */
    assert_non_null(strstr(c.reason, "not positive"));
    store_close(s);
}

/* More of 600 runs are at 20 than at 20.2, of their newest 512 it is the other way round. */
static void a_long_baseline(void **state)
{
    (void)state;
    struct store *s = new_store();
    struct gate_report r;
    struct err e = {0};
    struct gate_policy p = gate_defaults;
    p.window = 600;
    for (int i = 0; i <= p.window; i++) {
        const struct foreign f = {"ppl", "", -1, 1, {i < 320 ? 20 : 20.2}};
        struct foreign_run run = {.source = "x", .env_sha256 = "env", .metric = &f, .n = 1};
        clock_format(run.date, 1767225600 + 3600 * i);
        assert_int_equal(store_put_foreign(s, &run, &e), 0);
    }
    assert_int_equal(gate_run(&r, s, &p, NULL, &e), 0);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.cell[0].n_base, 600);
    assert_true(r.cell[0].baseline == 20);
    assert_int_equal(r.cell[0].verdict, GATE_REGRESSION);
    gate_free(&r);
    store_close(s);
}

static void without_memory(void **state)
{
    (void)state;
    struct store *s = new_store();
    struct gate_report r;
    struct err e = {0};
    put_nights(s, 0, 12, 100, LIB_A);
    int rc = ERR_NOMEM;
    for (long n = 1; rc < 0; n++) {
        mem_fail_from(n);
        rc = gate_run(&r, s, &gate_defaults, NULL, &e);
        mem_fail_from(0);
        assert_true(rc == 0 || rc == ERR_NOMEM);
        assert_true(n < 10000);
    }
    gate_free(&r);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_regression),
        cmocka_unit_test(what_the_screen_lets_pass),
        cmocka_unit_test(verdicts_of_runs),
        cmocka_unit_test(memory_has_a_limit),
        cmocka_unit_test(chunks_in_pairs),
        cmocka_unit_test(answers_in_pairs),
        cmocka_unit_test(the_baseline_and_states),
        cmocka_unit_test(improvements_become_the_baseline),
        cmocka_unit_test(a_regression_through_its_states),
        cmocka_unit_test(a_regression_that_ends),
        cmocka_unit_test(the_same_build_cannot_regress),
        cmocka_unit_test(another_environment),
        cmocka_unit_test(failed_and_missing),
        cmocka_unit_test(quality_of_a_store),
        cmocka_unit_test(figures_of_others),
        cmocka_unit_test(a_long_baseline),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
