/* Hugging Face folders against the packages that define them: logits of tiny models against transformers, ids against
 * tokenizers (recorded by tests/golden/hf/make_hf.py), and what the folder is turned into. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/engine_fixture.h"
#include "bench/quant/recipe.h"

enum { N_VOCAB = 320, MAX_TOKENS = 64, N_CTX = 64 };
#define FOLDER(name) SOURCE_ROOT "/tests/golden/hf/" name

static const char *const names[] = {"llama", "mistral", "qwen2", "qwen3", "gemma3", "phi3"};
enum { N_NAMES = sizeof names / sizeof *names };

static const char *folder_path(const char *name, const char *file)
{
    static char path[2][1024];
    static int next;
    char *p = path[next++ & 1];
    snprintf(p, sizeof path[0], FOLDER("%s%s"), name, file);
    return p;
}

static int read_ids(char *p, int32_t *ids)
{
    int n = 0;
    for (char *end; n < MAX_TOKENS; p = end) {
        long v = strtol(p, &end, 10);
        if (end == p)
            break;
        ids[n++] = (int32_t)v;
    }
    return n;
}

static void check_row(struct engine *g, char *row, int t0, int n, double tolerance, const char *name)
{
    struct err e;
    float logits[N_VOCAB];
    int pos = (int)strtol(row, &row, 10);
    if (pos < t0 || pos >= t0 + n)
        return;
    assert_int_equal(engine_logits(g, pos - t0, 1, logits, &e), 0);
    for (int v = 0; v < N_VOCAB; v++) {
        double want = strtod(row, &row);
        if (!(fabs((double)logits[v] - want) < tolerance))
            fail_msg("%s, position %d, token %d: %.7g, transformers has %.7g", name, pos, v, (double)logits[v], want);
    }
}

static void check_logits(const char *name, int piece, double tolerance)
{
    struct err e = {0};
    struct engine_opts o = fixture_opts(N_CTX, 40, NULL);
    struct fixture f = fixture_open(folder_path(name, ""), false, &o);
    int32_t tokens[MAX_TOKENS];
    int n_rows = 0;
    char *text, *save, *rows[8];
    assert_int_equal(file_read(folder_path(name, "/logits.txt"), 1 << 20, &text, NULL, &e), 0);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "tokens", 6) == 0)
            assert_int_equal(read_ids(line + 6, tokens), 40);
        if (strncmp(line, "logits", 6) == 0 && n_rows < 8)
            rows[n_rows++] = line + 6;
    }
    assert_int_equal(n_rows, 5);
    for (int t0 = 0; t0 < 40; t0 += piece) {
        int n = 40 - t0 < piece ? 40 - t0 : piece;
        if (engine_forward(f.engine, tokens + t0, n, &e))
            fail_msg("%s", e.text);
        for (int i = 0; i < n_rows; i++)
            check_row(f.engine, rows[i], t0, n, tolerance, name);
    }
    mem_free(text);
    fixture_close(&f);
}

static void logits_are_those_of_transformers(void **state)
{
    (void)state;
    for (int i = 0; i < N_NAMES; i++)
        for (int piece = 7; piece <= 40; piece += 33)
            check_logits(names[i], piece, 1e-4);
}

static void check_text(const char *name, const struct vocab *v, const json_t *row)
{
    struct err e = {0};
    const json_t *text = json_object_get(row, "text"), *want = json_object_get(row, "ids");
    int32_t *ids;
    size_t n;
    if (vocab_encode(v, json_string_value(text), json_string_length(text), true, true, &ids, &n, &e))
        fail_msg("%s: %s", name, e.text);
    for (size_t i = 0; i < n || i < json_array_size(want); i++) {
        long long id = i < json_array_size(want) ? (long long)json_integer_value(json_array_get(want, i)) : -1;
        if (i >= n || ids[i] != id)
            fail_msg("%s: id %zu of \"%.60s\" is %d, tokenizers has %lld", name, i, json_string_value(text),
                     i < n ? (int)ids[i] : -1, id);
    }
    mem_free(ids);
}

static void ids_are_those_of_tokenizers(void **state)
{
    (void)state;
    for (int i = 0; i < N_NAMES; i++) {
        struct err e = {0};
        struct model *m;
        json_t *all, *row;
        size_t k;
        if (model_open(&m, folder_path(names[i], ""), &e))
            fail_msg("%s", e.text);
        assert_int_equal(json_read_file(&all, folder_path(names[i], "/ids.json"), &e), 0);
        assert_true(json_array_size(json_object_get(all, "texts")) > 20);
        json_array_foreach(json_object_get(all, "texts"), k, row) check_text(names[i], m->vocab, row);
        json_decref(all);
        model_close(m);
    }
}

static void what_a_folder_says(void **state)
{
    (void)state;
    struct err e = {0};
    struct model *m;
    assert_int_equal(model_open(&m, FOLDER("gemma3"), &e), 0);
    assert_string_equal(m->d.arch->name, "gemma3");
    assert_true(m->d.tied && m->d.n_layer == 7 && m->d.sliding_window == 8 && m->d.rope_base == 1e6);
    assert_true(m->d.rope_base_local == 1e4 && m->d.rope_scale == 4);
    assert_true(fabs(m->d.attn_scale - 1 / sqrt(24)) < 1e-7);
    assert_int_equal(vocab_bos(m->vocab), 2);
    assert_true(vocab_adds_bos(m->vocab) && !vocab_adds_eos(m->vocab) && vocab_is_end(m->vocab, 1));
    bool quantized;
    assert_string_equal(model_source_codec(&m->d, &quantized)->name, "bf16");
    assert_false(quantized);
    model_close(m);
    assert_int_equal(model_open(&m, FOLDER("llama"), &e), 0); /* generation_config.json lists what ends a text */
    for (int32_t id = 290; id < N_VOCAB; id++)
        assert_int_equal(vocab_is_end(m->vocab, id), id == 317 || (id >= 300 && id <= 302));
    model_close(m);
    assert_int_equal(model_open(&m, FOLDER("mistral/"), &e), 0);
    assert_true(m->d.sliding_window == 7 && model_layer_is_local(&m->d, 0) && model_layer_is_local(&m->d, 1));
    assert_string_equal(m->d.name, "mistral");
    model_close(m);
}

