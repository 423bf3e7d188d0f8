/* Files that appear together or not at all. */
#include "reports/report_files.h"

#include <stdio.h>
#include <string.h>
#include "base/os.h"

struct sbuf *report_files_add(struct report_files *f, const char *name)
{
    struct report_file *file = &f->file[f->n < MOST_REPORT_FILES - 1 ? f->n++ : f->n];
    snprintf(file->name, sizeof file->name, "%s", name);
    return &file->text;
}

static int open_one(struct file_out *out, const char *dir, const struct report_file *file, struct err *e)
{
    char path[4096];
    if (file->text.failed)
        return err_nomem(e, file->text.n, file->name);
    if (snprintf(path, sizeof path, "%s/%s", dir, file->name) >= (int)sizeof path)
        return err_set(e, ERR_USAGE, "the output directory's name is too long: %.80s...", dir);
    int rc = file_out_open(out, path, e);
    if (rc == 0 && (rc = file_out_write(out, sbuf_str(&file->text), file->text.n)) < 0 && e)
        *e = out->err;
    return rc;
}

int report_files_write(const struct report_files *f, const char *dir, struct err *e)
{
    struct file_out out[MOST_REPORT_FILES];
    int n = 0, rc = dir_make(dir, e);
    for (; rc == 0 && n < f->n; n++) {
        char *slash = strrchr(f->file[n].name, '/');
        char folder[4096];
        if (slash && snprintf(folder, sizeof folder, "%s/%.*s", dir, (int)(slash - f->file[n].name), f->file[n].name) <
                         (int)sizeof folder)
            rc = dir_make(folder, e);
        out[n] = (struct file_out){.fd = -1};
        if (rc == 0)
            rc = open_one(&out[n], dir, &f->file[n], e);
    }
    for (int i = 0; i < n; i++)
        if (rc == 0)
            rc = file_out_commit(&out[i], e);
        else
            file_out_abort(&out[i]);
    return rc;
}

void report_files_free(struct report_files *f)
{
    for (int i = 0; i < MOST_REPORT_FILES; i++)
        sbuf_free(&f->file[i].text);
    *f = (struct report_files){0};
}
