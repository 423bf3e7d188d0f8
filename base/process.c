/* Programs that stay: lines in, lines out, deadlines, memory, and an end in every case. */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/child_start.h"
#include "base/mem.h"
#include "base/sbuf.h"

enum { LONGEST_LINE = 64 << 20, TAIL = 4096, SLICE_MS = 50, GONE_MS = 1000, NAP_MS = 2 };

struct process {
    struct child_pipes at;
    char *name; /* of the program, for sentences */
    struct sbuf got;
    size_t n_used, n_seen; /* of got: handed out; looked through for an end of line */
    size_t max_line;
    char tail[TAIL + 1]; /* the end of stderr */
    size_t n_tail;
    bool dead;
    int status; /* of waitpid, once dead */
    struct process_memory memory;
    uint64_t max_memory_bytes; /* 0: any */
    unsigned look_every_ms;
    uint64_t look_at_ns;
};

/* ---- reading ---- */

static void keep_tail(struct process *p, const char *text, size_t n)
{
    size_t drop = p->n_tail + n > TAIL ? p->n_tail + n - TAIL : 0;
    if (drop >= p->n_tail) {
        text += drop - p->n_tail;
        n -= drop - p->n_tail;
        drop = p->n_tail;
    }
    memmove(p->tail, p->tail + drop, p->n_tail - drop);
    p->n_tail -= drop;
    memcpy(p->tail + p->n_tail, text, n);
    p->n_tail += n;
    for (size_t i = p->n_tail - n; i < p->n_tail; i++)
        p->tail[i] = p->tail[i] ? p->tail[i] : ' ';
    p->tail[p->n_tail] = 0;
}

/* What is there to be read is read; false when the stream has ended. */
static bool drain(struct process *p, int *fd)
{
    char buf[65536];
    ssize_t n = read(*fd, buf, sizeof buf);
    if (n > 0 && fd == &p->at.err)
        keep_tail(p, buf, (size_t)n);
    else if (n > 0)
        sbuf_add(&p->got, buf, (size_t)n);
    else if (n == 0 || errno != EINTR)
        child_close(fd);
    return *fd >= 0;
}

/* ---- its end ---- */

static bool ends_within(const struct process *p, unsigned ms)
{
    for (uint64_t end = clock_ns() + (uint64_t)ms * 1000000; !child_has_ended(p->at.pid); clock_sleep_ms(NAP_MS))
        if (clock_ns() >= end)
            return false;
    return true;
}

/* All of them, also what the program left behind: once, while its number is its own. */
static void end_family(struct process *p)
{
    if (p->dead)
        return;
    family_kill(&p->at.family);
    while (waitpid(p->at.pid, &p->status, 0) < 0 && errno == EINTR)
        continue;
    p->dead = true;
    for (struct pollfd f = {p->at.err, POLLIN, 0}; p->at.err >= 0 && poll(&f, 1, 0) > 0;)
        drain(p, &p->at.err);
}

static bool readable(int fd)
{
    struct pollfd f = {fd, POLLIN, 0};
    return fd >= 0 && poll(&f, 1, 0) > 0;
}

static int stopped(struct process *p, int code, const char *why, struct err *e)
{
    char said[128];
    end_family(p);
    text_last_line(said, sizeof said, p->tail);
    return err_set(e, code, "%s %s; it last said: %s", p->name, why, said);
}

/* One of its pipes is closed: because it ended, or is about to. */
static int ended(struct process *p, struct err *e)
{
    char said[128], half[64] = "";
    bool by_itself = ends_within(p, GONE_MS);
    end_family(p);
    text_last_line(said, sizeof said, p->tail);
    if (p->got.n > p->n_used)
        snprintf(half, sizeof half, " after %zu bytes of a line", p->got.n - p->n_used);
    if (!by_itself)
        return err_set(e, ERR_FORMAT, "%s closed its pipes%s and stayed; it last said: %s", p->name, half, said);
    if (WIFSIGNALED(p->status))
        return err_set(e, ERR_CRASHED, "%s died of signal %d (%s)%s; it last said: %s", p->name, WTERMSIG(p->status),
                       strsignal(WTERMSIG(p->status)), half, said);
    return err_set(e, ERR_IO, "%s ended with exit code %d%s; it last said: %s", p->name, WEXITSTATUS(p->status), half,
                   said);
}