/* A bare config.json is enough for an estimate: the same shape, the same count of weights. */
static void shape_of_a_bare_config(void **state)
{
    (void)state;
    static const char *const folders[] = {"mistral", "qwen2", "qwen3", "gemma3"};
    for (int i = 0; i < 4; i++) {
        struct err e = {0};
        struct model *m, *shape;
        assert_int_equal(model_open(&m, folder_path(folders[i], ""), &e), 0);
        if (model_open_header(&shape, folder_path(folders[i], "/config.json"), &e))
            fail_msg("%s", e.text);
        assert_int_equal(shape->d.n_params, m->d.n_params);
        assert_int_equal(shape->d.n_tensors, m->d.n_tensors);
        assert_int_equal(shape->d.tied, m->d.tied);
        assert_ptr_equal(shape->d.arch, m->d.arch);
        model_close(shape);
        model_close(m);
    }
    struct err e = {0};
    struct model *m;
    assert_int_equal(model_open_header(&m, FOLDER("mistral/model.safetensors.index.json"), &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "model_type"));
}

/* The hash is sha256sum of what sha256sum prints of the files, in this order. */
static void hash_of_a_folder(void **state)
{
    (void)state;
    static const char *const files[] = {"config.json", "model.safetensors", "tokenizer.json"};
    struct err e = {0};
    struct model *m;
    struct sbuf lines = {0};
    char hex[65];
    for (int i = 0; i < 3; i++) {
        char path[1024];
        snprintf(path, sizeof path, FOLDER("llama/%s"), files[i]);
        assert_int_equal(sha256_file(path, hex, &e), 0);
        sbuf_printf(&lines, "%s  %s\n", hex, files[i]);
    }
    sha256_hex(lines.p, lines.n, hex);
    assert_int_equal(model_open(&m, FOLDER("llama"), &e), 0);
    assert_int_equal(model_hash(m, &e), 0);
    assert_string_equal(m->sha256, hex);
    model_close(m);
    sbuf_free(&lines);
}

/* ---- quantized folders ---- */

static const struct {
    const char *folder, *codec; /* of its feed-forward matrices */
} quantized[] = {
    {"awq", "awq"},           {"gptq", "gptq"},       {"gptq-v2-order", "gptq"},  {"gptq-3bit", "gptq"},
    {"exl2", "f16"},          {"bnb-nf4", "bnb_nf4"}, {"bnb-fp4", "bnb_fp4"},     {"bnb-int8", "bnb_int8"},
    {"fp8-rows", "fp8_e4m3"}, {"fp8-blocks", "f32"},  {"mlx-4bit", "mlx_affine"}, {"mlx-5bit", "mlx_affine"},
    {"mlx-mxfp4", "mlx_fp"},  {"exl3", "f16"}};

