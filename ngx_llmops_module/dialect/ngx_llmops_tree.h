
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_TREE_H_INCLUDED_
#define _NGX_LLMOPS_TREE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_llmops_out.h"


/*
 * JSON trees that lose nothing of a number.
 *
 * jansson keeps numbers as int64 and double: it refuses 2^64, prints 0.1 as
 * 0.10000000000000001 and 1e5 as 100000.0, which changes tool arguments,
 * schemas and the prefix that a prompt cache hashes.  So a number that is not
 * a plain integer of up to 18 digits is kept as its text: a string that
 * starts with NUL.  The same form holds any other JSON text that must be
 * written as it came (tool arguments).  A caller cannot forge it: NUL and
 * lone surrogates, which jansson would refuse altogether, are read as U+FFFD.
 *
 * Such trees are therefore written by ngx_llmops_tree_write() only, and
 * strings are told from raw texts by ngx_llmops_tree_is_string().
 */


/* Parses one object or array; NULL if it is not JSON (or out of memory). */
json_t *ngx_llmops_tree_parse(const void *p, size_t len);

/* Writes v, without white space; a failure sticks in out. */
void ngx_llmops_tree_write(ngx_llmops_out_t *out, json_t *v);

/* A value that is written as the JSON text p[len], which must be valid. */
json_t *ngx_llmops_tree_raw(const char *p, size_t len);

/* The JSON text of v as a string value; at most max bytes. */
json_t *ngx_llmops_tree_text(json_t *v, size_t max);

/* A real string, not a raw text. */
ngx_uint_t ngx_llmops_tree_is_string(json_t *v);

/* A string that is not empty. */
ngx_uint_t ngx_llmops_tree_has_text(json_t *v);

/*
 * Cuts a value into pieces: returns the one that begins at byte *at, 0 at
 * first, and puts into *at where it ends.  There is another one while *at is
 * less than json_string_length(v).  A piece has about max bytes, more of a
 * long text, and whole characters; with max 0, or if it is no real string, v
 * is its only one.  A reference for the caller; NULL: out of memory.
 */
json_t *ngx_llmops_tree_piece(json_t *v, size_t *at, size_t max);

/* A number: NGX_OK and *d, or NGX_DECLINED. */
ngx_int_t ngx_llmops_tree_number(json_t *v, double *d);

/* The member of that name as a count: 0 if it is none, or above 2^53. */
int64_t ngx_llmops_tree_count(json_t *object, const char *key);

/* The string member of that name, or NULL. */
const char *ngx_llmops_tree_str(json_t *object, const char *key);

/* The string member of that name is this one. */
ngx_uint_t ngx_llmops_tree_is(json_t *object, const char *key,
    const char *value);


#endif /* _NGX_LLMOPS_TREE_H_INCLUDED_ */