static int outgrown(struct process *p, struct err *e)
{
    char why[96];
    snprintf(why, sizeof why, "took more than %.1f GiB of memory and was stopped",
             (double)p->max_memory_bytes / 0x1p30);
    return stopped(p, ERR_LIMIT, why, e);
}

/* ---- asking ---- */

/* One wait of at most a slice for anything to happen; what must not go on ends here. */
static int wait_a_little(struct process *p, bool writing, uint64_t deadline_ns, const char *doing, struct err *e)
{
    uint64_t now = clock_ns();
    if (interrupt_seen())
        return stopped(p, ERR_CANCELLED, "was interrupted", e);
    if (deadline_ns && now >= deadline_ns)
        return stopped(p, ERR_TIMEOUT, doing, e);
    if (p->look_every_ms && now >= p->look_at_ns) {
        process_look(p);
        p->look_at_ns = clock_ns() + (uint64_t)p->look_every_ms * 1000000;
        if (p->max_memory_bytes && family_exceeds(&p->at.family, p->max_memory_bytes))
            return outgrown(p, e);
    }
    uint64_t left_ms = deadline_ns ? (deadline_ns - now) / 1000000 + 1 : SLICE_MS;
    struct pollfd f[3] = {{p->at.out, POLLIN, 0}, {p->at.err, POLLIN, 0}, {writing ? p->at.in : -1, POLLOUT, 0}};
    if (poll(f, 3, left_ms < SLICE_MS ? (int)left_ms : SLICE_MS) < 0 && errno != EINTR)
        return stopped(p, ERR_IO, "cannot be listened to", e);
    if (f[1].revents)
        drain(p, &p->at.err);
    if (f[0].revents)
        drain(p, &p->at.out);
    return p->got.failed ? stopped(p, ERR_NOMEM, "said more than there is memory for", e) : 0;
}

static int gone(const struct process *p, struct err *e)
{
    return err_set(e, ERR_IO, "%s is not running any more", p->name);
}

