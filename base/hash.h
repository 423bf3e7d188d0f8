/* SHA-256 through libcrypto. */
#ifndef BASE_HASH_H
#define BASE_HASH_H
#include <stddef.h>
#include "base/err.h"

void sha256_hex(const void *p, size_t n, char out[65]);
const char *program_sha256(void);   /* of the running program's file, read once; "" when it cannot be read */
int sha256_file(const char *path, char out[65], struct err *e);

#endif
