/* The calibration as JSON, and in the store: a row an environment, thread count and instruction mask (rates.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "bench/rates.h"
#include "bench/store_int.h"

const char *const rate_shape_ids[RATE_SHAPES] = {"qwen3-0.6b", "llama-3.2-1b", "llama-3.1-8b"};

const char *rates_build(char out[96])
{
    snprintf(out, 96, "%s %.60s %s", WHICHQUANT_VERSION, __VERSION__, "rates 1");
    return out;
}

static const char *isa_text(uint64_t isa, char out[24])
{
    snprintf(out, 24, "%016llx", (unsigned long long)isa);
    return out;
}

/* ---- JSON ---- */

static json_t *interval_json(struct interval x)
{
    json_t *a = json_array();
    json_array_append_new(a, json_num(x.v));
    json_array_append_new(a, json_num(x.lo));
    json_array_append_new(a, json_num(x.hi));
    return a;
}

static json_t *shapes_json(const struct interval x[RATE_SHAPES])
{
    json_t *o = json_object();
    for (int i = 0; i < RATE_SHAPES; i++)
        json_put(o, rate_shape_ids[i], interval_json(x[i]));
    return o;
}

static json_t *codec_json(const struct codec_rate *c)
{
    json_t *o = json_object();
    json_put(o, "codec", json_string(c->codec));
    json_put(o, "activations", json_string(c->act));
    json_put(o, "bits", json_integer(c->par.bits));
    json_put(o, "group", json_integer(c->par.group));
    json_put(o, "sym", json_integer(c->par.sym));
    json_put(o, "scale_type", json_integer(c->par.scale_type));
    json_put(o, "zero_type", json_integer(c->par.zero_type));
    json_put(o, "decode_gb_s", shapes_json(c->decode_gb_s));
    json_put(o, "prefill_gop_s", shapes_json(c->prefill_gop_s));
    return o;
}

json_t *rates_to_json(const struct machine_rates *r)
{
    char isa[24];
    json_t *o = json_object(), *bandwidth = json_array(), *rates = json_array();
    json_put(o, "env_sha256", json_str_or_null(r->env_sha256));
    json_put(o, "build", json_string(r->build));
    json_put(o, "date", json_string(r->date));
    json_put(o, "isa_mask", json_string(isa_text(r->isa, isa)));
    json_put(o, "threads", json_integer(r->threads));
    json_put(o, "decode_threads", json_integer(r->decode_threads));
    json_put(o, "cache_bytes", json_integer(r->cache_bytes));
    json_put(o, "rounds", json_integer(r->n_rounds));
    json_put(o, "seconds", json_num(r->seconds));
    for (int i = 0; i < r->n_bandwidth; i++) {
        json_t *b = json_object();
        json_put(b, "threads", json_integer(r->bandwidth[i].threads));
        json_put(b, "gb_s", interval_json(r->bandwidth[i].gb_s));
        json_array_append_new(bandwidth, b);
    }
    json_put(o, "bandwidth", bandwidth);
    json_put(o, "seen_gb_s", interval_json(r->seen_gb_s));
    json_put(o, "kv_gb_s", interval_json(r->kv_gb_s));
    json_put(o, "value_ns", interval_json(r->value_ns));
    json_put(o, "pair_ns", interval_json(r->pair_ns));
    for (int i = 0; i < r->n_codecs; i++)
        json_array_append_new(rates, codec_json(&r->codec[i]));
    json_put(o, "codecs", rates);
    return o;
}

static int64_t get_int(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) ? json_integer_value(v) : 0;
}

static struct interval get_interval(const json_t *a)
{
    double x[3];
    for (size_t i = 0; i < 3; i++) {
        const json_t *v = json_array_get(a, i);
        x[i] = json_is_number(v) ? json_number_value(v) : NAN;
    }
    return (struct interval){x[0], x[1], x[2]};
}

static void get_shapes(struct interval x[RATE_SHAPES], const json_t *o)
{
    for (int i = 0; i < RATE_SHAPES; i++)
        x[i] = get_interval(json_object_get(o, rate_shape_ids[i]));
}

static void get_codec(struct codec_rate *c, const json_t *o)
{
    *c = (struct codec_rate){.par = {.bits = (uint8_t)get_int(o, "bits"),
                                     .sym = (uint8_t)get_int(o, "sym"),
                                     .scale_type = (uint8_t)get_int(o, "scale_type"),
                                     .zero_type = (uint8_t)get_int(o, "zero_type"),
                                     .group = (int32_t)get_int(o, "group")}};
    snprintf(c->codec, sizeof c->codec, "%s", json_get_str(o, "codec", ""));
    snprintf(c->act, sizeof c->act, "%s", json_get_str(o, "activations", ""));
    get_shapes(c->decode_gb_s, json_object_get(o, "decode_gb_s"));
    get_shapes(c->prefill_gop_s, json_object_get(o, "prefill_gop_s"));
}

