/* The choice between models on synthetic targets: figures in closed form, limits one at a time, nothing fits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "bench/catalogue.h"
#include "bench/measure.h"
#include "matrix/choose.h"

static struct target target;
static struct machine_rates rates;
static struct request req;
static struct factor same[2];
static const struct factors known = {.at = same, .n = 1};
static struct err e;

/* A machine that reads 20 GB/s in every codec that models are stored in, where llama.cpp is as fast as the own engine.
 */
static void make_machine(const char *ram)
{
    static const char *const codec[][2] = {{"bf16", "bf16"}, {"f16", "f16"},   {"q8_0", "q8_0"}, {"q6_k", "q8_k"},
                                           {"q5_k", "q8_k"}, {"q4_k", "q8_k"}, {"q3_k", "q8_k"}, {"q2_k", "q8_k"},
                                           {"q5_0", "q8_0"}, {"q4_0", "q8_0"}, {"q5_1", "q8_1"}};
    struct target_flags f = {.ram = ram, .bandwidth = "25", .isa = "avx2", .cores = "4"};
    assert_int_equal(target_from_flags(&target, &f, &e), 0);
    rates = (struct machine_rates){.isa = target.isa,
                                   .n_codecs = sizeof codec / sizeof *codec,
                                   .seen_gb_s = INTERVAL_NONE,
                                   .kv_gb_s = INTERVAL_NONE,
                                   .value_ns = INTERVAL_NONE,
                                   .pair_ns = INTERVAL_NONE,
                                   .n_bandwidth = 1};
    rates.bandwidth[0].gb_s = stats_exact(25);
    for (int c = 0; c < rates.n_codecs; c++) {
        snprintf(rates.codec[c].codec, sizeof rates.codec[c].codec, "%s", codec[c][0]);
        snprintf(rates.codec[c].act, sizeof rates.codec[c].act, "%s", codec[c][1]);
        for (int s = 0; s < RATE_SHAPES; s++) {
            rates.codec[c].decode_gb_s[s] = stats_exact(20);
            rates.codec[c].prefill_gop_s[s] = stats_exact(400);
        }
    }
    same[0] = (struct factor){
        .framework = "llama.cpp", .format = "gguf/q4_k_m", .prefill = stats_exact(1), .decode = stats_exact(1)};
    snprintf(same[0].hw_sha256, sizeof same[0].hw_sha256, "%s", target.device.hw_sha256);
    request_defaults(&req);
}

static struct decision *choose(const char *const *models, int n_models)
{
    struct decision *d = NULL;
    struct choose_input in = {
        .target = &target, .rates = &rates, .known = &known, .req = &req, .models = models, .n_models = n_models};
    if (matrix_choose(&d, &in, &e) < 0)
        fail_msg("%s", e.text);
    return d;
}

static const struct row *row_of(const struct decision *d, const char *model, const char *format)
{
    for (int i = 0; i < d->n_rows; i++)
        if (!strcmp(d->row[i].model, model) && !strcmp(d->row[i].format, format))
            return &d->row[i];
    fail_msg("no row of %s %s", model, format);
    return NULL;
}

/* Speed is bytes over the rate, memory the sum of its parts, of the numbers that the catalogue gives. */
static void figures(void **state)
{
    (void)state;
    make_machine("16G");
    struct decision *d = choose(NULL, 0);
    static const char *const ids[] = {"qwen3-4b", "llama-3.1-8b", "smollm2-1.7b"};
    for (int i = 0; i < 3; i++) {
        struct catalogue_cost c;
        const struct row *r = row_of(d, ids[i], "gguf/q4_k_m");
        assert_int_equal(catalogue_cost(&c, catalogue_model_find(ids[i]), recipe_find("gguf/q4_k_m"), NULL, 4096, &e),
                         0);
        assert_true(fabs(r->decode_tok_s * (double)c.read_bytes / 20e9 - 1) <
                    0.002); /* vectors are not read through a rate */
        assert_true(r->decode_tok_s_lo < r->decode_tok_s && r->decode_tok_s < r->decode_tok_s_hi);
        assert_true(r->peak_bytes == c.weights_bytes + c.kv_bytes + c.scratch_bytes + (16 << 20) +
                                         230 * (int64_t)catalogue_model_find(ids[i])->n_vocab);
        assert_true(r->download_bytes >= r->weights_bytes);
        assert_string_equal(r->precision_class, "3-4 bit");
        assert_string_equal(r->speed_from, "predicted");
        assert_string_equal(r->backend, "cpu");
    }
    assert_string_equal(row_of(d, "llama-3.1-8b", "gguf/q8_0")->precision_class, "5-8 bit");
    assert_string_equal(row_of(d, "llama-3.1-8b", "gguf/q2_k")->precision_class, "1-2 bit");
    assert_string_equal(row_of(d, "llama-3.1-8b", "gguf/q2_k")->model_class, "small");
    assert_string_equal(row_of(d, "smollm2-135m", "gguf/q8_0")->model_class, "micro");
    decision_free(d);
}

static double score(const struct row *r)
{
    return r->scored ? r->task_score : r->task_score - 1000;
}

/* The pick meets every limit, no row that does beats it in score, speed and memory, and its model has the best score.
 */
static void check_pick(const struct decision *d, double floor, double kld)
{
    assert_true(d->recommended == 0 && d->exit_code == 0);
    const struct row *p = &d->row[0];
    assert_true(p->recommended && p->decode_tok_s >= floor && p->kld <= kld && p->peak_bytes <= p->usable_bytes);
    double best = -2000;
    for (int i = 0; i < d->n_rows; i++) {
        const struct row *r = &d->row[i];
        if (!r->ran || r->vetoes)
            continue;
        best = fmax(best, score(r));
        bool as_good = score(r) >= score(p) && r->decode_tok_s >= p->decode_tok_s && r->peak_bytes <= p->peak_bytes;
        bool more = score(r) > score(p) || r->decode_tok_s > p->decode_tok_s || r->peak_bytes < p->peak_bytes;
        assert_false(i != 0 && as_good && more);
    }
    assert_true(score(p) >= 0.99 * best);
    assert_non_null(strstr(d->headline, p->model));
    assert_non_null(strstr(d->headline, p->format));
    assert_true(*d->command != 0);
}

