/* Files into machines: inside cli/fleet only. */
#ifndef CLI_FLEET_MACHINES_READ_H
#define CLI_FLEET_MACHINES_READ_H
#include "cli/fleet/machines.h"

/* A folder of fleet collect (records.jsonl, machines.json), or any file that import reads. */
int machines_read(struct machines *m, struct cli *c, const char *path, struct err *e);
/* The machine of that id (or, without one, of that name); a new one where there is none. NULL: error. */
struct machine *machines_find(struct machines *m, const char *id, const char *device, struct err *e);
#endif
