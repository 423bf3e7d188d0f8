/* One child per driver library, all at once, with one deadline: a driver that crashes or hangs costs its own answer
 * and nothing else. */
#include "probe/gpu.h"

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
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"

#define MAX_CHILDREN 8

struct gpu_query {
    uint64_t deadline_ns;
    struct {
        pid_t pid; /* 0: none */
        int fd;    /* -1: closed */
        size_t n;  /* bytes of the answer so far */
        struct gpu_answer answer;
    } child[MAX_CHILDREN];
};

/* A question leaves no caches behind in the user's home. */
static const char *const no_caches[][2] = {{"MESA_SHADER_CACHE_DISABLE", "true"},
                                           {"CUDA_CACHE_DISABLE", "1"},
                                           {"__GL_SHADER_DISK_CACHE", "0"},
                                           {"POCL_KERNEL_CACHE", "0"}};

/* 0.8 s, or WHICHQUANT_DRIVER_MS for drivers that need longer on a slow or busy machine. */
static uint64_t limit_ns(void)
{
    const char *text = getenv("WHICHQUANT_DRIVER_MS");
    long ms = text ? strtol(text, NULL, 10) : 0;
    return UINT64_C(1000000) * (uint64_t)(ms > 0 && ms <= 60000 ? ms : 800);
}

static void answer_in_child(const struct gpu_api *api, int fd)
{
    static const int fatal[] = {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGINT, SIGTERM, SIGPIPE};
    struct gpu_answer out;
    struct rlimit no_core = {0};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL);
    setpgid(0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < sizeof no_caches / sizeof *no_caches; i++)
        setenv(no_caches[i][0], no_caches[i][1], 1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3 && null >= 0; i++)
        dup2(null, i); /* drivers print what they please */
    memset(&out, 0, sizeof out);
    api->ask(&out);
    ssize_t n = write(fd, &out, sizeof out);
    _exit(n == (ssize_t)sizeof out ? 0 : 1); /* no destructors: some of them crash */
}

struct gpu_query *probe_gpu_start(const struct source *s)
{
    struct gpu_query *q = s->live ? mem_alloc(sizeof *q) : NULL;
    if (!q)
        return NULL;
    q->deadline_ns = clock_ns() + limit_ns();
    fflush(NULL);
    for (int i = 0; i < MAX_CHILDREN; i++) {
        int fd[2];
        q->child[i].fd = -1;
        if (i >= n_gpu_apis || pipe2(fd, O_CLOEXEC) < 0)
            continue;
        pid_t pid = fork();
        if (pid == 0)
            answer_in_child(&gpu_apis[i], fd[1]);
        close(fd[1]);
        if (pid < 0) {
            close(fd[0]);
            continue;
        }
        setpgid(pid, pid);
        q->child[i].pid = pid;
        q->child[i].fd = fd[0];
    }
    return q;
}

static void receive(struct gpu_query *q, int i)
{
    ssize_t n =
        read(q->child[i].fd, (char *)&q->child[i].answer + q->child[i].n, sizeof q->child[i].answer - q->child[i].n);
    if (n > 0)
        q->child[i].n += (size_t)n;
    if ((n < 0 && errno != EINTR) || n == 0 || q->child[i].n == sizeof q->child[i].answer) {
        close(q->child[i].fd);
        q->child[i].fd = -1;
    }
}

static void wait_for_answers(struct gpu_query *q)
{
    for (;;) {
        struct pollfd p[MAX_CHILDREN];
        uint64_t now = clock_ns();
        bool open = false;
        for (int i = 0; i < MAX_CHILDREN; i++) {
            p[i] = (struct pollfd){q->child[i].fd, POLLIN, 0};
            open |= q->child[i].fd >= 0;
        }
        if (!open || now >= q->deadline_ns || interrupt_seen())
            return;
        if (poll(p, MAX_CHILDREN, (int)((q->deadline_ns - now) / 1000000) + 1) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < MAX_CHILDREN; i++)
            if (q->child[i].fd >= 0 && p[i].revents)
                receive(q, i);
    }
}

/* What a child wrote is not trusted: its driver may have overwritten anything. */
static void check(struct gpu_answer *a)
{
    if (a->n < 0 || a->n > (int)(sizeof a->found / sizeof *a->found))
        a->n = 0;
    for (int i = 0; i < a->n; i++) {
        struct gpu_found *f = &a->found[i];
        struct probe_accel raw = f->a;
        raw.name[sizeof raw.name - 1] = raw.vendor[sizeof raw.vendor - 1] = raw.driver[sizeof raw.driver - 1] = 0;
        raw.pci_id[sizeof raw.pci_id - 1] = f->slot[sizeof f->slot - 1] = 0;
        text_copy(f->a.name, sizeof f->a.name, raw.name);
        text_copy(f->a.vendor, sizeof f->a.vendor, raw.vendor);
        text_copy(f->a.driver, sizeof f->a.driver, raw.driver);
        text_copy(f->a.pci_id, sizeof f->a.pci_id, raw.pci_id);
        f->a.api[0] = 0;
        if (f->a.memory_bytes <= 0 || f->a.memory_bytes > INT64_C(1) << 50)
            f->a.memory_bytes = -1;
    }
}

void gpu_query_finish(struct gpu_query *q, struct gpu_answer *answers, unsigned *late, unsigned *crashed)
{
    *late = *crashed = 0;
    wait_for_answers(q);
    for (int i = 0; i < n_gpu_apis; i++) {
        int status = 0;
        memset(&answers[i], 0, sizeof answers[i]);
        if (!q->child[i].pid)
            continue;
        bool answered = q->child[i].n == sizeof q->child[i].answer;
        if (q->child[i].fd >= 0) {
            *late |= 1u << i;
            close(q->child[i].fd);
        } else if (!answered) {
            *crashed |= 1u << i;
        }
        kill(-q->child[i].pid, SIGKILL); /* and what a driver may have started */
        kill(q->child[i].pid, SIGKILL);
        while (waitpid(q->child[i].pid, &status, 0) < 0 && errno == EINTR)
            continue;
        if (answered) {
            answers[i] = q->child[i].answer;
            check(&answers[i]);
        }
    }
    mem_free(q);
}
