
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_mustache_compile.h"


/* The compiler, tag by tag. */


static ngx_int_t ngx_llmops_compile_section(ngx_llmops_compile_t *c,
    ngx_llmops_tag_e type, ngx_str_t *name);
static ngx_int_t ngx_llmops_compile_end(ngx_llmops_compile_t *c,
    ngx_str_t *name);
static ngx_int_t ngx_llmops_compile_partial(ngx_llmops_compile_t *c,
    ngx_str_t *name, ngx_str_t *indent);
static ngx_int_t ngx_llmops_compile_delimiters(ngx_llmops_compile_t *c,
    ngx_str_t *inside);
static ngx_int_t ngx_llmops_compile_name(ngx_llmops_compile_t *c,
    ngx_str_t *name);
static ngx_int_t ngx_llmops_compile_path(ngx_llmops_compile_t *c,
    ngx_llmops_tag_t *tag, ngx_str_t *name);


ngx_int_t
ngx_llmops_compile_kind(ngx_llmops_compile_t *c, u_char kind,
    ngx_str_t *inside, ngx_str_t *indent)
{
    ngx_int_t          rc;
    ngx_llmops_tag_t  *tag;

    if (kind == '!') {
        return NGX_OK;
    }

    if (kind == '=') {
        return ngx_llmops_compile_delimiters(c, inside);
    }

    rc = ngx_llmops_compile_name(c, inside);

    if (rc != NGX_OK) {
        return rc;
    }

    switch (kind) {

    case '#':
        return ngx_llmops_compile_section(c, NGX_LLMOPS_TAG_SECTION, inside);

    case '^':
        return ngx_llmops_compile_section(c, NGX_LLMOPS_TAG_INVERTED, inside);

    case '/':
        return ngx_llmops_compile_end(c, inside);

    case '>':
        return ngx_llmops_compile_partial(c, inside, indent);
    }

    tag = ngx_llmops_compile_push(c, NGX_LLMOPS_TAG_VALUE);

    if (tag == NULL) {
        return NGX_ERROR;
    }

    tag->literal = (kind != '\0');

    return ngx_llmops_compile_path(c, tag, inside);
}


/* an empty text is where a line begins with a tag */

ngx_llmops_tag_t *
ngx_llmops_compile_push(ngx_llmops_compile_t *c, ngx_llmops_tag_e type)
{
    ngx_llmops_tag_t  *tag;

    tag = ngx_llmops_arena_alloc(c->arena, sizeof(ngx_llmops_tag_t));
    if (tag == NULL) {
        return NULL;
    }

    tag->type = type;
    tag->bol = 1;

    *c->end = tag;
    c->end = &tag->next;

    return tag;
}


static ngx_int_t
ngx_llmops_compile_section(ngx_llmops_compile_t *c, ngx_llmops_tag_e type,
    ngx_str_t *name)
{
    ngx_llmops_tag_t  *tag;

    if (c->nsections == NGX_LLMOPS_MUSTACHE_NESTED) {
        return ngx_llmops_compile_fault(c, c->start, "the section \"%s\" is "
                                        "nested too deeply, 32 is the most",
                                        name);
    }

    tag = ngx_llmops_compile_push(c, type);

    if (tag == NULL) {
        return NGX_ERROR;
    }

    c->opened[c->nsections] = c->start;
    c->sections[c->nsections++] = tag;
    c->end = &tag->first;

    return ngx_llmops_compile_path(c, tag, name);
}


