/* Options into struct cli: rows of options.def drive getopt_long, the parsers and the help. */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/near.h"
#include "bench/engine/kv.h"

const struct option_row option_rows[] = {
#define O(name, letter, type, field, groups, metavar, help)                                                            \
    {name, letter, type, offsetof(struct cli, field), groups, metavar, help},
#include "cli/options.def"
#undef O
};
enum { N_ROWS = sizeof option_rows / sizeof *option_rows };
const int n_option_rows = N_ROWS;

const struct command commands[] = {
#define COMMAND(name, fn, args, doc, groups, lo, hi) {name, args, doc, groups, lo, hi, fn},
#include "cli/commands.def"
#undef COMMAND
};
const int n_commands = sizeof commands / sizeof *commands;

const char *cli_nearest(const char *word, const char *const *names, int n)
{
    const char *best = NULL;
    int least = 4, n_word = (int)strlen(word);
    for (int i = 0; i < n; i++) {
        int n_name = (int)strlen(names[i]);
        int d = n_name < NEAR_LONGEST ? near_distance(word, n_word, names[i], n_name) : least;
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

static int bad_value(const struct option_row *o, const char *text, const char *wanted, struct err *e)
{
    return err_set(e, ERR_USAGE, "--%s %s: give %s", o->name, text, wanted);
}

static int parse_scaled(const struct option_row *o, const char *text, double *out, struct err *e)
{
    static const struct {
        enum option_type type;
        const char *suffix;
        double scale;
    } unit[] = {
        {SIZE, "", 1},
        {SIZE, "B", 1},
        {SIZE, "K", 1024.0},
        {SIZE, "M", 1048576.0},
        {SIZE, "G", 1073741824.0},
        {SIZE, "T", 1099511627776.0},
        {SIZE, "KB", 1024.0},
        {SIZE, "MB", 1048576.0},
        {SIZE, "GB", 1073741824.0},
        {SIZE, "KiB", 1024.0},
        {SIZE, "MiB", 1048576.0},
        {SIZE, "GiB", 1073741824.0},
        {SIZE, "TiB", 1099511627776.0},
        {TIME, "", 1},
        {TIME, "ms", 1e-3},
        {TIME, "s", 1},
        {TIME, "m", 60},
        {TIME, "min", 60},
        {TIME, "h", 3600},
        {NUM, "", 1},
        {NUM, "%", 0.01},
    };
    char *end;
    double v = strtod(text, &end);
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++)
        if (end != text && isfinite(v) && v >= 0 && unit[i].type == o->type && !strcasecmp(end, unit[i].suffix)) {
            *out = v * unit[i].scale;
            return *out < 9e18 ? 0 : bad_value(o, text, "a smaller number", e);
        }
    return bad_value(o, text,
                     o->type == SIZE   ? "a size such as 8G or 512M"
                     : o->type == TIME ? "a time such as 90s, 10m or 500ms"
                                       : "a number that is not negative",
                     e);
}

static int parse_int(const struct option_row *o, const char *text, int *out, struct err *e)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (end == text || *end || errno || v < 0 || v > 1 << 30)
        return bad_value(o, text, "a whole number that is not negative", e);
    *out = (int)v;
    return 0;
}

/* Up to the next comma; one behind which another key=value of a format's variant follows does not count
 * (onnx/int4-g32-sym@acc=0,scale=f16). */
static size_t item_length(const char *text)
{
    size_t n = strcspn(text, ",");
    while (text[n] && memchr(text, '@', n)) {
        size_t next = strcspn(text + n + 1, ",");
        if (!memchr(text + n + 1, '=', next) || memchr(text + n + 1, '@', next))
            break;
        n += 1 + next;
    }
    return n;
}

int option_list_add(struct text_list *l, const char *text, size_t n, struct err *e)
{
    const char **v = mem_resize(l->v, (size_t)(l->n + 1) * sizeof *v);
    if (v)
        l->v = v;
    if (!v || !(v[l->n] = mem_strndup(text, n)))
        return err_nomem(e, n, "the command line");
    l->n++;
    return 0;
}

void cli_free_list(struct text_list *l)
{
    for (int i = 0; i < l->n; i++)
        mem_free((void *)(uintptr_t)l->v[i]);
    mem_free(l->v);
    *l = (struct text_list){0};
}

