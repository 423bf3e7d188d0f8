/* Clock, files, directories, atomic output. Children are in child.c. */
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/temp.h"

uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_end_ns(double seconds)
{
    return isfinite(seconds) ? clock_ns() + (uint64_t)(fmax(seconds, 0) * 1e9) : 0;
}

double clock_left_s(uint64_t end_ns)
{
    uint64_t now = clock_ns();
    if (end_ns == 0)
        return INFINITY;
    return end_ns > now ? (double)(end_ns - now) * 1e-9 : 0;
}

void clock_sleep_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

const char *clock_format(char out[32], int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
        out[0] = 0;
    return out;
}

int64_t clock_seconds(void)
{
    const char *fixed = getenv("SOURCE_DATE_EPOCH");
    return fixed && *fixed ? strtoll(fixed, NULL, 10) : (int64_t)time(NULL);
}

void clock_iso8601(char out[32])
{
    clock_format(out, clock_seconds());
}

/* "Z", "+01:00", "+0100", "-08" or nothing: seconds east. */
static bool parse_zone(const char *s, double *east)
{
    int h = 0, m = 0, n = 0;
    *east = 0;
    if (!*s || strcasecmp(s, "Z") == 0)
        return true;
    if ((*s != '+' && *s != '-') || sscanf(s + 1, "%2d%n", &h, &n) != 1)
        return false;
    const char *minutes = s + 1 + n + (s[1 + n] == ':');
    if (*minutes && (sscanf(minutes, "%2d%n", &m, &n) != 1 || minutes[n]))
        return false;
    *east = (*s == '-' ? -60.0 : 60.0) * (h * 60 + m);
    return true;
}

bool clock_parse_exact(const char *text, double *seconds)
{
    struct tm tm = {0};
    int n = 0;
    double second = 0, east;
    if (sscanf(text, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &n) != 3 || n < 8)
        return false;
    text += n;
    if (*text && strchr("Tt ", *text)) {
        if (sscanf(text + 1, "%2d:%2d%n", &tm.tm_hour, &tm.tm_min, &n) != 2)
            return false;
        text += 1 + n;
        if (*text == ':') {
            char *end;
            second = strtod(text + 1, &end);
            text = end;
        }
    }
    text += strspn(text, " ");
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 24 ||
        tm.tm_min < 0 || tm.tm_min > 59 || !(second >= 0 && second < 61) || !parse_zone(text, &east))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *seconds = (double)timegm(&tm) + second - east;
    return true;
}

bool clock_parse(const char *text, int64_t *seconds)
{
    double exact;
    bool is_time = clock_parse_exact(text, &exact);
    if (is_time)
        *seconds = (int64_t)floor(exact);
    return is_time;
}

int file_map_open(struct file_map *m, const char *path, struct err *e)
{
    *m = (struct file_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno == ENOENT ? ERR_MISSING : ERR_IO, "cannot open %s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
        int was = S_ISDIR(st.st_mode) ? EISDIR : errno;
        close(fd);
        return err_set(e, ERR_IO, "cannot read %s: %s", path, strerror(was));
    }
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        int was = errno;
        if (p == MAP_FAILED) {
            close(fd);
            return err_set(e, ERR_IO, "cannot map %s: %s", path, strerror(was));
        }
        m->p = p;
        m->n = (size_t)st.st_size;
    }
    close(fd);
    return 0;
}

void file_map_close(struct file_map *m)
{
    if (m->p)
        munmap((void *)(uintptr_t)m->p, m->n);
    *m = (struct file_map){0};
}

void file_map_release(const struct file_map *m, const void *p, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), lo = (uintptr_t)m->p, at = (uintptr_t)p;
    if (!m->p || at < lo || at - lo > m->n || n > m->n - (at - lo))
        return;
    uintptr_t first = (at + page - 1) / page * page, end = (at + n) / page * page;
    if (end > first)
        madvise((void *)first, end - first, MADV_DONTNEED);
}

