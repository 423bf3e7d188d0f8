/* Child processes: a program run to its end with limits, or a function of ours called in a fork. */
#include "base/os.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/child_start.h"
#include "base/mem.h"
#include "base/sbuf.h"

enum { READ_PEAK_MS = 10, WATCH_MS = 50, LOOK_SHARE = 100 }; /* looks take at most a hundredth of the time */

struct running {
    struct child_pipes at;
    const char *text; /* what is still to be fed to stdin */
    size_t n_text;
    uint64_t deadline_ns;                             /* UINT64_MAX: none */
    uint64_t peak_rss_bytes, read_peak_at_ns;         /* so far; when to read it again */
    uint64_t max_memory_bytes, looked_at_ns, look_ns; /* 0: any; the last look's end, what it took */
    bool after_interrupt, too_large;
};

static bool interrupted(const struct running *r)
{
    return interrupt_seen() && !r->after_interrupt;
}

void child_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Where memory runs out the child goes first, and it goes when we do. */
static void exec_child(const struct child_cmd *c, const struct family *family, int in, int out, int err)
{
    family_join(family);
    cpus_give_back();
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    struct rlimit no_core = {0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0)
        dprintf(score, "1000");
    execvp(c->argv[0], (char *const *)(uintptr_t)c->argv);
    dprintf(2, "cannot run %s: %s\n", c->argv[0], strerror(errno));
    _exit(127);
}

