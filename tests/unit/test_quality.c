/* matrix/quality: what is published is said as published; what is not has an interval that held when each model, and
 * each format, was left out in turn. docs/PREDICTED_QUALITY.md shows the same tables. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "datasets/catalogue.h"
#include "matrix/quality_fit.h"

static bool holds(struct interval i, double v)
{
    return i.lo <= v && v <= i.hi;
}

static struct quality_guess guess(const char *model, double params_b, const char *format, double bpw)
{
    struct quality_guess q;
    quality_predict(&q, model, params_b, format, bpw);
    return q;
}

static void test_published(void **state)
{
    (void)state;
    struct quality_guess q = guess("Llama-3 8B", 8.03, "gguf/q5_k_m", 5.7);
    assert_string_equal(q.from, "published");
    assert_true(fabs(q.kld.v - 0.010762) < 1e-6); /* llama.cpp, PR 6936 */
    assert_true(fabs(q.ppl_ratio.v - 1.00914) < 1e-4);
    assert_true(holds(q.kld, q.kld.v) && holds(q.ppl_ratio, q.ppl_ratio.v));
    assert_non_null(strstr(q.source, "6936"));
    q = guess("qwen2-72b", 72.7, "gguf/q2_k", 3); /* 5.91 of 5.58, no KLD published */
    assert_string_equal(q.from, "published");
    assert_true(fabs(q.ppl_ratio.v - 5.91 / 5.58) < 1e-4);
    assert_true(holds(q.kld, log(5.91 / 5.58)) && q.top1.v > 0.8 && q.top1.v < 1);
}

static void test_predicted(void **state)
{
    (void)state;
    struct quality_guess small = guess("some-model", 0.3, "gguf/q4_k_m", 4.9),
                         large = guess("some-model", 70, "gguf/q4_k_m", 4.9);
    assert_string_equal(small.from, "predicted");
    assert_true(small.kld.v > large.kld.v && small.kld.hi > 1.5 * large.kld.hi);
    assert_true(small.top1.v < large.top1.v);
    assert_true(large.kld.lo < large.kld.v && large.kld.v < large.kld.hi);
    struct quality_guess variant = guess("some-model", 70, "gguf/q4_k_m@dtype=bf16", 4.9);
    assert_true(variant.kld.v == large.kld.v);
    /* rows of the model itself narrow what is said of its other formats */
    struct quality_guess known = guess("llama-3-8b", 8.03, "mlx/4bit-g64", 4.5),
                         unknown = guess("some-model", 8.03, "mlx/4bit-g64", 4.5);
    assert_string_equal(known.from, "predicted");
    assert_true(known.kld.hi / known.kld.lo < 0.8 * unknown.kld.hi / unknown.kld.lo);
    assert_true(guess("some-model", NAN, "gguf/q4_k_m", NAN).kld.v > 0); /* of no size: wide, still an answer */
    assert_true(guess("some-model", 8, "base/f32", 32).kld.v == 0);
}

static void test_refused(void **state)
{
    (void)state;
    struct quality_guess q = guess("some-model", 3, "nobody/4bit", 4);
    assert_string_equal(q.from, "");
    assert_true(isnan(q.kld.v) && isnan(q.ppl_ratio.hi) && isnan(q.top1.lo));
    assert_true(strlen(q.source) > 20);
    assert_string_equal(guess("some-model", 3, "gguf/new", NAN).from, "");
    assert_string_equal(guess("some-model", 3, "gguf/new", 0.5).from, ""); /* below all that was ever measured */
    assert_string_equal(guess("some-model", 3, "", 4).from, "");
    assert_string_equal(guess("", 3, "gguf/", 4).from, "predicted");
    struct quality_guess near = guess("some-model", 3, "gguf/new", 4.6),
                         named = guess("some-model", 3, "gguf/q4_k_s", 4.6);
    assert_string_equal(near.from, "predicted");
    assert_true(holds(near.kld, named.kld.v));
    assert_true(near.kld.hi / near.kld.lo > named.kld.hi / named.kld.lo); /* and wider than one that was measured */
}

