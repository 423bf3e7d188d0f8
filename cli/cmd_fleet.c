/* fleet VERB: finds the verb. */
#include <string.h>
#include "cli/fleet/fleet.h"

static const struct verb {
    const char *name, *args, *doc;
    int min_args, max_args;
    int (*run)(struct cli *c);
} verbs[] = {
#define VERB(name, fn, args, doc, lo, hi) {name, args, doc, lo, hi, fn},
#include "cli/fleet/verbs.def"
#undef VERB
};
enum { N_VERBS = sizeof verbs / sizeof *verbs };

int cmd_fleet(struct cli *c)
{
    const char *names[N_VERBS], *word = c->arg[0];
    const struct verb *v = NULL;
    for (int i = 0; i < N_VERBS; i++) {
        names[i] = verbs[i].name;
        v = strcmp(word, names[i]) == 0 ? &verbs[i] : v;
    }
    if (!v) {
        const char *near = cli_nearest(word, names, N_VERBS);
        cli_warn("fleet %.40s: no such verb%s%s%s; `whichquant fleet --help` lists them", word,
                 near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
        return EXIT_USAGE;
    }
    c->arg++;
    c->n_args--;
    if (c->n_args < v->min_args || (v->max_args >= 0 && c->n_args > v->max_args)) {
        cli_warn("fleet %s takes %s, not %d arguments", v->name, v->args, c->n_args);
        return EXIT_USAGE;
    }
    return v->run(c);
}
