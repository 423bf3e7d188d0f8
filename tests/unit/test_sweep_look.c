/* The first look of a sweep, on a model that the caches do not hold: what it tells, that the rest of the sweep goes on
 * from there as if it had not been, and that nothing of it is left where more was measured. */
#include <math.h>
#include <signal.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "base/sbuf.h"
#include "base/temp.h"
#include "bench/sweep.h"
#include "tests/engine_fixture.h"
#include "tests/test_data.h"

static const char *const formats[] = {"base/f16",  "base/bf16", "gguf/q8_0",   "gguf/q5_1", "gguf/q5_0",
                                      "gguf/q4_1", "gguf/q4_0", "gguf/q3_k_s", "gguf/q2_k"};
static const char *const first[] = {"gguf/q4_0", "gguf/q5_0", "gguf/q8_0", "gguf/q4_1", "gguf/q5_1"};
enum { N_FORMATS = 9, N_FIRST = 5, N_TWINS = 2, N_CTX = 128, STRAIGHT_CHUNKS = 6 };

/* ---- a llama of 43 million seeded F16 weights, with the tokenizer of a small one ---- */

enum { LAYERS = 15, WIDTH = 480, FFN = 1440, VOCAB = 2048, KV_WIDTH = 240 };

static void add_tensor(struct sbuf *head, size_t *at, const char *name, int layer, int rows, int cols)
{
    char full[96];
    if (layer < 0)
        snprintf(full, sizeof full, "model.%s.weight", name);
    else
        snprintf(full, sizeof full, "model.layers.%d.%s.weight", layer, name);
    size_t n = 2 * (size_t)rows * (size_t)cols;
    sbuf_printf(head, "%s\"%s\":{\"dtype\":\"F16\",\"shape\":[", *at ? "," : "{", full);
    if (rows > 1)
        sbuf_printf(head, "%d,", rows);
    sbuf_printf(head, "%d],\"data_offsets\":[%zu,%zu]}", cols, *at, *at + n);
    *at += n;
}

static void write_weights(const char *path)
{
    struct sbuf b = {0}, head = {0};
    struct err e = {0};
    struct rng r;
    size_t at = 0;
    add_tensor(&head, &at, "embed_tokens", -1, VOCAB, WIDTH);
    for (int i = 0; i < LAYERS; i++) {
        add_tensor(&head, &at, "input_layernorm", i, 1, WIDTH);
        add_tensor(&head, &at, "self_attn.q_proj", i, WIDTH, WIDTH);
        add_tensor(&head, &at, "self_attn.k_proj", i, KV_WIDTH, WIDTH);
        add_tensor(&head, &at, "self_attn.v_proj", i, KV_WIDTH, WIDTH);
        add_tensor(&head, &at, "self_attn.o_proj", i, WIDTH, WIDTH);
        add_tensor(&head, &at, "post_attention_layernorm", i, 1, WIDTH);
        add_tensor(&head, &at, "mlp.gate_proj", i, FFN, WIDTH);
        add_tensor(&head, &at, "mlp.up_proj", i, FFN, WIDTH);
        add_tensor(&head, &at, "mlp.down_proj", i, WIDTH, FFN);
    }
    add_tensor(&head, &at, "norm", -1, 1, WIDTH);
    sbuf_puts(&head, "}");
    uint64_t n_head = head.n;
    sbuf_add(&b, &n_head, sizeof n_head);
    sbuf_add(&b, head.p, head.n);
    rng_seed(&r, 7);
    for (size_t i = 0; i < at / 2; i++) { /* of either sign, between 1/16 and 1/8 */
        uint16_t half = (uint16_t)(0x2c00 | (rng_below(&r, 2) << 15) | rng_below(&r, 0x400));
        sbuf_add(&b, &half, sizeof half);
    }
    assert_false(b.failed);
    assert_int_equal(file_write(path, b.p, b.n, &e), 0);
    sbuf_free(&head);
    sbuf_free(&b);
}

static const char config[] = "{\"architectures\":[\"LlamaForCausalLM\"],\"bos_token_id\":1,\"eos_token_id\":2,"
                             "\"hidden_act\":\"silu\",\"hidden_size\":480,\"intermediate_size\":1440,"
                             "\"max_position_embeddings\":512,\"model_type\":\"llama\",\"num_attention_heads\":8,"
                             "\"num_hidden_layers\":15,\"num_key_value_heads\":4,\"rms_norm_eps\":1e-06,"
                             "\"rope_theta\":10000.0,\"tie_word_embeddings\":true,\"vocab_size\":2048}";

