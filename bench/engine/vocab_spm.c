/* SentencePiece BPE ("llama"): spaces become U+2581, then the neighbours whose union has the best score merge; or those
 * that stand first in a list of merges, where the vocabulary comes with one. What is no token in the end is spelled in
 * byte tokens, or is one unknown token where the vocabulary has no such bytes. */
#include <string.h>
#include "bench/engine/vocab_int.h"

/* Open addressing; right < 0: free. */
struct pair {
    int32_t left, right, result;
    uint32_t rank;
};
struct pair_table {
    struct pair *slot;
    size_t mask;
};
enum { MAX_PAIRS = 1 << 26 };

static struct pair *pair_slot(const struct pair_table *t, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    size_t i = (size_t)(h >> 32) & t->mask;
    while (t->slot[i].right >= 0 && (t->slot[i].left != left || t->slot[i].right != right))
        i = (i + 1) & t->mask;
    return &t->slot[i];
}

static int spm_load(struct vocab *v, const struct gguf *g, struct err *e)
{
    const struct gguf_kv *kv = gguf_find(g, "whichquant.tokenizer.merges");
    if (!kv)
        return 0;
    const uint64_t n = kv->count / 3;
    size_t n_slots = 16;
    while (n_slots < 2 * n && n <= MAX_PAIRS)
        n_slots *= 2;
    struct pair_table *t = arena_alloc(v->arena, sizeof *t);
    if (n > MAX_PAIRS)
        return err_set(e, ERR_LIMIT, "%llu merges are more than this program handles", (unsigned long long)n);
    if (!t || !(t->slot = arena_alloc_n(v->arena, n_slots, sizeof *t->slot)))
        return err_nomem(e, n_slots * sizeof *t->slot, "the merges");
    t->mask = n_slots - 1;
    memset(t->slot, -1, n_slots * sizeof *t->slot);
    for (uint64_t i = 0; i < n; i++) {
        int64_t id[3];
        for (int k = 0; k < 3; k++)
            if (!gguf_array_i64(kv, 3 * i + (uint64_t)k, &id[k]) || id[k] < 0 || id[k] >= v->n)
                return err_set(e, ERR_FORMAT, "merge %llu is none of tokens", (unsigned long long)i);
        struct pair *p = pair_slot(t, (int32_t)id[0], (int32_t)id[1]);
        if (p->right < 0)
            *p = (struct pair){(int32_t)id[0], (int32_t)id[1], (int32_t)id[2], (uint32_t)i};
    }
    v->pairs = t;
    return 0;
}

static const char space[] = "\xe2\x96\x81";
enum { SPACE_BYTES = sizeof space - 1 };

/* Length by the first byte alone; a stray continuation byte is a piece of its own. */
static uint32_t char_bytes(uint8_t first)
{
    return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static bool spm_join(const struct merger *m, const struct link *l, const struct link *r, uint32_t *order, int32_t *id)
{
    if (m->v->pairs) {
        if (l->id < 0 || r->id < 0)
            return false;
        const struct pair *p = pair_slot(m->v->pairs, l->id, r->id);
        *order = p->rank;
        *id = p->result;
        return p->right >= 0;
    }
    *id = text_find(&m->v->by_text, m->text + l->at, (size_t)l->n + r->n);
    if (*id < 0)
        return false;
    *order = m->v->tok[*id].order;
    return true;
}

static char *escape_spaces(const char *text, size_t n, size_t *n_out)
{
    size_t n_spaces = 0, k = 0;
    for (size_t i = 0; i < n; i++)
        n_spaces += text[i] == ' ';
    char *s = mem_alloc(n + n_spaces * (SPACE_BYTES - 1));
    for (size_t i = 0; s && i < n; i++) {
        if (text[i] == ' ') {
            memcpy(s + k, space, SPACE_BYTES);
            k += SPACE_BYTES;
        } else {
            s[k++] = text[i];
        }
    }
    *n_out = k;
    return s;
}

static int push_bytes(const struct vocab *v, const uint8_t *p, uint32_t n, struct ids *out, struct err *e)
{
    const size_t before = out->n;
    int rc = 0;
    for (uint32_t i = 0; i < n && !rc; i++) {
        if (v->byte_token[p[i]] >= 0) {
            rc = ids_push(out, v->byte_token[p[i]], e);
            continue;
        }
        if (v->unk < 0)
            return err_set(e, ERR_DATA, "byte 0x%02x cannot be expressed: the vocabulary has neither a token for it "
                                        "nor an unknown token", p[i]);
        out->n = before;
        return ids_push(out, v->unk, e);
    }
    return rc;
}

static int push_links(const struct merger *m, struct ids *out, struct err *e)
{
    int rc = 0;
    for (int32_t i = 0; i >= 0 && !rc; i = m->link[i].next) {
        const struct link *l = &m->link[i];
        rc = l->id >= 0 ? ids_push(out, l->id, e)
                        : push_bytes(m->v, (const uint8_t *)m->text + l->at, l->n, out, e);
    }
    return rc;
}

static int spm_encode(const struct vocab *v, const char *text, size_t n, struct ids *out, struct err *e)
{
    size_t n_escaped;
    char *escaped = escape_spaces(text, n, &n_escaped);
    if (!escaped)
        return err_nomem(e, 3 * n, "a text");
    struct merger m = {.v = v, .text = escaped, .join = spm_join};
    int rc = 0;
    for (size_t i = 0, len; i < n_escaped && !rc; i += len) {
        len = char_bytes((uint8_t)escaped[i]);
        if (len > n_escaped - i)
            len = n_escaped - i;
        rc = merger_add(&m, (uint32_t)i, (uint32_t)len, text_find(&v->by_text, escaped + i, len), e);
    }
    if (!rc)
        rc = merger_run(&m, e);
    if (!rc && m.n_links)
        rc = push_links(&m, out, e);
    merger_free(&m);
    mem_free(escaped);
    return rc;
}

static void spm_piece(const struct vocab *v, const struct token *t, struct sbuf *out)
{
    (void)v;
    for (uint32_t i = 0; i < t->text.n;) {
        const bool is_space = t->text.n - i >= SPACE_BYTES && !memcmp(t->text.p + i, space, SPACE_BYTES);
        sbuf_putc(out, is_space ? ' ' : t->text.p[i]);
        i += is_space ? SPACE_BYTES : 1;
    }
}

const struct tokenizer tokenizer_spm = {
    .name = "llama", .bos = 1, .eos = 2, .unk = 0, .add_bos = true, .add_space_prefix = true,
    .load = spm_load, .encode = spm_encode, .piece = spm_piece};
