/* The store of records: SQLite in WAL mode, one transaction a cell, so that SIGKILL at any moment loses at most the
 * running cell. Order: store_open -> store_put / store_find / store_each -> store_close. */
#ifndef BENCH_STORE_H
#define BENCH_STORE_H
#include "bench/record.h"

struct store;
/* path NULL: $XDG_DATA_HOME/whichquant/store.db, else ~/.local/share/...; ":memory:" for tests.
 * ERR_FORMAT for a foreign or damaged database (it is left alone), ERR_UNSUPPORTED for a newer schema. */
int store_open(struct store **out, const char *path, struct err *e);
void store_close(struct store *s);
int store_put(struct store *s, const struct record *r, struct err *e);   /* idempotent by content */
/* The newest ok record of that cell on that env_sha256: 1 found, 0 not, negative on error. */
int store_find(struct store *s, const char *cell_id, const char *env_sha256, struct record *out, struct err *e);
/* Every record in order of date; filters may be NULL. fn returns non-zero to stop (and that is returned); it may put
 * and find, but not start another store_each. */
int store_each(struct store *s, const char *env_sha256, const char *model_sha256,
               int (*fn)(void *arg, const struct record *r), void *arg, struct err *e);
/* Quality so far, chunk by chunk (eval_chunk_save): 1 found, 0 not. */
int store_put_chunk(struct store *s, const char *cell_id, int i, const void *p, size_t n, struct err *e);
int store_get_chunk(struct store *s, const char *cell_id, int i, struct sbuf *out, struct err *e);
const char *store_path(const struct store *s);
#endif
