/* Figures as people read them: "99 MiB", "108", "0.075", "1.2 s". Each returns its text by value, so that it
 * can be used inside one printf call: figure_bytes(n).s. Not measured is "-". The sentences of the decision
 * and the writers share these, so that one number never appears in two spellings. */
#ifndef MATRIX_FIGURES_H
#define MATRIX_FIGURES_H
#include <stdint.h>

struct figure {
    char s[40];
};
struct figure figure_bytes(int64_t n);            /* INT64_MIN or negative: "-" */
struct figure figure_rate(double tok_per_s);      /* 3 digits: "167", "63.5", "4.20" */
struct figure figure_range(double lo, double hi); /* "103-112"; "" when unknown or a point */
struct figure figure_kld(double nats);            /* 2 digits: "0.075", "< 0.0001" */
struct figure figure_half(double nats,
                          double half);     /* "0.003" with as many decimals as figure_kld(nats), "" when less */
struct figure figure_ms(double ms);         /* "350 ms", "1.2 s" */
struct figure figure_percent(double share); /* "86.2 %" */
struct figure figure_score(double share);   /* of a task, in per cent: "82.7" */
struct figure figure_score_range(double lo, double hi);
struct figure figure_count(int64_t n);         /* "135 M" */
const char *format_scheme(const char *format); /* "q4_k_m" of "gguf/q4_k_m" */
#endif
