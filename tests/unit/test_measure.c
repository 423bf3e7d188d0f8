/* bench/measure with runners whose times are scripted: order, statistics, budget, failures, eviction, SIGINT, memory.
 */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "bench/measure_state.h"

/* ---- a runner that does nothing and says how long it took ---- */

struct script {
    double prompt_ns, token_ns, noise; /* per token; relative noise of each repetition */
    int open_rc, fail_at, fail_rc;     /* measure call (from 0) that fails; -1 never */
    int open_fails_beside;             /* open fails with ERR_NOMEM while that many others are open; 0: never */
    int64_t kv_bytes;
    int hang_from; /* measure call (from 0) that hangs first; 0: none */
    bool hang, interrupt, open_hangs;
};
struct session {
    struct script *script;
    int id, n_calls, prefill_threads, decode_threads;
    struct rng rng;
};
enum { MOST_CALLS = 512 };
static struct {
    int cell[MOST_CALLS], n_prompt[MOST_CALLS], n_gen[MOST_CALLS], n, n_open, most_open;
} calls;
static struct script script[8];

/* Cells are told apart by their thread count: cell i has i + 1. */
static int fake_open(struct session **out, const struct measure_cell *cell, struct err *e)
{
    int id = cell->threads - 1;
    while (script[id].open_hangs && clock_ns() < cell->deadline_ns)
        clock_sleep_ms(1);
    if (script[id].open_hangs)
        return err_set(e, ERR_TIMEOUT, "gave up");
    if (script[id].open_rc < 0)
        return err_set(e, script[id].open_rc, "no such kernel");
    if (script[id].open_fails_beside && calls.n_open >= script[id].open_fails_beside)
        return err_nomem(e, 1, "a session");
    struct session *s = mem_alloc(sizeof *s);
    if (!s)
        return err_nomem(e, sizeof *s, "a session");
    *s = (struct session){.script = &script[id], .id = id};
    rng_seed(&s->rng, (uint64_t)id);
    calls.n_open++;
    calls.most_open = calls.n_open > calls.most_open ? calls.n_open : calls.most_open;
    *out = s;
    return 0;
}

/* Per token with 1, 2, 3 and 4 threads, as shares of the script's; all: 4. */
static double prefill_by_threads[5], decode_by_threads[5];

static double by_threads(const double factor[5], int n_threads)
{
    return factor[n_threads > 0 && n_threads < 4 ? n_threads : 4];
}

static int fake_measure(struct session *s, const struct workload *w, struct sample *out, struct err *e)
{
    const struct script *c = s->script;
    int call = s->n_calls++;
    if (calls.n < MOST_CALLS) {
        calls.cell[calls.n] = s->id;
        calls.n_prompt[calls.n] = w->n_prompt;
        calls.n_gen[calls.n++] = w->n_gen;
    }
    if (c->interrupt && call == c->fail_at)
        raise(SIGINT);
    else if (call == c->fail_at && c->fail_rc == ERR_CRASHED)
        return err_set(e, ERR_CRASHED, "died of signal 11");
    else if (call == c->fail_at)
        return err_set(e, c->fail_rc, "it broke");
    const bool hangs = c->hang || (c->hang_from > 0 && call >= c->hang_from);
    while (hangs && clock_ns() < w->deadline_ns)
        clock_sleep_ms(1);
    if (hangs)
        return err_set(e, ERR_TIMEOUT, "gave up");
    double factor = 1 + c->noise * (2 * rng_uniform(&s->rng) - 1);
    out->prefill_ns = out->ttft_ns =
        w->n_prompt ? c->prompt_ns * w->n_prompt * factor * by_threads(prefill_by_threads, s->prefill_threads) : NAN;
    out->decode_ns =
        w->n_gen ? c->token_ns * w->n_gen * factor * by_threads(decode_by_threads, s->decode_threads) : NAN;
    out->n_token_ns = w->n_gen;
    for (int i = 0; i < w->n_gen; i++) /* the last token of each repetition takes ten times as long */
        out->token_ns[i] = c->token_ns * (i + 1 == w->n_gen ? 10 : 1);
    return 0;
}

static void fake_use_threads(struct session *s, int prefill, int decode)
{
    s->prefill_threads = prefill;
    s->decode_threads = decode;
}

