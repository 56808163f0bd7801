
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_VALUE_H_INCLUDED_
#define _NGX_LLMOPS_VALUE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_arena.h"


/*
 * A JSON text as a tree whose nodes point into it.  Nothing is decoded but
 * the keys: a number is written again as it was spelled, a string as the
 * escaped bytes that it is, and the place of a node in its file is known.
 */


/* what is nested deeper has no children: it is only a text */
#define NGX_LLMOPS_VALUE_DEPTH  32


typedef struct ngx_llmops_value_s  ngx_llmops_value_t;

struct ngx_llmops_value_s {
    ngx_llmops_json_type_e     type;
    ngx_str_t                  key;        /* decoded; data NULL: no member */
    ngx_str_t                  raw;        /* with the quotes of a string */
    ngx_llmops_value_t        *first;      /* child */
    ngx_llmops_value_t        *next;       /* sibling */
    ngx_uint_t                 children;
    unsigned                   escape:1;   /* its text is not trusted */
    unsigned                   fence:1;    /* nor may it stand alone */
};


/*
 * Reads valid JSON (what the scanner has passed).  The nodes live in arena
 * and point into raw, which must stay.  NULL when the arena is out of memory.
 */
ngx_llmops_value_t *ngx_llmops_value_parse(ngx_llmops_arena_t *arena,
    ngx_str_t *raw);

/* The member of that name; NULL if there is none, or v is no object.  *work
   is counted up by the nodes that were looked at. */
ngx_llmops_value_t *ngx_llmops_value_get(ngx_llmops_value_t *v,
    const u_char *name, size_t len, size_t *work);

/* The same for a literal. */
ngx_llmops_value_t *ngx_llmops_value_member(ngx_llmops_value_t *v,
    const char *name);

/* Sets escape for a value and all below it. */
void ngx_llmops_value_distrust(ngx_llmops_value_t *v);

/* The escaped bytes between a string's quotes. */
ngx_str_t ngx_llmops_value_inner(ngx_llmops_value_t *v);

/* Characters of a string, a surrogate pair being one. */
size_t ngx_llmops_value_chars(ngx_llmops_value_t *v);

/* A string decoded into arena; data NULL when it is out of memory, or v is no
   string. */
ngx_str_t ngx_llmops_value_text(ngx_llmops_arena_t *arena,
    ngx_llmops_value_t *v);

/* Whether v is that string. */
ngx_uint_t ngx_llmops_value_is(ngx_llmops_value_t *v, const char *text);


#endif /* _NGX_LLMOPS_VALUE_H_INCLUDED_ */
