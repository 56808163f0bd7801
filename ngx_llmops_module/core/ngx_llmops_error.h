
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ERROR_H_INCLUDED_
#define _NGX_LLMOPS_ERROR_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * Errors that are not a provider's answer, in the caller's dialect.
 *
 * A handler that refuses a request calls ngx_llmops_deny() and returns its
 * result, an HTTP status, to nginx, as any handler would.  nginx then makes
 * its built-in page, and the filters here put the dialect's error in its
 * place: for our refusals as well as for those of nginx's own modules
 * (limit_req, access, auth_request, client_max_body_size ...) and of its
 * upstream code.  A page that the user has chosen with error_page is left
 * alone.
 */


/* Puts the filters in front of nginx's: called at postconfiguration. */
ngx_int_t ngx_llmops_error_filters(ngx_conf_t *cf);

/*
 * Notes why a request is refused and returns the status for it.  message is
 * copied into r->pool; the other strings must live as long as the request.
 * err->kind and err->message must be set.  retry is the number of seconds of
 * a retry-after header, or 0 for none.
 */
ngx_int_t ngx_llmops_deny(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_error_t *err, ngx_uint_t retry);

/* The same with a formatted message (at most 512 bytes) and a code. */
ngx_int_t ngx_llmops_deny_text(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_err_e kind, const char *code,
    const char *fmt, ...);


#endif /* _NGX_LLMOPS_ERROR_H_INCLUDED_ */
