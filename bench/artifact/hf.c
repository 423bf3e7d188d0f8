/* The files of a Hugging Face folder: which weights belong to it, opened and checked against each other (hf.h). */
#include "bench/artifact/hf.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "bench/artifact/hf_quant.h"

enum { MAX_SHARDS = 4096 };
#define INDEX "model.safetensors.index.json"

static char *in_folder(const struct hf *h, const char *name)
{
    return arena_printf(h->arena, "%s/%s", h->path, name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Notes a file of weights once. */
static int add_file(struct hf *h, const char *name, struct err *e)
{
    for (int i = 0; i < h->n_shards; i++)
        if (!strcmp(h->file[i], name))
            return 0;
    if (h->n_shards == MAX_SHARDS)
        return err_set(e, ERR_LIMIT, "more than %d files of weights", MAX_SHARDS);
    if (!(h->file[h->n_shards] = arena_strdup(h->arena, name)))
        return err_nomem(e, strlen(name), "a file name");
    h->n_shards++;
    return 0;
}

static const json_t *weight_map(const json_t *index)
{
    return json_object_get(index, "weight_map");
}

/* The files that the index names: plain names, each of them there. */
static int files_of_index(struct hf *h, const json_t *index, struct err *e)
{
    const char *tensor;
    json_t *file;
    json_t *map = (json_t *)(uintptr_t)weight_map(index);
    if (!json_is_object(map) || !json_object_size(map))
        return err_set(e, ERR_FORMAT, INDEX " has no weight_map");
    json_object_foreach(map, tensor, file)
    {
        const char *name = json_string_value(file);
        if (!name || !*name || strchr(name, '/') || *name == '.')
            return err_set(e, ERR_FORMAT, INDEX " names no file of this folder for tensor %.100s", tensor);
        const char *path = in_folder(h, name);
        if (path && !file_exists(path))
            return err_set(e, ERR_MISSING, INDEX " names %.200s, which is not there: get this part of the model too",
                           name);
        int rc = path ? add_file(h, name, e) : err_nomem(e, strlen(name), "a path");
        if (rc)
            return rc;
    }
    return 0;
}

/* Without an index: model.safetensors, or whatever the folder has. */
static int files_of_folder(struct hf *h, struct err *e)
{
    const char *usual = in_folder(h, "model.safetensors");
    if (usual && file_exists(usual))
        return add_file(h, "model.safetensors", e);
    DIR *d = opendir(h->path);
    if (!d)
        return err_set(e, ERR_IO, "cannot open the folder: %s", strerror(errno));
    bool pickled = false;
    int rc = 0;
    for (const struct dirent *x; !rc && (x = readdir(d));) {
        const char *end = strrchr(x->d_name, '.');
        pickled |= end && (!strcmp(end, ".bin") || !strcmp(end, ".pth") || !strcmp(end, ".pt"));
        if (end && !strcmp(end, ".safetensors") && x->d_name[0] != '.')
            rc = add_file(h, x->d_name, e);
    }
    closedir(d);
    if (!rc && !h->n_shards)
        rc = pickled ? err_set(e, ERR_UNSUPPORTED,
                               "its weights are pickled (.bin, .pth), which can run code: get or make "
                               "the .safetensors form")
                     : err_set(e, ERR_MISSING, "it has no .safetensors file");
    return rc;
}

/* What the index says of each tensor must hold. */
static int check_index(const struct hf *h, const json_t *index, struct err *e)
{
    const char *tensor;
    json_t *file;
    json_object_foreach((json_t *)(uintptr_t)weight_map(index), tensor, file)
    {
        int i = 0;
        while (strcmp(h->file[i], json_string_value(file)))
            i++;
        if (!safetensors_find(h->shard[i], tensor))
            return err_set(e, ERR_FORMAT, INDEX " places tensor %.100s in %.200s, which does not have it", tensor,
                           h->file[i]);
    }
    return 0;
}

static int check_doubles(const struct hf *h, struct err *e)
{
    for (int i = 1; i < h->n_shards; i++)
        for (int64_t t = 0; t < h->shard[i]->n_tensors; t++)
            for (int k = 0; k < i; k++)
                if (safetensors_find(h->shard[k], h->shard[i]->tensor[t].name))
                    return err_set(e, ERR_FORMAT, "tensor %.100s is in %.150s and in %.150s",
                                   h->shard[i]->tensor[t].name, h->file[k], h->file[i]);
    return 0;
}

static int open_shards(struct hf *h, struct err *e)
{
    json_t *index = NULL;
    const char *path = in_folder(h, INDEX);
    h->file = arena_alloc_n(h->arena, MAX_SHARDS, sizeof *h->file);
    if (!path || !h->file)
        return err_nomem(e, MAX_SHARDS * sizeof *h->file, "the names of files");
    int rc = 0;
    if (file_exists(path) && (rc = json_read_file(&index, path, e)))
        return rc;
    rc = index ? files_of_index(h, index, e) : files_of_folder(h, e);
    const int n = h->n_shards;
    h->n_shards = 0;
    qsort(h->file, rc ? 0 : (size_t)n, sizeof *h->file, by_text);
    if (!rc && !(h->shard = arena_alloc_n(h->arena, (size_t)n, sizeof *h->shard)))
        rc = err_nomem(e, (size_t)n * sizeof *h->shard, "shards");
    for (; !rc && h->n_shards < n; h->n_shards += !rc) {
        const char *file = in_folder(h, h->file[h->n_shards]);
        rc = file ? safetensors_open(&h->shard[h->n_shards], file, e) : err_nomem(e, strlen(h->path), "a path");
    }
    if (!rc && index)
        rc = check_index(h, index, e);
    json_decref(index);
    return rc ? rc : check_doubles(h, e);
}

static int open_folder(struct hf *h, struct err *e)
{
    const char *config = in_folder(h, "config.json");
    if (!config)
        return err_nomem(e, strlen(h->path), "a path");
    if (!file_exists(config))
        return err_set(e, ERR_MISSING,
                       "this folder has no config.json: it is no model folder; give that, or a GGUF "
                       "file");
    int rc = json_read_file(&h->config, config, e);
    if (rc || (rc = hf_find_arch(&h->arch, &h->model, h->config, e)) ||
        (rc = hf_find_quant(&h->quant, &h->quant_settings, h->config, e)))
        return rc;
    return open_shards(h, e);
}

int hf_open(struct hf **out, const char *path, struct err *e)
{
    struct hf *h = mem_alloc(sizeof *h);
    *out = NULL;
    if (!h || !(h->arena = arena_new()) || !(h->path = mem_strdup(path))) {
        hf_close(h);
        return err_nomem(e, sizeof *h, "a model folder");
    }
    for (size_t n = strlen(h->path); n > 1 && h->path[n - 1] == '/'; n--)
        h->path[n - 1] = 0;
    int rc = open_folder(h, e);
    if (rc) {
        hf_close(h);
        return err_context(e, "%s", path), rc;
    }
    *out = h;
    return 0;
}

void hf_close(struct hf *h)
{
    if (!h)
        return;
    for (int i = 0; i < h->n_shards && h->shard; i++)
        safetensors_close(h->shard[i]);
    json_decref(h->config);
    arena_free(h->arena);
    mem_free(h->path);
    mem_free(h);
}

const struct st_tensor *hf_tensor(struct hf *h, const char *name)
{
    for (int i = 0; i < h->n_shards; i++) {
        const struct st_tensor *t = safetensors_find(h->shard[i], name);
        if (t) {
            h->shard[i]->tensor[t - h->shard[i]->tensor].used = true;
            return t;
        }
    }
    return NULL;
}

const char *hf_unused(const struct hf *h)
{
    for (int i = 0; i < h->n_shards; i++)
        for (int64_t t = 0; t < h->shard[i]->n_tensors; t++)
            if (!h->shard[i]->tensor[t].used)
                return h->shard[i]->tensor[t].name;
    return NULL;
}

static int hash_file(const struct hf *h, const char *name, struct sbuf *lines, struct err *e)
{
    char hex[65];
    const char *path = in_folder(h, name);
    if (!path)
        return err_nomem(e, strlen(name), "a path");
    if (!file_exists(path))
        return 0;
    int rc = sha256_file(path, hex, e);
    sbuf_printf(lines, "%s  %s\n", hex, name);
    return rc;
}

int hf_hash(const struct hf *h, char out[65], struct err *e)
{
    struct sbuf lines = {0};
    int rc = hash_file(h, "config.json", &lines, e);
    for (int i = 0; i < h->n_shards && !rc; i++)
        rc = hash_file(h, h->file[i], &lines, e);
    if (!rc)
        rc = hash_file(h, "tokenizer.json", &lines, e);
    if (!rc && lines.failed)
        rc = err_nomem(e, 100, "the hashes of the files");
    if (!rc)
        sha256_hex(lines.p, lines.n, out);
    sbuf_free(&lines);
    return rc;
}

/* generation_config.json has the last word on what ends a text: *out is config with its eos_token_id. */
static int config_of_generation(json_t **out, const struct hf *h, struct err *e)
{
    json_t *generation;
    const char *path = in_folder(h, "generation_config.json");
    *out = json_incref(h->config);
    if (!path)
        return err_nomem(e, strlen(h->path), "a path");
    if (!file_exists(path))
        return 0;
    int rc = json_read_file(&generation, path, e);
    if (rc)
        return rc;
    json_t *eos = json_object_get(generation, "eos_token_id"), *copy = eos ? json_copy(h->config) : NULL;
    if (copy) {
        json_object_set(copy, "eos_token_id", eos);
        json_decref(*out);
        *out = copy;
    }
    json_decref(generation);
    return 0;
}

void hf_read_tokenizer(struct gguf_build *b, const struct hf *h, int64_t n_vocab)
{
    json_t *tokenizer = NULL, *settings = NULL, *model = NULL;
    const char *path = in_folder(h, "tokenizer.json"), *config = in_folder(h, "tokenizer_config.json");
    if (b->rc)
        return;
    if (!path || !config)
        b->rc = err_nomem(b->e, strlen(h->path), "a path");
    else if (!file_exists(path))
        b->rc = err_set(b->e, ERR_MISSING,
                        "it has no tokenizer.json, which this program reads (a tokenizer.model alone "
                        "it does not)");
    else
        b->rc = json_read_file(&tokenizer, path, b->e);
    if (!b->rc && file_exists(config))
        b->rc = json_read_file(&settings, config, b->e);
    if (!b->rc)
        b->rc = config_of_generation(&model, h, b->e);
    if (!b->rc)
        hf_tokenizer(b, tokenizer, settings, model, n_vocab);
    json_decref(model);
    json_decref(tokenizer);
    json_decref(settings);
}
