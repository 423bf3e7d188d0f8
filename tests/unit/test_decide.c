/* matrix/: the decision on records whose answer is known by hand or by exhaustive search. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/rng.h"
#include "bench/measure.h"
#include "matrix/matrix.h"
#include "matrix/quality.h"
#include "tests/unit/decide_records.h"

#define assert_double_equal(a, b, eps) assert_true(fabs((a) - (b)) <= (eps))

static struct request req;
static struct probe_device device;

static int setup(void **state)
{
    (void)state;
    request_defaults(&req);
    req.threads = 2;
    memset(&device, 0, sizeof device);
    device.memory.total_bytes = (int64_t)24 << 30;
    device.memory.available_bytes = device.memory.usable_bytes = (int64_t)20 << 30;
    device.memory.limit_bytes = device.memory.swap_bytes = -1;
    device.memory.bandwidth_gb_s = 20;
    device.power.battery_wh = device.thermal.max_c = device.thermal.throttle_c = NAN;
    device.cpu.n_usable = 2;
    return 0;
}

static struct decision *decide(const struct record *r, int n)
{
    struct decision *d = NULL;
    struct err e = {0};
    assert_int_equal(matrix_decide(&d, r, n, NULL, &device, &req, &e), 0);
    assert_non_null(d);
    return d;
}

static const struct row *row_of(const struct decision *d, const char *format, const char *framework)
{
    for (int i = 0; i < d->n_rows; i++)
        if (strcmp(d->row[i].format, format) == 0 && strcmp(d->row[i].framework, framework) == 0)
            return &d->row[i];
    return NULL;
}

static const char *picked(const struct decision *d)
{
    return d->recommended < 0 ? "" : d->row[d->recommended].format;
}

static bool mentions(const char *const *list, int n, const char *text)
{
    for (int i = 0; i < n; i++)
        if (strstr(list[i], text))
            return true;
    return false;
}

/* --- the six rows --- */
static void test_balanced(void **state)
{
    (void)state;
    struct record r[6];
    struct decision *d = decide(r, sample_records(r));
    assert_string_equal(d->verdict, "recommended");
    assert_int_equal(d->exit_code, 0);
    assert_string_equal(picked(d), "gguf/q4_k_m");
    assert_int_equal(d->recommended, 0);
    assert_int_equal(d->row[0].rank, 1);
    assert_int_equal(d->row[0].recommended, 1);
    assert_string_equal(d->row[0].verdict, "recommended");
    assert_string_equal(d->headline, "USE gguf/q4_k_m on llama.cpp");
    assert_string_equal(d->reason, "fastest with KLD under 0.1 (default)");
    assert_string_equal(d->plain_quality, "14 of 100 top words change");
    assert_string_equal(d->command, "llama-server -m testmodel-Q4_K_M.gguf -t 2 -c 4096");
    assert_string_equal(d->row[d->runner_up].format, "gguf/q8_0");
    assert_string_equal(d->row[d->runner_up].verdict, "ok");
    assert_true(strstr(d->confidence, "13 % faster than gguf/q8_0") == d->confidence);
    assert_string_equal(row_of(d, "gguf/q5_k_m", "llama.cpp")->verdict, "dominated");
    assert_non_null(strstr(row_of(d, "gguf/q5_k_m", "llama.cpp")->reason, "beaten by gguf/q4_k_m: 8 % slower"));
    assert_string_equal(row_of(d, "gguf/q4_0", "llama.cpp")->verdict, "vetoed");
    assert_string_equal(row_of(d, "gguf/q4_0", "llama.cpp")->reason, "KLD 0.32 is over the limit of 0.1 (default)");
    assert_string_equal(row_of(d, "gguf/q4_0", "llama.cpp")->veto, "max_kld");
    assert_string_equal(row_of(d, "base/f16", "llama.cpp")->verdict, "ok");
    for (int i = 1; i < d->n_rows; i++)
        assert_true(d->row[i].rank > d->row[i - 1].rank);
    decision_free(d);
}

static void test_neighbouring_limits(void **state)
{
    (void)state;
    struct record r[6];
    struct decision *d = decide(r, sample_records(r));
    assert_int_equal(d->n_neighbours, 3);
    assert_string_equal(d->neighbours[0], "KLD under 0.01: gguf/q8_0, 94.9 tok/s, 4 of 100 top words change");
    assert_string_equal(d->neighbours[1], "KLD under 0.3: the same");
    assert_string_equal(d->neighbours[2], "any quality: gguf/q4_0, 167 tok/s, 30 of 100 top words change");
    decision_free(d);
}

static void test_objectives(void **state)
{
    (void)state;
    static const char *const best[] = {"gguf/q4_k_m", "base/f16", "gguf/q4_0", "gguf/q2_k"};
    struct record r[6];
    for (int o = OBJECTIVE_BALANCED; o <= OBJECTIVE_MEMORY; o++) {
        req.want.objective = (enum objective)o;
        struct decision *d = decide(r, sample_records(r));
        assert_string_equal(picked(d), best[o]);
        decision_free(d);
    }
}

static void test_energy(void **state)
{
    (void)state;
    struct record r[6];
    req.want.objective = OBJECTIVE_ENERGY;
    struct decision *d = decide(r, sample_records(r));
    assert_string_equal(d->verdict, "undecided"); /* no counter: nothing is invented */
    assert_int_equal(d->recommended, -1);
    assert_int_equal(d->exit_code, 0);
    assert_non_null(strstr(d->headline, "energy"));
    decision_free(d);
    sample_records(r);
    for (int i = 0; i < 6; i++)
        r[i].energy_j_per_tok = i == 3 ? 0.1 : 0.2 + i;
    d = decide(r, 6);
    assert_string_equal(picked(d), "gguf/q5_k_m");
    decision_free(d);
}

/* --- ties --- */
static void test_tie_fewer_bytes_first(void **state)
{
    (void)state;
    struct record r[4];
    full_record(&r[0], "gguf/q8_0", 140 << 20, 100, 5, 0.001, 0.0001, 0.99);
    full_record(&r[1], "gguf/q6_k", 110 << 20, 98, 5, 0.004, 0.0001, 0.98);
    full_record(&r[2], "gguf/q5_0", 100 << 20, 96, 5, 0.020, 0.0001, 0.97);
    full_record(&r[3], "base/f16", 260 << 20, 50, 1, 0, 0, 1);
    struct decision *d = decide(r, 4);
    assert_string_equal(d->verdict, "tie");
    assert_int_equal(d->exit_code, 0);
    static const char *const order[] = {"gguf/q5_0", "gguf/q6_k", "gguf/q8_0", "base/f16"};
    static const int rank[] = {1, 1, 1, 4};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(d->row[i].format, order[i]);
        assert_int_equal(d->row[i].rank, rank[i]);
        assert_int_equal(d->row[i].recommended, i == 0);
    }
    assert_non_null(strstr(d->reason, "one of 3 that tie"));
    assert_string_equal(d->confidence, "cannot be separated from gguf/q6_k, gguf/q8_0");
    assert_true(mentions(d->undecided, d->n_undecided, "gguf/q8_0: tied with the pick"));
    decision_free(d);
}

/* --- vetoes, one by one --- */
static void expect_veto(const struct record *r, int n, const char *format, const char *verdict, const char *veto,
                        const char *why)
{
    struct decision *d = decide(r, n);
    const struct row *w = row_of(d, format, "llama.cpp");
    assert_non_null(w);
    assert_string_equal(w->verdict, verdict);
    assert_string_equal(w->veto, veto);
    if (!strstr(w->reason, why))
        fail_msg("reason of %s is \"%s\", not \"%s\"", format, w->reason, why);
    assert_string_not_equal(picked(d), format);
    decision_free(d);
}

static void test_veto_memory(void **state)
{
    (void)state;
    struct record r[6];
    int n = sample_records(r);
    req.want.ram_bytes = 150 << 20;
    expect_veto(r, n, "base/f16", "cannot-run", "memory", "150 MiB is usable");
    expect_veto(r, n, "gguf/q8_0", "cannot-run", "memory", "short");
    struct decision *d = decide(r, n);
    assert_string_equal(picked(d), "gguf/q4_k_m");
    assert_true(d->row[0].usable_bytes == 150 << 20);
    assert_true(mentions(d->note, d->n_notes, "simulated: 150 MiB"));
    decision_free(d);
}

static void test_veto_disk(void **state)
{
    (void)state;
    struct record r[6];
    req.want.disk_bytes = 100 << 20;
    expect_veto(r, sample_records(r), "gguf/q8_0", "cannot-run", "disk", "136 MiB of disk");
}

