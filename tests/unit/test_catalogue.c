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
    assert_true(n >= 150);
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

/* published_b is the count of a checkpoint as its repository states it, not made of the row's own numbers. */
static void weights_are_as_many_as_published(void **state)
{
    (void)state;
    const struct catalogue_model *m;
    int n = catalogue_models(&m), n_equal = 0;
    for (int i = 0; i < n; i++) {
        struct catalogue_shape *s;
        struct err e = {0};
        assert_true(m[i].published_b > 0 && *m[i].published_source);
        if (catalogue_shape_make(&s, &m[i], &e))
            fail_msg("%s", e.text);
        double count = (double)s->d.n_params, published = m[i].published_b * 1e9;
        if (fabs(count - published) > 0.005 * published)
            fail_msg("%s: %.0f weights, published %.0f (%s)", m[i].id, count, published, m[i].published_source);
        n_equal += fabs(count - published) < 0.5;
        catalogue_shape_free(s);
    }
    if (n_equal < 140)
        fail_msg("%d of %d counts are equal to the last weight", n_equal, n);
}

static bool listed(const char *const *known, int n, const char *word, size_t length)
{
    for (int i = 0; i < n; i++)
        if (strlen(known[i]) == length && !strncmp(known[i], word, length))
            return true;
    return false;
}

static void check_words(const char *id, const char *list, const char *const *known, int n)
{
    for (const char *p = list; *p;) {
        size_t length = strcspn(p, ";");
        if (!listed(known, n, p, length))
            fail_msg("%s: unknown word \"%.*s\"", id, (int)length, p);
        p += length + (p[length] == ';');
    }
}
#define CHECK_WORDS(id, list, known) check_words(id, list, known, (int)(sizeof known / sizeof *known))

