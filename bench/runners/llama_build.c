/* Builds of llama.cpp, and of forks that kept its programs: found, asked who they are and which devices they drive;
 * what a cell wants of them, as options. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/artifact/gguf.h"
#include "bench/runners/llama_cpp.h"

enum { ASK_MS = 10000, OPEN_TIMEOUT_MS = 60000, SLOWEST_DISK_MB_S = 50, MOST_OUTPUT = 1 << 20, ALL_LAYERS = 999 };

const struct llama_build llama_cpp_build = {"llama.cpp", "LLAMA_CPP_PATH", true};
const struct llama_build bitnet_cpp_build = {"bitnet.cpp", "BITNET_CPP_PATH", false};

/* ---- finding it ---- */

/* A program that is named stands for the folder that it is in. */
static char *find_program(const struct llama_build *b, const char *name)
{
    static const char *const below[] = {"/", "/bin/", "/build/bin/"};
    const char *given = getenv(b->variable);
    char folder[512], path[1024];
    if (!given || !*given)
        return b->on_path ? program_find(name) : NULL;
    snprintf(folder, sizeof folder, "%s%s", strchr(given, '/') ? "" : "./", given);
    if (!dir_exists(folder) && strrchr(folder, '/'))
        *strrchr(folder, '/') = 0;
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        snprintf(path, sizeof path, "%s%s%s", folder, below[i], name);
        if (file_exists(path))
            return program_find(path);
    }
    return NULL;
}

/* "version: 6710 (0c1e57098)", or "... (build 6710, commit 0c1e57098)": builds without --version tell it in each row.
 */
static void read_version(struct runner_info *info, const char *text)
{
    const char *at = strstr(text, "build "), *version = strstr(text, "version: ");
    char commit[41];
    int number;
    if ((at && sscanf(at, "build %d, commit %40[0-9a-f]", &number, commit) == 2) ||
        (version && sscanf(version, "version: %d (%40[0-9a-f]", &number, commit) == 2))
        snprintf(info->version, sizeof info->version, "b%d-%s", number, commit);
}

/* What the program prints when it is asked one thing that takes no time. */
static int ask(const char *program, const char *option, struct child_result *r, struct err *e)
{
    const char *argv[] = {program, option, NULL};
    struct child_cmd cmd = {.argv = argv, .timeout_ms = ASK_MS, .max_output = MOST_OUTPUT};
    return child_run(&cmd, r, e);
}

int llama_build_detect(const struct llama_build *b, const char *program, struct runner_info *info, struct err *e)
{
    *info = (struct runner_info){0};
    snprintf(info->name, sizeof info->name, "%s", b->name);
    char *path = find_program(b, program);
    if (!path && b->on_path)
        snprintf(info->note, sizeof info->note, "%s is neither on PATH nor in %s", program, b->variable);
    else if (!path)
        snprintf(info->note, sizeof info->note, "%s of %s is not in %s", program, b->name, b->variable);
    if (!path)
        return 0;
    snprintf(info->library_path, sizeof info->library_path, "%s", path);
    mem_free(path);
    struct child_result r;
    int rc = sha256_file(info->library_path, info->library_sha256, e);
    if (rc < 0 || (rc = ask(info->library_path, "--version", &r, e)) < 0)
        return rc;
    info->found = true;
    read_version(info, r.out);
    read_version(info, r.err);
    child_result_free(&r);
    return 0;
}

int llama_build_need(const struct llama_build *b, const char *program, struct runner_info *info, struct err *e)
{
    int rc = llama_build_detect(b, program, info, e);
    if (rc < 0 || info->found)
        return rc;
    return err_set(e, ERR_MISSING, "%s; install %s or set %s to its build", info->note, b->name, b->variable);
}

int llama_check_model(const struct llama_build *b, const char *path, unsigned *ms, struct err *e)
{
    struct stat st;
    struct probe_state now;
    if (!path)
        return err_set(e, ERR_UNSUPPORTED, "%s runs model files, and this shape has none", b->name);
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(e, ERR_MISSING, "cannot open %s for %s", path, b->name);
    probe_sample(&now);
    if (now.available_bytes >= 0 && st.st_size > now.available_bytes)
        return err_set(e, ERR_LIMIT, "%s needs %.1f GiB and %.1f GiB are free", path, (double)st.st_size / 0x1p30,
                       (double)now.available_bytes / 0x1p30);
    *ms = OPEN_TIMEOUT_MS + (unsigned)(st.st_size / (1000 * SLOWEST_DISK_MB_S));
    return 0;
}

/* ---- a command line ---- */

