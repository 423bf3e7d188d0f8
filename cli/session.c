/* What commands share: warnings, JSON out, the device and the pool made once, models found by name, progress. */
#include "cli/cli.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/os.h"

static int n_warned;

void cli_warn(const char *fmt, ...)
{
    va_list ap;
    n_warned++;
    fflush(stdout);
    fputs("whichquant: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

int cli_n_warned(void)
{
    return n_warned;
}

int cli_print_json(json_t *v)
{
    struct sbuf b = {0};
    json_print(&b, v, 2);
    json_decref(v);
    if (b.failed) {
        sbuf_free(&b);
        cli_warn("cannot allocate memory for the JSON output");
        return EXIT_FAILED;
    }
    fwrite(b.p, 1, b.n, stdout);
    putchar('\n');
    sbuf_free(&b);
    return cli_flush();
}

int cli_device(struct cli *c, struct err *e)
{
    if (c->device)
        return 0;
    c->device = mem_alloc(sizeof *c->device);
    if (!c->device)
        return err_nomem(e, sizeof *c->device, "the device description");
    int rc = probe_device(c->device, "", e);
    if (rc < 0)
        return rc;
    c->req.isa = c->device->cpu.isa_mask;
    if (c->isa && !isa_narrow(c->isa, c->device->cpu.isa_mask, &c->req.isa))
        return err_set(e, ERR_USAGE, "--isa %s: give scalar, avx2, avx512, avx512_vnni, neon, dotprod or a CPU flag",
                       c->isa);
    int usable = c->device->cpu.n_usable > 0 ? c->device->cpu.n_usable : 1;
    c->req.find_threads = c->req.threads == 0;
    if (c->req.threads == 0)
        c->req.threads = usable;
    if (c->req.threads > usable)
        cli_warn("%d threads on %d usable CPUs: they will take turns and the figures will be lower", c->req.threads,
                 usable);
    return 0;
}

int cli_pool(struct cli *c, struct err *e)
{
    int rc = cli_device(c, e);
    if (rc < 0 || c->pool)
        return rc;
    int cpu[1024], n = c->device->cpu.n_cpu < 1024 ? c->device->cpu.n_cpu : 1024;
    for (int i = 0; i < n; i++)
        cpu[i] = c->device->cpu.cpu[i].os_index;
    return pool_new(&c->pool, c->req.threads, c->req.threads <= n ? cpu : NULL, e);
}

void cli_done(struct cli *c)
{
    pool_free(c->pool);
    mem_free(c->device);
    cli_free_options(c);
}

/* True when the file name is a GGUF that contains the wanted name, whatever the case. */
static bool name_matches(const char *file, const char *want)
{
    size_t n = strlen(file), w = strlen(want);
    if (n < 5 || strcasecmp(file + n - 5, ".gguf"))
        return false;
    for (size_t i = 0; i + w <= n; i++)
        if (!strncasecmp(file + i, want, w))
            return true;
    return false;
}

static char *search(const char *dir, const char *want, int depth)
{
    DIR *d = opendir(dir);
    if (!d)
        return NULL;
    char *found = NULL;
    for (struct dirent *f; !found && (f = readdir(d));) {
        if (f->d_name[0] == '.')
            continue;
        size_t n = strlen(dir) + strlen(f->d_name) + 2;
        char *path = mem_alloc(n);
        if (!path)
            break;
        snprintf(path, n, "%s/%s", dir, f->d_name);
        if (name_matches(f->d_name, want) && file_exists(path))
            found = path;
        else if (depth > 0 && dir_exists(path))
            found = search(path, want, depth - 1);
        if (found != path)
            mem_free(path);
    }
    closedir(d);
    return found;
}

/* The folders where other tools keep models. */
static char *find_model(const char *want)
{
    static const struct {
        const char *env, *under;
    } place[] = {
        {"LLAMA_CACHE", ""},
        {"LLAMA_MODELS", ""},
        {"HF_HUB_CACHE", ""},
        {"HF_HOME", "/hub"},
        {NULL, "./models"},
        {"HOME", "/.cache/llama.cpp"},
        {"HOME", "/.cache/huggingface/hub"},
        {"HOME", "/.lmstudio/models"},
        {"HOME", "/.cache/lm-studio/models"},
    };
    if (strchr(want, '/'))
        return NULL;
    for (size_t i = 0; i < sizeof place / sizeof *place; i++) {
        const char *root = place[i].env ? getenv(place[i].env) : "";
        if (!root || (place[i].env && !*root))
            continue;
        char dir[4096];
        snprintf(dir, sizeof dir, "%s%s", root, place[i].under);
        char *found = search(dir, want, 5);
        if (found)
            return found;
    }
    return NULL;
}

static int open_named(struct model **out, const char *name, int (*open)(struct model **, const char *, struct err *),
                      struct err *e)
{
    if (!strcmp(name, "default"))
        return model_open_memory(out, default_model, (size_t)(default_model_end - default_model), "the embedded model",
                                 e);
    if (file_exists(name) || dir_exists(name))
        return open(out, name, e);
    char *found = find_model(name);
    if (!found)
        return err_set(e, ERR_MISSING,
                       "%s: no such file, and no GGUF of that name in the usual model folders; "
                       "give the path of a GGUF file or of a Hugging Face folder, or `default`",
                       name);
    cli_warn("using %s", found);
    int rc = open(out, found, e);
    mem_free(found);
    return rc;
}

bool cli_model_here(const char *name)
{
    char *found = strcmp(name, "default") && !file_exists(name) && !dir_exists(name) ? find_model(name) : NULL;
    bool here = found || !strcmp(name, "default") || file_exists(name) || dir_exists(name);
    mem_free(found);
    return here;
}

int cli_model(struct model **out, const char *name, struct err *e)
{
    return open_named(out, name, model_open, e);
}

int cli_model_header(struct model **out, const char *name, struct err *e)
{
    return open_named(out, name, model_open_header, e);
}

void cli_progress(const struct cli *c, int done, int total, const char *what)
{
    if (c->req.quiet)
        return;
    if (isatty(2))
        fprintf(stderr, "\r\033[K[%d/%d] %.100s", done, total, what);
    else
        fprintf(stderr, "[%d/%d] %s\n", done, total, what);
    fflush(stderr);
}

void cli_progress_end(const struct cli *c)
{
    if (!c->req.quiet && isatty(2))
        fputs("\r\033[K", stderr);
}
