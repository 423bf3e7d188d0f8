/* One worker that runs: how it is started, who it says it is, one question and its answer. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "bench/runners/worker.h"
#include "datasets/catalogue.h"

enum { HELLO_MS = 30000, CLOSE_MS = 3000 };
static const double most_of_free = 0.95;

struct worker_link {
    struct process *process;
    char name[48];
    json_int_t id; /* of the last question */
};

/* ---- how it is started ---- */

char *worker_python(void)
{
    static const char *const below[] = {"", "/bin/python3", "/bin/python"};
    const char *given = getenv("WHICHQUANT_PYTHON");
    if (!given || !*given)
        return program_find("python3");
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s%s", given, below[i]);
        char *found = dir_exists(path) ? NULL : program_find(path);
        if (found)
            return found;
    }
    return NULL;
}

/* The scripts come as arguments: nothing has to be found beside the program. The current folder is no place for
 * packages: it may hold a model called like one. */
static const char boot[] = "import sys, types\n"
                           "sys.path[:] = [p for p in sys.path if p]\n"
                           "m = types.ModuleType('worker')\n"
                           "sys.modules['worker'] = m\n"
                           "exec(compile(sys.argv[1], 'worker.py', 'exec'), m.__dict__)\n"
                           "exec(compile(sys.argv[2], sys.argv[3], 'exec'), {'__name__': '__main__'})\n";

/* What is free now, less some for everybody else: one that wants more would only make the kernel choose a victim. */
static uint64_t room(void)
{
    struct probe_state now;
    probe_sample(&now);
    return now.available_bytes > 0 ? (uint64_t)(most_of_free * (double)now.available_bytes) : 0;
}

static int start(struct worker_link *l, const struct worker_row *row, struct err *e)
{
    char *python = row->script ? worker_python() : NULL;
    if (row->script && !python)
        return err_set(e, ERR_MISSING, "no Python found; give --python PATH or set WHICHQUANT_PYTHON to one with %s",
                       row->package);
    const char *argv[] = {python, "-u", "-c", boot, dataset_worker, row->script, row->script_name, row->package, NULL};
    const char *plain[] = {row->program, NULL};
    struct child_cmd cmd = {.argv = row->script ? argv : plain, .max_memory_bytes = room()};
    int rc = process_start(&l->process, &cmd, row->name, e);
    mem_free(python);
    return rc;
}

/* ---- a question and its answer ---- */

/* What a worker calls its errors, and what they are here. */
static const struct {
    const char *kind;
    int code;
} kinds[] = {
    {"missing", ERR_MISSING}, {"unsupported", ERR_UNSUPPORTED},
    {"memory", ERR_NOMEM},    {"limit", ERR_LIMIT},
    {"format", ERR_FORMAT},   {"data", ERR_DATA},
    {"timeout", ERR_TIMEOUT}, {"failed", ERR_IO},
};

/* Words of a stranger for a sentence: one line, nothing that a terminal would act on. */
static void one_line(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
    for (; *out; out++)
        *out = (unsigned char)*out < 32 || *out == 127 ? ' ' : *out;
}

static int its_error(const struct worker_link *l, const json_t *reply, struct err *e)
{
    const char *kind = json_get_str(reply, "error", "failed");
    char text[300];
    one_line(text, sizeof text, json_get_str(reply, "text", "no reason given"));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kind, kinds[i].kind))
            return err_set(e, kinds[i].code, "%s: %s", l->name, text);
    return err_set(e, ERR_IO, "%s: %s", l->name, text);
}

/* What follows rubbish is not to be believed either: that worker's end. */
static int rubbish(struct worker_link *l, const char *line, struct err *e)
{
    char text[80];
    one_line(text, sizeof text, line);
    process_stop(l->process, 0);
    l->process = NULL;
    return err_set(e, ERR_FORMAT, "%s wrote no answer of the worker protocol but: %s", l->name, text);
}

static int send_request(struct worker_link *l, json_t *request, uint64_t deadline_ns, struct err *e)
{
    struct sbuf b = {0};
    json_put(request, "id", json_integer(++l->id));
    json_print(&b, request, 0);
    sbuf_putc(&b, '\n');
    int rc =
        b.failed ? err_nomem(e, b.n, "a question to a worker") : process_send(l->process, b.p, b.n, deadline_ns, e);
    sbuf_free(&b);
    return rc;
}

