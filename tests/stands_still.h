/* Whether a process was stopped where it stands, or goes on. */
#ifndef TESTS_STANDS_STILL_H
#define TESTS_STANDS_STILL_H
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include "base/mem.h"
#include "base/os.h"

static inline bool stands_still(pid_t pid)
{
    char path[48], *text, *at;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (file_read(path, 4096, &text, NULL, NULL) < 0)
        return false;
    bool still = (at = strrchr(text, ')')) && at[2] == 'T';
    mem_free(text);
    return still;
}

/* The signal takes its time. */
static inline bool comes_to_stand(pid_t pid, bool still)
{
    for (int i = 0; i < 3000 && stands_still(pid) != still; i++)
        clock_sleep_ms(1);
    return stands_still(pid) == still;
}
#endif
