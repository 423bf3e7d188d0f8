/* The frame of every page: one file that loads nothing. The policy in its head lets no script run but the one whose
 * hash it names. */
#include <string.h>
#include "base/hash.h"
#include "reports/escape.h"
#include "reports/html_parts.h"

extern const char asset_style[], asset_table[];

static void script_hash(struct sbuf *out, const char *script)
{
    char hex[65];
    unsigned char raw[32] = {0};
    sha256_hex(script, strlen(script), hex);
    for (int i = 0; i < 32; i++)
        for (int k = 0; k < 2; k++) {
            char c = hex[2 * i + k];
            raw[i] = (unsigned char)(raw[i] << 4 | (c <= '9' ? c - '0' : c - 'a' + 10));
        }
    sbuf_puts(out, "'sha256-");
    escape_base64(out, raw, 32);
    sbuf_putc(out, '\'');
}

void html_page_begin(struct sbuf *out, const char *title, const char *date)
{
    html_page_begin_with(out, title, date, "", NULL);
}

void html_page_begin_with(struct sbuf *out, const char *title, const char *date, const char *style, const char *script)
{
    sbuf_puts(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                   "'unsafe-inline'; script-src ");
    script_hash(out, asset_table);
    if (script) {
        sbuf_putc(out, ' ');
        script_hash(out, script);
    }
    sbuf_puts(out, "; base-uri 'none'; form-action 'none'\">\n<meta name=\"viewport\" content=\"width=device-width, "
                   "initial-scale=1\">\n"
                   "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" "
                   "content=\"no-referrer\">\n<title>");
    escape_html(out, title);
    sbuf_puts(out, "</title>\n<style>\n");
    sbuf_puts(out, asset_style);
    sbuf_puts(out, style);
    sbuf_puts(out, "</style>\n</head>\n<body>\n<div class=\"page\">\n<a class=\"skip\" href=\"#answer\">Skip to the "
                   "answer</a>\n<header class=\"top\"><span "
                   "class=\"brand\">whichquant</span><span class=\"where\">");
    escape_html(out, title);
    sbuf_puts(out, "</span><span>");
    escape_html(out, date);
    sbuf_puts(out, "</span></header>\n<main id=\"answer\" tabindex=\"-1\">\n");
}

void html_page_end(struct sbuf *out)
{
    html_page_end_with(out, NULL);
}

void html_page_end_with(struct sbuf *out, const char *script)
{
    sbuf_puts(out, "</main>\n</div>\n<script>");
    sbuf_puts(out, asset_table);
    if (script) {
        sbuf_puts(out, "</script>\n<script>");
        sbuf_puts(out, script);
    }
    sbuf_puts(out, "</script>\n</body>\n</html>\n");
}
