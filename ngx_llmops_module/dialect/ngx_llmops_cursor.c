
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_tokens.h"


#define NGX_LLMOPS_CURSOR_DEPTH  8


/* how many bytes of UTF-8 the four digits at p stand for */

static size_t
ngx_llmops_cursor_escape(u_char *p)
{
    if (p[0] == '0') {
        if (p[1] != '0') {
            return (p[1] < '8') ? 2 : 3;
        }

        return (p[2] < '8') ? 1 : 2;
    }

    /* each half of a surrogate pair gives two of its four bytes */

    return ((p[0] | 0x20) == 'd' && p[1] >= '8') ? 2 : 3;
}


/* bytes of the text of a raw string, [p, last) being between its quotes */

static size_t
ngx_llmops_cursor_decoded(u_char *p, u_char *last)
{
    size_t   n;
    u_char  *b;

    n = 0;

    for ( ;; ) {
        b = ngx_llmops_cursor_quote(p, last);
        n += b - p;

        if (last - b < 2) {
            return n;
        }

        if (b[1] == 'u' && last - b >= 6) {
            n += ngx_llmops_cursor_escape(b + 2);
            p = b + 6;

        } else {
            n++;
            p = b + 2;
        }
    }
}


/* [p, last) is the inside of a string, of that many bytes when decoded */

static void
ngx_llmops_cursor_add(ngx_llmops_text_t *text, u_char *p, u_char *last,
    size_t bytes)
{
    text->bytes += bytes;

    if (bytes && !text->whole) {
        text->tokens += ngx_llmops_tokens_event(p, last);
    }
}


ngx_int_t
ngx_llmops_cursor_text(ngx_llmops_cursor_t *c, ngx_llmops_text_t *text)
{
    u_char  *p, *end;

    p = c->pos;

    if (*p != '"') {
        return ngx_llmops_cursor_skip(c);
    }

    p++;
    end = ngx_llmops_cursor_quote(p, c->last);

    if (end < c->last && *end == '"') {
        ngx_llmops_cursor_add(text, p, end, end - p);
        c->pos = end + 1;
        return NGX_OK;
    }

    end = ngx_llmops_cursor_string(end, c->last);

    if (end == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_cursor_add(text, p, end - 1,
                          ngx_llmops_cursor_decoded(p, end - 1));
    c->pos = end;

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_cursor_is_text(ngx_str_t *key)
{
    return ngx_llmops_is(key, "text") || ngx_llmops_is(key, "thinking")
           || ngx_llmops_is(key, "arguments") || ngx_llmops_is(key, "input");
}


static ngx_int_t
ngx_llmops_cursor_texts_member(ngx_llmops_cursor_t *c, ngx_str_t *key,
    ngx_llmops_text_t *text, ngx_uint_t depth)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    if (*c->pos == '"') {
        return ngx_llmops_cursor_is_text(key)
               ? ngx_llmops_cursor_text(c, text)
               : ngx_llmops_cursor_skip(c);
    }

    if (*c->pos == '{'
        && (ngx_llmops_is(key, "arguments") || ngx_llmops_is(key, "input")))
    {
        /* some servers send them as an object; "{}" is what all begin with */

        rc = ngx_llmops_cursor_value(c, &value);

        if (rc == NGX_OK && value.len > 2) {
            ngx_llmops_cursor_add(text, value.data, value.data + value.len,
                                  value.len);
        }

        return rc;
    }

    return ngx_llmops_cursor_texts(c, text, depth);
}


ngx_int_t
ngx_llmops_cursor_texts(ngx_llmops_cursor_t *c, ngx_llmops_text_t *text,
    ngx_uint_t depth)
{
    ngx_int_t  rc;
    ngx_str_t  key;

    if (depth == NGX_LLMOPS_CURSOR_DEPTH
        || (*c->pos != '{' && *c->pos != '['))
    {
        return ngx_llmops_cursor_skip(c);
    }

    if (*c->pos++ == '[') {

        while ((rc = ngx_llmops_cursor_element(c)) == NGX_OK) {

            if (ngx_llmops_cursor_texts(c, text, depth + 1) != NGX_OK) {
                return NGX_ERROR;
            }
        }

    } else {

        while ((rc = ngx_llmops_cursor_member(c, &key)) == NGX_OK) {

            if (ngx_llmops_cursor_texts_member(c, &key, text, depth + 1)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}