static int parse_list(struct text_list *l, const char *text, bool whole, struct err *e)
{
    int rc = 0;
    while (*text && rc == 0) {
        size_t n = whole ? strlen(text) : item_length(text);
        rc = n ? option_list_add(l, text, n, e) : 0;
        text += n + (text[n] == ',');
    }
    return rc;
}

/* Two spellings of an option are one list. */
void cli_free_options(struct cli *c)
{
    for (int i = 0; i < N_ROWS; i++)
        if (option_rows[i].type == LIST || option_rows[i].type == LINES)
            cli_free_list((struct text_list *)((char *)c + option_rows[i].at));
}

static int store_value(struct cli *c, const struct option_row *o, const char *text, struct err *e)
{
    char *at = (char *)c + o->at;
    double v;
    int rc;
    switch (o->type) {
    case FLAG:
        *(bool *)at = true;
        return 0;
    case INT:
        return parse_int(o, text, (int *)at, e);
    case U64: {
        char *end;
        errno = 0;
        *(uint64_t *)at = strtoull(text, &end, 0);
        return end == text || *end || errno || *text == '-' ? bad_value(o, text, "a whole number", e) : 0;
    }
    case TEXT:
        *(const char **)at = text;
        return 0;
    case LIST:
    case LINES:
        return parse_list((struct text_list *)at, text, o->type == LINES, e);
    case SIZE:
        rc = parse_scaled(o, text, &v, e);
        if (rc == 0)
            *(int64_t *)at = (int64_t)v;
        return rc;
    case NUM:
    case TIME:
        rc = parse_scaled(o, text, &v, e);
        if (rc == 0)
            *(double *)at = v;
        return rc;
    }
    return 0;
}

