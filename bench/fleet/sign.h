/* Signatures of results through OpenSSH's ssh-keygen: keys and lists of allowed signers that administrators have
 * already. FILE.sig stands beside FILE. */
#ifndef BENCH_FLEET_SIGN_H
#define BENCH_FLEET_SIGN_H
#include "base/err.h"

/* Makes path.sig with that private key, or a public one whose private part the agent holds. */
int fleet_sign(const char *path, const char *key, struct err *e);
/* ERR_MISSING: not signed; ERR_FORMAT: by nobody on the list, or of another content. who: the signer's name there. */
int fleet_verify(const char *path, const char *allowed_signers, char who[128], struct err *e);
#endif
