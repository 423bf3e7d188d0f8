/* Files and folders for a while. */
#include "base/temp.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MOST_OPEN = 8 }; /* folders at once while one is removed */

const char *temp_folder(void)
{
    const char *given = getenv("TMPDIR");
    return given && *given ? given : "/tmp";
}

static int name_it(char path[TEMP_PATH], const char *what, struct err *e)
{
    int n = snprintf(path, TEMP_PATH, "%s/whichquant-%s-XXXXXX", temp_folder(), what);
    if (n < TEMP_PATH)
        return 0;
    path[0] = 0;
    return err_set(e, ERR_LIMIT, "TMPDIR is too long a name for %s; set a shorter one", what);
}

static int failed(char path[TEMP_PATH], const char *what, struct err *e)
{
    int why = errno;
    path[0] = 0;
    return err_set(e, ERR_IO, "cannot write %s into %s: %s; set TMPDIR", what, temp_folder(), strerror(why));
}

int temp_file(char path[TEMP_PATH], const char *what, struct err *e)
{
    int rc = name_it(path, what, e), fd = rc < 0 ? -1 : mkstemp(path);
    if (fd >= 0)
        return close(fd);
    return rc < 0 ? rc : failed(path, what, e);
}

int temp_dir(char path[TEMP_PATH], const char *what, struct err *e)
{
    int rc = name_it(path, what, e);
    if (rc == 0 && mkdtemp(path))
        return 0;
    return rc < 0 ? rc : failed(path, what, e);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    remove(path);
    return 0; /* what cannot be removed stays, the rest goes */
}

void temp_remove(const char *path)
{
    if (*path)
        nftw(path, remove_one, MOST_OPEN, FTW_DEPTH | FTW_PHYS);
}

int64_t disk_free_bytes(const char *path)
{
    struct statvfs fs;
    if (statvfs(path, &fs) < 0)
        return -1;
    return (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
}
