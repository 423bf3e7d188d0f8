/* Devices side by side, for whoever buys them: procurement.csv, a page and a Markdown table. The decision of each
 * device has a report of its own (reports.h). Order: procurement_make -> reports_write_devices, or one of the writers.
 */
#ifndef REPORTS_DEVICES_H
#define REPORTS_DEVICES_H
#include "base/sbuf.h"
#include "matrix/procurement.h"

int report_devices_csv(struct sbuf *out, const struct procurement *p, struct err *e);
int report_devices_markdown(struct sbuf *out, const struct procurement *p, struct err *e);
/* For the screen: a line a device. */
int report_devices_text(struct sbuf *out, const struct procurement *p, struct err *e);
/* An array of objects with the keys of procurement.csv. */
int report_devices_json(struct sbuf *out, const struct procurement *p, struct err *e);
int report_devices_html(struct sbuf *out, const struct procurement *p, struct err *e);
/* report.html, procurement.csv and summary.md into dir: all of them or none. */
int reports_write_devices(const char *dir, const struct procurement *p, struct err *e);
#endif
