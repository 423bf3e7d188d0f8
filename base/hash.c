/* SHA-256 through libcrypto's EVP interface. */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"

enum { PIECE = 1 << 20 };

static void write_hex(const unsigned char d[32], char out[65])
{
    for (int i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", d[i]);
}

void sha256_hex(const void *p, size_t n, char out[65])
{
    unsigned char d[EVP_MAX_MD_SIZE] = {0};
    EVP_Digest(p, n, d, NULL, EVP_sha256(), NULL);
    write_hex(d, out);
}

static int hash_rest(EVP_MD_CTX *hash, int fd, const char *path, char *piece, struct err *e)
{
    for (;;) {
        ssize_t n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, ERR_IO, "cannot read %s: %s", path, strerror(errno));
        if (n == 0)
            return 0;
        EVP_DigestUpdate(hash, piece, (size_t)n);
    }
}

/* By pieces: a mapped file would count as memory held, all of it. */
int sha256_file(const char *path, char out[65], struct err *e)
{
    unsigned char d[EVP_MAX_MD_SIZE] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno == ENOENT ? ERR_MISSING : ERR_IO, "cannot open %s: %s", path, strerror(errno));
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    char *piece = mem_alloc(PIECE);
    int rc = hash && piece && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) ? hash_rest(hash, fd, path, piece, e)
                                                                          : err_nomem(e, PIECE, path);
    if (rc == 0 && EVP_DigestFinal_ex(hash, d, NULL))
        write_hex(d, out);
    mem_free(piece);
    EVP_MD_CTX_free(hash);
    close(fd);
    return rc;
}

static char of_program[65];

static void hash_program(void)
{
    if (sha256_file("/proc/self/exe", of_program, NULL) < 0)
        of_program[0] = 0;
#ifdef TEST_HOOKS /* a kernel that is made slower (kernels/slow.h) is another build */
    const char *slow = getenv("WHICHQUANT_TEST_SLOW");
    char text[sizeof of_program + 512];
    if (slow && *slow) {
        snprintf(text, sizeof text, "%s %s", of_program, slow);
        sha256_hex(text, strlen(text), of_program);
    }
#endif
}

const char *program_sha256(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, hash_program);
    return of_program;
}
