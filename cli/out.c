/* -o PATH of the commands that report: a folder with everything, or one file whose name says its form: brief.md,
 * matrix.csv, decision.json, report.html, records.jsonl. */
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/os.h"
#include "cli/job.h"
#include "reports/reports.h"

static const struct writer *writer_of(const char *path)
{
    static const struct {
        const char *suffix, *writer;
    } forms[] = {{".md", "brief"}, {".csv", "csv"}, {".json", "json"}, {".html", "html"}, {".jsonl", "records"}};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t k = strlen(forms[i].suffix);
        if (n > k && strcasecmp(path + n - k, forms[i].suffix) == 0 && !dir_exists(path))
            return writer_find(forms[i].writer);
    }
    return NULL;
}

int out_prepare(const char *path, struct err *e)
{
    if (!writer_of(path))
        return dir_make(path, e);
    const char *slash = strrchr(path, '/');
    char folder[4096];
    int n = slash ? snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path)
                  : snprintf(folder, sizeof folder, ".");
    if (n >= (int)sizeof folder)
        return err_set(e, ERR_USAGE, "the output file's name is too long: %.80s...", path);
    if (!dir_exists(folder))
        return err_set(e, ERR_MISSING, "%s: the folder %s does not exist; make it first, or give another path", path,
                       folder);
    if (access(folder, W_OK) != 0)
        return err_set(e, ERR_IO, "%s: the folder %s cannot be written; give another path", path, folder);
    return 0;
}

int out_write(const struct cli *c, const struct report_input *in, void (*warn)(void *arg, const char *sentence),
              struct err *e)
{
    const char *path = c->req.out_dir;
    const struct writer *w = writer_of(path);
    int rc;
    if (!w) {
        rc = reports_write_dir(path, in, warn, NULL, e);
        if (rc == 0 && !c->req.quiet)
            fprintf(stderr, "report: %s/report.html, %s/brief.md, %s/matrix.csv\n", path, path, path);
        return rc;
    }
    struct sbuf b = {0};
    rc = w->write(&b, in, e);
    if (rc == 0)
        rc = file_write(path, sbuf_str(&b), b.n, e);
    sbuf_free(&b);
    if (rc == 0 && !c->req.quiet)
        fprintf(stderr, "%s: %s\n", w->ext, path);
    return rc;
}
