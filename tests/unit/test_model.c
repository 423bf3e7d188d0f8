/* Opening models: what a good file gives, every contradiction refused with a sentence that names it, damage at random,
 * failing allocations; shapes without a file; what the source is worth as a reference. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/half.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

#define ARCH_FILE(name) SOURCE_ROOT "/tests/golden/arch/" name ".gguf"

static char *read_arch(const char *path, size_t *n)
{
    char *p;
    struct err e;
    assert_int_equal(file_read(path, 1 << 20, &p, n, &e), 0);
    return p;
}

/* ---- good files ---- */

static void reads_the_numbers(void **state)
{
    (void)state;
    struct model *m;
    struct err e = {0};
    assert_int_equal(model_open(&m, ARCH_FILE("gemma3"), &e), 0);
    const struct model_desc *d = &m->d;
    assert_string_equal(d->arch->name, "gemma3");
    assert_string_equal(d->name, "tiny random gemma3");
    assert_int_equal(d->n_layer, 7);
    assert_int_equal(d->d_model, 16);
    assert_int_equal(d->d_ff, 12);
    assert_int_equal(d->n_head, 2);
    assert_int_equal(d->n_head_kv, 1);
    assert_int_equal(d->head_dim, 16);
    assert_int_equal(d->rope_dim, 16);
    assert_int_equal(d->n_vocab, 96);
    assert_int_equal(d->n_ctx_train, 64);
    assert_int_equal(d->sliding_window, 8);
    assert_true(d->rope_base == 1e6 && d->rope_base_local == 1e4 && d->rope_scale == 4);
    assert_true(fabs(d->attn_scale - 0.25) < 1e-12 && fabs(d->norm_eps - 1e-5) < 1e-9);
    assert_true(d->tied && d->logit_softcap == 0);
    for (int l = 0; l < 7; l++)
        assert_int_equal(model_layer_is_local(d, l), l != 5);
    assert_int_equal(d->n_tensors, 2 + 7 * 13);
    /* embedding, output norm; per layer 4 norms of 16, 2 of 16, q 32x16, k and v 16x16, o 16x32, 3 matrices 12x16 */
    assert_int_equal(d->n_params, 96 * 16 + 16 + 7 * (6 * 16 + 2 * 512 + 2 * 256 + 3 * 192));
    const struct model_tensor *t = model_tensor(m, USE_FFN_DOWN, 6);
    assert_string_equal(t->name, "blk.6.ffn_down.weight");
    assert_true(t->matrix && t->src.n == 16 && t->src.k == 12 && t->layer == 6);
    assert_null(model_tensor(m, USE_OUTPUT, -1));
    assert_null(model_tensor(m, USE_ATTN_Q_BIAS, 0));
    assert_null(model_tensor(m, USE_FFN_DOWN, 7));
    assert_null(model_tensor(m, USE_FFN_DOWN, -1));
    assert_null(model_tensor(m, USE_OUTPUT_NORM, 0));
    char want[65];
    assert_int_equal(sha256_file(ARCH_FILE("gemma3"), want, &e), 0);
    assert_int_equal(model_hash(m, &e), 0);
    assert_string_equal(m->sha256, want);
    assert_int_equal(model_check_finite(m, &e), 0);
    bool quantized;
    assert_string_equal(model_source_codec(&m->d, &quantized)->name, "f32");
    assert_false(quantized);
    model_close(m);
}

static void header_alone(void **state)
{
    (void)state;
    char path[64];
    size_t n;
    struct model *m;
    struct err e = {0};
    char *p = read_arch(ARCH_FILE("llama"), &n);
    snprintf(path, sizeof path, "/tmp/test_model-%d.gguf", (int)getpid());
    assert_int_equal(file_write(path, p, 5000, &e), 0);
    assert_int_equal(model_open(&m, path, &e), ERR_FORMAT);
    assert_int_equal(model_open_header(&m, path, &e), 0);
    assert_int_equal(m->d.n_layer, 2);
    assert_null(m->vocab);
    assert_int_equal(model_tensor(m, USE_OUTPUT, -1)->src.n, 96);
    struct weights *w;
    struct engine *g;
    struct engine_opts o = fixture_opts(8, 8, NULL);
    assert_int_equal(weights_source(&w, m, false, &e), 0);
    assert_int_equal(engine_new(&g, w, &o, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "has no data"));
    weights_free(w);
    model_close(m);
    unlink(path);
    mem_free(p);
}