static void test_veto_licence(void **state)
{
    (void)state;
    struct record r[6];
    int n = sample_records(r);
    req.want.license = "mit,apache-2.0";
    expect_veto(r, n, "gguf/q4_k_m", "vetoed", "licence", "its licence is not known");
    for (int i = 0; i < n; i++)
        snprintf(r[i].model.license, sizeof r[i].model.license, "gemma");
    expect_veto(r, n, "gguf/q4_k_m", "vetoed", "licence", "licence gemma");
    for (int i = 0; i < n; i++)
        snprintf(r[i].model.license, sizeof r[i].model.license, "Apache-2.0");
    struct decision *d = decide(r, n);
    assert_string_equal(picked(d), "gguf/q4_k_m");
    decision_free(d);
}

static void test_veto_substitution(void **state)
{
    (void)state;
    struct record r[6];
    int n = sample_records(r);
    r[2].format.n_substituted = 100;
    r[2].format.share_substituted = 0.86;
    expect_veto(r, n, "gguf/q4_k_m", "vetoed", "substitution", "86 %");
    r[2].format.share_substituted = 0.3; /* a few rows that do not fit are no lie */
    struct decision *d = decide(r, n);
    assert_string_equal(picked(d), "gguf/q4_k_m");
    assert_true(d->row[0].substituted);
    decision_free(d);
}

static void test_veto_unverified(void **state)
{
    (void)state;
    struct record r[6];
    int n = sample_records(r);
    snprintf(r[2].format.name, sizeof r[2].format.name, "gguf/q4_invented");
    expect_veto(r, n, "gguf/q4_invented", "vetoed", "unverified", "unverified");
}

static void test_veto_ternary(void **state)
{
    (void)state;
    struct record r[6];
    int n = sample_records(r);
    snprintf(r[2].format.name, sizeof r[2].format.name, "bitnet/i2_s");
    snprintf(r[2].framework.name, sizeof r[2].framework.name, "bitnet.cpp");
    give_quality(&r[2], 9.2, 0.1, 0.01);
    r[2].quality.ppl_ratio = 9900;
    struct decision *d = decide(r, n);
    const struct row *w = row_of(d, "bitnet/i2_s", "bitnet.cpp");
    assert_string_equal(w->verdict, "vetoed");
    assert_string_equal(w->veto, "ternary");
    assert_non_null(strstr(w->reason, "9.9e+03 times"));
    decision_free(d);
    give_quality(&r[2], 0.075, 0.003, 0.862); /* a model that was trained with three values */
    d = decide(r, n);
    assert_string_equal(picked(d), "bitnet/i2_s");
    decision_free(d);
}

static void test_veto_not_comparable(void **state)
{
    (void)state;
    struct record r[6];
    int n = sample_records(r);
    for (int i = 0; i < n; i++) {
        r[i].model.source_quantized = true;
        snprintf(r[i].model.source_format, sizeof r[i].model.source_format, "q4_k");
    }
    expect_veto(r, n, "gguf/q4_k_m", "vetoed", "not_comparable", "already quantized");
    for (int i = 0; i < n; i++)
        r[i].model.dithered = true; /* the dithered weights are off the grid */
    struct decision *d = decide(r, n);
    assert_string_equal(picked(d), "gguf/q4_k_m");
    decision_free(d);
}

/* Somebody's Q4_0: run as it is unless something made of it is worth what that loses. */
static void test_quantized_file_as_it_is(void **state)
{
    (void)state;
    const char *model = "a b.gguf";
    struct record r[3];
    full_record(&r[0], "base/as-is", 340 << 20, 100, 1, 0.002, 0.0001, 0.98);
    full_record(&r[1], "gguf/q8_0", 630 << 20, 80, 1, 0.003, 0.0001, 0.97);
    full_record(&r[2], "gguf/q4_0", 340 << 20, 100, 1, 0.002, 0.0001, 0.98);
    for (int i = 0; i < 3; i++) {
        r[i].model.source_quantized = true;
        snprintf(r[i].model.source_format, sizeof r[i].model.source_format, "q4_0");
    }
    req.models = &model;
    req.n_models = 1;
    struct decision *d = decide(r, 3);
    assert_string_equal(picked(d), "base/as-is");
    assert_string_equal(d->headline, "USE the file as it is on llama.cpp");
    assert_string_equal(d->command, "llama-server -m 'a b.gguf' -t 2 -c 4096");
    assert_string_equal(d->plain_quality, "nothing is lost to a conversion");
    req.n_models = 0; /* whoever decides from records has to know where it is */
    decision_free(d);
    d = decide(r, 3);
    assert_string_equal(d->command, "llama-server -m testmodel.gguf -t 2 -c 4096");
    req.n_models = 1;
    assert_true(row_of(d, "base/as-is", "llama.cpp")->reference);
    assert_string_equal(row_of(d, "gguf/q4_0", "llama.cpp")->veto, "not_comparable");
    assert_true(mentions(d->note, d->n_notes, "not against the original, from which files of "));
    for (int i = 0; i < d->n_risks; i++)
        assert_string_not_equal(d->risk[i].id, "requantized");
    decision_free(d);
    give_speed(&r[1], 150, 1); /* faster, and all but lossless */
    d = decide(r, 3);
    assert_string_equal(picked(d), "gguf/q8_0");
    assert_non_null(strstr(d->command, "whichquant quantize 'a b.gguf' -f gguf/q8_0"));
    bool said = false;
    for (int i = 0; i < d->n_risks; i++)
        said |= strcmp(d->risk[i].id, "requantized") == 0;
    assert_true(said);
    decision_free(d);
}

static void test_veto_framework(void **state)
{
    (void)state;
    struct record r[6];
    int n = sample_records(r);
    req.want.only_framework = "onnxruntime";
    expect_veto(r, n, "gguf/q4_k_m", "vetoed", "framework", "only onnxruntime");
    snprintf(r[2].format.name, sizeof r[2].format.name, "onnx/int4-g32-sym");
    req.want.only_framework = NULL;
    expect_veto(r, n, "onnx/int4-g32-sym", "unsupported", "compat", "llama.cpp does not load onnx formats");
    snprintf(r[2].format.name, sizeof r[2].format.name, "mlx/4bit-g64");
    snprintf(r[2].framework.name, sizeof r[2].framework.name, "own");
    snprintf(device.cpu.arch, sizeof device.cpu.arch, "x86_64");
    struct decision *d = decide(r, n);
    const struct row *w = row_of(d, "mlx/4bit-g64", "mlx");
    assert_string_equal(w->verdict, "unsupported");
    assert_non_null(strstr(w->reason, "made for Apple silicon"));
    decision_free(d);
    snprintf(r[2].framework.name, sizeof r[2].framework.name, "mlx"); /* it ran all the same */
    d = decide(r, n);
    assert_string_not_equal(row_of(d, "mlx/4bit-g64", "mlx")->verdict, "unsupported");
    decision_free(d);
}

static void test_veto_gates(void **state)
{
    (void)state;
    struct record r[6];
    int n = sample_records(r);
    req.want.max_kld = 0.05;
    expect_veto(r, n, "gguf/q4_k_m", "vetoed", "max_kld", "over the limit of 0.05");
    req.want.max_kld = NAN;
    req.want.min_quality = 0.9;
    expect_veto(r, n, "gguf/q4_k_m", "vetoed", "min_quality", "86.2 %");
    req.want.min_quality = NAN;
    req.want.min_decode_tok_s = 100;
    expect_veto(r, n, "gguf/q8_0", "vetoed", "min_decode", "94.9 tok/s, 100 were asked for");
    req.want.min_decode_tok_s = NAN;
    req.want.max_ttft_s = 0.85;
    expect_veto(r, n, "gguf/q8_0", "vetoed", "max_ttft", "899 ms to the first token");
    req.want.max_ttft_s = NAN;
    for (int i = 0; i < n; i++)
        r[i].energy_j_per_tok = 0.1;
    device.power.battery_wh = 50;
    req.want.max_watts = 9;
    req.want.max_kld = 1;
    expect_veto(r, n, "gguf/q4_0", "vetoed", "max_watts", "16.7 W");
    req.want.max_watts = NAN;
    req.want.battery_hours = 4;
    expect_veto(r, n, "gguf/q4_0", "vetoed", "battery", "3.0 h");
    req.want.battery_wh = 20; /* the user knows better than the machine */
    expect_veto(r, n, "gguf/q4_0", "vetoed", "battery", "1.2 h");
}

/* Of n tasks, `both` right before and after. */
static void give_task(struct record *r, int n, int both, int lost, int gained)
{
    struct task_result *t = &r->task;
    r->task_from = FROM_MEASURED;
    snprintf(t->name, sizeof t->name, "quiz");
    t->n_items = n, t->n_correct = both + gained, t->n_ref_correct = both + lost;
    t->n_lost = lost, t->n_gained = gained;
    t->chance = 0.25;
    t->score = stats_share(t->n_correct, n);
    t->share = stats_paired_ratio(both, lost, gained);
    t->p = stats_mcnemar(lost, gained);
}

