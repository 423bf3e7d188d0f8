/* bench/quant: which codec each tensor gets, against what llama-quantize said (tests/golden/mixtures.txt),
 * sizes and substitutions, encoding of a small model, synthesized weights. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/temp.h"
#include "bench/export/export.h"
#include "bench/quant/ranges.h"
#include "bench/quant/recipe.h"
#include "tests/test_data.h"

static const struct {
    char letter;
    const char *codec;
} letters[] = {{'f', "f32"},    {'h', "f16"},     {'g', "bf16"},   {'8', "q8_0"},  {'0', "q4_0"},    {'1', "q4_1"},
               {'5', "q5_0"},   {'6', "q5_1"},    {'a', "q2_k"},   {'b', "q3_k"},  {'c', "q4_k"},    {'d', "q5_k"},
               {'e', "q6_k"},   {'A', "iq4_nl"},  {'B', "iq4_xs"}, {'C', "iq3_s"}, {'D', "iq3_xxs"}, {'E', "iq2_s"},
               {'F', "iq2_xs"}, {'G', "iq2_xxs"}, {'H', "iq1_m"},  {'I', "iq1_s"}, {'J', "tq1_0"},   {'K', "tq2_0"},
               {'M', "q1_0"},   {'N', "q2_0"}};

static const char *codec_of_letter(char c)
{
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (letters[i].letter == c)
            return letters[i].codec;
    fail_msg("unknown letter %c", c);
    return "";
}

static const struct {
    const char *name;
    enum tensor_use use;
} uses[] = {{"token_embd", USE_TOKEN_EMBD}, {"output", USE_OUTPUT}, {"attn_q", USE_ATTN_Q},
            {"attn_k", USE_ATTN_K},         {"attn_v", USE_ATTN_V}, {"attn_output", USE_ATTN_OUT},
            {"ffn_gate", USE_FFN_GATE},     {"ffn_up", USE_FFN_UP}, {"ffn_down", USE_FFN_DOWN}};

static struct model *shape_model(const char *arch, int n_layer, int d, int ff, int heads, int kv, int head_dim,
                                 int vocab, bool tied)
{
    struct model_desc desc = {.n_layer = n_layer,
                              .d_model = d,
                              .d_ff = ff,
                              .n_head = heads,
                              .n_head_kv = kv,
                              .head_dim = head_dim,
                              .n_ctx_train = 512,
                              .n_vocab = vocab,
                              .rope_dim = head_dim,
                              .norm_eps = 1e-5,
                              .rope_base = 1e4,
                              .rope_base_local = 1e4,
                              .rope_scale = 1,
                              .attn_scale = 1 / sqrt(head_dim),
                              .tied = tied};
    struct model *m = NULL;
    struct err e = {0};
    for (int i = 0; i < n_archs; i++)
        if (strcmp(archs[i].name, arch) == 0)
            desc.arch = &archs[i];
    assert_non_null(desc.arch);
    if (model_from_shape(&m, &desc, &e) != 0)
        fail_msg("%s", e.text);
    return m;
}

static struct use_assign *assign(const struct model *m, const char *name, bool importance)
{
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    const struct recipe *r = recipe_find(name);
    struct err e = {0};
    assert_non_null(r);
    if (recipe_assign(&m->d, r, NULL, &(struct recipe_known){.importance = importance}, a, &e) != 0)
        fail_msg("%s", e.text);
    return a;
}

/* A sweep measures formats with the same tensors once: what makes them differ must count, down to the grid of the
 * activations and the strength of SmoothQuant. */
static void formats_that_differ_are_not_taken_for_the_same(void **state)
{
    (void)state;
    static const char *const different[][2] = {
        {"onnx/int8-static-minmax", "onnx/int8-static-percentile"},
        {"onnx/int8-static-percentile-channel", "onnx/int8-static-entropy-channel"},
        {"openvino/int8-ptq", "openvino/int8-ptq@smooth=0.5"},
        {"exl2/grid@bpw=4", "exl2/grid@bpw=5"},
        {"openvino/int8-sym", "openvino/int8-asym"},
    };
    struct model *m = shape_model("llama", 2, 256, 512, 4, 4, 64, 512, true);
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        struct use_assign *a[3];
        for (int k = 0; k < 3; k++) {
            struct recipe r;
            struct err e = {0};
            a[k] = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a[k]);
            if (recipe_resolve(&r, different[i][k % 2], &e) ||
                recipe_assign(&m->d, &r, NULL, &(struct recipe_known){.importance = true}, a[k], &e))
                fail_msg("%s: %s", different[i][k % 2], e.text);
        }
        int t = 0;
        while (m->d.tensor[t].use != USE_FFN_DOWN)
            t++;
        if (assign_same(&a[0][t], &a[1][t]))
            fail_msg("%s and %s are taken for the same", different[i][0], different[i][1]);
        assert_true(assign_same(&a[0][t], &a[2][t]));
        for (int k = 0; k < 3; k++)
            mem_free(a[k]);
    }
    model_close(m);
}

