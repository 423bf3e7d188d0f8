/* The catalogue of models: every row against published counts of weights, sizes of published files, closed forms of the
 * cache; and rows that are none. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "bench/catalogue_shape.h"

static const struct catalogue_model *model(const char *id)
{
    const struct catalogue_model *m = catalogue_model_find(id);
    if (!m)
        fail_msg("no model %s", id);
    return m;
}

static struct catalogue_cost cost(const char *id, const char *format, const char *kv, int ctx)
{
    struct catalogue_cost c;
    struct err e = {0};
    if (catalogue_cost(&c, model(id), recipe_find(format), kv, ctx, &e))
        fail_msg("%s %s: %s", id, format, e.text);
    return c;
}

static void the_linked_rows_are_read(void **state)
{
    (void)state;
    const struct catalogue_model *m;
    int n = catalogue_models(&m), n_recent = 0;
    assert_true(n >= 139);
    for (int i = 0; i < n; i++)
        n_recent += strcmp(m[i].released, "2024") > 0 && m[i].params_b >= 0.1 && m[i].params_b <= 73;
    assert_true(n_recent >= 60);
}

/* params_b is written with six decimals. */
static void the_tensors_of_each_row_sum_to_its_weights(void **state)
{
    (void)state;
    const struct catalogue_model *m;
    for (int i = 0, n = catalogue_models(&m); i < n; i++) {
        struct catalogue_shape *s;
        struct err e = {0};
        double active = 0;
        if (catalogue_shape_make(&s, &m[i], &e))
            fail_msg("%s", e.text);
        for (int t = 0; t < s->d.n_tensors; t++) {
            const struct qmat *w = &s->d.tensor[t].src;
            bool embedding = !strcmp(s->d.tensor[t].name, "token_embd.weight"); /* counts, whether or not it is read */
            active += (double)w->n * (double)w->k * (embedding ? 1 : s->share[t].read);
        }
        if (fabs((double)s->d.n_params / 1e9 - m[i].params_b) > 0.6e-6)
            fail_msg("%s: %.6f billion weights here, %.6f in its row", m[i].id, (double)s->d.n_params / 1e9,
                     m[i].params_b);
        if (fabs(active / 1e9 - m[i].active_params_b) > 0.6e-6)
            fail_msg("%s: %.6f billion active here, %.6f in its row", m[i].id, active / 1e9, m[i].active_params_b);
        catalogue_shape_free(s);
    }
}

static void caches_have_their_closed_forms(void **state)
{
    (void)state;
    /* 2 x layers x KV heads x head x 2 bytes x positions */
    assert_int_equal(cost("llama-3.1-8b", "gguf/q4_k_m", NULL, 8192).kv_bytes, 2LL * 32 * 8 * 128 * 2 * 8192);
    assert_int_equal(cost("llama-3.1-8b", "gguf/q4_k_m", "q8_0", 8192).kv_bytes, 2LL * 32 * 8 * 128 / 32 * 34 * 8192);
    /* Gemma 3 1B: 4 of 26 layers see everything, 22 keep 512 + a batch of 512. */
    struct catalogue_cost c = cost("gemma-3-1b", "gguf/q4_k_m", NULL, 32768);
    assert_int_equal(c.kv_bytes, 2LL * 256 * 2 * (4 * 32768 + 22 * 1024));
    assert_int_equal(c.kv_full_bytes, 2LL * 256 * 2 * 26 * 32768);
    /* LFM2: 6 of 16 layers have a cache, 10 keep two positions of a convolution in f32. */
    assert_int_equal(cost("lfm2-1.2b", "gguf/q8_0", NULL, 4096).kv_bytes,
                     2LL * 6 * 8 * 64 * 2 * 4096 + 10 * 2048 * 2 * 4);
    /* Gemma 4 E2B: 15 layers of 35 have a cache, of those 3 full ones with heads of 512. */
    assert_int_equal(cost("gemma-4-e2b", "gguf/q8_0", NULL, 32768).kv_bytes,
                     2LL * 2 * (3 * 512 * 32768LL + 12 * 256 * 1024LL));
    /* Qwen3.5 0.8B: 6 full layers; 18 with a state of 16 x 128 x 128 and three positions of 6144 channels. */
    assert_int_equal(cost("qwen3.5-0.8b", "gguf/q8_0", NULL, 1024).kv_bytes,
                     2LL * 6 * 2 * 256 * 2 * 1024 + 18 * 4 * (16 * 128 * 128 + 3 * 6144));
}

/* Tensor bytes of two files, as their headers say (sha256 b179c952..., a5fd3b62...). */
static void bytes_are_those_of_published_files(void **state)
{
    (void)state;
    assert_int_equal(cost("smollm2-135m", "gguf/q4_1", NULL, 2048).weights_bytes, 98362432 - 1785664);
    assert_int_equal(cost("gemma-3-270m", "gguf/q4_k_m", NULL, 2048).weights_bytes, 253113024 - 6525120);
}

