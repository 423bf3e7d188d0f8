/* Each row of risks.def: a case in which it is said, beside the plain case in which none is. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "bench/target.h"
#include "matrix/judge.h"
#include "tests/unit/report_cases.h"

static struct report_case k;
static bool forget_device;

static void decide(void)
{
    struct err e = {0};
    decision_free(k.decision);
    k.decision = NULL;
    assert_int_equal(matrix_decide(&k.decision, k.rec, k.n, NULL, forget_device ? NULL : &k.device, &k.req, &e), 0);
    assert_true(k.decision->recommended >= 0);
}

static int teardown(void **state)
{
    (void)state;
    decision_free(k.decision);
    k.decision = NULL;
    return 0;
}

/* A plain case: nothing to be said of it. The pick is q4_k_m. */
static int setup(void **state)
{
    teardown(state); /* a test may begin several cases */
    memset(&k, 0, sizeof k);
    k.rec = case_records;
    request_defaults(&k.req);
    k.req.threads = 2;
    case_device(&k.device);
    k.device.power.battery_percent = -1;
    k.device.cpu.isa_mask = ISA(AVX2) | ISA(FMA);
    k.n = sample_records(k.rec);
    forget_device = false;
    return 0;
}

static const struct risk *risk_of(const char *id)
{
    for (int i = 0; i < k.decision->n_risks; i++)
        if (strcmp(k.decision->risk[i].id, id) == 0)
            return &k.decision->risk[i];
    return NULL;
}

/* --- what brings each about --- */
static void make_estimated(void)
{
    for (int i = 0; i < k.n; i++)
        k.rec[i].speed_from = FROM_PREDICTED, k.rec[i].quality_from = FROM_PUBLISHED;
}
static void make_not_served(void)
{
    for (int i = 0; i < k.n; i++)
        snprintf(k.rec[i].framework.name, sizeof k.rec[i].framework.name, "own");
}
static void make_quality_loss(void)
{
    k.req.want.max_kld = 1;
}
static void make_requantized(void)
{
    for (int i = 0; i < k.n; i++)
        k.rec[i].model.source_quantized = true, snprintf(k.rec[i].model.source_format, 32, "q8_0");
}
static void make_tight(void)
{
    k.req.want.ram_bytes = 125 << 20; /* of 123 */
}
static void make_swap(void)
{
    make_tight();
    k.device.memory.swap_bytes = 1 << 30;
}
static void make_throttled(void)
{
    k.rec[2].before.throttle_count = 3;
    k.rec[2].after.throttle_count = 5;
}
static void make_drift(void)
{
    k.rec[2].speed.decode_ns.n = 9;
    for (int i = 0; i < 9; i++)
        k.rec[2].speed.decode_ns.x[i] = 1e9 * (i < 3 ? 1 : i < 6 ? 1.1 : 1.25);
}
static void make_hot(void)
{
    k.device.thermal.max_c = 92;
    k.device.thermal.throttle_c = 100;
}
static void make_board(void)
{
    snprintf(k.device.os.board, sizeof k.device.os.board, "Raspberry Pi 5 Model B Rev 1.0");
}
static void make_thin(void)
{
    k.device.power.battery_percent = 80;
    snprintf(k.device.cpu.brand, sizeof k.device.cpu.brand, "12th Gen Intel(R) Core(TM) i5-1235U");
}
static void make_battery(void)
{
    snprintf(k.device.power.supply, sizeof k.device.power.supply, "battery");
}
static void make_battery_hours(void)
{
    for (int i = 0; i < k.n; i++)
        k.rec[i].energy_j_per_tok = 0.1; /* 107.7 tok/s: 10.77 W */
    k.req.want.battery_wh = 50;
}
static void make_battery_by_class(void)
{
    k.device.power.battery_percent = 80;
    k.device.power.battery_wh = 60; /* a laptop without a counter: 30 W */
}
static void make_shared(void)
{
    k.device.n_gpus = 1;
    k.device.gpu[0].memory_bytes = -1;
    snprintf(k.device.gpu[0].vendor, sizeof k.device.gpu[0].vendor, "Intel");
}
static void make_single(void)
{
    k.device.memory.channels = 1;
}
static void make_isa_missing(void)
{
    k.device.cpu.isa_mask = ISA(SSE4_2) | ISA(AVX);
}
static void make_arm_without_dot(void)
{
    snprintf(k.device.cpu.arch, sizeof k.device.cpu.arch, "aarch64");
    k.device.cpu.isa_mask = ISA(NEON);
}
static void make_unproved(void)
{
    k.device.cpu.isa[ISA_BIT_AMX_INT8] = ISA_CLAIMED;
}
static void make_language(void)
{
    k.req.want.language = "uk";
}
static void make_task(void)
{
    k.req.want.task = "code";
}
static void make_dirty(void)
{
    k.rec[2].speed.dirty = true;
}
static void make_rough(void)
{
    k.rec[2].quality.n_chunks = 3;
}

