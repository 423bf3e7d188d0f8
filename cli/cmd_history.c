/* history: the series of the store, and its upkeep: prune, export, import, verify, and what people say of changes. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"
#include "bench/store_file.h"
#include "cli/history.h"

int history_time(const char *option, const char *text, int64_t *out, struct err *e)
{
    static const struct {
        const char *suffix;
        int64_t seconds;
    } unit[] = {{"h", 3600}, {"d", 86400}, {"w", 7 * 86400}};
    char *end;
    if (clock_parse(text, out))
        return 0;
    long n = strtol(text, &end, 10);
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++)
        if (end != text && n > 0 && n < 1000000 && strcmp(end, unit[i].suffix) == 0) {
            *out = clock_seconds() - n * unit[i].seconds;
            return 0;
        }
    return err_set(e, ERR_USAGE, "--%s %s: give a date such as 2026-11-22, or an age such as 90d, 12h or 4w", option,
                   text);
}

/* A name, or what stands behind its last slash. */
static bool is_one_of(const struct text_list *l, const char *name)
{
    const char *slash = strrchr(name, '/');
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->v[i], name) == 0 || (slash && strcmp(l->v[i], slash + 1) == 0))
            return true;
    return l->n == 0;
}

bool history_wants(const struct cli *c, const struct series *x)
{
    return is_one_of(&c->catalogue, x->model) && is_one_of(&c->formats, x->format) &&
           is_one_of(&c->frameworks, x->framework) && is_one_of(&c->history.metrics, x->metric);
}

int history_filter(const struct cli *c, struct series_filter *f, struct err *e)
{
    *f = (struct series_filter){.all_metrics = c->history.metrics.n > 0 || c->history.all_metrics};
    return c->history.since ? history_time("since", c->history.since, &f->since, e) : 0;
}

static int too_many(struct cli *c, int n, const char *usage)
{
    struct err e = {0};
    err_set(&e, ERR_USAGE, "`history %s` takes %d arguments, not %d: whichquant history %s", c->arg[0], n,
            c->n_args - 1, usage);
    return cli_fail(&e);
}

/* ---- upkeep ---- */

static int prune(struct cli *c, struct store *s)
{
    struct err e = {0};
    struct prune_rule rule = {.keep_runs = c->history.keep_runs, .dry_run = c->dry_run};
    struct prune_count n;
    int rc = 0;
    if (c->n_args > 1)
        return too_many(c, 0, "prune --keep 90d | --keep-runs N");
    if (!c->history.keep && c->history.keep_runs <= 0)
        rc = err_set(&e, ERR_USAGE, "what is to stay? Give --keep 90d, --keep-runs N or both");
    if (rc == 0 && c->history.keep)
        rc = history_time("keep", c->history.keep, &rule.before, &e);
    if (rc == 0)
        rc = store_prune(s, &rule, &n, &e);
    if (rc < 0)
        return cli_fail(&e);
    if (c->json)
        return cli_print_json(json_pack("{s:I,s:I,s:I,s:b}", "runs", (json_int_t)n.runs, "samples",
                                        (json_int_t)n.samples, "kept_for_open_changes", (json_int_t)n.kept, "dry_run",
                                        rule.dry_run));
    printf("%lld runs with %lld repetitions %s", (long long)n.runs, (long long)n.samples,
           rule.dry_run ? "would be dropped" : "dropped");
    if (n.kept)
        printf("; %lld stay because an open change rests on them", (long long)n.kept);
    puts("");
    return cli_flush();
}

static int write_line(void *arg, const char *line, size_t n)
{
    int rc = file_out_write(arg, line, n);
    return rc < 0 ? rc : file_out_write(arg, "\n", 1);
}

static int print_line(void *arg, const char *line, size_t n)
{
    (void)arg;
    return fwrite(line, 1, n, stdout) == n && putchar('\n') != EOF ? 0 : ERR_IO;
}

static int export_all(struct cli *c, struct store *s)
{
    struct err e = {0};
    struct file_out f;
    if (c->n_args > 1)
        return too_many(c, 0, "export [-o FILE.jsonl]");
    if (!c->req.out_dir) {
        int rc = store_export(s, print_line, NULL, &e);
        return rc < 0 && e.code ? cli_fail(&e) : cli_flush();
    }
    int rc = file_out_open(&f, c->req.out_dir, &e);
    if (rc < 0)
        return cli_fail(&e);
    rc = store_export(s, write_line, &f, &e);
    if (rc == 0)
        rc = file_out_commit(&f, &e);
    else {
        if (f.err.code)
            e = f.err;
        file_out_abort(&f);
    }
    return rc < 0 ? cli_fail(&e) : EXIT_DONE;
}