static void test_task_gate(void **state)
{
    (void)state;
    struct record r[6];
    int n = sample_records(r);
    req.want.min_quality = 0.95;
    req.want.max_kld = 1;
    give_task(&r[1], 200, 100, 0, 0); /* q8_0: nothing changed */
    give_task(&r[2], 200, 70, 30, 2); /* q4_k_m: certainly too few */
    give_task(&r[3], 200, 95, 5, 3);  /* q5_k_m: could be either */
    struct decision *d = decide(r, n);
    const struct row *kept = row_of(d, "gguf/q8_0", "llama.cpp"), *lost = row_of(d, "gguf/q4_k_m", "llama.cpp");
    const struct row *open = row_of(d, "gguf/q5_k_m", "llama.cpp");
    assert_string_equal(picked(d), "gguf/q8_0");
    assert_double_equal(kept->task_share, 1, 0);
    assert_double_equal(kept->task_share_lo, exp(-1.959964 / 100.5), 1e-6);
    assert_string_equal(lost->veto, "min_quality");
    assert_double_equal(lost->task_score, 0.36, 1e-12);
    assert_non_null(strstr(lost->reason, "keeps 72.0 %"));
    assert_non_null(strstr(lost->reason, "30 answers lost, 2 gained, McNemar p 2.5e-07")); /* 2 (1+32+496) / 2^32 */
    assert_string_equal(open->veto, "undecided_quality");
    assert_non_null(strstr(open->reason, "too few tasks to tell: 98.0 %"));
    decision_free(d);
    for (int i = 0; i < n; i++)
        give_task(&r[i], 200, 55, 0, 0); /* 27.5 % right of one in four */
    d = decide(r + 1, n - 1);
    assert_int_equal(d->recommended, -1);
    assert_string_equal(d->verdict, "undecided");
    assert_non_null(strstr(d->headline, "no better than guessing"));
    decision_free(d);
}

static const struct claim *claim_of(const struct decision *d, const char *id)
{
    for (int i = 0; i < d->n_claims; i++)
        if (strcmp(d->claim[i].id, id) == 0)
            return &d->claim[i];
    fail_msg("no claim %s", id);
    return NULL;
}

/* 600 Mi weights: 1200 MiB in f16. */
static void test_claims(void **state)
{
    (void)state;
    struct record r[6];
    int n = sample_records(r);
    give_task(&r[2], 200, 96, 4, 1);
    for (int i = 0; i < n; i++)
        give_memory(&r[i], i == 0 ? 1200 << 20 : i == 1 ? 638 << 20 : i == 4 ? 338 << 20 : 400 << 20);
    struct decision *d = decide(r, n);
    const struct claim *c = claim_of(d, "size-q8_0"); /* 46.8 % less */
    assert_double_equal(c->lo, 100 * (1 - 638.0 / 1200), 1e-9);
    assert_string_equal(c->verdict, "does not hold");
    assert_string_equal(c->claimed, "50 %");
    c = claim_of(d, "size-q4_0"); /* 71.8 % less */
    assert_string_equal(c->here, "71.8 %");
    c = claim_of(d, "llamacpp-speed");
    assert_double_equal(c->lo, 107.7 / 63.5, 1e-9);
    assert_string_equal(c->verdict, "does not hold");
    c = claim_of(d, "size-q2_k"); /* 419 MB of at most 500 */
    assert_string_equal(c->verdict, "holds");
    assert_string_equal(c->claimed, "at most 500 MB");
    c = claim_of(d, "gate-accuracy"); /* of the pick, q4_k_m: 97 of 100, by tasks too few to tell */
    assert_true(c->lo < 95 && c->hi > 97);
    assert_string_equal(c->verdict, "undecided");
    c = claim_of(d, "olive-acc");
    assert_string_equal(c->verdict, "not measured");
    assert_true(isnan(c->lo));
    c = claim_of(d, "phi4mini-f16"); /* 3836 M parameters */
    assert_double_equal(c->lo, 7.67, 0.01);
    assert_string_equal(c->verdict, "holds");
    decision_free(d);
}

/* --- the own engine --- */
static void own_record(struct record *r, const char *model, const char *format, int64_t weights, double tok_s)
{
    record_of(r, model, format, "own");
    give_speed(r, tok_s, tok_s * 0.02);
    give_memory(r, weights);
    snprintf(r->kernels, sizeof r->kernels, "matvec_q4_0_avx512");
}

static void test_own_becomes_equivalent(void **state)
{
    (void)state;
    struct record r;
    own_record(&r, "testmodel", "gguf/q4_0", 86 << 20, 200);
    give_quality(&r, 0.05, 0.001, 0.9);
    struct decision *d = decide(&r, 1);
    assert_int_equal(d->n_rows, 2);
    const struct row *own = row_of(d, "gguf/q4_0", "own"), *llama = row_of(d, "gguf/q4_0", "llama.cpp");
    assert_non_null(own);
    assert_non_null(llama);
    assert_true(own->own);
    assert_string_equal(own->verdict, "vetoed");
    assert_string_equal(own->veto, "own");
    assert_string_equal(own->speed_from, "measured");
    assert_double_equal(own->decode_tok_s, 200, 0);
    assert_string_equal(llama->speed_from, "equivalent");
    assert_string_equal(llama->verdict, "recommended");
    assert_non_null(strstr(llama->source, "own equivalent kernels x"));
    char source[256];
    struct interval f = framework_factor("llama.cpp", "q4_0", false, 0, 0.9, source);
    assert_double_equal(llama->decode_tok_s, 200 * f.v, 1e-9);
    assert_true(llama->decode_tok_s_lo < 200 * f.v && llama->decode_tok_s_lo <= 196 * f.v);
    assert_true(llama->decode_tok_s_hi >= 204 * f.v);
    assert_double_equal(llama->kld, 0.05, 0);
    assert_int_equal(d->recommended, 0);
    decision_free(d);
}

static void test_measured_framework_replaces_equivalent(void **state)
{
    (void)state;
    struct record r[2];
    own_record(&r[0], "testmodel", "gguf/q4_0", 86 << 20, 200);
    give_quality(&r[0], 0.05, 0.001, 0.9);
    record_of(&r[1], "testmodel", "gguf/q4_0", "llama.cpp");
    give_speed(&r[1], 150, 3);
    r[1].memory.peak_rss_bytes = 140 << 20;
    struct decision *d = decide(r, 2);
    assert_int_equal(d->n_rows, 2);
    const struct row *w = row_of(d, "gguf/q4_0", "llama.cpp");
    assert_string_equal(w->speed_from, "measured");
    assert_double_equal(w->decode_tok_s, 150, 0);
    assert_double_equal(w->kld, 0.05, 0); /* quality: the record with llama.cpp's numerics */
    assert_string_equal(w->memory_from, "measured");
    const int64_t kv_byte = r[0].memory.kv_bytes / 640; /* a token; the framework does not tell what it had */
    assert_int_equal(r[1].memory.kv_bytes, -1);
    assert_int_equal(w->peak_bytes, (140 << 20) + kv_byte * (4096 - 640));
    decision_free(d);
    r[1].workload.n_ctx = 0; /* imported: then what was run is known */
    d = decide(r, 2);
    assert_int_equal(row_of(d, "gguf/q4_0", "llama.cpp")->peak_bytes, (140 << 20) + kv_byte * (4096 - 640));
    decision_free(d);
    r[1].memory.kv_bytes = 10;
    d = decide(r, 2);
    assert_int_equal(row_of(d, "gguf/q4_0", "llama.cpp")->peak_bytes, (140 << 20) + kv_byte * 4096 - 10);
    decision_free(d);
    req.want.ctx = 320; /* less than it was measured with */
    d = decide(r, 2);
    assert_int_equal(row_of(d, "gguf/q4_0", "llama.cpp")->peak_bytes, (140 << 20) + kv_byte * 320 - 10);
    r[1].memory.kv_bytes = -1;
    decision_free(d);
    d = decide(r, 2);
    assert_int_equal(row_of(d, "gguf/q4_0", "llama.cpp")->peak_bytes, 140 << 20);
    decision_free(d);
}

