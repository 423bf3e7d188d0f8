/* A program that runs in the background while it is asked things, such as a server: in a process group of its own,
 * which ends with this process whatever happens to it. Order: service_start, ..., service_stop. */
#ifndef BASE_SERVICE_H
#define BASE_SERVICE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/family.h"

struct service {
    pid_t pid;                /* 0: not started */
    struct family family;
    int log;                  /* what it prints, both streams: a file in memory */
    bool ended;
    int exit_code, signal;    /* once ended; -1 and the signal when it died of one */
    uint64_t peak_rss_bytes;  /* as of the last service_alive */
};
int service_start(struct service *s, const char *const *argv, struct err *e);
bool service_alive(struct service *s);
void service_rest(struct service *s);   /* family.h */
void service_wake(struct service *s);
void service_stop(struct service *s);   /* asks, then kills all that it started; harmless on one that never started */
/* The last line that says something, printable; "nothing" where there is none. */
void service_last_line(const struct service *s, char *out, size_t size);
bool service_said(const struct service *s, const char *text);   /* in its last few kilobytes, case ignored */
#endif
