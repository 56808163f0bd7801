
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin.h"
#include "ngx_llmops_live.h"

#include <openssl/evp.h>
#include <openssl/sha.h>


/*
 * The status page at the root of llm_admin: ops/status.html, which "config"
 * turns into numbers when the module is configured, and the figures that it
 * asks for.
 *
 * The page shows names that others have chosen, and may be open with the right
 * to change things.  So the browser is told to run nothing but the one script
 * and the one style that are in it: the policy has their digests, which are
 * made here from the same bytes, so that they cannot differ.
 */


#define NGX_LLMOPS_PAGE_DIGEST     44      /* base64 of SHA-256 */


static ngx_int_t ngx_llmops_admin_page_get(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_page_move(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_page_figures(ngx_llmops_admin_t *a);
static u_char *ngx_llmops_admin_page_digest(u_char *p, const char *open,
    const char *close);


static const u_char  ngx_llmops_status_page[] = {
#include "ngx_llmops_status.inc"
};


/* the same bytes in every cycle of a process */

static u_char     ngx_llmops_page_policy[512];
static ngx_str_t  ngx_llmops_page_csp;


const ngx_llmops_admin_call_t  ngx_llmops_admin_page[] = {

    { NGX_HTTP_GET, "", "getPage", NULL,
      ngx_llmops_admin_page_get, 0, 0 },

    { NGX_HTTP_GET, "status.json", "getFigures", NULL,
      ngx_llmops_admin_page_figures, 0, 0 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


static ngx_int_t
ngx_llmops_admin_page_get(ngx_llmops_admin_t *a)
{
    ngx_http_request_t  *r;

    r = a->request;

    /* the page asks for what lies beside it */

    if (r->uri.len == 0 || r->uri.data[r->uri.len - 1] != '/') {
        return ngx_llmops_admin_page_move(a);
    }

    ngx_llmops_page_static(&a->page, ngx_llmops_status_page,
                           sizeof(ngx_llmops_status_page));

    if (a->page.failed) {
        return NGX_ERROR;
    }

    ngx_str_set(&a->type, "text/html; charset=utf-8");
    a->policy = ngx_llmops_page_csp;
    a->status = NGX_HTTP_OK;

    return NGX_OK;
}


/* "/a/llm" to "llm/": relative, as nobody knows what is in front of us */

static ngx_int_t
ngx_llmops_admin_page_move(ngx_llmops_admin_t *a)
{
    u_char              *p, *name, *last;
    ngx_http_request_t  *r;

    r = a->request;
    last = r->uri.data + r->uri.len;
    name = last;

    while (name > r->uri.data && name[-1] != '/') {
        name--;
    }

    p = ngx_pnalloc(r->pool, 2 + 3 * (last - name) + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* "./": a colon would end a scheme */

    a->location.data = p;
    p = ngx_cpymem(p, "./", 2);
    p = (u_char *) ngx_escape_uri(p, name, last - name,
                                  NGX_ESCAPE_URI_COMPONENT);
    *p++ = '/';
    a->location.len = p - a->location.data;

    return ngx_llmops_admin_reply(a, NGX_HTTP_MOVED_PERMANENTLY,
                                  json_object());
}


static ngx_int_t
ngx_llmops_admin_page_figures(ngx_llmops_admin_t *a)
{
    ngx_str_t               text;
    ngx_llmops_loc_conf_t  *llcf;

    if (ngx_llmops_live(a->mcf, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    llcf = ngx_http_get_module_loc_conf(a->request, ngx_llmops_module);

    ngx_llmops_page_str(&a->page, &text);

    if (llcf->admin == NGX_LLMOPS_ADMIN_WRITE) {
        ngx_llmops_page_lit(&a->page, ",\"admin\":\"write\"}\n");

    } else {
        ngx_llmops_page_lit(&a->page, ",\"admin\":\"read\"}\n");
    }

    if (a->page.failed) {
        return NGX_ERROR;
    }

    ngx_str_set(&a->type, "application/json");
    a->status = NGX_HTTP_OK;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_admin_page_init(void)
{
    u_char  *p, *style, *script;

    p = ngx_cpymem(ngx_llmops_page_policy,
                   "default-src 'none'; connect-src 'self'; style-src '",
                   sizeof("default-src 'none'; connect-src 'self'; style-src '")
                   - 1);

    style = p;
    p = ngx_llmops_admin_page_digest(p, "<style>", "</style>");

    if (p == style) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(p, "'; script-src '", sizeof("'; script-src '") - 1);

    script = p;
    p = ngx_llmops_admin_page_digest(p, "<script>", "</script>");

    if (p == script) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(p, "'; frame-ancestors 'none'; base-uri 'none'; "
                      "form-action 'none'",
                   sizeof("'; frame-ancestors 'none'; base-uri 'none'; "
                          "form-action 'none'")
                   - 1);

    ngx_llmops_page_csp.data = ngx_llmops_page_policy;
    ngx_llmops_page_csp.len = p - ngx_llmops_page_policy;

    return NGX_OK;
}


/* "sha256-..." of what stands between two tags of the page; p: there is none */

static u_char *
ngx_llmops_admin_page_digest(u_char *p, const char *open, const char *close)
{
    u_char  *page, *last, *from, *to, digest[SHA256_DIGEST_LENGTH];

    page = (u_char *) ngx_llmops_status_page;
    last = page + sizeof(ngx_llmops_status_page);

    from = ngx_strlcasestrn(page, last, (u_char *) open,
                            ngx_strlen(open) - 1);
    if (from == NULL) {
        return p;
    }

    from += ngx_strlen(open);
    to = ngx_strlcasestrn(from, last, (u_char *) close,
                          ngx_strlen(close) - 1);

    if (to == NULL || SHA256(from, to - from, digest) == NULL) {
        return p;
    }

    p = ngx_cpymem(p, "sha256-", sizeof("sha256-") - 1);

    /* writes a null byte as well: there is more to come */

    EVP_EncodeBlock(p, digest, SHA256_DIGEST_LENGTH);

    return p + NGX_LLMOPS_PAGE_DIGEST;
}
