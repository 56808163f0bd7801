
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_JSCHEMA_NODE_H_INCLUDED_
#define _NGX_LLMOPS_JSCHEMA_NODE_H_INCLUDED_


#define PCRE2_CODE_UNIT_WIDTH  8

#include <pcre2.h>
#include "ngx_llmops_jschema.h"


/* What a schema is compiled to.  Private to this directory. */


#define NGX_LLMOPS_JSCHEMA_MAX_NODES  16384
#define NGX_LLMOPS_JSCHEMA_BUCKETS    1024   /* a power of two */
#define NGX_LLMOPS_JSCHEMA_PATTERNS   (2 * 1024 * 1024)  /* bytes, compiled */
#define NGX_LLMOPS_JSCHEMA_MAX_DEPS   64     /* of one schema */


typedef struct ngx_llmops_jnode_s      ngx_llmops_jnode_t;
typedef struct ngx_llmops_jresource_s  ngx_llmops_jresource_t;


/* values are compared by 128 bits of a seeded hash; see jschema_value.c */

typedef struct {
    uint64_t                   a;
    uint64_t                   b;
} ngx_llmops_jhash_t;


/* a number: exact as a decimal of up to 19 digits, else nearly so */

typedef struct {
    const u_char              *text;       /* while it is read; NULL: real is
                                              set */
    size_t                     len;
    double                     real;
    uint64_t                   digits;     /* |value| = digits * 10^exp */
    int32_t                    exp;        /* digits has no trailing zero */
    unsigned                   negative:1;
    unsigned                   exact:1;    /* digits and exp are set */
} ngx_llmops_jnumber_t;


/* bits of types */

#define NGX_LLMOPS_JTYPE_NULL      0x01
#define NGX_LLMOPS_JTYPE_BOOLEAN   0x02
#define NGX_LLMOPS_JTYPE_INTEGER   0x04
#define NGX_LLMOPS_JTYPE_NUMBER    0x08
#define NGX_LLMOPS_JTYPE_STRING    0x10
#define NGX_LLMOPS_JTYPE_ARRAY     0x20
#define NGX_LLMOPS_JTYPE_OBJECT    0x40


typedef struct {
    ngx_llmops_jnode_t       **elts;
    ngx_uint_t                 nelts;
} ngx_llmops_jnodes_t;


/* a member that a schema knows by name; sorted by its length, then by name */

typedef struct {
    ngx_str_t                  name;
    ngx_llmops_jnode_t        *property;   /* of properties, or NULL */
    unsigned                   required:1;
} ngx_llmops_jname_t;


typedef struct {
    pcre2_code                *regex;
    ngx_llmops_jnode_t        *node;
} ngx_llmops_jpattern_t;


/* if that name is there, so must be these; and that schema must hold */

typedef struct {
    ngx_uint_t                 trigger;    /* index into names */
    ngx_uint_t                *names;
    ngx_uint_t                 nnames;
    ngx_llmops_jnode_t        *node;       /* or NULL */
} ngx_llmops_jdep_t;


struct ngx_llmops_jnode_s {
    json_t                    *json;       /* where it stands */
    ngx_llmops_jresource_t    *resource;
    unsigned                   never:1;    /* false */
    unsigned                   always:1;   /* true, or no keyword */
    unsigned                   applies:1;  /* others to the same value */
    unsigned                   types;      /* bits; 0: any */

    /* any value */
    ngx_llmops_jhash_t        *enums;      /* NULL: no enum */
    ngx_uint_t                 nenums;
    ngx_llmops_jhash_t        *constant;   /* or NULL */

    /* numbers; or NULL */
    ngx_llmops_jnumber_t      *multiple_of;
    ngx_llmops_jnumber_t      *minimum;
    ngx_llmops_jnumber_t      *maximum;
    ngx_llmops_jnumber_t      *above;      /* exclusiveMinimum */
    ngx_llmops_jnumber_t      *below;      /* exclusiveMaximum */

    /* strings */
    size_t                     min_length;
    size_t                     max_length; /* -1: none */
    pcre2_code                *pattern;

