/* What the time of a sweep is spent on: the own engine, then the containers that frameworks load, then the answer. */
#ifndef BENCH_BUDGET_H
#define BENCH_BUDGET_H
#include <stdbool.h>

/* Seconds left for measuring: less what deciding and writing the reports then takes. */
double budget_left_s(double budget_s, double spent_s);
/* What is left of a budget, or of none (NaN). */
double budget_rest_s(double budget_s, double spent_s);
/* Share of the frameworks, where so many containers have some. */
double budget_real_share(int n_containers);
/* For the next of n_left containers. by_default: nobody named a budget, and each gets enough to show something. */
double budget_container_s(double left_s, int n_left, bool by_default);
/* What a chunk of a framework's logits takes, three passes over it: at the own engine's speed (NaN: not known), and no
 * less than the longest so far. */
double budget_chunk_s(int n_ctx, double own_prefill_tok_s, double longest_s);
#endif
