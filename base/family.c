/* Families of processes: who belongs to one, what they hold, and their end. All of it is read from /proc. */
#include "base/family.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/os.h"

enum { SHORT = 4096, LONG = 16384, MOST_ROUNDS = 500, NAP_MS = 1 };

void family_new(struct family *f)
{
    f->first = 0;
    f->resting = false;
    snprintf(f->mark, sizeof f->mark, "WHICHQUANT_CHILD_%lx_%llx=1", (long)getpid(), (unsigned long long)clock_ns());
}

void family_join(const struct family *f)
{
    setpgid(0, 0);
    putenv((char *)(uintptr_t)f->mark);
}

static int open_proc(pid_t pid, const char *what)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, what);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Its beginning, as text. Nothing is allocated here: memory may be what there is none of. */
static const char *read_proc(pid_t pid, const char *what, char out[SHORT])
{
    int fd = open_proc(pid, what);
    ssize_t n = fd < 0 ? -1 : read(fd, out, SHORT - 1);
    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = 0;
    return out;
}

/* State and process group stand first and third behind the name, which may hold anything. The dead are no members. */
static bool in_group(pid_t pid, pid_t group)
{
    char text[SHORT], state = 0;
    long of = -1;
    const char *at = strrchr(read_proc(pid, "stat", text), ')');
    return at && sscanf(at, ") %c %*d %ld", &state, &of) == 2 && of == (long)group && state != 'Z' && state != 'X';
}

/* Between two NULs; what may be the beginning of it stays for the next piece. */
static bool has_mark(pid_t pid, const char *mark)
{
    char wanted[sizeof(((struct family *)0)->mark) + 2] = "", buf[LONG] = "";
    const size_t n_wanted = strlen(mark) + 2;
    int fd = open_proc(pid, "environ");
    bool has = false;
    memcpy(wanted + 1, mark, n_wanted - 1);
    size_t n = 1;
    for (ssize_t got; fd >= 0 && !has && (got = read(fd, buf + n, sizeof buf - n)) > 0;) {
        n += (size_t)got;
        has = memmem(buf, n, wanted, n_wanted) != NULL;
        size_t keep = n < n_wanted - 1 ? n : n_wanted - 1;
        memmove(buf, buf + n - keep, keep);
        n = keep;
    }
    if (fd >= 0)
        close(fd);
    return has;
}

bool family_has(const struct family *f, pid_t pid)
{
    return f->first > 0 && pid != getpid() && (in_group(pid, f->first) || has_mark(pid, f->mark));
}

void family_each(const struct family *f, void (*on_member)(void *arg, pid_t pid), void *arg)
{
    DIR *proc = opendir("/proc");
    for (struct dirent *d; proc && (d = readdir(proc));) {
        pid_t pid = d->d_name[0] >= '1' && d->d_name[0] <= '9' ? (pid_t)strtol(d->d_name, NULL, 10) : 0;
        if (pid > 0 && family_has(f, pid))
            on_member(arg, pid);
    }
    if (proc)
        closedir(proc);
}

/* ---- memory ---- */

static int64_t kib_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoll(at + strlen(key), NULL, 10) * 1024 : 0;
}

/* Quick: after a fork the same pages count for both. */
static void add_resident(void *arg, pid_t pid)
{
    char text[SHORT];
    read_proc(pid, "status", text);
    *(int64_t *)arg += kib_of(text, "RssAnon:") + kib_of(text, "RssShmem:");
}

/* Exact, and slow: the kernel looks at every page. */
static void add_proportional(void *arg, pid_t pid)
{
    char text[SHORT];
    read_proc(pid, "smaps_rollup", text);
    *(int64_t *)arg += kib_of(text, "Pss_Anon:") + kib_of(text, "Pss_Shmem:");
}

int64_t family_memory(const struct family *f)
{
    int64_t bytes = 0;
    family_each(f, add_proportional, &bytes);
    return bytes;
}

bool family_exceeds(const struct family *f, uint64_t bytes)
{
    int64_t most = 0;
    family_each(f, add_resident, &most);
    return (uint64_t)most > bytes && (uint64_t)family_memory(f) > bytes;
}

/* ---- rest, and the end ---- */

void family_rest(struct family *f)
{
    if (f->first > 0 && !f->resting)
        f->resting = kill(-f->first, SIGSTOP) == 0;
}

void family_wake(struct family *f)
{
    if (f->resting)
        kill(-f->first, SIGCONT);
    f->resting = false;
}

static void kill_one(void *arg, pid_t pid)
{
    *(int *)arg += kill(pid, SIGKILL) == 0;
}

/* Those that were about to fork may have got through: until nobody is found. What is dying is found no more. */
void family_kill(const struct family *f)
{
    if (f->first <= 0)
        return;
    kill(-f->first, SIGKILL);
    for (int round = 0, n = 1; n > 0 && round < MOST_ROUNDS; round++) {
        n = 0;
        if (round > 0)
            clock_sleep_ms(NAP_MS);
        family_each(f, kill_one, &n);
    }
}
