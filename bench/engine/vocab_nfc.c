/* Normalization form C through utf8proc (vocab_nfc.h). */
#include "bench/engine/vocab_nfc.h"
#include <stdint.h>
#include <stdlib.h>
#include <utf8proc.h>

bool nfc_is_plain(const char *text, size_t n)
{
    uint8_t most = 0;
    for (size_t i = 0; i < n; i++)
        most = (uint8_t)text[i] > most ? (uint8_t)text[i] : most;
    return most < 0xcc; /* the first byte of U+0300 */
}

/* Bytes at the front that are whole characters. */
static size_t n_valid(const uint8_t *p, size_t n)
{
    size_t at = 0;
    utf8proc_int32_t c;
    for (utf8proc_ssize_t len; at < n && (len = utf8proc_iterate(p + at, (utf8proc_ssize_t)(n - at), &c)) > 0;)
        at += (size_t)len;
    return at;
}

static int add_valid(struct sbuf *out, const uint8_t *p, size_t n, struct err *e)
{
    uint8_t *composed = NULL;
    utf8proc_ssize_t len =
        utf8proc_map(p, (utf8proc_ssize_t)n, &composed, (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (len < 0)
        return len == UTF8PROC_ERROR_NOMEM
                   ? err_nomem(e, 4 * n, "a text to be composed")
                   : err_set(e, ERR_DATA, "a text cannot be composed (NFC): %s", utf8proc_errmsg(len));
    sbuf_add(out, composed, (size_t)len);
    free(composed);
    return 0;
}

int nfc_add(struct sbuf *out, const char *text, size_t n, struct err *e)
{
    int rc = 0;
    for (size_t at = 0; at < n && rc == 0;) {
        const uint8_t *p = (const uint8_t *)text + at;
        size_t good = n_valid(p, n - at);
        if (good)
            rc = add_valid(out, p, good, e);
        else
            sbuf_putc(out, (char)*p);
        at += good ? good : 1;
    }
    return rc || !out->failed ? rc : err_nomem(e, n, "a text to be composed");
}
