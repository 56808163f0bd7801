
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"


/*
 * The keys of a file, of which there may be a million: 48 bytes each, an index
 * of 32-bit numbers that is at most half full, and the text of the record as
 * JSON.  A record becomes an identity when its key is seen, and the worker's
 * cache keeps it as long as it is in use.
 *
 * Digests are as good as random numbers, so their first bytes are the hash,
 * and a look into the index finds its entry at once or in the next few places,
 * however many there are.  Nobody but the administrator puts digests here, so
 * that nobody can make them collide.
 */


#define NGX_LLMOPS_TABLE_MIN    64
#define NGX_LLMOPS_TABLE_TEXT   65536      /* bytes of a piece of text */


typedef struct {
    u_char                     digest[NGX_LLMOPS_KEY_DIGEST];
    u_char                    *text;
    size_t                     len;
} ngx_llmops_key_row_t;


struct ngx_llmops_key_table_s {
    ngx_pool_t                *pool;       /* for texts */
    ngx_llmops_key_row_t      *rows;
    uint32_t                  *index;      /* number of a row + 1; 0: free */
    ngx_uint_t                 count;
    ngx_uint_t                 size;       /* of rows; the index has twice as
                                              many places; a power of 2 */
    u_char                    *pos;        /* free text */
    u_char                    *last;
};


static ngx_int_t ngx_llmops_key_table_grow(ngx_llmops_key_table_t *table);
static uint32_t *ngx_llmops_key_table_place(ngx_llmops_key_table_t *table,
    const u_char *digest);
static u_char *ngx_llmops_key_table_text(ngx_llmops_key_table_t *table,
    const char *text, size_t len);
static json_t *ngx_llmops_key_table_record(ngx_llmops_key_row_t *row);
static void ngx_llmops_key_table_free(void *data);


ngx_llmops_key_table_t *
ngx_llmops_key_table_create(ngx_pool_t *pool)
{
    ngx_pool_cleanup_t      *cln;
    ngx_llmops_key_table_t  *table;

    table = ngx_pcalloc(pool, sizeof(ngx_llmops_key_table_t));
    cln = ngx_pool_cleanup_add(pool, 0);

    if (table == NULL || cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_llmops_key_table_free;
    cln->data = table;

    table->pool = pool;

    return table;
}


ngx_int_t
ngx_llmops_key_table_add(ngx_llmops_key_table_t *table,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST], const char *text, size_t len)
{
    uint32_t              *place;
    ngx_llmops_key_row_t  *row;

    if (table->count == table->size
        && ngx_llmops_key_table_grow(table) != NGX_OK)
    {
        return NGX_ERROR;
    }

    place = ngx_llmops_key_table_place(table, digest);

    if (*place) {
        return NGX_BUSY;
    }

    row = &table->rows[table->count];

    ngx_memcpy(row->digest, digest, NGX_LLMOPS_KEY_DIGEST);
    row->len = len;
    row->text = ngx_llmops_key_table_text(table, text, len);

    if (row->text == NULL && len) {
        return NGX_ERROR;
    }

    table->count++;
    *place = (uint32_t) table->count;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_key_table_grow(ngx_llmops_key_table_t *table)
{
    size_t                 size;
    uint32_t              *index;
    ngx_uint_t             i;
    ngx_llmops_key_row_t  *rows;

    size = table->size ? 2 * table->size : NGX_LLMOPS_TABLE_MIN;

    /* numbers of rows have 31 bits */

    if (size > ((size_t) 1 << 30)) {
        return NGX_ERROR;
    }

    rows = realloc(table->rows, size * sizeof(ngx_llmops_key_row_t));
    if (rows == NULL) {
        return NGX_ERROR;
    }

    table->rows = rows;

    index = ngx_calloc(2 * size * sizeof(uint32_t), table->pool->log);
    if (index == NULL) {
        return NGX_ERROR;
    }

    if (table->index) {
        ngx_free(table->index);
    }

    table->index = index;
    table->size = size;

    for (i = 0; i < table->count; i++) {
        *ngx_llmops_key_table_place(table, rows[i].digest) = (uint32_t) i + 1;
    }

    return NGX_OK;
}


/* where a digest stands in the index, or would stand */

static uint32_t *
ngx_llmops_key_table_place(ngx_llmops_key_table_t *table,
    const u_char *digest)
{
    size_t     mask;
    uint64_t   n;

    ngx_memcpy(&n, digest, sizeof(uint64_t));

    mask = 2 * table->size - 1;

    for (n &= mask; table->index[n]; n = (n + 1) & mask) {
        if (ngx_llmops_key_equal(table->rows[table->index[n] - 1].digest,
                                 digest))
        {
            break;
        }
    }

    return &table->index[n];
}


static u_char *
ngx_llmops_key_table_text(ngx_llmops_key_table_t *table, const char *text,
    size_t len)
{
    u_char  *p;
    size_t   size;

    if ((size_t) (table->last - table->pos) < len) {
        size = ngx_max(len, NGX_LLMOPS_TABLE_TEXT);

        table->pos = ngx_pnalloc(table->pool, size);
        if (table->pos == NULL) {
            table->last = NULL;
            return NULL;
        }

        table->last = table->pos + size;
    }

    p = table->pos;
    table->pos = ngx_cpymem(p, text, len);

    return p;
}


ngx_uint_t
ngx_llmops_key_table_count(ngx_llmops_key_table_t *table)
{
    return table->count;
}


ngx_int_t
ngx_llmops_key_table_find(ngx_llmops_key_table_t *table,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST],
    ngx_llmops_identity_t **identity, ngx_log_t *log)
{
    json_t    *record;
    uint32_t  *place;

    if (table == NULL || table->count == 0) {
        return NGX_DECLINED;
    }

    place = ngx_llmops_key_table_place(table, digest);

    if (*place == 0) {
        return NGX_DECLINED;
    }

    record = ngx_llmops_key_table_record(&table->rows[*place - 1]);
    if (record == NULL) {
        return NGX_ERROR;
    }

    *identity = ngx_llmops_key_identity(record, log);

    json_decref(record);

    return *identity ? NGX_OK : NGX_ERROR;
}


static json_t *
ngx_llmops_key_table_record(ngx_llmops_key_row_t *row)
{
    u_char         buf[NGX_LLMOPS_KEY_ID_MAX];
    json_t        *record;
    ngx_str_t      id, none;
    json_error_t   err;

    record = row->len ? json_loadb((char *) row->text, row->len, 0, &err)
                      : json_object();

    if (json_object_get(record, "id")) {
        return record;
    }

    ngx_str_null(&none);
    id.data = buf;

    (void) ngx_llmops_key_id_of(&none, row->digest, &id);

    if (json_object_set_new(record, "id",
                            json_stringn((char *) id.data, id.len))
        != 0)
    {
        json_decref(record);
        return NULL;
    }

    return record;
}


static void
ngx_llmops_key_table_free(void *data)
{
    ngx_llmops_key_table_t *table = data;

    if (table->index) {
        ngx_free(table->index);
    }

    free(table->rows);
}