/* As its settings say: the row of that width and group, else width and group. */
static void a_folder_has_its_formats_name(void **state)
{
    static const struct {
        const char *folder, *name;
        bool known;
    } named[] = {
        {"awq", "awq/4bit-g32", false},     {"gptq", "gptq/4bit-g32-asym", true}, {"gptq-3bit", "gptq/3bit-g32", false},
        {"mlx-4bit", "mlx/4bit-g32", true}, {"mlx-5bit", "mlx/5bit-g64", true},   {"mlx-mxfp4", "mlx/mxfp4", true},
        {"bnb-fp4", "bnb/fp4", true},       {"bnb-int8", "bnb/int8", true},       {"fp8-rows", "fp8/e4m3-row", true}};
    (void)state;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        struct err e = {0};
        struct model *m;
        char name[48];
        if (model_open(&m, folder_path(named[i].folder, ""), &e))
            fail_msg("%s", e.text);
        const struct recipe *r = recipe_of_source(name, m);
        assert_string_equal(name, named[i].name);
        assert_int_equal(r != NULL, named[i].known);
        model_close(m);
    }
}

/* GGUF has the rows of q and k in pairs: row of the folder that stands at row i of a head of 16. */
static int64_t folder_row(enum tensor_use use, int64_t i)
{
    if (use != USE_ATTN_Q && use != USE_ATTN_K)
        return i;
    return i / 16 * 16 + i % 2 * 8 + i % 16 / 2;
}

static void check_values(const struct model_tensor *t, const char *module, const char *sha, const char *folder)
{
    char hex[65];
    float *w = mem_alloc_n((size_t)(t->src.n * t->src.k), sizeof *w);
    assert_non_null(w);
    for (int64_t i = 0; i < t->src.n; i++)
        t->src.codec->decode(w + folder_row(t->use, i) * t->src.k, &t->src, i, i + 1);
    sha256_hex(w, (size_t)(t->src.n * t->src.k) * sizeof *w, hex);
    mem_free(w);
    if (strncmp(hex, sha, 64) != 0)
        fail_msg("%s: the weights of %s are not those of the package", folder, module);
}

static const struct model_tensor *tensor_of(const struct model *m, const char *module)
{
    static const struct {
        const char *end;
        enum tensor_use use;
    } uses[] = {{"q_proj", USE_ATTN_Q},      {"k_proj", USE_ATTN_K},          {"v_proj", USE_ATTN_V},
                {"o_proj", USE_ATTN_OUT},    {"gate_proj", USE_FFN_GATE},     {"up_proj", USE_FFN_UP},
                {"down_proj", USE_FFN_DOWN}, {"embed_tokens", USE_TOKEN_EMBD}};
    const char *end = strrchr(module, '.') + 1, *layer = strstr(module, "layers.");
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        if (!strcmp(uses[i].end, end))
            return model_tensor(m, uses[i].use, layer ? atoi(layer + 7) : -1);
    return NULL;
}

static void check_folder(const char *folder, const char *codec)
{
    struct err e = {0};
    struct model *m;
    char *text, *save;
    int n = 0;
    if (model_open(&m, folder_path(folder, ""), &e))
        fail_msg("%s", e.text);
    assert_string_equal(model_tensor(m, USE_FFN_UP, 0)->src.codec->name, codec);
    assert_int_equal(file_read(folder_path(folder, "/values.txt"), 1 << 20, &text, NULL, &e), 0);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *space = strchr(line, ' ');
        if (*line == '#' || !space)
            continue;
        *space = 0;
        const struct model_tensor *t = tensor_of(m, line);
        assert_non_null(t);
        check_values(t, line, space + 1, folder);
        n++;
    }
    assert_true(n >= 7);
    mem_free(text);
    model_close(m);
}

static void quantized_folders_have_the_packages_weights(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof quantized / sizeof *quantized; i++)
        check_folder(quantized[i].folder, quantized[i].codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_those_of_transformers),
        cmocka_unit_test(ids_are_those_of_tokenizers),
        cmocka_unit_test(what_a_folder_says),
        cmocka_unit_test(shape_of_a_bare_config),
        cmocka_unit_test(hash_of_a_folder),
        cmocka_unit_test(quantized_folders_have_the_packages_weights),
        cmocka_unit_test(a_folder_has_its_formats_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