static void write_model(const char *folder)
{
    struct err e = {0};
    char path[300], *text;
    size_t n;
    snprintf(path, sizeof path, "%s/config.json", folder);
    assert_int_equal(file_write(path, config, sizeof config - 1, &e), 0);
    assert_int_equal(file_read(test_data("models/TinyStories-656K/tokenizer.json"), 1 << 24, &text, &n, &e), 0);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    assert_int_equal(file_write(path, text, n, &e), 0);
    mem_free(text);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    write_weights(path);
}

/* ---- the sweeps ---- */

struct seen { /* of what on_look told */
    int n_looks, n_quality[4], n_speed[4], most_chunks[4];
    char format[N_FIRST][32];
    double kld[N_FIRST]; /* of the first chunk */
};

static void keep_look(void *arg, const struct record *rec, int n)
{
    struct seen *s = arg;
    const int k = s->n_looks++;
    assert_true(k < 4);
    for (int i = 0; i < n; i++) {
        s->n_speed[k] += isfinite(rec[i].speed.decode_tok_s.v);
        if (!isfinite(rec[i].quality.kld))
            continue;
        if (k == 0 && s->n_quality[0] < N_FIRST) {
            snprintf(s->format[s->n_quality[0]], sizeof s->format[0], "%s", rec[i].format.name);
            s->kld[s->n_quality[0]] = rec[i].chunk_kld.x[0];
        }
        s->most_chunks[k] = rec[i].quality.n_chunks > s->most_chunks[k] ? rec[i].quality.n_chunks : s->most_chunks[k];
        s->n_quality[k]++;
    }
}

static struct {
    struct model *model;
    struct probe_device device;
    struct pool *pool;
    char *text;
    size_t text_bytes;
} world;

static struct sweep *run(struct request *req, void (*on_look)(void *, const struct record *, int), struct seen *seen)
{
    struct sweep_input in = {.req = req,
                             .device = &world.device,
                             .pool = world.pool,
                             .model = world.model,
                             .first = first,
                             .n_first = N_FIRST,
                             .on_look = on_look,
                             .arg = seen,
                             .text = world.text,
                             .text_name = "stories",
                             .text_bytes = world.text_bytes,
                             .run_id = "test"};
    struct sweep *s;
    struct err e = {0};
    if (sweep_run(&s, &in, &e) < 0)
        fail_msg("%s", e.text);
    return s;
}

static struct request a_request(void)
{
    struct request r;
    request_defaults(&r);
    r.formats = formats;
    r.n_formats = N_FORMATS;
    r.n_ctx_eval = N_CTX;
    r.isa = host_isa();
    r.threads = pool_n_threads(world.pool);
    r.want.n_prompt = 32;
    r.want.n_gen = 8;
    return r;
}

static const struct record *quality_of(const struct sweep *s, const char *format)
{
    const struct record *found = NULL;
    int n_speed = 0;
    for (int i = 0; i < s->n; i++) {
        const struct record *r = &s->rec[i];
        if (strcmp(r->format.name, format) != 0)
            continue;
        n_speed += isfinite(r->speed.decode_tok_s.v);
        if (isfinite(r->quality.kld)) {
            assert_null(found);
            found = r;
        }
    }
    assert_int_equal(n_speed, 1); /* not the look's beside the other */
    assert_non_null(found);
    return found;
}

/* Rows of 480 take no K types: two names stand for the tensors of q4_0, which is measured. */
static void twins_share_figures(const struct sweep *s)
{
    static const char *const name[] = {"gguf/q4_0", "gguf/q3_k_s", "gguf/q2_k"};
    const struct record *of[3][2] = {{NULL}};
    for (int i = 0; i < s->n; i++)
        for (int k = 0; k < 3; k++)
            if (strcmp(s->rec[i].format.name, name[k]) == 0)
                of[k][isfinite(s->rec[i].speed.decode_tok_s.v)] = &s->rec[i];
    for (int k = 1; k < 3; k++)
        for (int i = 0; i < 2; i++) {
            const struct record *a = of[0][i], *b = of[k][i];
            assert_true(i ? a->speed.decode_tok_s.v == b->speed.decode_tok_s.v : a->quality.kld == b->quality.kld);
            assert_string_not_equal(a->cell_id, b->cell_id);
            assert_string_equal(b->reason, "every tensor is the same as in gguf/q4_0");
        }
}

