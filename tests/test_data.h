/* Where tests find the data that is not in the repository: WHICHQUANT_TEST_DATA, else the folder meson was
 * given. */
#ifndef TESTS_TEST_DATA_H
#define TESTS_TEST_DATA_H
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEST_SKIPPED = 77 };

/* Full path of a file below the data folder, in one of four buffers used in turn. */
static inline const char *test_data(const char *name)
{
    static char path[4][4096];
    static int next;
    const char *root = getenv("WHICHQUANT_TEST_DATA");
    char *p = path[next++ & 3];
    snprintf(p, sizeof path[0], "%s/%s", root && *root ? root : TEST_DATA_DIR, name);
    return p;
}

/* False, with a plain line on stderr, where the file is not there: the test then returns TEST_SKIPPED. */
static inline bool test_data_there(const char *name)
{
    if (access(test_data(name), R_OK) == 0)
        return true;
    fprintf(stderr, "SKIP: %s is not there (set WHICHQUANT_TEST_DATA)\n", test_data(name));
    return false;
}
#endif
