/* Where nights are written: a folder each, complete or not at all, the newest few, and `latest` beside them. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"
#include "base/temp.h"
#include "cli/nightly.h"

/* In the folder of a night that is not complete, or is being removed: taken away by the next night. */
#define UNFINISHED ".night-"
static const char mark[] = "gate.json"; /* what makes a folder one of ours: no other is ever removed */

static void sweep_away(const char *dir)
{
    DIR *d = opendir(dir);
    char path[NIGHT_PATH];
    for (struct dirent *f; d && (f = readdir(d));)
        if (!strncmp(f->d_name, UNFINISHED, sizeof UNFINISHED - 1) &&
            snprintf(path, sizeof path, "%s/%s", dir, f->d_name) > 0)
            temp_remove(path);
    if (d)
        closedir(d);
}

int night_out_open(struct night_out *o, const char *dir, struct err *e)
{
    *o = (struct night_out){.dir = ""};
    if (strlen(dir) > NIGHT_PATH - 400)
        return err_set(e, ERR_USAGE, "-o: the name of the folder is too long");
    int rc = dir_make(dir, e);
    if (rc < 0)
        return rc;
    sweep_away(dir);
    snprintf(o->dir, sizeof o->dir, "%s", dir);
    snprintf(o->temp, sizeof o->temp, "%.3600s/" UNFINISHED "XXXXXX", dir);
    if (mkdtemp(o->temp)) {
        mode_t mask = umask(0);
        umask(mask);
        chmod(o->temp, 0777 & ~mask);
        return 0;
    }
    o->temp[0] = 0;
    return err_set(e, ERR_IO, "cannot make a folder in %s: %s", dir, strerror(errno));
}

void night_out_abort(struct night_out *o)
{
    temp_remove(o->temp);
    o->temp[0] = 0;
}

/* Out of the way under a name that the next night removes, should this one not come to it. */
static int remove_night(const char *dir, const char *name, struct err *e)
{
    char from[NIGHT_PATH], to[NIGHT_PATH];
    snprintf(from, sizeof from, "%.3600s/%.200s", dir, name);
    snprintf(to, sizeof to, "%.3600s/" UNFINISHED "old-%.200s-%ld", dir, name, (long)getpid());
    if (rename(from, to) < 0)
        return errno == ENOENT ? 0 : err_set(e, ERR_IO, "cannot take away %s: %s", from, strerror(errno));
    temp_remove(to);
    return 0;
}

/* A name that is replaced in one step: who follows it finds the old night or the new one. */
static int link_latest(const char *dir, const char *id, struct err *e)
{
    char temp[NIGHT_PATH], latest[NIGHT_PATH];
    struct stat st;
    snprintf(latest, sizeof latest, "%.3600s/latest", dir);
    snprintf(temp, sizeof temp, "%.3600s/" UNFINISHED "latest-%ld", dir, (long)getpid());
    if (lstat(latest, &st) == 0 && !S_ISLNK(st.st_mode))
        return err_set(e, ERR_IO, "%s is no link of this program's: it is left alone; move it away", latest);
    if (symlink(id, temp) == 0 && rename(temp, latest) == 0)
        return 0;
    int why = errno;
    unlink(temp);
    return err_set(e, ERR_IO, "cannot link %s: %s", latest, strerror(why));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_night(const char *dir, const char *name)
{
    char path[NIGHT_PATH];
    struct stat st;
    snprintf(path, sizeof path, "%.3600s/%.200s", dir, name);
    if (name[0] == '.' || lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return false;
    snprintf(path, sizeof path, "%.3600s/%.200s/%s", dir, name, mark);
    return file_exists(path);
}

/* The newest by name, which for dates is by time; tonight's is never among those that go. */
static int rotate(const char *dir, const char *id, int keep, struct err *e)
{
    DIR *d = opendir(dir);
    char **name = NULL;
    int n = 0, rc = 0;
    for (struct dirent *f; d && rc == 0 && (f = readdir(d));) {
        if (!strcmp(f->d_name, id) || !is_night(dir, f->d_name))
            continue;
        char **more = mem_resize(name, (size_t)(n + 1) * sizeof *more);
        name = more ? more : name;
        if (!more || !(name[n] = mem_strdup(f->d_name)))
            rc = err_nomem(e, sizeof *name, dir);
        else
            n++;
    }
    if (d)
        closedir(d);
    if (n)
        qsort(name, (size_t)n, sizeof *name, by_name);
    for (int i = 0; i < n; i++) {
        if (rc == 0 && i + (keep > 1 ? keep - 1 : 0) < n)
            rc = remove_night(dir, name[i], e);
        mem_free(name[i]);
    }
    mem_free(name);
    return rc;
}

int night_out_commit(struct night_out *o, const char *id, int keep, struct err *e)
{
    char path[NIGHT_PATH];
    snprintf(path, sizeof path, "%.3600s/%s", o->dir, id);
    int rc = 0;
    if (dir_exists(path) && !is_night(o->dir, id))
        rc = err_set(e, ERR_IO, "%s is no night of this program's: it is left alone; give another -o", path);
    if (rc == 0)
        rc = remove_night(o->dir, id, e);
    if (rc == 0 && rename(o->temp, path) < 0)
        rc = err_set(e, ERR_IO, "cannot rename %s to %s: %s", o->temp, path, strerror(errno));
    if (rc < 0) {
        night_out_abort(o);
        return rc;
    }
    o->temp[0] = 0;
    rc = link_latest(o->dir, id, e);
    return rc == 0 ? rotate(o->dir, id, keep, e) : rc;
}