static void fake_describe(const struct session *s, struct record *r)
{
    snprintf(r->framework.name, sizeof r->framework.name, "fake%d", s->id);
    r->memory.kv_bytes = s->script->kv_bytes;
    r->speed.bytes_per_token = 1e9;
}

static void fake_close(struct session *s)
{
    calls.n_open--;
    mem_free(s);
}

static const struct runner fake = {.name = "fake",
                                   .open = fake_open,
                                   .measure = fake_measure,
                                   .use_threads = fake_use_threads,
                                   .describe = fake_describe,
                                   .close = fake_close};

static struct measure_cell cell[8];
static struct record rec[8];
static struct workload work;
static struct measure_opts opts;

static int reset(void **state)
{
    (void)state;
    memset(&calls, 0, sizeof calls);
    for (int i = 0; i < 8; i++) {
        script[i] =
            (struct script){.prompt_ns = 1e6 * (i + 1), .token_ns = 1e7 * (i + 1), .noise = 0.001, .fail_at = -1};
        cell[i] = (struct measure_cell){.runner = &fake, .threads = i + 1, .isa = ISA(AVX2)};
        record_init(&rec[i]);
    }
    for (int i = 0; i < 5; i++)
        prefill_by_threads[i] = decode_by_threads[i] = 1;
    work = (struct workload){.n_prompt = 100, .n_gen = 20};
    measure_defaults(&opts);
    opts.bandwidth_gb_s = 20; /* no memory is taken for measuring it */
    return 0;
}

static int measure(int n, struct err *e)
{
    return measure_cells(cell, rec, n, &work, &opts, e);
}

static void close_to(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance * fabs(b)))
        fail_msg("%.12g is not %.12g", a, b);
}

