
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_jschema_node.h"


/* References to other URIs, RFC 3986, 5.2. */


typedef struct {
    const char                *scheme;     /* without ":" */
    size_t                     scheme_len; /* 0: none */
    const char                *authority;  /* with "//" */
    size_t                     authority_len;
    const char                *path;
    size_t                     path_len;
    const char                *rest;       /* query and fragment */
} ngx_llmops_juri_t;


static void
ngx_llmops_juri_split(ngx_llmops_juri_t *u, const char *s)
{
    size_t  n;

    ngx_memzero(u, sizeof(ngx_llmops_juri_t));

    n = strcspn(s, ":/?#");

    if (s[n] == ':' && n) {
        u->scheme = s;
        u->scheme_len = n;
        s += n + 1;
    }

    u->authority = s;

    if (s[0] == '/' && s[1] == '/') {
        u->authority_len = 2 + strcspn(s + 2, "/?#");
        s += u->authority_len;
    }

    u->path = s;
    u->path_len = strcspn(s, "?#");
    u->rest = s + u->path_len;
}


/* 5.2.4, in place; len is the path's */

static size_t
ngx_llmops_juri_dots(char *path, size_t len)
{
    char    *end;
    size_t   i, n, out;

    out = 0;
    i = 0;

    while (i < len) {
        end = memchr(path + i + 1, '/', len - i - 1);
        n = (end ? (size_t) (end - path) : len) - i;

        if (n == 2 && path[i] == '/' && path[i + 1] == '.') {
            if (i + n == len) {
                path[out++] = '/';
            }

        } else if (n == 3 && ngx_memcmp(path + i, "/..", 3) == 0) {

            while (out && path[--out] != '/') {
                /* void */
            }

            if (i + n == len) {
                path[out++] = '/';
            }

        } else {
            ngx_memmove(path + out, path + i, n);
            out += n;
        }

        i += n;
    }

    return out;
}


static char *
ngx_llmops_juri_add(char *p, const char *s, size_t len)
{
    return (char *) ngx_cpymem(p, s, len);
}


char *
ngx_llmops_juri_resolve(const char *base, const char *ref)
{
    char               *uri, *p, *path;
    size_t              len;
    ngx_llmops_juri_t   b, r, *from;

    ngx_llmops_juri_split(&b, base);
    ngx_llmops_juri_split(&r, ref);

    uri = malloc(ngx_strlen(base) + ngx_strlen(ref) + 8);
    if (uri == NULL) {
        return NULL;
    }

    p = uri;
    from = r.scheme_len ? &r : &b;

    if (from->scheme_len) {
        p = ngx_llmops_juri_add(p, from->scheme, from->scheme_len);
        *p++ = ':';
    }

    from = (r.scheme_len || r.authority_len) ? &r : &b;
    p = ngx_llmops_juri_add(p, from->authority, from->authority_len);

    path = p;

    if (from == &r || (r.path_len && r.path[0] == '/')) {
        p = ngx_llmops_juri_add(p, r.path, r.path_len);

    } else if (r.path_len == 0) {
        len = (r.rest[0] == '?') ? b.path_len
                                 : b.path_len + strcspn(b.rest, "#");
        p = ngx_llmops_juri_add(p, b.path, len);

    } else {

        len = b.path_len;

        while (len && b.path[len - 1] != '/') {
            len--;
        }

        p = ngx_llmops_juri_add(p, b.path, len);

        if (len == 0 && b.authority_len) {
            *p++ = '/';
        }

        p = ngx_llmops_juri_add(p, r.path, r.path_len);
    }

    if (path < p && path[0] == '/' && r.path_len) {
        p = path + ngx_llmops_juri_dots(path, p - path);
    }

    ngx_memcpy(p, r.rest, ngx_strlen(r.rest) + 1);

    return uri;
}
