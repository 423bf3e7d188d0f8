/* Formats as the files that real frameworks load, for commands that run them; and frameworks as makers of logits. */
#ifndef CLI_ARTIFACT_H
#define CLI_ARTIFACT_H
#include "bench/export/export.h"
#include "bench/runners/runner.h"
#include "cli/cli.h"

/* ERR_UNSUPPORTED where the framework loads no container of that format. */
int artifact_check(const struct runner *runner, const struct recipe *r, struct err *e);
/* Writes the format into a temporary folder in the container that the framework loads. */
int artifact_write(char path[300], const struct runner *runner, const struct model *m, const struct weights *w,
                   const struct recipe *r, struct err *e);
void artifact_remove(const char *path); /* with its folder; "" is fine */

/* A framework that answers eval with logits. */
struct framework;
int framework_open(struct framework **out, struct cli *c, const char *name, const char *artifact, int n_ctx,
                   struct err *e);
const struct eval_source *framework_source(const struct framework *f);
const char *framework_version(const struct framework *f);
void framework_close(struct framework *f);
#endif