int rates_from_json(struct machine_rates *r, const json_t *j, struct err *e)
{
    unsigned long long isa = 0;
    *r = (struct machine_rates){0};
    snprintf(r->env_sha256, sizeof r->env_sha256, "%s", json_get_str(j, "env_sha256", ""));
    snprintf(r->build, sizeof r->build, "%s", json_get_str(j, "build", ""));
    snprintf(r->date, sizeof r->date, "%s", json_get_str(j, "date", ""));
    if (sscanf(json_get_str(j, "isa_mask", ""), "%16llx", &isa) != 1 || !*r->build)
        return err_set(e, ERR_FORMAT, "this is no calibration: it names no build or no instruction set");
    r->isa = isa;
    r->threads = (int)get_int(j, "threads");
    r->decode_threads = (int)get_int(j, "decode_threads");
    r->cache_bytes = get_int(j, "cache_bytes");
    r->n_rounds = (int)get_int(j, "rounds");
    r->seconds = json_get_num(j, "seconds");
    const json_t *a = json_object_get(j, "bandwidth"), *rates = json_object_get(j, "codecs");
    for (size_t i = 0; i < json_array_size(a) && r->n_bandwidth < RATE_MOST_THREADS; i++) {
        r->bandwidth[r->n_bandwidth].threads = (int)get_int(json_array_get(a, i), "threads");
        r->bandwidth[r->n_bandwidth++].gb_s = get_interval(json_object_get(json_array_get(a, i), "gb_s"));
    }
    r->seen_gb_s = get_interval(json_object_get(j, "seen_gb_s"));
    r->kv_gb_s = get_interval(json_object_get(j, "kv_gb_s"));
    r->value_ns = get_interval(json_object_get(j, "value_ns"));
    r->pair_ns = get_interval(json_object_get(j, "pair_ns"));
    for (size_t i = 0; i < json_array_size(rates) && r->n_codecs < RATE_MOST_CODECS; i++)
        get_codec(&r->codec[r->n_codecs++], json_array_get(rates, i));
    return 0;
}

void rates_remember(struct machine_rates *r, const struct machine_rates *earlier)
{
    const struct interval now = r->n_bandwidth ? r->bandwidth[0].gb_s : INTERVAL_NONE, then = earlier->seen_gb_s;
    r->seen_gb_s = (struct interval){now.v, fmin(now.v, then.lo), fmax(now.v, then.hi)}; /* fmin, fmax pass over NaN */
}

/* ---- the store ---- */

int store_put_rates(struct store *s, const struct machine_rates *r, struct err *e)
{
    char isa[24];
    struct sbuf text = {0};
    json_t *j = rates_to_json(r);
    json_print(&text, j, 0);
    json_decref(j);
    int64_t rc = text.failed
                     ? err_nomem(e, text.n, "the calibration")
                     : db_run(s->db,
                              "INSERT INTO calibration(env_sha256, isa, build, date, json, threads)"
                              " VALUES($1,$2,$3,$4,$5,$6) ON CONFLICT(env_sha256, threads, isa) DO UPDATE SET"
                              " build = excluded.build, date = excluded.date, json = excluded.json",
                              DB_VALUES(db_text(r->env_sha256), db_text(isa_text(r->isa, isa)), db_text(r->build),
                                        db_text(r->date), db_text(sbuf_str(&text)), db_int(r->threads)),
                              e);
    sbuf_free(&text);
    return rc < 0 ? (int)rc : 0;
}

static int read_text(struct machine_rates *out, const char *text, const char *where, struct err *e)
{
    char build[96];
    json_t *j = NULL;
    int rc = json_parse(&j, text, strlen(text), where, e);
    if (rc == 0)
        rc = rates_from_json(out, j, e);
    json_decref(j);
    return rc < 0 ? rc : strcmp(out->build, rates_build(build)) == 0;
}

int store_get_rates(struct store *s, const char *env_sha256, int threads, uint64_t isa, struct machine_rates *out,
                    struct err *e)
{
    char mask[24];
    struct db_rows *q;
    *out = (struct machine_rates){.seen_gb_s = INTERVAL_NONE};
    int rc = db_query(&q, s->db, "SELECT json FROM calibration WHERE env_sha256 = $1 AND isa = $2 AND threads = $3",
                      DB_VALUES(db_text(env_sha256), db_text(isa_text(isa, mask)), db_int(threads)), e);
    if (rc == 0 && (rc = db_next(q, e)) > 0)
        rc = read_text(out, db_get_text(q, 0, NULL), store_path(s), e);
    db_done(q);
    return rc;
}
