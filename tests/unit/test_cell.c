/* matrix/cell: one cell explained, on records whose answer is known by hand; what it says to change is tried. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/mem.h"
#include "matrix/cell.h"
#include "tests/unit/report_cases.h"

#define assert_double_equal(a, b, eps) assert_true(fabs((a) - (b)) <= (eps))

static struct report_case k;
static struct cell *cell;

/* The sample of decide_records.h under the limits in k.req. */
static void decide(void)
{
    struct err e = {0};
    decision_free(k.decision);
    k.decision = NULL;
    assert_int_equal(matrix_decide(&k.decision, k.rec, k.n, NULL, &k.device, &k.req, &e), 0);
}

static int teardown(void **state)
{
    (void)state;
    cell_free(cell);
    decision_free(k.decision);
    cell = NULL;
    k.decision = NULL;
    return 0;
}

static int setup(void **state)
{
    teardown(state); /* a test may begin several cases */
    memset(&k, 0, sizeof k);
    k.rec = case_records;
    request_defaults(&k.req);
    k.req.threads = 2;
    case_device(&k.device);
    k.n = sample_records(k.rec);
    return 0;
}

static const struct cell *explain(const char *name)
{
    struct err e = {0};
    int row[4];
    decide();
    if (cell_find(k.decision, name, row, 4) < 1)
        fail_msg("no cell %s", name);
    cell_free(cell);
    cell = NULL;
    assert_int_equal(cell_explain(&cell, k.decision, row[0], &k.device, &k.req, &e), 0);
    return cell;
}

static const char *pick(void)
{
    return k.decision->recommended < 0 ? "" : k.decision->row[k.decision->recommended].format;
}

static const struct cell_limit *limit_of(const struct cell *c, const char *rule)
{
    for (int i = 0; i < c->n_limits; i++)
        if (strcmp(c->limit[i].rule, rule) == 0)
            return &c->limit[i];
    fail_msg("no limit %s", rule);
    return NULL;
}

static const struct cell_figure *figure_of(const struct cell *c, const char *figure)
{
    for (int i = 0; i < c->n_beside; i++)
        if (strcmp(c->beside[i].figure, figure) == 0)
            return &c->beside[i];
    fail_msg("no figure %s", figure);
    return NULL;
}

static void test_names(void **state)
{
    (void)state;
    static const char *const same[] = {"gguf/q4_k_m",      "q4_k_m",
                                       "Q4_K_M@llama.cpp", "testmodel/gguf/q4_k_m",
                                       "TestModel/q4_k_m", "testmodel/q4_k_m@LLAMA.CPP",
                                       "q4_k_m@kv=f16",    "q4_k_m@llama.cpp@kv=f16"};
    static const char *const none[] = {"q4",      "",        "q4_k_m@ollama",  "other/q4_k_m", "q4_k_m@", "q4_k_",
                                       "q4_k_mm", "/q4_k_m", "q4_k_m@kv=q8_0", "testmodel/q4", "gguf/",   "@llama.cpp"};
    int row[2];
    decide();
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_int_equal(cell_find(k.decision, same[i], row, 2), 1);
        assert_string_equal(k.decision->row[row[0]].format, "gguf/q4_k_m");
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(cell_find(k.decision, none[i], row, 2), 0);
}

static void test_the_pick(void **state)
{
    (void)state;
    const struct cell *c = explain("q4_k_m");
    assert_string_equal(c->standing, "pick");
    assert_string_equal(c->headline, "gguf/q4_k_m on llama.cpp is the pick: fastest with KLD under 0.1 (default)");
    assert_string_equal(c->binding, "quality"); /* q4_0 is faster and kept out */
    assert_string_equal(c->binding_text, "it keeps out gguf/q4_0, 167 tok/s, 30 of 100 top words change: KLD 0.32 is "
                                         "over the limit of 0.1 (default)");
    assert_double_equal(limit_of(c, "max_kld")->short_by, 0.075 - 0.1, 1e-12);
    assert_string_equal(limit_of(c, "max_kld")->state, "kept");
    int64_t peak = (99 << 20) + (4 << 20) + (4 << 20) + (16 << 20); /* weights, KV at 4096, scratch, runtime */
    assert_double_equal(limit_of(c, "memory")->short_by, (double)peak - 20.0 * (1 << 30), 0.5);
    assert_string_equal(limit_of(c, "memory")->text, "123 MiB, at most 20.0 GiB: 19.9 GiB to spare");
    assert_int_equal(c->n_cures, 0);
    assert_string_equal(k.decision->row[c->versus].format, "gguf/q8_0");
    assert_string_equal(figure_of(c, "generation")->verdict, "better");
    assert_double_equal(figure_of(c, "generation")->percent, 100 * (107.7 / 94.9 - 1), 1e-9);
    assert_string_equal(figure_of(c, "KLD")->verdict, "worse");
    assert_string_equal(figure_of(c, "KLD")->text, "0.075 against 0.0050: 15 times as much");
    assert_string_equal(c->minute, "nothing overlaps: more measuring would not change the answer");
}

