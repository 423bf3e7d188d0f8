/* bench/series: what a record adds to the history, in what order it is read, what is left out; changes and their
 * states; figures of other programs; a store of schema 1 brought up to date. */
#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/store_file.h"
#include "bench/store_int.h"
#include "tests/unit/store_place.h"

/* Night i of a cell: decoding 64 tokens three times. */
static void night(struct record *r, int i, const char *format)
{
    record_init(r);
    snprintf(r->date, sizeof r->date, "2026-01-%02dT03:00:00Z", i + 1);
    snprintf(r->tool_commit, sizeof r->tool_commit, "c%d", i);
    snprintf(r->env_sha256, sizeof r->env_sha256, "env");
    snprintf(r->hw_sha256, sizeof r->hw_sha256, "hw");
    snprintf(r->device, sizeof r->device, "a machine");
    snprintf(r->model.name, sizeof r->model.name, "tiny");
    snprintf(r->model.sha256, sizeof r->model.sha256, "m");
    snprintf(r->format.name, sizeof r->format.name, "%s", format);
    snprintf(r->framework.name, sizeof r->framework.name, "llama.cpp");
    snprintf(r->framework.version, sizeof r->framework.version, "b%d-abc%d", 6000 + i, i);
    snprintf(r->framework.library_sha256, sizeof r->framework.library_sha256, "%016x%048d", 100 + i, 0);
    r->workload.n_gen = 64;
    r->workload.threads = 2;
    r->speed.decode_ns = (struct samples){.n = 3, .x = {2e9 + i, 1e9 + i, 4e9 + i}};
    r->speed.decode_tok_s.v = 64e9 / r->speed.decode_ns.x[0];
    r->memory.kv_bytes = 4096;
    r->speed_from = FROM_MEASURED;
}

struct seen {
    int n, n_points;
    struct series last;
    struct point first_point, last_point;
    char order[512];
};

static int take(void *arg, const struct series *x)
{
    struct seen *s = arg;
    s->n++;
    s->n_points += x->n;
    s->last = *x;
    s->first_point = x->p[0];
    s->last_point = x->p[x->n - 1];
    for (int i = 1; i < x->n; i++)
        assert_true(x->p[i - 1].time <= x->p[i].time);
    size_t n = strlen(s->order);
    snprintf(s->order + n, sizeof s->order - n, "%s/%s/%s;", x->format, x->workload, x->metric);
    return 0;
}

static struct seen read_series(struct store *s, const struct series_filter *f)
{
    struct seen seen = {0};
    struct err e = {0};
    if (series_each(s, f, take, &seen, &e) < 0)
        fail_msg("%s", e.text);
    return seen;
}

static void nights_become_points(void **state)
{
    (void)state;
    struct store *s = open_ok(place);
    struct record r;
    for (int i = 9; i >= 0; i--) { /* a clock that went back: points stand by their time all the same */
        night(&r, i, "gguf/q4_0");
        put_ok(s, &r);
        put_ok(s, &r);
    }
    night(&r, 3, "gguf/q8_0");
    put_ok(s, &r);
    struct seen x = read_series(s, NULL);
    assert_string_equal(x.order,
                        "gguf/q4_0/tg64 t2/decode_tok_s;gguf/q8_0/tg64 t2/decode_tok_s;"); /* kv_bytes is not watched */
    assert_int_equal(x.n_points, 11);
    x = read_series(s, &(struct series_filter){.format = "gguf/q4_0"});
    assert_int_equal(x.last.n, 10);
    int64_t t;
    assert_true(clock_parse("2026-01-01T03:00:00Z", &t));
    assert_true(x.first_point.time == t && x.last_point.time == t + 9 * 86400);
    assert_true(x.first_point.value == 32 && x.last_point.value == 64e9 / (2e9 + 9));
    assert_string_equal(x.first_point.commit, "abc0");
    assert_true(x.first_point.engine == 100 && x.last_point.engine == 109);
    assert_true(x.first_point.config == x.last_point.config && x.first_point.artifact == x.last_point.artifact);
    assert_int_equal(x.first_point.n_samples, 3);
    assert_int_equal(x.last.better, 1);
    assert_string_equal(x.last.unit, "tok/s");
    double rate[8];
    assert_int_equal(series_samples(s, x.first_point.run, "decode_tok_s", rate, 8, NULL), 3);
    assert_true(fabs(rate[0] - 32) < 1e-9 && fabs(rate[1] - 64) < 1e-9 && fabs(rate[2] - 16) < 1e-9);
    assert_int_equal(series_samples(s, x.first_point.run, "decode_tok_s", rate, 1, NULL), 3);
    assert_int_equal(series_samples(s, x.first_point.run, "chunk_kld", rate, 8, NULL), 0);
    assert_int_equal(series_record(s, x.first_point.run, &r, NULL), 0);
    assert_string_equal(r.date, "2026-01-01T03:00:00Z");
    assert_int_equal(series_record(s, 999999, &r, NULL), ERR_MISSING);
    store_close(s);
}

