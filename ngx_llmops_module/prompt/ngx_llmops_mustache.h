
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_MUSTACHE_H_INCLUDED_
#define _NGX_LLMOPS_MUSTACHE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_out.h"
#include "ngx_llmops_value.h"


/*
 * Mustache (mustache(5), the public specification v1.4 without its optional
 * modules) for one purpose: what is rendered is the inside of a JSON string.
 *
 * The template's own text is escaped when it is compiled.  A value comes out
 * of a valid JSON text as the escaped bytes that it was there, and is copied
 * as it stands: no value can end the string that it is put into, whatever it
 * holds.
 *
 * Two tags differ from a renderer of HTML: {{name}} escapes & < > " only if
 * the template was compiled with xml, which is of use where a prompt marks
 * its parts with such tags; and objects and arrays are written as JSON.
 * False are false, null, "", [] and what is missing.
 */


#define NGX_LLMOPS_MUSTACHE_NAME     64    /* bytes of a name, with its dots */
#define NGX_LLMOPS_MUSTACHE_NESTED   32    /* sections in a template */
#define NGX_LLMOPS_MUSTACHE_DEPTH    64    /* sections, partials: rendering */
#define NGX_LLMOPS_MUSTACHE_WORK     1000000   /* tags and nodes: about 5 ms */


typedef enum {
    NGX_LLMOPS_TAG_TEXT = 0,
    NGX_LLMOPS_TAG_VALUE,
    NGX_LLMOPS_TAG_SECTION,
    NGX_LLMOPS_TAG_INVERTED,
    NGX_LLMOPS_TAG_PARTIAL
} ngx_llmops_tag_e;


typedef struct ngx_llmops_tag_s       ngx_llmops_tag_t;
typedef struct ngx_llmops_template_s  ngx_llmops_template_t;

struct ngx_llmops_tag_s {
    ngx_llmops_tag_e           type;
    ngx_str_t                  text;       /* escaped; or the name */
    ngx_str_t                 *path;       /* the parts of a dotted name */
    ngx_uint_t                 npath;      /* 0: "." */
    ngx_llmops_tag_t          *first;      /* what a section has inside */
    ngx_llmops_tag_t          *next;
    ngx_llmops_template_t     *partial;
    ngx_str_t                  indent;     /* of a partial, escaped */
    unsigned                   literal:1;  /* {{{name}}}, {{&name}} */
    unsigned                   bol:1;      /* a line begins here */
};


/* a template, or a partial among others */

struct ngx_llmops_template_s {
    ngx_str_t                  name;       /* of a partial */
    ngx_str_t                  source;
    ngx_llmops_tag_t          *first;
    ngx_llmops_template_t     *next;       /* in the list of partials */
    unsigned                   xml:1;      /* {{name}} escapes & < > " */
    unsigned                   used:1;     /* a compiled tag leads here */
    unsigned                   declared:1; /* its names have been looked for */
};


typedef struct {
    size_t                     offset;     /* in the source */
    u_char                     text[256];  /* terminated */
} ngx_llmops_mustache_error_t;


/*
 * Compiles t->source (UTF-8), which must stay, into tags that live in arena.
 * partials is a list by next of what {{>name}} may mean, compiled in any
 * order, also by each other.  NGX_OK; NGX_DECLINED with *err; NGX_ERROR when
 * the arena is out of memory.
 */
ngx_int_t ngx_llmops_mustache_compile(ngx_llmops_template_t *t,
    ngx_llmops_template_t *partials, ngx_llmops_arena_t *arena,
    ngx_llmops_mustache_error_t *err);

/*
 * Appends t with data (an object, or whatever "." shall be) to out.  *work is
 * counted up, and bounds what several calls may do together.  NGX_OK;
 * NGX_DECLINED if it became too deep or too much work, or out has failed,
 * which is full then or out of memory: *reason is a static text.
 */
ngx_int_t ngx_llmops_mustache_render(ngx_llmops_template_t *t,
    ngx_llmops_value_t *data, ngx_llmops_out_t *out, size_t *work,
    const char **reason);

/* Appends one value as a tag would. */
void ngx_llmops_mustache_value(ngx_llmops_out_t *out, ngx_llmops_value_t *v,
    ngx_uint_t xml);


#endif /* _NGX_LLMOPS_MUSTACHE_H_INCLUDED_ */