static int read_reply(struct worker_link *l, uint64_t deadline_ns, json_t **reply, struct err *e)
{
    char *line;
    size_t n;
    int rc = process_line(l->process, deadline_ns, &line, &n, e);
    if (rc < 0)
        return rc;
    json_t *o = NULL;
    if (json_parse(&o, line, n, l->name, NULL) < 0 || !json_is_object(o) ||
        json_integer_value(json_object_get(o, "id")) != l->id)
        rc = rubbish(l, line, e);
    else if (json_object_get(o, "error"))
        rc = its_error(l, o, e);
    if (rc < 0)
        json_decref(o);
    else
        *reply = o;
    return rc;
}

int worker_link_call(struct worker_link *l, json_t *request, uint64_t deadline_ns, json_t **reply, struct err *e)
{
    json_t *got = NULL;
    int rc = l->process ? 0 : err_set(e, ERR_IO, "%s is not running any more", l->name);
    if (rc == 0) {
        process_wake(l->process);
        rc = send_request(l, request, deadline_ns, e);
    }
    json_decref(request);
    if (rc == 0)
        rc = read_reply(l, deadline_ns, &got, e);
    if (l->process) {
        process_look(l->process);
        process_rest(l->process);
    }
    if (reply)
        *reply = got;
    else
        json_decref(got);
    return rc;
}

/* ---- who it is ---- */

void worker_identity(struct runner_info *info, const json_t *reply)
{
    struct err ignored;
    if (json_get_str(reply, "version", NULL))
        one_line(info->version, sizeof info->version, json_get_str(reply, "version", ""));
    const char *library = json_get_str(reply, "library", "");
    if (!*library || !strcmp(library, info->library_path))
        return;
    one_line(info->library_path, sizeof info->library_path, library);
    if (sha256_file(info->library_path, info->library_sha256, &ignored) < 0)
        info->library_sha256[0] = 0;
}

static void list_containers(struct runner_info *info, const json_t *names)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(names) && n < sizeof info->containers; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name)
            n += (size_t)snprintf(info->containers + n, sizeof info->containers - n, "%s%s", n ? " " : "", name);
    }
}

static int hello(struct worker_link *l, struct runner_info *info, struct err *e)
{
    json_t *reply = NULL;
    json_t *request = json_pack("{s:s,s:i}", "call", "hello", "protocol", WORKER_PROTOCOL);
    int rc = worker_link_call(l, request, clock_ns() + (uint64_t)HELLO_MS * 1000000, &reply, e);
    if (rc < 0)
        return rc;
    double version = json_get_num(reply, "protocol");
    if (version == WORKER_PROTOCOL)
        worker_identity(info, reply);
    one_line(info->note, sizeof info->note, json_get_str(reply, "note", ""));
    list_containers(info, json_object_get(reply, "containers"));
    json_decref(reply);
    if (version != WORKER_PROTOCOL)
        return err_set(e, ERR_UNSUPPORTED, "%s speaks version %g of the worker protocol, this program version %d",
                       l->name, version, WORKER_PROTOCOL);
    info->found = true;
    return 0;
}

int worker_link_open(struct worker_link **out, const struct worker_row *row, struct runner_info *info, struct err *e)
{
    *info = (struct runner_info){0};
    snprintf(info->name, sizeof info->name, "%s", row->name);
    struct worker_link *l = mem_alloc(sizeof *l);
    if (!l)
        return err_nomem(e, sizeof *l, "a worker");
    snprintf(l->name, sizeof l->name, "%s", row->name);
    int rc = start(l, row, e);
    if (rc == 0)
        rc = hello(l, info, e);
    if (rc < 0) {
        worker_link_close(l);
        return rc;
    }
    *out = l;
    return 0;
}

struct process *worker_link_process(struct worker_link *l)
{
    return l->process;
}

/* Asked to close it may say good-bye to a device; it need not. */
void worker_link_close(struct worker_link *l)
{
    if (!l)
        return;
    if (l->process && !interrupt_seen())
        worker_link_call(l, json_pack("{s:s}", "call", "close"), clock_ns() + (uint64_t)CLOSE_MS * 1000000, NULL, NULL);
    process_stop(l->process, CLOSE_MS);
    mem_free(l);
}
