/* The vocabulary of a GGUF file: its tokens checked and indexed, its special tokens found, and the frame around every
 * tokenizer model: special tokens are cut out first, what lies between goes to the model's own encoder. */
#include <string.h>
#include "base/half.h"
#include "bench/engine/vocab_int.h"
#include "bench/engine/vocab_nfc.h"

enum { MAX_TOKEN_BYTES = 65535, MAX_TOKENS = 1 << 28 };

static const struct tokenizer *const tokenizers[] = {&tokenizer_spm, &tokenizer_bpe};
enum { N_TOKENIZERS = sizeof tokenizers / sizeof *tokenizers };

/* ---- tokens ---- */

static int32_t find_text(const struct vocab *v, const char *text)
{
    return text_find(&v->by_text, text, strlen(text));
}

static int add_token(struct vocab *v, int32_t i, struct gguf_str s, struct err *e)
{
    struct token *t = &v->tok[i];
    if (s.n > MAX_TOKEN_BYTES)
        return err_set(e, ERR_FORMAT, "token %d has %zu bytes, more than any tokenizer's: the file is corrupt", i, s.n);
    if (!s.n) {
        s.p = arena_printf(v->arena, "[EMPTY_%d]", i);
        if (!s.p)
            return err_nomem(e, 32, "the vocabulary");
        s.n = strlen(s.p);
    }
    *t = (struct token){.text = {s.p, (uint32_t)s.n}, .kind = TOK_NORMAL};
    const int32_t same = text_enter(&v->by_text, i);
    return same < 0 ? 0 : err_set(e, ERR_FORMAT, "tokens %d and %d have the same text", same, i);
}

static int load_tokens(struct vocab *v, const struct gguf *g, struct err *e)
{
    const struct gguf_kv *kv = gguf_find(g, "tokenizer.ggml.tokens");
    if (!kv || kv->type != GGUF_ARRAY || kv->elem_type != GGUF_STRING || !kv->count)
        return err_set(e, ERR_FORMAT, "tokenizer.ggml.tokens is %s",
                       !kv ? "missing" : kv->count ? "not a list of texts" : "empty");
    if (kv->count > MAX_TOKENS)
        return err_set(e, ERR_LIMIT, "%llu tokens are more than this program handles",
                       (unsigned long long)kv->count);
    v->n = (int32_t)kv->count;
    if (!(v->tok = arena_alloc_n(v->arena, (size_t)v->n, sizeof *v->tok)))
        return err_nomem(e, kv->count * sizeof *v->tok, "the vocabulary");
    int rc = text_table_new(&v->by_text, v->arena, v->tok, sizeof *v->tok, (size_t)v->n, e);
    for (int32_t i = 0; i < v->n && !rc; i++)
        rc = add_token(v, i, kv->strings[i], e);
    return rc;
}

/* The array of that key, one number per token; NULL when absent. */
static int token_numbers(const struct gguf *g, const char *key, int32_t n, const struct gguf_kv **out, struct err *e)
{
    *out = gguf_find(g, key);
    if (!*out)
        return 0;
    double d;
    int64_t i;
    if ((*out)->type != GGUF_ARRAY || ((*out)->count && !gguf_array_f64(*out, 0, &d) && !gguf_array_i64(*out, 0, &i)))
        return err_set(e, ERR_FORMAT, "%s is not a list of numbers", key);
    if ((*out)->count < (uint64_t)n)
        return err_set(e, ERR_FORMAT, "%s has %llu entries for %d tokens: the file is corrupt", key,
                       (unsigned long long)(*out)->count, n);
    return 0;
}

/* Bits that sort like the scores, best first, equal scores equal. */
static uint32_t score_order(float score)
{
    const uint32_t u = f32_bits(score + 0.0f);
    return u >> 31 ? u : ~(u | 0x80000000u);
}

static int load_scores(struct vocab *v, const struct gguf *g, struct err *e)
{
    const struct gguf_kv *kv;
    const int rc = token_numbers(g, "tokenizer.ggml.scores", v->n, &kv, e);
    if (rc || !kv)
        return rc;
    for (int32_t i = 0; i < v->n; i++) {
        double d = 0;
        int64_t whole = 0;
        if (!gguf_array_f64(kv, (uint64_t)i, &d) && gguf_array_i64(kv, (uint64_t)i, &whole))
            d = (double)whole;
        if (d != d)
            return err_set(e, ERR_FORMAT, "the score of token %d is not a number", i);
        v->tok[i].order = score_order((float)d);
    }
    return 0;
}

