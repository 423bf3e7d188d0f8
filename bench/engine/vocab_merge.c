/* Merging the pieces of a text: a heap of neighbour pairs over a doubly linked list. */
#include "bench/engine/vocab_int.h"

int heap_append(struct heap *h, struct heap_item x, struct err *e)
{
    if (h->n == h->cap) {
        const size_t cap = h->cap ? h->cap * 2 : 256;
        struct heap_item *p = mem_resize(h->p, cap * sizeof *p);
        if (!p)
            return err_nomem(e, cap * sizeof *p, "the merges of a text");
        h->p = p;
        h->cap = cap;
    }
    h->p[h->n++] = x;
    return 0;
}

static void sift_down(struct heap *h, size_t i)
{
    const struct heap_item x = h->p[i];
    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && h->p[child + 1].key < h->p[child].key)
            child++;
        if (x.key <= h->p[child].key)
            break;
        h->p[i] = h->p[child];
    }
    h->p[i] = x;
}

void heap_build(struct heap *h)
{
    for (size_t i = h->n / 2; i-- > 0;)
        sift_down(h, i);
}

int heap_push(struct heap *h, struct heap_item x, struct err *e)
{
    const int rc = heap_append(h, x, e);
    if (rc)
        return rc;
    size_t i = h->n - 1;
    for (; i && x.key < h->p[(i - 1) / 2].key; i = (i - 1) / 2)
        h->p[i] = h->p[(i - 1) / 2];
    h->p[i] = x;
    return 0;
}

struct heap_item heap_pop(struct heap *h)
{
    const struct heap_item top = h->p[0];
    h->p[0] = h->p[--h->n];
    if (h->n)
        sift_down(h, 0);
    return top;
}

int merger_add(struct merger *m, uint32_t at, uint32_t n, int32_t id, struct err *e)
{
    if (m->n_links == m->cap_links) {
        const size_t cap = m->cap_links ? m->cap_links * 2 : 256;
        struct link *p = mem_resize(m->link, cap * sizeof *p);
        if (!p)
            return err_nomem(e, cap * sizeof *p, "the pieces of a text");
        m->link = p;
        m->cap_links = cap;
    }
    const int32_t i = (int32_t)m->n_links++;
    m->link[i] = (struct link){.prev = i - 1, .next = -1, .at = at, .n = n, .id = id};
    if (i)
        m->link[i - 1].next = i;
    return 0;
}

/* Queues links l and r if they merge. */
static int queue(struct merger *m, int32_t l, int32_t r, int (*put)(struct heap *, struct heap_item, struct err *),
                 struct err *e)
{
    uint32_t order;
    int32_t id;
    if (l < 0 || r < 0 || !m->join(m, &m->link[l], &m->link[r], &order, &id))
        return 0;
    return put(&m->heap, (struct heap_item){(uint64_t)order << 32 | (uint32_t)l, r, id, m->link[l].n + m->link[r].n},
               e);
}

static int merge(struct merger *m, const struct heap_item *x, struct err *e)
{
    const int32_t i = (int32_t)(uint32_t)x->key;
    struct link *l = &m->link[i], *r = &m->link[x->right];
    if (!l->n || !r->n || l->n + r->n != x->n)
        return 0;                     /* one of them took part in another merge since */
    l->n = x->n;
    l->id = x->id;
    r->n = 0;
    l->next = r->next;
    if (l->next >= 0)
        m->link[l->next].prev = i;
    const int rc = queue(m, l->prev, i, heap_push, e);
    return rc ? rc : queue(m, i, l->next, heap_push, e);
}

int merger_run(struct merger *m, struct err *e)
{
    int rc = 0;
    m->heap.n = 0;
    for (size_t i = 1; i < m->n_links && !rc; i++)
        rc = queue(m, (int32_t)i - 1, (int32_t)i, heap_append, e);
    heap_build(&m->heap);
    while (m->heap.n && !rc) {
        const struct heap_item best = heap_pop(&m->heap);
        rc = merge(m, &best, e);
    }
    return rc;
}

void merger_free(struct merger *m)
{
    mem_free(m->link);
    mem_free(m->heap.p);
}
