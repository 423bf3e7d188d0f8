/* Quality of what is not on disk, from published figures and our own (datasets/published-quality.csv): how far a
 * format moves a model's answers, and what is then left of the model's published score. docs/PREDICTED_QUALITY.md
 * says how, and how often it was right on models that were left out.
 * Intervals here are 90 %: nine of ten files of that name lie inside. */
#ifndef MATRIX_QUALITY_H
#define MATRIX_QUALITY_H
#include <stdbool.h>
#include "bench/stats.h"

struct quality_guess {
    struct interval kld, ppl_ratio, top1; /* nats; over the reference's; share of top words that stay */
    const char *from;                     /* "published" "predicted" ""; "": nothing supports a figure, all NaN */
    char source[256];                     /* whose figures; of "": why there are none */
};
/* A figure published for that very model and format; else from how the format and models of that size do elsewhere;
 * else, for formats without any figure, between formats of the family by bits per weight. params_b, effective_bpw: NaN
 * = unknown. Names are compared without case and punctuation. */
void quality_predict(struct quality_guess *q, const char *model_id, double params_b, const char *format,
                     double effective_bpw);

/* What is left of the part of a score that lies above guessing, at that KLD; a chain of generated steps loses more than
 * a choice. */
struct interval quality_kept(struct interval kld, bool generated);
/* What joins models: the score of the task's benchmark (MMLU; GSM8K for reason, HumanEval for code) in percent. That
 * which the maker reports, or what models of that size and year have; less what the quantization (q; NULL none) and
 * a language other than English cost. task, language: NULL any. source says which, and of what. INTERVAL_NONE where q
 * knows no quality. */
struct catalogue_model;
struct interval quality_task_score(const struct catalogue_model *m, const char *task, const char *language,
                                   const struct quality_guess *q, char source[256]);
/* The part of it that is not of the quantization, without row `self` among those it is predicted from (NULL: m as it
 * is; m itself: as if nothing were published of it). */
struct interval quality_full_score(const struct catalogue_model *m, const char *task,
                                   const struct catalogue_model *self, char source[256]);

/* What quality_predict knows, without one model ("" all): for tests that predict what was left out. */
struct quality_fit;
struct quality_fit *quality_fit_new(const char *csv_text, const char *without_model); /* NULL: no memory */
void quality_fit_free(struct quality_fit *f);
void quality_fit_predict(const struct quality_fit *f, struct quality_guess *q, const char *model_id, double params_b,
                         const char *format, double effective_bpw);
#endif
