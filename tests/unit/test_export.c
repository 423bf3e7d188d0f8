/* Folders that frameworks load: what the program reads back from them is what it encoded, bit for bit; the same model
 * makes the same bytes; and what cannot be written leaves nothing behind. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/half.h"
#include "base/hash.h"
#include "base/mem.h"
#include "bench/export/export.h"
#include "tests/host_isa.h"
#include "tests/test_data.h"

#define DEFAULT SOURCE_ROOT "/datasets/models/default.gguf"
#define GOLDEN  SOURCE_ROOT "/tests/golden/hf/"

static char top[] = "/tmp/test_export_XXXXXX";
static char out[64], again[64];

static void remove_folder(const char *path)
{
    DIR *d = opendir(path);
    char file[1024];
    for (const struct dirent *x; d && (x = readdir(d));) {
        snprintf(file, sizeof file, "%s/%s", path, x->d_name);
        if (x->d_name[0] != '.')
            unlink(file);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static int n_entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;
    for (const struct dirent *x; d && (x = readdir(d));)
        n += x->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

struct encoded {
    struct model *m;
    struct recipe r;
    struct weights *w;
};

static struct encoded encode(const char *path, const char *format)
{
    struct encoded x = {0};
    struct err e = {0};
    if (model_open(&x.m, path, &e) || recipe_resolve(&x.r, format, &e))
        fail_msg("%s: %s", format, e.text);
    struct use_assign *a = calloc((size_t)x.m->d.n_tensors, sizeof *a);
    if (recipe_assign(&x.m->d, &x.r, NULL, NULL, a, &e) || weights_encode(&x.w, x.m, a, NULL, host_isa(), NULL, &e))
        fail_msg("%s of %s: %s", format, path, e.text);
    free(a);
    return x;
}

static void encoded_free(struct encoded *x)
{
    weights_free(x->w);
    model_close(x->m);
}

static void write_folder(const struct encoded *x, const char *path)
{
    struct err e = {0};
    const struct exporter *o = exporter_find(&x->r);
    assert_non_null(o);
    assert_string_equal(o->suffix, "");
    if (o->check(x->m, &x->r, &e) || o->write(path, x->m, x->w, &x->r, &e))
        fail_msg("%s: %s", x->r.name, e.text);
}

/* What a vector is after it was in the file's plain type. */
static float kept(const struct encoded *x, float v, bool plus_one)
{
    const bool bf16 = x->r.act && !strcmp(x->r.act, "bf16");
    const bool f32 = x->r.act && !strcmp(x->r.act, "f32");
    v -= plus_one;
    v = f32 ? v : bf16 ? bf16_round(v) : f16_round(v);
    return v + (float)plus_one;
}

static void check_tensor(const struct encoded *x, int i, const struct model *back, const char *what)
{
    const struct model_tensor *t = &x->m->d.tensor[i], *u = model_tensor(back, t->use, t->layer);
    const struct qmat *q = &x->w->mat[i];
    const bool plus_one = x->m->d.arch->post_norms;
    if (t->use == USE_ROPE_FREQS || t->use == USE_ROPE_LONG || t->use == USE_ROPE_SHORT)
        return;
    if (!u || u->src.n != q->n || u->src.k != q->k)
        fail_msg("%s: %s has not come back", what, t->name);
    float *a = malloc((size_t)q->k * sizeof *a), *b = malloc((size_t)q->k * sizeof *b);
    for (int64_t r = 0; r < q->n; r++) {
        q->codec->decode(a, q, r, r + 1);
        u->src.codec->decode(b, &u->src, r, r + 1);
        for (int64_t k = 0; k < q->k && !t->matrix; k++)
            a[k] = kept(x, a[k], plus_one);
        if (memcmp(a, b, (size_t)q->k * sizeof *a))
            fail_msg("%s: row %lld of %s is another", what, (long long)r, t->name);
    }
    free(a);
    free(b);
}

static void check_back(const struct encoded *x, const char *path, const char *what)
{
    struct err e = {0};
    struct model *back;
    if (model_open(&back, path, &e))
        fail_msg("%s: %s", what, e.text);
    for (int i = 0; i < x->m->d.n_tensors; i++)
        check_tensor(x, i, back, what);
    assert_int_equal(back->d.tied, x->m->d.tied);
    assert_int_equal(back->d.n_vocab, x->m->d.n_vocab);
    model_close(back);
}

static void round_trip(const char *model, const char *format)
{
    char what[256];
    struct encoded x = encode(model, format);
    snprintf(what, sizeof what, "%s of %s", format, strrchr(model, '/') + 1);
    write_folder(&x, out);
    check_back(&x, out, what);
    remove_folder(out);
    encoded_free(&x);
}

