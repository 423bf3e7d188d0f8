/* struct probe_device -> JSON: the rows of fields.def in their sections, then the lists. */
#include "probe/fields.h"

#include <string.h>

static const char *const state_names[] = {[ISA_ABSENT] = "absent", [ISA_CLAIMED] = "claimed", [ISA_PROVED] = "proved"};
static const char *const kind_names[] = {
    [CPU_KIND_UNKNOWN] = "unknown", [CPU_KIND_PERFORMANCE] = "performance", [CPU_KIND_EFFICIENCY] = "efficiency"};

static json_t *section(json_t *root, const char *name)
{
    if (!*name)
        return root;
    if (!json_object_get(root, name))
        json_put(root, name, json_object());
    return json_object_get(root, name);
}

static json_t *rows_to_json(const struct field *f, int n, const void *base)
{
    json_t *o = json_object();
    for (int i = 0; i < n; i++)
        json_put(o, f[i].key, field_to_json(&f[i], base));
    return o;
}

static json_t *caches(const struct probe_device *d)
{
    json_t *list = json_array();
    for (int i = 0; i < d->cpu.n_caches; i++) {
        json_t *o = rows_to_json(cache_fields, n_cache_fields, &d->cpu.cache[i]);
        const char *type = d->cpu.cache[i].type == 'd'   ? "data"
                           : d->cpu.cache[i].type == 'i' ? "instruction"
                                                         : "unified";
        json_put(o, "type", json_string(type));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *cpus(const struct probe_device *d)
{
    json_t *list = json_array();
    for (int i = 0; i < d->cpu.n_cpu; i++) {
        json_t *o = json_object();
        json_put(o, "os_index", json_integer(d->cpu.cpu[i].os_index));
        json_put(o, "core", d->cpu.cpu[i].core < 0 ? json_null() : json_integer(d->cpu.cpu[i].core));
        json_put(o, "node", d->cpu.cpu[i].node < 0 ? json_null() : json_integer(d->cpu.cpu[i].node));
        json_put(o, "kind", json_string(kind_names[d->cpu.cpu[i].kind]));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *isa(const struct probe_device *d)
{
    json_t *o = json_object();
    for (int i = 0; i < N_ISA; i++)
        json_put(o, isa_name(i), json_string(state_names[d->cpu.isa[i]]));
    return o;
}

static json_t *accels(const struct probe_accel *a, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, rows_to_json(accel_fields, n_accel_fields, &a[i]));
    return list;
}

json_t *probe_to_json(const struct probe_device *d)
{
    json_t *root = json_object(), *notes = json_array();
    for (int i = 0; i < n_device_fields; i++) {
        const struct field *f = &device_fields[i];
        if (!strcmp(f->section, "power") &&
            !json_object_get(root, "gpus")) { /* after cpu and memory, where readers look */
            json_put(root, "gpus", accels(d->gpu, d->n_gpus));
            json_put(root, "npus", accels(d->npu, d->n_npus));
        }
        json_put(section(root, f->section), f->key, field_to_json(f, d));
    }
    json_put(section(root, "cpu"), "caches", caches(d));
    json_put(section(root, "cpu"), "isa", isa(d));
    json_put(section(root, "cpu"), "cpus", cpus(d));
    for (int i = 0; i < d->n_notes; i++)
        json_array_append_new(notes, json_string(d->note[i]));
    json_put(root, "notes", notes);
    return root;
}