    /* arrays */
    ngx_llmops_jnodes_t        prefix;
    ngx_llmops_jnode_t        *items;      /* behind the prefix */
    ngx_llmops_jnode_t        *contains;
    size_t                     min_contains;
    size_t                     max_contains;
    size_t                     min_items;
    size_t                     max_items;
    unsigned                   unique:1;
    ngx_llmops_jnode_t        *unevaluated_items;

    /* objects */
    ngx_llmops_jname_t        *names;
    ngx_uint_t                 nnames;
    ngx_uint_t                 nrequired;
    ngx_llmops_jpattern_t     *patterns;
    ngx_uint_t                 npatterns;
    ngx_llmops_jnode_t        *additional;
    ngx_llmops_jnode_t        *property_names;
    size_t                     min_properties;
    size_t                     max_properties;
    ngx_llmops_jdep_t         *deps;
    ngx_uint_t                 ndeps;
    ngx_llmops_jnode_t        *unevaluated_properties;

    /* the same value again */
    ngx_llmops_jnodes_t        all;
    ngx_llmops_jnodes_t        any;
    ngx_llmops_jnodes_t        one;
    ngx_llmops_jnode_t        *not;
    ngx_llmops_jnode_t        *when;       /* if */
    ngx_llmops_jnode_t        *then;
    ngx_llmops_jnode_t        *otherwise;  /* else */
    ngx_llmops_jnode_t        *ref;
    ngx_llmops_jnode_t        *dynamic;    /* where $dynamicRef leads if
                                              nothing outside overrides it */
    ngx_str_t                  dynamic_anchor; /* of dynamic; len 0: plain */

    ngx_llmops_jnode_t        *next;       /* of all */
    ngx_llmops_jnode_t        *chain;      /* of its bucket */
};


typedef struct {
    ngx_str_t                  name;
    json_t                    *json;
    unsigned                   dynamic:1;
    ngx_llmops_jnode_t        *node;       /* of a dynamic one */
} ngx_llmops_janchor_t;


/* a schema with a URI of its own */

struct ngx_llmops_jresource_s {
    char                      *uri;
    json_t                    *root;
    ngx_llmops_jschema_draft_e   draft;
    ngx_llmops_janchor_t      *anchors;
    ngx_uint_t                 nanchors;
    unsigned                   entered:1;  /* a node stands in it */
    ngx_llmops_jresource_t    *next;
};


struct ngx_llmops_jschema_s {
    json_t                    *json;
    ngx_llmops_jnode_t        *root;
    ngx_llmops_jnode_t        *nodes;
    ngx_uint_t                 nnodes;
    ngx_llmops_jresource_t    *resources;
    uint64_t                   seed;
    size_t                     patterns;   /* bytes of those compiled */
    pcre2_match_context       *match_context;
    pcre2_match_context       *match_quick;
    pcre2_match_data          *match_data;
    void                      *blocks;     /* all else that is to be freed */
    char                      *err;        /* only while compiling */
    size_t                     err_size;
    unsigned                   failed:1;
    ngx_llmops_jnode_t        *buckets[NGX_LLMOPS_JSCHEMA_BUCKETS];
};


/* jschema.c */

/* Zeroed memory that lives as long as the schema; NULL: failed is set. */
void *ngx_llmops_jschema_alloc(ngx_llmops_jschema_t *s, size_t size);

