/* Writes the report of a named case, for the browser tests and for looking at: make_report CASE [DIR [columns]]. */
#include <stdlib.h>
#include "tests/unit/report_cases.h"

static void warn(void *arg, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "%s\n", sentence);
}

int main(int argc, char **argv)
{
    static struct report_case c;
    struct err e = {0};
    struct sbuf b = {0};
    if (argc < 2 || case_open(&c, argv[1], &e) < 0)
        return fprintf(stderr, "usage: make_report CASE [DIR [COLUMNS]] %s\n", e.text), 1;
    int rc = argc > 2 ? reports_write_dir(argv[2], &c.in, warn, NULL, &e) : 0;
    for (int verbose = 0; verbose < 2 && rc == 0; verbose++) {
        c.in.verbose = verbose;
        c.in.columns = argc > 3 ? atoi(argv[3]) : 100;
        rc = writer_find("text")->write(&b, &c.in, &e);
        sbuf_puts(&b, verbose ? "" : "\n------ -v ------\n");
    }
    fputs(rc < 0 ? e.text : sbuf_str(&b), rc < 0 ? stderr : stdout);
    sbuf_free(&b);
    decision_free(c.decision);
    return rc < 0;
}
