/* JSON through Jansson. Not measured is NaN here and null there. */
#ifndef BASE_JSON_H
#define BASE_JSON_H
#include <jansson.h>
#include "base/err.h"
#include "base/sbuf.h"

json_t *json_num(double v);                                     /* NaN and Inf become null */
json_t *json_str_or_null(const char *s);
void json_put(json_t *object, const char *key, json_t *value);  /* steals value, also on failure */
double json_get_num(const json_t *object, const char *key);     /* NaN when absent or not a number */
const char *json_get_str(const json_t *object, const char *key, const char *otherwise);
int json_read_file(json_t **out, const char *path, struct err *e);
int json_parse(json_t **out, const char *text, size_t n, const char *where, struct err *e);
void json_print(struct sbuf *b, const json_t *v, int indent);   /* keys in insertion order */
#endif
