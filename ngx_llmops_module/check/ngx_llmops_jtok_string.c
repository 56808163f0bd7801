
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_jtok_state.h"


static ngx_int_t ngx_llmops_jtok_count(ngx_llmops_jtok_t *t, size_t n);
static ngx_int_t ngx_llmops_jtok_in_string(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_quote(ngx_llmops_jtok_t *t);
static ngx_int_t ngx_llmops_jtok_escape(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_hex(ngx_llmops_jtok_t *t, u_char c);
static ngx_int_t ngx_llmops_jtok_char(ngx_llmops_jtok_t *t, uint32_t cp);
static ngx_int_t ngx_llmops_jtok_utf8(ngx_llmops_jtok_t *t, u_char c);


const u_char *
ngx_llmops_jtok_plain(ngx_llmops_jtok_t *t, const u_char *p,
    const u_char *last)
{
    size_t  n;

    n = ngx_llmops_json_plain(p, last) - p;

    if (n == 0) {
        return p;
    }

    if (!t->is_key && t->chars <= t->max_chars
        && n - 1 > t->max_chars - t->chars)
    {
        n = t->max_chars - t->chars + 1;
    }

    if (ngx_llmops_jtok_keep(t, p, n) != NGX_OK) {
        return NULL;
    }

    /* the offset is that of the character that is one too many */

    t->offset += n - 1;

    if (ngx_llmops_jtok_count(t, n) != NGX_OK) {
        return NULL;
    }

    t->offset -= n - 1;

    return p + n;
}


static ngx_int_t
ngx_llmops_jtok_count(ngx_llmops_jtok_t *t, size_t n)
{
    t->chars += n;

    if (t->is_key || t->chars <= t->max_chars
        || t->listener->over(t->data, t->chars) == NGX_OK)
    {
        return NGX_OK;
    }

    return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_REFUSED);
}


static ngx_int_t
ngx_llmops_jtok_in_string(ngx_llmops_jtok_t *t, u_char c)
{
    ngx_llmops_utf8_lead_t  lead;

    if (c == '"') {
        return ngx_llmops_jtok_quote(t);
    }

    if (c == '\\') {
        t->state = NGX_LLMOPS_JTOK_S_ESCAPE;
        return NGX_OK;
    }

    if (c < 0x80) {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_SYNTAX);
    }

    lead = ngx_llmops_utf8_lead(c);

    if (lead.more == 0) {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_UTF8);
    }

    t->left = lead.more;
    t->low = lead.low;
    t->high = lead.high;
    t->state = NGX_LLMOPS_JTOK_S_UTF8;

    return ngx_llmops_jtok_keep(t, &c, 1);
}


static ngx_int_t
ngx_llmops_jtok_quote(ngx_llmops_jtok_t *t)
{
    ngx_str_t  name;

    if (!t->is_key) {
        return ngx_llmops_jtok_end(t, NGX_LLMOPS_JTOK_STRING);
    }

    name.data = t->text.data ? t->text.data : (u_char *) "";
    name.len = t->text.len;

    t->state = NGX_LLMOPS_JTOK_S_COLON;

    return t->listener->key(t->data, &name) == NGX_OK
           ? NGX_OK : ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_REFUSED);
}


static ngx_int_t
ngx_llmops_jtok_escape(ngx_llmops_jtok_t *t, u_char c)
{
    t->state = NGX_LLMOPS_JTOK_S_STRING;

    switch (c) {

    case '"':
    case '\\':
    case '/':
        return ngx_llmops_jtok_char(t, c);

    case 'b':
        return ngx_llmops_jtok_char(t, '\b');

    case 'f':
        return ngx_llmops_jtok_char(t, '\f');

    case 'n':
        return ngx_llmops_jtok_char(t, '\n');

    case 'r':
        return ngx_llmops_jtok_char(t, '\r');

    case 't':
        return ngx_llmops_jtok_char(t, '\t');

    case 'u':
        t->state = NGX_LLMOPS_JTOK_S_HEX;
        t->left = 4;
        t->unit = 0;
        t->lead = 0;
        return NGX_OK;
    }

    return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_SYNTAX);
}


