/* What the files of the history command share, and others that read histories. */
#ifndef CLI_HISTORY_H
#define CLI_HISTORY_H
#include "bench/series.h"
#include "cli/cli.h"

/* "2026-11-22", "2026-11-22T09:15:00Z", or an age: "90d", "12h", "4w". */
int history_time(const char *option, const char *text, int64_t *out, struct err *e);
/* Is that series one of --model, --format, --framework, --metric? All are where none was named. */
bool history_wants(const struct cli *c, const struct series *x);
int history_filter(const struct cli *c, struct series_filter *f, struct err *e);
int history_list(struct cli *c, struct store *s);
int history_changes(struct cli *c, struct store *s);
#endif
