/* A program that stays: it is asked line by line and answers line by line. It runs in a process group of its own, its
 * stderr is kept to the last few thousand bytes, its memory is read from outside, and whatever happens to it nothing
 * that it started is left behind. Order: process_start -> process_send, process_line... -> process_stop. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H
#include "base/os.h"

struct process;
struct process_memory { /* the largest seen, summed over all that it started; -1: never seen */
    int64_t peak_rss_bytes;
    int64_t pss_bytes, pss_anon_bytes, pss_file_bytes; /* at the moment of the largest PSS: shared pages in parts */
};
/* argv and max_memory_bytes of c count, the latter whenever its memory is looked at while it is waited for; max_output
 * is the longest line, 0 = 64 MiB. name: for sentences. */
int process_start(struct process **out, const struct child_cmd *c, const char *name, struct err *e);
/* Deadlines are clock_ns(), 0 = none. Errors say in one sentence what became of the program, and what it last said:
 * ERR_TIMEOUT (stopped), ERR_CRASHED (a signal), ERR_IO (an exit code), ERR_LIMIT (a longer line), ERR_CANCELLED
 * (SIGINT). After any of them all of it is dead. */
int process_send(struct process *p, const char *text, size_t n, uint64_t deadline_ns, struct err *e);
/* The next line without its end, NUL-terminated; it stands until the next call. */
int process_line(struct process *p, uint64_t deadline_ns, char **line, size_t *n, struct err *e);
/* Stops it where it stands, so that threads that wait busily take nothing from what is measured next; and on. */
void process_rest(struct process *p);
void process_wake(struct process *p);
/* Looks at its memory now; while a line is waited for this is done every `every_ms` (0: not). */
void process_look(struct process *p);
void process_look_every(struct process *p, unsigned every_ms);
const struct process_memory *process_memory(const struct process *p);
/* Closes its stdin, gives it so long to end by itself, then kills the group. NULL is fine. */
void process_stop(struct process *p, unsigned grace_ms);
#endif
