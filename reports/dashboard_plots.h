/* Pictures of the dashboard for print: the open changes, the noise, and the series that got worse most. */
#ifndef REPORTS_DASHBOARD_PLOTS_H
#define REPORTS_DASHBOARD_PLOTS_H
#include "matrix/dashboard.h"
#include "reports/report_files.h"

/* plots/changes.svg, plots/noise.svg, plots/series-1.svg ...: all or none. 0, or plot_draw's errors. */
int dashboard_plots(struct report_files *files, const struct dashboard *d, struct err *e);
#endif
