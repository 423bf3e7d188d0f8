/* Byte-level BPE ("gpt2"): regular expressions cut the text into words, then the merge list is applied inside each
 * word, earliest rule first. The file spells bytes as printable characters; here everything is plain bytes: each byte
 * string that occurs as a token or in a merge is a symbol, and a merge joins a pair of symbols. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>
#include "bench/engine/vocab_int.h"

enum { MAX_REGEXES = 4, N_SPELLED = 256 + 68, MAX_MERGES = 1 << 28, MAX_MERGE_BYTES = 2 * 65535 + 1 };

enum rule_id {
#define PRETYPE_RULE(id, ...) RULE_##id,
#define PRETYPE(name, rule, whole_words, bos)
#include "bench/engine/pretypes.def"
#undef PRETYPE_RULE
#undef PRETYPE
    N_RULES
};
static const char *const rules[N_RULES][MAX_REGEXES] = {
#define PRETYPE_RULE(id, ...) [RULE_##id] = {__VA_ARGS__},
#define PRETYPE(name, rule, whole_words, bos)
#include "bench/engine/pretypes.def"
#undef PRETYPE_RULE
#undef PRETYPE
};
static const struct pretype {
    const char *name;
    enum rule_id rule;
    bool whole_words;                 /* a word that is a token is not merged */
    bool add_bos;
} pretypes[] = {
#define PRETYPE_RULE(id, ...)
#define PRETYPE(name, rule, whole_words, bos) {name, RULE_##rule, whole_words, bos},
#include "bench/engine/pretypes.def"
#undef PRETYPE_RULE
#undef PRETYPE
};
enum { N_PRETYPES = sizeof pretypes / sizeof *pretypes };

struct symbol {
    struct text text;
    int32_t token;                    /* -1: only a step on the way to longer ones */
};
struct merge {                        /* a slot of the open-addressed table; result 0 = free */
    int32_t left, right, result;
    uint32_t rank;
};
struct bpe {
    const struct pretype *pre;
    int16_t byte_of[N_SPELLED];       /* the byte that a character spells, -1 for none */
    struct symbol *sym;               /* the first 256 are the single bytes */
    int32_t n_sym;
    struct text_table by_text;
    struct merge *merge;
    size_t merge_mask;
    int n_regexes;
    pcre2_general_context *memory;
    pcre2_code *regex[MAX_REGEXES];
};

/* ---- spelling of bytes ---- */

/* Printable bytes stand for themselves, the others in order for U+0100 and up. */
static void init_spelling(struct bpe *b)
{
    int other = 256;
    memset(b->byte_of, -1, sizeof b->byte_of);
    for (int i = 0; i < 256; i++) {
        const bool printable = (i >= 0x21 && i <= 0x7e) || (i >= 0xa1 && i <= 0xac) || i >= 0xae;
        b->byte_of[printable ? i : other++] = (int16_t)i;
    }
}

/* The bytes that a text spells: at most n of them go to out. -1 when it is no spelling. */
static int32_t unspell(const struct bpe *b, const char *text, size_t n, char *out)
{
    const uint8_t *p = (const uint8_t *)text;
    int32_t k = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c = p[i++];
        if (c >= 0x80) {
            if (c < 0xc2 || c > 0xdf || i == n || (p[i] & 0xc0) != 0x80)
                return -1;
            c = (c & 0x1f) << 6 | (p[i++] & 0x3f);
        }
        if (c >= N_SPELLED || b->byte_of[c] < 0)
            return -1;
        out[k++] = (char)b->byte_of[c];
    }
    return k;
}

/* ---- symbols and merges ---- */

/* The symbol of that text, new if need be; lasting: p stays valid, else it is copied. -1: out of memory. */
static int32_t intern(struct vocab *v, const char *p, size_t n, bool lasting)
{
    struct bpe *b = v->bpe;
    b->sym[b->n_sym] = (struct symbol){{p, (uint32_t)n}, -1};
    const int32_t same = text_find(&b->by_text, p, n);
    if (same >= 0)
        return same;
    if (!lasting) {
        char *copy = arena_alloc(v->arena, n);
        if (!copy)
            return -1;
        b->sym[b->n_sym].text.p = memcpy(copy, p, n);
    }
    text_enter(&b->by_text, b->n_sym);
    return b->n_sym++;
}