/* ---- hostile files ---- */

/* Overwrites the 4 bytes behind a key and its type, or the start of a text. */
static void patch(char *p, size_t n, const char *key, uint32_t v)
{
    size_t len = strlen(key);
    for (size_t i = 8; i + len + 8 <= n; i++)
        if (rd_u64le(p + i - 8) == len && memcmp(p + i, key, len) == 0) {
            wr_u32le(p + i + len + 4, v);
            return;
        }
    fail_msg("no key %s", key);
}

static void patch_text(char *p, size_t n, const char *old, const char *new)
{
    size_t len = strlen(old);
    assert_int_equal(len, strlen(new));
    for (size_t i = 0; i + len <= n; i++)
        if (memcmp(p + i, old, len) == 0) {
            memcpy(p + i, new, len);
            return;
        }
    fail_msg("no text %s", old);
}

static void patch_f32(char *p, size_t n, const char *key, float v)
{
    patch(p, n, key, f32_bits(v));
}

enum kind { INT, FLOAT, TEXT };
static const struct hostile {
    const char *file;
    enum kind kind;
    const char *key;
    double value;
    const char *text; /* TEXT: what stands in place of key */
    int code;
    const char *says; /* what the sentence must name */
} hostile[] = {
    {"llama", TEXT, "llama", 0, "lambd", ERR_UNSUPPORTED,
     "\"lambd\" is not supported: this program runs llama, qwen2, qwen3, gemma3"},
    {"llama", TEXT, "general.architecture", 0, "general.architectura", ERR_FORMAT, "general.architecture is missing"},
    {"llama", INT, "llama.block_count", 0, NULL, ERR_FORMAT, "llama.block_count is 0"},
    {"llama", INT, "llama.block_count", 1, NULL, ERR_FORMAT, "beyond the 1 layers"},
    {"llama", INT, "llama.block_count", 3, NULL, ERR_FORMAT, "blk.2.attn_norm.weight is missing"},
    {"llama", INT, "llama.block_count", 1025, NULL, ERR_FORMAT, "llama.block_count is 1025"},
    {"llama", INT, "llama.block_count", 4294967295.0, NULL, ERR_FORMAT, "llama.block_count is 4294967295"},
    {"llama", INT, "llama.embedding_length", 0, NULL, ERR_FORMAT, "llama.embedding_length is 0"},
    {"llama", INT, "llama.embedding_length", 64, NULL, ERR_FORMAT, "metadata asks for"},
    {"llama", INT, "llama.embedding_length", 2147483648.0, NULL, ERR_FORMAT, "llama.embedding_length is 2147483648"},
    {"llama", INT, "llama.feed_forward_length", 49, NULL, ERR_FORMAT,
     "ffn_gate.weight is 48 x 32, the metadata asks for 49 x 32"},
    {"llama", INT, "llama.attention.head_count", 0, NULL, ERR_FORMAT, "llama.attention.head_count is 0"},
    {"llama", INT, "llama.attention.head_count", 3, NULL, ERR_FORMAT, "contradictory"},
    {"llama", INT, "llama.attention.head_count", 8, NULL, ERR_FORMAT, "metadata asks for"},
    {"llama", INT, "llama.attention.head_count_kv", 0, NULL, ERR_FORMAT, "contradictory"},
    {"llama", INT, "llama.attention.head_count_kv", 3, NULL, ERR_FORMAT, "4 heads and 3 KV heads"},
    {"llama", INT, "llama.attention.head_count_kv", 8, NULL, ERR_FORMAT, "contradictory"},
    {"llama", INT, "llama.attention.head_count_kv", 1, NULL, ERR_FORMAT,
     "attn_k.weight is 16 x 32, the metadata asks for 8 x 32"},
    {"llama", INT, "llama.context_length", 0, NULL, ERR_FORMAT, "llama.context_length is 0"},
    {"llama", TEXT, "llama.context_length", 0, "llama.context_lengtx", ERR_FORMAT, "llama.context_length is missing"},
    {"llama", FLOAT, "llama.attention.layer_norm_rms_epsilon", 0, NULL, ERR_FORMAT, "epsilon of the norms is 0"},
    {"llama", FLOAT, "llama.attention.layer_norm_rms_epsilon", -1, NULL, ERR_FORMAT, "epsilon of the norms is -1"},
    {"llama", FLOAT, "llama.attention.layer_norm_rms_epsilon", NAN, NULL, ERR_FORMAT, "epsilon"},
    {"llama", TEXT, "layer_norm_rms_epsilon", 0, "layer_norm_rms_epsilom", ERR_FORMAT,
     "layer_norm_rms_epsilon is missing"},
    {"llama", FLOAT, "llama.rope.freq_base", 0, NULL, ERR_FORMAT, "rope base 0"},
    {"llama", FLOAT, "llama.rope.freq_base", INFINITY, NULL, ERR_FORMAT, "rope base inf"},
    {"llama", TEXT, "blk.1.ffn_up.weight", 0, "blk.1.ffn_up.weighs", ERR_UNSUPPORTED,
     "blk.1.ffn_up.weighs is not part of architecture llama"},
    {"llama", TEXT, "blk.1.ffn_up.weight", 0, "blk.9.ffn_up.weight", ERR_FORMAT, "blk.9.ffn_up.weight lies beyond"},
    {"llama", TEXT, "blk.1.ffn_up.weight", 0, "blk.0.ffn_up.weight", ERR_FORMAT, "blk.0.ffn_up.weight"},
    {"llama", TEXT, "token_embd.weight", 0, "token_embx.weight", ERR_FORMAT, "token_embd.weight is missing"},
    {"llama", TEXT, "output_norm.weight", 0, "output_norm.weighs", ERR_UNSUPPORTED, "output_norm.weighs"},
    {"llama", TEXT, "blk.0.attn_norm.weight", 0, "blk.00attn_norm.weight", ERR_UNSUPPORTED, "blk.00attn_norm.weight"},
    {"qwen2", TEXT, "blk.1.attn_q.bias", 0, "blk.1.ffn_up.bias", ERR_UNSUPPORTED, "blk.1.ffn_up.bias"},
    {"qwen3", TEXT, "blk.0.attn_q_norm.weight", 0, "blk.0.attn_o_norm.weight", ERR_UNSUPPORTED,
     "blk.0.attn_o_norm.weight"},
    {"qwen3", INT, "qwen3.attention.key_length", 0, NULL, ERR_FORMAT, "contradictory"},
    {"qwen3", INT, "qwen3.attention.key_length", 15, NULL, ERR_UNSUPPORTED, "keys of 15 and values of 16"},
    {"qwen3", INT, "qwen3.attention.value_length", 8, NULL, ERR_UNSUPPORTED, "keys of 16 and values of 8"},
    {"gemma3", INT, "gemma3.attention.sliding_window", 4294967295.0, NULL, ERR_FORMAT, "sliding_window is 4294967295"},
    {"gemma3", TEXT, "linear", 0, "longer", ERR_UNSUPPORTED, "kind of rope scaling"},
    {"gemma3", FLOAT, "gemma3.rope.scaling.factor", -4, NULL, ERR_FORMAT, "rope scale -4"},
    {"gemma3", TEXT, "gemma3.rope.scaling.factor", 0, "gemma3.expert_count.factor", 0, NULL},
};

