/* Task accuracy: multiple choice as language models are scored on it. A choice's score is the mean log-probability of
 * its tokens behind what all choices of the item share; the best score is the answer. Same rule as llama-perplexity's
 * --multiple-choice and --hellaswag; Winogrande scores what follows the choice word, and only that where at least
 * four tokens do.
 * Order: task_read -> task_answer for every item -> task_free. */
#ifndef BENCH_ENGINE_TASK_H
#define BENCH_ENGINE_TASK_H
#include "base/err.h"
#include "bench/engine/engine.h"

enum { TASK_MOST_CHOICES = 100 };
struct task_item {
    const char *context;   /* before the choice, without the space between; a Winogrande sentence up to its gap */
    const char **choice;   /* [n_choices] */
    const char *tail;      /* what follows the choice word in Winogrande; NULL elsewhere */
    int n_choices, answer; /* answer: index */
};
struct task_set {
    char form[16]; /* "arc", "piqa", "openbookqa", "hellaswag", "winogrande", "llama.cpp" */
    struct task_item *item;
    int n;
    struct arena *arena;
};
/* Forms, told apart by what is in the file: JSON lines of ARC (question, choices, answerKey), PIQA (goal, sol1, sol2,
 * and label or a file NAME-labels.lst beside it), HellaSwag (ctx, endings, label) and Winogrande (sentence, option1,
 * option2, answer); OpenBookQA's TSV; llama-perplexity's HellaSwag text of six lines an item, Winogrande CSV and binary
 * multiple-choice file. */
int task_read(struct task_set **out, const char *path, struct err *e);
void task_free(struct task_set *t);

/* Of the longest choice, with its context. */
int task_tokens(const struct vocab *v, const struct task_item *item, struct err *e);
/* score[n_choices]; returns the best choice's index, or a negative code: ERR_LIMIT when the item does not fit in the
 * engine's context. The engine is reset. */
int task_answer(struct engine *g, const struct vocab *v, const struct task_item *item, double *score, struct err *e);
#endif
