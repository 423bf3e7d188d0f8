/* How many tokens a prefill kernel takes in hand at once. W is unpacked anew for each handful, so it should be large;
 * but the tokens' encoded rows should stay in a cache while all rows of W pass over them. */
#ifndef KERNELS_PANEL_H
#define KERNELS_PANEL_H
#include "kernels/inline.h"

enum { FEW = 4, MIN_TOKENS = 96, MAX_TOKENS = 516, X_BYTES = 1280 << 10 }; /* fewer than FEW: the decode kernel */

static int64_t max_tokens(size_t row_bytes)
{
    int64_t n = (int64_t)(X_BYTES / row_bytes) / 12 * 12; /* a multiple of every kernel's tokens at once */
    return n < MIN_TOKENS ? MIN_TOKENS : min_i64(n, MAX_TOKENS);
}

/* m in equal handfuls of at most `most`. */
static int64_t tokens_in_hand(int64_t m, int64_t most)
{
    int64_t parts = (m + most - 1) / most;
    return ((m + parts - 1) / parts + 11) / 12 * 12;
}
#endif