static void a_missing_model_gets_the_nearest_ones(void **state)
{
    (void)state;
    struct err e = {0};
    assert_null(catalogue_model_find("lama-3.2-1b"));
    assert_int_equal(catalogue_model_near("lama-3.2-1b", &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "llama-3.2-1b"));
    catalogue_model_near("qwen3 8b", &e);
    assert_non_null(strstr(e.text, "did you mean qwen3-8b"));
    catalogue_model_near("", &e);
    catalogue_model_near("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", &e);
    assert_null(strstr(e.text, "did you mean"));
}

#define HEAD                                                                                                           \
    "id,name,family,arch,params_b,active_params_b,n_layer,d_model,n_head,n_kv_head,head_dim,d_ff,n_expert,"            \
    "n_expert_used,d_ff_expert,vocab,tied_embedding,qkv_bias,sliding_window,sliding_pattern,context,licence,released," \
    "tasks,score_mmlu,source\n"
#define ROW(id, layers, heads, tail)                                                                                   \
    id ",A,B,llama,0.1,0.1," layers ",576," heads ",64,1536,0,0,0,49152,1,0,0,,8192,mit,2024-10,chat," tail "\n"

static void rows_that_are_none_get_one_sentence(void **state)
{
    (void)state;
    static char overlong[4096], bad_length[4200];
    memset(overlong, 'x', sizeof overlong - 1);
    snprintf(bad_length, sizeof bad_length, HEAD "%s\n", overlong);
    const struct {
        const char *csv, *says;
    } bad[] = {
        {"", "no row of column names"},
        {HEAD ROW("a", "", "9,3", "50,s"), "row \"a\", column n_layer: \"\" is not"},
        {HEAD ROW("a", "many", "9,3", "50,s"), "column n_layer: \"many\""},
        {HEAD ROW("a", "30.5", "9,3", "50,s"), "column n_layer: \"30.5\""},
        {HEAD ROW("a", "-1", "9,3", "50,s"), "column n_layer: \"-1\""},
        {HEAD ROW("a", "1e9", "9,3", "50,s"), "column n_layer: \"1e9\""},
        {HEAD ROW("a", "nan", "9,3", "50,s"), "column n_layer: \"nan\""},
        {HEAD ROW("a", "30", "9,4", "50,s"), "9 heads do not share 4 KV heads"},
        {HEAD ROW("a", "30", "9,3", "101,s"), "column score_mmlu: \"101\""},
        {HEAD ROW("a", "30", "9,3", "50,"), "column source"},
        {HEAD ROW("", "30", "9,3", "50,s"), "column id"},
        {HEAD ROW("a", "30", "9,3", "50,s,more"), "27 fields under a head of 26"},
        {HEAD ROW("\"a\" b", "30", "9,3", "50,s"), "1 fields under a head of 26"},
        {HEAD ROW("\"a", "30", "9,3", "50,s"), "1 fields under a head of 26"},
        {HEAD ROW("a\x01", "30", "9,3", "50,s"), "control characters"},
        {HEAD ROW("a", "30", "9,3", "50,s") ROW("A", "30", "9,3", "50,s"), "two rows \"a\""},
        {bad_length, "row 1 after the names"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct arena *a = arena_new();
        struct catalogue_model *m;
        struct err e = {0};
        int n;
        assert_true(catalogue_read(bad[i].csv, a, &m, &n, &e) < 0);
        if (!strstr(e.text, bad[i].says) || strchr(e.text, '\n'))
            fail_msg("case %zu says \"%s\" and not \"%s\"", i, e.text, bad[i].says);
        arena_free(a);
    }
}

static void a_good_row_is_read_and_blanks_are_unknown(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct catalogue_model *m;
    struct err e = {0};
    int n;
    if (catalogue_read(HEAD ROW("\"a \"\"b\"\", c\"", "30", "9,3", ",s"), a, &m, &n, &e))
        fail_msg("%s", e.text);
    assert_int_equal(n, 1);
    assert_string_equal(m->id, "a \"b\", c");
    assert_int_equal(m->n_layer, 30);
    assert_true(isnan(m->score_mmlu));
    assert_true(isnan(m->published_b));
    assert_string_equal(m->ollama_tag, "");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_linked_rows_are_read),
        cmocka_unit_test(the_tensors_of_each_row_sum_to_its_weights),
        cmocka_unit_test(caches_have_their_closed_forms),
        cmocka_unit_test(bytes_are_those_of_published_files),
        cmocka_unit_test(a_missing_model_gets_the_nearest_ones),
        cmocka_unit_test(rows_that_are_none_get_one_sentence),
        cmocka_unit_test(a_good_row_is_read_and_blanks_are_unknown),
    };
    return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