static void a_look_comes_first_and_changes_nothing(void **state)
{
    (void)state;
    struct request req = a_request(), straight = a_request();
    struct seen seen = {0};
    req.budget_s = 120; /* enough for all on a busy machine too */
    straight.budget_s = 600;
    straight.budget_is_default = straight.no_speed = true; /* no end: no look */
    straight.n_chunks = STRAIGHT_CHUNKS;
    struct sweep *a = run(&req, keep_look, &seen), *b = run(&straight, NULL, NULL);
    assert_int_equal(seen.n_looks, 2);
    assert_int_equal(seen.n_quality[0], N_FIRST + N_TWINS);
    assert_int_equal(seen.n_speed[0], N_FIRST + N_TWINS);
    assert_true(seen.most_chunks[0] >= 1 && seen.most_chunks[0] <= 3);
    assert_int_equal(seen.n_quality[1], N_FORMATS);
    assert_int_equal(seen.n_speed[1], N_FORMATS);
    for (int k = 0; k < N_FIRST; k++)
        assert_string_equal(seen.format[k], first[k]);
    for (int k = 0; k < N_FORMATS; k++) {
        const struct record *of_a = quality_of(a, formats[k]), *of_b = NULL;
        for (int i = 0; i < b->n; i++)
            of_b = strcmp(b->rec[i].format.name, formats[k]) ? of_b : &b->rec[i];
        assert_int_equal(of_b->chunk_kld.n, STRAIGHT_CHUNKS);
        assert_true(of_a->chunk_kld.n >= 5);
        for (int i = 0; i < STRAIGHT_CHUNKS && i < of_a->chunk_kld.n; i++)
            assert_true(of_a->chunk_kld.x[i] == of_b->chunk_kld.x[i]);
        for (int j = 0; j < N_FIRST; j++)
            assert_true(strcmp(first[j], formats[k]) || seen.kld[j] == of_b->chunk_kld.x[0]);
    }
    twins_share_figures(a);
    sweep_free(a);
    sweep_free(b);
}

/* Too short for a look that is shown: the formats named first are measured first all the same, and what they cost
 * decides what else is begun. */
static void a_short_budget_goes_to_the_likely_ones(void **state)
{
    (void)state;
    struct request req = a_request();
    struct seen seen = {0};
    req.budget_s = 1;
    struct sweep *s = run(&req, keep_look, &seen);
    assert_true(isfinite(quality_of(s, first[0])->quality.kld));
    assert_int_equal(seen.n_looks, 0);
    for (int i = 0; i < s->n; i++)
        assert_true(isfinite(s->rec[i].quality.kld) || isfinite(s->rec[i].speed.decode_tok_s.v) ||
                    strstr(s->rec[i].reason, "budget"));
    sweep_free(s);
}

static void interrupt(void *arg, const struct record *rec, int n)
{
    keep_look(arg, rec, n);
    raise(SIGINT);
}

/* What the look found stays where nothing longer followed. The last test: an interrupt cannot be taken back. */
static void an_interrupt_keeps_the_look(void **state)
{
    (void)state;
    struct request req = a_request();
    struct seen seen = {0};
    int n_quality = 0, n_speed = 0, n_unmeasured = 0;
    req.budget_s = 120;
    interrupt_install();
    struct sweep *s = run(&req, interrupt, &seen);
    assert_true(s->interrupted);
    assert_int_equal(seen.n_looks, 1);
    for (int i = 0; i < s->n; i++) {
        const struct record *r = &s->rec[i];
        n_quality += isfinite(r->quality.kld);
        n_speed += isfinite(r->speed.decode_tok_s.v);
        n_unmeasured += r->status == STATUS_NOT_REACHED;
        assert_true(r->status != STATUS_NOT_REACHED || strstr(r->reason, "interrupted"));
        assert_true(isnan(r->quality.kld) || r->quality.n_chunks == seen.most_chunks[0]);
    }
    assert_int_equal(n_quality, N_FIRST + N_TWINS);
    assert_int_equal(n_speed, N_FIRST + N_TWINS);
    assert_int_equal(n_unmeasured, N_FORMATS - N_FIRST - N_TWINS);
    sweep_free(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_comes_first_and_changes_nothing),
        cmocka_unit_test(a_short_budget_goes_to_the_likely_ones),
        cmocka_unit_test(an_interrupt_keeps_the_look),
    };
    if (!test_data_there("models/TinyStories-656K") || !test_data_there("text/stories-ascii.txt"))
        return TEST_SKIPPED;
    char folder[TEMP_PATH];
    struct err e = {0};
    int failed = temp_dir(folder, "look", &e);
    if (!failed)
        write_model(folder);
    if (failed || model_open(&world.model, folder, &e) || pool_new(&world.pool, 2, NULL, &e) ||
        file_read(test_data("text/stories-ascii.txt"), (size_t)1 << 30, &world.text, &world.text_bytes, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    world.text_bytes = 12000;
    world.device.memory.usable_bytes = (int64_t)4 << 30;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    mem_free(world.text);
    model_close(world.model);
    pool_free(world.pool);
    temp_remove(folder);
    return rc;
}
