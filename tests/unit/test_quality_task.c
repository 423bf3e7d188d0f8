/* Scores that join models, against published ones that were left out: docs/PREDICTED_QUALITY.md shows the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/catalogue.h"
#include "datasets/catalogue.h"
#include "matrix/quality.h"

static bool holds(struct interval i, double v)
{
    return i.lo <= v && v <= i.hi;
}

static void assert_documented(const char *line)
{
    char *text;
    size_t n;
    assert_int_equal(file_read(SOURCE_ROOT "/docs/PREDICTED_QUALITY.md", 1 << 20, &text, &n, NULL), 0);
    printf("%s\n", line);
    bool there = strstr(text, line);
    mem_free(text);
    if (!there)
        fail_msg("docs/PREDICTED_QUALITY.md does not hold the line above: put it there if it is right");
}

static const struct catalogue_model *model(const char *id)
{
    const struct catalogue_model *m = catalogue_model_find(id);
    assert_non_null(m);
    return m;
}

static struct interval score(const char *id, const char *task, const char *language, const char *format,
                             char source[256])
{
    struct quality_guess q;
    const struct catalogue_model *m = model(id);
    quality_predict(&q, id, m->params_b, format, 4.5);
    return quality_task_score(m, task, language, &q, source);
}

static void test_published(void **state)
{
    (void)state;
    char source[256];
    struct interval full = quality_task_score(model("llama-3.1-8b"), "chat", NULL, NULL, source);
    assert_true(fabs(full.v - 69.4) < 0.05 && full.hi - full.lo >= 6); /* the card's MMLU; harnesses differ by 3 */
    assert_non_null(strstr(source, "published: MMLU 69.4"));
    struct interval q8 = score("llama-3.1-8b", "chat", NULL, "gguf/q8_0", source),
                    q4 = score("llama-3.1-8b", "chat", NULL, "gguf/q4_k_m", source),
                    q2 = score("llama-3.1-8b", "chat", NULL, "gguf/q2_k", source);
    assert_true(full.v >= q8.v && q8.v > q4.v && q4.v > q2.v && q2.v > 25);
    assert_true(q8.v > 69.2 && q4.v > 67 && q2.lo < q2.v - 3);
    assert_true(q2.hi - q2.lo > q4.hi - q4.lo); /* what is lost is less certain the more it is */
    struct interval code = quality_task_score(model("llama-3.1-8b"), "code", NULL, NULL, source);
    assert_true(fabs(code.v - model("llama-3.1-8b")->score_humaneval) < 1e-9);
}

static void test_unpublished(void **state)
{
    (void)state;
    char source[256];
    const struct catalogue_model *row;
    int n = catalogue_models(&row), seen = 0;
    for (int i = 0; i < n; i++) {
        struct interval s = quality_task_score(&row[i], "reason", NULL, NULL, source);
        assert_true(s.lo >= 0 && s.lo <= s.v && s.v <= s.hi && s.hi <= 100);
        if (isfinite(row[i].score_gsm8k))
            continue;
        seen++;
        assert_non_null(strstr(source, "predicted: GSM8K"));
        assert_true(s.hi - s.lo > 2);
    }
    assert_true(seen > 50);
    struct catalogue_model none = *model("qwen3-4b");
    none.score_mmlu = NAN;
    none.params_b = none.active_params_b = 0.5;
    double small = quality_task_score(&none, "chat", NULL, NULL, source).v;
    none.params_b = none.active_params_b = 60;
    assert_true(quality_task_score(&none, "chat", NULL, NULL, source).v > small + 10);
    none.released = "";
    assert_true(isfinite(quality_task_score(&none, "chat", NULL, NULL, source).v));
}

static void test_language(void **state)
{
    (void)state;
    char source[256];
    struct catalogue_model m = *model("llama-3.1-8b");
    m.languages = "en;de;pt";
    struct interval english = quality_task_score(&m, "chat", "en-GB", NULL, source),
                    german = quality_task_score(&m, "chat", "de", NULL, source),
                    brazil = quality_task_score(&m, "chat", "pt-BR", NULL, source),
                    tamil = quality_task_score(&m, "chat", "ta", NULL, source);
    assert_true(english.v > german.v && german.v == brazil.v && german.v > tamil.v && tamil.v > 25);
    assert_non_null(strstr(source, "does not claim that language"));
    /* Llama 3.1 8B's card: German 60.6, Thai 50.3 of 69.4 */
    assert_true(holds(german, 60.6) && holds(german, 50.3));
    m.languages = "";
    struct interval unsaid = quality_task_score(&m, "chat", "ta", NULL, source);
    assert_true(unsaid.hi - unsaid.lo > german.hi - german.lo);
    assert_non_null(strstr(source, "not said"));
}

