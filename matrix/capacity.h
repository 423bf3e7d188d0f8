/* How many users a machine serves within the limits: the largest number of requests at once that was measured over
 * HTTP, whose time to the first token (95th percentile) and generation speed for each user keep them, and below which
 * every number that was measured keeps them too. Nothing between or beyond what was measured is ever said. */
#ifndef MATRIX_CAPACITY_H
#define MATRIX_CAPACITY_H
#include "matrix/matrix.h"

struct capacity {
    int users;    /* 0: not even one; -1: not measured, or no limit was given */
    int tried;    /* the largest number measured of that server; 0: none */
    int fails_at; /* the first number that does not keep the limits; 0: all that were measured do */
    const char *model, *framework;
    double ttft_p95_ms, each_tok_s; /* at `users`; where that is 0, at fails_at */
    char note[160];                 /* why it is empty, or what ends it */
};
/* Was this cell measured with requests to a server? Those speeds are of all users together: no decision takes them. */
bool record_is_served(const struct record *r);
/* The best of the servers among records that are all served; needs want->max_ttft_s. Strings belong to them. */
void capacity_find(struct capacity *c, const struct record *rec, int n, const struct constraints *want);
#endif
