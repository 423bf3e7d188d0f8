/* Files, directories, children and the clock: the operating system behind one header (POSIX.1-2008). */
#ifndef BASE_OS_H
#define BASE_OS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

uint64_t clock_ns(void);                          /* monotonic */
uint64_t clock_end_ns(double seconds);            /* the time so far from now; 0, for no end, where that is infinite */
double clock_left_s(uint64_t end_ns);             /* until then, 0 behind it; INFINITY without an end */
void clock_sleep_ms(unsigned ms);
/* "2026-11-21", with T or a space "09:15", ":30", ".5" behind it, and "Z", "+01:00" or nothing (UTC); since 1970. */
bool clock_parse_exact(const char *text, double *seconds);
bool clock_parse(const char *text, int64_t *seconds);    /* the same, fractions dropped */
const char *clock_format(char out[32], int64_t seconds);   /* "2026-11-21T09:15:00Z"; "" beyond any calendar; out */
int64_t clock_seconds(void);                      /* now, since 1970; honours SOURCE_DATE_EPOCH */
void clock_iso8601(char out[32]);                 /* the same as clock_format writes it */

struct file_map {                                 /* a whole file mapped read-only */
    const uint8_t *p;
    size_t n;
};
int file_map_open(struct file_map *m, const char *path, struct err *e);
void file_map_close(struct file_map *m);
/* [p, p + n) need not stay in memory: it is read again from the file when it is asked for. Nothing outside the map. */
void file_map_release(const struct file_map *m, const void *p, size_t n);

/* Whole file, NUL-terminated, at most max bytes (ERR_LIMIT beyond); *text is freed with mem_free. n may be NULL. */
int file_read(const char *path, size_t max, char **text, size_t *n, struct err *e);
bool file_exists(const char *path);
bool dir_exists(const char *path);
int dir_make(const char *path, struct err *e);    /* with parents; fine if it is there */

/* Atomic output: written under a temporary name in the same folder, renamed at commit. Nothing half-written
 * ever carries the final name. Order: open, write..., commit or abort. */
struct file_out {
    int fd;
    char *path, *temp;
    uint64_t bytes;
    struct err err;                               /* the first failure; later writes do nothing */
};
int file_out_open(struct file_out *f, const char *path, struct err *e);
int file_out_write(struct file_out *f, const void *p, size_t n);
int file_out_commit(struct file_out *f, struct err *e);
void file_out_abort(struct file_out *f);
int file_write(const char *path, const void *p, size_t n, struct err *e);   /* the three above in one */

/* A directory that appears whole: filled under a temporary name beside its own, renamed at commit. A path where
 * something is already is refused, unless that is an empty directory. Order: open, files into temp, commit or abort. */
struct dir_out {
    char *path, *temp;
};
int dir_check_vacant(const char *path, struct err *e);
int dir_out_open(struct dir_out *d, const char *path, struct err *e);
int dir_out_commit(struct dir_out *d, struct err *e);
void dir_out_abort(struct dir_out *d);            /* removes all that is in temp */

struct child_cmd {
    const char *const *argv;                      /* argv[0] is looked up on PATH; NULL-terminated */
    const char *stdin_text;                       /* NULL: /dev/null */
    unsigned timeout_ms;                          /* 0: none */
    uint64_t max_memory_bytes;                    /* of it and all that it starts, as seen from outside; 0: any */
    size_t max_output;                            /* per stream; the rest is dropped; 0 = 16 MiB */
    bool after_interrupt;                         /* runs all the same: a short one for what was done before */
};
struct child_result {
    int exit_code;                                /* -1 when it died of a signal */
    int signal;                                   /* 0 unless it died of one */
    bool timed_out, too_large;                    /* too_large: killed at max_memory_bytes */
    char *out, *err;                              /* NUL-terminated, freed by child_result_free */
    size_t n_out, n_err;
    uint64_t peak_rss_bytes, wall_ns;             /* peak: of the program itself; 0 when it ended within 10 ms */
};
/* Runs to its end; then, or at a limit, all that it started is killed. A non-zero exit is a result, not an error. */
int child_run(const struct child_cmd *cmd, struct child_result *r, struct err *e);
void child_result_free(struct child_result *r);
/* Runs fn(arg) in a forked child: returns its exit code (0-255), or -signal if it died of one, or ERR_TIMEOUT-1000. */
int child_call(int (*fn)(void *), void *arg, unsigned timeout_ms);
/* A child inherits the CPUs of the thread that starts it. What they were before that thread was pinned is remembered
 * (the first time counts) and given back to children. */
void cpus_remember(void);
void cpus_give_back(void);
char *program_find(const char *name);             /* full path on PATH (mem_free), or NULL */
/* What a program said last: its last line that is not empty, what a terminal would act on as '?'; else "nothing". */
void text_last_line(char *out, size_t size, const char *text);

/* SIGINT sets a flag that long loops ask for between repetitions. */
void interrupt_install(void);
bool interrupt_seen(void);

#endif
