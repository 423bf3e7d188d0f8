/* What the commands around a decision share: the records, from measuring or from the store. */
#ifndef CLI_JOB_H
#define CLI_JOB_H
#include "bench/store.h"
#include "bench/factor.h"
#include "cli/cli.h"
#include "matrix/matrix.h"

struct job {
    struct cli *cli;
    struct store *store;
    struct record *rec;
    int n_rec;
    struct factors known; /* of earlier runs */
    uint64_t t0;
    char run_id[48];
    const struct target *target; /* a described machine, of which cli->device is made; NULL: none */
    bool answers;                /* an answer is shown at the end: drafts of it stand on the terminal */
    struct {
        int n_lines, n_warned; /* lines: 0 none is shown */
    } draft;
};
struct report_input;
/* What a report of d is made of. */
void job_input(const struct job *j, const struct decision *d, struct report_input *in);
/* draft.c: an answer that a better one will replace, and what it stands on: on a terminal what follows takes its place;
 * elsewhere it is one line on stderr. */
void job_draft(struct job *j, const struct decision *d, const char *stands_on);
void job_clear_draft(struct job *j);
/* cmd_choose.c: the decision of the catalogue for a described machine, whose name it keeps pointing to. */
int cli_choose_for(struct cli *c, const struct target *t, struct decision **d, struct err *e);
/* prints the form asked for, writes -o; the exit code */
int job_show(struct job *j, struct decision *d);
/* The choice between models of the catalogue, shown so. */
int cli_choose_then(struct cli *c, int (*show)(struct job *j, struct decision *d));
/* decides, prints the form asked for, writes -o; the exit code */
int job_report(struct job *j);
/* -o: a folder that is made, or a file whose folder is there; before the work, not after. */
int out_prepare(const char *path, struct err *e);
int out_write(const struct cli *c, const struct report_input *in, void (*warn)(void *arg, const char *sentence),
              struct err *e);
/* The records of this machine, or of --from, in the store, or those of --records; of that model only where one is given
 * (NULL: all). Order: job_load -> matrix_decide... -> job_free. */
int job_load(struct job *j, const char *model, struct err *e);
void job_free(struct job *j);
#endif