static void words_of_rows_are_known(void **state)
{
    (void)state;
    static const char *const licences[] = {
        "apache-2.0",     "mit",        "gemma",        "llama2",       "llama3",
        "llama3.1",       "llama3.2",   "llama3.3",     "qwen",         "qwen-research",
        "lfm1.0",         "falcon-llm", "deepseek",     "exaone",       "mistral-research",
        "nvidia-open",    "internlm",   "stability-nc", "cc-by-nc-4.0", "bigcode-openrail-m",
        "tencent-hunyuan"};
    static const char *const tasks[] = {"chat", "code", "reason", "multilingual", "base"};
    static const char *const formats[] = {"gguf", "onnx", "openvino", "mlx", "awq", "gptq", "exl2", "bitnet"};
    static const char *const origins[] = {"", "pruned", "distilled", "depth"};
    const struct catalogue_model *m;
    for (int i = 0, n = catalogue_models(&m); i < n; i++) {
        CHECK_WORDS(m[i].id, m[i].licence, licences);
        CHECK_WORDS(m[i].id, m[i].tasks, tasks);
        CHECK_WORDS(m[i].id, m[i].formats_published, formats);
        assert_true(listed(origins, 4, m[i].made_by, strcspn(m[i].made_by, " ")));
        assert_true(!*m[i].made_by == !*m[i].made_source && !*m[i].languages == !*m[i].languages_source);
        bool scored = m[i].score_mmlu >= 0 || m[i].score_gsm8k >= 0 || m[i].score_humaneval >= 0;
        assert_true(scored == (*m[i].score_source != 0));
        int year, month;
        if (sscanf(m[i].released, "%4d-%2d", &year, &month) != 2 || year < 2019 || year > 2027 || month < 1 ||
            month > 12)
            fail_msg("%s: released \"%s\"", m[i].id, m[i].released);
        for (const char *p = m[i].languages; *p; p++)
            if (!strchr(";abcdefghijklmnopqrstuvwxyz", *p))
                fail_msg("%s: languages \"%s\"", m[i].id, m[i].languages);
        assert_ptr_equal(catalogue_model_find(m[i].id), &m[i]);
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

/* Sizes of files that others published, GiB with two or three decimals; header and vocabulary are in them. */
static const struct {
    const char *id, *format;
    double gib, within;
} files[] = {
    /* llama.cpp tools/perplexity/README */
    {"llama-3-8b", "base/f16", 14.97, 0.006},
    {"llama-3-8b", "gguf/q8_0", 7.96, 0.006},
    {"llama-3-8b", "gguf/q6_k", 6.14, 0.006},
    {"llama-3-8b", "gguf/q5_k_m", 5.33, 0.006},
    {"llama-3-8b", "gguf/q5_k_s", 5.21, 0.006},
    {"llama-3-8b", "gguf/q5_1", 5.65, 0.006},
    {"llama-3-8b", "gguf/q4_k_m", 4.58, 0.006},
    {"llama-3-8b", "gguf/q4_k_s", 4.37, 0.006},
    {"llama-3-8b", "gguf/q4_1", 4.78, 0.006},
    {"llama-3-8b", "gguf/iq4_xs", 4.14, 0.006},
    {"llama-3-8b", "gguf/iq4_nl", 4.35, 0.006},
    {"llama-3-8b", "gguf/q3_k_l", 4.03, 0.006},
    {"llama-3-8b", "gguf/q3_k_m", 3.74, 0.006},
    {"llama-3-8b", "gguf/q3_k_s", 3.41, 0.006},
    {"llama-3-8b", "gguf/q2_k", 2.96, 0.006},
    /* published-speeds: llama-bench's model size, without the header */
    {"llama-2-7b", "base/f16", 12.55, 0.006},
    {"llama-2-7b", "gguf/q8_0", 6.67, 0.006},
    {"tinyllama-1.1b", "gguf/q4_k_m", 0.621, 0.0015},
    {"tinyllama-1.1b", "gguf/q8_0", 1.088, 0.0015},
    {"llama-3.2-3b", "gguf/q4_k_m", 1.87, 0.006},
    {"llama-3.2-3b", "gguf/q8_0", 3.176, 0.011},
    {"gpt-oss-120b", "gguf/mxfp4_moe", 59.02, 0.02},
    {"qwen3.5-2b", "gguf/q8_0", 1.9, 0.06},
    {"qwen3.5-2b", "gguf/q4_k_m", 1.2, 0.06},
    {"qwen3.5-4b", "gguf/q8_0", 4.2, 0.06},
};

static void bytes_are_those_of_published_sizes(void **state)
{
    (void)state;
    int n_bad = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct catalogue_cost c = cost(files[i].id, files[i].format, NULL, 2048);
        double least = (double)c.weights_bytes / (1 << 30), most = (double)c.download_bytes / (1 << 30);
        if (least > files[i].gib + files[i].within || most < files[i].gib - files[i].within)
            n_bad++, print_error("%s %s: %.4f to %.4f GiB, published %.3f\n", files[i].id, files[i].format, least, most,
                                 files[i].gib);
    }
    assert_int_equal(n_bad, 0);
}

static void lines_fetch_what_is_published(void **state)
{
    (void)state;
    static const struct {
        const char *id, *format, *line; /* "" : no such file is known */
    } lines[] = {
        {"qwen2.5-7b", "gguf/q4_k_m", "llama-server -hf bartowski/Qwen2.5-7B-Instruct-GGUF:Q4_K_M"},
        {"qwen3-8b", "gguf/q6_k", "llama-server -hf unsloth/Qwen3-8B-GGUF:Q6_K"},
        {"gpt-oss-20b", "gguf/mxfp4_moe", "llama-server -hf ggml-org/gpt-oss-20b-GGUF"},
        {"gpt-oss-20b", "gguf/q3_k_m", ""},
        {"qwen2.5-7b", "gguf/tq1_0", ""},
        {"qwen2.5-7b", "mlx/4bit-g64", ""},
        {"ministral-3-8b", "gguf/q4_k_m", "ollama run ministral-3:8b"},
        {"ministral-3-8b", "gguf/q2_k", ""},
        {"hunyuan-1.8b", "gguf/q4_k_m", ""},
    };
    char line[128];
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        bool there = catalogue_download_line(model(lines[i].id), recipe_find(lines[i].format), line, sizeof line);
        assert_string_equal(line, lines[i].line);
        assert_int_equal(there, *lines[i].line != 0);
    }
    assert_false(catalogue_download_line(model("qwen2.5-7b"), NULL, line, 20)); /* cut short is no command */
}