static void contradictions_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        const struct hostile *h = &hostile[i];
        char path[512];
        size_t n;
        struct err e = {0};
        struct model *m = NULL;
        snprintf(path, sizeof path, ARCH_FILE("%s"), h->file);
        char *p = read_arch(path, &n);
        if (h->kind == INT)
            patch(p, n, h->key, (uint32_t)h->value);
        else if (h->kind == FLOAT)
            patch_f32(p, n, h->key, (float)h->value);
        else
            patch_text(p, n, h->key, h->text);
        int rc = model_open_memory(&m, p, n, "hostile.gguf", &e);
        if (rc != h->code || (h->says && !strstr(e.text, h->says)))
            fail_msg("case %zu (%s): %d, \"%s\"; expected %d and \"%s\"", i, h->key, rc, e.text, h->code,
                     h->says ? h->says : "");
        if (rc)
            assert_non_null(strstr(e.text, "hostile.gguf"));
        else
            model_close(m);
        mem_free(p);
    }
}

/* Damage anywhere in the header: opened and run, or refused with a sentence; never a crash (run under sanitizers). */
static void random_damage(void **state)
{
    (void)state;
    const char *const files[] = {ARCH_FILE("llama"), ARCH_FILE("gemma3")};
    struct rng rng;
    rng_seed(&rng, 3);
    int n_opened = 0;
    for (int f = 0; f < 2; f++) {
        size_t n;
        char *good = read_arch(files[f], &n), *p = mem_alloc(n);
        for (int i = 0; i < 1500; i++) {
            struct err e = {0};
            struct model *m = NULL;
            memcpy(p, good, n);
            for (int k = 1 + (int)rng_below(&rng, 3); k > 0; k--)
                p[rng_below(&rng, i % 2 ? 1200 : 9000)] = (char)rng_u64(&rng);
            int rc = model_open_memory(&m, p, n, "damaged", &e);
            assert_true(rc <= 0 && (rc == 0 || e.text[0]));
            if (rc)
                continue;
            n_opened++;
            struct weights *w;
            struct engine *g;
            struct engine_opts o = fixture_opts(4, 4, NULL);
            const int32_t tokens[4] = {1, 2, 3, 4};
            static float logits[96];
            assert_int_equal(weights_source(&w, m, false, &e), 0);
            if (engine_new(&g, w, &o, &e) == 0) {
                if (engine_forward(g, tokens, 4, &e) == 0 && m->d.n_vocab == 96)
                    engine_logits(g, 3, 1, logits, &e);
                engine_free(g);
            }
            weights_free(w);
            model_close(m);
        }
        mem_free(p);
        mem_free(good);
    }
    assert_true(n_opened > 100); /* the test reaches the engine */
}

