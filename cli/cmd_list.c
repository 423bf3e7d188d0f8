/* list: the tables behind everything, one function per table. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "bench/catalogue.h"
#include "bench/measure.h"
#include "bench/quant/recipe.h"
#include "bench/record_fields.h"
#include "bench/target.h"
#include "cli/cli.h"
#include "datasets/catalogue.h"
#include "kernels/kernels.h"
#include "matrix/predict_check.h"

static json_t *named(const char *name)
{
    json_t *o = json_object();
    json_put(o, "name", json_string(name));
    return o;
}

/* Bits per weight of the codec itself, as of a row of 4096; its tensors' own where a model is given. */
static double bits_per_weight(const struct recipe *r, const struct model *m)
{
    struct qmat q;
    struct recipe_summary s;
    if (!m)
        return codec_find(r->codec)->layout(&q, 4096, 4096, &r->par, NULL) ? NAN : qmat_bits_per_weight(&q);
    struct use_assign *a = mem_alloc_n((size_t)m->d.n_tensors, sizeof *a);
    bool ok = a && !recipe_assign(&m->d, r, NULL, &(struct recipe_known){.importance = true}, a, NULL) &&
              !recipe_summarize(&m->d, a, &s, NULL);
    mem_free(a);
    return ok ? s.bits_per_weight : NAN;
}

static const char *calibration_need(const struct recipe *r)
{
    if (recipe_needs(r))
        return "needed";
    if (recipe_needs_importance(r))
        return "importance matrix needed";
    return strcmp(r->family->name, "gguf") ? "none" : "importance matrix optional";
}

static json_t *describe_format(const struct recipe *r, const struct model *m)
{
    const struct codec *c = codec_find(r->codec);
    json_t *o = named(r->name);
    json_put(o, "family", json_string(r->family->name));
    json_put(o, "scheme", json_string(r->scheme));
    json_put(o, "codec", json_string(r->codec));
    json_put(o, "bits_per_weight", json_num(bits_per_weight(r, m)));
    json_put(o, "activations", json_string(r->act ? r->act : c->act));
    json_put(o, "calibration", json_string(calibration_need(r)));
    json_put(o, "runtime", json_str_or_null(r->framework));
    json_put(o, "usual", json_boolean(!r->on_request));
    json_put(o, "verified_by", json_str_or_null(r->verified_by));
    json_put(o, "source", json_string(c->source));
    json_put(o, "doc", json_string(r->doc));
    return o;
}

static json_t *list_formats(struct cli *cli)
{
    struct model *m = NULL;
    struct err e = {0};
    if (cli->n_args > 1 && cli_model(&m, cli->arg[1], &e) < 0) {
        cli_fail(&e);
        return NULL;
    }
    json_t *a = json_array();
    int n_verified = 0;
    for (int i = 0; i < n_recipes; i++) {
        json_array_append_new(a, describe_format(&recipes[i], m));
        n_verified += recipes[i].verified_by != NULL;
    }
    if (!cli->json)
        printf("%d formats verified against their package, %d unverified\n", n_verified, n_recipes - n_verified);
    model_close(m);
    return a;
}

