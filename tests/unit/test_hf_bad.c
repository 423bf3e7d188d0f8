/* Damaged and foreign model folders: each is refused with the right code and a sentence that names what is wrong. A
 * case is a golden folder with one text in one of its files replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/sbuf.h"
#include "bench/artifact/safetensors.h"
#include "bench/engine/model.h"

static const char *const files[] = {"config.json",
                                    "tokenizer.json",
                                    "model.safetensors",
                                    "model.safetensors.index.json",
                                    "model-00001-of-00004.safetensors",
                                    "model-00002-of-00004.safetensors",
                                    "model-00003-of-00004.safetensors",
                                    "model-00004-of-00004.safetensors"};
enum { N_FILES = sizeof files / sizeof *files };

static const struct bad {
    const char *folder, *file;
    const char *from, *to; /* to NULL: the file is not there; from NULL: to is the whole file */
    int code;
    const char *says;
} cases[] = {
    {"llama", "config.json", "", NULL, ERR_MISSING, "no config.json"},
    {"llama", "config.json", NULL, "{", ERR_FORMAT, "not valid JSON"},
    {"llama", "config.json", NULL, "{}", ERR_FORMAT, "model_type"},
    {"llama", "config.json", "\"model_type\": \"llama\"", "\"model_type\": \"mamba\"", ERR_UNSUPPORTED, "\"mamba\""},
    {"llama", "config.json", "hidden_size", "hidden_sighs", ERR_FORMAT, "hidden_size is missing"},
    {"llama", "config.json", "\"hidden_size\": 32", "\"hidden_size\": \"32\"", ERR_FORMAT, "hidden_size is not a size"},
    {"llama", "config.json", "\"hidden_size\": 32", "\"hidden_size\": 33", ERR_FORMAT, "token_embd.weight is 320 x 32"},
    {"llama", "config.json", "\"silu\"", "\"relu\"", ERR_UNSUPPORTED, "hidden_act"},
    {"llama", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", ERR_FORMAT, "blk.2."},
    {"llama", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", ERR_UNSUPPORTED, "layers.1."},
    {"llama", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 99999", ERR_FORMAT, "99999"},
    {"llama", "config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", ERR_FORMAT,
     "num_attention_heads"},
    {"llama", "config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 5", ERR_FORMAT, "48 rows"},
    {"llama", "config.json", "\"llama3\"", "\"yarn\"", ERR_UNSUPPORTED, "\"yarn\""},
    {"llama", "config.json", "\"factor\": 8.0", "\"factor\": -8.0", ERR_FORMAT, "rope_scaling"},
    {"llama", "config.json", "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": -1", ERR_FORMAT, "epsilon"},
    {"llama", "config.json", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": 0", 0, NULL},
    {"qwen2", "config.json", "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false", ERR_FORMAT, "lm_head"},
    {"gemma3", "config.json", "\"full_attention\",", "\"chunked_attention\",", ERR_UNSUPPORTED, "layer_types"},
    {"gemma3", "config.json", "\"sliding_attention\",", "\"full_attention\",", ERR_UNSUPPORTED, "pattern"},
    {"phi3", "config.json", "\"long_factor\"", "\"longest_factor\"", ERR_FORMAT, "long_factor"},
    {"phi3", "config.json", "\"partial_rotary_factor\": 0.75", "\"partial_rotary_factor\": 0", ERR_FORMAT, "rotation"},
    {"awq", "config.json", "\"awq\"", "\"aqlm\"", ERR_UNSUPPORTED, "\"aqlm\""},
    {"awq", "config.json", "\"gemm\"", "\"gemv\"", ERR_UNSUPPORTED, "\"gemv\""},
    {"awq", "config.json", "\"group_size\": 32", "\"group_size\": 64", ERR_FORMAT, "qzeros"},
    {"gptq", "config.json", "\"checkpoint_format\": \"gptq\"", "\"checkpoint_format\": \"marlin\"", ERR_UNSUPPORTED,
     "marlin"},
    {"gptq", "config.json", "\"bits\": 4", "\"bits\": 5", ERR_UNSUPPORTED, "5 bits"},
    {"gptq", "config.json", "\"group_size\": 32", "\"group_size\": 48", ERR_UNSUPPORTED, "its 48 inputs"},
    {"gptq", "config.json", "\"desc_act\"", "\"dynamic\": {\"x\": {}}, \"desc_act\"", ERR_UNSUPPORTED, "dynamic"},
    {"mlx-4bit", "config.json", "\"affine\"", "\"cubic\"", ERR_UNSUPPORTED, "\"cubic\""},
    {"mlx-4bit", "config.json", "\"bits\": 4", "\"bits\": 7", ERR_UNSUPPORTED, "7 bits"},
    {"fp8-rows", "config.json", "float-quantized", "pack-quantized", ERR_UNSUPPORTED, "pack-quantized"},
    {"bnb-nf4", "config.json", "\"load_in_4bit\": true", "\"load_in_4bit\": false", ERR_UNSUPPORTED, "load_in_4bit"},
    {"bnb-nf4", "config.json", "\"quantization_config\"", "\"forgotten\"", ERR_UNSUPPORTED,
     "nothing of a quantization"},
    {"bnb-nf4", "model.safetensors", "\"blocksize\": 64", "\"blocksize\": 63", ERR_UNSUPPORTED, "blocks of 63"},
    {"exl2", "model.safetensors", "mlp.up_proj.q_invperm", "mlp.up_proj.q_invberm", ERR_FORMAT, "q_invperm is missing"},
    {"exl3", "model.safetensors", "mlp.up_proj.svh", "mlp.up_proj.svx", ERR_FORMAT, "sv is missing"},
    {"exl3", "model.safetensors", "0.mlp.gate_proj.mcg", "2.mlp.down_proj.mcg", ERR_FORMAT, "two codebooks"},
    {"exl3", "model.safetensors", "3.mlp.gate_proj.mul1", "3.mlp.gate_proj.mulx", ERR_FORMAT, "half bits below 4"},
    {"exl3", "model.safetensors", "[8,8,16]", "[8,4,32]", ERR_FORMAT, "8 x 4 tiles"},
    {"awq", "model.safetensors", "mlp.up_proj.scales", "mlp.up_proj.scalps", ERR_FORMAT, "scales is missing"},
    {"awq", "model.safetensors", "model.norm.weight", "model.norm.height", ERR_UNSUPPORTED, "model.norm.height"},
    {"qwen2", "model.safetensors", "model.embed_tokens", "model.embed_tocens", ERR_FORMAT,
     "embed_tokens.weight is missing"},
    {"qwen2", "model.safetensors", "\"dtype\":\"F16\"", "\"dtype\":\"I16\"", ERR_UNSUPPORTED, "I16"},
    {"qwen2", "model.safetensors", "\"dtype\":\"F16\"", "\"dtype\":\"F32\"", ERR_FORMAT, "its dtype and shape ask for"},
    {"qwen2", "model.safetensors", "\"dtype\":\"F16\"", "\"dtype\":\"F99\"", ERR_UNSUPPORTED, "\"F99\""},
    {"qwen2", "model.safetensors", "\"shape\":[320,32]", "\"shape\":[32,320]", ERR_FORMAT,
     "beyond the rows of the embedding"},
    {"qwen2", "model.safetensors", NULL, "short", ERR_FORMAT, "5 bytes"},
    {"qwen2", "model.safetensors", "", NULL, ERR_MISSING, "no .safetensors file"},
    {"mistral", "model-00002-of-00004.safetensors", "", NULL, ERR_MISSING, "model-00002-of-00004.safetensors"},
    {"mistral", "model.safetensors.index.json", "model-00002", "../../00002", ERR_FORMAT, "no file of this folder"},
    {"mistral", "model.safetensors.index.json", "model-00001", "model-00002", ERR_FORMAT, "does not have it"},
    {"mistral", "model.safetensors.index.json", NULL, "{}", ERR_FORMAT, "weight_map"},
    {"mistral", "tokenizer.json", "", NULL, ERR_MISSING, "tokenizer.json"},
    {"mistral", "tokenizer.json", NULL, "[]", ERR_FORMAT, "no vocabulary"},
    {"mistral", "tokenizer.json", "\"type\": \"BPE\"", "\"type\": \"Unigram\"", ERR_UNSUPPORTED, "not BPE"},
    {"mistral", "tokenizer.json", "\"byte_fallback\": true", "\"byte_fallback\": false", ERR_UNSUPPORTED, "bytes"},
    {"mistral", "tokenizer.json", "\"split\": false", "\"split\": true", ERR_UNSUPPORTED, "pre_tokenizer"},
    {"mistral", "tokenizer.json", "\"id\": 2,", "\"id\": 3200,", ERR_FORMAT, "beyond the rows"},
    {"mistral", "tokenizer.json", "\"id\": 2,", "\"id\": 40,", ERR_FORMAT, "the same id"},
    {"mistral", "tokenizer.json", "\"lstrip\": false", "\"lstrip\": true", ERR_UNSUPPORTED, "lstrip"},
    {"llama", "tokenizer.json", "{1,3}", "{1,9}", ERR_UNSUPPORTED, "pre_tokenizer"},
    {"llama", "tokenizer.json", "\"add_prefix_space\": false", "\"add_prefix_space\": true", ERR_UNSUPPORTED, "space"},
    {"qwen2", "tokenizer.json", "\"NFC\"", "\"Lowercase\"", ERR_UNSUPPORTED, "normalizer"},
};

static void replace(struct sbuf *out, const char *text, size_t n, const struct bad *b)
{
    const char *at = b->from ? memmem(text, n, b->from, strlen(b->from)) : NULL;
    if (b->from && !at)
        fail_msg("%s/%s has no %s", b->folder, b->file, b->from);
    if (at)
        sbuf_add(out, text, (size_t)(at - text));
    sbuf_puts(out, b->to);
    if (at)
        sbuf_add(out, at + strlen(b->from), n - (size_t)(at - text) - strlen(b->from));
}

/* The files of the golden folder below `to`, one of them changed. */
static void copy_folder(const char *to, const struct bad *b)
{
    struct err e = {0};
    for (int i = 0; i < N_FILES; i++) {
        char from[1024], path[1024], *text;
        size_t n;
        snprintf(from, sizeof from, SOURCE_ROOT "/tests/golden/hf/%s/%s", b->folder, files[i]);
        snprintf(path, sizeof path, "%s/%s", to, files[i]);
        unlink(path);
        bool changed = !strcmp(files[i], b->file);
        if (!file_exists(from) || (changed && !b->to))
            continue;
        struct sbuf out = {0};
        assert_int_equal(file_read(from, 1 << 20, &text, &n, &e), 0);
        if (changed)
            replace(&out, text, n, b);
        else
            sbuf_add(&out, text, n);
        assert_int_equal(file_write(path, out.p, out.n, &e), 0);
        sbuf_free(&out);
        mem_free(text);
    }
}

static void remove_folder(const char *path)
{
    for (int i = 0; i < N_FILES; i++) {
        char file[1024];
        snprintf(file, sizeof file, "%s/%s", path, files[i]);
        unlink(file);
    }
    rmdir(path);
}

static void damaged_folders_are_refused(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_hf_bad_XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct bad *b = &cases[i];
        struct err e = {0};
        struct model *m = NULL;
        copy_folder(folder, b);
        int rc = model_open(&m, folder, &e);
        if (rc != b->code || (rc && !strstr(e.text, b->says)))
            fail_msg("case %zu, %s/%s with \"%s\": %d \"%s\", not %d \"... %s ...\"", i, b->folder, b->file,
                     b->to ? b->to : "(gone)", rc, e.text, b->code, b->says ? b->says : "");
        if (!rc)
            model_close(m);
    }
    remove_folder(folder);
}

/* The n-th allocation fails: an error, no crash, no leak. */
static void failing_allocations(void **state)
{
    (void)state;
    static const char *const folders[] = {"mistral", "bnb-nf4", "gptq-v2-order"};
    for (int i = 0; i < 3; i++) {
        char path[1024];
        snprintf(path, sizeof path, SOURCE_ROOT "/tests/golden/hf/%s", folders[i]);
        for (long n = 1;; n += n < 150 ? 1 : 37) {
            struct model *m = NULL;
            struct err e = {0};
            mem_fail_from(n);
            int rc = model_open(&m, path, &e);
            mem_fail_from(0);
            if (rc == 0) {
                model_close(m);
                assert_true(n > 20);
                break;
            }
            if (!e.text[0])
                fail_msg("%s, allocation %ld: no sentence", path, n);
        }
    }
}

static void cut_safetensors(void **state)
{
    (void)state;
    char *text;
    size_t n;
    struct err e = {0};
    assert_int_equal(file_read(SOURCE_ROOT "/tests/golden/hf/qwen2/model.safetensors", 1 << 20, &text, &n, &e), 0);
    for (size_t cut = 0; cut < n; cut += cut < 3000 ? 1 : 997) {
        struct safetensors *s = NULL;
        uint8_t *exact = malloc(cut ? cut : 1);
        memcpy(exact, text, cut);
        int rc = safetensors_open_memory(&s, exact, cut, "cut", &e);
        assert_true(rc == ERR_FORMAT && strstr(e.text, "cut: "));
        free(exact);
    }
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_folders_are_refused),
        cmocka_unit_test(failing_allocations),
        cmocka_unit_test(cut_safetensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
