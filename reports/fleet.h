/* Machines side by side, for whoever buys or keeps them: a table for each set of limits, what all of them can run, what
 * upgrades would allow. The decision of each machine has a report of its own (reports.h). Order: fleet_add for each set
 * -> reports_write_fleet, or one of the writers. */
#ifndef REPORTS_FLEET_H
#define REPORTS_FLEET_H
#include "base/sbuf.h"
#include "matrix/fleet.h"

int report_fleet_text(struct sbuf *out, const struct fleet *f, struct err *e); /* for the screen */
int report_fleet_csv(struct sbuf *out, const struct fleet *f, struct err *e);  /* a row a machine and set */
int report_fleet_markdown(struct sbuf *out, const struct fleet *f, struct err *e);
int report_fleet_json(struct sbuf *out, const struct fleet *f, struct err *e);
int report_fleet_html(struct sbuf *out, const struct fleet *f, struct err *e);
/* What all can run: a row a candidate and set, the answer first. */
int report_standard_csv(struct sbuf *out, const struct fleet *f, struct err *e);
/* An array of the rows of one table, with the keys of procurement.csv. */
int report_devices_json(struct sbuf *out, const struct procurement *p, struct err *e);
/* report.html, procurement.csv, standard.csv, fleet.json and summary.md into dir: all of them or none. */
int reports_write_fleet(const char *dir, const struct fleet *f, struct err *e);
#endif
