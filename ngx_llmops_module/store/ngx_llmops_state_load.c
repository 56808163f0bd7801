
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
    ngx_llmops_docs_e kind, ngx_llmops_reader_t *r, ngx_uint_t merge);
static ngx_int_t ngx_llmops_load_end(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind, ngx_llmops_reader_t *r);
static ngx_int_t ngx_llmops_load_record(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind, u_char *p, ngx_str_t *id, ngx_str_t *value,
    ngx_uint_t replay);


ngx_int_t
ngx_llmops_journal_load(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    ngx_uint_t merge)
{
    int                    fd;
    ngx_int_t              rc;
    const char            *name;
    ngx_llmops_reader_t    r;
    ngx_llmops_journal_t  *journal = &st->shm->root->journals[kind];

    name = ngx_llmops_journal_names[kind];

    journal->generation = 0;
    journal->size = 0;
    st->torn[kind] = 0;

    fd = ngx_llmops_state_open(st, name, O_RDONLY);

    if (fd == -1) {
        return (st->err == NGX_ENOENT) ? NGX_OK : NGX_ERROR;
    }

    rc = ngx_llmops_reader_open(&r, st, fd, name, 0);

    if (rc == NGX_OK) {
        rc = ngx_llmops_load_frames(st, kind, &r, merge);
    }

    ngx_llmops_reader_close(&r);

    (void) close(fd);

    return rc;
}


/* an empty file is one that somebody has made for us */

static ngx_int_t
ngx_llmops_load_frames(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    ngx_llmops_reader_t *r, ngx_uint_t merge)
{
    u_char                *p;
    ngx_int_t              rc;
    ngx_str_t              inside;
    ngx_llmops_journal_t  *journal = &st->shm->root->journals[kind];

    rc = ngx_llmops_reader_bytes(r, NGX_LLMOPS_JOURNAL_HEAD, &p);

    if (rc == NGX_OK) {
        journal->generation = ngx_llmops_journal_generation(p, kind);
        rc = (journal->generation > 0) ? NGX_OK : NGX_DECLINED;
    }

    if (rc == NGX_DECLINED && r->last == 0) {
        return NGX_OK;
    }

    if (rc == NGX_DECLINED) {
        journal->generation = 0;
        return ngx_llmops_state_failed(st, "it is no journal of this module, "
                           "or its first bytes are damaged; restore it from a "
                           "backup or move it away", r->name, 0);
    }

    while (rc == NGX_OK) {
        journal->size = ngx_llmops_reader_at(r);

        rc = ngx_llmops_reader_frame(r, &inside);

        if (rc == NGX_OK) {
            rc = ngx_llmops_journal_apply(st, kind, &inside, merge);
        }
    }

    if (rc == NGX_BUSY) {
        return ngx_llmops_state_failed(st, "llm_zone is too small for what is "
                                       "in it, make it larger", r->name, 0);
    }

    if (rc == NGX_DECLINED) {
        return ngx_llmops_load_end(st, kind, r);
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}


/* what stands where a frame should be: the last write, cut short, or damage */

static ngx_int_t
ngx_llmops_load_end(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    ngx_llmops_reader_t *r)
{
    off_t        at;
    ngx_int_t    rc;
    struct stat  sb;

    at = st->shm->root->journals[kind].size;

    if (fstat(r->fd, &sb) == -1) {
        return ngx_llmops_state_failed(st, "fstat()", r->name, ngx_errno);
    }

    rc = ngx_llmops_reader_follows(r);

    if (rc == NGX_DECLINED) {
        st->torn[kind] = sb.st_size - at;
        return NGX_OK;
    }

    if (rc == NGX_OK) {
        (void) ngx_llmops_state_failed(st, "it is damaged, and no interrupted "
                           "write, as what follows is intact; restore it from "
                           "a backup, or cut it there with truncate(1) to lose "
                           "what follows", r->name, 0);
        st->at = at;
    }

    return NGX_ERROR;
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
            return NGX_DECLINED;
        }

        id.len = ngx_llmops_frame_get(p + 2, 2);
        value.len = ngx_llmops_frame_get(p + 4, 4);

        if (id.len > NGX_LLMOPS_DOC_ID
            || value.len > (size_t) ngx_llmops_doc_max(kind)
            || id.len + value.len
               > (size_t) (last - p) - NGX_LLMOPS_RECORD_HEAD)
        {
            return NGX_DECLINED;
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