static void filters(void **state)
{
    (void)state;
    struct store *s = open_ok(place);
    struct record r;
    int64_t t;
    for (int i = 0; i < 10; i++) {
        night(&r, i, "gguf/q4_0");
        put_ok(s, &r);
    }
    clock_parse("2026-01-04", &t);
    assert_int_equal(read_series(s, &(struct series_filter){.since = t}).n_points, 7);
    assert_int_equal(read_series(s, &(struct series_filter){.since = t, .until = t + 86400}).n_points, 1);
    struct seen x = read_series(s, &(struct series_filter){.newest = 4});
    assert_int_equal(x.n_points, 4);
    assert_string_equal(x.last_point.commit, "abc9");
    assert_int_equal(read_series(s, &(struct series_filter){.metric = "kv_bytes"}).n_points, 10);
    assert_int_equal(read_series(s, &(struct series_filter){.all_metrics = true}).n, 2);
    assert_int_equal(read_series(s, &(struct series_filter){.env_sha256 = "other"}).n, 0);
    assert_int_equal(read_series(s, &(struct series_filter){.key = x.last.key}).n, 1);
    assert_int_equal(read_series(s, &(struct series_filter){.cell_key = x.last.cell_key}).n, 1);
    assert_int_equal(read_series(s, &(struct series_filter){.model = "tiny", .framework = "llama.cpp"}).n, 1);
    assert_int_equal(read_series(s, &(struct series_filter){.since = t + 365 * 86400}).n, 0);
    store_close(s);
}

static void failed_and_predicted_runs_are_no_points(void **state)
{
    (void)state;
    struct store *s = open_ok(place);
    struct record r;
    night(&r, 0, "gguf/q4_0");
    put_ok(s, &r);
    night(&r, 1, "gguf/q4_0");
    r.speed_from = FROM_PREDICTED;
    put_ok(s, &r);
    struct seen x = read_series(s, NULL);
    assert_int_equal(x.n_points, 1);
    assert_int_equal(x.last.failed_run, 0);
    night(&r, 2, "gguf/q4_0");
    r.status = STATUS_CRASHED;
    put_ok(s, &r);
    x = read_series(s, NULL);
    assert_int_equal(x.n_points, 1);
    assert_int_equal(x.last.failed_time, x.last_point.time + 2 * 86400);
    assert_int_equal(series_record(s, x.last.failed_run, &r, NULL), 0);
    assert_int_equal(r.status, STATUS_CRASHED);
    store_close(s);
}

