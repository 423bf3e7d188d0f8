/* The two long parts of report.html: the table of rows, and what stands behind each row. */
#ifndef REPORTS_HTML_PARTS_H
#define REPORTS_HTML_PARTS_H
#include "reports/reports.h"

void html_table(struct sbuf *out, const struct report_input *in);
/* Claimed beside measured. */
void html_claims(struct sbuf *out, const struct report_input *in);
void html_evidence(struct sbuf *out, const struct report_input *in);
#endif
