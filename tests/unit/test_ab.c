/* Two commands in turn: figures out of every output that is understood, the order, what goes wrong, and the verdict. */
#include <math.h>
#include <setjmp.h>
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
#include "matrix/gate_ab.h"

static struct ab_figure *read_ok(const char *text, int wanted)
{
    struct ab_figure *f = NULL;
    struct err e = {0};
    int n = 0;
    if (ab_read_figures(&f, &n, text, strlen(text), &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(n, wanted);
    return f;
}

static void expect(const struct ab_figure *f, const char *name, double value, int better)
{
    assert_string_equal(f->name, name);
    assert_true(fabs(f->value - value) < 1e-6 * value);
    assert_int_equal(f->better, better);
}

/* Fields as llama-bench prints them; 128 tokens in 0.5, 0.4 and 0.8 s: the median is 256 tok/s. */
#define ROW_PP                                                                                                         \
    "{\"build_commit\":\"a\",\"model_type\":\"llama ?B Q4_1\",\"n_threads\":2,\"n_prompt\":128,\"n_gen\":0,"           \
    "\"n_depth\":0,\"avg_ns\":566666666,\"avg_ts\":245.3,\"samples_ns\":[500000000,400000000,800000000]}"
#define ROW_TG                                                                                                         \
    "{\"build_commit\":\"a\",\"model_type\":\"llama ?B Q4_1\",\"n_threads\":2,\"n_prompt\":0,\"n_gen\":32,"            \
    "\"n_depth\":64,\"avg_ns\":1000000000,\"avg_ts\":32,\"samples_ns\":[1000000000]}"

static void figures_of_outputs(void **state)
{
    (void)state;
    struct ab_figure *f = read_ok("[" ROW_PP "," ROW_TG "," ROW_TG "]", 3);
    expect(&f[0], "pp128", 256, 1);
    expect(&f[1], "tg32 d64", 32, 1);
    expect(&f[2], "tg32 d64 #2", 32, 1); /* the same test with other settings: by its place */
    mem_free(f);
    f = read_ok(ROW_PP "\n" ROW_TG "\n", 2);
    expect(&f[1], "tg32 d64", 32, 1);
    mem_free(f);
    f = read_ok("warming up\n\"n_prompt\",\"n_gen\",\"avg_ns\",\"avg_ts\"\n\"512\",\"0\",\"2000000000\",\"256\"\n", 1);
    expect(&f[0], "pp512", 256, 1);
    mem_free(f);
    f = read_ok("loading...\nmetric,value,unit,better\nlatency,12.5,ms,lower\nlatency,13.5,ms,lower\nthroughput,80,"
                "req/s,higher\n\nbye\n",
                2);
    expect(&f[0], "latency", 13, -1); /* the median of its repetitions */
    expect(&f[1], "throughput", 80, 1);
    mem_free(f);
    f = read_ok("metric,value,unit\nlatency,12.5,ms\nthroughput,80,req/s\n", 2);
    expect(&f[0], "latency", 12.5, -1); /* nobody says: a rate is better higher, anything else lower */
    expect(&f[1], "throughput", 80, 1);
    mem_free(f);
}

static void no_figures(void **state)
{
    static const char *const text[] = {"",
                                       "hello\n",
                                       "[]",
                                       "{}",
                                       "metric,value,better\n",
                                       "metric,value,better\nlatency,fast,lower\n",
                                       "{\"n_prompt\":1"};
    (void)state;
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        struct ab_figure *f = NULL;
        struct err e = {0};
        int n = 0;
        assert_int_equal(ab_read_figures(&f, &n, text[i], strlen(text[i]), &e), ERR_FORMAT);
        assert_true(strlen(e.text) > 25);
    }
}

static void run_ab(const char *a, const char *b, int n, struct gate_report *r)
{
    struct ab_options o = {.command = {a, b}, .n_pairs = n, .timeout_ms = 20000, .seed = 5};
    struct ab_result runs;
    struct err e = {0};
    if (ab_run(&runs, &o, &e) < 0 || gate_ab(r, &runs, &o, &gate_defaults, &e) < 0)
        fail_msg("%s", e.text);
    ab_free(&runs);
}

/* Values that rise from call to call, so that none are equal: 100.0, 100.1, ... times a factor. */
static void verdicts(void **state)
{
    char file[] = "/tmp/whichquant-ab-XXXXXX", a[256], b[256];
    int fd = mkstemp(file);
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    static const struct {
        double factor;
        enum gate_verdict verdict;
    } row[] = {{1, GATE_NONE}, {0.9, GATE_REGRESSION}, {1.1, GATE_IMPROVEMENT}};
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        static const char form[] = "echo >> %s; echo metric,value,unit; awk 'END{print \"speed,\" %g * (100 + (NR * 7 "
                                   "%% 20) / 10) \",tok/s\"}' %s";
        struct gate_report r;
        snprintf(a, sizeof a, form, file, 1.0, file);
        snprintf(b, sizeof b, form, file, row[k].factor, file);
        assert_int_equal(truncate(file, 0), 0);
        run_ab(a, b, 10, &r);
        assert_int_equal(r.n, 1);
        assert_int_equal(r.cell[0].verdict, row[k].verdict);
        assert_int_equal(r.cell[0].n_base, 10);
        if (k) /* all of one side above all of the other: 2 of C(20, 10) */
            assert_true(fabs(r.cell[0].p - 2.0 / 184756) < 1e-12);
        assert_int_equal(r.failed, row[k].verdict == GATE_REGRESSION);
        gate_free(&r);
    }
    unlink(file);
}

