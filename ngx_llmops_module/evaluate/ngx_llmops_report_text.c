
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_report_text.h"


/*
 * Texts of others in a report.  They come as jansson's strings, which are
 * UTF-8; whoever calls with others gets U+FFFD for what is none.
 */


#define NGX_LLMOPS_REPORT_CELL     200     /* bytes of a text in Markdown */
#define NGX_LLMOPS_REPORT_WHY      1024
#define NGX_LLMOPS_REPORT_UNKNOWN  "\xef\xbf\xbd"


static ngx_uint_t ngx_llmops_report_formula(const u_char *p,
    const u_char *last);


/* the length of the character at p, 0 if it is none, or none that a text has:
   XML allows no control characters */

static size_t
ngx_llmops_report_char(const u_char *p, const u_char *last)
{
    size_t  n;

    if (*p < 0x80) {
        return (*p >= ' ' && *p != 0x7f) || *p == '\t' || *p == '\n'
               || *p == '\r';
    }

    n = ngx_llmops_utf8_len(p, last);

    /* U+FFFE and U+FFFF */

    if (n == 3 && p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe) {
        return 0;
    }

    return n;
}


void
ngx_llmops_report_xml_text(ngx_llmops_out_t *out, const char *text,
    size_t len)
{
    size_t         n;
    const u_char  *p, *last;

    p = (const u_char *) text;
    last = p + len;

    for ( /* void */ ; p < last; p += n) {
        n = ngx_llmops_report_char(p, last);

        if (n == 0) {
            n = 1;
            (void) ngx_llmops_out_lit(out, NGX_LLMOPS_REPORT_UNKNOWN);
            continue;
        }

        if (ngx_llmops_out_entity(out, *p)) {
            continue;
        }

        switch (*p) {

        case '\n':
            (void) ngx_llmops_out_lit(out, "&#10;");
            break;

        case '\r':
            (void) ngx_llmops_out_lit(out, "&#13;");
            break;

        case '\t':
            (void) ngx_llmops_out_lit(out, "&#9;");
            break;

        default:
            (void) ngx_llmops_out_write(out, p, n);
        }
    }
}


/*
 * A cell that begins with one of these, be it behind white space, may be taken
 * for a formula; an apostrophe before it makes it a text (OWASP, "CSV
 * Injection").  Their full-width forms count for some spreadsheets, too.
 */

static ngx_uint_t
ngx_llmops_report_formula(const u_char *p, const u_char *last)
{
    while (p < last && *p == ' ') {
        p++;
    }

    if (p == last) {
        return 0;
    }

    if (last - p > 2 && p[0] == 0xef && p[1] == 0xbc) {
        return p[2] == 0x9d || p[2] == 0x8b || p[2] == 0x8d || p[2] == 0xa0;
    }

    return *p == '=' || *p == '+' || *p == '-' || *p == '@' || *p == '\t'
           || *p == '\r' || *p == '\n';
}


void
ngx_llmops_report_csv_text(ngx_llmops_out_t *out, const char *text,
    size_t len)
{
    size_t         n;
    const u_char  *p, *last;

    p = (const u_char *) text;
    last = p + len;

    (void) ngx_llmops_out_lit(out, "\"");

    if (ngx_llmops_report_formula(p, last)) {
        (void) ngx_llmops_out_lit(out, "'");
    }

    for ( /* void */ ; p < last; p += n) {
        n = ngx_llmops_report_char(p, last);

        if (n == 0) {
            n = 1;
            (void) ngx_llmops_out_lit(out, NGX_LLMOPS_REPORT_UNKNOWN);

        } else if (*p == '"') {
            (void) ngx_llmops_out_lit(out, "\"\"");

        } else {
            (void) ngx_llmops_out_write(out, p, n);
        }
    }

    (void) ngx_llmops_out_lit(out, "\"");
}


/*
 * All that could be markup is escaped by a backslash, which CommonMark allows
 * before any punctuation; lines are joined, so that nothing stands at the
 * beginning of one.  Neither does an address become a link (not even where a
 * host makes links of bare ones), nor a name behind an @ somebody who is told.
 */

