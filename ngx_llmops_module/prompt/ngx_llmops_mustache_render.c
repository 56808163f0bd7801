
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_mustache.h"


/*
 * The renderer.  It walks the compiled tags and appends bytes; there is no
 * way to call anything, and three bounds hold whatever the template and the
 * values are: of depth (a partial may call itself), of work, and that of out.
 */


typedef struct ngx_llmops_indent_s  ngx_llmops_indent_t;

struct ngx_llmops_indent_s {
    ngx_str_t                 *text;
    ngx_llmops_indent_t       *outer;
};


typedef struct {
    ngx_llmops_out_t          *out;
    size_t                    *work;
    const char                *reason;
    ngx_uint_t                 depth;
    ngx_uint_t                 xml;
    ngx_uint_t                 ncontext;
    ngx_llmops_value_t        *context[NGX_LLMOPS_MUSTACHE_DEPTH + 1];
    ngx_llmops_indent_t       *indent;
} ngx_llmops_render_t;


static ngx_int_t ngx_llmops_render_tags(ngx_llmops_render_t *r,
    ngx_llmops_tag_t *tag);
static ngx_int_t ngx_llmops_render_section(ngx_llmops_render_t *r,
    ngx_llmops_tag_t *tag);
static ngx_int_t ngx_llmops_render_with(ngx_llmops_render_t *r,
    ngx_llmops_tag_t *tag, ngx_llmops_value_t *v);
static ngx_int_t ngx_llmops_render_partial(ngx_llmops_render_t *r,
    ngx_llmops_tag_t *tag);
static void ngx_llmops_render_text(ngx_llmops_render_t *r,
    ngx_llmops_tag_t *tag);
static void ngx_llmops_render_indent(ngx_llmops_render_t *r,
    ngx_llmops_indent_t *indent);
static ngx_llmops_value_t *ngx_llmops_render_find(ngx_llmops_render_t *r,
    ngx_llmops_tag_t *tag);
static ngx_uint_t ngx_llmops_render_true(ngx_llmops_value_t *v);
static void ngx_llmops_render_plain(ngx_llmops_out_t *out,
    ngx_llmops_value_t *v);
static void ngx_llmops_render_xml(ngx_llmops_out_t *out,
    ngx_llmops_value_t *v);
static size_t ngx_llmops_render_entity(u_char *p, u_char *last,
    ngx_uint_t string, u_char *c);
static u_char ngx_llmops_render_code(u_char *p);


ngx_int_t
ngx_llmops_mustache_render(ngx_llmops_template_t *t, ngx_llmops_value_t *data,
    ngx_llmops_out_t *out, size_t *work, const char **reason)
{
    ngx_int_t            rc;
    ngx_llmops_render_t  r;

    r.out = out;
    r.work = work;
    r.reason = "it becomes too large";
    r.depth = 0;
    r.xml = t->xml;
    r.context[0] = data;
    r.ncontext = 1;
    r.indent = NULL;

    rc = ngx_llmops_render_tags(&r, t->first);

    if (rc == NGX_OK && out->failed) {
        rc = NGX_DECLINED;
    }

    *reason = r.reason;

    return rc;
}


static ngx_int_t
ngx_llmops_render_tags(ngx_llmops_render_t *r, ngx_llmops_tag_t *tag)
{
    ngx_int_t            rc;
    ngx_llmops_value_t  *v;

    if (++r->depth > NGX_LLMOPS_MUSTACHE_DEPTH) {
        r->reason = "its sections and partials are nested too deeply";
        return NGX_DECLINED;
    }

    rc = NGX_OK;

    for ( /* void */ ; tag && rc == NGX_OK; tag = tag->next) {

        if (++*r->work > NGX_LLMOPS_MUSTACHE_WORK) {
            r->reason = "it has too much to do";
            return NGX_DECLINED;
        }

        if (r->out->failed) {
            return NGX_DECLINED;
        }

        switch (tag->type) {

        case NGX_LLMOPS_TAG_TEXT:
            ngx_llmops_render_text(r, tag);
            break;

        case NGX_LLMOPS_TAG_VALUE:
            v = ngx_llmops_render_find(r, tag);

            if (v) {
                ngx_llmops_mustache_value(r->out, v, r->xml && !tag->literal);
            }

            break;

        case NGX_LLMOPS_TAG_PARTIAL:
            rc = ngx_llmops_render_partial(r, tag);
            break;

        default:
            rc = ngx_llmops_render_section(r, tag);
        }
    }

    r->depth--;

    return rc;
}