static void figures_are_right(void **state)
{
    (void)state;
    script[0].noise = script[1].noise = 0;
    assert_int_equal(measure(2, NULL), 0);
    for (int i = 0; i < 2; i++) {
        const struct speed *s = &rec[i].speed;
        assert_int_equal(rec[i].status, STATUS_OK);
        close_to(s->prefill_tok_s.v, 1000.0 / (i + 1), 1e-12);
        close_to(s->decode_tok_s.v, 100.0 / (i + 1), 1e-12);
        close_to(s->decode_tok_s.hi, s->decode_tok_s.v, 1e-12);
        close_to(s->ttft_ms.v, 100.0 * (i + 1), 1e-12);
        close_to(s->tpot_p50_ms, 10.0 * (i + 1), 1e-12);
        close_to(s->tpot_p90_ms, 10.0 * (i + 1), 1e-12);
        close_to(s->tpot_p99_ms, 100.0 * (i + 1), 1e-12); /* one token of twenty is slow */
        assert_int_equal(s->decode_ns.n, 5);
        assert_int_equal(s->prefill_ns.n, 5);
        close_to(s->bandwidth_share, 1e9 * 100.0 / (i + 1) / 20e9, 1e-12);
        assert_false(s->low_confidence);
        assert_true(s->calibration_drift >= 0 && s->n_reruns <= 3);
        assert_int_equal(rec[i].speed_from, FROM_MEASURED);
        assert_int_equal(rec[i].workload.n_prompt, 100);
        assert_int_equal(rec[i].workload.threads, i + 1);
        assert_int_equal(rec[i].isa, ISA(AVX2));
        assert_true(rec[i].date[0] && !rec[i].reason[0]);
        assert_true(rec[i].before.available_bytes != 0 && rec[i].after.total_ticks >= rec[i].before.total_ticks);
    }
    assert_true(rec[0].speed.cache_resident && !rec[1].speed.cache_resident == !(rec[1].speed.bandwidth_share > 1));
    assert_string_equal(rec[1].framework.name, "fake1");
    assert_int_equal(calls.n_open, 0);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Every repetition has the bandwidth around it, and the share is the median of theirs: bandwidth that halves in the
 * middle of a run, as on a guest that is moved, does not change it where decoding halves too. */
static void share_is_of_the_moment(void **state)
{
    (void)state;
    opts.bandwidth_gb_s = NAN;
    script[0].noise = 0.3;
    opts.max_reps = 7;
    assert_int_equal(measure(1, NULL), 0);
    const struct speed *s = &rec[0].speed;
    double share[7], rate[7];
    assert_int_equal(s->decode_ns.n, 7);
    assert_int_equal(s->read_gb_s.n, 7);
    for (int i = 0; i < 7; i++) {
        rate[i] = s->read_gb_s.x[i];
        share[i] = 1e9 / (s->decode_ns.x[i] / work.n_gen) / rate[i];
        assert_true(rate[i] > 0.05 && rate[i] < 5000);
    }
    qsort(share, 7, sizeof *share, ascending);
    qsort(rate, 7, sizeof *rate, ascending);
    close_to(s->bandwidth_share, share[3], 1e-12);
    close_to(s->bandwidth_gb_s, rate[3], 1e-12);
}

/* Each phase gets the number of threads with which it is fastest, fewer than all only where that gains something, and
 * is measured with it; a number that was given is not touched. */
static void threads_are_found_by_trying(void **state)
{
    (void)state;
    static const double slow_alone[5] = {0, 4, 2, 1.33, 1}, best_with_two[5] = {0, 1.1, 0.8, 0.9, 1},
                        hardly_better[5] = {0, 0.99, 0.985, 1, 1};
    struct pool *pool;
    assert_int_equal(pool_new(&pool, 4, NULL, NULL), 0);
    for (int i = 0; i < 2; i++) {
        cell[i].pool = pool;
        cell[i].threads = i + 1;
        cell[i].find_threads = i == 0;
        script[i] = (struct script){.prompt_ns = 1e5, .token_ns = 1e6, .fail_at = -1};
    }
    memcpy(prefill_by_threads, slow_alone, sizeof slow_alone);
    memcpy(decode_by_threads, best_with_two, sizeof best_with_two);
    assert_int_equal(measure(2, NULL), 0);
    assert_int_equal(rec[0].workload.threads_decode, 2);
    close_to(rec[0].speed.decode_tok_s.v, 1250, 1e-9);
    close_to(rec[0].speed.prefill_tok_s.v, 10000, 1e-9);
    assert_int_equal(rec[1].workload.threads_decode, rec[1].workload.threads);
    close_to(rec[1].speed.decode_tok_s.v, 1000, 1e-9);
    reset(NULL);
    cell[0].pool = pool;
    cell[0].find_threads = true;
    script[0] = (struct script){.prompt_ns = 1e5, .token_ns = 1e6, .fail_at = -1};
    memcpy(decode_by_threads, hardly_better, sizeof hardly_better);
    assert_int_equal(measure(1, NULL), 0);
    close_to(rec[0].speed.decode_tok_s.v, 1000, 1e-9);
    reset(NULL); /* where trying takes longer than there is, all are used */
    cell[0].pool = pool;
    cell[0].find_threads = true;
    script[0] = (struct script){.prompt_ns = 1e9, .token_ns = 1e9, .fail_at = -1};
    memcpy(decode_by_threads, best_with_two, sizeof best_with_two);
    assert_int_equal(measure(1, NULL), 0);
    close_to(rec[0].speed.decode_tok_s.v, 1, 1e-9);
    pool_free(pool);
}

/* After the warm-up of all, full repetitions come as A B C A B C; a disturbed one may be repeated at once. */
static void cells_are_interleaved(void **state)
{
    (void)state;
    assert_int_equal(measure(3, NULL), 0);
    int i = 0, expected = 0, n_full = 0;
    while (i < calls.n && calls.n_gen[i] < work.n_gen)
        i++; /* blocks of the warm-up are shorter */
    assert_true(i >= 6);
    for (; i < calls.n; i++) {
        if (n_full > 0 && calls.cell[i] == calls.cell[i - 1])
            continue; /* a rerun */
        assert_int_equal(calls.cell[i], expected);
        expected = (expected + 1) % 3;
        n_full++;
    }
    assert_int_equal(n_full, 15);
}

static void noise_takes_more_repetitions(void **state)
{
    (void)state;
    script[1].noise = 0.5;
    assert_int_equal(measure(2, NULL), 0);
    assert_int_equal(rec[0].speed.decode_ns.n, 5);
    assert_int_equal(rec[1].speed.decode_ns.n, 25);
    script[1].noise = 0.02; /* wide with 5, narrow before 25 */
    record_init(&rec[1]);
    assert_int_equal(measure(2, NULL), 0);
    assert_in_range(rec[1].speed.decode_ns.n, 5, 24);
    struct interval d = rec[1].speed.decode_tok_s;
    assert_true((d.hi - d.v) / d.v < 0.021 && (d.v - d.lo) / d.v < 0.021);
}

/* What this process holds is no memory of a program beside it. */
static void a_framework_has_memory_of_its_own(void **state)
{
    (void)state;
    const struct weights w = {.bytes = 1000, .held_bytes = 1000};
    struct runner real = fake;
    real.real = true;
    cell[0].weights = cell[1].weights = &w;
    cell[1].runner = &real;
    assert_int_equal(measure(2, NULL), 0);
    assert_true(rec[0].memory.peak_rss_bytes > 1 << 20);
    assert_int_equal(rec[1].memory.peak_rss_bytes, -1);
    assert_int_equal(rec[1].memory.peak_anon_bytes, -1);
}

static int asked[8];

static int ask(void *arg, int i_cell, struct session *s, struct err *e)
{
    assert_ptr_equal(arg, asked);
    assert_int_equal(s->id, i_cell);
    asked[i_cell]++;
    return i_cell == 2 ? err_set(e, ERR_CRASHED, "it died of that question") : 0;
}

/* Once of each cell that was measured, while its session is open; an error is the cell's. */
static void more_is_asked_before_the_end(void **state)
{
    (void)state;
    memset(asked, 0, sizeof asked);
    script[1].fail_at = 0;
    script[1].fail_rc = ERR_IO;
    opts.before_close = ask;
    opts.arg = asked;
    assert_int_equal(measure(4, NULL), 0);
    assert_true(asked[0] == 1 && asked[1] == 0 && asked[2] == 1 && asked[3] == 1);
    assert_int_equal(rec[0].status, STATUS_OK);
    assert_int_equal(rec[2].status, STATUS_CRASHED);
    assert_string_equal(rec[2].reason, "it died of that question");
    assert_true(isnan(rec[2].speed.decode_tok_s.v) && isfinite(rec[3].speed.decode_tok_s.v));
}

static void one_phase_alone(void **state)
{
    (void)state;
    work.n_prompt = 0;
    assert_int_equal(measure(1, NULL), 0);
    assert_true(isnan(rec[0].speed.prefill_tok_s.v) && isnan(rec[0].speed.ttft_ms.v));
    close_to(rec[0].speed.decode_tok_s.v, 100, 0.01);
    work = (struct workload){.n_prompt = 50};
    record_init(&rec[0]);
    assert_int_equal(measure(1, NULL), 0);
    assert_true(isnan(rec[0].speed.decode_tok_s.v) && isnan(rec[0].speed.tpot_p50_ms));
    close_to(rec[0].speed.prefill_tok_s.v, 1000, 0.01);
}

static void failures_are_rows(void **state)
{
    (void)state;
    script[0].open_rc = ERR_UNSUPPORTED;
    script[1].fail_at = 4;
    script[1].fail_rc = ERR_CRASHED;
    script[2].hang = true;
    script[4].fail_at = 0;
    script[4].fail_rc = ERR_DATA;
    script[5].open_rc = ERR_MISSING;
    work.deadline_ns = clock_ns() + 300000000;
    assert_int_equal(measure(6, NULL), 0);
    static const enum record_status expected[] = {STATUS_UNSUPPORTED, STATUS_CRASHED, STATUS_TIMED_OUT,
                                                  STATUS_OK,          STATUS_FAILED,  STATUS_CANNOT_RUN};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(rec[i].status, expected[i]);
        if (i == 3)
            continue;
        assert_true(rec[i].reason[0] && rec[i].speed_from == FROM_NOWHERE && isnan(rec[i].speed.decode_tok_s.v));
    }
    assert_string_equal(rec[0].reason, "no such kernel");
    assert_non_null(strstr(rec[1].reason, "signal 11"));
    close_to(rec[3].speed.decode_tok_s.v, 25, 0.01);
    assert_int_equal(calls.n_open, 0);
}

