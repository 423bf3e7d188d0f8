/* fleet: the same sweep over many machines. One function per verb; bench/fleet/fleet.h says which files lie between. */
#ifndef CLI_FLEET_FLEET_H
#define CLI_FLEET_FLEET_H
#include "cli/cli.h"

/* Each gets its arguments as c->arg, c->n_args: the verb is taken off. Returns an exit code. */
#define VERB(name, fn, args, doc, lo, hi) int fn(struct cli *c);
#include "cli/fleet/verbs.def"
#undef VERB
#endif
