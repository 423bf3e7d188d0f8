/* Reads RFC 4180 text row by row into one fixed buffer. */
#include "datasets/catalogue.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One field into the row's buffer; returns what follows it (its comma, line end or NUL), or NULL without
 * room. */
static const char *read_field(const char *p, char **to, const char *end)
{
    bool quoted = *p == '"';
    p += quoted;
    while (*p && (quoted || !strchr(",\r\n", *p))) {
        if (quoted && *p == '"' && *++p != '"')
            break;
        if (*to + 1 >= end)
            return NULL;
        *(*to)++ = *p++;
    }
    *(*to)++ = 0;
    return p;
}

static bool read_row(const char **at, struct csv_row *row)
{
    const char *p = *at;
    char *to = row->text, *end = row->text + CSV_ROW;
    row->n = 0;
    while (*p == '\n' || *p == '\r')
        p++;
    if (!*p)
        return false;
    for (;; p++) {
        if (row->n == CSV_FIELDS || to >= end)
            return false;
        row->field[row->n++] = to;
        p = read_field(p, &to, end);
        if (!p)
            return false;
        if (*p != ',')
            break;
    }
    *at = p;
    return true;
}

bool csv_open(struct csv *c, const char *text)
{
    c->at = text;
    c->row.n = 0;
    return read_row(&c->at, &c->head);
}

bool csv_next(struct csv *c)
{
    return read_row(&c->at, &c->row);
}

const char *csv_text(const struct csv *c, const char *column)
{
    for (int i = 0; i < c->head.n && i < c->row.n; i++)
        if (strcmp(c->head.field[i], column) == 0)
            return c->row.field[i];
    return "";
}

double csv_number(const struct csv *c, const char *column)
{
    const char *s = csv_text(c, column);
    char *end;
    double v = strtod(s, &end);
    return *s && *end == 0 ? v : NAN;
}
