/* hw_sha256 and env_sha256: SHA-256 of canonical JSON (keys sorted, no white space). Nothing measured enters, and
 * nothing that names the machine, its owner or its place. env contains hw, so it is the key of a series. */
#include "probe/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

/* The kernel keeps some memory back, more or less of it by version: up to whole GiB, or a sixteenth of the size. */
static int64_t nominal_gib(int64_t bytes)
{
    if (bytes <= 0)
        return -1;
    int64_t gib = (bytes + (INT64_C(1) << 30) - 1) >> 30, step = 1;
    while (step * 32 <= gib)
        step *= 2;
    return (gib + step - 1) / step * step;
}

static json_t *chosen_rows(const struct field *f, int n, const void *base, enum field_hash hash)
{
    json_t *o = json_object();
    for (int i = 0; i < n; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s.%s", f[i].section, f[i].key);
        if (f[i].hash == hash)
            json_put(o, key, field_to_json(&f[i], base));
    }
    return o;
}

static json_t *accel_rows(const struct probe_accel *a, int n, enum field_hash hash)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, chosen_rows(accel_fields, n_accel_fields, &a[i], hash));
    return list;
}

/* hw: what the CPU offers; env: whether it could be used. */
static json_t *isa_list(const struct probe_device *d, enum isa_state least)
{
    json_t *list = json_array();
    for (int i = 0; i < N_ISA; i++)
        if (d->cpu.isa[i] >= least)
            json_array_append_new(list, json_string(isa_name(i)));
    return list;
}

static int digest(json_t *o, char out[65], struct err *e)
{
    char *text = o ? json_dumps(o, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(o);
    if (!text)
        return err_nomem(e, 4096, "the device's hash");
    sha256_hex(text, strlen(text), out);
    free(text); /* Jansson's */
    return 0;
}

static json_t *hardware(const struct probe_device *d)
{
    json_t *o = chosen_rows(device_fields, n_device_fields, d, HASH_HW), *caches = json_array();
    for (int i = 0; i < d->cpu.n_caches; i++)
        json_array_append_new(caches, chosen_rows(cache_fields, n_cache_fields, &d->cpu.cache[i], HASH_HW));
    json_put(o, "caches", caches);
    json_put(o, "isa", isa_list(d, ISA_CLAIMED));
    json_put(o, "memory_gib", json_integer(nominal_gib(d->memory.total_bytes)));
    json_put(o, "gpus", accel_rows(d->gpu, d->n_gpus, HASH_HW));
    json_put(o, "npus", accel_rows(d->npu, d->n_npus, HASH_HW));
    return o;
}

static json_t *environment(const struct probe_device *d)
{
    json_t *o = chosen_rows(device_fields, n_device_fields, d, HASH_ENV);
    char release[16] = "";
    int major, minor;
    if (sscanf(d->os.kernel, "%d.%d", &major, &minor) == 2)
        snprintf(release, sizeof release, "%d.%d", major, minor);
    json_put(o, "hw", json_string(d->hw_sha256));
    json_put(o, "kernel", json_string(release));
    json_put(o, "isa", isa_list(d, ISA_PROVED));
    json_put(o, "gpus", accel_rows(d->gpu, d->n_gpus, HASH_ENV));
    json_put(o, "npus", accel_rows(d->npu, d->n_npus, HASH_ENV));
    return o;
}

int device_hash(struct probe_device *d, struct err *e)
{
    int rc = digest(hardware(d), d->hw_sha256, e);
    return rc < 0 ? rc : digest(environment(d), d->env_sha256, e);
}