static void test_over_a_limit(void **state)
{
    (void)state;
    const struct cell *c = explain("q4_0");
    assert_string_equal(c->standing, "over a limit");
    assert_string_equal(c->headline,
                        "gguf/q4_0 on llama.cpp is not the pick: KLD 0.32 is over the limit of 0.1 (default)");
    assert_string_equal(c->binding, "quality");
    assert_double_equal(limit_of(c, "max_kld")->short_by, 0.317 - 0.1, 1e-12);
    assert_string_equal(limit_of(c, "max_kld")->text, "KLD 0.32, at most KLD 0.10: KLD 0.22 over");
    assert_int_equal(c->n_cures, 1);
    assert_string_equal(c->cure[0].text, "with KLD up to 0.32 (--max-kld 0.32)");
    assert_string_equal(c->cure[c->n_cures - 1].then, "it is the pick then");
    c = explain("q2_k"); /* slower than q4_0, which the same limit lets in */
    assert_string_equal(c->cure[0].text, "with KLD up to 0.46 (--max-kld 0.46)");
    assert_string_equal(c->cure[c->n_cures - 1].then,
                        "it passes then, and gguf/q4_0, 167 tok/s, 30 of 100 top words change stays ahead");
}

static void test_beaten(void **state)
{
    (void)state;
    const struct cell *c = explain("q5_k_m");
    assert_string_equal(c->standing, "beaten");
    assert_string_equal(c->versus_name, "the pick gguf/q4_k_m on llama.cpp");
    assert_string_equal(figure_of(c, "generation")->verdict, "worse");
    assert_int_equal(strncmp(figure_of(c, "generation")->text, "98.7 tok/s against 108: 8 % slower (", 36), 0);
    assert_string_equal(figure_of(c, "memory")->text, "129 MiB against 123 MiB: 5 % more");
}

/* Two rules at once: the way out names both. A shorter context comes first. */
static void test_memory_and_quality(void **state)
{
    (void)state;
    for (int i = 0; i < k.n; i++)
        k.rec[i].memory.kv_bytes = (int64_t)640 * 65536; /* 256 MiB at 4096 tokens */
    k.req.want.ram_bytes = 200 << 20;
    const struct cell *c = explain("q4_0"); /* 86 + 256 + 4 + 16 = 362 MiB */
    assert_string_equal(c->binding, "memory");
    assert_double_equal(limit_of(c, "memory")->short_by, 162.0 * (1 << 20), 0.5);
    assert_int_equal(c->n_cures, 2);
    /* (200 - 106) MiB of 64 KiB a token are 1504 tokens, in steps of 256: 1280 */
    assert_string_equal(c->cure[0].text,
                        "with a context of 1280 instead of 4096 (--ctx 1280) and with KLD up to 0.32 (--max-kld 0.32)");
    assert_string_equal(c->cure[1].text,
                        "with 162 MiB more memory (--ram 362M) and with KLD up to 0.32 (--max-kld 0.32)");
    assert_string_equal(c->cure[c->n_cures - 1].then, "it is the pick then");
    k.req.want.ctx = 1280;
    assert_string_equal(explain("q4_0")->binding, "quality");
    k.req.want.ctx = 1536;
    assert_string_equal(explain("q4_0")->binding, "memory");
}

/* What the cures say is tried with the whole decision, for every row and a set of limits. */
static bool take_option(const char *text, const char *option, double scale, double *value)
{
    const char *at = strstr(text, option);
    if (at)
        *value = strtod(at + strlen(option) + 1, NULL) * scale;
    return at != NULL;
}