static void the_pick(void **state)
{
    (void)state;
    static const char *const ram[] = {"6G", "8G", "16G", "64G"};
    for (int i = 0; i < 4; i++) {
        make_machine(ram[i]);
        struct decision *d = choose(NULL, 0);
        check_pick(d, DEFAULT_MIN_DECODE, DEFAULT_MAX_KLD);
        decision_free(d);
        req.want.min_decode_tok_s = 3;
        req.want.max_kld = 0.02;
        d = choose(NULL, 0);
        check_pick(d, 3, 0.02);
        decision_free(d);
    }
}

static void objectives(void **state)
{
    (void)state;
    make_machine("8G");
    for (int o = 0; o < N_OBJECTIVES; o++) {
        req.want.objective = (enum objective)o;
        struct decision *d = choose(NULL, 0);
        const struct row *p = d->recommended >= 0 ? &d->row[d->recommended] : NULL;
        for (int i = 0; p && i < d->n_rows; i++) {
            const struct row *r = &d->row[i];
            if (!r->ran || r->vetoes)
                continue;
            if (o == OBJECTIVE_SPEED)
                assert_true(r->decode_tok_s <= p->decode_tok_s);
            if (o == OBJECTIVE_MEMORY)
                assert_true(r->peak_bytes >= p->peak_bytes);
            if (o == OBJECTIVE_QUALITY)
                assert_true(score(r) <= score(p));
        }
        assert_true(p || o == OBJECTIVE_ENERGY); /* nothing says what this machine draws */
        decision_free(d);
    }
}

/* A 70 B model on 8 GB: exit code 4, what binds and by how much, and one of 1 to 2.5 B that fits. */
static void too_large(void **state)
{
    (void)state;
    static const char *const models[] = {"llama-3.3-70b"};
    make_machine("8G");
    struct decision *d = choose(models, 1);
    assert_string_equal(d->verdict, "nothing-fits");
    assert_int_equal(d->exit_code, 4);
    assert_string_equal(d->binding_limit, "memory");
    assert_non_null(strstr(d->headline, "cannot run llama-3.3-70b even at the smallest format"));
    assert_non_null(strstr(d->headline, "short"));
    assert_non_null(strstr(d->nearest, "which fits"));
    assert_non_null(strstr(d->nearest, "cloud"));
    decision_free(d);
    req.want.offline = true;
    d = choose(models, 1);
    assert_null(strstr(d->nearest, "cloud"));
    decision_free(d);
}

static void no_memory_at_all(void **state)
{
    (void)state;
    make_machine("8G");
    assert_int_equal(target_find(&target, "esp32-s3", &e), 0);
    struct choose_input in = {.target = &target, .req = &req};
    struct decision *d;
    assert_int_equal(matrix_choose(&d, &in, &e), 0);
    assert_int_equal(d->exit_code, 4);
    assert_true(d->recommended < 0 && d->n_rows > 0);
    assert_non_null(strstr(d->headline, "cannot run any model"));
    decision_free(d);
}

/* Without a speed anywhere the choice is by score within memory; nothing invents a figure. */
static void no_bandwidth(void **state)
{
    (void)state;
    make_machine("8G");
    target.bandwidth_gb_s = NAN;
    struct choose_input in = {.target = &target, .req = &req};
    struct decision *d;
    assert_int_equal(matrix_choose(&d, &in, &e), 0);
    assert_true(d->recommended == 0 && isnan(d->row[0].decode_tok_s) && d->row[0].peak_bytes <= d->row[0].usable_bytes);
    decision_free(d);
}

static void unknown_names(void **state)
{
    (void)state;
    static const char *const models[] = {"qwen3-8x"};
    static const char *const formats[] = {"gguf/q4_k_x"}, *const frameworks[] = {"llama.dll"};
    make_machine("8G");
    struct decision *d;
    struct choose_input in = {.target = &target, .req = &req, .models = models, .n_models = 1};
    assert_int_equal(matrix_choose(&d, &in, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "qwen3-8b"));
    in.n_models = 0;
    req.formats = formats;
    req.n_formats = 1;
    assert_int_equal(matrix_choose(&d, &in, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "q4_k_"));
    req.n_formats = 0;
    req.frameworks = frameworks;
    req.n_frameworks = 1;
    assert_int_equal(matrix_choose(&d, &in, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "llama.dll"));
    assert_null(d);
}

static void long_context(void **state)
{
    (void)state;
    make_machine("64G");
    req.want.ctx = 100000;
    struct decision *d = choose(NULL, 0);
    const struct row *r = row_of(d, "smollm2-1.7b", "gguf/q4_k_m");
    assert_string_equal(r->verdict, "cannot-run");
    assert_non_null(strstr(r->reason, "8192"));
    for (int i = 0; i < d->n_rows; i++)
        if (d->row[i].lead)
            assert_true(d->row[i].n_ctx_train >= 100000);
    decision_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures),       cmocka_unit_test(the_pick),         cmocka_unit_test(objectives),
        cmocka_unit_test(too_large),     cmocka_unit_test(no_memory_at_all), cmocka_unit_test(no_bandwidth),
        cmocka_unit_test(unknown_names), cmocka_unit_test(long_context),
    };
    return cmocka_run_group_tests_name("choose", tests, NULL, NULL);
}
