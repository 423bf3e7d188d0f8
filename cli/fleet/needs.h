/* Named sets of limits: of --need 'NAME: --ctx 8192 --min-decode 15', of a CSV or JSON file (--needs); without either
 * there is one without a name, of the limits on the command line, which count for every set that does not say
 * otherwise. Order: needs_make -> read -> needs_free. */
#ifndef CLI_FLEET_NEEDS_H
#define CLI_FLEET_NEEDS_H
#include "cli/cli.h"

enum { MOST_NEEDS = 16 };
struct need {
    char name[48], limits[256]; /* limits: in words */
    struct request req;
    char *words; /* req points into them */
};
struct needs {
    struct need need[MOST_NEEDS];
    int n;
};
int needs_make(struct needs *out, const struct cli *c, struct err *e);
void needs_free(struct needs *n);
#endif