static void try_cure(const char *cure, const char *cured, const char *format)
{
    struct constraints keep = k.req.want;
    double bytes;
    if (take_option(cure, "--ram", 1 << 20, &bytes))
        k.req.want.ram_bytes = (int64_t)bytes;
    if (take_option(cure, "--disk", 1 << 20, &bytes))
        k.req.want.disk_bytes = (int64_t)bytes;
    take_option(cure, "--max-kld", 1, &k.req.want.max_kld);
    take_option(cure, "--min-decode", 1, &k.req.want.min_decode_tok_s);
    take_option(cure, "--max-ttft", 1, &k.req.want.max_ttft_s);
    take_option(cure, "--min-quality", 1, &k.req.want.min_quality);
    double ctx = k.req.want.ctx;
    take_option(cure, "--ctx", 1, &ctx);
    k.req.want.ctx = (int)ctx;
    const char *o = strstr(cure, "--objective ");
    char name[32] = "";
    if (o && sscanf(o + 12, "%31[a-z]", name) == 1)
        k.req.want.objective = (enum objective)objective_find(name);
    decide();
    if (strcmp(cured, "it is the pick then") == 0 && strcmp(pick(), format) != 0)
        fail_msg("%s for %s: the pick is %s", cure, format, pick());
    if (strncmp(cured, "it passes then", 14) == 0)
        for (int i = 0; i < k.decision->n_rows; i++)
            assert_true(strcmp(k.decision->row[i].format, format) != 0 || k.decision->row[i].vetoes == 0);
    k.req.want = keep;
}

static void test_cures_cure(void **state)
{
    (void)state;
    int tried = 0;
    for (int set = 0; set < 6; set++) {
        setup(state);
        struct constraints *w = &k.req.want;
        w->objective = set == 1 ? OBJECTIVE_QUALITY : set == 2 ? OBJECTIVE_MEMORY : OBJECTIVE_BALANCED;
        w->ram_bytes = set == 3 ? 120 << 20 : -1;
        w->min_decode_tok_s = set == 4 ? 130 : NAN;
        w->disk_bytes = set == 5 ? 84 << 20 : -1;
        w->max_ttft_s = set == 5 ? 0.55 : NAN;
        for (int i = 0; i < k.n; i++) {
            char format[64];
            snprintf(format, sizeof format, "%s", k.rec[i].format.name);
            const struct cell *c = explain(format);
            for (int n = 0; n < c->n_cures; n++, tried++)
                try_cure(c->cure[n].text, c->cure[n].then, format);
        }
    }
    assert_true(tried > 20);
}

static void give_time(struct record *r, double seconds)
{
    r->speed.decode_ns.n = 10;
    for (int i = 0; i < 10; i++)
        r->speed.decode_ns.x[i] = seconds * 1e8;
}

/* Reach over gap, squared: 100 +- 3 and 96 +- 3 part after (6/4)^2 = 2.25 times as much: 1.25 x 20 s. 99.5 +- 3 needs
 * (6/0.5)^2 = 144 times. */
static void test_what_a_minute_settles(void **state)
{
    (void)state;
    full_record(&k.rec[0], "gguf/q8_0", 140 << 20, 100, 3, 0.001, 0.0001, 0.99);
    full_record(&k.rec[1], "gguf/q6_k", 150 << 20, 96, 3, 0.0005, 0.0001, 0.98);
    full_record(&k.rec[2], "gguf/q5_0", 160 << 20, 99.5, 3, 0.0001, 0.00001, 0.97);
    k.n = 3;
    for (int i = 0; i < 3; i++)
        give_time(&k.rec[i], 10);
    const struct cell *c = explain("q8_0");
    assert_string_equal(c->standing, "pick");
    assert_int_equal(c->n_parts, 2);
    for (int i = 0; i < 2; i++) {
        bool near = strcmp(c->part[i].name, "gguf/q5_0") == 0;
        assert_double_equal(c->part[i].times, near ? 144 : 2.25, 1e-9);
        assert_double_equal(c->part[i].seconds, near ? 143 * 20 : 25, 1e-6);
    }
    assert_string_equal(c->minute, "60 more seconds would part it from gguf/q6_k (25 s), not from gguf/q5_0 (2860 s)");
    c = explain("q6_k");
    assert_string_equal(c->standing, "tied");
    assert_string_equal(c->minute, "60 more seconds would part it from gguf/q8_0 (25 s)");
}