void llama_args_add(struct llama_args *a, const char *option, const char *value)
{
    if (a->n + 2 >= MOST_LLAMA_ARGS)
        return;
    a->v[a->n++] = option;
    if (value)
        a->v[a->n++] = value;
}

void llama_args_print(const struct llama_args *a, char *out, size_t size)
{
    const char *slash = strrchr(a->v[0], '/');
    size_t n = (size_t)snprintf(out, size, "%s", slash ? slash + 1 : a->v[0]);
    for (int i = 1; i < a->n && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, " %s", a->v[i]);
}

void llama_args_options(struct llama_args *a, const struct llama_options *o, const struct measure_cell *cell)
{
    if (cell->kv.k && cell->kv.v) {
        llama_args_add(a, "-fa", "1");
        llama_args_add(a, "-ctk", cell->kv.k->name);
        llama_args_add(a, "-ctv", cell->kv.v->name);
    }
    if (o->devices[0])
        llama_args_add(a, "-dev", o->devices);
    if (o->layers[0])
        llama_args_add(a, "-ngl", o->layers);
    for (int i = 0; i < o->n_settings; i++)
        llama_args_add(a, o->key[i], o->value[i]);
}

/* ---- devices ---- */

/* The next line "  CUDA0: NVIDIA H100 (81089 MiB, 80000 MiB free)" of its list; BLAS is the CPU in another way. */
static bool next_device(const char **at, char name[32])
{
    while (**at) {
        const char *line = *at;
        size_t n = strcspn(line, "\n"), name_n = strcspn(line, ":\n");
        *at += n + (line[n] == '\n');
        if (n > 2 && line[0] == ' ' && line[1] == ' ' && line[2] != '(' && line[name_n] == ':' && name_n < 32 &&
            strncasecmp(line + 2, "BLAS", 4) != 0) {
            snprintf(name, 32, "%.*s", (int)name_n - 2, line + 2);
            return true;
        }
    }
    return false;
}

/* "cuda" is CUDA0 and CUDA1, "cuda1" one of them, "gpu" all there are. */
static bool is_wanted(const char *device, const char *wanted)
{
    size_t n = strlen(wanted);
    bool same = strncasecmp(device, wanted, n) == 0;
    return !strcasecmp(wanted, "gpu") || (same && (!device[n] || isdigit((unsigned char)device[n])));
}

/* Those that are wanted, and the family of the first: "CUDA0" is cuda. *listed: all there are, for a sentence. */
static void choose_devices(struct llama_options *o, const char *list, const char *wanted, char separator,
                           char listed[128])
{
    char name[32];
    size_t n = 0, n_listed = 0;
    listed[0] = 0;
    while (next_device(&list, name)) {
        n_listed += (size_t)snprintf(listed + n_listed, 128 - n_listed, "%s%.20s", n_listed ? ", " : "", name);
        n_listed = n_listed > 100 ? 100 : n_listed;
        if (!is_wanted(name, wanted) || n + sizeof name + 1 > sizeof o->devices)
            continue;
        n += (size_t)snprintf(o->devices + n, sizeof o->devices - n, "%.*s%s", n > 0, &separator, name);
        if (o->backend[0])
            continue;
        for (size_t i = 0; isalpha((unsigned char)name[i]); i++) {
            o->backend[i] = (char)tolower((unsigned char)name[i]);
            o->backend[i + 1] = 0;
        }
    }
}

void llama_options_guess(struct llama_options *o, const char *program)
{
    struct llama_options any = {0};
    struct child_result r;
    char listed[128];
    if (o->backend[0] || ask(program, "--list-devices", &r, NULL) < 0)
        return;
    choose_devices(&any, r.out, "gpu", ',', listed);
    child_result_free(&r);
    snprintf(o->backend, sizeof o->backend, "%s", any.backend[0] ? any.backend : "cpu");
    if (!any.backend[0])
        o->gpu_layers = 0;
}

/* As llama.cpp counts them: the blocks and the output; more than any model has where the file does not tell. */
static int layers_of_model(const char *path)
{
    struct gguf *g = NULL;
    struct gguf_str arch;
    const struct gguf_open_opts header = {.header_only = true};
    char key[80];
    int64_t n = ALL_LAYERS;
    if (gguf_open(&g, path, &header, NULL) < 0)
        return ALL_LAYERS;
    if (gguf_get_str(g, "general.architecture", &arch) && arch.n < 60) {
        snprintf(key, sizeof key, "%.*s.block_count", (int)arch.n, arch.p);
        gguf_get_i64(g, key, &n);
    }
    gguf_close(g);
    return n > 0 && n < ALL_LAYERS ? (int)n + 1 : ALL_LAYERS;
}

