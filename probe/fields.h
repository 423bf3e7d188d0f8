/* The members of struct probe_device as rows: what is written to JSON, read from it, reset and hashed. */
#ifndef PROBE_FIELDS_H
#define PROBE_FIELDS_H
#include "probe/parts.h"

enum field_type { FIELD_STR, FIELD_INT, FIELD_I64, FIELD_NUM, FIELD_BOOL };
enum field_hash { HASH_NO, HASH_HW, HASH_ENV };
struct field {
    const char *section, *key;
    enum field_type type;
    size_t offset, bytes;
    enum field_hash hash;
};
extern const struct field device_fields[], accel_fields[], cache_fields[];
extern const int n_device_fields, n_accel_fields, n_cache_fields;

void field_reset(const struct field *f, void *base);            /* to unknown */
json_t *field_to_json(const struct field *f, const void *base); /* null when unknown */
/* Absent and null leave the member unknown. */
int field_from_json(const struct field *f, void *base, const json_t *object, const char *where, struct err *e);
#endif