void
ngx_llmops_report_markdown_text(ngx_llmops_out_t *out, const char *text,
    size_t len)
{
    size_t         n;
    const u_char  *p, *start, *last;

    start = (const u_char *) text;
    last = start + len;

    for (p = start; p < last; p += n) {
        n = ngx_llmops_report_char(p, last);

        if (p - start + n > NGX_LLMOPS_REPORT_CELL) {
            (void) ngx_llmops_out_lit(out, "...");
            return;
        }

        if (n == 0) {
            n = 1;
            (void) ngx_llmops_out_lit(out, NGX_LLMOPS_REPORT_UNKNOWN);
            continue;
        }

        if (*p == '\n' || *p == '\r' || *p == '\t') {
            (void) ngx_llmops_out_lit(out, " ");
            continue;
        }

        if (strchr("\\`*_[]<>|&~#!$^", *p)
            || (*p == ':' && last - p > 1 && p[1] == '/')
            || (*p == '.' && p - start >= 3 && (p[-1] | 0x20) == 'w'))
        {
            (void) ngx_llmops_out_lit(out, "\\");
        }

        (void) ngx_llmops_out_write(out, p, n);

        if (*p == '@') {
            (void) ngx_llmops_out_lit(out, "\xe2\x80\x8b");
        }
    }
}


void
ngx_llmops_report_value(ngx_llmops_out_t *out, json_t *value,
    ngx_llmops_report_text_pt text)
{
    char  *dump, buf[64];

    switch (value ? json_typeof(value) : JSON_NULL) {

    case JSON_NULL:
        return;

    case JSON_STRING:
        text(out, json_string_value(value), json_string_length(value));
        return;

    case JSON_TRUE:
        (void) ngx_llmops_out_lit(out, "true");
        return;

    case JSON_FALSE:
        (void) ngx_llmops_out_lit(out, "false");
        return;

    case JSON_INTEGER:
        (void) ngx_llmops_out_int(out, json_integer_value(value));
        return;

    case JSON_REAL:
        (void) ngx_llmops_out_write(out, buf,
                                    snprintf(buf, sizeof(buf), "%.9g",
                                             json_real_value(value)));
        return;

    default: /* JSON_ARRAY, JSON_OBJECT */
        dump = json_dumps(value, JSON_COMPACT|JSON_REAL_PRECISION(15));

        if (dump == NULL) {
            out->failed = 1;
            return;
        }

        text(out, dump, strlen(dump));
        free(dump);
    }
}


void
ngx_llmops_report_csv(ngx_llmops_out_t *out, json_t *value)
{
    ngx_llmops_report_value(out, value, ngx_llmops_report_csv_text);
}


void
ngx_llmops_report_number(ngx_llmops_out_t *out, json_t *value, int decimals)
{
    int   n;
    char  buf[400];

    if (!json_is_number(value)) {
        (void) ngx_llmops_out_lit(out, "-");
        return;
    }

    n = snprintf(buf, sizeof(buf), "%.*f", decimals,
                 json_number_value(value));

    (void) ngx_llmops_out_write(out, buf,
                                ngx_min((size_t) n, sizeof(buf) - 1));
}


void
ngx_llmops_report_why(json_t *result, ngx_llmops_report_text_pt text,
    ngx_llmops_out_t *out)
{
    size_t             i;
    json_t            *check, *error;
    const char        *name, *why;
    ngx_llmops_out_t   line;

    ngx_llmops_out_init(&line, 64 * NGX_LLMOPS_REPORT_WHY);

    error = json_object_get(result, "error");

    if (json_is_string(error)) {
        (void) ngx_llmops_out_write(&line, json_string_value(error),
                                    ngx_min(json_string_length(error),
                                            NGX_LLMOPS_REPORT_WHY));
    }

    json_array_foreach(json_object_get(result, "checks"), i, check) {

        if (!json_is_false(json_object_get(check, "passed"))
            || line.len > NGX_LLMOPS_REPORT_WHY)
        {
            continue;
        }

        name = json_string_value(json_object_get(check, "name"));
        why = json_string_value(json_object_get(check, "why"));

        if (line.len) {
            (void) ngx_llmops_out_lit(&line, "; ");
        }

        (void) ngx_llmops_out_write(&line, name ? name : "check",
                                    name ? strlen(name) : 5);

        if (why && *why) {
            (void) ngx_llmops_out_lit(&line, ": ");
            (void) ngx_llmops_out_write(&line, why, strlen(why));
        }
    }

    if (line.failed) {
        out->failed = 1;

    } else {
        text(out, line.data ? (char *) line.data : "", line.len);
    }

    ngx_llmops_out_free(&line);
}


ngx_uint_t
ngx_llmops_report_baseline(ngx_llmops_report_t *rep, json_t *name)
{
    json_t  *baseline;

    baseline = json_object_get(rep->evaluation, "baseline");

    return json_is_string(baseline) && json_equal(baseline, name);
}