static void test_odd(void **state)
{
    (void)state;
    char source[256];
    struct quality_guess none;
    quality_predict(&none, "m", 3, "nobody/x", 4);
    assert_true(isnan(quality_task_score(model("llama-3.1-8b"), "chat", NULL, &none, source).v));
    assert_true(strlen(source) > 20);
    struct interval a = quality_task_score(model("llama-3.1-8b"), "no such task", "", NULL, source),
                    b = quality_task_score(model("llama-3.1-8b"), NULL, NULL, NULL, source);
    assert_true(a.v == b.v);
    struct interval kept = quality_kept(stats_exact(0), true);
    assert_true(kept.v == 1 && kept.lo == 1 && kept.hi == 1);
    kept = quality_kept((struct interval){0.1, 0.05, 0.2}, false);
    assert_true(kept.lo < kept.v && kept.v < kept.hi && kept.hi < 1);
    assert_true(quality_kept((struct interval){0.1, 0.05, 0.2}, true).lo < kept.lo);
    assert_true(quality_kept(stats_exact(30), false).v < 0.01); /* nothing is left of a broken one */
}

/* Published scores of the catalogue, each predicted from the others. */
static void test_scores_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *task, *name;
        double least;
    } column[] = {{"chat", "MMLU", 10}, {"reason", "GSM8K", 30}, {"code", "HumanEval", 30}};
    const struct catalogue_model *row;
    char source[256], line[200];
    int n_rows = catalogue_models(&row);
    for (int k = 0; k < 3; k++) {
        int n = 0, in = 0;
        double width = 0;
        for (int i = 0; i < n_rows; i++) {
            double v = quality_full_score(&row[i], column[k].task, NULL, source).v;
            if (!strstr(source, "published"))
                continue;
            struct interval s = quality_full_score(&row[i], column[k].task, &row[i], source);
            assert_non_null(strstr(source, "predicted"));
            n++;
            in += holds(s, v);
            width += s.hi - s.lo;
        }
        snprintf(line, sizeof line, "| %s | %d | %d | %.0f |", column[k].name, n, in, width / n);
        assert_documented(line);
        assert_true(n >= column[k].least && in >= n * (0.9 - 1.645 * sqrt(0.09 / n)));
    }
}

/* Published scores of quantized models beside those of the same card's unquantized ones. */
static void test_losses(void **state)
{
    (void)state;
    char *text, line[200];
    size_t size;
    struct csv c;
    int n = 0, in = 0;
    assert_int_equal(file_read(SOURCE_ROOT "/datasets/published-accuracy.csv", 1 << 20, &text, &size, NULL), 0);
    for (bool more = csv_open(&c, text) && csv_next(&c); more; more = csv_next(&c), n++) {
        struct quality_guess q;
        double chance = csv_number(&c, "chance"), ref = csv_number(&c, "reference"), got = csv_number(&c, "score"),
               kld = csv_number(&c, "kld"), items = csv_number(&c, "items");
        assert_true(ref > chance && got > chance && items > 100 && strlen(csv_text(&c, "source")) > 8);
        quality_predict(&q, csv_text(&c, "model"), csv_number(&c, "params_b"), csv_text(&c, "format"), 4.5);
        if (isfinite(kld))
            q.kld = stats_exact(kld);
        assert_true(isfinite(q.kld.v));
        struct interval kept = quality_kept(q.kld, strcmp(csv_text(&c, "kind"), "generation") == 0);
        /* the same items twice: chance is in the answers that changed; and runs differ by a point */
        double changed = 0.45 * pow(q.kld.v, 0.44), chance_points = 1.645 * 100 * sqrt(changed / items) + 1;
        struct interval s = {0, chance + kept.lo * (ref - chance) - chance_points,
                             chance + kept.hi * (ref - chance) + chance_points};
        in += holds(s, got);
    }
    snprintf(line, sizeof line, "%d of %d published scores of quantized models lie inside", in, n);
    assert_documented(line);
    assert_true(n >= 60 && in >= n * (0.9 - 1.645 * sqrt(0.09 / n)));
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published), cmocka_unit_test(test_unpublished), cmocka_unit_test(test_language),
        cmocka_unit_test(test_odd),       cmocka_unit_test(test_losses),      cmocka_unit_test(test_scores_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