/* What a budget's end comes before is no failure of the framework's; what was measured until then counts. */
static void the_end_is_no_failure(void **state)
{
    (void)state;
    static const char *const said[] = {"before it was its turn", "while it was loading", "before its first repetition"};
    cell[0].deadline_ns = opts.end_ns = 1; /* long past */
    script[1].open_hangs = true;
    cell[1].deadline_ns = clock_ns() + 1000000000;
    assert_int_equal(measure(3, NULL), 0);
    assert_int_equal(calls.n, 0);
    assert_int_equal(calls.most_open, 1);
    for (int i = 0; i < 3; i++)
        if (rec[i].status != STATUS_NOT_REACHED || !strstr(rec[i].reason, said[i]) || rec[i].speed_from != FROM_NOWHERE)
            fail_msg("%s: %s", record_status_name(rec[i].status), rec[i].reason);
    reset(NULL);
    script[0].hang = true;
    opts.end_ns = clock_ns() + 1000000000;
    assert_int_equal(measure(1, NULL), 0);
    assert_int_equal(rec[0].status, STATUS_NOT_REACHED);
    assert_non_null(strstr(rec[0].reason, "during its first repetition"));
    reset(NULL);
    memset(asked, 0, sizeof asked);
    script[0] = (struct script){.prompt_ns = 10, .token_ns = 10, .fail_at = -1, .hang_from = 12};
    opts.min_reps = 25;
    opts.end_ns = clock_ns() + 2000000000;
    opts.before_close = ask;
    opts.arg = asked;
    assert_int_equal(measure(1, NULL), 0);
    assert_int_equal(rec[0].status, STATUS_OK);
    assert_int_equal(calls.n, 13);
    assert_in_range(rec[0].speed.decode_ns.n, 5, 9); /* three of twelve warm up, some may have been run again */
    assert_int_equal(asked[0], 0);
}