static int add_bytes(struct vocab *v, struct err *e)
{
    char *p = arena_alloc(v->arena, 256);
    if (!p)
        return err_nomem(e, 256, "the vocabulary");
    for (int i = 0; i < 256; i++) {
        p[i] = (char)i;
        intern(v, &p[i], 1, true);
    }
    return 0;
}

/* Tokens of every kind can come out of merges; those that spell no bytes cannot. */
static int add_tokens(struct vocab *v, struct err *e)
{
    size_t n_bytes = 0;
    for (int32_t i = 0; i < v->n; i++)
        n_bytes += v->tok[i].text.n;
    char *p = arena_alloc(v->arena, n_bytes);
    if (!p)
        return err_nomem(e, n_bytes, "the vocabulary");
    for (int32_t i = 0; i < v->n; i++) {
        const int32_t n = unspell(v->bpe, v->tok[i].text.p, v->tok[i].text.n, p);
        if (n <= 0)
            continue;
        v->bpe->sym[intern(v, p, (size_t)n, true)].token = i;
        p += n;
    }
    return 0;
}

static struct merge *merge_slot(const struct bpe *b, int32_t left, int32_t right)
{
    const uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    for (size_t i = (h ^ h >> 32) & b->merge_mask;; i = (i + 1) & b->merge_mask) {
        struct merge *m = &b->merge[i];
        if (!m->result || (m->left == left && m->right == right))
            return m;
    }
}

/* "left right"; scratch takes the bytes of both. Where a merge stands twice, the first one counts. */
static int add_merge(struct vocab *v, struct gguf_str s, uint32_t rank, char *scratch, struct err *e)
{
    const char *space = s.n > 1 && s.n <= MAX_MERGE_BYTES ? memchr(s.p + 1, ' ', s.n - 1) : NULL;
    if (!space || space + 1 == s.p + s.n)
        return err_set(e, ERR_FORMAT, "merge %u of tokenizer.ggml.merges is not two tokens with a space between", rank);
    const int32_t n_left = unspell(v->bpe, s.p, (size_t)(space - s.p), scratch);
    if (n_left < 0)
        return 0;                     /* no text can lead there */
    const int32_t n_right = unspell(v->bpe, space + 1, (size_t)(s.p + s.n - space - 1), scratch + n_left);
    if (n_right < 0)
        return 0;
    const int32_t left = intern(v, scratch, (size_t)n_left, false);
    const int32_t right = intern(v, scratch + n_left, (size_t)n_right, false);
    const int32_t result = intern(v, scratch, (size_t)n_left + (size_t)n_right, false);
    if (left < 0 || right < 0 || result < 0)
        return err_nomem(e, s.n, "the merges");
    struct merge *m = merge_slot(v->bpe, left, right);
    if (!m->result)
        *m = (struct merge){left, right, result, rank};
    return 0;
}

static int load_merges(struct vocab *v, const struct gguf *g, struct err *e)
{
    struct bpe *b = v->bpe;
    const struct gguf_kv *kv = gguf_find(g, "tokenizer.ggml.merges");
    if (!kv || kv->type != GGUF_ARRAY || kv->elem_type != GGUF_STRING)
        return err_set(e, ERR_FORMAT, "tokenizer.ggml.merges is %s", kv ? "not a list of texts" : "missing");
    if (kv->count > MAX_MERGES)
        return err_set(e, ERR_LIMIT, "%llu merges are more than this program handles", (unsigned long long)kv->count);
    const size_t most = 256 + (size_t)v->n + 3 * (size_t)kv->count + 1;
    for (b->merge_mask = 16; b->merge_mask < 2 * kv->count;)
        b->merge_mask *= 2;
    b->merge = arena_alloc_n(v->arena, b->merge_mask--, sizeof *b->merge);
    b->sym = arena_alloc_n(v->arena, most, sizeof *b->sym);
    char *scratch = arena_alloc(v->arena, MAX_MERGE_BYTES);
    if (!b->merge || !b->sym || !scratch)
        return err_nomem(e, most * sizeof *b->sym, "the merges");
    int rc;
    if ((rc = text_table_new(&b->by_text, v->arena, b->sym, sizeof *b->sym, most, e)) || (rc = add_bytes(v, e)) ||
        (rc = add_tokens(v, e)))
        return rc;
    for (uint64_t i = 0; i < kv->count && !rc; i++)
        rc = add_merge(v, kv->strings[i], (uint32_t)i, scratch, e);
    return rc;
}

