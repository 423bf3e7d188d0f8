/* Inside the store only: what its files share. */
#ifndef BENCH_STORE_INT_H
#define BENCH_STORE_INT_H
#include "bench/db.h"
#include "bench/series.h"

struct store {
    struct db *db;
    char *path;
};
/* What a run's row holds besides its content. */
struct run_row {
    const char *kind;                        /* "cell" or "foreign" */
    const char *device, *env_sha256, *hw_sha256, *model, *format, *framework;
    int64_t time;                            /* 0 unknown */
    char cell_key[65], artifact_sha256[65], engine_sha256[65], config_sha256[65], workload[96];
    const char *commit;
};
extern const struct db_schema store_schema;
void store_row_of(struct run_row *w, const struct record *r);
/* A record with its content as text, inside a transaction: 1 put, 0 known. The same of a foreign run. */
int store_put_run(struct db *d, const struct record *r, const char *json, struct err *e);
int store_put_foreign_run(struct db *d, const struct foreign_run *r, const char *json, struct err *e);
/* The points that the figures of a run are in their series. */
int store_put_points(struct db *d, int64_t run, const struct run_row *w, const struct record *r, struct err *e);
int store_put_figure(struct db *d, int64_t run, const char *metric, struct interval v, const char *unit, struct err *e);
int store_put_sample(struct db *d, int64_t run, const char *metric, int rep, double value, struct err *e);
int store_merge_change(struct db *d, const struct change *c, struct err *e);
int store_read_record(struct record *out, const struct db_rows *q, int column, const char *where, struct err *e);
#endif
