
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_live.h"


/*
 * Any number of pages may be open: what was made within the last second is
 * given again, from memory that each worker keeps for that.  A text that would
 * be too large is made again with half the rows.
 */


static ngx_int_t ngx_llmops_live_make(ngx_llmops_main_conf_t *mcf);
static size_t ngx_llmops_live_dump(ngx_llmops_live_t *l, ngx_uint_t rows);


static struct {
    ngx_llmops_main_conf_t    *mcf;        /* that it is of */
    ngx_msec_t                 made;
    size_t                     len;        /* 0: nothing yet */
    u_char                    *text;       /* until the process ends */
} ngx_llmops_live_last;


ngx_int_t
ngx_llmops_live(ngx_llmops_main_conf_t *mcf, ngx_str_t *text)
{
    ngx_msec_t  age;

    age = ngx_current_msec - ngx_llmops_live_last.made;

    if (ngx_llmops_live_last.mcf != mcf || ngx_llmops_live_last.len == 0
        || age >= NGX_LLMOPS_LIVE_AGE)
    {
        if (ngx_llmops_live_make(mcf) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    text->data = ngx_llmops_live_last.text;
    text->len = ngx_llmops_live_last.len;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_live_make(ngx_llmops_main_conf_t *mcf)
{
    size_t              len;
    ngx_uint_t          rows;
    ngx_pool_t         *pool;
    ngx_llmops_live_t  *l;

    if (ngx_llmops_live_last.text == NULL) {
        ngx_llmops_live_last.text = ngx_alloc(NGX_LLMOPS_LIVE_SIZE,
                                              ngx_cycle->log);
        if (ngx_llmops_live_last.text == NULL) {
            return NGX_ERROR;
        }
    }

    pool = ngx_create_pool(16384, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_live_last.len = 0;
    len = 0;

    l = ngx_pcalloc(pool, sizeof(ngx_llmops_live_t));

    if (l) {
        l->pool = pool;
        l->mcf = mcf;

        ngx_llmops_live_gather(l);

        for (rows = NGX_LLMOPS_LIVE_ROWS; !l->failed && rows; rows /= 2) {

            len = ngx_llmops_live_dump(l, rows);

            if (len) {
                break;
            }

            l->truncated = 1;
        }
    }

    ngx_destroy_pool(pool);

    if (len == 0) {
        return NGX_ERROR;
    }

    ngx_llmops_live_last.mcf = mcf;
    ngx_llmops_live_last.made = ngx_current_msec;
    ngx_llmops_live_last.len = len;

    return NGX_OK;
}


/* the length of the text without its last brace; 0: it has no room */

static size_t
ngx_llmops_live_dump(ngx_llmops_live_t *l, ngx_uint_t rows)
{
    size_t   len;
    json_t  *json;

    json = ngx_llmops_live_json(l, rows);

    if (json == NULL) {
        l->failed = 1;
        return 0;
    }

    len = json_dumpb(json, (char *) ngx_llmops_live_last.text,
                     NGX_LLMOPS_LIVE_SIZE,
                     JSON_COMPACT|JSON_REAL_PRECISION(15));
    json_decref(json);

    /* with room for what the handler writes behind it */

    return (len && len <= NGX_LLMOPS_LIVE_SIZE - 64) ? len - 1 : 0;
}
