/* JSON -> struct probe_device: our own output, or a few lines written by hand, e.g.
 *   {"cpu": {"brand": "Cortex-A76", "cores": 4, "isa": ["asimd", "asimddp"]}, "memory": {"total_bytes": 8000000000}}
 * What is absent stays unknown; what follows from the rest (usable cores, usable bytes, hashes) is derived. */
#include "probe/fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

static int get_list(const json_t **out, const json_t *object, const char *key, const char *where, struct err *e)
{
    *out = json_object_get(object, key);
    if (!*out || json_is_null(*out) || json_is_array(*out))
        return 0;
    return err_set(e, ERR_FORMAT, "%s: \"%s\" must be a list", where, key);
}

static int read_rows(const struct field *f, int n, void *base, const json_t *v, const char *list, const char *where,
                     struct err *e)
{
    for (int i = 0; i < n; i++)
        field_reset(&f[i], base);
    if (!json_is_object(v))
        return err_set(e, ERR_FORMAT, "%s: an entry of \"%s\" is not an object", where, list);
    for (int i = 0; i < n; i++) {
        int rc = field_from_json(&f[i], base, v, where, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A bare text stands for the name. */
static int read_accels(struct probe_accel *a, int *n, int max, const json_t *root, const char *key, const char *where,
                       struct err *e)
{
    const json_t *list;
    int rc = get_list(&list, root, key, where, e);
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (*n == max)
            return err_set(e, ERR_LIMIT, "%s: \"%s\" has more than %d entries", where, key, max);
        if (json_is_string(v)) {
            read_rows(accel_fields, n_accel_fields, &a[*n], NULL, key, where, NULL);
            text_copy(a[*n].name, sizeof a[*n].name, json_string_value(v));
        } else {
            rc = read_rows(accel_fields, n_accel_fields, &a[*n], v, key, where, e);
        }
        *n += rc == 0;
    }
    return rc;
}

static int read_caches(struct probe_device *d, const json_t *cpu, const char *where, struct err *e)
{
    const json_t *list;
    int rc = get_list(&list, cpu, "caches", where, e);
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        if (d->cpu.n_caches == COUNT(d->cpu.cache))
            return err_set(e, ERR_LIMIT, "%s: \"cpu.caches\" has more than %d entries", where, COUNT(d->cpu.cache));
        struct probe_cache *c = &d->cpu.cache[d->cpu.n_caches++];
        const json_t *v = json_array_get(list, i);
        rc = read_rows(cache_fields, n_cache_fields, c, v, "cpu.caches", where, e);
        c->type = json_get_str(v, "type", "unified")[0];
        c->type = c->type == 'd' || c->type == 'i' ? c->type : 'u';
    }
    return rc;
}

static int small_int(const json_t *o, const char *key)
{
    double v = json_get_num(o, key);
    return v >= 0 && v < 1e6 ? (int)v : -1;
}

static int read_cpus(struct probe_device *d, const json_t *cpu, const char *where, struct err *e)
{
    const json_t *list;
    int rc = get_list(&list, cpu, "cpus", where, e);
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        int os_index = small_int(v, "os_index"), n = d->cpu.n_cpu;
        if (n == COUNT(d->cpu.cpu) || os_index < 0 || os_index >= MAX_CPUS)
            return err_set(e, ERR_FORMAT, "%s: entry %zu of \"cpu.cpus\" has no \"os_index\" from 0 to %d", where, i,
                           MAX_CPUS - 1);
        d->cpu.cpu[n].os_index = os_index;
        d->cpu.cpu[n].core = small_int(v, "core");
        d->cpu.cpu[n].node = small_int(v, "node");
        char kind = json_get_str(v, "kind", "unknown")[0];
        d->cpu.cpu[n].kind = kind == 'p' ? CPU_KIND_PERFORMANCE : kind == 'e' ? CPU_KIND_EFFICIENCY : CPU_KIND_UNKNOWN;
        d->cpu.n_cpu++;
    }
    return rc;
}