static const struct command *command_find(const char *name)
{
    for (int i = 0; i < n_commands; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

/* The command that stands when the first word is none: the measured answer for model files, or the demo. */
static const struct command *command_default(void)
{
    return command_find("run");
}

static int unknown_option(const char *word, struct err *e)
{
    const char *names[N_ROWS];
    for (int i = 0; i < N_ROWS; i++)
        names[i] = option_rows[i].name;
    while (*word == '-')
        word++;
    const char *near = cli_nearest(word, names, N_ROWS);
    return err_set(e, ERR_USAGE, "unknown option --%s%s%s%s; `whichquant --help` lists them", word,
                   near ? " (did you mean --" : "", near ? near : "", near ? "?)" : "");
}

/* A name or letter may stand in several rows: the one that applies to the command wins. */
static int take_option(struct cli *c, const char *name, char letter, const char *value, struct err *e)
{
    const struct option_row *seen = NULL;
    for (int i = 0; i < N_ROWS; i++) {
        if (name ? strcmp(option_rows[i].name, name) : option_rows[i].letter != letter)
            continue;
        seen = &option_rows[i];
        if (option_rows[i].groups & (c->command ? c->command->groups : G_ALL))
            return store_value(c, seen, value, e);
    }
    return err_set(e, ERR_USAGE, "--%s does not apply to `%s`; see `whichquant %s --help`", seen->name,
                   c->command->name, c->command->name);
}

static int parse_options(struct cli *c, int argc, char **argv, struct err *e)
{
    struct option table[N_ROWS + 1] = {0};
    char letters[3 * N_ROWS + 2] = ":";
    size_t n = 1;
    for (int i = 0; i < N_ROWS; i++) {
        bool flag = option_rows[i].type == FLAG;
        table[i] = (struct option){option_rows[i].name, flag ? no_argument : required_argument, NULL, 1000 + i};
        if (option_rows[i].letter && !strchr(letters, option_rows[i].letter)) {
            letters[n++] = option_rows[i].letter;
            if (!flag)
                letters[n++] = ':';
        }
    }
    opterr = 0;
    optind = 1;
    for (int opt; (opt = getopt_long(argc, argv, letters, table, NULL)) != -1;) {
        if (opt == '?' || opt == ':') {
            const char *word = argv[optind - 1];
            if (opt == ':')
                return err_set(e, ERR_USAGE, "%s needs a value; see `whichquant --help`", word);
            return unknown_option(word, e);
        }
        int rc = take_option(c, opt >= 1000 ? option_rows[opt - 1000].name : NULL, (char)opt, optarg, e);
        if (rc < 0)
            return rc;
    }
    c->arg = (const char **)argv + optind;
    c->n_args = argc - optind;
    return 0;
}

static int check_arguments(const struct cli *c, struct err *e)
{
    const struct command *m = c->command;
    if (!m || c->help || c->version || (c->n_args >= m->min_args && (m->max_args < 0 || c->n_args <= m->max_args)))
        return 0;
    return err_set(e, ERR_USAGE, "`%s` takes %s, not %d arguments; see `whichquant %s --help`", m->name,
                   *m->args ? m->args : "no argument", c->n_args, m->name);
}

/* Names are checked before any work; what a model or framework cannot do is a row of its own. */
static int take_kv(struct cli *c, struct err *e)
{
    enum { MOST = sizeof c->req.kv_ctx / sizeof *c->req.kv_ctx };
    struct kv_pair p;
    int rc = 0;
    for (int i = 0; i < c->kv.n && rc == 0; i++)
        rc = kv_parse(&p, c->kv.v[i], e);
    for (int i = 0; i < c->kv_ctx.n && rc == 0; i++) {
        char *end;
        long n = strtol(c->kv_ctx.v[i], &end, 10);
        if (*end || n < 4 || n > 1 << 20 || i == MOST)
            return err_set(e, ERR_USAGE, "--kv-ctx %s: give up to %d chunk lengths of at least 4", c->kv_ctx.v[i],
                           MOST);
        c->req.kv_ctx[c->req.n_kv_ctx++] = (int)n;
    }
    return rc;
}

static bool is_language_code(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (n < 2 || n > 3)
        return false;
    for (s += n; *s == '-'; s += n) {
        n = strspn(++s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
        if (n < 2 || n > 8)
            return false;
    }
    return !*s;
}

static int check_use(const struct constraints *w, struct err *e)
{
    if (w->task && task_find(w->task) < 0) {
        const char *const *name;
        int n = task_names(&name);
        char all[160] = "";
        for (int i = 0; i < n; i++)
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s",
                     i == 0      ? ""
                     : i < n - 1 ? ", "
                                 : " or ",
                     name[i]);
        return err_set(e, ERR_USAGE, "--task %.60s: give %s", w->task, all);
    }
    if (w->language && !is_language_code(w->language))
        return err_set(e, ERR_USAGE, "--language %.60s: give its code, such as en, de, uk or pt-BR", w->language);
    if (isfinite(w->battery_wh) && !(w->battery_wh > 0 && w->battery_wh <= 10000))
        return err_set(e, ERR_USAGE,
                       "--battery-wh %g: give what it holds in watt-hours, such as 50 (Wh = mAh x V / 1000)",
                       w->battery_wh);
    return 0;
}

static int take_objective(struct cli *c, struct err *e)
{
    int o = c->objective ? objective_find(c->objective) : (int)c->req.want.objective;
    if (o < 0)
        return err_set(e, ERR_USAGE, "--objective %s: give balanced, quality, speed, memory or energy", c->objective);
    c->req.want.objective = (enum objective)o;
    return 0;
}

int cli_parse(struct cli *c, int argc, char **argv, struct err *e)
{
    *c = (struct cli){.n_predict = 32,
                      .target_bytes = -1,
                      .target_bpw = NAN,
                      .min_effect = NAN,
                      .p_change = NAN,
                      .gate.max_ln_ppl = NAN};
    request_defaults(&c->req);
    const struct command *first = argc > 1 ? command_find(argv[1]) : NULL;
    c->command = first ? first : command_default();
    if (first) { /* `whichquant CMD ...`: the command's name takes the program's place */
        argv++;
        argc--;
    }
    int rc = parse_options(c, argc, argv, e);
    if (rc == 0)
        rc = check_arguments(c, e);
    if (rc < 0)
        return rc;
    c->req.formats = c->formats.v;
    c->req.n_formats = c->formats.n;
    c->req.tasks = c->tasks.v;
    c->req.n_tasks = c->tasks.n;
    c->req.frameworks = c->frameworks.v;
    c->req.n_frameworks = c->frameworks.n;
    c->req.gpu_layers = c->gpu_layers.v;
    c->req.n_gpu_layers = c->gpu_layers.n;
    c->req.settings = c->settings.v;
    c->req.n_settings = c->settings.n;
    c->req.kv = c->kv.v;
    c->req.n_kv = c->kv.n;
    c->target = c->targets.n ? c->targets.v[0] : NULL;
    c->records = c->record_files.n ? c->record_files.v[0] : NULL;
    c->req.models = c->arg;
    c->req.n_models = c->n_args;
    c->req.text_path = c->text;
    if (c->python)
        setenv("WHICHQUANT_PYTHON", c->python, 1); /* runners take no options */
    if ((rc = take_kv(c, e)) || (rc = check_use(&c->req.want, e)))
        return rc;
    return take_objective(c, e);
}

int cli_parse_limits(struct cli *c, const char *const *word, int n, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        const struct option_row *o = NULL;
        for (int k = 0; k < N_ROWS; k++)
            if (option_rows[k].groups & G_LIMITS && strncmp(word[i], "--", 2) == 0 &&
                !strcmp(word[i] + 2, option_rows[k].name))
                o = &option_rows[k];
        if (!o)
            return err_set(e, ERR_USAGE, "\"%.60s\" is no limit; those of `whichquant decide --help` are, such as "
                           "--ctx 8192 --min-decode 15", word[i]);
        const bool flag = o->type == FLAG;
        if (!flag && i + 1 == n)
            return err_set(e, ERR_USAGE, "--%s needs a value", o->name);
        rc = store_value(c, o, flag ? "" : word[++i], e);
    }
    if (rc == 0)
        rc = check_use(&c->req.want, e);
    return rc < 0 ? rc : take_objective(c, e);
}

static void help_options(FILE *f, int groups)
{
    for (int i = 0; i < N_ROWS; i++) {
        if (!(option_rows[i].groups & groups) || !*option_rows[i].help)
            continue;
        char left[64], letter[8] = "    ";
        if (option_rows[i].letter)
            snprintf(letter, sizeof letter, "-%c, ", option_rows[i].letter);
        snprintf(left, sizeof left, "%s--%s %s", letter, option_rows[i].name, option_rows[i].metavar);
        fprintf(f, "  %-28s %s\n", left, option_rows[i].help);
    }
}

static const char epilogue[] =
    "\nEXIT CODES\n"
    "  0 done   1 failed   2 usage   3 a gate failed   4 nothing fits (a valid answer)   130 interrupted\n"
    "  with --strict: 5 not separable   6 not comparable or too noisy   7 some cells could not run\n"
    "\nENVIRONMENT\n"
    "  NO_COLOR, CI           plain output\n"
    "  XDG_DATA_HOME          where the store of measurements lives\n"
    "  XDG_STATE_HOME         where fleet keeps this machine's id\n"
    "  WHICHQUANT_SELF        what fleet starts to measure in, where that is a wrapper (numactl, an emulator)\n"
    "  LLAMA_CACHE, HF_HOME   searched for models given by name\n"
    "  LLAMA_CPP_PATH         folder of llama-bench and llama-server, beside PATH\n"
    "  OLLAMA_HOST            where Ollama listens (127.0.0.1:11434)\n"
    "  WHICHQUANT_API_KEY     key for the server at --endpoint\n"
    "  WHICHQUANT_PYTHON      interpreter or environment of the Python frameworks, else python3 on PATH\n"
    "  WHICHQUANT_DRIVER_MS   how long graphics drivers may take to answer, 800\n";

void cli_help(FILE *f, const struct command *cmd)
{
    if (cmd && cmd != command_default()) {
        fprintf(f, "whichquant %s %s\n  %s\n\nOPTIONS\n", cmd->name, cmd->args, cmd->doc);
        help_options(f, cmd->groups);
        fputs(epilogue, f);
        return;
    }
    fprintf(f,
            "whichquant %s: which model format, quantization and framework to run on this device, by measuring\n\n"
            "  whichquant MODEL.gguf    measure every format of this model here and name the one to use\n"
            "  whichquant --demo        the same on the embedded model: about a minute, nothing needed\n\nCOMMANDS\n",
            WHICHQUANT_VERSION);
    for (int i = 0; i < n_commands; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].args);
        fprintf(f, "  %-40s %s\n", left, commands[i].doc);
    }
    fputs("\nOPTIONS\n", f);
    help_options(f, cmd ? cmd->groups : G_ALL);
    fputs(epilogue, f);
    fputs("\nEXAMPLES\n"
          "  whichquant model-f16.gguf --ram 4G --max-kld 0.05 -o report\n"
          "  whichquant eval model.gguf --text wiki.test.raw --format q4_k_m\n"
          "  whichquant bench --shape qwen3-0.6b --format q4_k_m,q8_0\n"
          "  whichquant quantize model-f16.gguf -f q4_k_m -o model-q4_k_m.gguf\n",
          f);
}