static int take_layers(struct llama_options *o, const struct measure_cell *cell, bool on_device, struct err *e)
{
    const char *given = cell->gpu_layers;
    int most = layers_of_model(cell->model_path);
    char *end = NULL;
    long n = !given ? (on_device ? most : 0) : !strcasecmp(given, "all") ? most : strtol(given, &end, 10);
    if (end && (end == given || *end || n < 0))
        return err_set(e, ERR_USAGE, "--gpu-layers %s: give a number of layers, or all", given);
    snprintf(o->layers, sizeof o->layers, "%ld", n < most ? n : ALL_LAYERS);
    o->gpu_layers = n < most ? (int)n : most;
    return 0;
}

static int take_device(struct llama_options *o, const struct llama_build *b, const char *program, char separator,
                       const struct measure_cell *cell, struct err *e)
{
    bool on_cpu = cell->device && !strcasecmp(cell->device, "cpu");
    const char *wanted = cell->device && !on_cpu ? cell->device : "gpu";
    struct child_result r;
    char listed[128];
    int rc = take_layers(o, cell, !on_cpu, e);
    if (rc == 0 && on_cpu && o->gpu_layers > 0)
        rc = err_set(e, ERR_USAGE, "--gpu-layers %s with --backend cpu: there is no device to put them on",
                     cell->gpu_layers);
    if (rc < 0 || (rc = ask(program, "--list-devices", &r, e)) < 0)
        return rc;
    bool lists = r.exit_code == 0 && strstr(r.out, "Available devices");
    if (on_cpu && lists)
        snprintf(o->devices, sizeof o->devices, "none"); /* else a GPU still takes part in long prompts */
    else if (!on_cpu && lists)
        choose_devices(o, r.out, wanted, separator, listed);
    child_result_free(&r);
    if (on_cpu || o->gpu_layers == 0) {
        snprintf(o->backend, sizeof o->backend, "cpu");
        return 0;
    }
    o->must_offload = !lists;
    if (lists && !o->devices[0])
        return err_set(e, ERR_UNSUPPORTED, "%s here drives no device %s: %s%s", b->name, wanted,
                       *listed ? "it lists " : "it lists none, built for the CPU alone or without a driver", listed);
    return 0;
}

/* ---- settings ---- */

/* --set KEY=VALUE is the program's --KEY VALUE; what other options say is theirs. */
static int take_settings(struct llama_options *o, const struct measure_cell *cell, struct err *e)
{
    static const struct {
        const char *key, *instead;
    } taken[] = {
        {"model", "MODEL"},
        {"threads", "--threads"},
        {"device", "--backend"},
        {"n-prompt", "-p"},
        {"n-gpu-layers", "--gpu-layers"},
        {"gpu-layers", "--gpu-layers"},
        {"n-gen", "-n"},
        {"cache-type-k", "--kv"},
        {"cache-type-v", "--kv"},
        {"n-depth", "-d"},
        {"parallel", "--concurrency"},
        {"repetitions", "-r"},
        {"output", "nothing"},
        {"output-err", "nothing"},
        {"host", "nothing"},
        {"port", "nothing"},
        {"alias", "nothing"},
        {"ctx-size", "-p and -n"},
        {"list-devices", "nothing"},
    };
    for (int i = 0; i < cell->n_settings; i++) {
        const char *given = cell->settings[i], *equals = strchr(given, '=');
        size_t n = equals ? (size_t)(equals - given) : strlen(given);
        if (i == MOST_LLAMA_SETTINGS || n < 2 || n > 60 || given[0] == '-')
            return err_set(e, ERR_USAGE, "--set %.80s: give up to %d of its long options, such as n-cpu-moe=4", given,
                           MOST_LLAMA_SETTINGS);
        for (size_t k = 0; k < sizeof taken / sizeof *taken; k++)
            if (strlen(taken[k].key) == n && strncmp(taken[k].key, given, n) == 0)
                return err_set(e, ERR_USAGE, "--set %.80s: give %s instead", given, taken[k].instead);
        snprintf(o->key[i], sizeof o->key[i], "--%.*s", (int)n, given);
        o->value[i] = equals ? equals + 1 : NULL;
        o->n_settings++;
    }
    return 0;
}

int llama_options_take(struct llama_options *o, const struct llama_build *b, const char *program, char separator,
                       const struct measure_cell *cell, struct err *e)
{
    *o = (struct llama_options){.gpu_layers = -1};
    int rc = take_settings(o, cell, e);
    return rc < 0 || !(cell->device || cell->gpu_layers) ? rc : take_device(o, b, program, separator, cell, e);
}