static ngx_int_t
ngx_llmops_render_section(ngx_llmops_render_t *r, ngx_llmops_tag_t *tag)
{
    ngx_int_t            rc;
    ngx_uint_t           yes;
    ngx_llmops_value_t  *v, *item;

    v = ngx_llmops_render_find(r, tag);
    yes = ngx_llmops_render_true(v);

    if (tag->type == NGX_LLMOPS_TAG_INVERTED) {
        return yes ? NGX_OK : ngx_llmops_render_tags(r, tag->first);
    }

    if (!yes) {
        return NGX_OK;
    }

    if (v->type != NGX_LLMOPS_JSON_ARRAY) {
        return ngx_llmops_render_with(r, tag, v);
    }

    rc = NGX_OK;

    for (item = v->first; item && rc == NGX_OK; item = item->next) {

        if (++*r->work > NGX_LLMOPS_MUSTACHE_WORK) {
            r->reason = "it has too much to do";
            return NGX_DECLINED;
        }

        rc = ngx_llmops_render_with(r, tag, item);
    }

    return rc;
}


/* the depth bounds the stack of contexts, each level having one at the most */

static ngx_int_t
ngx_llmops_render_with(ngx_llmops_render_t *r, ngx_llmops_tag_t *tag,
    ngx_llmops_value_t *v)
{
    ngx_int_t  rc;

    if (r->ncontext > NGX_LLMOPS_MUSTACHE_DEPTH) {
        r->reason = "its sections and partials are nested too deeply";
        return NGX_DECLINED;
    }

    r->context[r->ncontext++] = v;

    rc = ngx_llmops_render_tags(r, tag->first);

    r->ncontext--;

    return rc;
}


static ngx_int_t
ngx_llmops_render_partial(ngx_llmops_render_t *r, ngx_llmops_tag_t *tag)
{
    ngx_int_t            rc;
    ngx_uint_t           xml;
    ngx_llmops_indent_t  indent, *outer;

    outer = r->indent;
    xml = r->xml;

    if (tag->indent.len) {
        indent.text = &tag->indent;
        indent.outer = outer;
        r->indent = &indent;
    }

    r->xml = tag->partial->xml;

    rc = ngx_llmops_render_tags(r, tag->partial->first);

    r->indent = outer;
    r->xml = xml;

    return rc;
}


static void
ngx_llmops_render_text(ngx_llmops_render_t *r, ngx_llmops_tag_t *tag)
{
    if (tag->bol && r->indent) {
        ngx_llmops_render_indent(r, r->indent);
    }

    (void) ngx_llmops_out_str(r->out, &tag->text);
}


/* the outermost first; as deep as partials are nested */

static void
ngx_llmops_render_indent(ngx_llmops_render_t *r, ngx_llmops_indent_t *indent)
{
    if (indent->outer) {
        ngx_llmops_render_indent(r, indent->outer);
    }

    (void) ngx_llmops_out_str(r->out, indent->text);
}


/*
 * The first part of a name is looked for from the innermost context outward,
 * the others only where the first was found.
 */

static ngx_llmops_value_t *
ngx_llmops_render_find(ngx_llmops_render_t *r, ngx_llmops_tag_t *tag)
{
    ngx_uint_t           i;
    ngx_llmops_value_t  *v;

    if (tag->npath == 0) {
        return r->context[r->ncontext - 1];
    }

    v = NULL;

    for (i = r->ncontext; i && v == NULL; i--) {
        v = ngx_llmops_value_get(r->context[i - 1], tag->path[0].data,
                                 tag->path[0].len, r->work);
    }

    for (i = 1; i < tag->npath && v; i++) {
        v = ngx_llmops_value_get(v, tag->path[i].data, tag->path[i].len,
                                 r->work);
    }

    return v;
}


static ngx_uint_t
ngx_llmops_render_true(ngx_llmops_value_t *v)
{
    if (v == NULL) {
        return 0;
    }

    switch (v->type) {

    case NGX_LLMOPS_JSON_NONE:
    case NGX_LLMOPS_JSON_NULL:
    case NGX_LLMOPS_JSON_FALSE:
        return 0;

    case NGX_LLMOPS_JSON_ARRAY:
        return v->first != NULL;

    case NGX_LLMOPS_JSON_STRING:
        return v->raw.len > 2;

    default:
        return 1;
    }
}


