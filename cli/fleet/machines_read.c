/* records.jsonl and machines.json of a fleet, and what other tools wrote. A record of a fleet says in "fleet" which
 * machine it is of; machines.json adds their labels and fingerprints. */
#include "cli/fleet/machines_read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/catalogue.h"
#include "bench/import.h"
#include "matrix/capacity.h"

static const size_t most_bytes = (size_t)256 << 20;

/* ---- records ---- */

static bool is_asked_for(const struct cli *c, const struct record *r)
{
    const struct catalogue_model *m = catalogue_model_find(r->model.name);
    for (int i = 0; i < c->catalogue.n; i++)
        if (strcasecmp(r->model.name, c->catalogue.v[i]) == 0 || (m && m == catalogue_model_find(c->catalogue.v[i])))
            return true;
    return c->catalogue.n == 0;
}

/* Of two records of one cell the later counts; of one date the one that is read last. */
static int keep_record(struct record **list, int *n, const struct record *r, struct err *e)
{
    for (int i = 0; i < *n; i++)
        if (*r->cell_id && strcmp((*list)[i].cell_id, r->cell_id) == 0) {
            if (strcmp(r->date, (*list)[i].date) >= 0)
                (*list)[i] = *r;
            return 0;
        }
    struct record *grown = mem_resize(*list, ((size_t)*n + 1) * sizeof *grown);
    if (!grown)
        return err_nomem(e, ((size_t)*n + 1) * sizeof *grown, "the records of a machine");
    *list = grown;
    grown[(*n)++] = *r;
    return 0;
}

static int take_record(struct machines *m, const struct cli *c, const struct record *r, const char *id,
                       const char *label, const char *where, struct err *e)
{
    char own[72];
    snprintf(own, sizeof own, "%.71s", *id ? id : r->hw_sha256);
    const bool served = record_is_served(r);
    if (!served && !is_asked_for(c, r))
        return 0;
    struct machine *k = machines_find(m, own, *r->device ? r->device : where, e);
    if (!k)
        return e->code;
    if (*label)
        snprintf(k->label, sizeof k->label, "%s", label);
    return served ? keep_record(&k->served, &k->n_served, r, e) : keep_record(&k->rec, &k->n_rec, r, e);
}

static int take_line(struct machines *m, const struct cli *c, const char *line, size_t n, const char *where,
                     struct err *e)
{
    json_t *j;
    struct record *r = mem_alloc(sizeof *r);
    if (!r)
        return err_nomem(e, sizeof *r, "a record");
    int rc = json_parse(&j, line, n, where, e);
    if (rc == 0) {
        const json_t *fleet = json_object_get(j, "fleet");
        rc = record_from_json(r, j, e);
        if (rc < 0)
            err_context(e, "%s", where);
        else
            rc = take_record(m, c, r, json_get_str(fleet, "machine", ""), json_get_str(fleet, "label", ""), where, e);
        json_decref(j);
    }
    mem_free(r);
    return rc;
}

static int read_lines(struct machines *m, const struct cli *c, const char *text, const char *path, struct err *e)
{
    int rc = 0, line = 1;
    for (const char *p = text; *p && rc == 0; line++) {
        size_t n = strcspn(p, "\n");
        char where[300];
        snprintf(where, sizeof where, "%.200s, line %d", path, line);
        if (strspn(p, " \t\r") < n)
            rc = take_line(m, c, p, n, where, e);
        p += n + (p[n] == '\n');
    }
    return rc;
}

static int read_foreign(struct machines *m, const struct cli *c, const char *text, size_t size, const char *path,
                        struct err *e)
{
    struct record *rec = NULL;
    int n = 0, rc = import_text(text, size, path, NULL, &rec, &n, e);
    for (int i = 0; i < n && rc == 0; i++)
        rc = take_record(m, c, &rec[i], "", "", path, e);
    mem_free(rec);
    return rc;
}

static bool is_ours(const char *text)
{
    const char *start = text + strspn(text, " \t\r\n"), *cell = strstr(start, "\"cell_id\"");
    return *start == '{' && cell && cell < start + strcspn(start, "\n");
}

static int read_records(struct machines *m, const struct cli *c, const char *path, struct err *e)
{
    char *text;
    size_t size;
    int rc = file_read(path, most_bytes, &text, &size, e);
    if (rc < 0)
        return rc;
    if (strlen(text) != size)
        rc = err_set(e, ERR_FORMAT, "%s holds a zero byte: it is no text", path);
    else
        rc = is_ours(text) ? read_lines(m, c, text, path, e) : read_foreign(m, c, text, size, path, e);
    mem_free(text);
    return rc;
}

/* ---- machines.json ---- */

/* The last fingerprint is what the machine is now. */
static const json_t *last_fingerprint(const json_t *o)
{
    const json_t *all = json_object_get(o, "fingerprints"), *one = json_object_get(o, "fingerprint");
    const json_t *last = json_array_get(all, json_array_size(all) - 1);
    return json_is_object(last) ? last : json_is_object(one) ? one : NULL;
}

static int read_machine(struct machines *m, const json_t *o, const char *path, struct err *e)
{
    const char *id = json_get_str(o, "id", ""), *label = json_get_str(o, "label", "");
    const json_t *fingerprint = last_fingerprint(o);
    if (!*id)
        return err_set(e, ERR_FORMAT, "%s: a machine without \"id\"; `whichquant fleet collect` writes it", path);
    struct machine *k = machines_find(m, id, label, e);
    if (!k)
        return e->code;
    if (*label)
        snprintf(k->label, sizeof k->label, "%s", label);
    if (!fingerprint)
        return 0;
    int rc = probe_from_json(&k->probe, fingerprint, path, e);
    k->has_probe = rc == 0;
    if (k->n_rec == 0 && *k->probe.cpu.brand)
        snprintf(k->device, sizeof k->device, "%s", k->probe.cpu.brand);
    return rc;
}

static int read_machines(struct machines *m, const char *path, struct err *e)
{
    json_t *j;
    const json_t *list, *o;
    size_t i;
    int rc = json_read_file(&j, path, e);
    if (rc < 0)
        return rc;
    list = json_is_array(j) ? j : json_object_get(j, "machines");
    if (!json_is_array(list))
        rc = err_set(e, ERR_FORMAT, "%s: no list of machines; `whichquant fleet collect` writes it", path);
    json_array_foreach(list, i, o)
    {
        if (rc == 0)
            rc = read_machine(m, o, path, e);
    }
    json_decref(j);
    return rc;
}

int machines_read(struct machines *m, struct cli *c, const char *path, struct err *e)
{
    char file[4096];
    if (!dir_exists(path))
        return read_records(m, c, path, e);
    if (snprintf(file, sizeof file, "%s/machines.json", path) >= (int)sizeof file)
        return err_set(e, ERR_USAGE, "the name of the folder is too long: %.80s...", path);
    const bool collected = file_exists(file);
    snprintf(file, sizeof file, "%.4000s/records.jsonl", path);
    if (!collected && !file_exists(file))
        return err_set(e, ERR_MISSING,
                       "%s holds neither records.jsonl nor machines.json; `whichquant fleet collect` "
                       "writes both",
                       path);
    int rc = file_exists(file) ? read_records(m, c, file, e) : 0;
    snprintf(file, sizeof file, "%.4000s/machines.json", path);
    return rc == 0 && collected ? read_machines(m, file, e) : rc;
}
