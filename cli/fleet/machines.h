/* The machines of a report: measured ones, whose records stand in files and folders (fleet collect's, or any
 * records.jsonl), and described ones, of which everything is predicted. Records are told apart by the machine's id in
 * the fleet, else by its hardware, else by its name. Order: machines_load -> machines_decide... -> machines_free. */
#ifndef CLI_FLEET_MACHINES_H
#define CLI_FLEET_MACHINES_H
#include "cli/cli.h"
#include "cli/fleet/needs.h"
#include "bench/record.h"
#include "matrix/matrix.h"

enum { MOST_MACHINES = 256, MOST_MODELS = 64 };
struct machine {
    char id[72], label[96], folder[72];
    char device[128];           /* what it is: a name, or of a described one its id */
    char name[128];             /* as shown: the label, the device where nothing else has that name */
    struct record *rec;         /* of one user: what decisions take */
    struct record *served;      /* of requests to a server */
    int n_rec, n_served, n_own; /* rec[0..n_own) are of this machine, the others lend their quality */
    struct target target;       /* what predictions are made for, where has_target */
    struct probe_device probe;  /* its fingerprint, where has_probe */
    bool described, has_target, has_probe, measured; /* measured: some speed is */
    const char *catalogue[MOST_MODELS];                     /* models of its records that the catalogue knows */
    int n_catalogue;
};
struct machines {
    struct machine *of[MOST_MACHINES];
    int n;
};
/* paths: folders or files; devices: ids or JSON files. */
int machines_load(struct machines *m, struct cli *c, const char *const *paths, int n_paths, struct err *e);
/* The decision of machine i under a set of limits. */
int machines_decide(struct decision **out, struct machines *m, int i, struct cli *c, const struct need *need,
                    struct err *e);
/* The same predicted, for what an upgrade would allow; *out NULL where nothing is known to predict from: why says so.
 */
int machines_predict(struct decision **out, struct machines *m, int i, struct cli *c, const struct need *need,
                     char why[160], struct err *e);
/* Models of the catalogue that machine i is asked about; 0: all. */
int machines_models(const struct machines *m, int i, const struct cli *c, const char *models[MOST_MODELS]);
void machines_free(struct machines *m);
#endif
