/* What `changes` and `history --changes` share. */
#ifndef CLI_CHANGES_H
#define CLI_CHANGES_H
#include "cli/cli.h"
#include "matrix/changepoint.h"

/* --min-effect and --p. */
int changes_options(const struct cli *c, struct changepoint_options *o, struct err *e);
/* How many values a change needs at least: all of one half above all of the other. */
int changes_fewest_values(double p);
/* --explain: a line of what other tools print, behind so many spaces. */
void changes_print_explanation(int indent, const struct changepoint *x);
void changes_put_explanation(json_t *o, const struct changepoint *x);
#endif
