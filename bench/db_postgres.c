/* PostgreSQL through libpq. */
#include "bench/db_int.h"

static int open_postgres(struct db *d, int newest, struct err *e)
{
    (void)newest;
    return err_set(e, ERR_UNSUPPORTED,
                   "%s: this whichquant was built without PostgreSQL; build it with libpq (Debian: libpq-dev), or give "
                   "a path with --store",
                   d->name);
}

const struct db_kind db_postgres = {.open = open_postgres};
