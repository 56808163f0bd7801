
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_state.h"


/*
 * Reading a journal.  Half a record at its end is what a crash leaves; nobody
 * had been told that it was done, so it is passed over, and said.  Anything
 * else that is wrong is a reason not to start: a journal with a hole might
 * bring back a key that has been taken away.
 */


static ngx_int_t ngx_llmops_load_frames(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind, ngx_str_t *map, ngx_uint_t merge);
static ngx_int_t ngx_llmops_load_record(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind, u_char *p, ngx_str_t *id, ngx_str_t *value,
    ngx_uint_t replay);


ngx_int_t
ngx_llmops_journal_load(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    ngx_uint_t merge)
{
    int                    fd;
    ngx_int_t              rc;
    ngx_str_t              map;
    const char            *name;
    ngx_llmops_journal_t  *journal = &st->shm->root->journals[kind];

    name = ngx_llmops_journal_names[kind];

    journal->generation = 0;
    journal->size = 0;
    st->torn[kind] = 0;

    fd = ngx_llmops_state_open(st, name, O_RDONLY);

    if (fd == -1) {
        return (st->err == NGX_ENOENT) ? NGX_OK : NGX_ERROR;
    }

    rc = ngx_llmops_state_map(st, fd, name, &map);

    (void) close(fd);

    if (rc != NGX_OK || map.len == 0) {
        return rc;
    }

    rc = ngx_llmops_load_frames(st, kind, &map, merge);

    ngx_llmops_state_unmap(&map);

    return rc;
}


static ngx_int_t
ngx_llmops_load_frames(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    ngx_str_t *map, ngx_uint_t merge)
{
    u_char                *p, *last;
    ngx_int_t              rc;
    ngx_str_t              inside;
    const char            *name;
    ngx_llmops_journal_t  *journal = &st->shm->root->journals[kind];

    name = ngx_llmops_journal_names[kind];
    p = map->data;
    last = map->data + map->len;

    if (map->len >= NGX_LLMOPS_JOURNAL_HEAD) {
        journal->generation = ngx_llmops_journal_generation(p, kind);
    }

    if (journal->generation <= 0) {
        journal->generation = 0;
        return ngx_llmops_state_failed(st, "it is no journal of this module, "
                           "or its first bytes are damaged; restore it from a "
                           "backup or move it away", name, 0);
    }

    p += NGX_LLMOPS_JOURNAL_HEAD;

    while (ngx_llmops_frame_read(p, last, &inside) == NGX_OK) {

        rc = ngx_llmops_journal_apply(st, kind, &inside, merge);

        if (rc == NGX_BUSY) {
            return ngx_llmops_state_failed(st, "llm_zone is too small for "
                                        "what is in it, make it larger",
                                        name, 0);
        }

        if (rc != NGX_OK) {
            break;
        }

        p = inside.data + inside.len;
    }

    journal->size = p - map->data;
    st->torn[kind] = last - p;

    if (p != last && ngx_llmops_frame_follows(p, last)) {
        (void) ngx_llmops_state_failed(st, "it is damaged, and no interrupted "
                           "write, as what follows is intact; restore it from "
                           "a backup, or cut it there with truncate(1) to lose "
                           "what follows", name, 0);
        st->at = p - map->data;
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_journal_apply(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    ngx_str_t *frame, ngx_uint_t replay)
{
    u_char     *p, *last;
    ngx_int_t   rc;
    ngx_str_t   id, value;

    p = frame->data;
    last = p + frame->len;

    while (p != last) {

        if (last - p < NGX_LLMOPS_RECORD_HEAD) {
            return NGX_ERROR;
        }

        id.len = ngx_llmops_frame_get(p + 2, 2);
        value.len = ngx_llmops_frame_get(p + 4, 4);

        if (id.len > NGX_LLMOPS_DOC_ID
            || value.len > NGX_LLMOPS_DOC_SIZE
            || id.len + value.len
               > (size_t) (last - p) - NGX_LLMOPS_RECORD_HEAD)
        {
            return NGX_ERROR;
        }

        id.data = p + NGX_LLMOPS_RECORD_HEAD;
        value.data = id.data + id.len;

        rc = ngx_llmops_load_record(st, kind, p, &id, &value, replay);

        if (rc != NGX_OK) {
            return rc;
        }

        p = value.data + value.len;
    }

    return NGX_OK;
}


/*
 * In the order of the file each record replaces what there was.  In a replay
 * the document may have been there already: a later revision stays, and a
 * removal means the revision that it names.
 */

static ngx_int_t
ngx_llmops_load_record(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    u_char *p, ngx_str_t *id, ngx_str_t *value, ngx_uint_t replay)
{
    int64_t              revision, expires;
    ngx_int_t            rc;
    ngx_uint_t           removing;
    ngx_llmops_shm_t    *shm = st->shm;
    ngx_llmops_docsh_t  *old, *doc;

    removing = ngx_llmops_frame_get(p, 2) == 2;
    revision = (int64_t) ngx_llmops_frame_get(p + 8, 8);
    expires = (int64_t) ngx_llmops_frame_get(p + 16, 8);

    if (expires && expires <= (int64_t) ngx_time()) {
        removing = 1;
    }

    rc = NGX_OK;
    doc = NULL;

    ngx_llmops_shm_lock(shm);

    old = ngx_llmops_doc_find(shm, kind, id);

    if (replay && old && (removing ? old->revision != revision
                                   : old->revision >= revision))
    {
        goto done;
    }

    if (!removing) {
        doc = ngx_llmops_doc_make(shm, kind, id, value, expires);

        if (doc == NULL) {
            rc = NGX_BUSY;
            goto done;
        }

        doc->revision = revision;
        old = ngx_llmops_doc_find(shm, kind, id);
    }

    if (old || doc) {
        ngx_llmops_doc_replace(shm, old, doc);
    }

done:

    ngx_llmops_shm_unlock(shm);

    return rc;
}
