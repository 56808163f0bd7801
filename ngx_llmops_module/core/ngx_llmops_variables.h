
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


#endif /* _NGX_LLMOPS_VARIABLES_H_INCLUDED_ */