/* Works for /proc and pipes too, whose size is unknown before. */
int file_read(const char *path, size_t max, char **text, size_t *n, struct err *e)
{
    *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno == ENOENT ? ERR_MISSING : ERR_IO, "cannot open %s: %s", path, strerror(errno));
    size_t used = 0, cap = 4096;
    char *p = mem_alloc(cap);
    int rc = p ? 0 : err_nomem(e, cap, path);
    while (rc == 0) {
        if (used + 1 == cap) {
            char *more = mem_resize(p, cap * 2);
            if (!more) {
                rc = err_nomem(e, cap * 2, path);
                break;
            }
            p = more;
            cap *= 2;
        }
        ssize_t got = read(fd, p + used, cap - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = err_set(e, ERR_IO, "cannot read %s: %s", path, strerror(errno));
        if (got <= 0)
            break;
        used += (size_t)got;
        if (used > max)
            rc = err_set(e, ERR_LIMIT, "%s is larger than %zu bytes; give a smaller file", path, max);
    }
    close(fd);
    if (rc < 0) {
        mem_free(p);
        return rc;
    }
    p[used] = 0;
    *text = p;
    if (n)
        *n = used;
    return 0;
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

bool dir_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int dir_make(const char *path, struct err *e)
{
    char *p = mem_strdup(path);
    if (!p)
        return err_nomem(e, strlen(path), path);
    int rc = 0;
    for (char *s = p + 1; rc == 0; s++) {
        if (*s != '/' && *s != 0)
            continue;
        char was = *s;
        *s = 0;
        if (mkdir(p, 0777) < 0 && errno != EEXIST)
            rc = err_set(e, ERR_IO, "cannot make the folder %s: %s", p, strerror(errno));
        *s = was;
        if (was == 0)
            break;
    }
    mem_free(p);
    if (rc == 0 && !dir_exists(path))
        rc = err_set(e, ERR_IO, "%s is not a folder; choose another output path", path);
    return rc;
}

int file_out_open(struct file_out *f, const char *path, struct err *e)
{
    *f = (struct file_out){.fd = -1};
    size_t n = strlen(path) + 32;
    f->path = mem_strdup(path);
    f->temp = mem_alloc(n);
    if (!f->path || !f->temp) {
        file_out_abort(f);
        return err_nomem(e, n, path);
    }
    snprintf(f->temp, n, "%s.tmp-XXXXXX", path);
    f->fd = mkstemp(f->temp);
    if (f->fd < 0) {
        int rc = err_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
        f->temp[0] = 0;
        file_out_abort(f);
        return rc;
    }
    mode_t mask = umask(0);
    umask(mask);
    fchmod(f->fd, 0666 & ~mask);
    return 0;
}

int file_out_write(struct file_out *f, const void *p, size_t n)
{
    const char *s = p;
    while (n > 0 && f->err.code == 0) {
        ssize_t put = write(f->fd, s, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_set(&f->err, ERR_IO, "cannot write %s: %s", f->path, strerror(errno));
        s += put;
        n -= (size_t)put;
        f->bytes += (uint64_t)put;
    }
    return f->err.code;
}

int file_out_commit(struct file_out *f, struct err *e)
{
    if (f->err.code == 0 && fsync(f->fd) < 0 && errno != EINVAL)
        err_set(&f->err, ERR_IO, "cannot write %s: %s", f->path, strerror(errno));
    if (f->err.code == 0 && rename(f->temp, f->path) < 0)
        err_set(&f->err, ERR_IO, "cannot rename %s to %s: %s", f->temp, f->path, strerror(errno));
    int rc = f->err.code;
    if (rc < 0) {
        if (e)
            *e = f->err;
    } else {
        f->temp[0] = 0;
    }
    file_out_abort(f);
    return rc;
}

void file_out_abort(struct file_out *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->temp && f->temp[0])
        unlink(f->temp);
    mem_free(f->path);
    mem_free(f->temp);
    *f = (struct file_out){.fd = -1};
}

int file_write(const char *path, const void *p, size_t n, struct err *e)
{
    struct file_out f;
    int rc = file_out_open(&f, path, e);
    if (rc < 0)
        return rc;
    file_out_write(&f, p, n);
    return file_out_commit(&f, e);
}

int dir_check_vacant(const char *path, struct err *e)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    DIR *dir = S_ISDIR(st.st_mode) ? opendir(path) : NULL;
    int n = dir ? 0 : 3;
    while (n < 3 && readdir(dir)) /* its own entry and its parent's */
        n++;
    if (dir)
        closedir(dir);
    return n < 3 ? 0 : err_set(e, ERR_USAGE, "%s is there already: name a new or an empty directory", path);
}

int dir_out_open(struct dir_out *d, const char *path, struct err *e)
{
    size_t n = strlen(path), room = n + 32;
    *d = (struct dir_out){0};
    int rc = n ? dir_check_vacant(path, e) : err_set(e, ERR_USAGE, "the name of the output directory is empty");
    if (rc)
        return rc;
    while (n > 1 && path[n - 1] == '/')
        n--;
    d->path = mem_strndup(path, n);
    d->temp = mem_alloc(room);
    if (!d->path || !d->temp) {
        rc = err_nomem(e, room, path);
    } else {
        snprintf(d->temp, room, "%s.tmp-XXXXXX", d->path);
        if (mkdtemp(d->temp)) {
            mode_t mask = umask(0);
            umask(mask);
            chmod(d->temp, 0777 & ~mask);
            return 0;
        }
        rc = err_set(e, ERR_IO, "cannot make the directory %s: %s", path, strerror(errno));
        d->temp[0] = 0;
    }
    dir_out_abort(d);
    return rc;
}

int dir_out_commit(struct dir_out *d, struct err *e)
{
    int rc = 0;
    if (rename(d->temp, d->path) < 0)
        rc = err_set(e, ERR_IO, "cannot rename %s to %s: %s", d->temp, d->path, strerror(errno));
    else
        d->temp[0] = 0;
    dir_out_abort(d);
    return rc;
}

void dir_out_abort(struct dir_out *d)
{
    if (d->temp)
        temp_remove(d->temp);
    mem_free(d->path);
    mem_free(d->temp);
    *d = (struct dir_out){0};
}

static cpu_set_t cpus_at_start;
static bool know_cpus;

void cpus_remember(void)
{
    if (!know_cpus)
        know_cpus = sched_getaffinity(0, sizeof cpus_at_start, &cpus_at_start) == 0;
}

void cpus_give_back(void)
{
    if (know_cpus)
        sched_setaffinity(0, sizeof cpus_at_start, &cpus_at_start);
}

static volatile sig_atomic_t interrupted;

static void on_sigint(int sig)
{
    (void)sig;
    if (interrupted)
        _exit(130); /* asked twice: leave at once */
    interrupted = 1;
}

void interrupt_install(void)
{
    struct sigaction sa = {.sa_handler = on_sigint};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

bool interrupt_seen(void)
{
    return interrupted != 0;
}