/* "attn_v=66555": one letter per layer, or one for all. */
static int check_use(const struct model *m, const struct use_assign *a, const char *line, const char *field)
{
    int n_checked = 0;
    const char *eq = strchr(field, '=');
    for (size_t u = 0; u < sizeof uses / sizeof *uses; u++) {
        if (strlen(uses[u].name) != (size_t)(eq - field) || strncmp(uses[u].name, field, (size_t)(eq - field)) != 0)
            continue;
        for (int i = 0; i < m->d.n_tensors; i++) {
            const struct model_tensor *t = &m->d.tensor[i];
            if (t->use != uses[u].use)
                continue;
            const char *want = codec_of_letter(eq[1 + (strlen(eq + 1) > 1 ? t->layer : 0)]);
            if (strcmp(a[i].codec->name, want) != 0)
                fail_msg("%s: %s is %s, llama-quantize makes it %s", line, t->name, a[i].codec->name, want);
            n_checked++;
        }
    }
    return n_checked;
}

static struct model *read_shape(const char *line)
{
    char name[64], arch[32], tied[16];
    int n_layer, d, ff, heads, kv, head_dim, vocab;
    int n = sscanf(line, "shape %63s %31s %d %d %d %d %d %d %d %15s", name, arch, &n_layer, &d, &ff, &heads, &kv,
                   &head_dim, &vocab, tied);
    assert_int_equal(n, 10);
    return shape_model(arch, n_layer, d, ff, heads, kv, head_dim, vocab, strcmp(tied, "tied") == 0);
}

static int check_line(const struct model *m, char *line)
{
    char copy[64], *save, *word;
    int n_checked = 0, n_matrices = 0;
    snprintf(copy, sizeof copy, "%s", line);
    strtok_r(line, " ", &save);
    char *name = strtok_r(NULL, " ", &save), *im = strstr(name, "+im");
    if (im)
        *im = 0;
    struct use_assign *a = assign(m, name, im != NULL);
    while ((word = strtok_r(NULL, " ", &save)))
        n_checked += word[strlen(word) - 1] == '-' ? 0 : check_use(m, a, copy, word);
    for (int i = 0; i < m->d.n_tensors; i++) {
        n_matrices += m->d.tensor[i].matrix;
        if (!m->d.tensor[i].matrix)
            assert_string_equal(a[i].codec->name, "f32");
    }
    assert_int_equal(n_checked, n_matrices);
    mem_free(a);
    return 1;
}

static void mixtures_are_llama_quantizes(void **state)
{
    char *text, *save;
    struct model *m = NULL;
    struct err e = {0};
    int n = 0;
    (void)state;
    if (file_read(SOURCE_ROOT "/tests/golden/mixtures.txt", 1 << 20, &text, NULL, &e) != 0)
        fail_msg("%s", e.text);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "shape ", 6) == 0) {
            model_close(m);
            m = read_shape(line);
        } else if (line[0] != '#') {
            n += check_line(m, line);
        }
    }
    model_close(m);
    mem_free(text);
    assert_int_equal(n, 12 * 17 + 2 + 297);
}

/* The mixtures of the golden files were made with an importance matrix; two layers are too few for it to
 * matter. */