/* What belongs to the key, and what to the points. */
static void keys(void **state)
{
    (void)state;
    struct record a, b;
    char ka[65], kb[65];
    night(&a, 0, "gguf/q4_0");
    night(&b, 5, "gguf/q4_0"); /* another version, library, commit, date */
    b.isa = 7;
    b.workload.seed = 9;
    record_cell_key(&a, ka);
    record_cell_key(&b, kb);
    assert_string_equal(ka, kb);
    record_config_sha256(&a, ka);
    record_config_sha256(&b, kb);
    assert_string_not_equal(ka, kb);
    record_artifact_sha256(&a, ka);
    record_artifact_sha256(&b, kb);
    assert_string_equal(ka, kb);
    night(&b, 0, "gguf/q4_0");
    strcpy(a.framework.name, "own");
    strcpy(b.framework.name, "own");
    strcpy(b.framework.library_sha256, "another build");
    record_artifact_sha256(&a, ka);
    record_artifact_sha256(&b, kb);
    assert_string_not_equal(ka, kb);
    int n_same = 0;
    for (int i = 0; i < 9; i++) {
        night(&a, 0, "gguf/q4_0");
        night(&b, 0, "gguf/q4_0");
        switch (i) {
        case 0:
            b.workload.threads = 3;
            break;
        case 1:
            b.workload.n_ctx = 3;
            break;
        case 2:
            b.workload.streams = 3;
            break;
        case 3:
            b.model.dithered = true;
            break;
        case 4:
            b.framework.gpu_layers = 3;
            break;
        case 5:
            strcpy(b.framework.settings, "x=1");
            break;
        case 6:
            strcpy(b.framework.numerics, "weights-only");
            break;
        case 7:
            strcpy(b.workload.kv_type, "q8_0");
            break;
        default:
            strcpy(b.workload.text_sha256, "t");
        }
        record_cell_key(&a, ka);
        record_cell_key(&b, kb);
        n_same += strcmp(ka, kb) == 0;
    }
    assert_int_equal(n_same, 0);
}

static void chunks_travel(void **state)
{
    (void)state;
    struct store *s = open_ok(place);
    struct record r, back;
    night(&r, 0, "gguf/q4_0");
    json_t *j = record_to_json(&r);
    assert_null(json_object_get(json_object_get(j, "quality"), "chunk_kld")); /* an older record keeps its content */
    json_decref(j);
    r.quality.kld = 0.25;
    r.quality.ppl = 8;
    r.quality_from = FROM_MEASURED;
    r.chunk_kld = (struct samples){.n = 2, .x = {0.125, 0.375}};
    r.chunk_nll = (struct samples){.n = 2, .x = {2, 2.5}};
    put_ok(s, &r);
    struct seen x = read_series(s, &(struct series_filter){.metric = "kld"});
    assert_int_equal(x.first_point.n_samples, 2);
    double v[4];
    assert_int_equal(series_samples(s, x.first_point.run, "chunk_nll", v, 4, NULL), 2);
    assert_true(v[0] == 2 && v[1] == 2.5);
    assert_int_equal(series_record(s, x.first_point.run, &back, NULL), 0);
    assert_int_equal(back.chunk_kld.n, 2);
    assert_true(back.chunk_kld.x[1] == 0.375);
    store_close(s);
}

static void foreign_figures(void **state)
{
    (void)state;
    struct store *s = open_ok(place);
    struct foreign m[2] = {{.metric = "requests_s", .unit = "1/s", .better = 1, .n = 3, .value = {5, 9, 7}},
                           {.metric = "p99_ms", .unit = "ms", .better = -1, .n = 1, .value = {12.5}}};
    struct foreign_run f = {.source = "vllm nightly",
                            .date = "2026-02-03T04:05:06Z",
                            .commit = "0123456789abcdef0123",
                            .device = "box",
                            .env_sha256 = "e",
                            .metric = m,
                            .n = 2};
    struct err e = {0};
    for (int i = 0; i < 2; i++)
        if (store_put_foreign(s, &f, &e) < 0)
            fail_msg("%s", e.text);
    struct seen x = read_series(s, NULL);
    assert_int_equal(x.n, 2);
    assert_int_equal(x.n_points, 2);
    assert_string_equal(x.last.metric, "requests_s");
    assert_string_equal(x.last.model, "vllm nightly");
    assert_true(x.last_point.value == 7 && x.last_point.n_samples == 3);
    assert_string_equal(x.last_point.commit, "0123456789abcde");
    double v[8];
    assert_int_equal(series_samples(s, x.last_point.run, "requests_s", v, 8, NULL), 3);
    assert_true(v[1] == 9);
    struct record r;
    assert_int_equal(series_record(s, x.last_point.run, &r, NULL), ERR_MISSING);
    assert_int_equal(store_each(s, NULL, NULL, NULL, NULL, NULL), 0); /* it is no record: fn is not called */
    strcpy(f.date, "yesterday");
    assert_int_equal(store_put_foreign(s, &f, &e), ERR_FORMAT);
    store_close(s);
}