/* Within a family a format with clearly fewer bits is never said to be better. */
static void test_bits_order(void **state)
{
    (void)state;
    static const char *const families[] = {"gguf/", "mlx/", "gptq/", "exl2/", "hqq/"};
    static const double sizes_b[] = {0.3, 1.5, 8, 70};
    struct quality_fit *f = quality_fit_new(dataset_published_quality, "");
    assert_non_null(f);
    int pairs = 0;
    for (size_t k = 0; k < 5 * 4; k++)
        for (int i = 0; i < f->n_formats; i++)
            for (int j = 0; j < f->n_formats; j++) {
                const struct quality_format *few = &f->format[i], *many = &f->format[j];
                size_t n = strlen(families[k / 4]);
                if (strncmp(few->name, families[k / 4], n) != 0 || strncmp(many->name, families[k / 4], n) != 0 ||
                    !(few->bpw + 1 < many->bpw) || (k < 4 && fmin(few->bpw_of, many->bpw_of) < 1))
                    continue; /* GGUF's bits in small models are those of its substitutes */
                struct quality_guess a = guess("some-model", sizes_b[k % 4], few->name, few->bpw),
                                     b = guess("some-model", sizes_b[k % 4], many->name, many->bpw);
                assert_true(a.kld.hi > b.kld.v);
                pairs++;
            }
    assert_true(pairs > 1000);
    quality_fit_free(f);
}

/* --- left out in turn --- */
enum { CLASSES = 6 };
static const struct {
    const char *name;
    double below_b;
} classes[CLASSES] = {{"tiny, below 0.05 B", 0.05}, {"micro, to 1 B", 1},       {"small, to 4 B", 4},
                      {"medium, to 16 B", 16},      {"large, above", INFINITY}, {"all", INFINITY}};
struct tally {
    int n_models, n_kld, in_kld, n_ppl, in_ppl, n_refused;
    double covered; /* sum over models of the share of their figures that lie inside */
    double ln_width;
};

/* What the document must hold; says what is missing. */
static void assert_documented(const char *line)
{
    static char text[1 << 16];
    FILE *file = fopen(SOURCE_ROOT "/docs/PREDICTED_QUALITY.md", "rb");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    printf("%s\n", line);
    if (!strstr(text, line))
        fail_msg("docs/PREDICTED_QUALITY.md does not hold the line above: put it there if it is right");
}

static void tally_model(struct tally *t, const struct quality_fit *all, int m)
{
    const struct quality_model *model = &all->model[m];
    struct quality_fit *f = quality_fit_new(dataset_published_quality, model->name);
    assert_non_null(f);
    int n = 0, in = 0;
    for (int i = 0; i < all->n_cells; i++) {
        const struct quality_cell *c = &all->cell[i];
        struct quality_guess q;
        if (c->model != m)
            continue;
        quality_fit_predict(f, &q, model->name, model->params_b, all->format[c->format].name,
                            all->format[c->format].bpw);
        if (!*q.from) {
            t->n_refused++;
            continue;
        }
        assert_string_equal(q.from, "predicted");
        if (isfinite(c->kld)) {
            t->n_kld++, n++;
            t->in_kld += holds(q.kld, c->kld), in += holds(q.kld, c->kld);
        }
        if (isfinite(c->ppl_ratio)) {
            t->n_ppl++, n++;
            t->in_ppl += holds(q.ppl_ratio, c->ppl_ratio), in += holds(q.ppl_ratio, c->ppl_ratio);
        }
        t->ln_width += log(q.kld.hi / q.kld.v);
    }
    if (n > 0) {
        t->n_models++;
        t->covered += (double)in / n;
    }
    quality_fit_free(f);
}

static void test_models_left_out(void **state)
{
    (void)state;
    struct quality_fit *all = quality_fit_new(dataset_published_quality, "");
    struct tally tally[CLASSES] = {0};
    assert_non_null(all);
    for (int m = 0; m < all->n_models; m++) {
        int k = 0;
        while (!(all->model[m].params_b < classes[k].below_b))
            k++;
        tally_model(&tally[k], all, m);
        tally_model(&tally[CLASSES - 1], all, m);
    }
    for (int k = 0; k < CLASSES; k++) {
        const struct tally *t = &tally[k];
        char line[200];
        snprintf(line, sizeof line, "| %s | %d | %d of %d | %d of %d | %.0f %% | %.1f | %d |", classes[k].name,
                 t->n_models, t->in_ppl, t->n_ppl, t->in_kld, t->n_kld, 100 * t->covered / t->n_models,
                 exp(t->ln_width / (t->n_kld > t->n_ppl ? t->n_kld : t->n_ppl)), t->n_refused);
        assert_documented(line);
        /* Figures of one model err together: a class is worth as many trials as it has models. */
        double least = 0.9 - 1.645 * sqrt(0.9 * 0.1 / t->n_models);
        assert_true(t->covered / t->n_models >= least);
    }
    assert_true(tally[CLASSES - 1].n_models >= 40 && tally[CLASSES - 1].n_ppl > 900);
    quality_fit_free(all);
}

