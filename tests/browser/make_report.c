/* Writes the report of a named case, for the browser tests and for looking at: make_report CASE [DIR [columns]];
 * "devices": devices side by side. */
#include <stdlib.h>
#include "tests/unit/device_cases.h"

static void warn(void *arg, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "%s\n", sentence);
}

static int make_devices(const char *dir)
{
    struct device_case c;
    struct err e = {0};
    int rc = device_case_open(&c, &e);
    if (rc == 0)
        rc = reports_write_fleet(dir, &c.fleet, &e);
    device_case_close(&c);
    if (rc < 0)
        fprintf(stderr, "%s\n", e.text);
    return rc < 0;
}

int main(int argc, char **argv)
{
    static struct report_case c;
    struct err e = {0};
    struct sbuf b = {0};
    if (argc > 2 && strcmp(argv[1], "devices") == 0)
        return make_devices(argv[2]);
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
