
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PROMPT_H_INCLUDED_
#define _NGX_LLMOPS_PROMPT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_dialect.h"
#include "ngx_llmops_mustache.h"


/*
 * A version of a prompt, as it is read from its JSON text, and what becomes of
 * a request with it.  Nothing here knows of nginx's requests: memory is an
 * arena's, so that tests and fuzzers link it alone.
 *
 *   ngx_llmops_prompt_file.c         from a text to a prompt, with its errors
 *   ngx_llmops_prompt_variables.c    the schema of its variables
 *   ngx_llmops_prompt_form_check.c   whether its messages are some
 *   ngx_llmops_prompt_form.c         messages, as each of the APIs spells them
 *   ngx_llmops_prompt_parameters.c   the same for the model's parameters
 *   ngx_llmops_prompt_check.c        a caller's variables against the schema
 *   ngx_llmops_prompt_body.c         the body that goes to a provider
 */


#define NGX_LLMOPS_PROMPT_FILE_MAX   (1024 * 1024)
#define NGX_LLMOPS_PROMPT_MEMORY     (16 * 1024 * 1024)    /* of one version */
#define NGX_LLMOPS_PROMPT_VARIABLES  (8 * 1024 * 1024)     /* of one request */
#define NGX_LLMOPS_PROMPT_OUTPUT     (16 * 1024 * 1024)    /* beyond its body */
#define NGX_LLMOPS_PROMPT_NAME       64    /* bytes of a name or version */
#define NGX_LLMOPS_PROMPT_PARAMETERS 32


typedef struct ngx_llmops_piece_s      ngx_llmops_piece_t;
typedef struct ngx_llmops_variable_s   ngx_llmops_variable_t;
typedef struct ngx_llmops_parameter_s  ngx_llmops_parameter_t;
typedef struct ngx_llmops_prompt_s     ngx_llmops_prompt_t;


/* JSON that is partly rendered: bytes, or the inside of a string */

struct ngx_llmops_piece_s {
    ngx_str_t                  text;
    ngx_llmops_template_t     *template;   /* NULL: text */
    ngx_llmops_piece_t        *next;
};


struct ngx_llmops_variable_s {
    ngx_str_t                  name;
    ngx_str_t                  type;       /* as in the file */
    ngx_llmops_value_t        *value;      /* default, or NULL */
    ngx_llmops_value_t        *choices;    /* "enum", or NULL */
    size_t                     max_length; /* 0: any */
    ngx_llmops_variable_t     *next;
    unsigned                   required:1;
    unsigned                   fence:1;
};


struct ngx_llmops_parameter_s {
    ngx_str_t                  name;
    ngx_str_t                  other;      /* another name of it, or len 0 */
    ngx_str_t                  value;      /* JSON */
    ngx_llmops_parameter_t    *next;
    unsigned                   fixed:1;    /* whatever the caller says */
};


/* the APIs that a prompt can be used with */

typedef enum {
    NGX_LLMOPS_FORM_CHAT = 0,              /* chat/completions */
    NGX_LLMOPS_FORM_MESSAGES,              /* Anthropic's */
    NGX_LLMOPS_FORM_RESPONSES,
    NGX_LLMOPS_FORM_MAX
} ngx_llmops_form_e;


/* lists of elements, with the commas between them */

typedef struct {
    ngx_llmops_piece_t        *system;     /* Anthropic's blocks */
    ngx_llmops_piece_t        *before;     /* the caller's messages */
    ngx_llmops_piece_t        *after;
    ngx_llmops_parameter_t    *parameters;
    ngx_str_t                  unusable;   /* why, or len 0 */
} ngx_llmops_form_t;


struct ngx_llmops_prompt_s {
    ngx_llmops_arena_t         arena;      /* has all of it */
    ngx_str_t                  name;
    ngx_str_t                  version;
    ngx_str_t                  full;       /* "name@version" */
    ngx_str_t                  identity;   /* "name@version/SHA-256 of text" */
    ngx_str_t                  text;       /* of the file */
    ngx_str_t                  model;      /* if the caller names none */
    ngx_llmops_value_t        *root;
    ngx_llmops_variable_t     *variables;
    ngx_llmops_template_t     *partials;
    ngx_llmops_form_t          forms[NGX_LLMOPS_FORM_MAX];
    unsigned                   slot:1;     /* takes the caller's messages */
    unsigned                   xml:1;
    unsigned                   context:1;  /* it uses {{context}} */
    ngx_uint_t                 refs;
    void                      *series;     /* ops/: of this worker, in arena */
};


typedef struct {
    ngx_uint_t                 line;
    u_char                     text[512];  /* terminated */
} ngx_llmops_prompt_error_t;


