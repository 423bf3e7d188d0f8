/* base/family through child_run and process: those that leave the group, daemons whose parent is gone, memory that
 * grows, pages that a fork shares. Each script writes the numbers of what it starts; none may be left. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/process.h"

static char pids[64];

static int make_file(void **state)
{
    (void)state;
    strcpy(pids, "/tmp/whichquant-family-XXXXXX");
    int fd = mkstemp(pids);
    setenv("PIDS", pids, 1);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(pids);
}

/* Dead, though perhaps not yet buried by whoever adopted it. */
static bool is_gone(long pid)
{
    char path[64], *text = NULL;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    if (file_read(path, 4096, &text, NULL, NULL) < 0)
        return true;
    const char *at = strrchr(text, ')');
    bool gone = at && at[2] == 'Z';
    mem_free(text);
    return gone;
}

static void assert_all_gone(int n)
{
    char *text, *at;
    long pid;
    assert_int_equal(file_read(pids, 4096, &text, NULL, NULL), 0);
    at = text;
    for (; (pid = strtol(at, &at, 10)) > 0; n--) {
        for (int i = 0; i < 1000 && !is_gone(pid); i++)
            clock_sleep_ms(10);
        assert_true(is_gone(pid));
    }
    mem_free(text);
    assert_int_equal(n, 0);
    assert_int_equal(truncate(pids, 0), 0);
}

/* One in a session of its own, and one whose parent ends at once: nothing but its environment tells whose it is. */
static const char starts_two[] = "setsid sleep 1000 >/dev/null 2>&1 & echo $! >> $PIDS\n"
                                 "(setsid sh -c 'echo $$ >> $PIDS; exec sleep 1000' >/dev/null 2>&1 &)\n"
                                 "until [ $(wc -l < $PIDS) = 2 ]; do sleep 0.01; done\n";

static void run_script(const char *end, struct child_cmd c, struct child_result *r)
{
    char script[512];
    snprintf(script, sizeof script, "%s%s", starts_two, end);
    const char *const argv[] = {"sh", "-c", script, NULL};
    c.argv = argv;
    assert_int_equal(child_run(&c, r, NULL), 0);
}

static void who_leaves_the_group_is_found(void **state)
{
    (void)state;
    struct child_result r;
    run_script("exit 3", (struct child_cmd){.timeout_ms = 60000}, &r);
    assert_true(r.exit_code == 3 && !r.timed_out);
    child_result_free(&r);
    assert_all_gone(2);
    run_script("sleep 1000", (struct child_cmd){.timeout_ms = 3000}, &r);
    assert_true(r.timed_out && !r.too_large);
    child_result_free(&r);
    assert_all_gone(2);
}

/* Another family's are let alone. */
static void strangers_live(void **state)
{
    (void)state;
    struct process *p;
    struct child_result r;
    const char *const cat[] = {"cat", NULL};
    char *line;
    size_t n;
    assert_int_equal(process_start(&p, &(struct child_cmd){.argv = cat}, "cat", NULL), 0);
    run_script("exit 0", (struct child_cmd){.timeout_ms = 60000}, &r);
    child_result_free(&r);
    assert_all_gone(2);
    assert_int_equal(process_send(p, "still here\n", 11, clock_ns() + 60000000000, NULL), 0);
    assert_int_equal(process_line(p, clock_ns() + 60000000000, &line, &n, NULL), 0);
    assert_string_equal(line, "still here");
    process_stop(p, 1000);
}

/* awk keeps what it is told: 64 MiB, doubled until somebody stops it. */
static const char *const grows[] = {"awk", "BEGIN { s = \"x\"; while (1) s = s s }", NULL};

static void memory_has_a_limit(void **state)
{
    (void)state;
    struct child_result r;
    struct child_cmd c = {.argv = grows, .timeout_ms = 60000, .max_memory_bytes = 200 << 20};
    assert_int_equal(child_run(&c, &r, NULL), 0);
    assert_true(r.too_large && !r.timed_out && r.signal == SIGKILL);
    child_result_free(&r);

    struct process *p;
    struct err e = {0};
    char *line;
    size_t n;
    assert_int_equal(process_start(&p, &c, "awk", NULL), 0);
    process_look_every(p, 20);
    assert_int_equal(process_line(p, clock_ns() + 60000000000, &line, &n, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "took more than 0.2 GiB of memory and was stopped"));
    process_stop(p, 0);

    const char *const small[] = {"sh", "-c", "echo done", NULL};
    c.argv = small;
    assert_int_equal(child_run(&c, &r, NULL), 0);
    assert_true(!r.too_large && r.exit_code == 0);
    child_result_free(&r);
}

/* What a fork shares is there once, not once for each. */
static void shared_pages_count_once(void **state)
{
    (void)state;
    struct child_result r;
    const char *const argv[] = {"python3", "-c",
                                "import os, time\n"
                                "held = b'x' * (150 << 20)\n"
                                "for i in range(3):\n"
                                "    if os.fork() == 0: break\n"
                                "time.sleep(0.6)\n"
                                "print(len(held))\n",
                                NULL};
    struct child_cmd c = {.argv = argv, .timeout_ms = 60000, .max_memory_bytes = 400 << 20};
    if (child_run(&c, &r, NULL) < 0 || r.exit_code == 127)
        skip();
    assert_true(!r.too_large && r.exit_code == 0);
    child_result_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_leaves_the_group_is_found),
        cmocka_unit_test(strangers_live),
        cmocka_unit_test(memory_has_a_limit),
        cmocka_unit_test(shared_pages_count_once),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
