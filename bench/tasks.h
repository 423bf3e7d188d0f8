/* Task accuracy of formats: the same multiple-choice items asked of the reference and of each format, compared in
 * pairs. Order: tasks_read -> tasks_ask (the reference) -> per format tasks_ask, task_compare -> tasks_free. */
#ifndef BENCH_TASKS_H
#define BENCH_TASKS_H
#include "bench/engine/task.h"
#include "bench/record.h"

struct tasks {
    char name[64];                 /* "ARC-Challenge-test+hellaswag": the files */
    char sha256[65];               /* of what is asked and which answers are right */
    const struct task_item **item; /* [n] */
    int n;
    double chance; /* share of right answers by guessing */
    struct arena *arena;
    struct task_set **set;
    int n_sets;
};
/* n_items: of each file; 0 = all. */
int tasks_read(struct tasks **out, const char *const *paths, int n_paths, int n_items, struct err *e);
void tasks_free(struct tasks *t);
/* The context that every item fits in, `least` or more. */
int tasks_context(const struct tasks *t, const struct vocab *v, int least, struct err *e);
/* answer[n]: the choice of each item, in order, until `deadline_ns` (0 = none); returns how many were answered. */
int tasks_ask(const struct tasks *t, struct engine *g, const struct vocab *v, int *answer, uint64_t deadline_ns,
              void (*on_item)(void *arg, int done, int n), void *arg, struct err *e);
/* The first n items: ref[] are the reference's choices, answer[] the format's. */
void task_compare(struct task_result *r, const struct tasks *t, const int *ref, const int *answer, int n);
#endif
