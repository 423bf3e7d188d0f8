/* The rows of fields.def and the three things one can do with a row. */
#include "probe/fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROW(section, key, type, owner, member, hash)                                                                   \
    {section, key, FIELD_##type, offsetof(struct owner, member), sizeof(((struct owner *)0)->member), HASH_##hash},

const struct field device_fields[] = {
#define FIELD(section, key, type, member, hash) ROW(section, key, type, probe_device, member, hash)
#include "probe/fields.def"
#undef FIELD
};
const struct field accel_fields[] = {
    ROW("", "name", STR, probe_accel, name, NO) ROW("", "vendor", STR, probe_accel, vendor, NO)
        ROW("", "driver", STR, probe_accel, driver, ENV) ROW("", "api", STR, probe_accel, api, NO)
            ROW("", "pci_id", STR, probe_accel, pci_id, HW) ROW("", "memory_bytes", I64, probe_accel, memory_bytes, ENV)
                ROW("", "capability", STR, probe_accel, capability, NO)
                ROW("", "software", BOOL, probe_accel, software, HW)};
const struct field cache_fields[] = {
    ROW("", "level", INT, probe_cache, level, HW) ROW("", "bytes", I64, probe_cache, bytes, HW)
        ROW("", "shared_by", INT, probe_cache, n_shared, HW) ROW("", "doubtful", BOOL, probe_cache, doubtful, NO)};
#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))
const int n_device_fields = COUNT(device_fields), n_accel_fields = COUNT(accel_fields),
          n_cache_fields = COUNT(cache_fields);

void field_reset(const struct field *f, void *base)
{
    char *p = (char *)base + f->offset;
    switch (f->type) {
    case FIELD_STR:
        p[0] = 0;
        break;
    case FIELD_INT:
        memcpy(p, &(int){-1}, sizeof(int));
        break;
    case FIELD_I64:
        memcpy(p, &(int64_t){-1}, sizeof(int64_t));
        break;
    case FIELD_NUM:
        memcpy(p, &(double){NAN}, sizeof(double));
        break;
    case FIELD_BOOL:
        memcpy(p, &(bool){false}, sizeof(bool));
        break;
    }
}

json_t *field_to_json(const struct field *f, const void *base)
{
    const void *p = (const char *)base + f->offset;
    switch (f->type) {
    case FIELD_STR:
        return json_str_or_null(p);
    case FIELD_INT:
        return *(const int *)p < 0 ? json_null() : json_integer(*(const int *)p);
    case FIELD_I64:
        return *(const int64_t *)p < 0 ? json_null() : json_integer(*(const int64_t *)p);
    case FIELD_NUM:
        return json_num(*(const double *)p);
    case FIELD_BOOL:
        return json_boolean(*(const bool *)p);
    }
    return json_null();
}

static int wrong(const struct field *f, const char *where, const char *want, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: \"%s%s%s\" must be %s", where, f->section, *f->section ? "." : "", f->key, want);
}

static int whole_number(const struct field *f, const json_t *v, double max, int64_t *out, const char *where,
                        struct err *e)
{
    double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= 0 && x <= max) || x != floor(x))
        return wrong(f, where, "a whole number that is not negative, or null", e);
    *out = json_is_integer(v) ? json_integer_value(v) : (int64_t)x;
    return 0;
}

int field_from_json(const struct field *f, void *base, const json_t *object, const char *where, struct err *e)
{
    const json_t *v = json_object_get(object, f->key);
    void *p = (char *)base + f->offset;
    int64_t n = 0;
    int rc = 0;
    if (!v || json_is_null(v))
        return 0;
    switch (f->type) {
    case FIELD_STR:
        if (!json_is_string(v))
            return wrong(f, where, "a text or null", e);
        text_copy(p, f->bytes, json_string_value(v));
        break;
    case FIELD_INT:
        rc = whole_number(f, v, 1e9, &n, where, e);
        if (rc == 0)
            *(int *)p = (int)n;
        break;
    case FIELD_I64:
        rc = whole_number(f, v, 1e18, &n, where, e);
        if (rc == 0)
            *(int64_t *)p = n;
        break;
    case FIELD_NUM:
        if (!json_is_number(v))
            return wrong(f, where, "a number or null", e);
        *(double *)p = json_number_value(v);
        break;
    case FIELD_BOOL:
        if (!json_is_boolean(v))
            return wrong(f, where, "true or false", e);
        *(bool *)p = json_is_true(v);
        break;
    }
    return rc;
}