static int count_changes(void *arg, const struct change *c)
{
    *(struct change *)arg = *c;
    return 0;
}

static void changes_keep_what_people_said(void **state)
{
    (void)state;
    struct store *s = open_ok(place);
    struct err e = {0};
    struct change
        c = {.run_before = 4, .run_after = 5, .time = 77, .before = 10, .after = 8, .effect = -0.2, .p = 0.01},
        back = {0};
    strcpy(c.series, "abc");
    strcpy(c.metric, "decode_tok_s");
    strcpy(c.found_by, "gate");
    change_id(&c);
    assert_int_equal(strlen(c.id), 16);
    assert_int_equal(store_put_change(s, &c, &e), 0);
    assert_int_equal(store_set_change(s, "zz", CHANGE_NOISE, NULL, NULL, &e), ERR_USAGE);
    assert_int_equal(store_set_change(s, "0000", CHANGE_NOISE, NULL, NULL, &e), ERR_MISSING);
    char start[7];
    snprintf(start, sizeof start, "%.6s", c.id);
    assert_int_equal(store_set_change(s, start, CHANGE_ACCEPTED, "known", NULL, &e), 0);
    c.after = 7;
    assert_int_equal(store_put_change(s, &c, &e), 0); /* found again */
    assert_int_equal(store_each_change(s, "abc", count_changes, &back, &e), 0);
    assert_int_equal(back.state, CHANGE_ACCEPTED);
    assert_string_equal(back.note, "known");
    assert_true(back.after == 7 && back.time == 77 && back.run_after == 5);
    assert_int_equal(store_set_change(s, c.id, CHANGE_FIXED, NULL, "https://example.org/1", &e), 0);
    store_each_change(s, NULL, count_changes, &back, &e);
    assert_string_equal(back.note, "known");
    assert_string_equal(back.link, "https://example.org/1");
    memset(&back, 0, sizeof back);
    store_each_change(s, "other", count_changes, &back, &e);
    assert_string_equal(back.id, "");
    store_close(s);
}

static void open_change(struct store *s, const struct series *x, int i, enum change_state state)
{
    struct change c = {.run_before = x->p[i - 1].run, .run_after = x->p[i].run, .time = x->p[i].time, .state = state};
    struct err e = {0};
    snprintf(c.series, sizeof c.series, "%s", x->key);
    snprintf(c.metric, sizeof c.metric, "%s", x->metric);
    change_id(&c);
    if (store_put_change(s, &c, &e) < 0)
        fail_msg("%s", e.text);
}

static int put_changes(void *arg, const struct series *x)
{
    open_change(arg, x, 60, strcmp(x->format, "gguf/q4_0") ? CHANGE_NOISE : CHANGE_NEW);
    return 55;
}

/* 100 nights of two formats, in each a change in night 60: open in the one, called noise in the other. */
static void pruning_spares_what_open_changes_rest_on(void **state)
{
    (void)state;
    struct store *s = open_ok(place);
    struct record r;
    struct err e = {0};
    struct prune_count n;
    for (int i = 0; i < 200; i++) {
        night(&r, 0, i % 2 ? "gguf/q4_0" : "gguf/q8_0");
        snprintf(r.date, sizeof r.date, "2026-%02d-%02dT03:00:00Z", i / 2 / 28 + 1, i / 2 % 28 + 1);
        put_ok(s, &r);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            series_each(s, &(struct series_filter){.format = i ? "gguf/q4_0" : "gguf/q8_0"}, put_changes, s, &e), 55);
    assert_int_equal(store_prune(s, &(struct prune_rule){.keep_runs = 5, .dry_run = true}, &n, &e), 0);
    assert_true(n.runs == 95 + 95 - 60 && n.kept == 60 && n.samples == 3 * n.runs);
    assert_int_equal(read_series(s, NULL).n_points, 200);
    assert_int_equal(store_prune(s, &(struct prune_rule){.keep_runs = 5}, &n, &e), 0);
    assert_int_equal(read_series(s, &(struct series_filter){.format = "gguf/q8_0"}).n_points, 5);
    struct seen x = read_series(s, &(struct series_filter){.format = "gguf/q4_0"});
    assert_int_equal(x.n_points, 65); /* nights 30 to 89 and the last 5 */
    double v[4];
    assert_int_equal(series_samples(s, x.first_point.run, "decode_tok_s", v, 4, NULL), 3);
    int64_t t;
    clock_parse("2026-04-15", &t);
    assert_int_equal(store_prune(s, &(struct prune_rule){.before = t}, &n, &e), 0);
    assert_int_equal(read_series(s, &(struct series_filter){.format = "gguf/q8_0"}).n, 1);
    assert_int_equal(store_prune(s, &(struct prune_rule){.before = INT64_MAX}, &n, &e), 0);
    assert_int_equal(read_series(s, NULL).n_points, 60);
    assert_int_equal(n.kept, 60);
    store_close(s);
}