/* A model that gives NaN in a format is not recommended for its speed. */
static void test_a_broken_format_is_a_failed_row(void **state)
{
    (void)state;
    struct record r[3];
    own_record(&r[0], "testmodel", "gguf/q8_0", 136 << 20, 100);
    give_quality(&r[0], 0.004, 0.0001, 0.98);
    record_of(&r[1], "testmodel", "gguf/q4_0", "own");
    r[1].status = STATUS_FAILED;
    snprintf(r[1].reason, sizeof r[1].reason, "NaN logits");
    own_record(&r[2], "testmodel", "gguf/q4_0", 86 << 20, 200);
    struct decision *d = decide(r, 3);
    const struct row *w = row_of(d, "gguf/q4_0", "llama.cpp");
    assert_string_equal(w->verdict, "failed");
    assert_string_equal(w->reason, "NaN logits");
    assert_null(row_of(d, "gguf/q4_0", "own"));
    assert_string_equal(picked(d), "gguf/q8_0");
    decision_free(d);
}

/* What was found on this machine for other formats takes the place of what was published. */
static void test_ratio_measured_here_stands_in(void **state)
{
    (void)state;
    struct record r[3];
    own_record(&r[0], "testmodel", "gguf/q4_0", 86 << 20, 200);
    give_quality(&r[0], 0.05, 0.001, 0.9);
    own_record(&r[1], "testmodel", "gguf/q8_0", 136 << 20, 100);
    give_quality(&r[1], 0.004, 0.0001, 0.98);
    record_of(&r[2], "testmodel", "gguf/q8_0", "llama.cpp");
    give_speed(&r[2], 30, 0.3);
    struct decision *d = decide(r, 3);
    const struct row *w = row_of(d, "gguf/q4_0", "llama.cpp");
    assert_string_equal(w->speed_from, "equivalent");
    assert_double_equal(w->decode_tok_s, 60, 1e-9);
    assert_true(w->decode_tok_s_lo < 60 / 1.25 && w->decode_tok_s_hi > 60 * 1.25);
    assert_true(w->decode_tok_s_lo > 60 / 1.5 && w->decode_tok_s_hi < 60 * 1.5);
    assert_non_null(strstr(w->source, "measured here on 1 other format"));
    assert_double_equal(row_of(d, "gguf/q8_0", "llama.cpp")->decode_tok_s, 30, 0);
    decision_free(d);
    snprintf(r[2].run_id, sizeof r[2].run_id, "run-2"); /* not side by side: no ratio */
    d = decide(r, 3);
    assert_null(strstr(row_of(d, "gguf/q4_0", "llama.cpp")->source, "measured here"));
    decision_free(d);
}

/* The demo: quality of a model that fits the caches, speed of two shapes. */
static int demo_records(struct record *r)
{
    static const struct {
        const char *format;
        double bits, kld;
    } f[] = {{"base/f16", 16, 0.00001}, {"gguf/q8_0", 8.5, 0.001}, {"gguf/q4_k_m", 4.9, 0.03}, {"gguf/q2_k", 3.2, 0.5}};
    int n = 0;
    for (int i = 0; i < 4; i++) {
        own_record(&r[n], "whichquant-default", f[i].format, (int64_t)(f[i].bits * 440e3), 5000 / f[i].bits);
        r[n].speed.cache_resident = true;
        give_quality(&r[n++], f[i].kld, f[i].kld / 20, 1 - sqrt(f[i].kld) / 2);
        for (int s = 0; s < 2; s++) {
            own_record(&r[n], s ? "llama-3.2-1b" : "qwen3-0.6b", f[i].format, (int64_t)(f[i].bits * (s ? 155e6 : 75e6)),
                       (s ? 180 : 400) / f[i].bits);
            r[n].speed_from = FROM_SHAPE_MEASURED;
            r[n++].model.synthesized = true;
        }
    }
    return n;
}

static void test_demo_joins_shapes(void **state)
{
    (void)state;
    struct record r[12];
    int n = demo_records(r);
    struct decision *d = decide(r, n);
    assert_int_equal(d->n_rows, 16); /* own and llama.cpp of two shapes x four formats */
    assert_string_equal(d->row[0].model, "whichquant-default + qwen3-0.6b shape");
    assert_string_equal(d->row[0].speed_from, "shape-measured");
    assert_string_equal(d->row[0].speed_note, "shape qwen3-0.6b");
    assert_non_null(strstr(d->row[0].source, "quality of whichquant-default"));
    assert_non_null(strstr(d->row[0].command, "qwen3-0.6b-Q4_K_M.gguf"));
    assert_string_equal(picked(d), "gguf/q4_k_m");
    assert_double_equal(d->row[0].kld, 0.03, 0);
    assert_true(d->row[0].weights_bytes == (int64_t)(4.9 * 75e6));
    assert_false(d->row[0].cache_resident);
    assert_true(mentions(d->note, d->n_notes, "whichquant-default + llama-3.2-1b shape: gguf/q4_k_m on llama.cpp"));
    assert_true(mentions(d->note, d->n_notes,
                         "quality is that of whichquant-default, speed and memory that of the shape qwen3-0.6b"));
    for (int i = 0; i < d->n_rows; i++)
        assert_true(!d->row[i].own || !d->row[i].recommended);
    decision_free(d);
}

/* A small model of the user's own keeps its name, file and size; only the speed is that of the shape. */
static void test_small_model_keeps_its_size(void **state)
{
    (void)state;
    struct record r[12];
    int n = demo_records(r);
    for (int i = 0; i < n; i++)
        if (!r[i].model.synthesized)
            snprintf(r[i].model.name, sizeof r[i].model.name, "tiny");
    static const char *const path[] = {"models/tiny.gguf"};
    req.models = path;
    req.n_models = 1;
    struct decision *d = decide(r, n);
    assert_string_equal(d->row[0].model, "tiny at the speed of qwen3-0.6b");
    assert_true(d->row[0].weights_bytes == (int64_t)(4.9 * 440e3));
    assert_string_equal(d->row[0].speed_from, "shape-measured");
    assert_string_equal(d->row[0].memory_from, "predicted");
    assert_string_equal(d->command, "whichquant quantize models/tiny.gguf -f gguf/q4_k_m -o tiny-Q4_K_M.gguf && "
                                    "llama-server -m tiny-Q4_K_M.gguf -t 2 -c 4096");
    decision_free(d);
    for (int i = 0; i < n; i++) /* what the weights were encoded with makes the same file again */
        r[i].model.dithered = !r[i].model.synthesized;
    req.seed = 7;
    req.imatrix = "im at.gguf";
    d = decide(r, n);
    assert_non_null(strstr(d->command, "-f gguf/q4_k_m --imatrix 'im at.gguf' --dither --seed 7 -o tiny"));
    decision_free(d);
    req.seed = 0;
    req.imatrix = NULL;
    for (int i = 0; i < n; i++) /* its K-type is mostly something else, whatever the shape's is */
        if (!r[i].model.synthesized && strcmp(r[i].format.name, "gguf/q4_k_m") == 0)
            r[i].format.n_substituted = 9, r[i].format.share_substituted = 0.9;
    d = decide(r, n);
    assert_string_equal(row_of(d, "gguf/q4_k_m", "llama.cpp")->veto, "substitution");
    decision_free(d);
}

/* Wide intervals tie everything; the pick is still not the row that is slower by its point and worse in quality. */
static void test_tie_does_not_pick_the_outclassed(void **state)
{
    (void)state;
    struct record r[2];
    full_record(&r[0], "gguf/q3_k_m", 90 << 20, 25, 15, 0.038, 0.001, 0.9);
    full_record(&r[1], "gguf/q4_k_s", 100 << 20, 48, 15, 0.014, 0.001, 0.95);
    struct decision *d = decide(r, 2);
    assert_string_equal(d->verdict, "tie");
    assert_string_equal(picked(d), "gguf/q4_k_s");
    assert_int_equal(d->recommended, 0);
    assert_int_equal(d->row[1].rank, 1);
    decision_free(d);
}

/* A speed that is the own engine's times a wide ratio has a high point; what was measured in the framework is picked.
 */
static void test_stand_ins_do_not_outclass(void **state)
{
    (void)state;
    struct record r[2];
    full_record(&r[0], "gguf/q5_0", 98 << 20, 120, 4, 0.06, 0.001, 0.85);
    full_record(&r[1], "base/f16", 257 << 20, 180, 4, 0.00001, 0.000001, 0.999);
    snprintf(r[1].framework.name, sizeof r[1].framework.name, "own");
    struct decision *d = decide(r, 2);
    const struct row *f16 = row_of(d, "base/f16", "llama.cpp");
    assert_true(f16->stands_in && f16->decode_tok_s > 1.1 * 120 && f16->decode_tok_s_lo < 124);
    assert_string_equal(d->verdict, "tie");
    assert_string_equal(picked(d), "gguf/q5_0");
    decision_free(d);
}

