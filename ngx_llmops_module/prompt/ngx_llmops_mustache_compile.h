
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_MUSTACHE_COMPILE_H_INCLUDED_
#define _NGX_LLMOPS_MUSTACHE_COMPILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_mustache.h"


/* What the two files of the compiler have in common; nobody else includes
   this. */


#define NGX_LLMOPS_DELIMITER_MAX  8


typedef struct {
    ngx_llmops_template_t     *t;
    ngx_llmops_template_t     *partials;
    ngx_llmops_arena_t        *arena;
    ngx_llmops_mustache_error_t  *err;

    u_char                    *pos;        /* behind what is compiled */
    u_char                    *last;
    u_char                    *start;      /* of the present tag */

    ngx_str_t                  open;
    ngx_str_t                  close;

    ngx_llmops_tag_t         **end;        /* where the next tag goes */
    ngx_llmops_tag_t          *sections[NGX_LLMOPS_MUSTACHE_NESTED];
    u_char                    *opened[NGX_LLMOPS_MUSTACHE_NESTED];
    ngx_uint_t                 nsections;
} ngx_llmops_compile_t;


#define ngx_llmops_is_space(c)                                                \
    ((c) == ' ' || (c) == '\t' || (c) == LF || (c) == CR)


/* ngx_llmops_mustache.c */

/* The fault is at that place of the source: sets c->err; fmt has
   one %s or none, for name.  Returns NGX_DECLINED. */
ngx_int_t ngx_llmops_compile_fault(ngx_llmops_compile_t *c, u_char *at,
    const char *fmt, ngx_str_t *name);

/* Takes the spaces from both ends. */
void ngx_llmops_compile_trim(ngx_str_t *s);

/* Text of the template as it stands inside of a JSON string, in c->arena.
   NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_compile_escape(ngx_llmops_compile_t *c, u_char *p,
    size_t len, ngx_str_t *text);


/* ngx_llmops_mustache_tag.c */

/* Compiles a tag of that kind (its sign, or 0) with what is inside of it;
   indent is what stands before one that has its line alone.  NGX_OK,
   NGX_DECLINED with c->err, NGX_ERROR. */
ngx_int_t ngx_llmops_compile_kind(ngx_llmops_compile_t *c, u_char kind,
    ngx_str_t *inside, ngx_str_t *indent);

/* A new tag behind those that are there; NULL: out of memory. */
ngx_llmops_tag_t *ngx_llmops_compile_push(ngx_llmops_compile_t *c,
    ngx_llmops_tag_e type);


#endif /* _NGX_LLMOPS_MUSTACHE_COMPILE_H_INCLUDED_ */