static int add_line(void *arg, const char *line, size_t n)
{
    sbuf_add(arg, line, n);
    sbuf_putc(arg, '\n');
    return 0;
}

static void say(void *arg, const char *sentence)
{
    snprintf(arg, 512, "%s", sentence);
}

static void write_text(const char *p, const struct sbuf *b)
{
    assert_int_equal(file_write(p, b->p, b->n, NULL), 0);
}

/* Out, into another store (in reverse order of lines), out again: the same bytes. */
static void files_hold_everything(void **state)
{
    (void)state;
    struct store *s = open_ok(place), *t;
    struct record r;
    struct err e = {0};
    struct sbuf first = {0}, second = {0}, reversed = {0};
    char file[128], said[512] = "";
    struct import_count n = {0};
    struct verify_count v;
    for (int i = 0; i < 20; i++) {
        night(&r, i, "gguf/q4_0");
        snprintf(r.reason, sizeof r.reason, "\xff not UTF-8 \xc3\xa9");
        put_ok(s, &r);
    }
    struct foreign m = {.metric = "requests_s", .unit = "1/s", .better = 1, .n = 2, .value = {5, 9}};
    assert_int_equal(
        store_put_foreign(s, &(struct foreign_run){.source = "x", .date = "2026-02-03", .metric = &m, .n = 1}, &e), 0);
    struct seen x = read_series(s, &(struct series_filter){.metric = "decode_tok_s"});
    struct change c = {.run_before = x.first_point.run,
                       .run_after = x.last_point.run,
                       .time = x.last_point.time,
                       .before = 3,
                       .after = 4,
                       .effect = 1. / 3,
                       .p = 0.001,
                       .state = CHANGE_ACCEPTED,
                       .note = "ok"};
    snprintf(c.series, sizeof c.series, "%s", x.last.key);
    change_id(&c);
    assert_int_equal(store_put_change(s, &c, &e), 0);
    assert_int_equal(store_export(s, add_line, &first, &e), 0);
    assert_int_equal(store_verify(s, say, said, &v, &e), 0);
    assert_string_equal(said, "");
    assert_true(v.runs == 21 && v.problems == 0);
    store_close(s);
    char *end = first.p + first.n - 1;
    for (char *p = end; p >= first.p; p--)
        if (p == first.p || p[-1] == '\n') {
            sbuf_add(&reversed, p, (size_t)(end - p) + 1);
            end = p - 1;
        }
    snprintf(file, sizeof file, "%s/all.jsonl", folder);
    write_text(file, &reversed);
    t = open_ok(":memory:");
    if (store_import(t, file, &n, &e) < 0)
        fail_msg("%s", e.text);
    assert_true(n.records == 20 && n.foreign == 1 && n.changes == 1 && n.known == 0);
    n = (struct import_count){0};
    assert_int_equal(store_import(t, file, &n, &e), 0);
    assert_true(n.records == 0 && n.foreign == 0 && n.changes == 0 && n.known == 22);
    write_text(file, &first); /* the change's runs are there now */
    assert_int_equal(store_import(t, file, &n, &e), 0);
    assert_int_equal(store_export(t, add_line, &second, &e), 0);
    unlink(file);
    const char *of_change = strstr(first.p, "{\"change\"");
    assert_non_null(of_change);
    assert_memory_equal(first.p, second.p, (size_t)(of_change - first.p));
    assert_int_equal(read_series(t, NULL).n_points, 21);
    struct change back = {0};
    store_each_change(t, NULL, count_changes, &back, &e);
    assert_true(back.state == CHANGE_ACCEPTED && strcmp(back.note, "ok") == 0 && strcmp(back.id, c.id) == 0);
    store_close(t);
    sbuf_free(&first);
    sbuf_free(&second);
    sbuf_free(&reversed);
}

