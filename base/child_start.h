/* How a child begins: what child_run and a program that stays have in common. */
#ifndef BASE_CHILD_START_H
#define BASE_CHILD_START_H
#include <sys/types.h>
#include "base/family.h"
#include "base/os.h"

struct child_pipes {
    pid_t pid;
    struct family family;
    int in, out, err; /* our ends; -1 when closed */
};
/* In a process group of its own; it dies with the thread that started it. feed: stdin is a
 * pipe that never blocks us, else /dev/null. */
int child_start(struct child_pipes *p, const struct child_cmd *c, bool feed, struct err *e);
void child_close(int *fd);
/* Not yet reaped, so that its number, which is also the group's, belongs to nobody else. */
bool child_has_ended(pid_t pid);
#endif