static void cut_files(void **state)
{
    (void)state;
    size_t n;
    char *p = read_arch(ARCH_FILE("qwen3"), &n);
    for (size_t cut = 0; cut < n; cut += cut < 4096 ? 7 : 1009) {
        struct err e = {0};
        struct model *m = NULL;
        char *exact = mem_alloc(cut + 1); /* so that a sanitizer sees any read beyond it */
        memcpy(exact, p, cut);
        assert_true(model_open_memory(&m, exact, cut, "cut", &e) < 0);
        assert_true(e.text[0]);
        mem_free(exact);
    }
    mem_free(p);
}

static void failing_allocations(void **state)
{
    (void)state;
    size_t n;
    char *p = read_arch(ARCH_FILE("qwen2"), &n);
    long i = 1;
    for (int rc = -1; rc != 0; i++) {
        struct err e = {0};
        struct fixture f = {0};
        struct engine_opts o = fixture_opts(8, 8, NULL);
        mem_fail_from(i);
        rc = model_open_memory(&f.model, p, n, "memory", &e);
        if (rc == 0)
            rc = weights_source(&f.weights, f.model, true, &e);
        if (rc == 0)
            rc = engine_new(&f.engine, f.weights, &o, &e);
        mem_fail_from(0);
        if (rc)
            assert_int_equal(rc, ERR_NOMEM);
        fixture_close(&f);
        assert_true(i < 5000);
    }
    assert_true(i > 5);
    mem_free(p);
}