static int load_kinds(struct vocab *v, const struct gguf *g, struct err *e)
{
    static const uint32_t kinds[] = {0, TOK_NORMAL, TOK_UNKNOWN, TOK_CONTROL, TOK_USER, 0, TOK_BYTE};
    const struct gguf_kv *kv;
    const int rc = token_numbers(g, "tokenizer.ggml.token_type", v->n, &kv, e);
    if (rc || !kv)
        return rc;
    for (int32_t i = 0; i < v->n; i++) {
        int64_t type = -1;
        if (!gguf_array_i64(kv, (uint64_t)i, &type))
            return err_set(e, ERR_FORMAT, "tokenizer.ggml.token_type is not a list of whole numbers");
        v->tok[i].kind = type > 0 && type < (int64_t)(sizeof kinds / sizeof *kinds) ? kinds[type] : 0;
    }
    return 0;
}

static void find_byte_tokens(struct vocab *v)
{
    static const char hex[] = "0123456789ABCDEF";
    for (int b = 0; b < 256; b++) {
        const char text[] = {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>'}, one = (char)b;
        v->byte_token[b] = text_find(&v->by_text, text, sizeof text);
        if (v->byte_token[b] < 0)
            v->byte_token[b] = text_find(&v->by_text, &one, 1);
    }
}

/* ---- special tokens ---- */

enum role { ROLE_END, ROLE_USER, ROLE_FIM_PRE, ROLE_FIM_SUF, ROLE_FIM_MID, ROLE_FIM_PAD, ROLE_FIM_REP, ROLE_FIM_SEP,
            N_ROLES };

/* An optional token id. All ones stand for "none" in some files. */
static int load_id(const struct vocab *v, const struct gguf *g, const char *key, int32_t *id, struct err *e)
{
    int64_t x;
    if (*id >= v->n)
        *id = -1;
    if (!gguf_get_i64(g, key, &x) || x == -1 || x == UINT32_MAX)
        return 0;
    if (x < 0 || x >= v->n)
        return err_set(e, ERR_FORMAT, "%s is %lld, but there are %d tokens: the file is corrupt", key, (long long)x,
                       v->n);
    *id = (int32_t)x;
    return 0;
}

/* Marks the token that a key of the file names; false where there is none. Wrong ids are left alone. */
static bool mark_by_key(struct vocab *v, const struct gguf *g, const char *key, uint32_t kind)
{
    int32_t id = -1;
    if (!key || load_id(v, g, key, &id, NULL) || id < 0)
        return false;
    v->tok[id].kind |= kind;
    return true;
}

static void mark_by_text(struct vocab *v, bool done[N_ROLES])
{
    static const struct {
        enum role role;
        const char *text;
    } rows[] = {
#define SPECIAL_TEXT(role, text) {ROLE_##role, text},
#include "bench/engine/special_texts.def"
#undef SPECIAL_TEXT
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const enum role role = rows[i].role;
        const int32_t id = find_text(v, rows[i].text);
        if (id < 0 || done[role])
            continue;
        if (role == ROLE_USER)
            v->tok[id].kind = TOK_USER;
        else
            v->tok[id].kind |= TOK_CONTROL | (role == ROLE_END || role >= ROLE_FIM_PAD ? TOK_END : 0);
        done[role] = role != ROLE_USER && role != ROLE_END;
    }
}

static bool ends(const struct vocab *v, const char *text)
{
    const int32_t id = find_text(v, text);
    return id >= 0 && (v->tok[id].kind & TOK_END);
}

/* Where a dialogue has its own tokens for the end of a turn, "<|end|>" only ends a message. */
static void unmark_message_end(struct vocab *v)
{
    const bool call = ends(v, "<|call|>") || ends(v, "<|calls|>");
    if (call && (ends(v, "<|return|>") || ends(v, "<|flush|>")) && ends(v, "<|end|>"))
        v->tok[find_text(v, "<|end|>")].kind = TOK_USER;
}

static bool contains_nocase(struct gguf_str s, const char *word)
{
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= s.n; i++) {
        size_t k = 0;
        while (k < n && (s.p[i + k] | 0x20) == (word[k] | 0x20))
            k++;
        if (k == n)
            return true;
    }
    return false;
}

