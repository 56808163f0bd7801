
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_multipart.h"


/*
 * A part ends where the delimiter CRLF "--" boundary begins.  CR is its first
 * byte and, as a boundary has none, appears in it only there: after a
 * mismatch the search goes on with the byte that did not match, and the bytes
 * that did are data.
 *
 * The value that is found here decides where a request may go, while some
 * other parser decides what the provider sees.  Therefore what parsers are
 * known to read in different ways is refused: folded lines, a bare CR or LF
 * in a header, two names, "name*" and "name*0", blanks that some of them strip
 * and what they take for quotes, encoded values, a delimiter whose CRLF is that
 * of the header before it.
 */


typedef enum {
    NGX_LLMOPS_MULTIPART_DATA = 0,         /* or the preamble */
    NGX_LLMOPS_MULTIPART_DELIMITER,        /* behind a delimiter */
    NGX_LLMOPS_MULTIPART_DASH,
    NGX_LLMOPS_MULTIPART_PADDING,
    NGX_LLMOPS_MULTIPART_LF,
    NGX_LLMOPS_MULTIPART_HEAD,
    NGX_LLMOPS_MULTIPART_END,
    NGX_LLMOPS_MULTIPART_BAD
} ngx_llmops_multipart_state_e;


/* compares a name with one in lower case */

static ngx_uint_t
ngx_llmops_multipart_is(const u_char *p, size_t len, const char *name)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (name[i] == '\0' || ngx_tolower(p[i]) != (u_char) name[i]) {
            return 0;
        }
    }

    return name[len] == '\0';
}


/* RFC 9110, 5.6.2 */