/* The table without the rows of one format, of one model ("" all). */
static char *without_format(const char *model, const char *format)
{
    char needle[QUALITY_NAME + 3], *out = mem_alloc(strlen(dataset_published_quality) + 1), *to = out;
    size_t n_model = strlen(model);
    assert_non_null(out);
    snprintf(needle, sizeof needle, ",%s,", format);
    for (const char *p = dataset_published_quality, *end; *p; p = end) {
        end = strchr(p, '\n') + 1;
        const char *hit = strstr(p, needle);
        if (hit && hit < end && strncmp(p, model, n_model) == 0 && (n_model == 0 || p[n_model] == ','))
            continue;
        memcpy(to, p, (size_t)(end - p));
        to += end - p;
    }
    return out;
}

/* A format that nobody measured, from its neighbours by bits: every format with neighbours, left out in turn. */
static void test_formats_left_out(void **state)
{
    (void)state;
    struct quality_fit *all = quality_fit_new(dataset_published_quality, "");
    assert_non_null(all);
    int n = 0, in = 0, refused = 0;
    double ln_width = 0;
    for (int k = 0; k < all->n_formats; k++) {
        const struct quality_format *o = &all->format[k];
        if (!isfinite(o->bpw) || strncmp(o->name, "base/", 5) == 0)
            continue;
        char *text = without_format("", o->name);
        struct quality_fit *f = quality_fit_new(text, "");
        assert_non_null(f);
        struct normal q = quality_between(f, o->name, o->bpw);
        refused += !isfinite(q.mean);
        if (isfinite(q.mean)) {
            n++;
            in += fabs(o->coarse - q.mean) <= 1.645 * q.sd;
            ln_width += 1.645 * q.sd;
        }
        quality_fit_free(f);
        mem_free(text);
    }
    char line[200];
    snprintf(line, sizeof line, "%d of %d formats inside, by a factor of %.1f; %d have no neighbours and are refused",
             in, n, exp(ln_width / n), refused);
    assert_documented(line);
    assert_true(n > 150 && in >= n * (0.9 - 1.645 * sqrt(0.9 * 0.1 / n)));
    quality_fit_free(all);
}

/* Another format of a model that has rows of its own: every fourth row of models with three or more. */
static void test_cells_left_out(void **state)
{
    (void)state;
    struct quality_fit *all = quality_fit_new(dataset_published_quality, "");
    assert_non_null(all);
    int n = 0, in = 0;
    double ln_width = 0;
    for (int i = 0; i < all->n_cells; i += 4) {
        const struct quality_cell *c = &all->cell[i];
        const struct quality_model *m = &all->model[c->model];
        const struct quality_format *o = &all->format[c->format];
        struct quality_guess q;
        if (m->weight < 3 || m->params_b < 0.05)
            continue;
        char *text = without_format(m->name, o->name);
        struct quality_fit *f = quality_fit_new(text, "");
        assert_non_null(f);
        quality_fit_predict(f, &q, m->name, m->params_b, o->name, o->bpw);
        if (*q.from) {
            assert_string_equal(q.from, "predicted");
            n++;
            in += isfinite(c->ppl_ratio) ? holds(q.ppl_ratio, c->ppl_ratio) : holds(q.kld, c->kld);
            ln_width += log(q.kld.hi / q.kld.v);
        }
        quality_fit_free(f);
        mem_free(text);
    }
    char line[200];
    snprintf(line, sizeof line, "%d of %d rows inside, by a factor of %.1f", in, n, exp(ln_width / n));
    assert_documented(line);
    assert_true(n > 100 && in >= n * (0.9 - 1.645 * sqrt(0.9 * 0.1 / n)));
    quality_fit_free(all);
}