/* Notes the first reason of a failure. */
void ngx_llmops_jschema_error(ngx_llmops_jschema_t *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The node of a schema at that place, compiled if it is not yet; NULL after
   an error. */
ngx_llmops_jnode_t *ngx_llmops_jschema_node(ngx_llmops_jschema_t *s,
    json_t *json, ngx_llmops_jresource_t *resource);


/* jschema_keyword.c: fills a node from its object */

void ngx_llmops_jschema_keywords(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node);

/* A keyword that is a schema: its node, or NULL. */
ngx_llmops_jnode_t *ngx_llmops_jkey_node(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node, const char *keyword);

/* A keyword that is a whole number; value, if it is not there. */
size_t ngx_llmops_jkey_count(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node, const char *keyword, size_t value);

/* Compiles a pattern; NULL: the error is noted. */
pcre2_code *ngx_llmops_jkey_regex(ngx_llmops_jschema_t *s,
    const char *pattern, size_t len);


/* jschema_object.c: keywords of objects; the names come first */

void ngx_llmops_jkey_names(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node);
void ngx_llmops_jkey_objects(ngx_llmops_jschema_t *s,
    ngx_llmops_jnode_t *node);


/* jschema_ref.c */

/* Finds the resources and anchors of a document. */
void ngx_llmops_jschema_scan(ngx_llmops_jschema_t *s, json_t *root,
    const char *uri, ngx_llmops_jschema_draft_e draft);

/* Where a reference leads; NULL: nowhere, and the error is noted.  *resource
   is set to that of the place. */
json_t *ngx_llmops_jschema_resolve(ngx_llmops_jschema_t *s,
    ngx_llmops_jresource_t *base, const char *ref,
    ngx_llmops_jresource_t **resource, ngx_llmops_janchor_t **anchor);

/* The resource whose root this is, or NULL. */
ngx_llmops_jresource_t *ngx_llmops_jschema_resource(ngx_llmops_jschema_t *s,
    json_t *json);

/* The dynamic anchor of that name in a resource, or NULL. */
ngx_llmops_janchor_t *ngx_llmops_jschema_dynamic(
    ngx_llmops_jresource_t *resource, ngx_str_t *name);


/* jschema_uri.c: RFC 3986, 5.2; malloc'ed, NULL if out of memory */
char *ngx_llmops_juri_resolve(const char *base, const char *ref);


/* jschema_value.c */

void ngx_llmops_jnumber_read(ngx_llmops_jnumber_t *n, const u_char *p,
    size_t len);
void ngx_llmops_jnumber_json(ngx_llmops_jnumber_t *n, json_t *value);
double ngx_llmops_jnumber_real(const ngx_llmops_jnumber_t *n);
ngx_int_t ngx_llmops_jnumber_compare(const ngx_llmops_jnumber_t *a,
    const ngx_llmops_jnumber_t *b);
ngx_uint_t ngx_llmops_jnumber_multiple(const ngx_llmops_jnumber_t *a,
    const ngx_llmops_jnumber_t *b);
ngx_uint_t ngx_llmops_jnumber_integral(const ngx_llmops_jnumber_t *n);

ngx_llmops_jhash_t ngx_llmops_jhash_bytes(uint64_t seed, const u_char *p,
    size_t len);
ngx_llmops_jhash_t ngx_llmops_jhash_scalar(uint64_t seed,
    ngx_llmops_jtok_type_e type, ngx_str_t *text);
ngx_llmops_jhash_t ngx_llmops_jhash_item(ngx_llmops_jhash_t acc,
    ngx_llmops_jhash_t item);
ngx_llmops_jhash_t ngx_llmops_jhash_member(ngx_llmops_jhash_t acc,
    ngx_llmops_jhash_t name, ngx_llmops_jhash_t value);
ngx_llmops_jhash_t ngx_llmops_jhash_end(uint64_t seed,
    ngx_llmops_jtok_type_e type, ngx_llmops_jhash_t acc);
ngx_llmops_jhash_t ngx_llmops_jhash_json(uint64_t seed, json_t *value);

/* Whether a pattern of the schema is found in text, within its limits; adds
   to *work what that was worth, in the unit of NGX_LLMOPS_JCHECK_WORK. */
ngx_uint_t ngx_llmops_jschema_match(ngx_llmops_jschema_t *s,
    pcre2_code *regex, ngx_str_t *text, size_t *work);

/* The name among those that a node knows; its index, or -1. */
ngx_int_t ngx_llmops_jnode_name(ngx_llmops_jnode_t *node, ngx_str_t *name);

#define ngx_llmops_jhash_equal(x, y)  ((x).a == (y).a && (x).b == (y).b)


#endif /* _NGX_LLMOPS_JSCHEMA_NODE_H_INCLUDED_ */
