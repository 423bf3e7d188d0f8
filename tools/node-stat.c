/* Linked into the node's binary where that is made for an old glibc: before 2.33 these were no functions there. The
 * kernel's structure is the C library's on 64-bit machines. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

int fstatat64(int dir, const char *path, void *out, int flags)
{
    return (int)syscall(SYS_newfstatat, dir, path, out, flags);
}
int stat64(const char *path, void *out)
{
    return fstatat64(AT_FDCWD, path, out, 0);
}
int lstat64(const char *path, void *out)
{
    return fstatat64(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW);
}
int fstat64(int fd, void *out)
{
    return fstatat64(fd, "", out, AT_EMPTY_PATH);
}
int stat(const char *path, void *out)
{
    return stat64(path, out);
}
int lstat(const char *path, void *out)
{
    return lstat64(path, out);
}
int fstat(int fd, void *out)
{
    return fstat64(fd, out);
}
int fstatat(int dir, const char *path, void *out, int flags)
{
    return fstatat64(dir, path, out, flags);
}