/* ---- rules ---- */

static void *regex_alloc(size_t n, void *unused)
{
    (void)unused;
    return mem_alloc(n);
}

static void regex_free(void *p, void *unused)
{
    (void)unused;
    mem_free(p);
}

static int compile(struct bpe *b, const char *pattern, pcre2_compile_context *context, struct err *e)
{
    int code;
    size_t at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &at,
                                   context);
    if (!re) {
        if (code == PCRE2_ERROR_HEAP_FAILED)
            return err_nomem(e, strlen(pattern), "a regular expression");
        return err_set(e, ERR_UNSUPPORTED, "this PCRE2 refuses the expression %s (error %d)", pattern, code);
    }
    pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);      /* where it fails the interpreter does the same */
    b->regex[b->n_regexes++] = re;
    return 0;
}

static int compile_rule(struct bpe *b, struct err *e)
{
    b->memory = pcre2_general_context_create(regex_alloc, regex_free, NULL);
    pcre2_compile_context *context = b->memory ? pcre2_compile_context_create(b->memory) : NULL;
    if (!context)
        return err_nomem(e, 256, "a regular expression");
    int rc = 0;
    for (int i = 0; i < MAX_REGEXES && rules[b->pre->rule][i] && !rc; i++)
        rc = compile(b, rules[b->pre->rule][i], context, e);
    pcre2_compile_context_free(context);
    return rc;
}

static int refuse_pretype(struct gguf_str s, struct err *e)
{
    char name[GGUF_SHOWN_BYTES], known[400];
    size_t n = 0;
    for (int i = 0; i < N_PRETYPES; i++)
        n += (size_t)snprintf(known + n, n < sizeof known ? sizeof known - n : 0, "%s%s", i ? " " : "",
                              pretypes[i].name);
    return err_set(e, ERR_UNSUPPORTED, "the pre-tokenizer '%s' is not supported (these are: %s)", gguf_shown(s, name),
                   known);
}

static int choose_pretype(struct vocab *v, const struct gguf *g, struct err *e)
{
    struct gguf_str s = {"default", 7};
    gguf_get_str(g, "tokenizer.ggml.pre", &s);
    for (int i = 0; i < N_PRETYPES; i++)
        if (strlen(pretypes[i].name) == s.n && !memcmp(pretypes[i].name, s.p, s.n))
            v->bpe->pre = &pretypes[i];
    if (!v->bpe->pre)
        return refuse_pretype(s, e);
    v->pre = v->bpe->pre->name;
    v->add_bos = v->bpe->pre->add_bos;
    return 0;
}

static int bpe_load(struct vocab *v, const struct gguf *g, struct err *e)
{
    if (!(v->bpe = arena_alloc(v->arena, sizeof *v->bpe)))
        return err_nomem(e, sizeof *v->bpe, "the tokenizer");
    init_spelling(v->bpe);
    int rc;
    if ((rc = choose_pretype(v, g, e)) || (rc = load_merges(v, g, e)))
        return rc;
    return compile_rule(v->bpe, e);
}

static void bpe_unload(struct vocab *v)
{
    for (int i = 0; v->bpe && i < v->bpe->n_regexes; i++)
        pcre2_code_free(v->bpe->regex[i]);
    if (v->bpe)
        pcre2_general_context_free(v->bpe->memory);
}

/* ---- encoding ---- */

struct run {
    const struct vocab *v;
    struct clean_text clean;
    pcre2_match_data *match;
    pcre2_match_context *context;
    struct merger merger;
    struct ids *out;
    struct err *e;
};

static bool bpe_join(const struct merger *m, const struct link *l, const struct link *r, uint32_t *order, int32_t *id)
{
    const struct merge *x = merge_slot(m->v->bpe, l->id, r->id);
    *order = x->rank;
    *id = x->result;
    return x->result != 0;
}

/* A symbol that is no token is spelled in bytes. A byte without a token is left out, as llama.cpp does, unless the
 * vocabulary knows no unknown token at all. */