/* One repetition has no interval: it must not count as exact. */
static void test_speed_without_interval(void **state)
{
    (void)state;
    struct record r[2];
    full_record(&r[0], "gguf/q8_0", 140 << 20, 100, 1, 0.001, 0.0001, 0.99);
    full_record(&r[1], "gguf/q6_k", 110 << 20, 99, 1, 0.004, 0.0001, 0.98);
    for (int i = 0; i < 2; i++)
        r[i].speed.decode_tok_s.lo = r[i].speed.decode_tok_s.hi = NAN;
    struct decision *d = decide(r, 2);
    assert_string_equal(d->verdict, "tie");
    assert_true(d->row[0].decode_tok_s_lo < 90 && d->row[0].decode_tok_s_hi > 110);
    assert_true(d->row[0].low_confidence);
    decision_free(d);
}

/* Without shapes a model that fits the caches is decided by size, and no speed is said. */
static void test_cache_resident_never_headline(void **state)
{
    (void)state;
    struct record r[12], only[4];
    int n = demo_records(r), m = 0;
    for (int i = 0; i < n; i++)
        if (!r[i].model.synthesized)
            only[m++] = r[i];
    struct decision *d = decide(only, m);
    assert_string_equal(picked(d), "gguf/q4_k_m");
    assert_true(d->row[0].cache_resident);
    assert_string_equal(d->row[0].speed_note, "cache-resident");
    assert_non_null(strstr(d->reason, "smallest"));
    assert_null(strstr(d->headline, "tok/s"));
    for (int i = 0; i < d->n_neighbours; i++)
        assert_null(strstr(d->neighbours[i], "tok/s"));
    assert_true(mentions(d->note, d->n_notes, "cache-resident"));
    decision_free(d);
}

/* --- nothing fits --- */
static void test_nothing_fits(void **state)
{
    (void)state;
    struct record r[6];
    sample_records(r);
    req.want.ram_bytes = 60 << 20;
    struct decision *d = decide(r, 6);
    assert_string_equal(d->verdict, "nothing-fits");
    assert_int_equal(d->exit_code, 4);
    assert_int_equal(d->recommended, -1);
    assert_string_equal(d->binding_limit, "memory");
    /* 82 MiB weights + 4 MiB KV at 4096 + 4 MiB scratch + 16 MiB runtime = 106 MiB */
    assert_string_equal(d->headline, "This device cannot run testmodel even at the smallest format: "
                                     "gguf/q2_k needs 106 MiB, 60 MiB is usable (46 MiB short)");
    assert_true(*d->nearest);
    assert_true(mentions(d->changes, d->n_changes, "more memory"));
    decision_free(d);
    for (int i = 0; i < 6; i++)
        r[i].memory.kv_bytes = (int64_t)640 * 65536; /* 256 MiB at 4096 tokens: a shorter context is the way out */
    req.want.ram_bytes = 200 << 20;
    d = decide(r, 6);
    assert_int_equal(d->exit_code, 4);
    assert_string_equal(d->nearest, "gguf/q2_k with a context of 1024 instead of 4096");
    decision_free(d);
}

static void test_large_model_names_a_smaller_one(void **state)
{
    (void)state;
    struct record r;
    full_record(&r, "gguf/q2_k", (int64_t)30 << 30, 1, 0.1, 0.3, 0.01, 0.7);
    req.want.max_kld = 1;
    struct decision *d = decide(&r, 1);
    assert_int_equal(d->exit_code, 4);
    assert_non_null(strstr(d->headline, "needs 30.0 GiB, 20.0 GiB is usable (10.0 GiB short)"));
    assert_non_null(strstr(d->nearest, "a smaller model: "));
    decision_free(d);
}

static void test_quality_gate_not_met(void **state)
{
    (void)state;
    struct record r[6];
    sample_records(r);
    req.want.max_kld = 0.001;
    req.want.ram_bytes = 200 << 20; /* f16 would meet it and does not fit */
    struct decision *d = decide(r, 6);
    assert_string_equal(d->verdict, "nothing-fits");
    assert_int_equal(d->exit_code, 3);
    decision_free(d);
    req.want.ram_bytes = -1;
    req.want.max_kld = 1e-7;
    d = decide(r, 6);
    assert_int_equal(d->exit_code, 3);
    assert_string_equal(d->binding_limit, "quality");
    assert_non_null(strstr(d->headline, "base/f16"));
    decision_free(d);
}

static void test_speed_floor_not_met(void **state)
{
    (void)state;
    struct record r[6];
    sample_records(r);
    req.want.min_decode_tok_s = 1000;
    struct decision *d = decide(r, 6);
    assert_int_equal(d->exit_code, 4);
    assert_string_equal(d->binding_limit, "decode speed");
    assert_non_null(strstr(d->headline, "1000 were asked for"));
    assert_true(mentions(d->changes, d->n_changes, "content with 108 tok/s: gguf/q4_k_m"));
    decision_free(d);
}

/* The default limit gives way where nothing keeps it: an answer with a warning is better than none. */
static void test_default_limit_gives_way(void **state)
{
    (void)state;
    struct record r[2];
    full_record(&r[0], "gguf/q4_0", 86 << 20, 167, 8, 0.317, 0.008, 0.7);
    full_record(&r[1], "gguf/q2_k", 82 << 20, 190, 5, 0.455, 0.010, 0.65);
    struct decision *d = decide(r, 2);
    assert_string_equal(picked(d), "gguf/q4_0");
    assert_non_null(strstr(d->reason, "nothing stays under the default limit"));
    bool warned = false;
    for (int i = 0; i < d->n_risks; i++)
        warned = warned || strcmp(d->risk[i].id, "quality_loss") == 0;
    assert_true(warned);
    decision_free(d);
}

static void test_more_memory_changes_the_answer(void **state)
{
    (void)state;
    struct record r[6];
    sample_records(r);
    req.want.objective = OBJECTIVE_QUALITY;
    req.want.ram_bytes = 200 << 20;
    struct decision *d = decide(r, 6);
    assert_string_equal(picked(d), "gguf/q8_0");
    assert_true(mentions(d->changes, d->n_changes, "with 81 MiB more memory: base/f16"));
    decision_free(d);
}

/* --- poor input --- */
static void test_no_records(void **state)
{
    (void)state;
    struct decision *d = decide(NULL, 0);
    assert_string_equal(d->verdict, "undecided");
    assert_int_equal(d->exit_code, 1);
    assert_int_equal(d->recommended, -1);
    assert_true(*d->headline);
    decision_free(d);
}

static void test_all_unknown(void **state)
{
    (void)state;
    struct record r[3];
    record_of(&r[0], "m", "gguf/q4_0", "llama.cpp");
    record_of(&r[1], "m", "gguf/q8_0", "own");
    record_init(&r[2]);
    struct decision *d = decide(r, 3);
    assert_string_equal(d->verdict, "undecided");
    assert_int_equal(d->recommended, -1);
    decision_free(d);
}

static void test_failures_are_rows(void **state)
{
    (void)state;
    struct record r[8];
    int n = sample_records(r);
    record_of(&r[n], "testmodel", "gguf/q6_k", "llama.cpp");
    r[n].status = STATUS_CRASHED;
    snprintf(r[n++].reason, 256, "child died of signal 11");
    record_of(&r[n], "testmodel", "gguf/q5_0", "own");
    r[n++].status = STATUS_TIMED_OUT;
    struct decision *d = decide(r, n);
    assert_string_equal(picked(d), "gguf/q4_k_m");
    assert_string_equal(row_of(d, "gguf/q6_k", "llama.cpp")->verdict, "failed");
    assert_string_equal(row_of(d, "gguf/q6_k", "llama.cpp")->reason, "child died of signal 11");
    assert_string_equal(row_of(d, "gguf/q5_0", "llama.cpp")->verdict, "failed");
    assert_non_null(strstr(d->coverage, "2 could not run"));
    decision_free(d);
    d = decide(&r[6], 2);
    assert_string_equal(d->verdict, "undecided");
    assert_int_equal(d->exit_code, 1);
    decision_free(d);
}

static void test_quality_unknown_is_not_recommended(void **state)
{
    (void)state;
    struct record r[6];
    sample_records(r);
    quality_none(&r[2].quality);
    struct decision *d = decide(r, 6);
    assert_string_equal(picked(d), "gguf/q5_k_m");
    assert_string_equal(row_of(d, "gguf/q4_k_m", "llama.cpp")->verdict, "ok");
    assert_true(mentions(d->undecided, d->n_undecided, "gguf/q4_k_m: its quality was not measured"));
    decision_free(d);
}

