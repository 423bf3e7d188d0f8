/* The files of an output directory, which appear together or not at all: all are rendered first, then written under
 * temporary names, and only when the last byte is on the disk they get their own. Order: report_files_add and fill ->
 * report_files_write -> report_files_free. */
#ifndef REPORTS_REPORT_FILES_H
#define REPORTS_REPORT_FILES_H
#include "base/err.h"
#include "base/sbuf.h"

enum { MOST_REPORT_FILES = 24 };
struct report_file {
    char name[64]; /* in the directory; "plots/pareto.svg" */
    struct sbuf text;
};
struct report_files {
    struct report_file file[MOST_REPORT_FILES];
    int n;
};
struct sbuf *report_files_add(struct report_files *f, const char *name);
int report_files_write(const struct report_files *f, const char *dir, struct err *e);
void report_files_free(struct report_files *f);
#endif
