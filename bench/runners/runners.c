/* The table of runners, and those that somebody put on PATH. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/runners/worker.h"

#define R(symbol) extern const struct runner symbol;
#include "bench/runners/runners.def"
#undef R

const struct runner *const runners[] = {
#define R(symbol) &symbol,
#include "bench/runners/runners.def"
#undef R
    NULL,
};

/* ---- whichquant-runner-NAME ---- */

enum { MOST_ON_PATH = 32 };
static const char prefix[] = "whichquant-runner-";
static struct on_path { /* filled once: PATH does not change under a program */
    struct runner runner;
    struct worker_row row;
    char name[48], program[512];
} on_path[MOST_ON_PATH];
static int n_on_path = -1;

static const struct runner *in_table(const char *name)
{
    for (int i = 0; runners[i]; i++)
        if (strcmp(runners[i]->name, name) == 0)
            return runners[i];
    return NULL;
}

static bool have_on_path(const char *name)
{
    for (int i = 0; i < n_on_path; i++)
        if (!strcmp(on_path[i].name, name))
            return true;
    return false;
}

/* A name of the table, or of an earlier folder, is taken already. */
static void add_on_path(const char *folder, int n_folder, const char *file)
{
    const char *name = file + sizeof prefix - 1;
    struct on_path *o = &on_path[n_on_path];
    if (n_on_path == MOST_ON_PATH || strncmp(file, prefix, sizeof prefix - 1) != 0 || !*name ||
        strlen(name) >= sizeof o->name || in_table(name) || have_on_path(name))
        return;
    int n = snprintf(o->program, sizeof o->program, "%.*s/%s", n_folder, folder, file);
    if (n >= (int)sizeof o->program || !file_exists(o->program) || access(o->program, X_OK) != 0)
        return;
    snprintf(o->name, sizeof o->name, "%s", name);
    o->row = (struct worker_row){.name = o->name, .program = o->program};
    o->runner = worker_runner(&o->row);
    n_on_path++;
}

static void look_on_path(void)
{
    const char *path = getenv("PATH");
    n_on_path = 0;
    while (path && *path) {
        int n = (int)strcspn(path, ":");
        char folder[480];
        snprintf(folder, sizeof folder, "%.*s", n, path);
        DIR *d = n > 0 && n < (int)sizeof folder ? opendir(folder) : NULL;
        for (struct dirent *f; d && (f = readdir(d));)
            add_on_path(path, n, f->d_name);
        if (d)
            closedir(d);
        path += n + (path[n] == ':');
    }
}

const struct runner *runner_on_path(int *state)
{
    if (n_on_path < 0)
        look_on_path();
    return *state < n_on_path ? &on_path[(*state)++].runner : NULL;
}

const struct runner *runner_find(const char *name)
{
    const struct runner *r = in_table(name);
    for (int state = 0; !r || strcmp(r->name, name) != 0;)
        if (!(r = runner_on_path(&state)))
            return NULL;
    return r;
}

bool runner_loads(const struct runner *r, const char *container)
{
    size_t n = strlen(container);
    for (const char *at = r->containers; at && (at = strstr(at, container)); at += n)
        if ((at == r->containers || at[-1] == ' ') && (at[n] == 0 || at[n] == ' '))
            return true;
    return false;
}

int runner_named(const struct runner **out, const char *name, struct err *e)
{
    *out = runner_find(name);
    return *out ? 0 : err_set(e, ERR_USAGE, "unknown framework %s; `whichquant list frameworks` names them", name);
}