static void folders_hold_what_was_encoded(void **state)
{
    (void)state;
    static const char *const formats[] = {"mlx/3bit-g64",
                                          "mlx/4bit-g64",
                                          "mlx/5bit-g128",
                                          "mlx/4bit-g64@dtype=bf16",
                                          "mlx/8bit-g32@dtype=f32",
                                          "mlx/mixed-3-6",
                                          "mlx/mxfp4",
                                          "mlx/mxfp8",
                                          "mlx/nvfp4",
                                          "awq/4bit-g64-rtn",
                                          "gptq/2bit-g128-asym-rtn",
                                          "gptq/3bit-g128-sym-rtn",
                                          "gptq/4bit-g32-asym-rtn",
                                          "gptq/4bit-channel-sym-rtn"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        round_trip(DEFAULT, formats[i]);
    if (test_data_there("models/TinyStories-656K-F32.gguf")) {
        round_trip(test_data("models/TinyStories-656K-F32.gguf"), "mlx/4bit-g32");
        round_trip(test_data("models/TinyStories-656K-F32.gguf"), "gptq/4bit-g128-sym-rtn");
    }
}

/* Biases, norms plus one, fused matrices, heads of their own: every architecture. */
static void architectures(void **state)
{
    (void)state;
    static const char *const names[] = {"llama", "mistral", "qwen2", "qwen3", "gemma3", "phi3"};
    for (int i = 0; i < 6; i++) {
        char path[1024];
        snprintf(path, sizeof path, GOLDEN "%s", names[i]);
        round_trip(path, "mlx/4bit-g32");
        round_trip(path, "mlx/8bit-g32@dtype=f32");
    }
}

/* The key is there, and llama.cpp does not read it for this architecture. */
static void a_scale_that_llama_cpp_would_not_see(void **state)
{
    (void)state;
    static const char *const names[] = {"llama", "mistral", "qwen2", "qwen3", "gemma3", "phi3"};
    for (int i = 0; i < 6; i++) {
        struct model *m = NULL;
        struct recipe r;
        struct err e = {0};
        char path[1024];
        snprintf(path, sizeof path, GOLDEN "%s", names[i]);
        assert_int_equal(recipe_resolve(&r, "gguf/q8_0", &e), 0);
        assert_int_equal(model_open(&m, path, &e), 0);
        bool other = strcmp(names[i], "gemma3") == 0; /* query_pre_attn_scalar 24, heads of 16 */
        assert_int_equal(exporter_gguf.check(m, &r, &e), other ? ERR_UNSUPPORTED : 0);
        assert_true(!other || strstr(e.text, "attention"));
        model_close(m);
    }
}

/* ---- orders and factors of columns ---- */

static struct qmat *matrix(struct encoded *x, enum tensor_use use, int layer)
{
    return &x->w->mat[model_tensor(x->m, use, layer) - x->m->d.tensor];
}

/* As with desc_act: positions and columns differ. */
static void columns_in_another_order(void **state)
{
    (void)state;
    struct encoded x = encode(DEFAULT, "gptq/4bit-g128-sym-rtn");
    struct qmat *q = matrix(&x, USE_FFN_DOWN, 1);
    uint8_t *perm = malloc(4 * (size_t)q->k);
    for (int64_t i = 0; i < q->k; i++)
        wr_u32le(perm + 4 * i, (uint32_t)(i * 7 % q->k)); /* 768 has no factor 7 */
    q->plane[PLANE_PERM].p = perm;
    q->plane[PLANE_PERM].bytes = 4 * (size_t)q->k;
    write_folder(&x, out);
    check_back(&x, out, "desc_act");
    remove_folder(out);
    q->plane[PLANE_PERM].p = NULL;
    q->plane[PLANE_PERM].bytes = 0;
    free(perm);
    encoded_free(&x);
}

static void put_columns(struct qmat *q, float *s)
{
    for (int64_t k = 0; k < q->k && s; k++)
        s[k] = k % 3 ? k % 5 ? 1 : 0.25f : 4; /* powers of two: nothing is rounded */
    q->plane[PLANE_COLUMN].p = (uint8_t *)s;
    q->plane[PLANE_COLUMN].bytes = s ? (size_t)q->k * sizeof *s : 0;
}

static float *decoded(const struct qmat *q)
{
    float *x = malloc((size_t)q->n * (size_t)q->k * sizeof *x);
    q->codec->decode(x, q, 0, q->n);
    return x;
}

/* Both products of a layer before and the columns behind it are the same, however a factor is split between them. */
static void check_products(struct encoded *x, const struct model *back, enum tensor_use before, enum tensor_use behind)
{
    const struct qmat *a0 = matrix(x, before, 0), *b0 = matrix(x, behind, 0), *a1 = &model_tensor(back, before, 0)->src,
                      *b1 = &model_tensor(back, behind, 0)->src;
    const bool norm = a0->n == 1;
    const float *own = (const float *)(const void *)a0->plane[PLANE_COLUMN].p;
    float *a[2] = {decoded(a0), decoded(a1)}, *b[2] = {decoded(b0), decoded(b1)};
    int n_moved = 0;
    for (int64_t r = 0; r < b0->n; r++)
        for (int64_t k = 0; k < b0->k; k++) {
            const int64_t at = norm ? k : k * a0->k + r % a0->k;
            /* what its own columns are multiplied by went to the norm before it */
            const float before_it = norm ? f16_round(a[0][at]) : a[0][at] * own[at % a0->k];
            n_moved += b[0][r * b0->k + k] != b[1][r * b0->k + k];
            if (before_it * b[0][r * b0->k + k] != a[1][at] * b[1][r * b0->k + k])
                fail_msg("column %lld of row %lld", (long long)k, (long long)r);
        }
    assert_true(n_moved > 100);
    for (int i = 0; i < 2; i++) {
        free(a[i]);
        free(b[i]);
    }
}

static void columns_are_folded(void **state)
{
    (void)state;
    static const enum tensor_use scaled[] = {USE_ATTN_Q,   USE_ATTN_K, USE_ATTN_V,
                                             USE_FFN_GATE, USE_FFN_UP, USE_FFN_DOWN};
    struct encoded x = encode(DEFAULT, "awq/4bit-g64-rtn");
    struct model *back;
    struct err e = {0};
    float *s = malloc(768 * sizeof *s);
    for (size_t i = 0; i < 6; i++)
        put_columns(matrix(&x, scaled[i], 0), s);
    write_folder(&x, out);
    if (model_open(&back, out, &e))
        fail_msg("%s", e.text);
    check_products(&x, back, USE_ATTN_NORM, USE_ATTN_K);
    check_products(&x, back, USE_FFN_NORM, USE_FFN_GATE);
    check_products(&x, back, USE_FFN_UP, USE_FFN_DOWN);
    model_close(back);
    remove_folder(out);
    for (size_t i = 0; i < 6; i++)
        put_columns(matrix(&x, scaled[i], 0), NULL);
    free(s);
    encoded_free(&x);
}

/* ---- what goes wrong ---- */

static void the_same_bytes_again(void **state)
{
    (void)state;
    static const char *const files[] = {"model.safetensors",       "config.json",
                                        "tokenizer.json",          "tokenizer_config.json",
                                        "special_tokens_map.json", "generation_config.json"};
    struct encoded x = encode(DEFAULT, "mlx/4bit-g64"), y = encode(DEFAULT, "mlx/4bit-g64");
    write_folder(&x, out);
    write_folder(&y, again);
    assert_int_equal(n_entries(out), 6);
    for (int i = 0; i < 6; i++) {
        char a[65], b[65], path[128];
        struct err e = {0};
        snprintf(path, sizeof path, "%s/%s", out, files[i]);
        assert_int_equal(sha256_file(path, a, &e), 0);
        snprintf(path, sizeof path, "%s/%s", again, files[i]);
        assert_int_equal(sha256_file(path, b, &e), 0);
        assert_string_equal(a, b);
    }
    remove_folder(out);
    remove_folder(again);
    encoded_free(&x);
    encoded_free(&y);
}

static void check_refused(const struct encoded *x, const char *path, int code, const char *says)
{
    struct err e = {0};
    const int rc = exporter_find(&x->r)->write(path, x->m, x->w, &x->r, &e);
    if (rc != code || !strstr(e.text, says))
        fail_msg("%s: %d \"%s\", not %d \"... %s ...\"", path, rc, e.text, code, says);
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    static const char *const formats[] = {"mlx/4bit-g64", "awq/4bit-g64-rtn", "gptq/4bit-g128-sym-rtn"};
    for (int i = 0; i < 3; i++) {
        struct encoded x = encode(DEFAULT, formats[i]);
        struct rlimit was, small = {300000, 300000};
        check_refused(&x, "/nowhere/at/all", ERR_IO, "/nowhere/at/all");
        check_refused(&x, SOURCE_ROOT "/tests", ERR_USAGE, "is there already");
        getrlimit(RLIMIT_FSIZE, &was);
        small.rlim_max = was.rlim_max;
        setrlimit(RLIMIT_FSIZE, &small); /* as a full disk does, in the middle of the weights */
        signal(SIGXFSZ, SIG_IGN);
        check_refused(&x, out, ERR_IO, "model.safetensors");
        setrlimit(RLIMIT_FSIZE, &was);
        assert_int_equal(n_entries(top), 0);
        encoded_free(&x);
    }
}

static void models_that_do_not_fit(void **state)
{
    (void)state;
    struct err e = {0};
    struct model *m;
    struct recipe r;
    assert_int_equal(model_open(&m, GOLDEN "qwen2", &e), 0);
    assert_int_equal(recipe_resolve(&r, "gptq/4bit-g32-asym-rtn", &e), 0);
    assert_int_equal(exporter_find(&r)->check(m, &r, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "multiples of 32"));
    assert_int_equal(recipe_resolve(&r, "awq/4bit-g128-rtn", &e), 0);
    assert_int_equal(exporter_find(&r)->check(m, &r, &e), ERR_UNSUPPORTED);
    model_close(m);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(top))
        return -1;
    snprintf(out, sizeof out, "%s/out", top);
    snprintf(again, sizeof again, "%s/again", top);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_hold_what_was_encoded), cmocka_unit_test(architectures),
        cmocka_unit_test(columns_in_another_order),      cmocka_unit_test(columns_are_folded),
        cmocka_unit_test(the_same_bytes_again),          cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(models_that_do_not_fit),        cmocka_unit_test(a_scale_that_llama_cpp_would_not_see),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