void
ngx_llmops_mustache_value(ngx_llmops_out_t *out, ngx_llmops_value_t *v,
    ngx_uint_t xml)
{
    if (v->type == NGX_LLMOPS_JSON_NONE || v->type == NGX_LLMOPS_JSON_NULL) {
        return;
    }

    if (v->fence) {
        (void) ngx_llmops_out_lit(out, "<");
        (void) ngx_llmops_out_str(out, &v->key);
        (void) ngx_llmops_out_lit(out, ">");
    }

    if (xml || v->escape) {
        ngx_llmops_render_xml(out, v);

    } else {
        ngx_llmops_render_plain(out, v);
    }

    if (v->fence) {
        (void) ngx_llmops_out_lit(out, "</");
        (void) ngx_llmops_out_str(out, &v->key);
        (void) ngx_llmops_out_lit(out, ">");
    }
}


static void
ngx_llmops_render_plain(ngx_llmops_out_t *out, ngx_llmops_value_t *v)
{
    size_t     len;
    u_char    *end;
    ngx_str_t  s;

    s = ngx_llmops_value_inner(v);

    if (v->type != NGX_LLMOPS_JSON_OBJECT && v->type != NGX_LLMOPS_JSON_ARRAY)
    {
        (void) ngx_llmops_out_str(out, &s);
        return;
    }

    /* its text, as a string: what out_json() writes, without the quotes */

    len = out->len;

    if (ngx_llmops_out_json(out, s.data, s.len) != NGX_OK) {
        return;
    }

    end = out->data + out->len;
    ngx_memmove(out->data + len, out->data + len + 1, end - 2
                - (out->data + len));
    out->len -= 2;
}


/* an escape may stand for such a character as well: \" and \u003c */

static void
ngx_llmops_render_xml(ngx_llmops_out_t *out, ngx_llmops_value_t *v)
{
    u_char      c, *p, *last, *from;
    size_t      n;
    ngx_str_t   s;
    ngx_uint_t  string;

    string = (v->type == NGX_LLMOPS_JSON_STRING);
    s = ngx_llmops_value_inner(v);
    last = s.data + s.len;
    from = s.data;

    for (p = s.data; p < last; p += n) {

        n = ngx_llmops_render_entity(p, last, string, &c);

        if (c == '\0') {
            continue;
        }

        (void) ngx_llmops_out_write(out, from, p - from);
        from = p + n;

        if (ngx_llmops_out_entity(out, c)) {
            continue;
        }

        if (c == '\\') {
            (void) ngx_llmops_out_lit(out, "\\\\");

        } else {                               /* white space between tokens */
            (void) ngx_llmops_out_lit(out, " ");
        }
    }

    (void) ngx_llmops_out_write(out, from, last - from);
}


/*
 * Bytes that the character at p takes; *c is the one that must be written
 * otherwise, or 0.  In the text of an object or array a backslash is itself,
 * and a string's is the start of an escape.
 */

static size_t
ngx_llmops_render_entity(u_char *p, u_char *last, ngx_uint_t string,
    u_char *c)
{
    *c = '\0';

    switch (*p) {

    case '<':
    case '>':
    case '&':
    case '"':
        *c = *p;
        return 1;

    case LF:
    case CR:
    case '\t':
        *c = ' ';
        return 1;

    case '\\':
        break;

    default:
        return 1;
    }

    if (!string) {
        *c = '\\';
        return 1;
    }

    if (last - p >= 6 && p[1] == 'u') {
        *c = ngx_llmops_render_code(p + 2);
        return 6;
    }

    if (last - p < 2) {
        return 1;
    }

    if (p[1] == '"') {
        *c = '"';
    }

    return 2;
}


/* which of the four characters \u has in its digits, or 0 */

static u_char
ngx_llmops_render_code(u_char *p)
{
    u_char  low;

    low = p[3] | 0x20;

    if (p[0] != '0' || p[1] != '0') {
        return '\0';
    }

    if (p[2] == '2') {
        return (low == '2') ? '"' : (low == '6') ? '&' : '\0';
    }

    if (p[2] == '3') {
        return (low == 'c') ? '<' : (low == 'e') ? '>' : '\0';
    }

    return '\0';
}
