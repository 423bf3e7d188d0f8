/* What stands beside tokenizer.json: tokenizer_config.json, special_tokens_map.json, generation_config.json. A model
 * that was read from a folder keeps the files that it has there. */
#include <string.h>
#include "base/mem.h"
#include "bench/artifact/hf_write.h"

enum { MAX_FILE = 1 << 28 };
static const char *const tokenizer_files[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "tokenizer.model",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
};
enum { TOKENIZER, SETTINGS, N_TOKENIZER_FILES = sizeof tokenizer_files / sizeof *tokenizer_files };

static const struct {
    const char *role, *token, *id; /* token: in the settings of the tokenizer; id: in those of generation */
} roles[] = {
    {"bos", "bos_token", "bos_token_id"},
    {"eos", "eos_token", NULL},
    {"unknown", "unk_token", NULL},
    {"padding", "pad_token", "pad_token_id"},
};
enum { N_ROLES = sizeof roles / sizeof *roles };

int hf_write_json(const char *folder, const char *name, const json_t *v, struct err *e)
{
    struct sbuf text = {0}, path = {0};
    json_print(&text, v, 2);
    sbuf_putc(&text, '\n');
    sbuf_printf(&path, "%s/%s", folder, name);
    int rc = text.failed || path.failed ? err_nomem(e, text.n, name) : file_write(path.p, text.p, text.n, e);
    sbuf_free(&text);
    sbuf_free(&path);
    return rc;
}

static json_t *token_text(const struct gguf *g, int64_t id)
{
    const struct gguf_kv *tokens = gguf_find(g, "tokenizer.ggml.tokens");
    return json_stringn(tokens->strings[id].p, tokens->strings[id].n);
}

static json_t *special_tokens(const struct gguf *g)
{
    json_t *o = json_object();
    for (int i = 0; i < N_ROLES; i++) {
        const int64_t id = hf_special_id(g, roles[i].role);
        if (id >= 0)
            json_put(o, roles[i].token, token_text(g, id));
    }
    return o;
}

static int64_t context_of(const struct gguf *g)
{
    struct gguf_str arch;
    char key[96];
    int64_t n = 0;
    if (gguf_get_str(g, "general.architecture", &arch)) {
        snprintf(key, sizeof key, "%.*s.context_length", (int)(arch.n < 64 ? arch.n : 64), arch.p);
        gguf_get_i64(g, key, &n);
    }
    return n;
}

static json_t *tokenizer_settings(const struct gguf *g)
{
    struct gguf_str chat;
    json_t *o = special_tokens(g);
    json_put(o, "add_bos_token", json_boolean(hf_adds_bos(g) && hf_special_id(g, "bos") >= 0));
    json_put(o, "add_eos_token", json_boolean(hf_adds_eos(g) && hf_special_id(g, "eos") >= 0));
    json_put(o, "clean_up_tokenization_spaces", json_false());
    if (context_of(g) > 0)
        json_put(o, "model_max_length", json_integer(context_of(g)));
    json_put(o, "tokenizer_class", json_string("PreTrainedTokenizerFast"));
    if (gguf_get_str(g, "tokenizer.chat_template", &chat))
        json_put(o, "chat_template", json_stringn(chat.p, chat.n));
    return o;
}

static void add_end(json_t *list, int64_t id)
{
    size_t i;
    json_t *have;
    json_array_foreach(list, i, have) if (json_integer_value(have) == id) return;
    if (id >= 0)
        json_array_append_new(list, json_integer(id));
}

static json_t *generation_settings(const struct gguf *g)
{
    const struct gguf_kv *listed = gguf_find(g, "whichquant.tokenizer.ends");
    json_t *o = json_object(), *ends = json_array();
    int64_t id;
    for (int i = 0; i < N_ROLES; i++)
        if (roles[i].id && hf_special_id(g, roles[i].role) >= 0)
            json_put(o, roles[i].id, json_integer(hf_special_id(g, roles[i].role)));
    add_end(ends, hf_special_id(g, "eos"));
    add_end(ends, hf_special_id(g, "eot"));
    add_end(ends, hf_special_id(g, "eom"));
    for (uint64_t i = 0; listed && gguf_array_i64(listed, i, &id); i++)
        add_end(ends, id);
    if (json_array_size(ends) == 1)
        json_put(o, "eos_token_id", json_incref(json_array_get(ends, 0)));
    else if (json_array_size(ends))
        json_put(o, "eos_token_id", json_incref(ends));
    json_decref(ends);
    return o;
}

static int copy_file(const char *from, const char *folder, const char *name, struct err *e)
{
    struct sbuf path = {0};
    char *text = NULL;
    size_t n;
    sbuf_printf(&path, "%s/%s", folder, name);
    int rc = path.failed ? err_nomem(e, 64, "a path") : file_read(from, MAX_FILE, &text, &n, e);
    if (!rc)
        rc = file_write(path.p, text, n, e);
    mem_free(text);
    sbuf_free(&path);
    return rc;
}

static int copy_files(const char *folder, const struct hf *source, bool has[N_TOKENIZER_FILES], struct err *e)
{
    int rc = 0;
    for (int i = 0; i < N_TOKENIZER_FILES && !rc; i++) {
        struct sbuf from = {0};
        sbuf_printf(&from, "%s/%s", source->path, tokenizer_files[i]);
        if (from.failed)
            rc = err_nomem(e, 64, "a path");
        else if (file_exists(from.p)) {
            has[i] = true;
            rc = copy_file(from.p, folder, tokenizer_files[i], e);
        }
        sbuf_free(&from);
    }
    return rc;
}

static int write_made(const char *folder, const char *name, json_t *v, struct err *e)
{
    int rc = v ? hf_write_json(folder, name, v, e) : err_nomem(e, 64, name);
    json_decref(v);
    return rc;
}

int hf_write_tokenizer(const char *folder, const struct gguf *g, const struct hf *source, struct err *e)
{
    bool has[N_TOKENIZER_FILES] = {false};
    json_t *tokenizer = NULL;
    int rc = source ? copy_files(folder, source, has, e) : 0;
    if (rc || (has[TOKENIZER] && has[SETTINGS]))
        return rc;
    if (has[TOKENIZER]) /* without settings transformers takes the tokenizer that it knows of the architecture */
        return write_made(folder, "tokenizer_config.json", tokenizer_settings(g), e);
    if ((rc = hf_make_tokenizer(&tokenizer, g, e)) || (rc = write_made(folder, "tokenizer.json", tokenizer, e)) ||
        (rc = write_made(folder, "tokenizer_config.json", tokenizer_settings(g), e)) ||
        (rc = write_made(folder, "special_tokens_map.json", special_tokens(g), e)))
        return rc;
    return write_made(folder, "generation_config.json", generation_settings(g), e);
}

int hf_check_write(const struct gguf *g, const struct hf *source, struct err *e)
{
    json_t *config = NULL, *tokenizer = NULL;
    int rc = hf_make_config(&config, g, source, "float16", e);
    if (!rc && !source)
        rc = hf_make_tokenizer(&tokenizer, g, e);
    json_decref(config);
    json_decref(tokenizer);
    return rc;
}