static ngx_int_t
ngx_llmops_compile_end(ngx_llmops_compile_t *c, ngx_str_t *name)
{
    ngx_llmops_tag_t  *open;

    if (c->nsections == 0) {
        return ngx_llmops_compile_fault(c, c->start, "\"/%s\" closes a "
                                        "section that is not open", name);
    }

    open = c->sections[c->nsections - 1];

    if (open->text.len != name->len
        || ngx_memcmp(open->text.data, name->data, name->len) != 0)
    {
        return ngx_llmops_compile_fault(c, c->start, "a closing tag is "
                                        "missing before it, write \"/%s\"",
                                        &open->text);
    }

    c->nsections--;
    c->end = &open->next;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_compile_partial(ngx_llmops_compile_t *c, ngx_str_t *name,
    ngx_str_t *indent)
{
    ngx_llmops_tag_t       *tag;
    ngx_llmops_template_t  *p;

    for (p = c->partials; p; p = p->next) {
        if (p->name.len == name->len
            && ngx_memcmp(p->name.data, name->data, name->len) == 0)
        {
            break;
        }
    }

    if (p == NULL) {
        return ngx_llmops_compile_fault(c, c->start, "unknown partial \"%s\", "
                                        "add it to \"partials\"", name);
    }

    tag = ngx_llmops_compile_push(c, NGX_LLMOPS_TAG_PARTIAL);

    if (tag == NULL) {
        return NGX_ERROR;
    }

    p->used = 1;
    tag->partial = p;
    tag->text = *name;

    return ngx_llmops_compile_escape(c, indent->data, indent->len,
                                     &tag->indent);
}


/* inside is "<% %>", without the equals signs */

static ngx_int_t
ngx_llmops_compile_delimiters(ngx_llmops_compile_t *c, ngx_str_t *inside)
{
    u_char     *p, *last;
    ngx_str_t   open, close;

    last = inside->data + inside->len;

    for (p = inside->data; p < last && !ngx_llmops_is_space(*p); p++) {
        /* void */
    }

    open.data = inside->data;
    open.len = p - inside->data;

    close.data = p;
    close.len = last - p;
    ngx_llmops_compile_trim(&close);

    for (p = inside->data; p < last; p++) {
        if (*p == '=' || (p > close.data && ngx_llmops_is_space(*p))) {
            open.len = 0;
        }
    }

    if (open.len == 0 || open.len > NGX_LLMOPS_DELIMITER_MAX
        || close.len == 0 || close.len > NGX_LLMOPS_DELIMITER_MAX)
    {
        return ngx_llmops_compile_fault(c, c->start, "\"%s\" are no two "
                                        "delimiters, write for example "
                                        "{{=<% %>=}}", inside);
    }

    c->open = open;
    c->close = close;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_compile_name(ngx_llmops_compile_t *c, ngx_str_t *name)
{
    u_char  *p, *last;

    last = name->data + name->len;

    if (name->len == 0) {
        return ngx_llmops_compile_fault(c, c->start, "the tag has no name%s",
                                        NULL);
    }

    for (p = name->data; p < last; p++) {
        if (*p <= ' ' || *p == '"' || *p == '{' || *p == '}' || *p == '*') {
            break;
        }
    }

    if (p < last || name->len > NGX_LLMOPS_MUSTACHE_NAME) {
        return ngx_llmops_compile_fault(c, c->start, "\"%s\" is not a name, "
                                        "which has up to 64 bytes without "
                                        "spaces, quotes, braces and \"*\"",
                                        name);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_compile_path(ngx_llmops_compile_t *c, ngx_llmops_tag_t *tag,
    ngx_str_t *name)
{
    u_char      *p, *last, *dot;
    ngx_uint_t   n;

    tag->text = *name;

    if (name->len == 1 && name->data[0] == '.') {
        return NGX_OK;
    }

    last = name->data + name->len;
    n = 1;

    for (p = name->data; p < last; p++) {
        n += (*p == '.');
    }

    tag->path = ngx_llmops_arena_alloc(c->arena, n * sizeof(ngx_str_t));
    if (tag->path == NULL) {
        return NGX_ERROR;
    }

    for (p = name->data; tag->npath < n; p = dot + 1) {

        dot = ngx_strlchr(p, last, '.');
        dot = dot ? dot : last;

        if (dot == p) {
            return ngx_llmops_compile_fault(c, c->start, "\"%s\" is not a "
                                            "name: a part of it is empty",
                                            name);
        }

        tag->path[tag->npath].data = p;
        tag->path[tag->npath++].len = dot - p;
    }

    return NGX_OK;
}
