/* User-defined and control tokens are cut out of a text before it is tokenized: the longest one first, wherever it
 * stands, then the next longest in what remains. A heap brings the occurrences in that order; one that overlaps what is
 * already taken gives way to the next shorter token at its place. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "bench/engine/vocab_int.h"

static int by_text(const void *a, const void *b)
{
    const struct text *s = &((const struct special *)a)->text, *t = &((const struct special *)b)->text;
    const int d = memcmp(s->p, t->p, s->n < t->n ? s->n : t->n);
    return d ? d : (s->n > t->n) - (s->n < t->n);
}

/* In sorted order the prefixes of a text stand before it, each the prefix of the next. */
static void link_prefixes(struct special_set *s)
{
    for (int32_t i = 0; i < s->n; i++) {
        const struct text *t = &s->p[i].text;
        int32_t k = i - 1;
        while (k >= 0 && (s->p[k].text.n >= t->n || memcmp(s->p[k].text.p, t->p, s->p[k].text.n)))
            k = s->p[k].prefix;
        s->p[i].prefix = k;
    }
}

int special_set_new(struct special_set *s, const struct vocab *v, uint32_t kinds, uint32_t kinds_not, struct err *e)
{
    size_t n = 0;
    for (int32_t i = 0; i < v->n; i++)
        n += (v->tok[i].kind & kinds) && !(v->tok[i].kind & kinds_not);
    if (!(s->p = arena_alloc_n(v->arena, n, sizeof *s->p)))
        return err_nomem(e, n * sizeof *s->p, "the special tokens");
    s->n = 0;
    for (int32_t i = 0; i < v->n; i++)
        if ((v->tok[i].kind & kinds) && !(v->tok[i].kind & kinds_not))
            s->p[s->n++] = (struct special){v->tok[i].text, i, -1};
    if (n)
        qsort(s->p, n, sizeof *s->p, by_text);
    link_prefixes(s);
    for (int32_t b = 0, i = 0; b <= 256; b++) {
        while (i < s->n && (uint8_t)s->p[i].text.p[0] < b)
            i++;
        s->first[b] = i;
    }
    return 0;
}

/* First of p[lo..hi) whose byte d is at least b; all of them agree before d and are longer than d. */
static int32_t lower_bound(const struct special_set *s, int32_t lo, int32_t hi, uint32_t d, int b)
{
    while (lo < hi) {
        const int32_t mid = lo + (hi - lo) / 2;
        if ((uint8_t)s->p[mid].text.p[d] < b)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Place of the longest token that stands at text[at], or -1: the range of candidates narrows byte by byte. */
static int32_t longest_at(const struct special_set *s, const char *text, uint32_t at, uint32_t n)
{
    const uint8_t b0 = (uint8_t)text[at];
    int32_t lo = s->first[b0], hi = s->first[b0 + 1], found = -1;
    for (uint32_t d = 1; lo < hi; d++) {
        if (s->p[lo].text.n == d)
            found = lo++;
        if (at + d == n)
            break;
        const uint8_t b = (uint8_t)text[at + d];
        lo = lower_bound(s, lo, hi, d, b);
        hi = lower_bound(s, lo, hi, d, b + 1);
    }
    return found;
}

static struct heap_item item(const struct special_set *s, uint32_t at, int32_t place)
{
    return (struct heap_item){.key = (uint64_t)(UINT32_MAX - s->p[place].text.n) << 32 | at, .id = place};
}

struct cut {
    const struct vocab *v;
    const struct special_set *s;
    const char *text;
    uint32_t n;
    struct heap heap;
    uint8_t *taken;                   /* a bit per byte of the text */
    struct fragment *found;
    size_t n_found;
};

static bool is_taken(const struct cut *c, uint32_t i) { return c->taken[i / 8] >> i % 8 & 1; }

static void take(struct cut *c, uint32_t at, int32_t place)
{
    struct fragment f = {at, c->s->p[place].text.n, c->s->p[place].id};
    if (c->v->tok[f.token].kind & TOK_RSTRIP)
        while (f.at + f.n < c->n && !is_taken(c, f.at + f.n) && isspace((unsigned char)c->text[f.at + f.n]))
            f.n++;
    for (uint32_t i = f.at; i < f.at + f.n; i++)
        c->taken[i / 8] |= (uint8_t)(1 << i % 8);
    c->found[c->n_found++] = f;
}

/* What was taken before is at least as long, so that looking at both ends of a place is enough. */
static int take_longest_first(struct cut *c, struct err *e)
{
    int rc = 0;
    while (c->heap.n && !rc) {
        const struct heap_item x = heap_pop(&c->heap);
        const uint32_t at = (uint32_t)x.key;
        const struct special *t = &c->s->p[x.id];
        if (is_taken(c, at))
            continue;
        if (!is_taken(c, at + t->text.n - 1))
            take(c, at, x.id);
        else if (t->prefix >= 0)
            rc = heap_push(&c->heap, item(c->s, at, t->prefix), e);
    }
    return rc;
}

static int by_place(const void *a, const void *b)
{
    const struct fragment *s = a, *t = b;
    return (s->at > t->at) - (s->at < t->at);
}

/* The found tokens and the texts between them. */
static int put_together(const struct cut *c, struct fragments *out, struct err *e)
{
    uint32_t at = 0;
    if (c->n_found)
        qsort(c->found, c->n_found, sizeof *c->found, by_place);
    if (!(out->p = mem_alloc_n(2 * c->n_found + 1, sizeof *out->p)))
        return err_nomem(e, (2 * c->n_found + 1) * sizeof *out->p, "the pieces of a text");
    for (size_t i = 0; i < c->n_found; i++) {
        const struct fragment *f = &c->found[i];
        if (f->at > at)
            out->p[out->n++] = (struct fragment){at, f->at - at, -1};
        out->p[out->n++] = *f;
        at = f->at + f->n;
    }
    if (at < c->n)
        out->p[out->n++] = (struct fragment){at, c->n - at, -1};
    return 0;
}

static int find(struct cut *c, struct err *e)
{
    int rc = 0;
    for (uint32_t at = 0; at < c->n && !rc; at++) {
        const int32_t place = longest_at(c->s, c->text, at, c->n);
        if (place >= 0)
            rc = heap_append(&c->heap, item(c->s, at, place), e);
    }
    if (rc || !c->heap.n)
        return rc;
    heap_build(&c->heap);
    c->taken = mem_alloc(c->n / 8 + 1);
    c->found = mem_alloc_n(c->heap.n, sizeof *c->found);
    if (!c->taken || !c->found)
        return err_nomem(e, c->heap.n * sizeof *c->found, "the special tokens in a text");
    return take_longest_first(c, e);
}

int special_split(const struct vocab *v, const struct special_set *s, const char *text, uint32_t n,
                  struct fragments *out, struct err *e)
{
    struct cut c = {.v = v, .s = s, .text = text, .n = n};
    *out = (struct fragments){0};
    int rc = s->n ? find(&c, e) : 0;
    if (!rc)
        rc = put_together(&c, out, e);
    mem_free(c.heap.p);
    mem_free(c.taken);
    mem_free(c.found);
    return rc;
}
