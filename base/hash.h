/* SHA-256 through libcrypto. */
#ifndef BASE_HASH_H
#define BASE_HASH_H
#include <stddef.h>
#include "base/err.h"

void sha256_hex(const void *p, size_t n, char out[65]);
int sha256_file(const char *path, char out[65], struct err *e);

#endif