static const struct {
    const char *id;
    void (*make)(void);
    const char *says; /* in the text; "" whatever it says */
} cases[] = {
    {"estimated", make_estimated, "every figure is predicted or published"},
    {"not_served", make_not_served, "equivalent kernels"},
    {"quality_loss", make_quality_loss, ""},
    {"requantized", make_requantized, "quantized before"},
    {"tight_memory", make_tight, ""},
    {"repacked_copy", make_tight, "repacked copy"},
    {"swap", make_swap, "swap"},
    {"throttled", make_throttled, "throttled"},
    {"drift", make_drift, "(25 % from the first to the last third)"},
    {"hot", make_hot, ""},
    {"no_fan", make_board, "(a board: fit a cooler)"},
    {"no_fan", make_thin, "(a thin laptop)"},
    {"battery", make_battery, ""},
    {"battery_hours", make_battery_hours, "(4.6 h of generating without a pause: 50 Wh at 10.8 W, measured)"},
    {"battery_hours", make_battery_by_class, "(2.0 h of generating without a pause: 60 Wh at 30 W, median"},
    {"shared_display", make_shared, "same RAM"},
    {"single_channel", make_single, ""},
    {"isa_missing", make_isa_missing, "(no AVX2 with FMA)"},
    {"isa_missing", make_arm_without_dot, "(no dot products (asimddp))"},
    {"isa_unproved", make_unproved, ""},
    {"language", make_language, "(asked for: uk)"},
    {"task", make_task, "(code)"},
    {"dirty", make_dirty, ""},
    {"low_confidence", make_rough, ""},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void test_none_in_the_plain_case(void **state)
{
    (void)state;
    decide();
    assert_int_equal(k.decision->n_risks, 0);
    assert_string_equal(k.decision->device_class, "server-cpu");
    forget_device = true;
    decide();
    assert_int_equal(k.decision->n_risks, 0);
    assert_string_equal(k.decision->device_class, "");
}

static void test_each_is_said(void **state)
{
    for (int i = 0; i < N_CASES; i++) {
        teardown(state);
        setup(state);
        cases[i].make();
        decide();
        const struct risk *r = risk_of(cases[i].id);
        if (!r)
            fail_msg("case %d: %s is not said", i, cases[i].id);
        if (!strstr(r->text, cases[i].says))
            fail_msg("%s says: %s", cases[i].id, r->text);
        assert_true(*r->mitigation);
    }
}

/* English, a text of one's own, the reference: nothing to be said of the language. */
static void test_language_is_known(void **state)
{
    static const char *const english[] = {"en", "EN-gb"};
    for (int i = 0; i < 2; i++) {
        setup(state);
        k.req.want.language = english[i];
        decide();
        assert_null(risk_of("language"));
    }
    k.req.want.language = "uk";
    k.req.text_path = "ukrainian.txt";
    decide();
    assert_null(risk_of("language"));
}

static void test_every_row_has_a_case(void **state)
{
    (void)state;
    static const char *const ids[] = {
#define X(id, text, mitigation) #id,
#include "matrix/risks.def"
#undef X
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        bool found = false;
        for (int n = 0; n < N_CASES; n++)
            found |= strcmp(cases[n].id, ids[i]) == 0;
        if (!found)
            fail_msg("%s has no case", ids[i]);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The medians that class_power.def names are those of the catalogue. */
static void test_class_power(void **state)
{
    (void)state;
    static const struct {
        const char *class;
        double watts;
        const char *source;
    } power[] = {
#define X(class, watts, source) {class, watts, source},
#include "matrix/class_power.def"
#undef X
    };
    struct target *t = malloc(sizeof *t);
    for (size_t i = 0; i < sizeof power / sizeof *power; i++) {
        double w[256];
        size_t n = 0;
        struct err e = {0};
        for (int r = 0; target_at(t, r, &e); r++)
            if (strcmp(t->device_class, power[i].class) == 0 && isfinite(t->tdp_w) && n < 256)
                w[n++] = t->tdp_w;
        qsort(w, n, sizeof *w, compare);
        double median = n == 0 ? NAN : n % 2 ? w[n / 2] : (w[n / 2 - 1] + w[n / 2]) / 2;
        bool from_catalogue = strstr(power[i].source, "median") != NULL;
        if (from_catalogue && !(fabs(median - power[i].watts) <= 0.15 * median))
            fail_msg("%s: %g W, the catalogue's median is %g", power[i].class, power[i].watts, median);
        assert_true(from_catalogue || strstr(power[i].source, "https://"));
    }
    free(t);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_none_in_the_plain_case), T(test_each_is_said), T(test_language_is_known),
                                       T(test_every_row_has_a_case), T(test_class_power)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
