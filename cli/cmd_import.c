/* import: what other tools measured, as records into the store (or, with -o, as records.jsonl into a file). */
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/import.h"
#include "bench/store.h"
#include "cli/cli.h"

static int write_lines(const char *path, const struct record *rec, int n, struct err *e)
{
    struct sbuf b = {0};
    for (int i = 0; i < n && !b.failed; i++) {
        json_t *j = record_to_json(&rec[i]);
        b.failed |= !j;
        if (j)
            json_print(&b, j, 0);
        sbuf_putc(&b, '\n');
        json_decref(j);
    }
    int rc = b.failed ? err_nomem(e, b.n, path) : file_write(path, b.p, b.n, e);
    sbuf_free(&b);
    return rc;
}

static int store_all(const char *path, const struct record *rec, int n, const char **where, struct store **s,
                     struct err *e)
{
    int rc = store_open(s, path, e);
    for (int i = 0; i < n && rc == 0; i++)
        rc = store_put(*s, &rec[i], e);
    if (rc == 0)
        *where = store_path(*s);
    return rc;
}

static int print_all(const struct record *rec, int n)
{
    json_t *a = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(a, record_to_json(&rec[i]));
    return cli_print_json(a);
}

int cmd_import(struct cli *c)
{
    struct err e = {0};
    struct record *rec = NULL;
    struct store *s = NULL;
    int n = 0, n_unusable = 0, rc = import_file(c->arg[0], c->device_name, &rec, &n, &e);
    const char *where = c->req.out_dir;
    if (rc == 0 && where)
        rc = write_lines(where, rec, n, &e);
    else if (rc == 0)
        rc = store_all(c->req.store_path, rec, n, &where, &s, &e);
    for (int i = 0; i < n && rc == 0; i++) {
        if (rec[i].status != STATUS_OK)
            cli_warn("%s", rec[i].reason);
        n_unusable += rec[i].status != STATUS_OK;
    }
    int code = rc < 0 ? cli_fail(&e) : c->json ? print_all(rec, n) : EXIT_DONE;
    if (rc == 0 && !c->json)
        printf("%d records into %s%s\n", n, where, n_unusable ? "; some only say why they cannot be used" : "");
    store_close(s);
    mem_free(rec);
    return code;
}
