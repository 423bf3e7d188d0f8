/* What the files of bench/fleet share. */
#ifndef BENCH_FLEET_PARTS_H
#define BENCH_FLEET_PARTS_H
#include "bench/fleet/fleet.h"

struct fleet_collection;

/* That member into out; false: it is missing, empty, no text or too long. */
bool fleet_take(char *out, size_t size, const json_t *o, const char *key);
bool fleet_is_hex(const char *s, size_t n); /* n digits */
int fleet_features_add(struct fleet_features *f, const char *name, struct err *e);
json_t *fleet_features_to_json(const struct fleet_features *f);
/* The first hex digits of the hash of what the cell measures and where. */
int fleet_cell_id(const struct fleet_cell *c, char id[FLEET_ID + 1], struct err *e);
/* The model's file or folder as dir/SHA256.gguf or dir/SHA256: a hard link, or a copy where that cannot be. */
int fleet_model_place(const struct model *m, const char *given, const char *dir, struct err *e);
int fleet_state_folder(char out[3600], struct err *e);
/* Seconds since 1970 of a time as clock_iso8601 writes it, and of nothing else. */
bool fleet_time(const char *iso8601, int64_t *out);
void collect_say(struct fleet_collection *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