/* A row of an architecture whose tensors are not known here: weights by the codec, the cache by its numbers. */
static void unknown_architectures_get_an_estimate(void **state)
{
    (void)state;
    struct catalogue_model m = *model("llama-3.1-8b");
    struct catalogue_cost c;
    struct err e = {0};
    m.arch = "not-yet-known";
    assert_int_equal(catalogue_cost(&c, &m, recipe_find("gguf/q8_0"), NULL, 4096, &e), 0);
    assert_false(c.exact);
    assert_true(fabs((double)c.weights_bytes - 8.030261e9 * 8.5 / 8) < 1e5);
    assert_true(fabs(c.ops_per_token - 2 * (8.030261e9 - 128256 * 4096.0)) < 1e5);
    assert_int_equal(c.kv_bytes, 2LL * 32 * 8 * 128 * 2 * 4096);
    assert_true(cost("llama-3.1-8b", "gguf/q8_0", NULL, 4096).exact);
}

static void questions_that_have_no_answer_are_refused(void **state)
{
    (void)state;
    struct catalogue_cost c;
    struct err e = {0};
    const struct recipe *r = recipe_find("gguf/q8_0");
    assert_int_equal(catalogue_cost(&c, model("llama-2-7b"), r, NULL, 4097, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "4097"));
    assert_int_equal(catalogue_cost(&c, model("llama-2-7b"), r, NULL, 0, &e), ERR_LIMIT);
    assert_int_equal(catalogue_cost(&c, model("llama-2-7b"), r, "q9_9", 512, &e), ERR_USAGE);
    assert_int_equal(catalogue_cost(&c, model("h2o-danube3-500m"), r, "q8_0", 512, &e), 0);
    assert_int_equal(catalogue_cost(&c, model("h2o-danube3-4b"), r, "q8_0", 512, &e),
                     ERR_UNSUPPORTED); /* heads of 120 */
}

/* Llama 3 8B: each token multiplies all weights but the input embedding. */
static void reading_and_operations_follow_from_what_is_used(void **state)
{
    (void)state;
    struct catalogue_cost c = cost("llama-3-8b", "base/f16", NULL, 4096);
    const double norms = 65 * 4096.0, embedding = 128256 * 4096.0, all = 8030261248.0;
    assert_true(c.ops_per_token == 2 * (all - embedding - norms));
    assert_int_equal(c.read_bytes, (int64_t)(2 * (all - embedding - norms) + 4 * norms));
    c = cost("gemma-3-270m", "base/f16", NULL, 4096); /* its table is also the head */
    assert_int_equal(c.read_bytes, c.weights_bytes);
    /* Qwen3 30B-A3B: 8 of 128 experts; the card says 3.3 billion active. */
    c = cost("qwen3-30b-a3b", "base/f16", NULL, 4096);
    assert_true(fabs((double)c.read_bytes / 2 / 1e9 + 151936 * 2048 / 1e9 - 3.3) < 0.1);
}

static void classes_are_the_words_of_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *id, *class;
    } rows[] = {{"llama-3.2-1b", "micro"}, {"qwen2.5-1.5b", "small"},   {"llama-3.1-8b", "small"},
                {"qwen3-14b", "medium"},   {"qwen3-30b-a3b", "medium"}, {"llama-3.3-70b", "large"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(catalogue_size_class(model(rows[i].id)), rows[i].class);
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
        cmocka_unit_test(weights_are_as_many_as_published),
        cmocka_unit_test(words_of_rows_are_known),
        cmocka_unit_test(caches_have_their_closed_forms),
        cmocka_unit_test(bytes_are_those_of_published_files),
        cmocka_unit_test(bytes_are_those_of_published_sizes),
        cmocka_unit_test(lines_fetch_what_is_published),
        cmocka_unit_test(unknown_architectures_get_an_estimate),
        cmocka_unit_test(questions_that_have_no_answer_are_refused),
        cmocka_unit_test(reading_and_operations_follow_from_what_is_used),
        cmocka_unit_test(classes_are_the_words_of_the_field),
        cmocka_unit_test(a_missing_model_gets_the_nearest_ones),
        cmocka_unit_test(rows_that_are_none_get_one_sentence),
        cmocka_unit_test(a_good_row_is_read_and_blanks_are_unknown),
    };
    return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