/* The newest record of a cell counts, and a second model is a group of its own. */
static void test_newest_record(void **state)
{
    (void)state;
    struct record r[3];
    full_record(&r[0], "gguf/q4_0", 86 << 20, 500, 5, 0.01, 0.001, 0.95);
    full_record(&r[1], "gguf/q4_0", 86 << 20, 160, 5, 0.02, 0.001, 0.94);
    snprintf(r[1].date, sizeof r[1].date, "2026-11-22T00:00:00Z");
    full_record(&r[2], "gguf/q8_0", 140 << 20, 90, 2, 0.001, 0.0001, 0.99);
    snprintf(r[2].model.name, sizeof r[2].model.name, "other");
    struct decision *d = decide(r, 3);
    assert_int_equal(d->n_rows, 2);
    assert_double_equal(d->row[0].decode_tok_s, 160, 0);
    assert_double_equal(d->row[0].kld, 0.02, 0);
    assert_true(mentions(d->note, d->n_notes, "other: gguf/q8_0"));
    decision_free(d);
}

static void test_hostile_name_in_command(void **state)
{
    (void)state;
    struct record r;
    full_record(&r, "gguf/q4_0", 86 << 20, 160, 5, 0.02, 0.001, 0.94);
    snprintf(r.model.name, sizeof r.model.name, "-x$(touch /tmp/pwned)`id`'\n;");
    const char *paths[] = {"a'b $(x).gguf"};
    req.models = paths;
    req.n_models = 1;
    struct decision *d = decide(&r, 1);
    assert_null(strpbrk(d->command, "\n`"));
    assert_non_null(strstr(d->command, "quantize 'a'\\''b $(x).gguf' -f"));
    assert_null(strstr(d->command, "touch /tmp"));
    decision_free(d);
}

/* --- the oracle: random sets, every row looked at --- */
enum { N_FORMATS = 15 };
static const char *const formats[N_FORMATS] = {
    "gguf/q8_0", "gguf/q6_k", "gguf/q5_k_m", "gguf/q5_k_s", "gguf/q5_1",   "gguf/q5_0", "gguf/q4_k_m", "gguf/q4_k_s",
    "gguf/q4_1", "gguf/q4_0", "gguf/q3_k_l", "gguf/q3_k_m", "gguf/q3_k_s", "gguf/q2_k", "gguf/q2_k_s"};

static int random_set(struct rng *g, struct record r[N_FORMATS], double half_share)
{
    int n = 1 + (int)rng_below(g, N_FORMATS);
    for (int i = 0; i < n; i++) {
        double tok_s = 20 + floor(180 * rng_uniform(g)), kld = 0.001 * (1 + (double)rng_below(g, 200));
        full_record(&r[i], formats[i], (int64_t)(50 + rng_below(g, 300)) << 20, tok_s, tok_s * half_share, kld,
                    kld * half_share, 1 - kld);
    }
    return n;
}

static int64_t peak_of(const struct record *r)
{
    return r->memory.weights_bytes + r->memory.kv_bytes / 640 * req.want.ctx + r->memory.scratch_bytes + (16 << 20);
}

static bool fits(const struct record *r)
{
    double limit = isfinite(req.want.max_kld)                 ? req.want.max_kld
                   : req.want.objective == OBJECTIVE_BALANCED ? 0.1
                                                              : INFINITY;
    bool slow = isfinite(req.want.min_decode_tok_s) && r->speed.decode_tok_s.v < req.want.min_decode_tok_s;
    return peak_of(r) <= req.want.ram_bytes && r->quality.kld <= limit && !slow;
}

/* The objective's figure as a cost, then bytes. */
static double cost_of(const struct record *r)
{
    return req.want.objective == OBJECTIVE_QUALITY  ? r->quality.kld
           : req.want.objective == OBJECTIVE_MEMORY ? (double)peak_of(r)
                                                    : -r->speed.decode_tok_s.v;
}

static void test_oracle_exact(void **state)
{
    (void)state;
    struct rng g;
    struct record r[N_FORMATS];
    rng_seed(&g, 7);
    int n_answers = 0, n_none = 0;
    for (int round = 0; round < 600; round++) {
        int n = random_set(&g, r, 0);
        req.want.objective = (enum objective)(round % 4);
        req.want.ram_bytes = (int64_t)(60 + rng_below(&g, 400)) << 20;
        req.want.max_kld = rng_below(&g, 2) ? 0.001 * (double)(1 + rng_below(&g, 150)) : NAN;
        req.want.min_decode_tok_s = rng_below(&g, 3) ? NAN : 30 + 100 * rng_uniform(&g);
        double best = INFINITY;
        for (int i = 0; i < n; i++)
            if (fits(&r[i]))
                best = fmin(best, cost_of(&r[i]));
        struct decision *d = decide(r, n);
        if (isinf(best)) {
            n_none++;
            assert_true(d->recommended < 0 ||
                        (!isfinite(req.want.max_kld) && req.want.objective == OBJECTIVE_BALANCED));
            decision_free(d);
            continue;
        }
        n_answers++;
        assert_int_equal(d->recommended, 0);
        const struct record *p = NULL;
        for (int i = 0; i < n; i++)
            if (strcmp(r[i].format.name, picked(d)) == 0)
                p = &r[i];
        assert_true(fits(p));
        assert_double_equal(cost_of(p), best, 0);
        decision_free(d);
    }
    assert_true(n_answers > 300 && n_none > 30);
}

/* Some figure of a is worse than b's beyond the intervals; memory counts from `slack` times on. */
static bool clearly_worse(const struct row *a, const struct row *b, double slack)
{
    return a->kld_lo > b->kld_hi || a->decode_tok_s_hi < b->decode_tok_s_lo || a->ttft_ms_lo > b->ttft_ms_hi ||
           (double)a->peak_bytes > slack * (double)b->peak_bytes;
}

static void test_properties_with_intervals(void **state)
{
    (void)state;
    struct rng g;
    struct record r[N_FORMATS];
    rng_seed(&g, 11);
    int n_ties = 0, n_dominated = 0;
    for (int round = 0; round < 400; round++) {
        int n = random_set(&g, r, 0.15 * rng_uniform(&g));
        req.want.objective = (enum objective)(round % 4);
        req.want.ram_bytes = (int64_t)1 << 40;
        struct decision *d = decide(r, n);
        int n_picks = 0;
        for (int i = 0; i < d->n_rows; i++) {
            const struct row *w = &d->row[i];
            n_picks += w->recommended;
            if (i > 0) {
                const struct row *before = &d->row[i - 1];
                assert_true(w->rank == before->rank || w->rank == i + 1);
                assert_true(before->recommended || w->rank != before->rank ||
                            w->weights_bytes >= before->weights_bytes);
                n_ties += w->rank == before->rank;
            }
            bool dominated = strcmp(w->verdict, "dominated") == 0, beaten = false;
            for (int k = 0; k < d->n_rows && dominated; k++)
                beaten = beaten ||
                         (d->row[k].on_front && clearly_worse(w, &d->row[k], 1.03) && !clearly_worse(&d->row[k], w, 1));
            assert_true(beaten == dominated);
            n_dominated += dominated;
        }
        assert_int_equal(n_picks, d->recommended >= 0);
        if (d->recommended >= 0)
            assert_int_equal(d->row[d->recommended].rank, 1);
        decision_free(d);
    }
    assert_true(n_ties > 50 && n_dominated > 100);
}

/* --- the framework's factor --- */
/* What an earlier run found of a framework stands in where this one did not run it: the nearest of what is stored,
 * wider the farther it is. */
static void test_stored_factors_stand_in(void **state)
{
    (void)state;
    struct record r[2];
    struct factor f[4] = {
        {.framework = "openvino",
         .format = "openvino/int4-sym-g128",
         .decode = {0.5, 0.45, 0.55},
         .prefill = {2, 1.9, 2.1}},
        {.framework = "openvino",
         .format = "openvino/int8-asym",
         .decode = {0.8, 0.76, 0.84},
         .prefill = {1.5, 1.4, 1.6}},
        {.framework = "openvino", .format = "openvino/int8-asym", .decode = {9, 9, 9}, .prefill = {9, 9, 9}},
        {.framework = "openvino",
         .format = "openvino/int8-asym",
         .decode = {7, 7, 7},
         .prefill = {7, 7, 7},
         .gpu_layers = 3}};
    struct factors known = {.at = f, .n = 4};
    struct err e = {0};
    snprintf(device.hw_sha256, sizeof device.hw_sha256, "here");
    for (int i = 0; i < 4; i++)
        snprintf(f[i].hw_sha256, sizeof f[i].hw_sha256, "%s", i == 2 ? "elsewhere" : "here");
    record_of(&r[0], "testmodel", "openvino/int8-asym", "own");
    give_quality(&r[0], 0.01, 0.001, 0.98);
    record_of(&r[1], "testmodel", "openvino/int8-asym", "own");
    give_speed(&r[1], 100, 0);
    give_memory(&r[1], 100 << 20);
    for (int n = 4; n >= 0; n--) {
        struct decision *d;
        known.n = n;
        assert_int_equal(matrix_decide(&d, r, 2, n ? &known : NULL, &device, &req, &e), 0);
        const struct row *w = row_of(d, "openvino/int8-asym", "openvino");
        assert_non_null(w);
        if (n >= 2) { /* this format, on this machine */
            assert_true(fabs(w->decode_tok_s - 80) < 1e-9 && fabs(w->prefill_tok_s - 900) < 1e-9);
            assert_true(fabs(w->decode_tok_s_lo - 76 / 1.1) < 1e-6 && fabs(w->decode_tok_s_hi - 84 * 1.1) < 1e-6);
            assert_non_null(strstr(w->source, "found on this machine on this format"));
        } else if (n == 1) { /* another format */
            assert_true(fabs(w->decode_tok_s - 50) < 1e-9 && fabs(w->decode_tok_s_lo - 45 / 1.5) < 1e-6);
        }
        assert_int_equal(w->stands_in, isfinite(w->decode_tok_s));
        assert_string_equal(w->speed_from, w->stands_in ? "equivalent" : "");
        decision_free(d);
    }
    device.hw_sha256[0] = 0;
}