/* Sessions that do not fit beside each other are measured one after the other, and all are measured. */
static void sessions_are_evicted(void **state)
{
    (void)state;
    struct probe_state now;
    probe_sample(&now);
    script[0].kv_bytes = script[2].kv_bytes = now.available_bytes * 2 / 5; /* each fits, two do not */
    script[1].kv_bytes = 1000;
    assert_int_equal(measure(4, NULL), 0);
    assert_int_equal(calls.most_open, 3); /* 0 and 1, and 2 while it is seen not to fit */
    for (int i = 0; i < 4; i++)
        assert_int_equal(rec[i].status, STATUS_OK);
    reset(NULL);
    script[1].open_fails_beside = 1;
    script[3].open_fails_beside = 2;
    assert_int_equal(measure(4, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rec[i].status, STATUS_OK);
    assert_int_equal(calls.n_open, 0);
}

static void budget_is_kept(void **state)
{
    (void)state;
    opts.budget_s = 2; /* a round costs 3 cells x (100 x 1..3 ms + 20 x 10..30 ms) = 1.8 s: three do not fit */
    uint64_t t0 = clock_ns();
    assert_int_equal(measure(3, NULL), 0);
    assert_true(clock_ns() - t0 < UINT64_C(60000000000));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rec[i].status, STATUS_OK);
        assert_true(rec[i].workload.n_prompt < 100 && rec[i].workload.n_prompt >= 32);
        assert_int_equal(rec[i].workload.n_prompt, rec[0].workload.n_prompt); /* all alike */
        assert_true(rec[i].workload.n_gen < 20 && rec[i].workload.n_gen >= 8);
        assert_non_null(strstr(rec[i].reason, "shortened from 100 prompt and 20 generated"));
        close_to(rec[i].speed.decode_tok_s.v, 100.0 / (i + 1), 0.01);
    }
}

static void without_time_every_cell_gets_one(void **state)
{
    (void)state;
    opts.budget_s = 0;
    assert_int_equal(measure(3, NULL), 0);
    assert_int_equal(calls.n, 3); /* no warm-up, no rerun */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rec[i].status, STATUS_OK);
        assert_int_equal(rec[i].speed.decode_ns.n, 1);
        assert_int_equal(rec[i].workload.n_prompt, 32);
        assert_int_equal(rec[i].workload.n_gen, 8);
        assert_true(rec[i].speed.low_confidence && isnan(rec[i].speed.decode_tok_s.lo));
    }
    reset(NULL);
    opts.budget_s = 0;
    opts.keep_workload = true;
    assert_int_equal(measure(2, NULL), 0);
    assert_int_equal(rec[1].workload.n_prompt, 100);
    assert_int_equal(rec[1].speed.decode_ns.n, 1);
}

