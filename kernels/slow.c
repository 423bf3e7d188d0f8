/* A kernel made slower on purpose; see slow.h. */
#include "kernels/slow.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SLOW = 8 };
static struct {
    char name[64];
    double factor;
} slow[MOST_SLOW];
static int n_slow;

static void read_switch(void)
{
    const char *p = getenv("WHICHQUANT_TEST_SLOW");
    while (p && n_slow < MOST_SLOW && sscanf(p, "%63[^=,]=%lf", slow[n_slow].name, &slow[n_slow].factor) == 2) {
        n_slow++;
        p = strchr(p, ',');
        p = p ? p + 1 : NULL;
    }
}

void kernel_slow_down(const char *name, uint64_t t0)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_switch);
    for (int i = 0; i < n_slow; i++)
        if (!strcmp(slow[i].name, name)) {
            const double until = (double)t0 + (double)(clock_ns() - t0) * slow[i].factor;
            while ((double)clock_ns() < until)
                continue;
        }
}