static int push_symbol(struct run *r, const struct symbol *s)
{
    int rc = 0;
    if (s->token >= 0)
        return ids_push(r->out, s->token, r->e);
    for (uint32_t i = 0; i < s->text.n && !rc; i++) {
        const uint8_t byte = (uint8_t)s->text.p[i];
        const int32_t token = r->v->bpe->sym[byte].token;
        if (token >= 0)
            rc = ids_push(r->out, token, r->e);
        else if (r->v->unk < 0)
            rc = err_set(r->e, ERR_DATA, "byte 0x%02x cannot be expressed: the vocabulary has neither a token for it "
                                         "nor an unknown token", byte);
    }
    return rc;
}

static int encode_word(struct run *r, const char *p, size_t n)
{
    const struct bpe *b = r->v->bpe;
    struct merger *m = &r->merger;
    int rc = 0;
    if (b->pre->whole_words) {
        const int32_t s = text_find(&b->by_text, p, n);
        if (s >= 0 && b->sym[s].token >= 0)
            return ids_push(r->out, b->sym[s].token, r->e);
    }
    m->n_links = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = merger_add(m, (uint32_t)i, 1, (uint8_t)p[i], r->e);
    if (!rc)
        rc = merger_run(m, r->e);
    for (int32_t i = 0; i >= 0 && !rc; i = m->link[i].next)
        rc = push_symbol(r, &b->sym[m->link[i].id]);
    return rc;
}

/* Cuts [from, to) by regex i and what it leaves by the following ones; words come out in order. */
static int cut(struct run *r, int i, size_t from, size_t to)
{
    const struct bpe *b = r->v->bpe;
    if (from == to)
        return 0;
    if (i == b->n_regexes)
        return encode_word(r, r->clean.text + from, to - from);
    int rc = 0;
    while (from < to && !rc) {
        const int found = pcre2_match(b->regex[i], (PCRE2_SPTR)r->clean.matched + from, to - from, 0,
                                      PCRE2_NO_UTF_CHECK, r->match, r->context);
        if (found == PCRE2_ERROR_NOMATCH)
            return cut(r, i + 1, from, to);
        if (found < 0)
            return err_set(r->e, found == PCRE2_ERROR_NOMEMORY ? ERR_NOMEM : ERR_LIMIT,
                           "cutting the text into words failed (PCRE2 error %d at byte %zu): split it", found, from);
        const size_t *span = pcre2_get_ovector_pointer(r->match), start = from + span[0], end = from + span[1];
        if (!(rc = cut(r, i + 1, from, start)))
            rc = cut(r, i + 1, start, end);
        from = end;
    }
    return rc;
}

static int bpe_encode(const struct vocab *v, const char *text, size_t n, struct ids *out, struct err *e)
{
    struct run r = {.v = v, .merger = {.v = v, .join = bpe_join}, .out = out, .e = e};
    int rc = clean_utf8(&r.clean, text, n, e);
    r.match = pcre2_match_data_create(1, v->bpe->memory);
    r.context = pcre2_match_context_create(v->bpe->memory);
    if (!rc && (!r.match || !r.context))
        rc = err_nomem(e, 256, "a regular expression");
    if (!rc) {
        pcre2_set_match_limit(r.context, UINT32_MAX);
        rc = cut(&r, 0, 0, r.clean.n);
    }
    pcre2_match_data_free(r.match);
    pcre2_match_context_free(r.context);
    merger_free(&r.merger);
    mem_free(r.clean.text);
    return rc;
}

static void bpe_piece(const struct vocab *v, const struct token *t, struct sbuf *out)
{
    const size_t n = out->n;
    sbuf_add(out, t->text.p, t->text.n);
    const int32_t n_bytes = out->failed ? -1 : unspell(v->bpe, t->text.p, t->text.n, out->p + n);
    if (n_bytes >= 0)
        out->n = n + (size_t)n_bytes;
    else if (!out->failed)
        memcpy(out->p + n, t->text.p, t->text.n);
    if (!out->failed)
        out->p[out->n] = 0;
}

const struct tokenizer tokenizer_bpe = {
    .name = "gpt2", .bos = 11, .eos = 11, .unk = -1,
    .load = bpe_load, .encode = bpe_encode, .piece = bpe_piece, .unload = bpe_unload};