/* ---- shapes ---- */

static void shapes_without_a_file(void **state)
{
    (void)state;
    struct model *m, *file;
    struct err e = {0};
    const char *const files[] = {ARCH_FILE("qwen2"), ARCH_FILE("qwen3"), ARCH_FILE("gemma3")};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(model_open(&file, files[i], &e), 0);
        assert_int_equal(model_from_shape(&m, &file->d, &e), 0);
        assert_int_equal(m->d.n_tensors, file->d.n_tensors);
        assert_int_equal(m->d.n_params, file->d.n_params);
        assert_null(m->vocab);
        for (int t = 0; t < file->d.n_tensors; t++) {
            const struct model_tensor *a = &file->d.tensor[t], *b = model_tensor(m, a->use, a->layer);
            assert_non_null(b);
            assert_string_equal(a->name, b->name);
            assert_true(a->src.n == b->src.n && a->src.k == b->src.k && !b->src.plane[PLANE_CODE].p);
            assert_string_equal(b->src.codec->name, b->matrix ? "f16" : "f32");
        }
        assert_int_equal(model_hash(m, &e), ERR_USAGE);
        model_close(m);
        struct model_desc bad = file->d;
        bad.n_head_kv = 0;
        assert_int_equal(model_from_shape(&m, &bad, &e), ERR_FORMAT);
        bad = file->d;
        bad.rope_dim = 3;
        assert_int_equal(model_from_shape(&m, &bad, &e), ERR_FORMAT);
        model_close(file);
    }
}

/* ---- the source as a reference ---- */

static void damaged_weights_are_named(void **state)
{
    (void)state;
    size_t n;
    struct err e = {0};
    struct model *m;
    char *p = read_arch(ARCH_FILE("llama"), &n);
    assert_int_equal(model_open_memory(&m, p, n, "memory", &e), 0);
    const struct model_tensor *t = model_tensor(m, USE_ATTN_V, 1);
    char *weights = p + (t->src.plane[PLANE_CODE].p - (const uint8_t *)p);
    wr_u32le(weights + 4 * 33, 0x7f800000);
    assert_int_equal(model_check_finite(m, &e), ERR_DATA);
    assert_non_null(strstr(e.text, "blk.1.attn_v.weight"));
    wr_u32le(weights + 4 * 33, 0xffc00001);
    assert_int_equal(model_check_finite(m, &e), ERR_DATA);
    wr_u32le(weights + 4 * 33, 0x7f7fffff);
    assert_int_equal(model_check_finite(m, &e), 0);
    model_close(m);
    mem_free(p);
}

