/* ssh-keygen -Y. */
#include "bench/fleet/sign.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"

#define NAMESPACE "whichquant-fleet"
enum { PATIENCE_MS = 20000, MOST_BYTES = 1 << 26 };

/* 0: it said yes; *out is what it printed. */
static int ask(const char *const *argv, const char *input, char **out, const char *what, struct err *e)
{
    const struct child_cmd cmd = {.argv = argv, .stdin_text = input, .timeout_ms = PATIENCE_MS};
    struct child_result r = {0};
    struct err why = {0};
    int rc = child_run(&cmd, &r, &why);
    if (rc < 0)
        return err_set(e, rc, "%s: %s; signatures need OpenSSH's ssh-keygen", what, why.text);
    if (r.exit_code != 0 || r.timed_out) {
        char last[200];
        text_last_line(last, sizeof last, r.n_err ? r.err : r.out);
        rc = err_set(e, ERR_FORMAT, "%s: ssh-keygen: %s", what, r.timed_out ? "no answer" : last);
    }
    if (rc == 0 && out) {
        *out = r.out;
        r.out = NULL;
    }
    child_result_free(&r);
    return rc;
}

int fleet_sign(const char *path, const char *key, struct err *e)
{
    const char *const argv[] = {"ssh-keygen", "-Y", "sign", "-f", key, "-n", NAMESPACE, path, NULL};
    if (!file_exists(key))
        return err_set(e, ERR_MISSING, "--sign-key %.300s: no such file", key);
    return ask(argv, NULL, NULL, "the result could not be signed", e);
}

int fleet_verify(const char *path, const char *allowed_signers, char who[128], struct err *e)
{
    char sig[4600], *said = NULL, *text = NULL;
    snprintf(sig, sizeof sig, "%.4500s.sig", path);
    *who = 0;
    if (!file_exists(sig))
        return err_set(e, ERR_MISSING, "it is not signed");
    const char *const find[] = {"ssh-keygen", "-Y", "find-principals", "-s", sig, "-f", allowed_signers, NULL};
    int rc = ask(find, NULL, &said, "its signer is not on the list", e);
    if (rc == 0) {
        snprintf(who, 128, "%.*s", (int)strcspn(said, "\r\n"), said);
        rc = file_read(path, MOST_BYTES, &text, NULL, e);
    }
    const char *const verify[] = {"ssh-keygen", "-Y", "verify", "-f", allowed_signers, "-I", who, "-n",
                                  NAMESPACE,    "-s", sig,      NULL};
    if (rc == 0)
        rc = ask(verify, text, NULL, "its signature does not fit", e);
    mem_free(text);
    mem_free(said);
    return rc;
}