/* Phi-3 drops the white space behind its special tokens; its GGUF files tell it by the model's name alone. */
static void mark_rstrip_by_name(struct vocab *v, const struct gguf *g)
{
    static const char *const keep[] = {"<unk>", "<s>", "<|endoftext|>"};
    struct gguf_str name;
    if (!gguf_get_str(g, "general.name", &name) || !(contains_nocase(name, "phi-3") || contains_nocase(name, "phi3")))
        return;
    for (int32_t i = 0; i < v->n; i++)
        if (v->tok[i].kind & (TOK_CONTROL | TOK_USER | TOK_UNKNOWN))
            v->tok[i].kind |= TOK_RSTRIP;
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
        const int32_t id = find_text(v, keep[i]);
        if (id >= 0)
            v->tok[id].kind &= ~(uint32_t)TOK_RSTRIP;
    }
}

static void mark_rstrip(struct vocab *v, const struct gguf *g)
{
    const struct gguf_kv *listed = gguf_find(g, "whichquant.tokenizer.rstrip");
    int64_t id;
    if (!listed)
        mark_rstrip_by_name(v, g);
    for (uint64_t i = 0; listed && gguf_array_i64(listed, i, &id); i++)
        if (id >= 0 && id < v->n)
            v->tok[id].kind |= TOK_RSTRIP;
}

/* Folders list any number of them; GGUF has room for three. */
static void mark_ends(struct vocab *v, const struct gguf *g)
{
    const struct gguf_kv *listed = gguf_find(g, "whichquant.tokenizer.ends");
    int64_t id;
    for (uint64_t i = 0; listed && gguf_array_i64(listed, i, &id); i++)
        if (id >= 0 && id < v->n)
            v->tok[id].kind |= TOK_END;
}

static int load_special(struct vocab *v, const struct gguf *g, struct err *e)
{
    static const char *const fim_keys[N_ROLES][2] = {
        [ROLE_FIM_PRE] = {"tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id"},
        [ROLE_FIM_SUF] = {"tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id"},
        [ROLE_FIM_MID] = {"tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id"},
        [ROLE_FIM_PAD] = {"tokenizer.ggml.fim_pad_token_id"},
        [ROLE_FIM_REP] = {"tokenizer.ggml.fim_rep_token_id"},
        [ROLE_FIM_SEP] = {"tokenizer.ggml.fim_sep_token_id"},
    };
    bool done[N_ROLES] = {0};
    int rc;
    if ((rc = load_id(v, g, "tokenizer.ggml.bos_token_id", &v->bos, e)) ||
        (rc = load_id(v, g, "tokenizer.ggml.eos_token_id", &v->eos, e)) ||
        (rc = load_id(v, g, "tokenizer.ggml.unknown_token_id", &v->unk, e)))
        return rc;
    if (v->unk >= 0 && !gguf_find(g, "tokenizer.ggml.unknown_token_id") && !(v->tok[v->unk].kind & TOK_UNKNOWN))
        v->unk = -1;                  /* the customary place holds something else */
    for (enum role r = ROLE_FIM_PRE; r < N_ROLES; r++)
        for (int k = 0; k < 2; k++)
            done[r] |= mark_by_key(v, g, fim_keys[r][k], r >= ROLE_FIM_PAD ? TOK_END : 0);
    mark_by_text(v, done);
    if (v->eos >= 0)
        v->tok[v->eos].kind |= TOK_END;
    mark_by_key(v, g, "tokenizer.ggml.eot_token_id", TOK_END);
    mark_by_key(v, g, "tokenizer.ggml.eom_token_id", TOK_END);
    unmark_message_end(v);
    mark_ends(v, g);
    mark_rstrip(v, g);
    if ((rc = special_set_new(&v->user, v, TOK_USER, TOK_CONTROL | TOK_UNKNOWN, e)))
        return rc;
    return special_set_new(&v->all, v, TOK_USER | TOK_CONTROL | TOK_UNKNOWN, 0, e);
}

