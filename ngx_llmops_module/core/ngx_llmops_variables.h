
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_VARIABLES_H_INCLUDED_
#define _NGX_LLMOPS_VARIABLES_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * The facts of a request as $llm_* variables.  They are not found, which a log
 * prints as "-" or "", outside of llm_pass and as long as a fact is not known.
 */

/* Adds them; called at preconfiguration.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_variables_add(ngx_conf_t *cf);

/* Adds those of another room, up to one without a name.  The same. */
ngx_int_t ngx_llmops_variables_add_all(ngx_conf_t *cf,
    ngx_http_variable_t *v);

/* What a get_handler ends with: the text, which has to live as long as the
   request, or, with len 0, not found.  NGX_OK. */
ngx_int_t ngx_llmops_variable_set(ngx_http_variable_value_t *v, u_char *p,
    size_t len);


#endif /* _NGX_LLMOPS_VARIABLES_H_INCLUDED_ */
