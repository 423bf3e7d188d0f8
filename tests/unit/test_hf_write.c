/* The small files of a folder, written from a model in GGUF's terms and read back: nothing is lost on the way, and the
 * ids are those that the tokenizers package gave for the original. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/hash.h"
#include "base/mem.h"
#include "bench/artifact/hf_write.h"
#include "bench/engine/model.h"
#include "tests/test_data.h"

#define GOLDEN SOURCE_ROOT "/tests/golden/hf/"
static const char *const names[] = {"llama", "mistral", "qwen2", "qwen3", "gemma3", "phi3"};
enum { N_NAMES = sizeof names / sizeof *names };

static char folder[] = "/tmp/test_hf_write_XXXXXX";

static const char *in(const char *dir, const char *name)
{
    static char path[4][1024];
    static int next;
    char *p = path[next++ & 3];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static void empty_folder(void)
{
    DIR *d = opendir(folder);
    for (const struct dirent *x; (x = readdir(d));)
        if (x->d_name[0] != '.')
            unlink(in(folder, x->d_name));
    closedir(d);
}

static void link_weights(const char *from)
{
    DIR *d = opendir(from);
    for (const struct dirent *x; (x = readdir(d));)
        if (strstr(x->d_name, ".safetensors"))
            assert_int_equal(symlink(in(from, x->d_name), in(folder, x->d_name)), 0);
    closedir(d);
}

/* The folder as if its model had come from a file. */
static void write_again(const struct model *m)
{
    struct err e = {0};
    json_t *config;
    if (hf_check_write(m->gguf, NULL, &e) || hf_make_config(&config, m->gguf, NULL, "float16", &e) ||
        hf_write_json(folder, "config.json", config, &e) || hf_write_tokenizer(folder, m->gguf, NULL, &e))
        fail_msg("%s", e.text);
    json_decref(config);
}

/* Every key of a, with the same value. Tokens that no text leads to come back as tokens like others. */
static void check_keys(const struct gguf *a, const struct gguf *b, const char *name)
{
    static const char *const left_out[] = {"general.name", "tokenizer.ggml.token_type", "tokenizer.ggml.scores"};
    for (int64_t i = 0; i < a->n_kv; i++) {
        char key[128];
        bool skip = false;
        snprintf(key, sizeof key, "%.*s", (int)a->kv[i].key.n, a->kv[i].key.p);
        for (int k = 0; k < 3; k++)
            skip |= !strcmp(key, left_out[k]);
        const struct gguf_kv *x = &a->kv[i], *y = gguf_find(b, key);
        if (!skip && (!y || x->type != y->type || x->bytes != y->bytes || memcmp(x->data, y->data, x->bytes)))
            fail_msg("%s: %s %s", name, key, y ? "is another" : "is lost");
    }
}

static void check_text(const char *name, const struct vocab *v, const char *text, size_t n_text, const int32_t *want,
                       size_t n_want)
{
    struct err e = {0};
    int32_t *ids;
    size_t n;
    if (vocab_encode(v, text, n_text, true, true, &ids, &n, &e))
        fail_msg("%s: %s", name, e.text);
    if (n != n_want || memcmp(ids, want, n * sizeof *ids))
        fail_msg("%s: other ids of \"%.60s\"", name, text);
    mem_free(ids);
}

static void check_ids(const char *name, const struct vocab *v)
{
    struct err e = {0};
    json_t *all, *row, *id;
    size_t k, i;
    int32_t want[4096];
    char file[64];
    snprintf(file, sizeof file, "%s/ids.json", name);
    assert_int_equal(json_read_file(&all, in(GOLDEN, file), &e), 0);
    json_array_foreach(json_object_get(all, "texts"), k, row)
    {
        const json_t *text = json_object_get(row, "text"), *ids = json_object_get(row, "ids");
        assert_true(json_array_size(ids) <= 4096);
        json_array_foreach((json_t *)(uintptr_t)ids, i, id) want[i] = (int32_t)json_integer_value(id);
        check_text(name, v, json_string_value(text), json_string_length(text), want, json_array_size(ids));
    }
    assert_true(k > 20);
    json_decref(all);
}

static void folders_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < N_NAMES; i++) {
        struct err e = {0};
        struct model *a, *b;
        char from[1024];
        snprintf(from, sizeof from, GOLDEN "%s", names[i]);
        empty_folder();
        if (model_open(&a, from, &e))
            fail_msg("%s", e.text);
        write_again(a);
        link_weights(from);
        if (model_open(&b, folder, &e))
            fail_msg("%s: %s", names[i], e.text);
        check_keys(a->gguf, b->gguf, names[i]);
        check_ids(names[i], b->vocab);
        for (int32_t id = 0; id < vocab_size(a->vocab); id++)
            assert_int_equal(vocab_is_end(a->vocab, id), vocab_is_end(b->vocab, id));
        assert_int_equal(a->d.tied, b->d.tied);
        assert_int_equal(a->d.n_tensors, b->d.n_tensors);
        model_close(b);
        model_close(a);
    }
}

