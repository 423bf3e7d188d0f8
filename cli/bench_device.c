/* bench on a device: where a framework computes, and how many layers of the model lie there. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "cli/bench.h"

enum { MOST_LAYERS = 998 }; /* more than any model has */

int bench_check_layers(const struct cli *c, struct err *e)
{
    if (c->gpu_layers.n > MOST_COUNTS)
        return err_set(e, ERR_USAGE, "--gpu-layers: at most %d numbers", MOST_COUNTS);
    for (int i = 0; i < c->gpu_layers.n; i++) {
        const char *given = c->gpu_layers.v[i];
        char *end;
        long n = strtol(given, &end, 10);
        if (strcmp(given, "all") != 0 && (*end || end == given || n < 0 || n > MOST_LAYERS))
            return err_set(e, ERR_USAGE, "--gpu-layers %s: give numbers of layers up to %d, or all", given,
                           MOST_LAYERS);
    }
    return 0;
}

int bench_n_layers(const struct cli *c, const struct runner *r)
{
    return r->offloads && c->gpu_layers.n > 0 ? c->gpu_layers.n : 1;
}

void bench_place(const struct cli *c, int i_layers, struct measure_cell *cell, struct record *r)
{
    const struct runner *runner = cell->runner;
    bool elsewhere = c->backend && strcasecmp(c->backend, "cpu") != 0;
    cell->settings = c->settings.v;
    cell->n_settings = c->settings.n;
    cell->device = c->backend;
    cell->gpu_layers = runner->offloads && c->gpu_layers.n > 0 ? c->gpu_layers.v[i_layers] : NULL;
    if (!runner->real && elsewhere && !cell->why_not) {
        snprintf(r->reason, sizeof r->reason, "%s computes on the CPU alone: there is no backend %.40s for it",
                 strcmp(runner->name, "own") == 0 ? "the own engine" : runner->name, c->backend);
        cell->why_not = r->reason;
    }
    if (!runner->real)
        return;
    snprintf(r->framework.backend, sizeof r->framework.backend, "%s", c->backend ? c->backend : "");
    for (char *p = r->framework.backend; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (cell->gpu_layers)
        r->framework.gpu_layers = strcmp(cell->gpu_layers, "all") == 0 ? -1 : atoi(cell->gpu_layers);
}
