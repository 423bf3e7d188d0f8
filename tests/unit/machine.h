/* A recorded machine as the device under test, and what the probe's tests have in common. */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "probe/topology.h"

static struct probe_device d, d2;
static struct err e;

static char *to_text(const struct probe_device *dev)
{
    json_t *j = probe_to_json(dev);
    assert_non_null(j);
    struct sbuf b = {0};
    json_print(&b, j, 1);
    assert_false(b.failed);
    json_decref(j);
    return b.p;
}

/* to_json -> text -> from_json -> to_json gives the same text. */
static void assert_round_trip(const struct probe_device *dev)
{
    char *text = to_text(dev);
    json_t *j;
    assert_int_equal(json_parse(&j, text, strlen(text), "test", &e), 0);
    assert_int_equal(probe_from_json(&d2, j, "test", &e), 0);
    json_decref(j);
    char *again = to_text(&d2);
    assert_string_equal(text, again);
    mem_free(text);
    mem_free(again);
}

static void load(const char *machine)
{
    char root[512];
    snprintf(root, sizeof root, "%s/tests/machines/%s", SOURCE_ROOT, machine);
    assert_int_equal(probe_device(&d, root, &e), 0);
    assert_string_equal(d.source, "recorded");
    assert_true(d.cpu.isa_mask == 0); /* nothing was executed */
    assert_round_trip(&d);
}

/* Exactly these extensions are claimed, none is proved. */
static void assert_isa(const char *names)
{
    char found[512] = "";
    for (int i = 0; i < N_ISA; i++) {
        assert_int_not_equal(d.cpu.isa[i], ISA_PROVED);
        if (d.cpu.isa[i] == ISA_CLAIMED)
            snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", *found ? " " : "", isa_name(i));
    }
    assert_string_equal(found, names);
}

static bool has_note(const char *part)
{
    for (int i = 0; i < d.n_notes; i++)
        if (strstr(d.note[i], part))
            return true;
    return false;
}

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-9)
#endif