/* --- rows that lie --- */
static void test_hostile_rows(void **state)
{
    (void)state;
    static const char text[] =
        "model,params_b,format,bpw,kld,ppl_ratio,top1_agreement,source\n"
        "good,7,gguf/a,4,0.02,1.02,0.9,s\n"
        "good,7,gguf/b,5,0.01,,,s\n"
        "other,1,gguf/a,4,0.06,,2,\"a, \"\"quoted\"\" source\"\n"
        ",7,gguf/a,4,0.02,,,no model\n"
        "x,,gguf/a,4,0.02,,,no size\n"
        "x,-7,gguf/a,4,0.02,,,negative size\n"
        "x,inf,gguf/a,4,0.02,,,infinite size\n"
        "x,7,q4,4,0.02,,,no family\n"
        "x,7,gguf/a,4,-0.02,,,negative KLD\n"
        "x,7,gguf/a,4,nan,nan,nan,no number\n"
        "x,7,gguf/a,4,1e300,1e300,,beyond sense\n"
        "x,7,gguf/a,4,0.02x,,,not a number\n"
        "x,7\n"
        "0123456789012345678901234567890123456789012345678901234567890123456789,7,gguf/a,4,0.02,,,long name\n"
        "good,7,gguf/c,-4,0.03,0.99,-1,odd bits\n";
    struct quality_fit *f = quality_fit_new(text, "");
    assert_non_null(f);
    assert_int_equal(f->n_cells, 4);
    assert_int_equal(f->n_models, 2);
    assert_int_equal(f->n_formats, 3);
    assert_true(isnan(f->format[2].bpw));
    struct quality_guess q;
    quality_fit_predict(f, &q, "GOOD", 7, "gguf/a", 4);
    assert_string_equal(q.from, "published");
    assert_true(fabs(q.kld.v - 0.02) < 1e-9);
    quality_fit_predict(f, &q, "third", 3, "gguf/a", 4);
    assert_string_equal(q.from, "predicted");
    assert_true(q.kld.v > 0.01 && q.kld.v < 0.12 && isfinite(q.kld.hi));
    quality_fit_free(f);
    static const char *const poor[] = {"", "model", "model,params_b,format\n", "\n\n\n", "\"", "a,b\n\"c,d\n"};
    for (size_t i = 0; i < sizeof poor / sizeof *poor; i++) {
        f = quality_fit_new(poor[i], "");
        assert_non_null(f);
        quality_fit_predict(f, &q, "m", 1, "gguf/q4_0", 4.5);
        assert_string_equal(q.from, "");
        quality_fit_free(f);
    }
    for (long n = 1; n <= 4; n++) {
        mem_fail_from(n);
        f = quality_fit_new(text, "");
        mem_fail_from(0);
        assert_null(f);
    }
}

/* Every row of the table that ships is taken: none is so odd that the reader leaves it. */
static void test_every_row(void **state)
{
    (void)state;
    struct quality_fit *f = quality_fit_new(dataset_published_quality, "");
    struct csv c;
    int rows = 0;
    for (bool more = csv_open(&c, dataset_published_quality) && csv_next(&c); more; more = csv_next(&c), rows++) {
        assert_true(strlen(csv_text(&c, "source")) > 8);
        assert_true(strlen(csv_text(&c, "protocol")) > 8);
        const char *from = csv_text(&c, "provenance");
        assert_true(strcmp(from, "published") == 0 || strcmp(from, "measured") == 0);
        double kld = csv_number(&c, "kld"), ln_ratio = log(csv_number(&c, "ppl_ratio"));
        if (kld > 0.1 && isfinite(ln_ratio) && csv_number(&c, "params_b") > 0.05) /* the two say the same: no slip */
            assert_true(ln_ratio > 0.5 * kld && ln_ratio < 1.5 * kld);
    }
    assert_int_equal(f->n_cells, rows);
    quality_fit_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),       cmocka_unit_test(test_predicted),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_bits_order),
        cmocka_unit_test(test_models_left_out), cmocka_unit_test(test_formats_left_out),
        cmocka_unit_test(test_cells_left_out),  cmocka_unit_test(test_hostile_rows),
        cmocka_unit_test(test_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