static int import_all(struct cli *c, struct store *s)
{
    struct err e = {0};
    struct import_count n = {0};
    int rc = c->n_args > 1 ? 0 : err_set(&e, ERR_USAGE, "import what? whichquant history import FILE.jsonl...");
    for (int i = 1; i < c->n_args && rc == 0; i++)
        rc = store_import(s, c->arg[i], &n, &e);
    if (rc < 0)
        return cli_fail(&e);
    if (c->json)
        return cli_print_json(json_pack("{s:I,s:I,s:I,s:I}", "records", (json_int_t)n.records, "foreign",
                                        (json_int_t)n.foreign, "changes", (json_int_t)n.changes, "known",
                                        (json_int_t)n.known));
    printf("%lld records, %lld runs of other programs, %lld changes into %s; %lld were there\n", (long long)n.records,
           (long long)n.foreign, (long long)n.changes, store_path(s), (long long)n.known);
    return cli_flush();
}

struct problems {
    json_t *all;
    int n;
};

static void add_problem(void *arg, const char *sentence)
{
    enum { MOST = 100 };
    struct problems *p = arg;
    if (p->n++ < MOST)
        json_array_append_new(p->all, json_string(sentence));
}

static int verify(struct cli *c, struct store *s)
{
    struct err e = {0};
    struct verify_count n;
    if (c->n_args > 1)
        return too_many(c, 0, "verify");
    struct problems p = {json_array(), 0};
    int rc = store_verify(s, add_problem, &p, &n, &e);
    if (rc < 0) {
        json_decref(p.all);
        return cli_fail(&e);
    }
    if (c->json) {
        json_t *o = json_pack("{s:b,s:I,s:I,s:I,s:I,s:I}", "clean", n.problems == 0, "runs", (json_int_t)n.runs,
                              "figures", (json_int_t)n.figures, "samples", (json_int_t)n.samples, "points",
                              (json_int_t)n.points, "n_problems", (json_int_t)n.problems);
        json_put(o, "problems", p.all);
        int code = cli_print_json(o);
        return code == EXIT_DONE && n.problems ? EXIT_FAILED : code;
    }
    for (size_t i = 0; i < json_array_size(p.all); i++)
        puts(json_string_value(json_array_get(p.all, i)));
    printf("%s: %lld runs, %lld figures, %lld repetitions, %lld points of series: %s", store_path(s), (long long)n.runs,
           (long long)n.figures, (long long)n.samples, (long long)n.points, n.problems ? "" : "all as stored\n");
    if (n.problems)
        printf("%lld problems; bring its records into a new store with `whichquant history import`\n",
               (long long)n.problems);
    json_decref(p.all);
    int code = cli_flush();
    return code == EXIT_DONE && n.problems ? EXIT_FAILED : code;
}

/* ---- what people say of changes ---- */

static int judge(struct cli *c, struct store *s, enum change_state state)
{
    struct err e = {0};
    if (c->n_args != 2)
        return too_many(c, 1, "accept|acknowledge|noise|fixed|new ID [--note TEXT] [--link URL]");
    int rc = store_set_change(s, c->arg[1], state, c->history.note, c->history.link, &e);
    if (rc < 0)
        return cli_fail(&e);
    if (c->json)
        return cli_print_json(json_pack("{s:s,s:s}", "id", c->arg[1], "state", change_state_name(state)));
    if (!c->req.quiet)
        printf("change %s: %s\n", c->arg[1], change_state_name(state));
    return cli_flush();
}

static const struct {
    const char *name;
    int (*run)(struct cli *c, struct store *s); /* NULL: what a person says of a change */
    enum change_state state;
} actions[] = {
    {"prune", prune, 0},
    {"export", export_all, 0},
    {"import", import_all, 0},
    {"verify", verify, 0},
    {"accept", NULL, CHANGE_ACCEPTED},
    {"acknowledge", NULL, CHANGE_ACKNOWLEDGED},
    {"noise", NULL, CHANGE_NOISE},
    {"fixed", NULL, CHANGE_FIXED},
    {"new", NULL, CHANGE_NEW},
};
enum { N_ACTIONS = sizeof actions / sizeof *actions };

static int unknown_action(const char *word)
{
    struct err e = {0};
    const char *names[N_ACTIONS];
    for (int i = 0; i < N_ACTIONS; i++)
        names[i] = actions[i].name;
    const char *near = cli_nearest(word, names, N_ACTIONS);
    err_set(&e, ERR_USAGE, "history cannot %s%s%s%s; see `whichquant history --help`", word,
            near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return cli_fail(&e);
}

int cmd_history(struct cli *c)
{
    struct err e = {0};
    struct store *s;
    int i = 0;
    while (c->n_args > 0 && i < N_ACTIONS && strcmp(actions[i].name, c->arg[0]) != 0)
        i++;
    if (i == N_ACTIONS)
        return unknown_action(c->arg[0]);
    if (store_open(&s, c->req.store_path, &e) < 0)
        return cli_fail(&e);
    int code = c->n_args == 0     ? c->history.changes ? history_changes(c, s) : history_list(c, s)
               : actions[i].run ? actions[i].run(c, s)
                                : judge(c, s, actions[i].state);
    store_close(s);
    return code;
}
