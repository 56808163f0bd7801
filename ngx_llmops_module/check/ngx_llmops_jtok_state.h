
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_JTOK_STATE_H_INCLUDED_
#define _NGX_LLMOPS_JTOK_STATE_H_INCLUDED_


#include "ngx_llmops_jtok.h"


/* The inside of the reader of JSON.  Private to this directory. */


/* up to END between values, where white space says nothing */

typedef enum {
    NGX_LLMOPS_JTOK_S_VALUE = 0,
    NGX_LLMOPS_JTOK_S_FIRST_VALUE,         /* after "[" */
    NGX_LLMOPS_JTOK_S_FIRST_KEY,           /* after "{" */
    NGX_LLMOPS_JTOK_S_KEY,
    NGX_LLMOPS_JTOK_S_COLON,
    NGX_LLMOPS_JTOK_S_AFTER,
    NGX_LLMOPS_JTOK_S_END,
    NGX_LLMOPS_JTOK_S_STRING,
    NGX_LLMOPS_JTOK_S_ESCAPE,
    NGX_LLMOPS_JTOK_S_HEX,
    NGX_LLMOPS_JTOK_S_PAIR,                /* "\" of the second half */
    NGX_LLMOPS_JTOK_S_PAIR_U,
    NGX_LLMOPS_JTOK_S_UTF8,
    NGX_LLMOPS_JTOK_S_NUMBER,
    NGX_LLMOPS_JTOK_S_LITERAL
} ngx_llmops_jtok_state_e;


/* what a number's last byte was */

typedef enum {
    NGX_LLMOPS_JTOK_N_MINUS = 0,
    NGX_LLMOPS_JTOK_N_ZERO,
    NGX_LLMOPS_JTOK_N_INT,
    NGX_LLMOPS_JTOK_N_POINT,
    NGX_LLMOPS_JTOK_N_FRAC,
    NGX_LLMOPS_JTOK_N_EXP,
    NGX_LLMOPS_JTOK_N_SIGN,
    NGX_LLMOPS_JTOK_N_EXP_INT
} ngx_llmops_jtok_number_e;


#define ngx_llmops_jtok_in_object(t)                                          \
    ((t)->object[((t)->depth - 1) / 8] & (1 << ((t)->depth - 1) % 8))


/*
 * Every function that handles a byte returns NGX_OK, NGX_AGAIN if the byte is
 * to be looked at again in the new state, or NGX_DECLINED.
 */


/* jtok.c */

/* A value is complete. */
ngx_int_t ngx_llmops_jtok_end(ngx_llmops_jtok_t *t,
    ngx_llmops_jtok_type_e type);

/* Keys, numbers and wanted strings are kept, within bounds. */
ngx_int_t ngx_llmops_jtok_keep(ngx_llmops_jtok_t *t, const u_char *p,
    size_t len);

ngx_int_t ngx_llmops_jtok_fail(ngx_llmops_jtok_t *t,
    ngx_llmops_jtok_error_e error);


/* jtok_string.c */

/* The plain bytes of a string in one go: where they end, NULL on an error. */
const u_char *ngx_llmops_jtok_plain(ngx_llmops_jtok_t *t, const u_char *p,
    const u_char *last);

/* A byte inside of a string, in one of its states. */
ngx_int_t ngx_llmops_jtok_string(ngx_llmops_jtok_t *t, u_char c);


#endif /* _NGX_LLMOPS_JTOK_STATE_H_INCLUDED_ */
