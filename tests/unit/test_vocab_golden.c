/* Token ids against those that llama.cpp gives (tests/golden/token-ids.json, recorded by record_token_ids.py).
 * quick: the small vocabularies and every pre-type. full: the larger models, which are looked for in the folder
 * WHICHQUANT_TEST_MODELS (default ~/.cache/whichquant-test/models), also on whole texts (golden/token-ids.jsonl). */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/engine/vocab.h"

enum { EXIT_SKIPPED = 77, MAX_TEXT = 1 << 28 };

static json_t *recorded;

static const char *data_dir(void)
{
    const char *env = getenv("WHICHQUANT_TEST_DATA");
    return env && *env ? env : TEST_DATA_DIR;
}

static const char *models_dir(void)
{
    static char dir[512];
    const char *env = getenv("WHICHQUANT_TEST_MODELS"), *home = getenv("HOME");
    if (env && *env)
        return env;
    snprintf(dir, sizeof dir, "%s/.cache/whichquant-test/models", home ? home : "");
    return dir;
}

static struct vocab *open_vocab(struct gguf **g, const char *path)
{
    struct vocab *v;
    struct err e = {0};
    const struct gguf_open_opts header_only = {.header_only = true};
    if (gguf_open(g, path, &header_only, &e) || vocab_load(&v, *g, &e))
        fail_msg("%s", e.text);
    return v;
}

static size_t unhex(const char *hex, char *out)
{
    size_t n = 0;
    for (unsigned x; sscanf(hex + 2 * n, "%2x", &x) == 1; n++)
        out[n] = (char)x;
    return n;
}

static void same_ids(const json_t *want, const int32_t *ids, size_t n, const char *what, size_t i)
{
    bool same = json_array_size(want) == n;
    for (size_t k = 0; k < n && same; k++)
        same = json_integer_value(json_array_get(want, k)) == ids[k];
    if (same)
        return;
    char got[2000] = "", expected[2000] = "";
    for (size_t k = 0, at = 0; k < n && at < sizeof got - 16; k++)
        at += (size_t)sprintf(got + at, " %d", ids[k]);
    for (size_t k = 0, at = 0; k < json_array_size(want) && at < sizeof expected - 16; k++)
        at += (size_t)sprintf(expected + at, " %d", (int)json_integer_value(json_array_get(want, k)));
    fail_msg("%s, text %zu:\n got%s\nwant%s", what, i, got, expected);
}

/* All recorded texts; where llama.cpp has no answer (an empty text, a byte without a token) only that we have one. */
static int check_texts(const struct vocab *v, const json_t *rows, bool add_special, bool parse_special,
                       const char *what)
{
    const json_t *texts = json_object_get(recorded, "texts");
    int n_compared = 0;
    for (size_t i = 0; i < json_array_size(texts); i++) {
        char text[1024];
        int32_t *ids;
        size_t n_ids;
        struct err e = {0};
        const size_t n = unhex(json_string_value(json_array_get(texts, i)), text);
        if (vocab_encode(v, text, n, add_special, parse_special, &ids, &n_ids, &e))
            fail_msg("%s, text %zu: %s", what, i, e.text);
        const json_t *want = json_array_get(rows, i);
        if (json_is_array(want)) {
            same_ids(want, ids, n_ids, what, i);
            n_compared++;
        }
        if (n == 0)
            assert_int_equal(n_ids, add_special && vocab_adds_bos(v));
        mem_free(ids);
    }
    return n_compared;
}

static int check_both(const struct vocab *v, const json_t *rows, const char *what)
{
    return check_texts(v, json_object_get(rows, "plain"), true, false, what) +
           check_texts(v, json_object_get(rows, "special"), false, true, what);
}

static void check_vocabulary(const char *name, const char *dir, int at_least)
{
    const json_t *rows = json_object_get(json_object_get(recorded, "vocabularies"), name);
    char path[1024];
    struct gguf *g;
    snprintf(path, sizeof path, "%s/%s", dir, json_string_value(json_object_get(rows, "file")));
    struct vocab *v = open_vocab(&g, path);
    const int n = check_both(v, rows, name);
    if (n < at_least)
        fail_msg("%s: only %d texts were compared", name, n);
    vocab_free(v);
    gguf_close(g);
}

/* The same vocabulary with another tokenizer.ggml.pre, or none. */
static void set_pre(const struct gguf *g, const char *path, const char *pre)
{
    static const char *const skip[] = {"tokenizer.ggml.pre", NULL};
    struct gguf_writer *w;
    struct err e = {0};
    if (gguf_writer_new(&w, path, &e) || gguf_writer_copy_kv(w, g, skip, &e) ||
        (*pre && gguf_writer_str(w, skip[0], pre, &e)) || gguf_writer_finish(w, &e))
        fail_msg("%s", e.text);
}

static void test_every_pretype(void **state)
{
    (void)state;
    struct gguf *base;
    struct err e = {0};
    char path[64];
    const char *pre;
    json_t *rows;
    int n_pretypes = 0;
    snprintf(path, sizeof path, "/tmp/test_vocab_golden.%d.gguf", (int)getpid());
    if (gguf_open(&base, SOURCE_ROOT "/tests/golden/bpe-crossing.gguf", NULL, &e))
        fail_msg("%s", e.text);
    json_object_foreach (json_object_get(recorded, "pretypes"), pre, rows) {
        struct gguf *g;
        set_pre(base, path, pre);
        struct vocab *v = open_vocab(&g, path);
        assert_string_equal(vocab_pre(v), *pre ? pre : "default");
        assert_true(check_both(v, rows, *pre ? pre : "(no pre)") > 90);
        vocab_free(v);
        gguf_close(g);
        unlink(path);
        n_pretypes++;
    }
    assert_int_equal(n_pretypes, 10);
    gguf_close(base);
}