/* KL divergence as the framework's own logits have it: beside that of the equivalent kernels, and in its place only
 * where the two differ. */
static void test_logits_of_the_framework(void **state)
{
    (void)state;
    for (int differs = 0; differs < 2; differs++) {
        struct record r[3];
        record_of(&r[0], "testmodel", "openvino/int4-sym-g128", "own");
        give_quality(&r[0], 0.030, 0.002, 0.9);
        record_of(&r[1], "testmodel", "openvino/int4-sym-g128", "own");
        give_speed(&r[1], 100, 1);
        give_memory(&r[1], 100 << 20);
        record_of(&r[2], "testmodel", "openvino/int4-sym-g128", "openvino");
        give_quality(&r[2], differs ? 0.052 : 0.0325, 0.001, 0.9);
        r[2].quality.n_chunks = 2;
        r[2].kld_predicted = 0.032;
        give_speed(&r[2], 60, 1);
        give_memory(&r[2], 100 << 20);
        struct decision *d = decide(r, 3);
        const struct row *w = row_of(d, "openvino/int4-sym-g128", "openvino");
        assert_string_equal(w->speed_from, "measured");
        assert_true(w->kld_framework == r[2].quality.kld && w->kld_predicted == 0.032 && w->kld_chunks == 2);
        assert_true(fabs(w->kld - (differs ? 0.050 : 0.030)) < 1e-12);
        if (!differs)
            assert_true(mentions(d->note, d->n_notes,
                                 "openvino/int4-sym-g128: KLD 0.033 measured in openvino, 0.032 predicted"));
        assert_false(w->low_confidence); /* two chunks of its own do not make it so */
        assert_non_null(strstr(w->source, differs ? "0.052 measured in openvino, 0.032 predicted"
                                                  : "0.033 measured in openvino, 0.032 predicted"));
        assert_true(isnan(row_of(d, "openvino/int4-sym-g128", "own")->kld_framework));
        decision_free(d);
        for (int i = 0; i < 3; i++) /* one scale for a whole call: its calls may hold other tokens than a chunk */
            snprintf(r[i].format.name, sizeof r[i].format.name, "onnx/int8-dynamic");
        snprintf(r[2].framework.name, sizeof r[2].framework.name, "onnxruntime-genai");
        d = decide(r, 3);
        w = row_of(d, "onnx/int8-dynamic", "onnxruntime-genai");
        assert_true(w->kld == 0.030 && w->kld_framework == r[2].quality.kld);
        decision_free(d);
    }
}

/* What the budget did not reach: the usual framework has what is expected of it, and why it is no more; another one a
 * row that says so. Neither makes the format a failure. */
static void test_not_reached(void **state)
{
    (void)state;
    static const char *const framework[] = {"own", "llama.cpp", "llama-server"};
    static const char why[] = "not measured: the budget ended before it was its turn";
    struct record r[3];
    for (int i = 0; i < 3; i++) {
        full_record(&r[i], "gguf/q8_0", 136 << 20, 90, 1, 0.005, 0.0003, 0.96);
        snprintf(r[i].framework.name, sizeof r[i].framework.name, "%s", framework[i]);
        if (i == 0)
            continue;
        speed_none(&r[i].speed);
        quality_none(&r[i].quality);
        r[i].status = STATUS_NOT_REACHED;
        snprintf(r[i].reason, sizeof r[i].reason, "%s", why);
    }
    struct decision *d = decide(r, 3);
    const struct row *usual = row_of(d, "gguf/q8_0", "llama.cpp"), *other = row_of(d, "gguf/q8_0", "llama-server");
    assert_true(usual->recommended && usual->stands_in && isfinite(usual->decode_tok_s));
    assert_non_null(strstr(usual->source, why));
    assert_string_equal(other->verdict, "not-reached");
    assert_string_equal(other->reason, why);
    decision_free(d);
}

static void test_unreached_reference(void **state)
{
    (void)state;
    struct record r[2];
    full_record(&r[0], "gguf/q8_0", 136 << 20, 90, 1, 0.005, 0.0003, 0.96);
    full_record(&r[1], "base/f16", 270 << 20, 50, 1, 0.005, 0.0003, 0.96);
    speed_none(&r[1].speed);
    quality_none(&r[1].quality);
    r[1].quality_from = r[1].speed_from = FROM_NOWHERE;
    r[1].status = STATUS_NOT_REACHED;
    snprintf(r[1].framework.name, sizeof r[1].framework.name, "own");
    for (int quantized = 0; quantized < 2; quantized++) {
        for (int i = 0; i < 2; i++)
            snprintf(r[i].model.source_format, sizeof r[i].model.source_format, "%s", quantized ? "q4_1" : "f16");
        struct decision *d = decide(r, 2);
        const struct row *w = row_of(d, "base/f16", "llama.cpp");
        assert_string_equal(w->quality_from, "predicted");
        assert_int_equal(w->reference, !quantized);
        assert_true(quantized ? !(w->kld == 0) : w->kld == 0 && w->kld_hi == 0 && w->top1_agreement == 1);
        decision_free(d);
    }
}

/* A format that the sweep's budget did not reach keeps what was expected of it, marked as that: it is over a limit or
 * not, and wins over nothing that was measured. */
static void test_unreached_formats_are_estimated(void **state)
{
    (void)state;
    static const char *const format[] = {"gguf/q8_0", "gguf/q5_k_m", "gguf/q2_k"};
    struct record r[3];
    for (int i = 0; i < 3; i++) {
        full_record(&r[i], format[i], (136 - 30 * i) << 20, 90, 1, 0.005, 0.0003, 0.96);
        if (i == 0)
            continue;
        speed_none(&r[i].speed);
        quality_none(&r[i].quality);
        r[i].quality_from = r[i].speed_from = FROM_NOWHERE;
        r[i].status = STATUS_NOT_REACHED;
        snprintf(r[i].framework.name, sizeof r[i].framework.name, "own");
        snprintf(r[i].reason, sizeof r[i].reason, "not measured: the budget did not reach it");
    }
    struct decision *d = decide(r, 3);
    assert_string_equal(picked(d), "gguf/q8_0");
    for (int i = 1; i < 3; i++) {
        const struct row *w = row_of(d, format[i], "llama.cpp");
        struct quality_guess q;
        quality_predict(&q, r[i].model.name, (double)r[i].model.n_params / 1e9, format[i], r[i].format.bits_per_weight);
        assert_string_equal(w->quality_from, "predicted");
        assert_true(w->kld == q.kld.v && w->kld_lo == q.kld.lo && w->kld_hi == q.kld.hi);
        assert_true(isnan(w->decode_tok_s));
        assert_non_null(strstr(w->source, q.source));
        assert_true(!strcmp(w->veto, "max_kld") == (q.kld.v > d->kld_limit));
    }
    assert_string_equal(row_of(d, "gguf/q2_k", "llama.cpp")->veto, "max_kld");
    decision_free(d);
}

