
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_mustache_compile.h"


/*
 * The compiler.  One pass over the source, with a stack of open sections; a
 * tag that stands alone on its line takes the line with it.  Text is cut
 * behind each line end, since a partial's lines are indented as the tag was
 * that called for it.
 *
 * What the tags become is in ngx_llmops_mustache_tag.c.
 */


static ngx_int_t ngx_llmops_compile_tag(ngx_llmops_compile_t *c);
static ngx_int_t ngx_llmops_compile_inside(ngx_llmops_compile_t *c,
    u_char *kind, ngx_str_t *inside, u_char **after);
static ngx_int_t ngx_llmops_compile_first(ngx_llmops_compile_t *c,
    u_char *kind, ngx_str_t *close);
static ngx_uint_t ngx_llmops_compile_alone(ngx_llmops_compile_t *c,
    u_char **line, u_char **after);
static ngx_int_t ngx_llmops_compile_text(ngx_llmops_compile_t *c, u_char *p,
    u_char *last);
static u_char *ngx_llmops_compile_find(u_char *p, u_char *last,
    ngx_str_t *what);


ngx_int_t
ngx_llmops_mustache_compile(ngx_llmops_template_t *t,
    ngx_llmops_template_t *partials, ngx_llmops_arena_t *arena,
    ngx_llmops_mustache_error_t *err)
{
    ngx_int_t             rc;
    ngx_llmops_tag_t     *open;
    ngx_llmops_compile_t  c;

    ngx_memzero(&c, sizeof(ngx_llmops_compile_t));

    t->first = NULL;

    c.t = t;
    c.partials = partials;
    c.arena = arena;
    c.err = err;
    c.pos = t->source.data;
    c.last = t->source.data + t->source.len;
    c.end = &t->first;

    ngx_str_set(&c.open, "{{");
    ngx_str_set(&c.close, "}}");

    for ( ;; ) {
        c.start = ngx_llmops_compile_find(c.pos, c.last, &c.open);

        if (c.start == NULL) {
            break;
        }

        rc = ngx_llmops_compile_tag(&c);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (c.nsections) {
        open = c.sections[c.nsections - 1];
        return ngx_llmops_compile_fault(&c, c.opened[c.nsections - 1],
                                        "the section \"%s\" is not closed, "
                                        "write its closing tag", &open->text);
    }

    return ngx_llmops_compile_text(&c, c.pos, c.last);
}


/* the text before the tag, then the tag; pos moves behind it */

static ngx_int_t
ngx_llmops_compile_tag(ngx_llmops_compile_t *c)
{
    u_char      kind, *line, *after;
    ngx_int_t   rc;
    ngx_str_t   inside, indent;
    ngx_uint_t  alone;

    after = NULL;

    rc = ngx_llmops_compile_inside(c, &kind, &inside, &after);

    if (rc != NGX_OK) {
        return rc;
    }

    line = c->start;

    alone = kind && kind != '&' && kind != '{'
            && ngx_llmops_compile_alone(c, &line, &after);

    if (ngx_llmops_compile_text(c, c->pos, line) != NGX_OK) {
        return NGX_ERROR;
    }

    indent.data = line;
    indent.len = alone ? c->start - line : 0;

    /* what stands before an indented line also stands before its first tag */

    if (!alone && (line == c->t->source.data || line[-1] == LF)
        && ngx_llmops_compile_push(c, NGX_LLMOPS_TAG_TEXT) == NULL)
    {
        return NGX_ERROR;
    }

    rc = ngx_llmops_compile_kind(c, kind, &inside, &indent);

    c->pos = after;

    return rc;
}


/* kind is the character that says it, or 0: a name alone */

static ngx_int_t
ngx_llmops_compile_inside(ngx_llmops_compile_t *c, u_char *kind,
    ngx_str_t *inside, u_char **after)
{
    u_char     *p, *end;
    ngx_int_t   rc;
    ngx_str_t   close;

    p = c->start + c->open.len;
    close = c->close;

    while (p < c->last && ngx_llmops_is_space(*p)) {
        p++;
    }

    *kind = (p < c->last) ? *p : '\0';

    rc = ngx_llmops_compile_first(c, kind, &close);

    if (rc != NGX_OK) {
        return rc;
    }

    p += (*kind != '\0');

    end = ngx_llmops_compile_find(p, c->last, &close);

    if (end == NULL) {
        return ngx_llmops_compile_fault(c, c->start, "the tag is not closed, "
                                        "its end is \"%s\"", &close);
    }

    inside->data = p;
    inside->len = end - p;

    *after = end + close.len;

    if (*kind == '=') {

        if (inside->len == 0 || end[-1] != '=') {
            return ngx_llmops_compile_fault(c, c->start, "a change of "
                                            "delimiters is written "
                                            "{{=<% %>=}}%s", NULL);
        }

        inside->len--;
    }

    ngx_llmops_compile_trim(inside);

    return NGX_OK;
}


/* a tag's first character: what kind that makes it, and how it has to end */

static ngx_int_t
ngx_llmops_compile_first(ngx_llmops_compile_t *c, u_char *kind,
    ngx_str_t *close)
{
    switch (*kind) {

    case '{':
        ngx_str_set(close, "}}}");

        if (c->close.len != 2 || ngx_memcmp(c->close.data, "}}", 2) != 0) {
            return ngx_llmops_compile_fault(c, c->start, "three braces need "
                                            "the delimiters {{ and }}, write "
                                            "\"&\" before the name%s", NULL);
        }

        return NGX_OK;

    case '#':
    case '^':
    case '/':
    case '>':
    case '&':
    case '!':
    case '=':
        return NGX_OK;

    case '<':
    case '$':
        return ngx_llmops_compile_fault(c, c->start, "inheritance ({{<name}}, "
                                        "{{$name}}) is not known here, use a "
                                        "partial%s", NULL);

    default:
        *kind = '\0';
        return NGX_OK;
    }
}


/*
 * Whether only white space is on the lines before and behind a tag: *line
 * moves back to where its line begins, *after behind its line's end.
 */

static ngx_uint_t
ngx_llmops_compile_alone(ngx_llmops_compile_t *c, u_char **line,
    u_char **after)
{
    u_char  *p, *q;

    for (p = c->start; p > c->t->source.data && p[-1] != LF; p--) {
        if (p[-1] != ' ' && p[-1] != '\t') {
            return 0;
        }
    }

    for (q = *after; q < c->last && (*q == ' ' || *q == '\t'); q++) {
        /* void */
    }

    if (q < c->last && *q == CR && q + 1 < c->last && q[1] == LF) {
        q++;
    }

    if (q < c->last && *q != LF) {
        return 0;
    }

    *line = p;
    *after = (q < c->last) ? q + 1 : q;

    return 1;
}


static ngx_int_t
ngx_llmops_compile_text(ngx_llmops_compile_t *c, u_char *p, u_char *last)
{
    u_char            *end;
    ngx_llmops_tag_t  *tag;

    for ( /* void */ ; p < last; p = end) {

        end = ngx_strlchr(p, last, LF);
        end = end ? end + 1 : last;

        tag = ngx_llmops_compile_push(c, NGX_LLMOPS_TAG_TEXT);

        if (tag == NULL
            || ngx_llmops_compile_escape(c, p, end - p, &tag->text) != NGX_OK)
        {
            return NGX_ERROR;
        }

        /* an empty line is not indented */

        tag->bol = (p == c->t->source.data || p[-1] == LF)
                   && *p != LF && !(*p == CR && end - p == 2);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_compile_escape(ngx_llmops_compile_t *c, u_char *p, size_t len,
    ngx_str_t *text)
{
    text->len = ngx_llmops_json_escaped_len(p, len);
    text->data = ngx_llmops_arena_alloc(c->arena, text->len + 1);

    if (text->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_llmops_json_escape(text->data, p, len);

    return NGX_OK;
}


static u_char *
ngx_llmops_compile_find(u_char *p, u_char *last, ngx_str_t *what)
{
    for ( /* void */ ; p < last; p++) {

        p = ngx_strlchr(p, last, what->data[0]);

        if (p == NULL || (size_t) (last - p) < what->len) {
            return NULL;
        }

        if (ngx_memcmp(p, what->data, what->len) == 0) {
            return p;
        }
    }

    return NULL;
}


void
ngx_llmops_compile_trim(ngx_str_t *s)
{
    while (s->len && ngx_llmops_is_space(s->data[0])) {
        s->data++;
        s->len--;
    }

    while (s->len && ngx_llmops_is_space(s->data[s->len - 1])) {
        s->len--;
    }
}


/* fmt has one %s, for at most 64 bytes of name */

ngx_int_t
ngx_llmops_compile_fault(ngx_llmops_compile_t *c, u_char *at,
    const char *fmt, ngx_str_t *name)
{
    u_char      *p, *last;
    size_t       n;
    const char  *s;

    c->err->offset = at - c->t->source.data;

    p = c->err->text;
    last = p + sizeof(c->err->text) - 1;

    for (s = fmt; *s && p < last; s++) {

        if (s[0] != '%' || s[1] != 's') {
            *p++ = *s;
            continue;
        }

        s++;

        if (name) {
            n = ngx_min(name->len, NGX_LLMOPS_MUSTACHE_NAME);
            n = ngx_min(n, (size_t) (last - p));
            p = ngx_cpymem(p, name->data, n);
        }
    }

    *p = '\0';

    return NGX_DECLINED;
}