int child_start(struct child_pipes *p, const struct child_cmd *c, bool feed, struct err *e)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
    if ((feed && pipe2(in, O_CLOEXEC) < 0) || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
        goto failed;
    if (!feed && (in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
        goto failed;
    family_new(&p->family);
    p->pid = fork();
    if (p->pid < 0)
        goto failed;
    if (p->pid == 0)
        exec_child(c, &p->family, in[0], out[1], err[1]);
    p->family.first = p->pid;
    setpgid(p->pid, p->pid);
    child_close(&in[0]);
    child_close(&out[1]);
    child_close(&err[1]);
    p->in = in[1];
    p->out = out[0];
    p->err = err[0];
    if (p->in >= 0)
        fcntl(p->in, F_SETFL, O_NONBLOCK);
    return 0;
failed:;
    int rc = err_set(e, ERR_IO, "cannot start %s: %s", c->argv[0], strerror(errno));
    for (int i = 0; i < 2; i++) {
        child_close(&in[i]);
        child_close(&out[i]);
        child_close(&err[i]);
    }
    return rc;
}

static void feed_stdin(struct running *r)
{
    ssize_t n = write(r->at.in, r->text, r->n_text);
    if (n > 0) {
        r->text += n;
        r->n_text -= (size_t)n;
    }
    if (r->n_text == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        child_close(&r->at.in);
}

static void drain(int *fd, struct sbuf *b, size_t max)
{
    char buf[16384];
    ssize_t n = read(*fd, buf, sizeof buf);
    if (n > 0 && b->n < max)
        sbuf_add(b, buf, (size_t)n);
    if (n == 0 || (n < 0 && errno != EINTR))
        child_close(fd);
}

static int time_left_ms(const struct running *r)
{
    if (r->deadline_ns == UINT64_MAX)
        return 500;
    uint64_t now = clock_ns();
    return now >= r->deadline_ns ? 0 : (int)((r->deadline_ns - now) / 1000000 + 1);
}

/* The child's own peak, read while it runs: what wait4 tells includes the memory of this process, whose copy the child
 * was before it became another program. The last reading stands; a child that ends at once has none. */
static void read_peak(struct running *r)
{
    char path[48], *text, *line;
    uint64_t now = clock_ns();
    if (now < r->read_peak_at_ns)
        return;
    r->read_peak_at_ns = now + READ_PEAK_MS * 1000000;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)r->at.pid);
    if (file_read(path, 1 << 16, &text, NULL, NULL) < 0)
        return;
    if ((line = strstr(text, "VmHWM:")))
        r->peak_rss_bytes = strtoull(line + 6, NULL, 10) * 1024;
    mem_free(text);
}

/* Address space would be simpler to limit, but frameworks reserve far more of it than they ever use. A look reads all
 * of /proc. Where that holds thousands, looks become rarer, so that what the child measures has the cores for itself,
 * but for a child whose own peak alone may be too much. */
static bool too_large(struct running *r)
{
    uint64_t now = clock_ns();
    if (!r->max_memory_bytes || r->too_large || now < r->looked_at_ns + WATCH_MS * 1000000 ||
        (now < r->looked_at_ns + LOOK_SHARE * r->look_ns && r->peak_rss_bytes <= r->max_memory_bytes))
        return r->too_large;
    r->too_large = family_exceeds(&r->at.family, r->max_memory_bytes);
    r->looked_at_ns = clock_ns();
    r->look_ns = r->looked_at_ns - now;
    return r->too_large;
}

static bool must_end(struct running *r)
{
    return time_left_ms(r) == 0 || interrupted(r) || too_large(r);
}

/* True when the child has to be killed: out of time, too large, or the user interrupted. */
static bool communicate(struct running *r, struct sbuf *out, struct sbuf *err, size_t max)
{
    while (r->at.out >= 0 || r->at.err >= 0) {
        struct pollfd p[3] = {{r->at.out, POLLIN, 0}, {r->at.err, POLLIN, 0}, {r->at.in, POLLOUT, 0}};
        if (must_end(r))
            return true;
        int left = time_left_ms(r);
        if (poll(p, 3, left < READ_PEAK_MS ? left : READ_PEAK_MS) < 0 && errno != EINTR)
            return true;
        read_peak(r);
        if (p[0].revents)
            drain(&r->at.out, out, max);
        if (p[1].revents)
            drain(&r->at.err, err, max);
        if (p[2].revents)
            feed_stdin(r);
    }
    return false;
}

bool child_has_ended(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == pid;
}

static void reap(struct running *r, struct child_result *res, bool kill_it)
{
    int status = 0;
    while (!kill_it && !child_has_ended(r->at.pid)) { /* the pipes may be closed long before the end */
        kill_it = must_end(r);
        read_peak(r);
        clock_sleep_ms(kill_it ? 0 : 2);
    }
    family_kill(&r->at.family); /* grandchildren that stayed behind too */
    while (waitpid(r->at.pid, &status, 0) < 0 && errno == EINTR)
        continue;
    res->too_large = r->too_large;
    res->timed_out = kill_it && !interrupted(r) && !r->too_large;
    res->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    res->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    res->peak_rss_bytes = r->peak_rss_bytes;
}

int child_run(const struct child_cmd *c, struct child_result *res, struct err *e)
{
    *res = (struct child_result){.exit_code = -1};
    struct running r = {.at = {.pid = -1, .in = -1, .out = -1, .err = -1}, .deadline_ns = UINT64_MAX};
    uint64_t t0 = clock_ns();
    r.after_interrupt = c->after_interrupt;
    r.max_memory_bytes = c->max_memory_bytes;
    signal(SIGPIPE, SIG_IGN);
    int rc = child_start(&r.at, c, c->stdin_text != NULL, e);
    if (rc < 0)
        return rc;
    r.text = c->stdin_text;
    r.n_text = c->stdin_text ? strlen(c->stdin_text) : 0;
    if (c->timeout_ms)
        r.deadline_ns = t0 + (uint64_t)c->timeout_ms * 1000000;
    struct sbuf out = {0}, err = {0};
    bool kill_it = communicate(&r, &out, &err, c->max_output ? c->max_output : (size_t)16 << 20);
    child_close(&r.at.in);
    child_close(&r.at.out);
    child_close(&r.at.err);
    reap(&r, res, kill_it);
    res->wall_ns = clock_ns() - t0;
    res->out = out.p ? out.p : mem_strdup("");
    res->err = err.p ? err.p : mem_strdup("");
    res->n_out = out.n;
    res->n_err = err.n;
    if (!res->out || !res->err || out.failed || err.failed) {
        child_result_free(res);
        return err_nomem(e, out.n + err.n, c->argv[0]);
    }
    return 0;
}

void child_result_free(struct child_result *r)
{
    mem_free(r->out);
    mem_free(r->err);
    r->out = r->err = NULL;
}

int child_call(int (*fn)(void *), void *arg, unsigned timeout_ms)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return ERR_IO - 1000;
    if (pid == 0) {
        static const int fatal[] = {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGINT, SIGTERM};
        for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
            signal(fatal[i], SIG_DFL); /* sanitizers and our own handlers must not catch it */
        struct rlimit no_core = {0};
        setrlimit(RLIMIT_CORE, &no_core);
        _exit(fn(arg) & 255);
    }
    uint64_t end = clock_ns() + (uint64_t)timeout_ms * 1000000;
    int status;
    for (unsigned i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
        if (clock_ns() > end) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return ERR_TIMEOUT - 1000;
        }
        struct timespec nap = {.tv_nsec = i < 20 ? 100000 : 2000000};
        nanosleep(&nap, NULL);
    }
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

char *program_find(const char *name)
{
    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? mem_strdup(name) : NULL;
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t n = strcspn(path, ":");
        size_t size = n + strlen(name) + 3;
        char *full = mem_alloc(size);
        if (!full)
            return NULL;
        snprintf(full, size, "%.*s%s%s", (int)n, path, n ? "/" : "./", name);
        if (access(full, X_OK) == 0 && file_exists(full))
            return full;
        mem_free(full);
        path += n + (path[n] == ':');
    }
    return NULL;
}

void text_last_line(char *out, size_t size, const char *text)
{
    if (!text[strspn(text, " \t\r\n")])
        text = "nothing";
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    size_t start = n;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    snprintf(out, size, "%.*s", (int)(n - start < 120 ? n - start : 120), text + start);
    for (; *out; out++)
        *out = isprint((unsigned char)*out) ? *out : '?';
}