static ngx_int_t
ngx_llmops_jtok_hex(ngx_llmops_jtok_t *t, u_char c)
{
    uint32_t  low;

    if (c >= '0' && c <= '9') {
        t->unit = t->unit << 4 | (c - '0');

    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        t->unit = t->unit << 4 | ((c | 0x20) - 'a' + 10);

    } else {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_SYNTAX);
    }

    if (--t->left) {
        return NGX_OK;
    }

    low = (t->unit & 0xfffffc00) == 0xdc00;

    if ((t->lead != 0) != low) {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_UTF8);
    }

    if ((t->unit & 0xfffffc00) == 0xd800) {
        t->lead = t->unit;
        t->state = NGX_LLMOPS_JTOK_S_PAIR;
        return NGX_OK;
    }

    t->state = NGX_LLMOPS_JTOK_S_STRING;

    if (low) {
        t->unit = 0x10000 + ((t->lead & 0x3ff) << 10) + (t->unit & 0x3ff);
    }

    return ngx_llmops_jtok_char(t, t->unit);
}


/* one decoded character */

static ngx_int_t
ngx_llmops_jtok_char(ngx_llmops_jtok_t *t, uint32_t cp)
{
    u_char  buf[4], *p;

    p = buf;

    if (cp < 0x80) {
        *p++ = cp;

    } else if (cp < 0x800) {
        *p++ = 0xc0 | cp >> 6;
        *p++ = 0x80 | (cp & 0x3f);

    } else if (cp < 0x10000) {
        *p++ = 0xe0 | cp >> 12;
        *p++ = 0x80 | (cp >> 6 & 0x3f);
        *p++ = 0x80 | (cp & 0x3f);

    } else {
        *p++ = 0xf0 | cp >> 18;
        *p++ = 0x80 | (cp >> 12 & 0x3f);
        *p++ = 0x80 | (cp >> 6 & 0x3f);
        *p++ = 0x80 | (cp & 0x3f);
    }

    if (ngx_llmops_jtok_keep(t, buf, p - buf) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_llmops_jtok_count(t, 1);
}


static ngx_int_t
ngx_llmops_jtok_utf8(ngx_llmops_jtok_t *t, u_char c)
{
    if (c < t->low || c > t->high) {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_UTF8);
    }

    if (ngx_llmops_jtok_keep(t, &c, 1) != NGX_OK) {
        return NGX_DECLINED;
    }

    t->low = 0x80;
    t->high = 0xbf;

    if (--t->left) {
        return NGX_OK;
    }

    t->state = NGX_LLMOPS_JTOK_S_STRING;

    return ngx_llmops_jtok_count(t, 1);
}


/* the second half of a surrogate pair must follow */

static ngx_int_t
ngx_llmops_jtok_pair(ngx_llmops_jtok_t *t, u_char c)
{
    if (c != (t->state == NGX_LLMOPS_JTOK_S_PAIR ? '\\' : 'u')) {
        return ngx_llmops_jtok_fail(t, NGX_LLMOPS_JTOK_UTF8);
    }

    t->state++;

    if (t->state > NGX_LLMOPS_JTOK_S_PAIR_U) {
        t->state = NGX_LLMOPS_JTOK_S_HEX;
        t->left = 4;
        t->unit = 0;
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_jtok_string(ngx_llmops_jtok_t *t, u_char c)
{
    switch (t->state) {

    case NGX_LLMOPS_JTOK_S_STRING:
        return ngx_llmops_jtok_in_string(t, c);

    case NGX_LLMOPS_JTOK_S_ESCAPE:
        return ngx_llmops_jtok_escape(t, c);

    case NGX_LLMOPS_JTOK_S_HEX:
        return ngx_llmops_jtok_hex(t, c);

    case NGX_LLMOPS_JTOK_S_UTF8:
        return ngx_llmops_jtok_utf8(t, c);

    default:
        return ngx_llmops_jtok_pair(t, c);
    }
}