static json_t *list_codecs(struct cli *cli)
{
    (void)cli;
    json_t *a = json_array();
    for (int i = 0; codecs[i]; i++) {
        json_t *o = named(codecs[i]->name);
        bool fixed = codecs[i]->block_bytes > 0; /* the others' size is up to their parameters */
        double bits = 8.0 * codecs[i]->block_bytes / codecs[i]->block;
        json_put(o, "bits_per_weight", json_num(fixed ? bits : NAN));
        json_put(o, "block", fixed ? json_integer(codecs[i]->block) : json_null());
        json_put(o, "activations", json_str_or_null(codecs[i]->act));
        json_put(o, "source", json_string(codecs[i]->source));
        json_put(o, "doc", json_string(codecs[i]->doc));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *list_kernels(struct cli *cli)
{
    (void)cli;
    json_t *a = json_array();
    for (int i = 0; i < n_kernels; i++) {
        json_t *o = named(kernels[i].name);
        json_put(o, "operation", json_string(kernel_op_name(kernels[i].op)));
        json_put(o, "codec", json_str_or_null(kernels[i].codec));
        json_put(o, "activations", json_str_or_null(kernels[i].act));
        json_t *needs = json_array();
        for (int b = 0; b < N_ISA; b++)
            if (kernels[i].needs >> b & 1)
                json_array_append_new(needs, json_string(isa_name(b)));
        json_put(o, "needs", needs);
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *list_shapes(struct cli *cli)
{
    (void)cli;
    const struct shape *all;
    json_t *a = json_array();
    for (int i = 0, n = shapes(&all); i < n; i++) {
        const struct model_desc *d = &all[i].d;
        json_t *o = named(all[i].id);
        json_put(o, "architecture", json_string(d->arch->name));
        json_put(o, "layers", json_integer(d->n_layer));
        json_put(o, "d_model", json_integer(d->d_model));
        json_put(o, "d_ff", json_integer(d->d_ff));
        json_put(o, "heads", json_integer(d->n_head));
        json_put(o, "kv_heads", json_integer(d->n_head_kv));
        json_put(o, "vocab", json_integer(d->n_vocab));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *list_architectures(struct cli *cli)
{
    (void)cli;
    json_t *a = json_array();
    for (int i = 0; i < n_archs; i++)
        json_array_append_new(a, named(archs[i].name));
    return a;
}

static json_t *describe_framework(const struct runner *r)
{
    struct runner_info info = {0};
    struct err e = {0};
    int rc = r->detect(r, &info, &e);
    bool found = rc == 0 && info.found;
    json_t *o = named(r->name);
    json_put(o, "found", json_boolean(found));
    json_put(o, "version", json_str_or_null(info.version));
    json_put(o, "loads", json_str_or_null(r->containers));
    json_put(o, "doc", json_string(r->doc));
    json_put(o, "note", json_str_or_null(found ? NULL : rc < 0 ? e.text : info.note));
    json_put(o, "library", json_str_or_null(info.library_path));
    json_put(o, "library_sha256", json_str_or_null(info.library_sha256));
    return o;
}

static json_t *list_frameworks(struct cli *cli)
{
    json_t *a = json_array();
    if (!runner_find("endpoint") && !cli->json)
        printf("built without libcurl: no servers (llama-server, ollama, endpoint)\n");
    for (int i = 0; runners[i]; i++)
        json_array_append_new(a, describe_framework(runners[i]));
    const struct runner *r;
    for (int state = 0; (r = runner_on_path(&state));)
        json_array_append_new(a, describe_framework(r));
    return a;
}

static json_t *list_metrics(struct cli *cli)
{
    (void)cli;
    static const char *const direction[] = {"less is better", "", "more is better"};
    json_t *a = json_array();
    for (int i = 0; i < n_record_fields; i++) {
        const struct record_field *f = &record_fields[i];
        if (!f->unit)
            continue;
        json_t *o = named(f->key);
        json_put(o, "group", json_string(f->group));
        json_put(o, "unit", json_string(f->unit));
        json_put(o, "better", json_str_or_null(direction[f->better + 1]));
        json_put(o, "doc", json_string(f->doc));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *list_kv(struct cli *cli)
{
    const struct model_desc head = {.n_layer = 1, .n_head_kv = 1, .head_dim = 128};
    struct model *m = NULL;
    struct err e = {0};
    if (cli->n_args > 1 && cli_model_header(&m, cli->arg[1], &e) < 0) {
        cli_fail(&e);
        return NULL;
    }
    json_t *a = json_array();
    int n_verified = 0;
    for (int i = 0; i < n_kv_formats; i++) {
        const struct kv_format *f = &kv_formats[i];
        const struct kv_pair p = {f, f};
        json_t *o = named(f->name);
        json_put(o, "frameworks", json_string(f->frameworks));
        json_put(o, "bits_per_value", json_num(kv_bytes_per_token(p, &head) * 8 / 256));
        if (m)
            json_put(o, "bytes_per_token", json_num(kv_bytes_per_token(p, &m->d)));
        json_put(o, "verified_by", json_str_or_null(f->verified_by));
        json_put(o, "doc", json_string(f->doc));
        json_array_append_new(a, o);
        n_verified += f->verified_by != NULL;
    }
    if (!cli->json)
        printf("%d KV cache formats verified against their runtime, %d unverified\n", n_verified,
               n_kv_formats - n_verified);
    model_close(m);
    return a;
}

static json_t *list_claims(struct cli *cli)
{
    (void)cli;
    static const char *const columns[] = {"format", "shape", "metric", "unit", "note", "source"};
    json_t *a = json_array();
    struct csv c;
    for (bool more = csv_open(&c, dataset_claims) && csv_next(&c); more; more = csv_next(&c)) {
        json_t *o = named(csv_text(&c, "id"));
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
            json_put(o, columns[i], json_str_or_null(csv_text(&c, columns[i])));
        json_put(o, "low", json_num(csv_number(&c, "low")));
        json_put(o, "high", json_num(csv_number(&c, "high")));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *list_devices(struct cli *cli)
{
    (void)cli;
    json_t *a = json_array();
    struct target t;
    struct err e = {0};
    for (int i = 0; target_at(&t, i, &e); i++)
        if (*t.id)
            json_array_append_new(a, target_to_json(&t));
    return a;
}

/* At the usual 4 bits, which most choose first. */
static void put_cost(json_t *o, const struct catalogue_model *m)
{
    enum { CONTEXT = 4096 };
    struct catalogue_cost c;
    int ctx = m->context < CONTEXT ? m->context : CONTEXT;
    bool known = catalogue_cost(&c, m, recipe_find("gguf/q4_k_m"), NULL, ctx, NULL) == 0;
    json_put(o, "q4_k_m_bytes", known ? json_integer(c.download_bytes) : json_null());
    json_put(o, "kv_4096_bytes", known ? json_integer(c.kv_bytes) : json_null());
    json_put(o, "read_bytes_per_token", known ? json_integer(c.read_bytes) : json_null());
}

/* Where each figure comes from, and the numbers of the architecture. */
static void put_details(json_t *o, const struct catalogue_model *m)
{
    json_put(o, "title", json_string(m->name));
    json_put(o, "family", json_string(m->family));
    json_put(o, "layers", json_integer(m->n_layer));
    json_put(o, "d_model", json_integer(m->d_model));
    json_put(o, "heads", json_integer(m->n_head));
    json_put(o, "kv_heads", json_integer(m->n_head_kv));
    json_put(o, "vocab", json_integer(m->n_vocab));
    json_put(o, "sliding_window", m->sliding_window ? json_integer(m->sliding_window) : json_null());
    json_put(o, "published_b", json_num(m->published_b));
    json_put(o, "published_source", json_str_or_null(m->published_source));
    json_put(o, "languages", json_str_or_null(m->languages));
    json_put(o, "languages_source", json_str_or_null(m->languages_source));
    json_put(o, "made_source", json_str_or_null(m->made_source));
    json_put(o, "score_source", json_str_or_null(m->score_source));
    json_put(o, "hf_repo", json_str_or_null(m->hf_repo));
    json_put(o, "gguf_repo", json_str_or_null(m->gguf_repo));
    json_put(o, "ollama_tag", json_str_or_null(m->ollama_tag));
    json_put(o, "formats_published", json_str_or_null(m->formats_published));
    json_put(o, "source", json_string(m->source));
}

static json_t *list_models(struct cli *cli)
{
    const struct catalogue_model *all;
    char line[256];
    json_t *a = json_array();
    for (int i = 0, n = catalogue_models(&all); i < n; i++) {
        const struct catalogue_model *m = &all[i];
        json_t *o = named(m->id);
        json_put(o, "class", json_string(catalogue_size_class(m)));
        json_put(o, "architecture", json_string(m->arch));
        json_put(o, "params_b", json_num(m->params_b));
        json_put(o, "active_params_b", m->n_expert || cli->json ? json_num(m->active_params_b) : json_null());
        json_put(o, "context", json_integer(m->context));
        put_cost(o, m);
        json_put(o, "licence", json_string(m->licence));
        json_put(o, "released", json_string(m->released));
        json_put(o, "tasks", json_string(m->tasks));
        json_put(o, "made_by", json_str_or_null(m->made_by));
        json_put(o, "mmlu", json_num(m->score_mmlu));
        json_put(o, "gsm8k", json_num(m->score_gsm8k));
        json_put(o, "humaneval", json_num(m->score_humaneval));
        json_put(o, "fetch", catalogue_download_line(m, NULL, line, sizeof line) ? json_string(line) : json_null());
        if (cli->json)
            put_details(o, m);
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *list_compatibility(struct cli *cli)
{
    (void)cli;
    json_t *a = json_array();
    struct csv c;
    for (bool more = csv_open(&c, dataset_compatibility) && csv_next(&c); more; more = csv_next(&c)) {
        json_t *o = named(csv_text(&c, "framework"));
        for (int i = 1; i < c.head.n; i++)
            json_put(o, c.head.field[i], json_str_or_null(csv_text(&c, c.head.field[i])));
        json_array_append_new(a, o);
    }
    return a;
}

/* How far predictions for devices that were left out are from what is published of them. */
static json_t *list_prediction(struct cli *cli)
{
    struct predict_error e[64];
    int n = predict_errors(e, 64);
    (void)cli;
    json_t *a = json_array();
    for (int i = 0; i < n; i++) {
        json_t *o = named(e[i].class_name);
        json_put(o, "phase", json_string(e[i].phase));
        json_put(o, "n", json_integer(e[i].n));
        json_put(o, "devices", json_integer(e[i].n_devices));
        json_put(o, "median_error", json_num(e[i].median));
        json_put(o, "median_error_of_devices", json_num(e[i].device_median));
        json_put(o, "within_90", json_integer(e[i].n_within));
        json_put(o, "interval_factor", json_num(e[i].factor));
        json_put(o, "suspect", json_integer(e[i].n_suspect));
        json_put(o, "refused", json_integer(e[i].n_refused));
        json_put(o, "refused_why", json_str_or_null(e[i].refused));
        for (int p = 0; p < N_PEERS; p++)
            json_put(o, predict_peer_names[p], json_num(e[i].peer[p]));
        json_array_append_new(a, o);
    }
    return a;
}

static const struct {
    const char *name;
    json_t *(*make)(struct cli *cli);
} tables[] = {
    {"formats", list_formats},
    {"kv", list_kv},
    {"codecs", list_codecs},
    {"kernels", list_kernels},
    {"shapes", list_shapes},
    {"architectures", list_architectures},
    {"frameworks", list_frameworks},
    {"metrics", list_metrics},
    {"claims", list_claims},
    {"devices", list_devices},
    {"prediction", list_prediction},
    {"models", list_models},
    {"compatibility", list_compatibility},
};
enum { N_TABLES = sizeof tables / sizeof *tables };

/* One line per row: the name, then the other scalar fields that are there. */
static void print_rows(const json_t *a)
{
    size_t i;
    const json_t *o;
    json_array_foreach(a, i, o)
    {
        printf("%-18s", json_get_str(o, "name", ""));
        const char *key;
        json_t *v;
        json_object_foreach((json_t *)(uintptr_t)o, key, v)
        {
            if (!strcmp(key, "name") || json_is_null(v))
                continue;
            struct sbuf b = {0};
            json_print(&b, v, 0);
            if (json_is_string(v))
                printf("  %s", json_string_value(v));
            else
                printf("  %s=%s", key, sbuf_str(&b));
            sbuf_free(&b);
        }
        putchar('\n');
    }
}

int cmd_list(struct cli *c)
{
    const char *names[N_TABLES];
    for (int i = 0; i < N_TABLES; i++) {
        names[i] = tables[i].name;
        if (strcmp(tables[i].name, c->arg[0]))
            continue;
        json_t *a = tables[i].make(c);
        if (!a)
            return EXIT_FAILED;
        if (c->json)
            return cli_print_json(a);
        print_rows(a);
        json_decref(a);
        return EXIT_DONE;
    }
    const char *near = cli_nearest(c->arg[0], names, N_TABLES);
    cli_warn("list %s: give models, devices, formats, kv, codecs, kernels, shapes, architectures, frameworks, "
             "compatibility, "
             "metrics or claims%s%s%s",
             c->arg[0], near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return EXIT_USAGE;
}