/* ---- loading ---- */

static int choose_tokenizer(struct vocab *v, const struct gguf *g, struct err *e)
{
    char name[GGUF_SHOWN_BYTES];
    struct gguf_str s;
    if (!gguf_get_str(g, "tokenizer.ggml.model", &s))
        return err_set(e, ERR_FORMAT, "tokenizer.ggml.model is missing: the file has no tokenizer");
    for (int i = 0; i < N_TOKENIZERS; i++)
        if (strlen(tokenizers[i]->name) == s.n && !memcmp(tokenizers[i]->name, s.p, s.n))
            v->tokenizer = tokenizers[i];
    if (!v->tokenizer)
        return err_set(e, ERR_UNSUPPORTED, "the tokenizer model '%s' is not supported (llama and gpt2 are)",
                       gguf_shown(s, name));
    return 0;
}

static void load_space_prefix(struct vocab *v, const struct gguf *g)
{
    bool add = v->tokenizer->add_space_prefix;
    int64_t rule;
    gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &add);
    v->space_prefix = add ? PREFIX_AFTER_SPECIAL : PREFIX_NONE;
    if (gguf_get_i64(g, "whichquant.tokenizer.space_prefix", &rule) && rule >= 0 && rule < N_PREFIXES)
        v->space_prefix = (enum space_prefix)rule;
}

static int load(struct vocab *v, const struct gguf *g, struct err *e)
{
    int rc = choose_tokenizer(v, g, e);
    if (rc)
        return rc;
    const struct tokenizer *t = v->tokenizer;
    v->bos = t->bos;
    v->eos = t->eos;
    v->unk = t->unk;
    v->add_bos = t->add_bos;
    v->pre = "default";
    if ((rc = load_tokens(v, g, e)) || (rc = load_scores(v, g, e)) || (rc = load_kinds(v, g, e)) ||
        (rc = load_special(v, g, e)))
        return rc;
    find_byte_tokens(v);
    if (t->load && (rc = t->load(v, g, e)))
        return rc;
    gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &v->add_bos);
    gguf_get_bool(g, "tokenizer.ggml.add_eos_token", &v->add_eos);
    gguf_get_bool(g, "whichquant.tokenizer.nfc", &v->composes);
    load_space_prefix(v, g);
    if ((v->add_bos && v->bos < 0) || (v->add_eos && v->eos < 0))
        return err_set(e, ERR_FORMAT, "every text shall %s a %s token, but none is named",
                       v->add_bos && v->bos < 0 ? "begin with" : "end with", v->add_bos && v->bos < 0 ? "BOS" : "EOS");
    return 0;
}

int vocab_load(struct vocab **out, const struct gguf *g, struct err *e)
{
    struct err own;
    if (!e)
        e = &own;
    *out = NULL;
    struct vocab *v = mem_alloc(sizeof *v);
    if (!v || !(v->arena = arena_new())) {
        mem_free(v);
        return err_nomem(e, sizeof *v, "the vocabulary");
    }
    const int rc = load(v, g, e);
    if (rc) {
        err_context(e, "%s", g->path);
        vocab_free(v);
    } else {
        *out = v;
    }
    return rc;
}

void vocab_free(struct vocab *v)
{
    if (!v)
        return;
    if (v->tokenizer && v->tokenizer->unload)
        v->tokenizer->unload(v);
    arena_free(v->arena);
    mem_free(v);
}

int32_t vocab_size(const struct vocab *v) { return v->n; }
const char *vocab_model(const struct vocab *v) { return v->tokenizer->name; }
const char *vocab_pre(const struct vocab *v) { return v->pre; }
int32_t vocab_bos(const struct vocab *v) { return v->bos; }
int32_t vocab_eos(const struct vocab *v) { return v->eos; }
bool vocab_adds_bos(const struct vocab *v) { return v->add_bos; }
bool vocab_adds_eos(const struct vocab *v) { return v->add_eos; }

bool vocab_is_end(const struct vocab *v, int32_t id)
{
    return id >= 0 && id < v->n && (v->tok[id].kind & TOK_END);
}

/* ---- text to ids and back ---- */

