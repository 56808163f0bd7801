
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SECRET_H_INCLUDED_
#define _NGX_LLMOPS_SECRET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * A secret of the configuration: "env:NAME", "file:PATH" or, with a warning,
 * the text itself.  It lives in a page of its own, which no core dump has, and
 * is wiped when its configuration goes.
 */


#define NGX_LLMOPS_SECRET_MAX  4096

typedef struct {
    ngx_str_t                  value;
    ngx_str_t                  env;        /* the variable, or len 0 */
    u_char                    *env_value;  /* in this process's memory */
} ngx_llmops_secret_t;


/*
 * Reads a secret while the configuration is read: by the process that reads
 * it, so that no "env" directive is needed; a file is read at each (re)load.
 * what is the parameter as errors shall show it, for example "password".
 * NGX_OK or NGX_ERROR (logged, without the secret).
 */
ngx_int_t ngx_llmops_secret_read(ngx_conf_t *cf, ngx_str_t *word,
    const char *what, ngx_llmops_secret_t *secret);

/* In each worker at its start: wipes the secret out of the worker's copy of
   the master's environment, unless an "env" directive wants it there. */
void ngx_llmops_secret_start(ngx_llmops_secret_t *secret);


#endif /* _NGX_LLMOPS_SECRET_H_INCLUDED_ */
