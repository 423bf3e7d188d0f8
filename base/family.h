/* A child and everything that it ever starts. A process group loses those that leave it (setsid, a daemon); so each
 * child also gets a variable of its own in its environment, which all that come from it inherit.
 * Order: family_new -> fork -> family_join in the child -> family_memory... -> family_kill. */
#ifndef BASE_FAMILY_H
#define BASE_FAMILY_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct family {
    pid_t first;   /* the child, which leads the group; 0: not started */
    char mark[64]; /* "WHICHQUANT_CHILD_...=1" */
    bool resting;
};
void family_new(struct family *f);
/* In the child, before it becomes another program: a group of its own, and the mark. */
void family_join(const struct family *f);
bool family_has(const struct family *f, pid_t pid);
/* Calls on_member for each that lives. */
void family_each(const struct family *f, void (*on_member)(void *arg, pid_t pid), void *arg);
/* What they hold that no file backs, now: pages that several of them share count once. */
int64_t family_memory(const struct family *f);
/* More than that. Cheap while it is far from it. */
bool family_exceeds(const struct family *f, uint64_t bytes);
/* Stops the group where it stands, so that threads that wait busily take nothing from what is measured next; and on.
 * Nothing happens to one that is so already. */
void family_rest(struct family *f);
void family_wake(struct family *f);
/* Kills all of them: soon after `first` was reaped at the latest, or its number may be somebody else's. */
void family_kill(const struct family *f);
#endif