int ids_push(struct ids *ids, int32_t id, struct err *e)
{
    if (ids->n == ids->cap) {
        const size_t cap = ids->cap ? ids->cap * 2 : 64;
        int32_t *p = mem_resize(ids->p, cap * sizeof *p);
        if (!p)
            return err_nomem(e, cap * sizeof *p, "token ids");
        ids->p = p;
        ids->cap = cap;
    }
    ids->p[ids->n++] = id;
    return 0;
}

static bool begins_with_space(const char *p, uint32_t n)
{
    return (n && *p == ' ') || (n >= 3 && !memcmp(p, "\xe2\x96\x81", 3));
}

static bool wants_space(const struct vocab *v, const char *text, struct fragment f, bool after_special)
{
    if (v->space_prefix <= PREFIX_AFTER_SPECIAL)
        return v->space_prefix && after_special;
    return !begins_with_space(text + f.at, f.n) && (v->space_prefix == PREFIX_UNLESS_SPACE || f.at == 0);
}

static int encode_text(const struct vocab *v, const char *text, struct fragment f, bool after_special, struct ids *out,
                       struct err *e)
{
    const char *piece = text + f.at;
    const bool space = wants_space(v, text, f, after_special), compose = v->composes && !nfc_is_plain(piece, f.n);
    if (!space && !compose)
        return v->tokenizer->encode(v, piece, f.n, out, e);
    struct sbuf copy = {0};
    int rc = 0;
    if (space)
        sbuf_putc(&copy, ' ');
    if (compose)
        rc = nfc_add(&copy, piece, f.n, e);
    else
        sbuf_add(&copy, piece, f.n);
    if (!rc && copy.failed)
        rc = err_nomem(e, (unsigned long long)f.n + 1, "a text");
    if (!rc)
        rc = v->tokenizer->encode(v, copy.p, copy.n, out, e);
    sbuf_free(&copy);
    return rc;
}

static int encode(const struct vocab *v, const char *text, uint32_t n, bool add_special, bool parse_special,
                  struct ids *out, struct err *e)
{
    struct fragments f;
    bool after_special = true;        /* the first piece counts as following one */
    int rc = special_split(v, parse_special ? &v->all : &v->user, text, n, &f, e);
    if (!rc && add_special && v->add_bos)
        rc = ids_push(out, v->bos, e);
    for (size_t i = 0; i < f.n && !rc; i++) {
        rc = f.p[i].token >= 0 ? ids_push(out, f.p[i].token, e)
                               : encode_text(v, text, f.p[i], after_special, out, e);
        after_special = f.p[i].token >= 0;
    }
    if (!rc && add_special && v->add_eos)
        rc = ids_push(out, v->eos, e);
    mem_free(f.p);
    return rc;
}

int vocab_encode(const struct vocab *v, const char *text, size_t n, bool add_special, bool parse_special, int32_t **ids,
                 size_t *n_ids, struct err *e)
{
    struct ids out = {0};
    *ids = NULL;
    *n_ids = 0;
    if (n > INT32_MAX / 4)
        return err_set(e, ERR_LIMIT, "a text of %zu bytes is too long to tokenize at once: split it", n);
    int rc = encode(v, text, (uint32_t)n, add_special, parse_special, &out, e);
    if (!rc && !out.p && !(out.p = mem_alloc(sizeof *out.p)))
        rc = err_nomem(e, sizeof *out.p, "token ids");
    if (rc) {
        mem_free(out.p);
        return rc;
    }
    *ids = out.p;
    *n_ids = out.n;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void vocab_piece(const struct vocab *v, int32_t id, struct sbuf *out)
{
    if (id < 0 || id >= v->n)
        return;
    const struct token *t = &v->tok[id];
    if (t->kind & (TOK_CONTROL | TOK_UNKNOWN))
        return;
    if (t->kind & TOK_USER) {
        sbuf_add(out, t->text.p, t->text.n);
    } else if (t->kind & TOK_NORMAL) {
        v->tokenizer->piece(v, t, out);
    } else if (t->kind & TOK_BYTE && t->text.n == 6) {
        const int high = hex_digit(t->text.p[3]), low = hex_digit(t->text.p[4]);
        if (high >= 0 && low >= 0)
            sbuf_putc(out, (char)(high << 4 | low));
    }
}
