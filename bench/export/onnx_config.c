/* genai_config.json: what ONNX Runtime GenAI must know of a graph to run it. */
#include <string.h>
#include "base/json.h"
#include "base/os.h"
#include "bench/export/onnx_graph.h"

/* Decoders of other architectures exist there, but none that our graph is. */
static const char *const genai_types[N_ARCHS] = {[ARCH_LLAMA] = "llama",
                                                 [ARCH_QWEN2] = "qwen2",
                                                 [ARCH_QWEN3] = "qwen3",
                                                 [ARCH_GEMMA3] = "gemma3_text",
                                                 [ARCH_PHI3] = "phi3"};

const char *onnx_genai_type(const struct arch *a)
{
    return genai_types[a - archs];
}

/* One id, or all that end a text. */
static json_t *end_ids(const struct vocab *v)
{
    json_t *ids = json_array();
    if (vocab_eos(v) >= 0)
        json_array_append_new(ids, json_integer(vocab_eos(v)));
    for (int32_t i = 0; i < vocab_size(v); i++)
        if (vocab_is_end(v, i) && i != vocab_eos(v))
            json_array_append_new(ids, json_integer(i));
    return ids;
}

static json_t *decoder_json(const struct model_desc *d)
{
    json_t *o = json_object(), *in = json_object(), *out = json_object(), *session = json_object();
    json_put(session, "log_id", json_string("onnxruntime-genai"));
    json_put(session, "provider_options", json_array());
    json_put(in, "input_ids", json_string("input_ids"));
    json_put(in, "attention_mask", json_string("attention_mask"));
    json_put(in, "past_key_names", json_string("past_key_values.%d.key"));
    json_put(in, "past_value_names", json_string("past_key_values.%d.value"));
    json_put(out, "logits", json_string("logits"));
    json_put(out, "present_key_names", json_string("present.%d.key"));
    json_put(out, "present_value_names", json_string("present.%d.value"));
    json_put(o, "session_options", session);
    json_put(o, "filename", json_string("model.onnx"));
    json_put(o, "head_size", json_integer(d->head_dim));
    json_put(o, "hidden_size", json_integer(d->d_model));
    json_put(o, "inputs", in);
    json_put(o, "outputs", out);
    json_put(o, "num_attention_heads", json_integer(d->n_head));
    json_put(o, "num_hidden_layers", json_integer(d->n_layer));
    json_put(o, "num_key_value_heads", json_integer(d->n_head_kv));
    return o;
}

static json_t *model_json(const struct model *m)
{
    json_t *o = json_object();
    const int32_t eos = vocab_eos(m->vocab);
    json_put(o, "type", json_string(onnx_genai_type(m->d.arch)));
    json_put(o, "context_length", json_integer(onnx_context(&m->d)));
    json_put(o, "vocab_size", json_integer(m->d.n_vocab));
    if (vocab_bos(m->vocab) >= 0)
        json_put(o, "bos_token_id", json_integer(vocab_bos(m->vocab)));
    json_put(o, "eos_token_id", end_ids(m->vocab));
    json_put(o, "pad_token_id", json_integer(eos < 0 ? 0 : eos));
    json_put(o, "decoder", decoder_json(&m->d));
    return o;
}

/* Greedy, and as long as the model goes. */
static json_t *search_json(const struct model_desc *d)
{
    json_t *o = json_object();
    json_put(o, "do_sample", json_false());
    json_put(o, "max_length", json_integer(onnx_context(d)));
    json_put(o, "min_length", json_integer(0));
    json_put(o, "num_beams", json_integer(1));
    json_put(o, "num_return_sequences", json_integer(1));
    json_put(o, "past_present_share_buffer", json_true());
    json_put(o, "repetition_penalty", json_real(1.0));
    json_put(o, "temperature", json_real(1.0));
    json_put(o, "top_k", json_integer(1));
    json_put(o, "top_p", json_real(1.0));
    return o;
}

int onnx_write_config(const char *path, const struct model *m, struct err *e)
{
    struct sbuf b = {0};
    json_t *o = json_object();
    json_put(o, "model", model_json(m));
    json_put(o, "search", search_json(&m->d));
    json_print(&b, o, 4);
    sbuf_putc(&b, '\n');
    json_decref(o);
    int rc = b.failed ? err_nomem(e, b.n, path) : file_write(path, b.p, b.n, e);
    sbuf_free(&b);
    return rc;
}
