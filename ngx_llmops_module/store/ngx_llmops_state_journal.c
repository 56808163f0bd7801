
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_state.h"


/*
 * Documents are durable by journals: a change is a record at the end of its
 * kind's file, and is made visible in shared memory only when the record has
 * reached the disk.  So nobody ever acts on what a power failure could take
 * back, and a disk that is full or broken costs an administrator his change
 * and a caller nothing.
 *
 * The order, with the writer's lock:
 *
 *   1. what is expected is compared, and room is taken in shared memory;
 *   2. one frame with all records is written, and fsync() awaited;
 *   3. the documents are put in their place, and the size that is valid is
 *      set behind the frame.
 *
 * A worker that dies before 3 leaves a file that is longer than that size, or
 * documents that are pending: the next one to write makes what is whole
 * visible (a record applied twice does no harm: it has its revision), cuts off
 * what is not, and gives back the room.
 *
 * A journal that has grown to twice what is alive is written anew.
 */


#define NGX_LLMOPS_JOURNAL_SLACK   (1024 * 1024)


static void ngx_llmops_journal_kind(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind, ngx_llmops_change_t *changes,
    ngx_llmops_out_t *out);
static void ngx_llmops_journal_prepare(ngx_llmops_state_t *st,
    ngx_llmops_change_t *change);
static ngx_int_t ngx_llmops_journal_append(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind, ngx_llmops_out_t *out);
static void ngx_llmops_journal_visible(ngx_llmops_state_t *st,
    ngx_llmops_change_t *change);
static void ngx_llmops_journal_drop(ngx_llmops_state_t *st);


/* in the order of ngx_llmops_docs_e, as is what they are written anew as */

const char  *ngx_llmops_journal_names[] = {
    "keys.log", "audit.log", "purges.log", "prompts.log", "texts.log",
    "rollouts.log", "observed.log", "evaluations.log", "evaluated.log",
    "indexed.log", "registry.log"
};

const char  *ngx_llmops_journal_temp[] = {
    "keys.new", "audit.new", "purges.new", "prompts.new", "texts.new",
    "rollouts.new", "observed.new", "evaluations.new", "evaluated.new",
    "indexed.new", "registry.new"
};

typedef char  ngx_llmops_journals_named[
    (sizeof(ngx_llmops_journal_names) / sizeof(char *) == NGX_LLMOPS_DOCS_MAX
     && sizeof(ngx_llmops_journal_temp) / sizeof(char *)
        == NGX_LLMOPS_DOCS_MAX) ? 1 : -1];


void
ngx_llmops_journal_write(ngx_llmops_state_t *st, ngx_llmops_change_t *changes)
{
    ngx_uint_t            kind;
    ngx_llmops_out_t      out;
    ngx_llmops_change_t  *c;

    for (c = changes; c; c = c->next) {
        c->rc = NGX_ERROR;
        c->doc = NULL;
    }

    if (ngx_llmops_state_lock(st, 0) != NGX_OK) {
        return;
    }

    ngx_llmops_journal_drop(st);

    ngx_llmops_out_init(&out, NGX_LLMOPS_FRAME_MAX);

    for (kind = 0; kind < NGX_LLMOPS_DOCS_MAX; kind++) {

        for (c = changes; c; c = c->next) {
            if (c->kind == kind) {
                ngx_llmops_journal_kind(st, kind, changes, &out);
                break;
            }
        }
    }

    ngx_llmops_out_free(&out);

    ngx_llmops_state_unlock(st);
}


static void
ngx_llmops_journal_kind(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    ngx_llmops_change_t *changes, ngx_llmops_out_t *out)
{
    size_t                 start;
    ngx_llmops_root_t     *root = st->shm->root;
    ngx_llmops_change_t   *c;

    if (ngx_llmops_journal_ready(st, kind) != NGX_OK) {
        return;
    }

    ngx_llmops_out_reset(out);
    start = ngx_llmops_frame_begin(out);

    for (c = changes; c; c = c->next) {

        if (c->kind != kind) {
            continue;
        }

        ngx_llmops_journal_prepare(st, c);

        if (c->rc == NGX_OK) {
            ngx_llmops_journal_record(out, c->removing, c->revision,
                                      c->expires, &c->id, &c->value);
        }
    }

    ngx_llmops_frame_end(out, start);

    if (out->failed || ngx_llmops_journal_append(st, kind, out) != NGX_OK) {

        ngx_llmops_journal_drop(st);

        for (c = changes; c; c = c->next) {
            if (c->kind == kind && c->rc == NGX_OK) {
                c->rc = NGX_ERROR;
            }
        }

        return;
    }

    for (c = changes; c; c = c->next) {
        if (c->kind == kind && c->rc == NGX_OK) {
            ngx_llmops_journal_visible(st, c);
        }
    }

    ngx_llmops_journal_set(st, kind, root->journals[kind].generation,
                           root->journals[kind].size + (int64_t) out->len);

    if (root->journals[kind].size > NGX_LLMOPS_JOURNAL_SLACK
        + 2 * (root->docs_bytes[kind]
               + root->ndocs[kind] * NGX_LLMOPS_RECORD_HEAD))
    {
        (void) ngx_llmops_journal_rewrite(st, kind);
    }
}


