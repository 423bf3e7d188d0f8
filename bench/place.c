/* A device and how many layers of the model lie there. */
#include "bench/place.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_LAYERS = 998 }; /* more than any model has */

int place_check(const struct request *req, struct err *e)
{
    if (req->n_gpu_layers > MOST_PLACES)
        return err_set(e, ERR_USAGE, "--gpu-layers: at most %d numbers", MOST_PLACES);
    for (int i = 0; i < req->n_gpu_layers; i++) {
        const char *given = req->gpu_layers[i];
        char *end;
        long n = strtol(given, &end, 10);
        if (strcmp(given, "all") != 0 && (*end || end == given || n < 0 || n > MOST_LAYERS))
            return err_set(e, ERR_USAGE, "--gpu-layers %s: give numbers of layers up to %d, or all", given,
                           MOST_LAYERS);
    }
    return 0;
}

int place_count(const struct request *req, const struct runner *r)
{
    return r->offloads && req->n_gpu_layers > 0 ? req->n_gpu_layers : 1;
}

/* Into the record too: with another setting it is another cell. */
static void set_settings(const struct request *req, struct measure_cell *cell, struct record *r)
{
    char *out = r->framework.settings;
    size_t n = 0, size = sizeof r->framework.settings;
    cell->settings = req->settings;
    cell->n_settings = req->n_settings;
    for (int i = 0; i < req->n_settings && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? " " : "", req->settings[i]);
}

static void refuse_elsewhere(const struct request *req, struct measure_cell *cell, struct record *r)
{
    const char *name = cell->runner->name;
    if (!req->backend || !strcasecmp(req->backend, "cpu") || cell->why_not)
        return;
    snprintf(r->reason, sizeof r->reason, "%s computes on the CPU alone: there is no backend %.40s for it",
             strcmp(name, "own") == 0 ? "the own engine" : name, req->backend);
    cell->why_not = r->reason;
}

void place_set(const struct request *req, int i, struct measure_cell *cell, struct record *r)
{
    const struct runner *runner = cell->runner;
    if (!runner->real) {
        refuse_elsewhere(req, cell, r);
        return;
    }
    set_settings(req, cell, r);
    cell->device = req->backend;
    cell->gpu_layers = runner->offloads && req->n_gpu_layers > 0 ? req->gpu_layers[i] : NULL;
    if (req->backend || (cell->gpu_layers && strcmp(cell->gpu_layers, "0") != 0)) /* else as the record was begun */
        snprintf(r->framework.backend, sizeof r->framework.backend, "%s", req->backend ? req->backend : "");
    for (char *p = r->framework.backend; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (cell->gpu_layers)
        r->framework.gpu_layers = strcmp(cell->gpu_layers, "all") == 0 ? -1 : atoi(cell->gpu_layers);
}