/* Noise against the file's own bytes: half a step of each block at most, spread evenly, the same for the same seed. */
static void check_dither(const char *name, double (*step_of)(const uint8_t *block, int i), int block, int block_bytes)
{
    struct err e = {0};
    struct model *m, *same, *other;
    assert_int_equal(model_open(&m, test_data(name), &e), 0);
    assert_int_equal(model_open(&same, test_data(name), &e), 0);
    assert_int_equal(model_open(&other, test_data(name), &e), 0);
    bool quantized;
    model_source_codec(&m->d, &quantized);
    assert_true(quantized);
    const struct model_tensor *t = model_tensor(m, USE_FFN_GATE, 0);
    struct qmat before = t->src;
    before.seg = &before.seg1;
    assert_false(m->dithered);
    assert_int_equal(model_dither(m, 7, &e), 0);
    assert_true(m->dithered);
    assert_int_equal(model_dither(same, 7, &e), 0);
    assert_int_equal(model_dither(other, 8, &e), 0);
    model_source_codec(&m->d, &quantized);
    assert_false(quantized);
    assert_string_equal(t->src.codec->name, "f16");
    assert_string_equal(model_tensor(m, USE_ATTN_NORM, 0)->src.codec->name, "f32");
    size_t bytes = t->src.plane[PLANE_CODE].bytes;
    assert_memory_equal(t->src.plane[PLANE_CODE].p, model_tensor(same, USE_FFN_GATE, 0)->src.plane[PLANE_CODE].p,
                        bytes);
    assert_true(
        memcmp(t->src.plane[PLANE_CODE].p, model_tensor(other, USE_FFN_GATE, 0)->src.plane[PLANE_CODE].p, bytes));

    int64_t k = before.k, n_used = 0;
    float *w = mem_alloc_n(2 * (size_t)k, sizeof *w), *d = w + k;
    double sum = 0, sum2 = 0, most = 0;
    for (int64_t r = 0; r < before.n; r++) {
        before.codec->decode(w, &before, r, r + 1);
        t->src.codec->decode(d, &t->src, r, r + 1);
        for (int64_t i = 0; i < k; i++) {
            const uint8_t *b = before.plane[PLANE_CODE].p + (size_t)r * before.plane[PLANE_CODE].row_stride +
                               (size_t)(i / block) * (size_t)block_bytes;
            double step = step_of(b, (int)(i % block)), rounding = (fabs((double)w[i]) + step) * 0x1p-11 + 1e-7;
            if (step < 1e-6)
                continue;
            double u = (double)(d[i] - w[i]) / step;
            if (!(fabs(u) <= 0.5 + rounding / step))
                fail_msg("%s row %lld column %lld: %g of a step", name, (long long)r, (long long)i, u);
            most = fabs(u) > most ? fabs(u) : most;
            sum += u;
            sum2 += u * u;
            n_used++;
        }
    }
    assert_true(n_used > 50000);
    double mean = sum / (double)n_used, var = sum2 / (double)n_used - mean * mean;
    assert_true(fabs(mean) < 0.01 && fabs(var - 1.0 / 12) < 0.002 && most > 0.49);
    mem_free(w);
    model_close(m);
    model_close(same);
    model_close(other);
}

static double half_at(const uint8_t *p)
{
    return fabs((double)f16_to_f32(rd_u16le(p)));
}
static double step_first_half(const uint8_t *b, int i)
{
    (void)i;
    return half_at(b);
}
static double step_q6_k(const uint8_t *b, int i)
{
    return half_at(b + 208) * abs((int8_t)b[192 + i / 16]);
}
static double step_q2_k(const uint8_t *b, int i)
{
    return half_at(b + 80) * (b[i / 16] & 15);
}
static double step_q4_k(const uint8_t *b, int i)
{
    int j = i / 32;
    const uint8_t *s = b + 4;
    return half_at(b) * (j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4);
}

static void dither_takes_it_off_the_grid(void **state)
{
    (void)state;
    if (!test_data_there("golden/pure-Q4_0.gguf"))
        skip();
    check_dither("golden/pure-Q4_0.gguf", step_first_half, 32, 18);
    check_dither("golden/pure-Q4_1.gguf", step_first_half, 32, 20);
    check_dither("golden/pure-Q5_1.gguf", step_first_half, 32, 24);
    check_dither("golden/pure-Q8_0.gguf", step_first_half, 32, 34);
    check_dither("golden/pure-Q2_K.gguf", step_q2_k, 256, 84);
    check_dither("golden/pure-Q4_K_S.gguf", step_q4_k, 256, 144);
    check_dither("golden/pure-Q5_K_S.gguf", step_q4_k, 256, 176);
    check_dither("golden/pure-Q6_K.gguf", step_q6_k, 256, 210);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_numbers),
        cmocka_unit_test(header_alone),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(random_damage),
        cmocka_unit_test(cut_files),
        cmocka_unit_test(failing_allocations),
        cmocka_unit_test(shapes_without_a_file),
        cmocka_unit_test(damaged_weights_are_named),
        cmocka_unit_test(dither_takes_it_off_the_grid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
