/* The gate as other commands call it: `nightly` after its sweep, with a way to measure again. */
#ifndef CLI_GATE_H
#define CLI_GATE_H
#include "cli/cli.h"
#include "matrix/gate.h"

/* The policy that the options ask for: --fail-on, --min-effect, --since, --baseline-runs, --reruns, --max-ln-ppl,
 * --seed. */
int cli_gate_policy(const struct cli *c, struct gate_policy *out, struct err *e);
/* Decides on the store, prints the report (--json --md --csv, else text; out == NULL: prints nothing) and writes its
 * files into the folder out_dir (NULL: none). hooks NULL: suspicions stay unconfirmed. Returns the exit code of
 * interface: 0, 1, 3, with --strict 5, 6, 7. */
int cli_gate(struct cli *c, struct store *s, const struct gate_policy *p, const struct gate_hooks *hooks, FILE *out,
             const char *out_dir);
/* The same for a report that is there already. */
int cli_gate_report(struct cli *c, const struct gate_report *r, FILE *out, const char *out_dir);
/* gate --ab A B: two commands against each other, without a store. */
int cli_gate_ab(struct cli *c);
#endif
