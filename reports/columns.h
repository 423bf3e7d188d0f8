/* columns.def as a table, so that writers loop over the columns instead of naming them. */
#ifndef REPORTS_COLUMNS_H
#define REPORTS_COLUMNS_H
#include <stddef.h>
#include "matrix/matrix.h"

enum column_type { COLUMN_STR, COLUMN_NUM, COLUMN_INT, COLUMN_BOOL };
struct column {
    const char *name, *doc;
    enum column_type type;
    size_t offset; /* in struct row */
};
extern const struct column columns[];
extern const int n_columns;

static inline const char *column_str(const struct row *r, const struct column *c)
{
    const char *s = *(const char *const *)((const char *)r + c->offset);
    return s ? s : "";
}
static inline double column_num(const struct row *r, const struct column *c)
{
    return *(const double *)((const char *)r + c->offset);
}
static inline int64_t column_int(const struct row *r, const struct column *c)
{
    return *(const int64_t *)((const char *)r + c->offset);
}
static inline int column_bool(const struct row *r, const struct column *c)
{
    return *(const int *)((const char *)r + c->offset);
}
#endif
