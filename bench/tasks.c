/* Reading several task files as one set, asking it, comparing the answers in pairs (tasks.h). */
#include "bench/tasks.h"
#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/sbuf.h"

/* "ARC-Challenge-test" of "../text/ARC-Challenge-test.jsonl". */
static void add_name(struct tasks *t, const char *path)
{
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t used = strlen(t->name), n = strcspn(base, ".");
    snprintf(t->name + used, sizeof t->name - used, "%s%.*s", used ? "+" : "", (int)(n < 40 ? n : 40), base);
}

static int hash_items(struct tasks *t, struct err *e)
{
    struct sbuf b = {0};
    for (int i = 0; i < t->n; i++) {
        const struct task_item *x = t->item[i];
        sbuf_printf(&b, "%d %s\n", x->answer, x->context);
        for (int k = 0; k < x->n_choices; k++)
            sbuf_printf(&b, "%s%s\n", x->choice[k], x->tail ? x->tail : "");
        t->chance += 1.0 / x->n_choices / t->n;
    }
    if (!b.failed)
        sha256_hex(sbuf_str(&b), b.n, t->sha256);
    int rc = b.failed ? err_nomem(e, b.n, "the tasks") : 0;
    sbuf_free(&b);
    return rc;
}

static int add_file(struct tasks *t, const char *path, int n_items, struct err *e)
{
    int rc = task_read(&t->set[t->n_sets], path, e);
    if (rc < 0)
        return rc;
    struct task_set *s = t->set[t->n_sets++];
    if (n_items > 0 && s->n > n_items)
        s->n = n_items;
    t->n += s->n;
    add_name(t, path);
    return 0;
}

int tasks_read(struct tasks **out, const char *const *paths, int n_paths, int n_items, struct err *e)
{
    struct arena *a = arena_new();
    struct tasks *t = a ? arena_alloc(a, sizeof *t) : NULL;
    if (t)
        t->set = arena_alloc_n(a, (size_t)n_paths + 1, sizeof(struct task_set *));
    if (!t || !t->set) {
        arena_free(a);
        return err_nomem(e, sizeof *t, "the tasks");
    }
    t->arena = a;
    int rc = 0;
    for (int i = 0; i < n_paths && rc == 0; i++)
        rc = add_file(t, paths[i], n_items, e);
    if (rc == 0 && !(t->item = arena_alloc_n(a, (size_t)t->n + 1, sizeof *t->item)))
        rc = err_nomem(e, (size_t)t->n * sizeof *t->item, "the tasks");
    for (int s = 0, n = 0; s < t->n_sets && rc == 0; s++)
        for (int i = 0; i < t->set[s]->n; i++)
            t->item[n++] = &t->set[s]->item[i];
    if (rc == 0)
        rc = hash_items(t, e);
    if (rc < 0) {
        tasks_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void tasks_free(struct tasks *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->n_sets; i++)
        task_free(t->set[i]);
    arena_free(t->arena);
}

int tasks_context(const struct tasks *t, const struct vocab *v, int least, struct err *e)
{
    for (int i = 0; i < t->n; i++) {
        int n = task_tokens(v, t->item[i], e);
        if (n < 0)
            return n;
        least = n > least ? n : least;
    }
    return least;
}

int tasks_ask(const struct tasks *t, struct engine *g, const struct vocab *v, int *answer, uint64_t deadline_ns,
              void (*on_item)(void *arg, int done, int n), void *arg, struct err *e)
{
    for (int i = 0; i < t->n; i++) {
        double score[TASK_MOST_CHOICES];
        if (deadline_ns && clock_ns() > deadline_ns)
            return i;
        if (interrupt_seen())
            return err_set(e, ERR_CANCELLED, "interrupted after %d of %d tasks", i, t->n);
        answer[i] = task_answer(g, v, t->item[i], score, e);
        if (answer[i] < 0)
            return answer[i];
        if (on_item && (i % 16 == 15 || i + 1 == t->n))
            on_item(arg, i + 1, t->n);
    }
    return t->n;
}

void task_compare(struct task_result *r, const struct tasks *t, const int *ref, const int *answer, int n)
{
    int n_both = 0;
    memset(r, 0, sizeof *r);
    snprintf(r->name, sizeof r->name, "%s", t->name);
    r->n_items = n;
    for (int i = 0; i < n; i++) {
        bool right = answer[i] == t->item[i]->answer, was_right = ref[i] == t->item[i]->answer;
        n_both += right && was_right;
        r->n_correct += right;
        r->n_ref_correct += was_right;
        r->n_lost += was_right && !right;
        r->n_gained += right && !was_right;
        r->n_changed += answer[i] != ref[i];
    }
    r->chance = t->chance;
    r->score = stats_share(r->n_correct, n);
    r->share = stats_paired_ratio(n_both, r->n_lost, r->n_gained);
    r->p = stats_mcnemar(r->n_lost, r->n_gained);
}
