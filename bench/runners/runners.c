/* The table of runners. */
#include <string.h>
#include "bench/runners/runner.h"

#define R(symbol) extern const struct runner symbol;
#include "bench/runners/runners.def"
#undef R

const struct runner *const runners[] = {
#define R(symbol) &symbol,
#include "bench/runners/runners.def"
#undef R
    NULL,
};

const struct runner *runner_find(const char *name)
{
    for (int i = 0; runners[i]; i++)
        if (strcmp(runners[i]->name, name) == 0)
            return runners[i];
    return NULL;
}

int runner_named(const struct runner **out, const char *name, struct err *e)
{
    *out = runner_find(name);
    return *out ? 0
                : err_set(e, ERR_USAGE, "unknown framework %s; `whichquant list frameworks` names them", name);
}