int process_send(struct process *p, const char *text, size_t n, uint64_t deadline_ns, struct err *e)
{
    if (p->dead)
        return gone(p, e);
    while (n > 0) {
        ssize_t done = write(p->at.in, text, n);
        if (done < 0 && errno == EPIPE)
            return ended(p, e);
        if (done > 0) {
            text += done;
            n -= (size_t)done;
        }
        int rc = n > 0 ? wait_a_little(p, true, deadline_ns, "did not take its orders in time and was stopped", e) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

int process_line(struct process *p, uint64_t deadline_ns, char **line, size_t *n, struct err *e)
{
    if (p->dead)
        return gone(p, e);
    if (p->n_used > 0) {
        p->got.n -= p->n_used;
        memmove(p->got.p, p->got.p + p->n_used, p->got.n);
        p->n_used = p->n_seen = 0;
    }
    for (;;) {
        char *end = p->got.n > p->n_seen ? memchr(p->got.p + p->n_seen, '\n', p->got.n - p->n_seen) : NULL;
        p->n_seen = p->got.n;
        if (end) {
            *end = 0;
            *line = p->got.p;
            *n = (size_t)(end - p->got.p);
            p->n_used = *n + 1;
            return 0;
        }
        if (p->got.n > p->max_line)
            return stopped(p, ERR_LIMIT, "wrote a line without an end and was stopped", e);
        if (p->at.out < 0)
            return ended(p, e);
        int rc = wait_a_little(p, false, deadline_ns, "did not answer in time and was stopped", e);
        if (rc < 0)
            return rc;
        if (p->got.n == p->n_seen && child_has_ended(p->at.pid) && !readable(p->at.out)) /* others may hold its pipe */
            return ended(p, e);
    }
}

/* ---- memory ---- */

static int64_t kib_of(const char *text, const char *key)
{
    const char *at = text ? strstr(text, key) : NULL;
    return at ? strtoll(at + strlen(key), NULL, 10) * 1024 : -1;
}

static char *read_proc(pid_t pid, const char *what)
{
    char path[64], *text = NULL;
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, what);
    return file_read(path, 1 << 16, &text, NULL, NULL) < 0 ? NULL : text;
}

static void add_member(void *arg, pid_t pid)
{
    struct process_memory *sum = arg;
    char *status = read_proc(pid, "status"), *rollup = read_proc(pid, "smaps_rollup");
    int64_t rss = kib_of(status, "VmHWM:"), pss = kib_of(rollup, "\nPss:"), anon = kib_of(rollup, "Pss_Anon:"),
            file = kib_of(rollup, "Pss_File:"), shmem = kib_of(rollup, "Pss_Shmem:");
    sum->peak_rss_bytes += rss > 0 ? rss : 0;
    sum->pss_bytes += pss > 0 ? pss : 0;
    sum->pss_anon_bytes += (anon > 0 ? anon : 0) + (shmem > 0 ? shmem : 0);
    sum->pss_file_bytes += file > 0 ? file : 0;
    mem_free(status);
    mem_free(rollup);
}

void process_look(struct process *p)
{
    struct process_memory sum = {0}, *m = &p->memory;
    if (!p->dead)
        family_each(&p->at.family, add_member, &sum);
    if (sum.peak_rss_bytes > 0 && sum.peak_rss_bytes > m->peak_rss_bytes)
        m->peak_rss_bytes = sum.peak_rss_bytes;
    if (sum.pss_bytes > 0 && sum.pss_bytes > m->pss_bytes) {
        m->pss_bytes = sum.pss_bytes;
        m->pss_anon_bytes = sum.pss_anon_bytes;
        m->pss_file_bytes = sum.pss_file_bytes;
    }
}

void process_look_every(struct process *p, unsigned every_ms)
{
    p->look_every_ms = every_ms;
    p->look_at_ns = 0;
}

const struct process_memory *process_memory(const struct process *p)
{
    return &p->memory;
}

/* ---- beginning and end ---- */

int process_start(struct process **out, const struct child_cmd *c, const char *name, struct err *e)
{
    struct process *p = mem_alloc(sizeof *p);
    char *mine = p ? mem_strdup(name) : NULL;
    if (!mine) {
        mem_free(p);
        return err_nomem(e, sizeof *p, name);
    }
    *p = (struct process){.name = mine, .at = {.pid = -1, .in = -1, .out = -1, .err = -1}, .memory = {-1, -1, -1, -1}};
    p->max_memory_bytes = c->max_memory_bytes;
    p->max_line = c->max_output ? c->max_output : LONGEST_LINE;
    signal(SIGPIPE, SIG_IGN);
    int rc = child_start(&p->at, c, true, e);
    if (rc < 0) {
        mem_free(mine);
        mem_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void process_rest(struct process *p)
{
    if (!p->dead)
        family_rest(&p->at.family);
}

void process_wake(struct process *p)
{
    family_wake(&p->at.family);
}

void process_stop(struct process *p, unsigned grace_ms)
{
    if (!p)
        return;
    process_wake(p);
    child_close(&p->at.in);
    if (!p->dead && !interrupt_seen())
        ends_within(p, grace_ms);
    end_family(p);
    child_close(&p->at.out);
    child_close(&p->at.err);
    sbuf_free(&p->got);
    mem_free(p->name);
    mem_free(p);
}
