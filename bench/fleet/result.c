/* A result file: one line of JSON whose last member is the SHA-256 of all bytes in front of it, so that anybody can
 * check it with sha256sum and nobody has to agree on a canonical form. */
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/fleet/parts.h"

enum { MOST_BYTES = 1 << 26, HEX = 64 };
static const char seal[] = ",\"sha256\":\"", end[] = "\"}\n";

bool fleet_status_is_final(const char *status)
{
    int s = record_status_find(status);
    return s == STATUS_OK || s == STATUS_CANNOT_RUN || s == STATUS_UNSUPPORTED;
}

int fleet_result_text(struct fleet_result *r, struct sbuf *out, char name[96], struct err *e)
{
    json_t *o = json_object(), *m = json_object();
    json_put(m, "id", json_string(r->machine.id));
    json_put(m, "label", json_string(r->machine.label));
    json_put(o, "fleet_schema", json_integer(FLEET_SCHEMA));
    json_put(o, "plan_sha256", json_string(r->plan_sha256));
    json_put(o, "cell", json_string(r->cell));
    json_put(o, "machine", m);
    json_put(o, "measured_at", json_string(r->measured_at));
    json_put(o, "status", json_string(r->status));
    json_put(o, "fingerprint", json_incref(r->fingerprint));
    json_put(o, "records", json_incref(r->records));
    json_print(out, o, 0);
    json_decref(o);
    if (out->failed || out->n < 2)
        return err_nomem(e, out->n, "a result");
    out->n--; /* the closing brace comes behind the hash */
    sha256_hex(out->p, out->n, r->sha256);
    sbuf_printf(out, "%s%s%s", seal, r->sha256, end);
    snprintf(name, 96, "%.16s-%s-%.8s.json", r->sha256, r->cell, r->machine.id);
    return out->failed ? err_nomem(e, out->n, "a result") : 0;
}

static int take_members(struct fleet_result *r, const char *where, struct err *e)
{
    const json_t *machine = json_object_get(r->doc, "machine"), *schema = json_object_get(r->doc, "fleet_schema");
    if (!json_is_integer(schema))
        return err_set(e, ERR_FORMAT, "%s: not a result of `whichquant fleet run-cell`", where);
    if (json_integer_value(schema) > FLEET_SCHEMA)
        return err_set(e, ERR_UNSUPPORTED, "%s: written by a newer whichquant; collect with that version", where);
    r->fingerprint = json_object_get(r->doc, "fingerprint");
    r->records = json_object_get(r->doc, "records");
    bool ok = fleet_take(r->plan_sha256, sizeof r->plan_sha256, r->doc, "plan_sha256") &&
              fleet_take(r->cell, sizeof r->cell, r->doc, "cell") &&
              fleet_take(r->status, sizeof r->status, r->doc, "status") &&
              fleet_take(r->measured_at, sizeof r->measured_at, r->doc, "measured_at") &&
              fleet_take(r->machine.id, sizeof r->machine.id, machine, "id") &&
              fleet_take(r->machine.label, sizeof r->machine.label, machine, "label");
    if (!ok || !fleet_is_hex(r->plan_sha256, HEX) || !fleet_is_hex(r->cell, FLEET_ID) ||
        !fleet_is_hex(r->machine.id, 32) || record_status_find(r->status) < 0 || !json_is_object(r->fingerprint) ||
        !json_array_size(r->records))
        return err_set(e, ERR_FORMAT, "%s: a member of the result is missing or not what it should be", where);
    return 0;
}

static int parse(struct fleet_result *r, const char *text, size_t n, const char *where, struct err *e)
{
    *r = (struct fleet_result){0};
    const size_t tail = sizeof seal - 1 + HEX + sizeof end - 1, body = n > tail ? n - tail : 0;
    char hash[HEX + 1];
    if (!body || memcmp(text + body, seal, sizeof seal - 1) != 0 || memcmp(text + n - 3, end, 3) != 0)
        return err_set(e, ERR_FORMAT, "%s: cut, or not a result of `whichquant fleet run-cell`", where);
    memcpy(r->sha256, text + body + sizeof seal - 1, HEX);
    sha256_hex(text, body, hash);
    if (strcmp(hash, r->sha256) != 0)
        return err_set(e, ERR_FORMAT, "%s: changed after it was measured: its hash does not fit its content", where);
    int rc = json_parse(&r->doc, text, n, where, e);
    if (rc == 0)
        rc = take_members(r, where, e);
    if (rc < 0)
        fleet_result_free(r);
    return rc;
}

int fleet_result_read(struct fleet_result *r, const char *path, struct err *e)
{
    char *text = NULL;
    size_t n = 0;
    int rc = file_read(path, MOST_BYTES, &text, &n, e);
    *r = (struct fleet_result){0};
    if (rc == 0)
        rc = parse(r, text, n, path, e);
    mem_free(text);
    return rc;
}

void fleet_result_free(struct fleet_result *r)
{
    json_decref(r->doc);
    *r = (struct fleet_result){0};
}