static ngx_uint_t
ngx_llmops_multipart_is_token(u_char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
           || (c >= 'A' && c <= 'Z')
           || (c && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}


static const u_char *
ngx_llmops_multipart_pass_token(const u_char *p, const u_char *last)
{
    while (p < last && ngx_llmops_multipart_is_token(*p)) {
        p++;
    }

    return p;
}


static const u_char *
ngx_llmops_multipart_pass_space(const u_char *p, const u_char *last)
{
    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    return p;
}


/*
 * Reads a parameter's value, a token or a quoted string, behind "=".  At most
 * size bytes go to dst, *len counts all.  Returns one past it, or NULL.
 */

static const u_char *
ngx_llmops_multipart_value(const u_char *p, const u_char *last, u_char *dst,
    size_t size, size_t *len)
{
    ngx_uint_t  quoted;

    *len = 0;
    quoted = (p < last && *p == '"');

    for (p += quoted; p < last; p++) {

        if (quoted) {

            if (*p == '"') {
                return p + 1;
            }

            if (*p == '\\' && ++p == last) {
                return NULL;
            }

        } else if (*p == ';' || *p == ' ' || *p == '\t') {
            break;

        } else if (*p < 0x20 || *p >= 0x7f || *p == '"' || *p == '<'
                   || *p == '>')
        {
            return NULL;
        }

        if (*len < size) {
            dst[*len] = *p;
        }

        (*len)++;
    }

    return quoted ? NULL : p;
}


/*
 * Looks for one parameter behind the main value of a header.  NGX_OK and the
 * value in dst, NGX_DECLINED if there is none, NGX_ERROR if it is there twice
 * or the header cannot be read.
 */

static ngx_int_t
ngx_llmops_multipart_param(const u_char *p, const u_char *last,
    const char *name, u_char *dst, size_t size, size_t *len)
{
    size_t         n, key_len, name_len;
    u_char         other[1];
    ngx_uint_t     found, wanted;
    const u_char  *key;

    found = 0;
    name_len = ngx_strlen(name);

    for ( ;; ) {
        p = ngx_llmops_multipart_pass_space(p, last);

        if (p == last) {
            return found ? NGX_OK : NGX_DECLINED;
        }

        if (*p != ';') {
            return NGX_ERROR;
        }

        key = ngx_llmops_multipart_pass_space(p + 1, last);

        if (key == last) {
            p = last;
            continue;
        }

        p = ngx_llmops_multipart_pass_token(key, last);

        if (p == last || *p != '=') {
            return NGX_ERROR;
        }

        key_len = p - key;
        wanted = ngx_llmops_multipart_is(key, key_len, name);

        /* encoded, or in pieces: RFC 2231 */

        if (key_len > name_len && key[name_len] == '*'
            && ngx_llmops_multipart_is(key, name_len, name))
        {
            return NGX_ERROR;
        }

        if (wanted && found) {
            return NGX_ERROR;
        }

        found |= wanted;
        p = ngx_llmops_multipart_value(p + 1, last, wanted ? dst : other,
                                       wanted ? size : 0, wanted ? len : &n);
        if (p == NULL) {
            return NGX_ERROR;
        }
    }
}


/* RFC 2046, 5.1.1 */

static ngx_uint_t
ngx_llmops_multipart_is_boundary(const u_char *p, size_t len)
{
    size_t  i;
    u_char  c;

    if (len == 0 || len > NGX_LLMOPS_MULTIPART_BOUNDARY || p[len - 1] == ' ') {
        return 0;
    }

    for (i = 0; i < len; i++) {
        c = p[i];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
            || (c >= 'A' && c <= 'Z'))
        {
            continue;
        }

        if (c == '\0' || strchr("'()+_,-./:=? ", c) == NULL) {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_llmops_multipart_init(ngx_llmops_multipart_t *m, ngx_str_t *content_type)
{
    size_t         len;
    u_char        *boundary;
    const u_char  *p, *last, *end;

    ngx_memzero(m, sizeof(ngx_llmops_multipart_t));

    boundary = m->delimiter + 4;

    if (content_type->len == 0) {
        return NGX_DECLINED;
    }

    last = content_type->data + content_type->len;
    p = ngx_llmops_multipart_pass_space(content_type->data, last);

    for (end = p; end < last && *end != ';' && *end != ' ' && *end != '\t';
         end++) { /* void */ }

    if (!ngx_llmops_multipart_is(p, end - p, "multipart/form-data")) {
        return NGX_DECLINED;
    }

    if (ngx_llmops_multipart_param(end, last, "boundary", boundary,
                                   NGX_LLMOPS_MULTIPART_BOUNDARY, &len)
        != NGX_OK
        || !ngx_llmops_multipart_is_boundary(boundary, len))
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(m->delimiter, "\r\n--", 4);
    m->delimiter_len = len + 4;

    /* the first delimiter needs no CRLF if nothing is before it */
    m->match = 2;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_multipart_disposition(ngx_llmops_multipart_t *m,
    const u_char *p, const u_char *last)
{
    size_t     len;
    u_char     name[sizeof("stream") - 1];
    ngx_int_t  rc;

    p = ngx_llmops_multipart_pass_space(p, last);

    while (p < last && *p != ';' && *p != ' ' && *p != '\t') {
        p++;
    }

    rc = ngx_llmops_multipart_param(p, last, "name", name, sizeof(name), &len);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    if (len == 5 && ngx_memcmp(name, "model", 5) == 0) {
        m->field = &m->model;

    } else if (len == 6 && ngx_memcmp(name, "stream", 6) == 0) {
        m->field = &m->stream;
    }

    return NGX_OK;
}


/* one line of a part's header without its CRLF */

static ngx_int_t
ngx_llmops_multipart_line(ngx_llmops_multipart_t *m, const u_char *p,
    const u_char *last, ngx_uint_t *disposition, ngx_uint_t *encoded)
{
    size_t         len;
    const u_char  *colon;

    colon = ngx_llmops_multipart_pass_token(p, last);
    len = colon - p;
    colon = ngx_llmops_multipart_pass_space(colon, last);

    if (colon == last || *colon != ':' || len == 0
        || memchr(p, CR, last - p) != NULL)
    {
        return NGX_ERROR;
    }

    if (ngx_llmops_multipart_is(p, len, "content-disposition")) {

        if ((*disposition)++) {
            return NGX_ERROR;
        }

        return ngx_llmops_multipart_disposition(m, colon + 1, last);
    }

    if (ngx_llmops_multipart_is(p, len, "content-transfer-encoding")) {
        p = ngx_llmops_multipart_pass_space(colon + 1, last);

        *encoded |= !ngx_llmops_multipart_is(p, last - p, "7bit")
                    && !ngx_llmops_multipart_is(p, last - p, "8bit")
                    && !ngx_llmops_multipart_is(p, last - p, "binary");
    }

    return NGX_OK;
}


/* the whole header of a part is there */

static ngx_int_t
ngx_llmops_multipart_header(ngx_llmops_multipart_t *m)
{
    u_char      *p, *last, *lf;
    ngx_uint_t   disposition, encoded;

    m->field = NULL;

    encoded = 0;
    disposition = 0;
    last = m->header + m->header_len - 2;

    for (p = m->header; p < last; p = lf + 1) {
        lf = memchr(p, LF, last - p);

        if (lf == NULL || lf == p || lf[-1] != CR
            || ngx_llmops_multipart_line(m, p, lf - 1, &disposition, &encoded)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (m->field == NULL) {
        return NGX_OK;
    }

    m->field->count++;
    m->field->len = 0;

    return encoded ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_llmops_multipart_take(ngx_llmops_multipart_t *m, const u_char *p,
    size_t len)
{
    ngx_llmops_multipart_field_t  *field;

    field = m->field;

    if (field == NULL || len == 0) {
        return NGX_OK;
    }

    if (len > NGX_LLMOPS_MULTIPART_VALUE - field->len) {
        return NGX_ERROR;
    }

    ngx_memcpy(field->value + field->len, p, len);
    field->len += len;

    return NGX_OK;
}


/* returns where the delimiter has ended, or last */

static const u_char *
ngx_llmops_multipart_data(ngx_llmops_multipart_t *m, const u_char *p,
    const u_char *last)
{
    size_t         skip;
    const u_char  *cr;

    while (p < last) {

        if (m->match == 0) {
            cr = memchr(p, CR, last - p);

            if (ngx_llmops_multipart_take(m, p, (cr ? cr : last) - p)
                != NGX_OK)
            {
                m->state = NGX_LLMOPS_MULTIPART_BAD;
                return last;
            }

            if (cr == NULL) {
                return last;
            }

            m->match = 1;
            p = cr + 1;

        } else if (*p == m->delimiter[m->match]) {
            p++;

            if (++m->match == m->delimiter_len) {

                if (m->fresh) {
                    m->state = NGX_LLMOPS_MULTIPART_BAD;
                return last;
                }

                m->match = 0;
                m->state = NGX_LLMOPS_MULTIPART_DELIMITER;
                return p;
            }

        } else {

            skip = m->fresh ? 2 : 0;

            if (ngx_llmops_multipart_take(m, m->delimiter + skip,
                                          m->match - skip)
                != NGX_OK)
            {
                m->state = NGX_LLMOPS_MULTIPART_BAD;
                return last;
            }

            m->match = 0;
            m->fresh = 0;
        }
    }

    return p;
}


/* one byte between a delimiter and the part; the next state */

static ngx_uint_t
ngx_llmops_multipart_delimiter(ngx_llmops_multipart_t *m, u_char c)
{
    switch (m->state) {

    case NGX_LLMOPS_MULTIPART_DASH:
        return (c == '-') ? NGX_LLMOPS_MULTIPART_END
                          : NGX_LLMOPS_MULTIPART_BAD;

    case NGX_LLMOPS_MULTIPART_LF:
        return (c == LF) ? NGX_LLMOPS_MULTIPART_HEAD
                         : NGX_LLMOPS_MULTIPART_BAD;

    case NGX_LLMOPS_MULTIPART_DELIMITER:
        if (c == '-') {
            return NGX_LLMOPS_MULTIPART_DASH;
        }

        /* fall through */

    default:

        if (c == ' ' || c == '\t') {
            return NGX_LLMOPS_MULTIPART_PADDING;
        }

        return (c == CR) ? NGX_LLMOPS_MULTIPART_LF : NGX_LLMOPS_MULTIPART_BAD;
    }
}


/* one byte of a part's header; the next state */

static ngx_uint_t
ngx_llmops_multipart_head(ngx_llmops_multipart_t *m, u_char c)
{
    size_t  n;

    if (m->header_len == NGX_LLMOPS_MULTIPART_HEADER) {
        return NGX_LLMOPS_MULTIPART_BAD;
    }

    m->header[m->header_len++] = c;
    n = m->header_len;

    if (c != LF || n < 2 || m->header[n - 2] != CR
        || (n > 2 && (n < 4 || ngx_memcmp(m->header + n - 4, "\r\n", 2) != 0)))
    {
        return NGX_LLMOPS_MULTIPART_HEAD;
    }

    /* the CRLF of a delimiter must not be that of the header */
    m->match = 2;
    m->fresh = 1;

    return (ngx_llmops_multipart_header(m) == NGX_OK)
           ? NGX_LLMOPS_MULTIPART_DATA : NGX_LLMOPS_MULTIPART_BAD;
}


/* the delimiter has ended at offset end of the body */

static void
ngx_llmops_multipart_part_end(ngx_llmops_multipart_t *m, size_t end)
{
    if (m->field) {
        m->field->end = end - m->delimiter_len;
        m->field->start = m->field->end - m->field->len;
    }

    m->field = NULL;
    m->header_len = 0;
}


ngx_int_t
ngx_llmops_multipart_feed(ngx_llmops_multipart_t *m, const u_char *p,
    size_t len)
{
    const u_char  *start, *last;

    start = p;
    last = len ? p + len : p;

    while (p < last && m->state < NGX_LLMOPS_MULTIPART_END) {

        switch (m->state) {

        case NGX_LLMOPS_MULTIPART_DATA:
            p = ngx_llmops_multipart_data(m, p, last);

            if (m->state == NGX_LLMOPS_MULTIPART_DELIMITER) {
                ngx_llmops_multipart_part_end(m, m->offset + (p - start));
            }

            break;

        case NGX_LLMOPS_MULTIPART_HEAD:
            m->state = ngx_llmops_multipart_head(m, *p++);
            break;

        default:
            m->state = ngx_llmops_multipart_delimiter(m, *p++);
        }
    }

    m->offset += len;
    m->complete = (m->state == NGX_LLMOPS_MULTIPART_END);

    return (m->state == NGX_LLMOPS_MULTIPART_BAD) ? NGX_ERROR : NGX_OK;
}


ngx_uint_t
ngx_llmops_multipart_text(ngx_llmops_multipart_field_t *field)
{
    size_t         len;
    const u_char  *p, *last;

    last = field->value + field->len;

    for (p = field->value; p < last; p += len) {

        if (*p < 0x20 || *p == 0x7f) {
            return 0;
        }

        len = (*p < 0x80) ? 1 : ngx_llmops_utf8_len(p, last);

        if (len == 0) {
            return 0;
        }
    }

    return 1;
}