static void
ngx_llmops_journal_prepare(ngx_llmops_state_t *st, ngx_llmops_change_t *c)
{
    ngx_llmops_shm_t    *shm = st->shm;
    ngx_llmops_docsh_t  *old;

    ngx_llmops_shm_lock(shm);

    old = ngx_llmops_doc_find(shm, c->kind, &c->id);

    c->rc = ngx_llmops_doc_check(old, c->expected, c->removing);

    if (c->rc == NGX_OK && c->removing) {
        c->revision = (uint64_t) old->revision;

    } else if (c->rc == NGX_OK) {
        c->doc = ngx_llmops_doc_make(shm, c->kind, &c->id, &c->value,
                                     c->expires);

        old = ngx_llmops_doc_find(shm, c->kind, &c->id);

        if (c->doc) {
            c->revision = old ? (uint64_t) old->revision + 1 : 1;
            c->doc->revision = (int64_t) c->revision;
            c->doc->chain = shm->root->pending;

            ngx_llmops_shm_put(shm, shm->root->pending, c->doc);

        } else {
            c->rc = NGX_BUSY;
        }
    }

    ngx_llmops_shm_unlock(shm);
}


/* what cannot be written whole is cut off again; if that cannot be done
   either, the next one tries */

static ngx_int_t
ngx_llmops_journal_append(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    ngx_llmops_out_t *out)
{
    int          fd;
    off_t        size;
    const char  *name;

    fd = st->journals[kind];
    name = ngx_llmops_journal_names[kind];
    size = st->shm->root->journals[kind].size;

    if (out->len == NGX_LLMOPS_FRAME_HEAD) {
        out->len = 0;                        /* all changes were refused */
        return NGX_OK;
    }

    if (lseek(fd, size, SEEK_SET) == -1) {
        return ngx_llmops_state_failed(st, "lseek()", name, ngx_errno);
    }

    if (ngx_llmops_state_write(st, fd, name, out->data, out->len) == NGX_OK) {

        if (fdatasync(fd) == 0) {
            return NGX_OK;
        }

        (void) ngx_llmops_state_failed(st, "fdatasync()", name, ngx_errno);
    }

    if (ftruncate(fd, size) == -1) { /* void */ }

    return NGX_ERROR;
}


/* takes the document out of what is pending, and puts it in its place, in one
   sequence */

static void
ngx_llmops_journal_visible(ngx_llmops_state_t *st, ngx_llmops_change_t *c)
{
    ngx_llmops_shm_t     *shm = st->shm;
    ngx_llmops_docsh_t   *old, **place;

    ngx_llmops_shm_lock(shm);

    old = ngx_llmops_doc_find(shm, c->kind, &c->id);

    if (c->doc) {
        place = &shm->root->pending;

        while (*place != c->doc) {
            place = &(*place)->chain;
        }

        ngx_llmops_shm_put(shm, *place, c->doc->chain);
    }

    if (old || c->doc) {
        ngx_llmops_doc_replace(shm, old, c->doc);
    }

    ngx_llmops_shm_unlock(shm);
}


static void
ngx_llmops_journal_drop(ngx_llmops_state_t *st)
{
    ngx_llmops_shm_t    *shm = st->shm;
    ngx_llmops_docsh_t  *doc;

    ngx_llmops_shm_lock(shm);

    while (shm->root->pending) {
        doc = shm->root->pending;

        ngx_llmops_shm_put(shm, shm->root->pending, doc->chain);
        ngx_llmops_cells_give(shm, &shm->root->doc_cells, doc);
        ngx_llmops_shm_commit(shm);
    }

    ngx_llmops_shm_unlock(shm);
}