static void golden_mixtures_agree(void **state)
{
    static const char *const names[] = {"Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "IQ2_M", "IQ3_M", "MXFP4_MOE"};
    (void)state;
    if (!test_data_there("golden/mix-Q2_K.gguf"))
        skip();
    for (size_t f = 0; f < sizeof names / sizeof *names; f++) {
        char file[64];
        struct gguf *g;
        struct err e = {0};
        snprintf(file, sizeof file, "golden/mix-%s.gguf", names[f]);
        assert_int_equal(gguf_open(&g, test_data(file), NULL, &e), 0);
        struct model *m = shape_model("llama", 2, 256, 512, 4, 2, 64, 512, false);
        struct use_assign *a = assign(m, names[f], true);
        for (int i = 0; i < m->d.n_tensors; i++) {
            const struct gguf_tensor *t = gguf_find_tensor(g, m->d.tensor[i].name);
            assert_non_null(t);
            assert_int_equal(a[i].codec->gguf_type, t->type);
        }
        mem_free(a);
        model_close(m);
        gguf_close(g);
    }
}

/* A quantized file as it is: its own bytes, multiplied as llama.cpp does, and out again as the same file type. */
static void a_file_as_it_is(void **state)
{
    static const char *const file[] = {"golden/mix-Q4_K_M.gguf", "golden/pure-Q4_1.gguf"};
    static const int64_t type[] = {15, 3};
    (void)state;
    if (!test_data_there(file[0]))
        skip();
    const struct recipe *r = recipe_find("as-is");
    struct pool *pool;
    struct err e = {0};
    char path[TEMP_PATH + 16], folder[TEMP_PATH];
    assert_string_equal(r->name, RECIPE_AS_IS);
    assert_int_equal(pool_new(&pool, 1, NULL, &e), 0);
    assert_int_equal(temp_dir(folder, "as-is", &e), 0);
    snprintf(path, sizeof path, "%s/out.gguf", folder);
    for (int f = 0; f < 2; f++) {
        struct model *m, *again;
        struct weights *w;
        int64_t found = -1;
        if (model_open(&m, test_data(file[f]), &e))
            fail_msg("%s", e.text);
        struct use_assign *a = assign(m, r->name, false);
        assert_true(recipe_is_candidate(r, &m->d));
        assert_int_equal(weights_encode(&w, m, a, NULL, 0, pool, &e), 0);
        assert_int_equal(exporter_gguf.write(path, m, w, r, &e), 0);
        assert_int_equal(model_open(&again, path, &e), 0);
        for (int i = 0; i < m->d.n_tensors; i++) {
            const struct qmat *src = &m->d.tensor[i].src, *out = &again->d.tensor[i].src;
            assert_ptr_equal(w->mat[i].plane[PLANE_CODE].p, src->plane[PLANE_CODE].p); /* nothing is made */
            assert_ptr_equal(w->act[i], m->d.tensor[i].matrix ? act_find(a[i].codec->act) : NULL);
            assert_int_equal(out->plane[PLANE_CODE].bytes, src->plane[PLANE_CODE].bytes);
            assert_memory_equal(out->plane[PLANE_CODE].p, src->plane[PLANE_CODE].p, src->plane[PLANE_CODE].bytes);
        }
        assert_true(gguf_get_i64(again->gguf, "general.file_type", &found) && found == type[f]);
        weights_free(w);
        mem_free(a);
        model_close(again);
        model_close(m);
    }
    temp_remove(folder);
    pool_free(pool);
}

static void as_it_is_only_where_a_runtime_takes_it(void **state)
{
    const struct recipe *r = recipe_find(RECIPE_AS_IS);
    struct model *m = shape_model("llama", 2, 256, 512, 4, 2, 64, 512, false);
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    struct err e = {0};
    (void)state;
    assert_false(recipe_is_candidate(r, &m->d)); /* floats: base/f16 and the like say it */
    assert_false(recipe_is_candidate(recipe_find("base/f32"), &m->d));
    assert_true(recipe_is_candidate(recipe_find("base/f16"), &m->d));
    assert_int_equal(recipe_assign(&m->d, r, NULL, NULL, a, &e), 0);
    for (int i = 0; i < m->d.n_tensors; i++)
        if (m->d.tensor[i].matrix)
            m->d.tensor[i].src.codec = codec_find("mlx_affine");
    assert_false(recipe_is_candidate(r, &m->d));
    assert_int_equal(recipe_assign(&m->d, r, NULL, NULL, a, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "mlx_affine here, which no GGUF file holds"));
    mem_free(a);
    model_close(m);
}

static void recipes_are_sound(void **state)
{
    (void)state;
    for (int i = 0; i < n_recipes; i++) {
        const struct recipe *r = &recipes[i];
        assert_ptr_equal(recipe_find(r->name), r);
        const struct recipe *short_name = recipe_find(strchr(r->name, '/') + 1);
        bool shared = strcmp(r->framework, "llama.cpp") != 0; /* its names win where families share one */
        assert_true(short_name == r || (shared && (!short_name || strcmp(short_name->framework, "llama.cpp") == 0)));
        assert_non_null(codec_find(r->codec));
        assert_true(!r->high_codec || codec_find(r->high_codec));
        assert_true(!r->act || act_find(r->act));
        assert_true(!range_rule_find(r->range) == !(r->act && act_find(r->act)->scope == ACT_FIXED));
        assert_int_equal(strncmp(r->name, r->family->name, strlen(r->family->name)), 0);
        for (int j = 0; j < i; j++)
            assert_true(recipes[j].gguf_file_type != r->gguf_file_type || r->gguf_file_type < 0);
    }
    assert_ptr_equal(recipe_find("Q4_K_M"), recipe_find("gguf/q4_k_m"));
    assert_null(recipe_find("q4_k_x"));
    assert_null(recipe_find(""));
}

static const struct use_assign *tensor(const struct model *m, const struct use_assign *a, const char *name)
{
    for (int i = 0; i < m->d.n_tensors; i++)
        if (strcmp(m->d.tensor[i].name, name) == 0)
            return &a[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

/* 16 layers, tied: what each framework does with the embedding, the head, and the layers its mixtures favour. */
static void frameworks_place_codecs(void **state)
{
    struct model *m = shape_model("llama", 16, 192, 512, 4, 2, 48, 300, true);
    struct err e = {0};
    (void)state;
    const char *embd = "token_embd.weight", *v3 = "blk.3.attn_v.weight", *v4 = "blk.4.attn_v.weight",
               *q3 = "blk.3.attn_q.weight", *v0 = "blk.0.attn_v.weight";
    struct use_assign *a = assign(m, "onnx/int4-g32-k-quant-mixed", false);
    assert_string_equal(tensor(m, a, embd)->codec->name, "f32");
    assert_string_equal(tensor(m, a, embd)->head->name, "onnx_k_quant");
    assert_int_equal(tensor(m, a, embd)->head_par.bits, 8);
    assert_int_equal(tensor(m, a, v0)->par.bits, 8);
    assert_int_equal(tensor(m, a, v3)->par.bits, 4);
    assert_int_equal(tensor(m, a, v4)->par.bits, 8);
    assert_int_equal(tensor(m, a, q3)->par.bits, 4);
    assert_string_equal(tensor(m, a, q3)->act->name, "i8_32");
    struct recipe_summary s;
    assert_int_equal(recipe_summarize(&m->d, a, &s, &e), 0);
    mem_free(a);

    a = assign(m, "onnx/int8-dynamic", false);
    assert_int_equal(tensor(m, a, embd)->par.sym, 0);
    assert_int_equal(tensor(m, a, embd)->head_par.sym, 1);
    assert_string_equal(tensor(m, a, embd)->act->name, "u8_batch");
    mem_free(a);

    a = assign(m, "openvino/int4-asym-g128", false); /* 192 takes groups of 64 */
    assert_int_equal(tensor(m, a, embd)->par.bits, 8);
    assert_null(tensor(m, a, embd)->head);
    assert_int_equal(tensor(m, a, q3)->par.group, 64);
    assert_non_null(strstr(tensor(m, a, q3)->why, "64"));
    assert_int_equal(tensor(m, a, "blk.0.ffn_down.weight")->par.group, 128);
    mem_free(a);

    a = assign(m, "mlx/mixed-3-6", false);
    assert_int_equal(tensor(m, a, embd)->par.bits, 3);
    assert_int_equal(tensor(m, a, v0)->par.bits, 6);
    assert_int_equal(tensor(m, a, q3)->par.bits, 3);
    mem_free(a);
    a = assign(m, "mlx/4bit-g128", false);
    assert_string_equal(tensor(m, a, q3)->codec->name, "f16");
    assert_string_equal(tensor(m, a, q3)->wanted->name, "mlx_affine");
    mem_free(a);
    model_close(m);
}

/* 30 and 20 layers, where the frameworks' eighths differ; as mlx_lm's predicate and the builder of onnxruntime-genai
 * put them (tests/equivalence/compare_mixed.py, torch/compare_builder.py). */
static void mixed_recipes_favour_the_layers_their_packages_do(void **state)
{
    static const struct {
        const char *recipe;
        int n_layer;
        const char *high; /* per layer: does attn_v get more bits? */
    } cases[] = {{"mlx/mixed-4-6", 30, "111001001001001001001001001111"},
                 {"onnx/int4-g32-k-quant-mixed", 30, "111100100100100100100100100111"},
                 {"mlx/mixed-2-6", 20, "11001001001001001111"},
                 {"onnx/int4-g32-sym-mixed8", 20, "11101001001001001011"}};
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct model *m = shape_model("llama", cases[c].n_layer, 64, 128, 4, 2, 16, 300, true);
        const struct recipe *r = recipe_find(cases[c].recipe);
        struct use_assign *a = assign(m, cases[c].recipe, false);
        bool builder = strcmp(r->family->name, "onnx") == 0;
        for (int i = 0; i < m->d.n_tensors; i++) {
            const struct model_tensor *t = &m->d.tensor[i];
            bool input = t->use == USE_ATTN_Q || t->use == USE_ATTN_K; /* the builder fuses them with V */
            bool high = t->use == USE_ATTN_V || t->use == USE_FFN_DOWN || (input && builder);
            high = high && cases[c].high[t->layer] == '1';
            if (t->matrix && t->layer >= 0 && a[i].par.bits != (high ? r->high.bits : r->par.bits))
                fail_msg("%s: %s has %d bits", r->name, t->name, a[i].par.bits);
        }
        mem_free(a);
        model_close(m);
    }
}

static void variants_change_one_thing(void **state)
{
    struct recipe r;
    struct err e = {0};
    (void)state;
    assert_int_equal(recipe_resolve(&r, "onnx/int4-g128-sym@acc=0,scale=f16", &e), 0);
    assert_string_equal(r.act, "f32");
    assert_int_equal(r.par.scale_type, NUMBER_F16);
    assert_int_equal(r.par.group, 128);
    assert_int_equal(recipe_resolve(&r, "mlx/mixed-4-6@dtype=bf16", &e), 0);
    assert_string_equal(r.act, "bf16");
    assert_int_equal(r.high.scale_type, NUMBER_BF16);
    assert_ptr_equal(recipe_find("mlx/mixed-4-6@dtype=bf16"), recipe_find("mlx/mixed-4-6"));
    static const char *const wrong[] = {"mlx/4bit-g64@acc=0",           "mlx/4bit-g64@dtype=f64",
                                        "onnx/int4-g32-sym@acc=3",      "gguf/q4_0@scale=f16",
                                        "openvino/int8-asym@ratio=2",   "onnx/int4-g32-sym@acc",
                                        "openvino/int8-asym@ratio=0.5", "mlx/9bit-g64@dtype=f16"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        e = (struct err){0};
        assert_int_equal(recipe_resolve(&r, wrong[i], &e), ERR_USAGE);
        assert_true(strlen(e.text) > 10);
    }
}

static void substitutions_are_counted(void **state)
{
    struct model *m = shape_model("llama", 4, 192, 512, 4, 2, 48, 300, true);
    struct use_assign *a = assign(m, "q4_k_s", false);
    struct recipe_summary s;
    struct err e = {0};
    (void)state;
    assert_int_equal(recipe_summarize(&m->d, a, &s, &e), 0);
    /* per layer: q, output 192x192, k, v 96x192, gate, up 512x192 in Q5_0 or Q5_1 (all four attn_v); down in
     * K */
    int64_t down = 192 * 512, bytes = 300 * 192 / 32 * 34 + 9 * 192 * 4;
    assert_int_equal(s.n_substituted, 4 * 6 + 1);
    assert_int_equal(s.weights_substituted, m->d.n_params - 4 * down - 9 * 192);
    bytes += 4 * ((2 * 192 * 192 + 96 * 192 + 2 * 512 * 192) / 32 * 22 + 96 * 192 / 32 * 24 + down / 256 * 144);
    assert_int_equal(s.bytes, bytes);
    assert_true(fabs(s.bits_per_weight - 8.0 * (double)bytes / (double)m->d.n_params) < 1e-12);
    assert_string_equal(s.histogram, "f32:9 q8_0:1 q5_0:20 q5_1:4 q4_k:4");
    assert_non_null(strstr(a[0].why, "192"));
    mem_free(a);
    model_close(m);
}

static void numerics_choose_the_activation_rule(void **state)
{
    struct model *m = shape_model("llama", 2, 256, 512, 4, 2, 64, 512, true);
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    struct err e = {0};
    (void)state;
    assert_int_equal(recipe_assign(&m->d, recipe_find("q4_k_m"), "llama.cpp", NULL, a, &e), 0);
    for (int i = 0; i < m->d.n_tensors; i++)
        assert_ptr_equal(a[i].act, m->d.tensor[i].matrix ? act_find("q8_k") : NULL);
    assert_int_equal(recipe_assign(&m->d, recipe_find("q4_1"), "weights-only", NULL, a, &e), 0);
    for (int i = 0; i < m->d.n_tensors; i++)
        assert_ptr_equal(a[i].act, m->d.tensor[i].matrix ? act_find("f32") : NULL);
    assert_int_equal(recipe_assign(&m->d, recipe_find("q4_1"), "abacus", NULL, a, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "abacus"));
    mem_free(a);
    model_close(m);
}

/* OpenVINO has no int8 activations for codes of nf4, but for the int8 matrices beside them. */
static void backups_have_a_rule_of_their_own(void **state)
{
    static const struct {
        const char *format, *head, *down;
    } rows[] = {
        {"openvino/nf4-g128", "openvino_i8", "f32"},      {"openvino/nf4-g128@act=bf16", "openvino_i8_bf16", "bf16"},
        {"openvino/nf4-g128@act=f32", "f32", "f32"},      {"openvino/int3-sym-g128", "openvino_i8", "f32"},
        {"openvino/nvfp4", "openvino_i8", "f32"},         {"openvino/mxfp4", "f32", "f32"},
        {"openvino/int4-sym-g128@act=f32", "f32", "f32"}, {"openvino/int4-sym-g128", "openvino_i8", "openvino_i8"}};
    struct model *m = shape_model("llama", 2, 256, 512, 4, 2, 64, 512, false);
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct recipe r;
        struct err e = {0};
        assert_int_equal(recipe_resolve(&r, rows[i].format, &e), 0);
        assert_int_equal(recipe_assign(&m->d, &r, NULL, NULL, a, &e), 0);
        assert_ptr_equal(a[model_tensor(m, USE_OUTPUT, -1) - m->d.tensor].act, act_find(rows[i].head));
        assert_ptr_equal(a[model_tensor(m, USE_FFN_DOWN, 1) - m->d.tensor].act, act_find(rows[i].down));
        assert_int_equal(recipe_assign(&m->d, &r, "weights-only", NULL, a, &e), 0);
        assert_ptr_equal(a[model_tensor(m, USE_OUTPUT, -1) - m->d.tensor].act, act_find("f32"));
    }
    mem_free(a);
    model_close(m);
}

static void caches_are_floats_of_the_recipe(void **state)
{
    static const struct {
        const char *format, *numerics, *kv;
    } rows[] = {{"mlx/4bit-g64", NULL, "f16"},
                {"mlx/4bit-g64@dtype=f32", NULL, "f32"},
                {"mlx/4bit-g64@dtype=bf16", NULL, "bf16"},
                {"mlx/4bit-g64@dtype=bf16", "weights-only", "f32"},
                {"gguf/q4_0", NULL, "f16"},
                {"onnx/int4-g32-sym@acc=0", NULL, "f32"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct recipe r;
        struct err e = {0};
        char name[48];
        assert_int_equal(recipe_resolve(&r, rows[i].format, &e), 0);
        assert_string_equal(kv_name(recipe_kv(&r, rows[i].numerics), name), rows[i].kv);
    }
}

/* ---- encoding ---- */

static struct model *open_story(void)
{
    struct model *m = NULL;
    struct err e = {0};
    if (model_open(&m, test_data("models/TinyStories-656K-F32.gguf"), &e) != 0)
        fail_msg("%s", e.text);
    return m;
}

static void encoding_does_not_depend_on_threads(void **state)
{
    struct pool *pool = NULL;
    struct weights *one, *two;
    struct err e = {0};
    (void)state;
    if (!test_data_there("models/TinyStories-656K-F32.gguf"))
        skip();
    struct model *m = open_story();
    struct use_assign *a = assign(m, "q4_0", false);
    assert_int_equal(pool_new(&pool, 2, NULL, &e), 0);
    assert_int_equal(weights_encode(&one, m, a, NULL, 0, NULL, &e), 0);
    assert_int_equal(weights_encode(&two, m, a, NULL, 0, pool, &e), 0);
    struct recipe_summary s;
    recipe_summarize(&m->d, a, &s, &e);
    assert_int_equal(one->bytes, s.bytes);
    for (int i = 0; i < m->d.n_tensors; i++) {
        bool shared = one->mat[i].plane[0].p == m->d.tensor[i].src.plane[0].p;
        assert_int_equal(shared, !m->d.tensor[i].matrix);
        assert_ptr_equal(one->mat[i].codec, a[i].codec);
        assert_memory_equal(one->mat[i].plane[0].p, two->mat[i].plane[0].p, qmat_bytes(&one->mat[i]));
    }
    weights_free(one);
    weights_free(two);
    mem_free(a);
    pool_free(pool);
    model_close(m);
}

static void every_failed_allocation_is_survived(void **state)
{
    struct err e = {0};
    int rc = ERR_NOMEM, n;
    (void)state;
    if (!test_data_there("models/TinyStories-656K-F32.gguf"))
        skip();
    struct model *m = open_story();
    struct use_assign *a = assign(m, "q8_0", false);
    for (n = 1; rc == ERR_NOMEM && n < 1000; n++) {
        struct weights *w = NULL;
        mem_fail_from(n);
        rc = weights_encode(&w, m, a, NULL, 0, NULL, &e);
        mem_fail_from(0);
        assert_true(rc == 0 || (rc == ERR_NOMEM && e.text[0]));
        weights_free(w);
    }
    assert_int_equal(rc, 0);
    assert_true(n > 10);
    mem_free(a);
    model_close(m);
}

static void a_bare_shape_cannot_be_encoded(void **state)
{
    struct model *m = shape_model("llama", 1, 256, 256, 4, 4, 64, 32, true);
    struct use_assign *a = assign(m, "q8_0", false);
    struct weights *w = NULL;
    struct err e = {0};
    (void)state;
    assert_int_equal(weights_encode(&w, m, a, NULL, 0, NULL, &e), ERR_USAGE);
    assert_null(w);
    mem_free(a);
    model_close(m);
}

static int synthesize(struct weights **w, const struct model *m, const struct use_assign *a, uint64_t seed,
                      struct err *e)
{
    const struct codec *codec[64];
    const struct act *act[64];
    struct qpar par[64];
    assert_true(m->d.n_tensors <= 64);
    for (int i = 0; i < m->d.n_tensors; i++) {
        codec[i] = a[i].codec;
        act[i] = a[i].act;
        par[i] = a[i].par;
    }
    return weights_synthesize(w, m, codec, par, act, &(struct synthesis){.seed = seed}, e);
}

static void same_bytes(const struct qmat *a, const struct qmat *b)
{
    for (int p = 0; p < N_PLANES; p++) {
        assert_int_equal(a->plane[p].bytes, b->plane[p].bytes);
        if (a->plane[p].bytes)
            assert_memory_equal(a->plane[p].p, b->plane[p].p, a->plane[p].bytes);
    }
}

/* Decoded rows look like a normal distribution of variance 1/k, whatever the codec, and are as long as the format's. */
static void synthesized_weights_are_sane(void **state)
{
    struct model *m = shape_model("llama", 2, 512, 768, 8, 4, 64, 1000, true);
    (void)state;
    for (int r = 0; r < n_recipes; r++) {
        const bool blocks = codec_find(recipes[r].codec)->block_bytes > 0;
        struct use_assign *a = assign(m, recipes[r].name, true);
        struct weights *w, *again;
        struct err e = {0};
        if (synthesize(&w, m, a, 5, &e))
            fail_msg("%s: %s", recipes[r].name, e.text);
        assert_int_equal(synthesize(&again, m, a, 5, &e), 0);
        for (int i = 0; i < m->d.n_tensors; i++) {
            const struct qmat *q = &w->mat[i];
            double sum = 0, n = (double)(q->n * q->k);
            float *x = mem_alloc_n((size_t)(q->n * q->k), sizeof *x);
            q->codec->decode(x, q, 0, q->n);
            for (int64_t j = 0; j < q->n * q->k; j++)
                sum += (double)x[j] * (double)x[j];
            double spread = m->d.tensor[i].matrix ? sum / n * (double)q->k : sum / n;
            double off = !blocks ? 0.7 : qmat_bits_per_weight(q) < 3 ? 0.5 : 0.15; /* the coarse ones cut or stretch */
            struct qmat as_planned;
            if (!(spread > 1 - off && spread < 1 + off))
                fail_msg("%s: %s has %g times the spread", recipes[r].name, m->d.tensor[i].name, spread);
            same_bytes(q, &again->mat[i]);
            if (m->d.tensor[i].matrix)
                assert_int_equal(a[i].codec->layout(&as_planned, q->n, q->k, &a[i].par, &e), 0);
            assert_true(!m->d.tensor[i].matrix || qmat_bytes(q) == qmat_bytes(&as_planned));
            mem_free(x);
        }
        weights_free(w);
        weights_free(again);
        mem_free(a);
    }
    model_close(m);
}

/* Pass after pass, no storage is read again before far_bytes of others were. */
static void matrices_read_again_stand_far_apart(void **state)
{
    enum { FAR = 1 << 20 };
    struct model *m = shape_model("llama", 24, 256, 768, 4, 4, 64, 1000, true);
    struct use_assign *a = assign(m, "q4_k_m", false);
    int n = m->d.n_tensors;
    const struct codec **codec = mem_alloc_n((size_t)n, sizeof *codec);
    const struct act **act = mem_alloc_n((size_t)n, sizeof *act);
    struct weights *w;
    struct err e = {0};
    (void)state;
    for (int i = 0; i < n; i++) {
        codec[i] = a[i].codec;
        act[i] = a[i].act;
    }
    assert_int_equal(weights_synthesize(&w, m, codec, NULL, act, &(struct synthesis){.seed = 1, .far_bytes = FAR}, &e),
                     0);
    int64_t at = 0, held = 0;
    for (int pass = 0, again = 0; pass < 2; pass++, again = 0)
        for (int i = 0; i < n; i++) {
            int64_t other = 0;
            assert_ptr_equal(w->mat[i].codec, m->d.tensor[i].matrix ? codec[i] : m->d.tensor[i].src.codec);
            for (int j = i - 1; j >= i - n; j--) { /* back to the last reading of the same storage */
                const struct qmat *q = &w->mat[(j + n) % n];
                if (q->plane[PLANE_CODE].p == w->mat[i].plane[PLANE_CODE].p)
                    break;
                other += (int64_t)qmat_bytes(q);
            }
            if (m->d.tensor[i].matrix)
                assert_true(other >= FAR);
            at += (int64_t)qmat_bytes(&w->mat[i]);
            again += w->again[i];
            held += pass == 0 && !w->again[i] ? (int64_t)qmat_bytes(&w->mat[i]) : 0;
            assert_true(pass == 0 || i < n - 1 || again > n / 4);
        }
    assert_true(w->bytes == at / 2 && w->held_bytes == held && held < w->bytes);
    weights_free(w);
    mem_free(codec);
    mem_free(act);
    mem_free(a);
    model_close(m);
}

static void synthesis_survives_failed_allocations(void **state)
{
    struct model *m = shape_model("llama", 1, 256, 256, 4, 4, 64, 64, false);
    struct use_assign *a = assign(m, "q4_k_m", false);
    struct err e = {0};
    int rc = ERR_NOMEM;
    (void)state;
    for (int n = 1; rc == ERR_NOMEM && n < 1000; n++) {
        struct weights *w = NULL;
        mem_fail_from(n);
        rc = synthesize(&w, m, a, 1, &e);
        mem_fail_from(0);
        weights_free(w);
    }
    assert_int_equal(rc, 0);
    mem_free(a);
    model_close(m);
}

static void source_weights_share_the_file(void **state)
{
    struct weights *w;
    struct err e = {0};
    (void)state;
    if (!test_data_there("models/TinyStories-656K-F32.gguf"))
        skip();
    struct model *m = open_story();
    for (int rules = 0; rules < 2; rules++) {
        assert_int_equal(weights_source(&w, m, rules, &e), 0);
        for (int i = 0; i < m->d.n_tensors; i++) {
            assert_ptr_equal(w->mat[i].plane[0].p, m->d.tensor[i].src.plane[0].p);
            assert_ptr_equal(w->mat[i].seg, &w->mat[i].seg1);
            assert_ptr_equal(w->act[i], rules && m->d.tensor[i].matrix ? act_find("f32") : NULL);
        }
        assert_int_equal(w->bytes, 4 * m->d.n_params);
        weights_free(w);
    }
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipes_are_sound),
        cmocka_unit_test(mixtures_are_llama_quantizes),
        cmocka_unit_test(golden_mixtures_agree),
        cmocka_unit_test(a_file_as_it_is),
        cmocka_unit_test(as_it_is_only_where_a_runtime_takes_it),
        cmocka_unit_test(frameworks_place_codecs),
        cmocka_unit_test(mixed_recipes_favour_the_layers_their_packages_do),
        cmocka_unit_test(variants_change_one_thing),
        cmocka_unit_test(substitutions_are_counted),
        cmocka_unit_test(numerics_choose_the_activation_rule),
        cmocka_unit_test(caches_are_floats_of_the_recipe),
        cmocka_unit_test(backups_have_a_rule_of_their_own),
        cmocka_unit_test(encoding_does_not_depend_on_threads),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(a_bare_shape_cannot_be_encoded),
        cmocka_unit_test(synthesized_weights_are_sane),
        cmocka_unit_test(formats_that_differ_are_not_taken_for_the_same),
        cmocka_unit_test(matrices_read_again_stand_far_apart),
        cmocka_unit_test(synthesis_survives_failed_allocations),
        cmocka_unit_test(source_weights_share_the_file),
    };
    return cmocka_run_group_tests_name("recipes", tests, NULL, NULL);
}
