/* Shares of a budget. */
#include "bench/budget.h"

#include <math.h>

static const double answer_share = 0.02, answer_most_s = 1;
static const double real_share = 0.4, more_share = 0.08, most_share = 0.6;
static const double least_container_s = 12;
enum { PASSES = 3 }; /* the reference, the equivalent kernels, the framework */

double budget_rest_s(double budget_s, double spent_s)
{
    return isnan(budget_s) ? NAN : fmax(budget_s - spent_s, 0);
}

double budget_left_s(double budget_s, double spent_s)
{
    return budget_rest_s(budget_s - fmin(answer_share * budget_s, answer_most_s), spent_s);
}

double budget_real_share(int n_containers)
{
    return n_containers > 0 ? fmin(real_share + more_share * (n_containers - 1), most_share) : 0;
}

double budget_container_s(double left_s, int n_left, bool by_default)
{
    double seconds = left_s / (n_left > 0 ? n_left : 1);
    return by_default ? fmax(seconds, least_container_s) : seconds;
}

double budget_chunk_s(int n_ctx, double own_prefill_tok_s, double longest_s)
{
    return fmax(own_prefill_tok_s > 0 ? PASSES * n_ctx / own_prefill_tok_s : 0, longest_s);
}