/* KLD 0.09 +- 0.02 and a limit of 0.1: (0.02 / 0.01)^2 = 4 times the 20 chunks. */
static void test_text_settles_quality(void **state)
{
    (void)state;
    give_quality(&k.rec[2], 0.09, 0.02, 0.86);
    const struct cell *c = explain("q4_k_m");
    const struct cell_part *p = NULL;
    for (int i = 0; i < c->n_parts; i++)
        if (strcmp(c->part[i].figure, "KLD") == 0 && strcmp(c->part[i].name, "gguf/q4_k_m") == 0)
            p = &c->part[i];
    assert_non_null(p);
    assert_double_equal(p->times, 4, 1e-9);
    assert_string_equal(p->text, "KLD 0.090, limit 0.1: about 60 chunks of text more (--chunks 80)");
}

static void test_equivalent_needs_the_framework(void **state)
{
    (void)state;
    record_of(&k.rec[0], "testmodel", "gguf/q4_0", "own");
    record_of(&k.rec[1], "testmodel", "gguf/q8_0", "own");
    for (int i = 0; i < 2; i++) {
        give_speed(&k.rec[i], i ? 150 : 200, 2);
        give_memory(&k.rec[i], i ? 136 << 20 : 86 << 20);
        give_quality(&k.rec[i], i ? 0.01 : 0.05, 0.001, 0.9);
    }
    k.n = 2;
    const struct cell *c = explain("q8_0@llama.cpp");
    assert_int_equal(c->n_parts, 1);
    assert_true(isnan(c->part[0].seconds));
    assert_non_null(strstr(c->part[0].text, "measure it in llama.cpp itself"));
    assert_string_equal(c->minute, "60 more seconds of the same would settle nothing");
    c = explain("q8_0@own");
    assert_string_equal(c->standing, "never recommended");
    assert_string_equal(c->cure[c->n_cures - 1].then, "");
    assert_non_null(strstr(c->cure[0].text, "take the format in a framework"));
}

/* Every row of every kind of decision has an explanation, and the decision stays as it was. */
static void test_every_row(void **state)
{
    (void)state;
    for (int i = 0; i < N_REPORT_CASES; i++) {
        struct err e = {0};
        teardown(state);
        assert_int_equal(case_open(&k, report_cases[i].name, &e), 0);
        size_t bytes = (size_t)k.decision->n_rows * sizeof(struct row);
        struct row *before = malloc(bytes);
        memcpy(before, k.decision->row, bytes);
        int step = 1 + k.decision->n_rows / 60; /* some of a large decision */
        for (int r = 0; r < k.decision->n_rows; r += step) {
            struct cell *c = NULL;
            assert_int_equal(cell_explain(&c, k.decision, r, &k.device, &k.req, &e), 0);
            assert_true(*c->headline && *c->standing && *c->minute);
            assert_true(strcmp(c->standing, "pick") != 0 || r == k.decision->recommended || k.decision->row[r].group);
            struct sbuf text = {0}, json = {0};
            assert_int_equal(report_cell(&text, c, &k.in, &e), 0);
            assert_int_equal(report_cell_json(&json, c, &k.in, &e), 0);
            for (const char *s = sbuf_str(&text); *s; s++)
                assert_true(*s == '\n' || (unsigned char)*s >= ' '); /* nothing for a terminal to obey */
            json_t *parsed = json_loads(sbuf_str(&json), 0, NULL);
            assert_non_null(parsed);
            json_decref(parsed);
            sbuf_free(&text);
            sbuf_free(&json);
            cell_free(c);
        }
        assert_memory_equal(before, k.decision->row, bytes);
        free(before);
    }
}

static void test_memory_failures(void **state)
{
    (void)state;
    bool done = false;
    decide();
    for (long n = 1; n < 2000 && !done; n++) {
        struct cell *c = NULL;
        struct err e = {0};
        mem_fail_from(n);
        int rc = cell_explain(&c, k.decision, 4, &k.device, &k.req, &e);
        mem_fail_from(0);
        assert_true(rc == 0 || (rc == ERR_NOMEM && c == NULL));
        done = rc == 0;
        cell_free(c);
    }
    assert_true(done);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_names),
        T(test_the_pick),
        T(test_over_a_limit),
        T(test_beaten),
        T(test_memory_and_quality),
        T(test_cures_cure),
        T(test_what_a_minute_settles),
        T(test_text_settles_quality),
        T(test_equivalent_needs_the_framework),
        T(test_every_row),
        T(test_memory_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