static void the_order_within_a_pair_is_drawn(void **state)
{
    char file[] = "/tmp/whichquant-ab-XXXXXX", a[128], b[128], seen[64] = "";
    int fd = mkstemp(file), n_ab = 0;
    struct gate_report r;
    (void)state;
    assert_true(fd >= 0);
    snprintf(a, sizeof a, "printf A >> %s; echo metric,value; echo t,1", file);
    snprintf(b, sizeof b, "printf B >> %s; echo metric,value; echo t,1", file);
    run_ab(a, b, 12, &r);
    gate_free(&r);
    assert_int_equal(read(fd, seen, sizeof seen - 1), 24);
    for (int i = 0; i < 24; i += 2) {
        assert_true(seen[i] != seen[i + 1]);
        n_ab += seen[i] == 'A';
    }
    assert_true(n_ab > 1 && n_ab < 11);
    close(fd);
    unlink(file);
}

static void what_goes_wrong(void **state)
{
    static const struct {
        const char *b;
        int code;
        const char *said;
    } row[] = {{"echo no such model >&2; exit 3", ERR_IO, "ended with code 3; it said last: no such model"},
               {"kill -SEGV $$", ERR_CRASHED, "signal 11"},
               {"sleep 20", ERR_TIMEOUT, "longer than"},
               {"echo hello", ERR_FORMAT, "no figures"},
               {"echo metric,value,unit; echo t,1,ms", ERR_FORMAT, "is in"}};
    (void)state;
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        struct ab_options o = {
            .command = {"echo metric,value,unit; echo t,1,s", row[k].b}, .n_pairs = 4, .timeout_ms = 1500};
        struct ab_result runs;
        struct err e = {0};
        assert_int_equal(ab_run(&runs, &o, &e), row[k].code);
        assert_non_null(strstr(e.text, row[k].said));
        assert_non_null(strstr(e.text, "command "));
        assert_int_equal(runs.n, 0);
    }
}

static void a_figure_of_one_side_only(void **state)
{
    struct gate_report r;
    (void)state;
    run_ab("echo metric,value; echo t,1; echo u,1", "echo metric,value; echo t,1", 4, &r);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.count[GATE_FAILED], 1);
    gate_free(&r);
}

static void the_time_of_commands(void **state)
{
    struct ab_options o = {.command = {"true", "sleep 0.15"}, .n_pairs = 4, .timeout_ms = 20000, .wall = true};
    struct ab_result runs;
    struct err e = {0};
    (void)state;
    assert_int_equal(ab_run(&runs, &o, &e), 0);
    assert_string_equal(runs.metric[0].name, "wall_s");
    assert_int_equal(runs.metric[0].n[1], 4);
    for (int i = 0; i < 4; i++)
        assert_true(runs.metric[0].run[1][i].value >= 0.15);
    ab_free(&runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_outputs),
        cmocka_unit_test(no_figures),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(the_order_within_a_pair_is_drawn),
        cmocka_unit_test(what_goes_wrong),
        cmocka_unit_test(a_figure_of_one_side_only),
        cmocka_unit_test(the_time_of_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