/* A folder keeps its own files, byte for byte. */
static void own_files_are_copied(void **state)
{
    (void)state;
    static const char *const files[] = {"tokenizer.json", "generation_config.json"};
    struct err e = {0};
    struct model *m;
    json_t *config;
    empty_folder();
    if (model_open(&m, GOLDEN "llama", &e) || hf_write_tokenizer(folder, m->gguf, m->folder, &e) ||
        hf_make_config(&config, m->gguf, m->folder, "float16", &e))
        fail_msg("%s", e.text);
    for (int i = 0; i < 2; i++) {
        char a[65], b[65];
        assert_int_equal(sha256_file(in(GOLDEN "llama", files[i]), a, &e), 0);
        assert_int_equal(sha256_file(in(folder, files[i]), b, &e), 0);
        assert_string_equal(a, b);
    }
    assert_true(file_exists(in(folder, "tokenizer_config.json"))); /* which the golden folder lacks */
    assert_string_equal(json_get_str(config, "torch_dtype", ""), "float16");
    assert_null(json_object_get(config, "dtype"));
    assert_int_equal((int)json_get_num(json_object_get(config, "rope_scaling"), "original_max_position_embeddings"),
                     16);
    assert_true(json_is_false(json_object_get(config, "tie_word_embeddings")));
    json_decref(config);
    model_close(m);
}

static void read_back(const char *name, const struct model *m, const char *texts)
{
    struct err e = {0};
    struct gguf_build b;
    struct vocab *v;
    json_t *tokenizer, *settings, *config;
    if (json_read_file(&tokenizer, in(folder, "tokenizer.json"), &e) ||
        json_read_file(&settings, in(folder, "tokenizer_config.json"), &e) ||
        json_read_file(&config, in(folder, "config.json"), &e) || gguf_build_new(&b, "again", &e))
        fail_msg("%s", e.text);
    hf_tokenizer(&b, tokenizer, settings, config, vocab_size(m->vocab));
    if (b.rc || vocab_load(&v, b.g, &e))
        fail_msg("%s: %s", name, e.text);
    for (const char *end; *texts; texts = *end ? end + 1 : end) {
        end = strchrnul(texts, '\n');
        int32_t *want;
        size_t n;
        assert_int_equal(vocab_encode(m->vocab, texts, (size_t)(end - texts), true, true, &want, &n, &e), 0);
        check_text(name, v, texts, (size_t)(end - texts), want, n);
        mem_free(want);
    }
    vocab_free(v);
    gguf_close(b.g);
    json_decref(tokenizer);
    json_decref(settings);
    json_decref(config);
}

/* Files: the same ids of every line of a text, and of lines that tempt. Vocabularies by scores among them. */
static void files_keep_their_ids(void **state)
{
    (void)state;
    static const char lines[] =
        "  two  spaces\nna\u00efve caf\u00e9 \u4f60\u597d \u0416\u0443\u043a \U0001f600!\n12345 "
        "67 8.90\nfor (i = 0; i < n; i++) { s += x[i]; }\n<s>a</s> <|bos|>b <|eos|> c\n\t\ttabs "
        "\u2581low\ndon't DON'T we'Ve\na";
    static const char *const files[] = {SOURCE_ROOT "/datasets/models/default.gguf", "models/TinyStories-656K-F32.gguf",
                                        "models/stories260K-F32.gguf"};
    char *text;
    struct err e = {0};
    assert_int_equal(file_read(SOURCE_ROOT "/datasets/text/eval.txt", 1 << 24, &text, NULL, &e), 0);
    for (int i = 0; i < 3; i++) {
        const char *path = i ? test_data(files[i]) : files[i];
        struct model *m;
        if (i && !test_data_there(files[i]))
            continue;
        empty_folder();
        if (model_open(&m, path, &e))
            fail_msg("%s", e.text);
        write_again(m);
        read_back(path, m, lines);
        read_back(path, m, text);
        model_close(m);
    }
    mem_free(text);
}

static const struct bad {
    const char *folder, *key, *value; /* value NULL: the key is gone */
    const char *says;
} bad[] = {
    {"qwen2", "tokenizer.ggml.pre", "falcon", "cut words"},
    {"qwen2", "tokenizer.ggml.model", "rwkv", "neither SentencePiece"},
    {"qwen2", "general.architecture", "mamba", "'mamba'"},
    {"qwen2", "tokenizer.ggml.merges", NULL, "no merges"},
    {"qwen2", "tokenizer.ggml.tokens", NULL, "no vocabulary"},
};

static void what_cannot_be_said_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {0};
        struct model *m;
        assert_int_equal(model_open(&m, in(GOLDEN, bad[i].folder), &e), 0);
        struct gguf copy = *m->gguf;
        copy.kv = calloc((size_t)copy.n_kv + 1, sizeof *copy.kv);
        copy.n_kv = 0;
        struct gguf_build b = {&copy, &e, 0};
        for (int64_t k = 0; k < m->gguf->n_kv; k++)
            if (m->gguf->kv[k].key.n != strlen(bad[i].key) ||
                memcmp(m->gguf->kv[k].key.p, bad[i].key, m->gguf->kv[k].key.n))
                copy.kv[copy.n_kv++] = m->gguf->kv[k];
        if (bad[i].value)
            build_str(&b, bad[i].key, bad[i].value, strlen(bad[i].value));
        int rc = hf_check_write(&copy, NULL, &e);
        if (rc != ERR_UNSUPPORTED || !strstr(e.text, bad[i].says))
            fail_msg("%s of %s: %d \"%s\"", bad[i].key, bad[i].folder, rc, e.text);
        free(copy.kv);
        model_close(m);
    }
}

static void unwritable(void **state)
{
    (void)state;
    struct err e = {0};
    struct model *m;
    assert_int_equal(model_open(&m, GOLDEN "qwen2", &e), 0);
    assert_int_equal(hf_write_tokenizer("/nowhere/at/all", m->gguf, NULL, &e), ERR_IO);
    assert_non_null(strstr(e.text, "/nowhere/at/all/tokenizer.json"));
    model_close(m);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    empty_folder();
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_come_back),    cmocka_unit_test(own_files_are_copied),
        cmocka_unit_test(files_keep_their_ids), cmocka_unit_test(what_cannot_be_said_is_refused),
        cmocka_unit_test(unwritable),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
