
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_jwt_set.h"


/*
 * The text of a key set in shared memory.  Whoever has fetched one writes it,
 * and nobody locks: the checksum is taken out first and put in last, and a
 * reader checks that of its copy.  Two who write at the same time leave a
 * record that nobody takes, until the next one.
 */


static uint32_t ngx_llmops_jwt_crc(ngx_llmops_jwt_sh_t *sh);


ngx_int_t
ngx_llmops_jwt_adopt(ngx_llmops_jwt_t *jwt)
{
    uint64_t              revision;
    ngx_str_t             text;
    ngx_llmops_jwt_sh_t  *copy;

    if (jwt->sh == NULL || jwt->sh->fetched <= jwt->fetched) {
        return NGX_DECLINED;
    }

    copy = ngx_alloc(sizeof(ngx_llmops_jwt_sh_t), ngx_cycle->log);
    if (copy == NULL) {
        return NGX_DECLINED;
    }

    revision = jwt->revision;

    ngx_memcpy(copy, jwt->sh, sizeof(ngx_llmops_jwt_sh_t));

    if (copy->len <= NGX_LLMOPS_JWT_SHARED
        && copy->crc == ngx_llmops_jwt_crc(copy))
    {
        text.data = copy->text;
        text.len = copy->len;

        if (ngx_llmops_jwt_install(jwt, &text) == NULL) {
            jwt->fetched = copy->fetched;
        }
    }

    ngx_free(copy);

    return (revision != jwt->revision) ? NGX_OK : NGX_DECLINED;
}


void
ngx_llmops_jwt_share(ngx_llmops_jwt_t *jwt, ngx_str_t *text)
{
    ngx_llmops_jwt_sh_t  *sh;

    sh = jwt->sh;

    if (sh == NULL || text->len > NGX_LLMOPS_JWT_SHARED) {
        return;
    }

    sh->crc = 0;
    sh->len = (uint32_t) text->len;
    sh->fetched = jwt->fetched;
    ngx_memcpy(sh->text, text->data, text->len);

    ngx_memory_barrier();

    sh->crc = ngx_llmops_jwt_crc(sh);
}


static uint32_t
ngx_llmops_jwt_crc(ngx_llmops_jwt_sh_t *sh)
{
    size_t    len;
    uint32_t  crc;

    len = ngx_min(sh->len, NGX_LLMOPS_JWT_SHARED);

    ngx_crc32_init(crc);
    ngx_crc32_update(&crc, (u_char *) &sh->len, sizeof(sh->len));
    ngx_crc32_update(&crc, (u_char *) &sh->fetched, sizeof(sh->fetched));
    ngx_crc32_update(&crc, sh->text, len);
    ngx_crc32_final(crc);

    return crc;
}
