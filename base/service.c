/* Background programs: fork, a log in memory, and an end that is waited for. */
#include "base/service.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"

enum { TAIL = 8192, MOST_LOG = 1 << 22, PATIENCE_MS = 3000 };

static void exec_service(const struct family *family, const char *const *argv, int log, pid_t parent)
{
    struct rlimit no_core = {0};
    int null = open("/dev/null", O_RDONLY);
    family_join(family);
    cpus_give_back();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    close_range(3, ~0U, 0); /* sockets that are open to others */
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int service_start(struct service *s, const char *const *argv, struct err *e)
{
    *s = (struct service){.log = memfd_create("log", MFD_CLOEXEC)};
    if (s->log < 0 || fcntl(s->log, F_SETFL, O_APPEND) < 0)
        return err_set(e, ERR_IO, "cannot keep the output of %s: %s", argv[0], strerror(errno));
    pid_t parent = getpid();
    fflush(NULL);
    family_new(&s->family);
    s->pid = fork();
    if (s->pid == 0)
        exec_service(&s->family, argv, s->log, parent);
    if (s->pid < 0) {
        s->pid = 0;
        close(s->log);
        return err_set(e, ERR_IO, "cannot start %s: %s", argv[0], strerror(errno));
    }
    s->family.first = s->pid;
    setpgid(s->pid, s->pid);
    return 0;
}

static void read_peak(struct service *s)
{
    char path[48], *text, *line;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)s->pid);
    if (file_read(path, 1 << 16, &text, NULL, NULL) < 0)
        return;
    if ((line = strstr(text, "VmHWM:")))
        s->peak_rss_bytes = strtoull(line + 6, NULL, 10) * 1024;
    mem_free(text);
}

static void note_end(struct service *s, int status)
{
    s->ended = true;
    s->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    s->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool service_alive(struct service *s)
{
    int status;
    struct stat st;
    if (!s->pid || s->ended)
        return false;
    if (fstat(s->log, &st) == 0 && st.st_size > MOST_LOG && ftruncate(s->log, 0) < 0)
        return false;
    if (waitpid(s->pid, &status, WNOHANG) == s->pid)
        note_end(s, status);
    else
        read_peak(s);
    return !s->ended;
}

void service_rest(struct service *s)
{
    if (s->pid && !s->ended)
        family_rest(&s->family);
}

void service_wake(struct service *s)
{
    family_wake(&s->family);
}

void service_stop(struct service *s)
{
    int status;
    if (!s->pid)
        return;
    service_wake(s);
    uint64_t end = clock_ns() + (uint64_t)PATIENCE_MS * 1000000;
    kill(-s->pid, SIGTERM);
    while (!s->ended) {
        pid_t got = waitpid(s->pid, &status, WNOHANG);
        if (got == s->pid)
            note_end(s, status);
        else if (got < 0 && errno != EINTR)
            s->ended = true;
        else if (clock_ns() > end)
            kill(-s->pid, SIGKILL);
        if (!s->ended)
            clock_sleep_ms(5);
    }
    family_kill(&s->family); /* grandchildren that stayed behind */
    close(s->log);
    *s = (struct service){.log = -1};
}

static void read_tail(const struct service *s, char out[TAIL + 1])
{
    struct stat st;
    ssize_t n = -1;
    if (s->pid && fstat(s->log, &st) == 0)
        n = pread(s->log, out, TAIL, st.st_size > TAIL ? st.st_size - TAIL : 0);
    n = n < 0 ? 0 : n;
    for (ssize_t i = 0; i < n; i++)
        out[i] = out[i] ? out[i] : ' ';
    out[n] = 0;
}

void service_last_line(const struct service *s, char *out, size_t size)
{
    char tail[TAIL + 1];
    read_tail(s, tail);
    text_last_line(out, size, tail);
}

bool service_said(const struct service *s, const char *text)
{
    char tail[TAIL + 1];
    read_tail(s, tail);
    return strcasestr(tail, text) != NULL;
}
