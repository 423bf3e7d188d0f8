/* SHA-256 through libcrypto's EVP interface. */
#include "base/hash.h"

#include <openssl/evp.h>
#include <stdio.h>
#include "base/os.h"

void sha256_hex(const void *p, size_t n, char out[65])
{
    unsigned char d[EVP_MAX_MD_SIZE] = {0};
    unsigned len = 0;
    EVP_Digest(p, n, d, &len, EVP_sha256(), NULL);
    for (int i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", d[i]);
}

int sha256_file(const char *path, char out[65], struct err *e)
{
    struct file_map m;
    int rc = file_map_open(&m, path, e);
    if (rc < 0)
        return rc;
    sha256_hex(m.p, m.n, out);
    file_map_close(&m);
    return 0;
}