/* One framework on two devices is two rows. */
static void test_places_are_rows(void **state)
{
    (void)state;
    struct record r[3];
    full_record(&r[0], "gguf/q8_0", 136 << 20, 90, 1, 0.005, 0.0003, 0.96);
    full_record(&r[1], "gguf/q8_0", 136 << 20, 300, 1, 0.005, 0.0003, 0.96);
    full_record(&r[2], "gguf/q8_0", 136 << 20, 180, 1, 0.005, 0.0003, 0.96);
    snprintf(r[1].framework.backend, sizeof r[1].framework.backend, "vulkan");
    snprintf(r[2].framework.backend, sizeof r[2].framework.backend, "vulkan");
    r[1].framework.gpu_layers = 32;
    r[2].framework.gpu_layers = 16;
    struct decision *d = decide(r, 3);
    double seen = 0;
    assert_int_equal(d->n_rows, 3);
    for (int i = 0; i < 3; i++) {
        const struct row *w = &d->row[i];
        assert_true(w->decode_tok_s == (w->gpu_layers == 32 ? 300 : w->gpu_layers == 16 ? 180 : 90));
        assert_string_equal(w->backend, w->gpu_layers ? "vulkan" : "cpu");
        assert_string_equal(row_place(w).s, w->gpu_layers == 32   ? "llama.cpp, 32 layers on vulkan"
                                            : w->gpu_layers == 16 ? "llama.cpp, 16 layers on vulkan"
                                                                  : "llama.cpp");
        seen += w->decode_tok_s;
    }
    assert_non_null(strstr(d->headline, "on llama.cpp, 32 layers on vulkan"));
    assert_non_null(strstr(d->command, " -ngl 32"));
    assert_null(strstr(d->row[2].command, "-ngl"));
    assert_true(seen == 570);
    decision_free(d);
}

/* Leading formats of the container, then beaten ones; of a framework without either its best one. */
static void test_contenders(void **state)
{
    (void)state;
    struct record r[8];
    const char *names[8];
    int n = sample_records(r);
    full_record(&r[n++], "onnx/int4-g32-sym", 90 << 20, 60, 1, 0.5, 0.01, 0.6);
    snprintf(r[n - 1].framework.name, sizeof r[n - 1].framework.name, "onnxruntime");
    struct decision *d = decide(r, n);
    const struct exporter *onnx = exporter_find(recipe_find("onnx/int4-g32-sym"));
    int few = matrix_contenders(d, &exporter_gguf, false, names, 8);
    assert_true(few >= 2 && few <= 3);
    assert_string_equal(names[0], picked(d));
    int all = matrix_contenders(d, &exporter_gguf, true, names, 8);
    assert_int_equal(all, 6);
    for (int i = 0; i < all; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    assert_int_equal(matrix_contenders(d, &exporter_gguf, true, names, 2), 2);
    assert_int_equal(matrix_contenders(d, onnx, false, names, 8), 1); /* over the limit: for the framework's sake */
    assert_string_equal(names[0], "onnx/int4-g32-sym");
    assert_int_equal(matrix_contenders(d, &exporter_openvino, false, names, 8), 0);
    decision_free(d);
}

static void test_framework_factor(void **state)
{
    (void)state;
    char source[256];
    struct interval f = framework_factor("llama.cpp", "q4_k", false, 0, 0.9, source);
    assert_true(0 < f.lo && f.lo < f.v && f.v < f.hi && f.hi < 2);
    assert_true(*source);
    struct interval any = framework_factor("llama.cpp", "codec-of-tomorrow", true, 0, NAN, source);
    assert_true(isfinite(any.v));
    assert_true(isnan(framework_factor("nobody", "q4_k", false, 0, 0.9, source).v));
    struct interval amx = framework_factor("llama.cpp", "q4_0", false, ISA(AMX_INT8), 0.9, source);
    assert_true(amx.v > framework_factor("llama.cpp", "q4_0", false, 0, 0.9, source).v); /* it profits from AMX */
    struct interval half = framework_factor("llama.cpp", "q4_k", false, 0, 0.45, source);
    assert_double_equal(half.v, 2 * f.v, 1e-12); /* an own engine at half the bandwidth: twice the ratio */
}

/* --- estimate --- */
static void test_estimate(void **state)
{
    (void)state;
    const struct shape *s = shape_find("qwen3-0.6b");
    struct model *m = NULL;
    struct err e = {0};
    assert_int_equal(model_from_shape(&m, &s->d, &e), 0);
    struct decision *d = NULL;
    assert_int_equal(matrix_estimate(&d, &m->d, &device, &req, &e), 0);
    assert_string_equal(d->verdict[0] == 't' ? "recommended" : d->verdict, "recommended");
    const struct row *w = row_of(d, "gguf/q4_k_m", "llama.cpp");
    assert_non_null(w);
    assert_string_equal(w->speed_from, "predicted");
    assert_string_equal(w->quality_from, "predicted");
    assert_string_equal(w->memory_from, "predicted");
    assert_true(w->kld_lo < w->kld && w->kld < w->kld_hi);
    assert_true(w->decode_tok_s_hi > 1.5 * w->decode_tok_s_lo);
    assert_true(w->decode_tok_s * (double)w->weights_bytes < 20e9); /* never over the bandwidth */
    assert_true(fabs((double)w->kv_bytes / (2.0 * 28 * 8 * 128 * 2 * 4096) - 1) <
                0.01); /* K, V, layers, heads, width, f16 */
    assert_true(w->peak_bytes > w->weights_bytes + w->kv_bytes);
    decision_free(d);
    req.want.ram_bytes = 100 << 20;
    assert_int_equal(matrix_estimate(&d, &m->d, &device, &req, &e), 0);
    assert_int_equal(d->exit_code, 4);
    assert_non_null(strstr(d->headline, "This device cannot run qwen3-0.6b even at the smallest format"));
    decision_free(d);
    model_close(m);
}

static void test_memory_failures(void **state)
{
    (void)state;
    struct record r[6];
    sample_records(r);
    struct err e = {0};
    bool done = false;
    for (long n = 1; n < 4000 && !done; n++) {
        struct decision *d = NULL;
        mem_fail_from(n);
        int rc = matrix_decide(&d, r, 6, NULL, &device, &req, &e);
        mem_fail_from(0);
        assert_true(rc == 0 || (rc == ERR_NOMEM && d == NULL));
        done = rc == 0;
        decision_free(d);
    }
    assert_true(done);
}

/* The pick, the answer under the tighter limit, then quantized formats, beaten or over the limit, then the others; what
 * cannot run is nobody's first thought. */
static void test_what_is_likely(void **state)
{
    (void)state;
    struct record r[6];
    const char *names[8];
    struct decision *d = decide(r, sample_records(r));
    assert_int_equal(matrix_likely(d, names, 8), 6);
    assert_string_equal(names[0], "gguf/q4_k_m");
    assert_string_equal(names[0], picked(d));
    assert_string_equal(names[1], "gguf/q8_0"); /* KLD 0.005 */
    assert_string_equal(names[5], "base/f16");
    assert_int_equal(matrix_likely(d, names, 2), 2);
    decision_free(d);
    req.want.ram_bytes = (int64_t)200 << 20;
    d = decide(r, 6);
    int n = matrix_likely(d, names, 8);
    for (int i = 0; i < n; i++)
        assert_string_not_equal(names[i], "base/f16");
    assert_int_equal(n, 5);
    decision_free(d);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(test_balanced),
        T(test_neighbouring_limits),
        T(test_objectives),
        T(test_energy),
        T(test_tie_fewer_bytes_first),
        T(test_veto_memory),
        T(test_veto_disk),
        T(test_veto_licence),
        T(test_veto_substitution),
        T(test_veto_unverified),
        T(test_veto_ternary),
        T(test_veto_not_comparable),
        T(test_quantized_file_as_it_is),
        T(test_veto_framework),
        T(test_veto_gates),
        T(test_task_gate),
        T(test_claims),
        T(test_own_becomes_equivalent),
        T(test_measured_framework_replaces_equivalent),
        T(test_ratio_measured_here_stands_in),
        T(test_a_broken_format_is_a_failed_row),
        T(test_demo_joins_shapes),
        T(test_small_model_keeps_its_size),
        T(test_tie_does_not_pick_the_outclassed),
        T(test_stand_ins_do_not_outclass),
        T(test_speed_without_interval),
        T(test_cache_resident_never_headline),
        T(test_nothing_fits),
        T(test_large_model_names_a_smaller_one),
        T(test_quality_gate_not_met),
        T(test_speed_floor_not_met),
        T(test_default_limit_gives_way),
        T(test_more_memory_changes_the_answer),
        T(test_no_records),
        T(test_all_unknown),
        T(test_failures_are_rows),
        T(test_quality_unknown_is_not_recommended),
        T(test_newest_record),
        T(test_hostile_name_in_command),
        T(test_oracle_exact),
        T(test_properties_with_intervals),
        T(test_framework_factor),
        T(test_stored_factors_stand_in),
        T(test_logits_of_the_framework),
        T(test_not_reached),
        T(test_places_are_rows),
        T(test_contenders),
        T(test_what_is_likely),
        T(test_unreached_formats_are_estimated),
        T(test_unreached_reference),
        T(test_estimate),
        T(test_memory_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
