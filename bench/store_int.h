/* Inside the store only: what its files share. */
#ifndef BENCH_STORE_INT_H
#define BENCH_STORE_INT_H
#include <sqlite3.h>
#include "bench/store.h"

extern const char store_factor_sql[], store_rates_sql[]; /* make their tables where there are none */
sqlite3 *store_database(struct store *s);
int store_complain(const struct store *s, int rc, struct err *e); /* SQLite's complaint as a sentence */
#endif