static void fixed_repetitions(void **state)
{
    (void)state;
    opts.min_reps = opts.max_reps = 3;
    assert_int_equal(measure(1, NULL), 0);
    assert_int_equal(rec[0].speed.decode_ns.n, 3);
    assert_true(rec[0].speed.low_confidence);
}

static void impossible_requests(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(measure(0, &e), 0);
    work = (struct workload){0};
    assert_int_equal(measure(1, &e), ERR_USAGE);
    work = (struct workload){.n_gen = MAX_TOKEN_TIMES + 1};
    assert_int_equal(measure(1, &e), ERR_USAGE);
    work = (struct workload){.n_prompt = -1, .n_gen = 2};
    assert_int_equal(measure(1, &e), ERR_USAGE);
    work = (struct workload){.n_gen = 2};
    opts.max_reps = 0;
    assert_int_equal(measure(1, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "repetitions"));
}

static int interrupted(void *arg)
{
    (void)arg;
    interrupt_install();
    script[1].interrupt = true;
    script[1].fail_at = 4; /* in the warm-up or behind it: cell 1's fifth call */
    struct err e = {0};
    int rc = measure(3, &e);
    if (rc != ERR_CANCELLED || !strstr(e.text, "interrupted") || calls.n_open != 0)
        return 1;
    int after = 0;
    for (int i = calls.n; i-- > 0 && calls.cell[i] != 1;)
        after++;
    if (after != 0 || rec[2].status == STATUS_CRASHED)
        return 2;
    for (int i = 0; i < 3; i++)
        if (rec[i].speed.decode_ns.n > 0 ? rec[i].status != STATUS_OK || isnan(rec[i].speed.decode_tok_s.v)
                                         : rec[i].status != STATUS_FAILED || !strstr(rec[i].reason, "interrupted"))
            return 3;
    return rec[0].speed.decode_ns.n > 0 ? 0 : 4;
}

static void sigint_keeps_what_is_done(void **state)
{
    (void)state;
    opts.warmup_cap_s = 0; /* one block of warm-up: call 4 is the fourth repetition */
    assert_int_equal(child_call(interrupted, NULL, 60000), 0);
}

/* What a cell's samples say about the machine, from crafted ones. */
static void dirty_cells_are_flagged(void **state)
{
    (void)state;
    struct measure_run m = {.o = &opts, .w = work, .n = 1};
    struct live c = {.cell = &cell[0], .r = &rec[0], .n_reps = 5, .hottest_c = 80, .slowest_ghz = 2.5};
    struct samples ns = {.n = 5, .x = {2e8, 2e8, 2e8, 2e8, 2e8}};
    rec[0].speed.decode_ns = rec[0].speed.prefill_ns = c.ttft_ns = ns;
    c.drift = (struct samples){.n = 5, .x = {0.01, 0.02, 0.3, 0.4, 0.02}}; /* two of five: the median is sound */
    c.energy_j = 30;
    c.energy_tokens = 100;
    c.steal_ticks = 4;
    c.total_ticks = 100;
    finish_cell(&m, &c, &work);
    assert_false(rec[0].speed.dirty);
    close_to(rec[0].speed.calibration_drift, 0.02, 1e-12);
    close_to(rec[0].energy_j_per_tok, 0.3, 1e-12);
    assert_string_equal(rec[0].energy_from, "rapl");
    close_to(rec[0].after.steal_share, 0.04, 1e-12);
    assert_true(rec[0].after.max_c == 80 && rec[0].after.ghz == 2.5);
    c.drift.x[0] = 0.1;
    finish_cell(&m, &c, &work);
    assert_true(rec[0].speed.dirty);
    c.drift.x[0] = 0.01;
    c.throttled = 1;
    finish_cell(&m, &c, &work);
    assert_true(rec[0].speed.dirty);
    c.throttled = 0;
    c.steal_ticks = 6;
    finish_cell(&m, &c, &work);
    assert_true(rec[0].speed.dirty);
}

