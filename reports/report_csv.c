/* matrix.csv: columns.def in order, one row a candidate; procurement.csv likewise, one row a device. CRLF line ends as
 * RFC 4180 has them. */
#include <math.h>
#include "reports/columns.h"
#include "reports/escape.h"
#include "reports/writers.h"

const struct column columns[] = {
#define X(type, name, doc) COLUMN_OF(struct row, type, name, doc),
#include "matrix/columns.def"
#undef X
};
const int n_columns = (int)(sizeof columns / sizeof columns[0]);
const struct column procurement_columns[] = {
#define X(type, name, doc) COLUMN_OF(struct procured, type, name, doc),
#include "matrix/procurement.def"
#undef X
};
const int n_procurement_columns = (int)(sizeof procurement_columns / sizeof procurement_columns[0]);

static void write_field(struct sbuf *b, const void *r, const struct column *c)
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

void columns_csv_head(struct sbuf *b, const struct column *c, int n)
{
    for (int i = 0; i < n; i++)
        sbuf_printf(b, "%s%s", i ? "," : "", c[i].name);
    sbuf_puts(b, "\r\n");
}

void columns_csv_row(struct sbuf *b, const void *r, const struct column *c, int n)
{
    for (int i = 0; i < n; i++) {
        if (i)
            sbuf_putc(b, ',');
        write_field(b, r, &c[i]);
    }
    sbuf_puts(b, "\r\n");
}

int report_csv(struct sbuf *out, const struct report_input *in, struct err *e)
{
    columns_csv_head(out, columns, n_columns);
    for (int i = 0; i < in->decision->n_rows; i++)
        columns_csv_row(out, &in->decision->row[i], columns, n_columns);
    return report_end(out, "the CSV", e);
}
