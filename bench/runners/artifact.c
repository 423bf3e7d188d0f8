/* Artifacts of formats for a while. */
#include "bench/runners/artifact.h"

#include <stdio.h>
#include <string.h>
#include "base/os.h"
#include "base/temp.h"

int artifact_check(const struct runner *runner, const struct recipe *r, struct err *e)
{
    const struct exporter *x = exporter_find(r);
    if (x && (!runner->containers || runner_loads(runner, x->name))) /* one on PATH says so itself */
        return 0;
    return err_set(e, ERR_UNSUPPORTED, "%s is not written in a form that %s loads (%s)", r->name, runner->name,
                   runner->containers ? runner->containers : "unknown");
}

/* A container may hold the embedding once more, in floats, and leaves the disk room for others. */
static int64_t bytes_needed(const struct model *m, const struct weights *w)
{
    static const int64_t left_alone = (int64_t)256 << 20;
    return w->bytes + (int64_t)m->d.n_vocab * m->d.d_model * (int64_t)sizeof(float) + left_alone;
}

int artifact_write(char path[300], const struct runner *runner, const struct model *m, const struct weights *w,
                   const struct recipe *r, struct err *e)
{
    const struct exporter *x = exporter_find(r);
    path[0] = 0;
    if (artifact_check(runner, r, e) < 0)
        return ERR_UNSUPPORTED;
    int rc = x->check ? x->check(m, r, e) : 0;
    if (rc < 0)
        return rc;
    char dir[TEMP_PATH];
    int64_t needed = bytes_needed(m, w), room = disk_free_bytes(temp_folder());
    if (room >= 0 && room < needed)
        return err_set(e, ERR_LIMIT, "%s for %s takes %.1f GiB of %s, where %.1f GiB are free; set TMPDIR", r->name,
                       runner->name, (double)needed / 0x1p30, temp_folder(), (double)room / 0x1p30);
    if ((rc = temp_dir(dir, "files", e)) < 0)
        return rc;
    if (snprintf(path, 300, "%s/model%s", dir, x->suffix) >= 300) {
        temp_remove(dir);
        path[0] = 0;
        return err_set(e, ERR_LIMIT, "TMPDIR is too long a name; set a shorter one");
    }
    rc = x->write(path, m, w, r, e);
    if (rc < 0) {
        artifact_remove(path);
        path[0] = 0;
    }
    return rc;
}

void artifact_remove(const char *path)
{
    char dir[300];
    snprintf(dir, sizeof dir, "%s", path);
    if (dir[0])
        *strrchr(dir, '/') = 0;
    temp_remove(dir);
}
