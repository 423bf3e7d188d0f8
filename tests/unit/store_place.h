/* An empty store for each test: a file in a folder of its own, or the database of a server (tests/cli/postgres.py). */
#ifndef TESTS_STORE_PLACE_H
#define TESTS_STORE_PLACE_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/os.h"
#include "bench/store.h"

static char folder[64], path[96];
static const char *place = path; /* or the URL of a server */

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/whichquant-store-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/store.db", folder);
    return 0;
}

/* An empty database again. */
static void empty_server(void)
{
    struct child_result r;
    const char *const argv[] = {
        "psql", "-X", "-q", "-d", place, "-c", "DROP SCHEMA public CASCADE; CREATE SCHEMA public", NULL};
    assert_int_equal(child_run(&(struct child_cmd){.argv = argv, .timeout_ms = 30000}, &r, NULL), 0);
    assert_int_equal(r.exit_code, 0);
    child_result_free(&r);
}

static void remove_store(void)
{
    if (place != path)
        empty_server();
    static const char *const suffix[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++) {
        char p[128];
        snprintf(p, sizeof p, "%s%s", path, suffix[i]);
        unlink(p);
    }
}

static int clean(void **state)
{
    (void)state;
    remove_store();
    return 0;
}

static int remove_folder(void **state)
{
    clean(state);
    return rmdir(folder);
}

static struct store *open_ok(const char *p)
{
    struct store *s;
    struct err e = {0};
    if (store_open(&s, p, &e) < 0)
        fail_msg("%s", e.text);
    return s;
}

static void put_ok(struct store *s, const struct record *r)
{
    struct err e = {0};
    if (store_put(s, r, &e) < 0)
        fail_msg("%s", e.text);
}
#endif