static int alter(struct store *s, const char *sql)
{
    return db_script(s->db, sql, NULL);
}

static void verify_finds_what_was_altered(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *undo, *said;
    } change[] = {
        {"UPDATE figure SET value = value * 2 WHERE metric = 'decode_tok_s' AND run = 2",
         "UPDATE figure SET value = value / 2 WHERE metric = 'decode_tok_s' AND run = 2", "figures"},
        {"UPDATE sample SET value = value + 1 WHERE run = 3 AND rep = 1",
         "UPDATE sample SET value = value - 1 WHERE run = 3 AND rep = 1", "repetitions"},
        {"UPDATE series_point SET value = value * 2 WHERE run = 4",
         "UPDATE series_point SET value = value / 2 WHERE run = 4", "points"},
        {"UPDATE series_point SET value = value + (CASE WHEN value > 1000 THEN -1 ELSE 1 END) WHERE run = 1",
         "UPDATE series_point SET value = value - (CASE WHEN value > 1000 THEN -1 ELSE 1 END) WHERE run = 1", "points"},
        {"UPDATE run SET cell_key = 'x' || cell_key WHERE id = 5",
         "UPDATE run SET cell_key = substr(cell_key, 2) WHERE id = 5", "another cell"},
        {"UPDATE run SET json = json || ' ' WHERE id = 6", "UPDATE run SET json = trim(json) WHERE id = 6", "content"},
        {"DELETE FROM sample WHERE run = 7 AND rep = 2", "SELECT 1", "repetitions"},
    };
    struct store *s = open_ok(place);
    struct record r;
    struct err e = {0};
    struct verify_count n;
    for (int i = 0; i < 20; i++) {
        night(&r, i, "gguf/q4_0");
        put_ok(s, &r);
    }
    char said[512] = "";
    for (size_t i = 0; i < sizeof change / sizeof *change; i++) {
        assert_int_equal(store_verify(s, say, said, &n, &e), 0);
        assert_string_equal(said, "");
        assert_int_equal(alter(s, change[i].sql), 0);
        assert_int_equal(store_verify(s, say, said, &n, &e), 0);
        assert_true(n.problems >= 1 && n.runs == 20);
        if (!strstr(said, change[i].said) && !strstr(said, "points"))
            fail_msg("\"%s\" does not say %s", said, change[i].said);
        assert_int_equal(alter(s, change[i].undo), 0);
        said[0] = 0;
    }
    store_close(s);
}

static void run_on_file(const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    sqlite3_close(db);
}