/*
 * Reads a prompt's text.  NULL with *err, whose text says what to write
 * instead.  name and version are copied.  The caller has its reference.
 */
ngx_llmops_prompt_t *ngx_llmops_prompt_parse(ngx_str_t *name,
    ngx_str_t *version, ngx_str_t *text, ngx_llmops_prompt_error_t *err);

/* Gives a reference back; the last one frees the prompt. */
void ngx_llmops_prompt_release(ngx_llmops_prompt_t *p);

#define ngx_llmops_prompt_refer(p)  ((p)->refs++, (p))

/* Whether s may be the name of a prompt, version or label: 1 to 64 of
   [A-Za-z0-9._-]. */
ngx_uint_t ngx_llmops_prompt_name(ngx_str_t *s);


/*
 * The values for a request: those of given (an object, or NULL) that the
 * prompt declares, and defaults.  NULL with *err (kind NONE: out of memory):
 * unknown, missing or wrong variables are named; its strings live in arena.
 */
ngx_llmops_value_t *ngx_llmops_prompt_check(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *given, ngx_llmops_arena_t *arena,
    ngx_llmops_error_t *err);


/* a message that a route adds to all requests */

typedef struct {
    ngx_str_t                  role;       /* system, user, assistant */
    ngx_str_t                  text;       /* plain */
    unsigned                   append:1;
} ngx_llmops_decorator_t;


typedef struct {
    ngx_llmops_form_e          form;
    ngx_llmops_prompt_t       *prompt;     /* NULL: only decorators */
    ngx_llmops_value_t        *values;     /* of _check() */
    ngx_str_t                  model;      /* to be added, or len 0 */
    ngx_llmops_decorator_t    *decorators;
    ngx_uint_t                 ndecorators;
    unsigned                   count:1;    /* tokens are to be counted: there
                                              are no other parameters */
} ngx_llmops_prompt_build_t;


/*
 * Writes the body for a caller's whole body, a valid JSON object: the
 * caller's members in their order, byte by byte, but for those that are
 * replaced; then what the prompt adds.  NGX_OK; NGX_DECLINED with *err, whose
 * texts are static or the prompt's; NGX_ERROR when out of memory.
 */
ngx_int_t ngx_llmops_prompt_body(ngx_llmops_prompt_build_t *build,
    ngx_str_t *body, ngx_llmops_out_t *out, ngx_llmops_error_t *err);


/* private to this room */

/* The fault is at v: sets err with the line; fmt has one %s or none, for
   at most 64 bytes of s (which may be NULL).  Returns NGX_DECLINED. */
ngx_int_t ngx_llmops_prompt_fault(ngx_llmops_prompt_t *p,
    ngx_llmops_prompt_error_t *err, ngx_llmops_value_t *v, const char *fmt,
    ngx_str_t *s);

/* a member that an object of the file may have */

typedef struct {
    const char                *name;
    ngx_llmops_json_type_e     type;       /* NONE: any */
} ngx_llmops_prompt_member_t;

/* Whether v has only known members (up to one without a name), of their types;
   list names them for the message.  NGX_OK or NGX_DECLINED with err. */
ngx_int_t ngx_llmops_prompt_members(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *v, const ngx_llmops_prompt_member_t *known,
    const char *list, ngx_llmops_prompt_error_t *err);

/* Reads "variables".  NGX_OK, NGX_DECLINED with err, NGX_ERROR. */
ngx_int_t ngx_llmops_prompt_variables(ngx_llmops_prompt_t *p,
    ngx_llmops_prompt_error_t *err);

/* Whether "messages" are some, and have a place for the caller's: p->slot. */
ngx_int_t ngx_llmops_form_check(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *messages, ngx_llmops_prompt_error_t *err);

/* Whether it is that place; whether a role's messages are the system's. */
ngx_uint_t ngx_llmops_form_slot(ngx_llmops_value_t *m);
ngx_uint_t ngx_llmops_form_system(ngx_llmops_value_t *role);

/* Whether tags, or those inside of their sections, use "context". */
ngx_uint_t ngx_llmops_form_context(ngx_llmops_tag_t *tag);

/* Fill in forms[], from validated "messages", "parameters" and "fixed".
   NGX_OK, NGX_DECLINED with err, NGX_ERROR. */
ngx_int_t ngx_llmops_prompt_forms(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *messages, ngx_llmops_prompt_error_t *err);
ngx_int_t ngx_llmops_prompt_parameters(ngx_llmops_prompt_t *p,
    ngx_llmops_value_t *object, ngx_uint_t fixed,
    ngx_llmops_prompt_error_t *err);


#endif /* _NGX_LLMOPS_PROMPT_H_INCLUDED_ */
