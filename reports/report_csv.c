/* matrix.csv: columns.def in order, one row a candidate, CRLF line ends as RFC 4180 has them. */
#include <math.h>
#include "reports/columns.h"
#include "reports/escape.h"
#include "reports/writers.h"

const struct column columns[] = {
#define STR(name, doc)     {#name, doc, COLUMN_STR, offsetof(struct row, name)},
#define NUM(name, doc)     {#name, doc, COLUMN_NUM, offsetof(struct row, name)},
#define INT(name, doc)     {#name, doc, COLUMN_INT, offsetof(struct row, name)},
#define BOOL(name, doc)    {#name, doc, COLUMN_BOOL, offsetof(struct row, name)},
#define X(type, name, doc) type(name, doc)
#include "matrix/columns.def"
#undef X
#undef STR
#undef NUM
#undef INT
#undef BOOL
};
const int n_columns = (int)(sizeof columns / sizeof columns[0]);

static void write_field(struct sbuf *b, const struct row *r, const struct column *c)
{
    switch (c->type) {
    case COLUMN_STR:
        escape_csv(b, column_str(r, c));
        break;
    case COLUMN_BOOL:
        sbuf_puts(b, column_bool(r, c) ? "true" : "false");
        break;
    case COLUMN_INT:
        if (column_int(r, c) != INT64_MIN)
            sbuf_printf(b, "%lld", (long long)column_int(r, c));
        break;
    case COLUMN_NUM:
        if (isfinite(column_num(r, c)))
            sbuf_printf(b, "%.10g", column_num(r, c));
        break;
    }
}

int report_csv(struct sbuf *out, const struct report_input *in, struct err *e)
{
    for (int c = 0; c < n_columns; c++)
        sbuf_printf(out, "%s%s", c ? "," : "", columns[c].name);
    sbuf_puts(out, "\r\n");
    for (int i = 0; i < in->decision->n_rows; i++) {
        for (int c = 0; c < n_columns; c++) {
            if (c)
                sbuf_putc(out, ',');
            write_field(out, &in->decision->row[i], &columns[c]);
        }
        sbuf_puts(out, "\r\n");
    }
    return report_end(out, "the CSV", e);
}