/* The tables as schema 1 made them. */
static const char schema_1[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE run(id INTEGER PRIMARY KEY, content_sha256 TEXT NOT NULL UNIQUE, run_id TEXT NOT NULL,"
    " date TEXT NOT NULL, cell_id TEXT NOT NULL, hw_sha256 TEXT NOT NULL, env_sha256 TEXT NOT NULL,"
    " model_sha256 TEXT NOT NULL, model TEXT NOT NULL, format TEXT NOT NULL, framework TEXT NOT NULL,"
    " framework_version TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, json TEXT NOT NULL);"
    "CREATE INDEX run_of_cell ON run(cell_id, env_sha256, date);"
    "CREATE INDEX run_by_date ON run(date, id);"
    "CREATE TABLE figure(run INTEGER NOT NULL REFERENCES run(id), metric TEXT NOT NULL, value REAL NOT NULL, lo REAL,"
    " hi REAL, unit TEXT NOT NULL, PRIMARY KEY(run, metric));"
    "CREATE TABLE sample(run INTEGER NOT NULL REFERENCES run(id), metric TEXT NOT NULL, rep INTEGER NOT NULL,"
    " value REAL NOT NULL, PRIMARY KEY(run, metric, rep));"
    "CREATE INDEX figure_by_metric ON figure(metric);"
    "CREATE TABLE chunk(cell_id TEXT NOT NULL, i INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(cell_id, i));"
    "PRAGMA application_id=2003331441; PRAGMA user_version=1;";

static void put_old(const struct record *r)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    struct sbuf b = {0};
    char hash[65];
    json_t *j = record_to_json(r);
    json_print(&b, j, 0);
    json_decref(j);
    sha256_hex(b.p, b.n, hash);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "INSERT INTO run VALUES(NULL,?,'r',?,'c','hw','env','m','tiny','f','l','v',"
                                        "'ok','',?)",
                                        -1, &q, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(q, 1, hash, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(q, 2, r->date, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(q, 3, b.p, -1, SQLITE_TRANSIENT);
    assert_int_equal(sqlite3_step(q), SQLITE_DONE);
    sqlite3_finalize(q);
    sqlite3_close(db);
    sbuf_free(&b);
}

static void a_store_of_schema_1_is_brought_up_to_date(void **state)
{
    (void)state;
    struct record r;
    run_on_file(schema_1);
    for (int i = 0; i < 150; i++) {
        night(&r, i % 28, i < 75 ? "gguf/q4_0" : "gguf/q8_0");
        r.workload.seed = (uint64_t)i;
        put_old(&r);
    }
    struct store *s = open_ok(path);
    struct seen x = read_series(s, NULL);
    assert_int_equal(x.n, 2);
    assert_int_equal(x.n_points, 150);
    night(&r, 3, "gguf/q4_0");
    r.workload.seed = 3;
    put_ok(s, &r); /* known by its content */
    assert_int_equal(read_series(s, NULL).n_points, 150);
    store_close(s);
    s = open_ok(path);
    assert_int_equal(read_series(s, NULL).n_points, 150);
    store_close(s);
}

/* A record that cannot be read stops it, and the store stays what it was. */
static void a_failed_upgrade_changes_nothing(void **state)
{
    (void)state;
    struct record r;
    struct store *s;
    struct err e = {0};
    run_on_file(schema_1);
    night(&r, 0, "gguf/q4_0");
    put_old(&r);
    run_on_file(
        "INSERT INTO run VALUES(NULL,'x','r','d','c','hw','env','m','tiny','f','l','v','ok','','{\"schema\":99}')");
    assert_int_equal(store_open(&s, path, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "schema 99"));
    run_on_file(
        "DELETE FROM run WHERE content_sha256 = 'x'; CREATE TABLE series(x); DROP TABLE series"); /* still schema 1 */
    s = open_ok(path);
    assert_int_equal(read_series(s, NULL).n_points, 1);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nights_become_points, clean),
        cmocka_unit_test_teardown(filters, clean),
        cmocka_unit_test_teardown(failed_and_predicted_runs_are_no_points, clean),
        cmocka_unit_test(keys),
        cmocka_unit_test_teardown(chunks_travel, clean),
        cmocka_unit_test_teardown(foreign_figures, clean),
        cmocka_unit_test_teardown(changes_keep_what_people_said, clean),
        cmocka_unit_test_teardown(pruning_spares_what_open_changes_rest_on, clean),
        cmocka_unit_test_teardown(files_hold_everything, clean),
        cmocka_unit_test_teardown(verify_finds_what_was_altered, clean),
    };
    const struct CMUnitTest of_files[] = {
        cmocka_unit_test_teardown(a_store_of_schema_1_is_brought_up_to_date, clean),
        cmocka_unit_test_teardown(a_failed_upgrade_changes_nothing, clean),
    };
    if (getenv("WHICHQUANT_TEST_STORE"))
        place = getenv("WHICHQUANT_TEST_STORE");
    int failed = cmocka_run_group_tests_name("series", tests, make_folder, remove_folder);
    place = path;
    return failed + cmocka_run_group_tests_name("series of files", of_files, make_folder, remove_folder);
}