static void no_memory(void **state)
{
    (void)state;
    opts.budget_s = 0;
    int rc = -1, n = 1;
    for (; n < 200 && rc != 0; n++) {
        reset(NULL);
        opts.budget_s = 0;
        mem_fail_from(n);
        rc = measure(2, NULL);
        mem_fail_from(0);
        assert_int_equal(calls.n_open, 0);
        assert_true(rc == 0 || rc == ERR_NOMEM);
        if (rc == 0 && (rec[0].status != STATUS_OK || rec[1].status != STATUS_OK))
            rc = -1; /* a cell lost its memory, the others went on */
    }
    assert_true(n > 4 && rc == 0);
}

/* ---- sustained speed ---- */

static struct sustain_result points(int n, double (*speed)(int))
{
    struct sustain_result s = {.n = n};
    for (int i = 0; i < n; i++) {
        s.t_s[i] = i + 1;
        s.tok_s[i] = speed(i);
    }
    sustain_judge(&s);
    return s;
}
static double flat(int i)
{
    return 10 + (i % 2) * 0.1;
}
static double step(int i)
{
    return i < 40 ? 10 : 7;
}
static double dip(int i)
{
    return i >= 40 && i < 60 ? 7 : 10;
}
static double spikes(int i)
{
    return i % 10 < 2 && i > 15 ? 2 : 10;
}
static double ramp(int i)
{
    return 10 - 0.05 * i;
}

static void time_to_throttle(void **state)
{
    (void)state;
    struct sustain_result s = points(100, flat);
    assert_true(isnan(s.throttle_after_s));
    close_to(s.burst_tok_s, 10.05, 1e-12);
    s = points(100, step);
    close_to(s.throttle_after_s, 40, 0);
    close_to(s.burst_tok_s, 10, 0);
    close_to(s.sustained_tok_s, 7, 0);
    assert_true(isnan(points(100, dip).throttle_after_s));    /* it came back */
    assert_true(isnan(points(100, spikes).throttle_after_s)); /* two bad windows in ten */
    s = points(100, ramp);
    close_to(s.burst_tok_s, 9.775, 1e-12);
    assert_in_range(s.throttle_after_s, 14, 15); /* 10 - 0.05 i < 0.95 x 9.775 from i = 15 on */
    s = points(2, flat);
    assert_true(s.burst_tok_s > 10 && isnan(s.throttle_after_s));
}

static void sustained_runs_for_its_time(void **state)
{
    (void)state;
    struct sustain_result s;
    assert_int_equal(measure_sustained(&cell[0], 0.2, &s, NULL), 0);
    assert_int_equal(s.n, 1);
    close_to(s.burst_tok_s, 100, 0.01);
    assert_true(s.t_s[0] >= 0.19);
    script[0].fail_at = 0;
    script[0].fail_rc = ERR_CRASHED;
    assert_int_equal(measure_sustained(&cell[0], 0.2, &s, NULL), ERR_CRASHED);
    assert_int_equal(s.n, 0);
    assert_int_equal(calls.n_open, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(figures_are_right, reset),
        cmocka_unit_test_setup(share_is_of_the_moment, reset),
        cmocka_unit_test_setup(threads_are_found_by_trying, reset),
        cmocka_unit_test_setup(cells_are_interleaved, reset),
        cmocka_unit_test_setup(noise_takes_more_repetitions, reset),
        cmocka_unit_test_setup(one_phase_alone, reset),
        cmocka_unit_test_setup(a_framework_has_memory_of_its_own, reset),
        cmocka_unit_test_setup(more_is_asked_before_the_end, reset),
        cmocka_unit_test_setup(failures_are_rows, reset),
        cmocka_unit_test_setup(the_end_is_no_failure, reset),
        cmocka_unit_test_setup(sessions_are_evicted, reset),
        cmocka_unit_test_setup(budget_is_kept, reset),
        cmocka_unit_test_setup(without_time_every_cell_gets_one, reset),
        cmocka_unit_test_setup(fixed_repetitions, reset),
        cmocka_unit_test_setup(impossible_requests, reset),
        cmocka_unit_test_setup(sigint_keeps_what_is_done, reset),
        cmocka_unit_test_setup(dirty_cells_are_flagged, reset),
        cmocka_unit_test_setup(no_memory, reset),
        cmocka_unit_test(time_to_throttle),
        cmocka_unit_test_setup(sustained_runs_for_its_time, reset),
    };
    return cmocka_run_group_tests_name("measure", tests, NULL, NULL);
}
