/* One night at a time on a machine: a lock that the system drops with the process, whatever ends it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/os.h"
#include "cli/nightly.h"

/* Beside the default store, whichever store is used: two nights at once would measure each other. */
static int find_folder(struct night *n, struct err *e)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && *data == '/')
        snprintf(n->data, sizeof n->data, "%s/whichquant/nights", data);
    else if (home && *home)
        snprintf(n->data, sizeof n->data, "%s/.local/share/whichquant/nights", home);
    else
        return err_set(e, ERR_MISSING, "no place for nights that are not over: set XDG_DATA_HOME or HOME");
    return strlen(n->data) > 3000 ? err_set(e, ERR_LIMIT, "XDG_DATA_HOME is too long a name") : dir_make(n->data, e);
}

static int say_who(const char *path, int fd, struct err *e)
{
    char who[128] = "";
    ssize_t got = read(fd, who, sizeof who - 1);
    who[got > 0 ? strcspn(who, "\n") : 0] = 0;
    return err_set(e, ERR_LIMIT,
                   "another nightly run is at work (%s; it holds %s): it is left alone, and nothing was done",
                   *who ? who : "it does not say which", path);
}

int night_lock(struct night *n, struct err *e)
{
    char path[NIGHT_PATH + 16], who[128], now[32];
    n->lock = -1;
    int rc = find_folder(n, e);
    if (rc < 0)
        return rc;
    snprintf(path, sizeof path, "%s/lock", n->data);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot open the lock %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        rc = errno == EWOULDBLOCK ? say_who(path, fd, e)
                                  : err_set(e, ERR_IO, "cannot lock %s: %s", path, strerror(errno));
        close(fd);
        return rc;
    }
    clock_iso8601(now);
    int len = snprintf(who, sizeof who, "process %ld, since %s\n", (long)getpid(), now);
    if (ftruncate(fd, 0) < 0 || write(fd, who, (size_t)len) != len) {
        rc = err_set(e, ERR_IO, "cannot write the lock %s: %s", path, strerror(errno));
        close(fd);
        return rc;
    }
    n->lock = fd;
    return 0;
}

void night_unlock(struct night *n)
{
    if (n->lock >= 0)
        close(n->lock); /* the file stays: whoever removed it might take away somebody else's lock */
    n->lock = -1;
}
