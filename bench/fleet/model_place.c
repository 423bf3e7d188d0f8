/* A model's file or folder put into the plan: a hard link costs nothing; where there can be none, a copy. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/fleet/parts.h"

enum { PIECE = 1 << 20 };

static int copy_pieces(int fd, struct file_out *f, char *piece, const char *from, struct err *e)
{
    for (;;) {
        ssize_t n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, ERR_IO, "cannot read %s: %s", from, strerror(errno));
        if (n == 0)
            return 0;
        if (interrupt_seen())
            return err_set(e, ERR_CANCELLED, "interrupted");
        if (file_out_write(f, piece, (size_t)n) < 0) {
            *e = f->err;
            return f->err.code;
        }
    }
}

static int copy_file(const char *from, const char *to, struct err *e)
{
    struct file_out f = {0};
    char *piece = mem_alloc(PIECE);
    int fd = open(from, O_RDONLY | O_CLOEXEC), rc = piece ? 0 : err_nomem(e, PIECE, from);
    if (rc == 0 && fd < 0)
        rc = err_set(e, ERR_IO, "cannot open %s: %s", from, strerror(errno));
    if (rc == 0)
        rc = file_out_open(&f, to, e);
    if (rc == 0) {
        rc = copy_pieces(fd, &f, piece, from, e);
        rc = rc < 0 ? rc : file_out_commit(&f, e);
        if (rc < 0)
            file_out_abort(&f);
    }
    if (fd >= 0)
        close(fd);
    mem_free(piece);
    return rc;
}

static int place_file(const char *from, const char *to, struct err *e)
{
    char real[4096];
    if (realpath(from, real) && link(real, to) == 0)
        return 0;
    return errno == EEXIST ? 0 : copy_file(from, to, e);
}

static int place_folder(const char *from, const char *to, struct err *e)
{
    DIR *d = opendir(from);
    int rc = d ? dir_make(to, e) : err_set(e, ERR_IO, "cannot open %s: %s", from, strerror(errno));
    for (struct dirent *f; rc == 0 && (f = readdir(d));) {
        char a[4600], b[4600];
        snprintf(a, sizeof a, "%.4000s/%s", from, f->d_name);
        snprintf(b, sizeof b, "%.4000s/%s", to, f->d_name);
        if (f->d_name[0] != '.' && file_exists(a))
            rc = place_file(a, b, e);
    }
    if (d)
        closedir(d);
    return rc;
}

int fleet_model_place(const struct model *m, const char *given, const char *dir, struct err *e)
{
    char to[4200];
    snprintf(to, sizeof to, "%.4000s/%s%s", dir, m->sha256, m->folder ? "" : ".gguf");
    const char *from = m->path ? m->path : given;
    return m->folder ? place_folder(from, to, e) : place_file(from, to, e);
}
