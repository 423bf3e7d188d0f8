/* columns.def (of struct row) and procurement.def (of struct procured) as tables, so that writers loop over the columns
 * instead of naming them. */
#ifndef REPORTS_COLUMNS_H
#define REPORTS_COLUMNS_H
#include <stddef.h>
#include "base/json.h"
#include "base/sbuf.h"
#include "matrix/matrix.h"
#include "matrix/procurement.h"

enum column_type { COLUMN_STR, COLUMN_NUM, COLUMN_INT, COLUMN_BOOL };
struct column {
    const char *name, *doc;
    enum column_type type;
    size_t offset; /* in the struct */
};
/* X(type, name, doc) of a .def, a field of that struct. */
#define COLUMN_OF(of, type, name, doc) {#name, doc, COLUMN_##type, offsetof(of, name)}
extern const struct column columns[];
extern const int n_columns;
extern const struct column procurement_columns[];
extern const int n_procurement_columns;

/* RFC 4180: the names, the fields of one struct; CRLF. */
void columns_csv_head(struct sbuf *b, const struct column *c, int n);
void columns_csv_row(struct sbuf *b, const void *r, const struct column *c, int n);

static inline const char *column_str(const void *r, const struct column *c)
{
    const char *s = *(const char *const *)((const char *)r + c->offset);
    return s ? s : "";
}
static inline double column_num(const void *r, const struct column *c)
{
    return *(const double *)((const char *)r + c->offset);
}
static inline int64_t column_int(const void *r, const struct column *c)
{
    return *(const int64_t *)((const char *)r + c->offset);
}
static inline int column_bool(const void *r, const struct column *c)
{
    return *(const int *)((const char *)r + c->offset);
}
/* report_json.c: the struct as an object; not measured is null. */
json_t *columns_json(const void *r, const struct column *c, int n);
#endif