static void test_default_model(void **state)
{
    (void)state;
    check_vocabulary("default", SOURCE_ROOT, 90);
}

static void test_story_models(void **state)
{
    (void)state;
    check_vocabulary("stories260K", data_dir(), 90);
    check_vocabulary("TinyStories-656K", data_dir(), 6);
}

static void test_larger_models(void **state)
{
    (void)state;
    check_vocabulary("smollm2", models_dir(), 90);
    check_vocabulary("gemma3", models_dir(), 90);
}

static void check_hash(const int32_t *ids, size_t n, const char *want, const char *what)
{
    struct sbuf b = {0};
    char hex[65];
    for (size_t i = 0; i < n; i++)
        sbuf_printf(&b, "%d\n", ids[i]);
    sha256_hex(b.p, b.n, hex);
    sbuf_free(&b);
    if (strcmp(hex, want))
        fail_msg("%s: SHA-256 of %zu ids is %s, not %s", what, n, hex, want);
}

static void check_whole_text(const struct vocab *v, const json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "text"));
    const json_t *first = json_object_get(row, "first");
    char path[1024], *text;
    size_t n, n_ids;
    int32_t *ids;
    struct err e = {0};
    snprintf(path, sizeof path, "%s/text/%s", data_dir(), name);
    if (file_read(path, MAX_TEXT, &text, &n, &e) || vocab_encode(v, text, n, true, false, &ids, &n_ids, &e))
        fail_msg("%s", e.text);
    assert_true(n_ids >= json_array_size(first));
    same_ids(first, ids, json_array_size(first), name, 0);
    assert_int_equal(n_ids, json_integer_value(json_object_get(row, "count")));
    check_hash(ids, n_ids, json_string_value(json_object_get(row, "sha256_of_ids_one_per_line")), name);
    mem_free(text);
    mem_free(ids);
}

static void test_whole_texts(void **state)
{
    (void)state;
    char path[1024], *lines, *rest = NULL, open_name[64] = "";
    struct err e = {0};
    struct gguf *g = NULL;
    struct vocab *v = NULL;
    int n_rows = 0;
    snprintf(path, sizeof path, "%s/golden/token-ids.jsonl", data_dir());
    if (file_read(path, MAX_TEXT, &lines, NULL, &e))
        fail_msg("%s", e.text);
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n_rows++) {
        json_t *row;
        if (json_parse(&row, line, strlen(line), path, &e))
            fail_msg("%s", e.text);
        const char *name = json_string_value(json_object_get(row, "vocabulary"));
        if (strcmp(name, open_name)) {
            vocab_free(v);
            gguf_close(g);
            snprintf(open_name, sizeof open_name, "%s", name);
            snprintf(path, sizeof path, "%s/%s", models_dir(),
                     json_string_value(json_object_get(
                         json_object_get(json_object_get(recorded, "vocabularies"), name), "file")));
            v = open_vocab(&g, path);
        }
        check_whole_text(v, row);
        json_decref(row);
    }
    assert_int_equal(n_rows, 12);
    vocab_free(v);
    gguf_close(g);
    mem_free(lines);
}

static bool has_models(void)
{
    static const char *const names[] = {"smollm2", "gemma3"};
    bool all = true;
    for (int i = 0; i < 2; i++) {
        char path[1024];
        const json_t *rows = json_object_get(json_object_get(recorded, "vocabularies"), names[i]);
        snprintf(path, sizeof path, "%s/%s", models_dir(), json_string_value(json_object_get(rows, "file")));
        all &= file_exists(path);
    }
    return all;
}

static int nothing(const char *what, const char *dir)
{
    printf("test_vocab_golden: %s in %s, nothing is compared with them\n", what, dir);
    return EXIT_SKIPPED;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest own[] = {cmocka_unit_test(test_every_pretype), cmocka_unit_test(test_default_model)};
    const struct CMUnitTest quick[] = {cmocka_unit_test(test_story_models)};
    const struct CMUnitTest full[] = {cmocka_unit_test(test_larger_models), cmocka_unit_test(test_whole_texts)};
    struct err e = {0};
    if (json_read_file(&recorded, SOURCE_ROOT "/tests/golden/token-ids.json", &e)) {
        printf("%s\n", e.text);
        return 1;
    }
    const bool is_full = argc > 1 && !strcmp(argv[1], "full");
    int rc = is_full ? 0 : cmocka_run_group_tests(own, NULL, NULL);
    if (!dir_exists(data_dir()))
        rc = rc ? rc : nothing("no test data", data_dir());
    else if (!is_full)
        rc += cmocka_run_group_tests(quick, NULL, NULL);
    else if (!has_models())
        rc = nothing("the larger models are not", models_dir());
    else
        rc = cmocka_run_group_tests(full, NULL, NULL);
    json_decref(recorded);
    return rc;
}
