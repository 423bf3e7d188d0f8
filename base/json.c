/* The few things we add to Jansson: NaN as null, errors as sentences. */
#include "base/json.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"

json_t *json_num(double v) { return isfinite(v) ? json_real(v) : json_null(); }

json_t *json_str_or_null(const char *s) { return s && *s ? json_string(s) : json_null(); }

void json_put(json_t *object, const char *key, json_t *value) { json_object_set_new(object, key, value); }

double json_get_num(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

const char *json_get_str(const json_t *object, const char *key, const char *otherwise)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) ? json_string_value(v) : otherwise;
}

int json_parse(json_t **out, const char *text, size_t n, const char *where, struct err *e)
{
    json_error_t je;
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &je);
    if (*out)
        return 0;
    return err_set(e, ERR_FORMAT, "%s: not valid JSON at line %d: %s", where, je.line, je.text);
}

int json_read_file(json_t **out, const char *path, struct err *e)
{
    char *text;
    size_t n;
    int rc = file_read(path, (size_t)1 << 28, &text, &n, e);
    if (rc < 0)
        return rc;
    rc = json_parse(out, text, n, path, e);
    mem_free(text);
    return rc;
}

static int to_sbuf(const char *p, size_t n, void *b)
{
    sbuf_add(b, p, n);
    return 0;
}

void json_print(struct sbuf *b, const json_t *v, int indent)
{
    size_t flags = JSON_ENCODE_ANY | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12);
    flags |= indent ? JSON_INDENT((size_t)indent) : JSON_COMPACT;
    if (json_dump_callback(v, to_sbuf, b, flags) != 0)
        b->failed = true;
}