static void set_isa(struct probe_device *d, const char *name, const char *state)
{
    int bit = isa_find(name);
    if (bit < 0) {
        device_note(d, "the instruction set %.32s is not known here", name);
        return;
    }
    d->cpu.isa[bit] = !strcmp(state, "proved") ? ISA_PROVED : !strcmp(state, "absent") ? ISA_ABSENT : ISA_CLAIMED;
    if (d->cpu.isa[bit] == ISA_PROVED)
        d->cpu.isa_mask |= UINT64_C(1) << bit;
}

/* {"avx2": "proved", ...} or ["avx2", ...], which claims. */
static int read_isa(struct probe_device *d, const json_t *cpu, const char *where, struct err *e)
{
    json_t *v = json_object_get(cpu, "isa"), *state;
    const char *name;
    size_t i;
    if (json_is_object(v)) {
        json_object_foreach(v, name, state)
            set_isa(d, name, json_is_string(state) ? json_string_value(state) : "claimed");
    } else if (json_is_array(v)) {
        json_array_foreach(v, i, state) set_isa(d, json_is_string(state) ? json_string_value(state) : "", "claimed");
    } else if (v && !json_is_null(v)) {
        return err_set(e, ERR_FORMAT, "%s: \"cpu.isa\" must be an object of states or a list of names", where);
    }
    return 0;
}

static int read_fields(struct probe_device *d, const json_t *root, const char *where, struct err *e)
{
    for (int i = 0; i < n_device_fields; i++) {
        const struct field *f = &device_fields[i];
        const json_t *o = *f->section ? json_object_get(root, f->section) : root;
        if (!o || json_is_null(o))
            continue;
        if (!json_is_object(o))
            return err_set(e, ERR_FORMAT, "%s: \"%s\" must be an object", where, f->section);
        int rc = field_from_json(f, d, o, where, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int64_t known_min(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int derive(struct probe_device *d, struct err *e)
{
    if (d->cpu.n_usable < 0) {
        d->cpu.n_usable = d->cpu.n_cores > 0 ? d->cpu.n_cores : d->cpu.n_threads;
        if (d->cpu.quota_cpus >= 1 && d->cpu.quota_cpus < d->cpu.n_usable)
            d->cpu.n_usable = (int)d->cpu.quota_cpus;
    }
    if (d->memory.usable_bytes < 0)
        d->memory.usable_bytes =
            known_min(known_min(d->memory.total_bytes, d->memory.available_bytes), d->memory.limit_bytes);
    return d->hw_sha256[0] && d->env_sha256[0] ? 0 : device_hash(d, e);
}

int probe_from_json(struct probe_device *d, const json_t *j, const char *where, struct err *e)
{
    device_unknown(d);
    snprintf(d->source, sizeof d->source, "recorded");
    if (!json_is_object(j))
        return err_set(e, ERR_FORMAT, "%s: a device is a JSON object with \"cpu\" and \"memory\"", where);
    const json_t *cpu = json_object_get(j, "cpu");
    const json_t *notes;
    int rc = read_fields(d, j, where, e);
    if (rc == 0)
        rc = get_list(&notes, j, "notes", where, e);
    for (size_t i = 0; rc == 0 && i < json_array_size(notes); i++)
        if (json_is_string(json_array_get(notes, i)))
            device_note(d, "%s", json_string_value(json_array_get(notes, i)));
    if (rc == 0)
        rc = read_isa(d, cpu, where, e);
    if (rc == 0)
        rc = read_caches(d, cpu, where, e);
    if (rc == 0)
        rc = read_cpus(d, cpu, where, e);
    if (rc == 0)
        rc = read_accels(d->gpu, &d->n_gpus, COUNT(d->gpu), j, "gpus", where, e);
    if (rc == 0)
        rc = read_accels(d->npu, &d->n_npus, COUNT(d->npu), j, "npus", where, e);
    return rc == 0 ? derive(d, e) : rc;
}
