
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_note.h"
#include "ngx_llmops_key_check.h"


/*
 * Purging without searching.
 *
 * What lies in Redis cannot be found by route or tenant without reading all of
 * it.  A purge is therefore a note in the store, "nothing of this route that
 * was asked for before 12:00", which every worker knows and compares with what
 * it finds: an answer that was on its way to Redis at that moment is covered,
 * too, and there is nothing to do for each of a million entries.  Notes are
 * few, bounded, and stand longer than any answer is kept.
 *
 * Each worker looks at the revision of the notes twice a second, and whenever
 * it is about to serve something from another level; while it reads changed
 * ones nothing counts as standing, which costs hits for a millisecond.  If they
 * cannot be read, since Redis has just gone, the ones that are known go on: a
 * cache that does not answer while the store is away is of no use.
 *
 * Shared memory is searched, as it is small: by whoever purges, and on the
 * other gateways by each worker that learns of a note.
 */


#define NGX_LLMOPS_NOTE_TICK    500        /* ms */
#define NGX_LLMOPS_NOTE_PAGE    256
#define NGX_LLMOPS_NOTE_SLACK   50         /* ms by which what gateways think
                                              of the server's clock differs */
#define NGX_LLMOPS_NOTE_RECENT  5000       /* ms: may have come while this
                                              worker was started */


static ngx_uint_t ngx_llmops_note_fits(ngx_llmops_cache_note_t *note,
    const u_char *key, const uint64_t *tags);
static void ngx_llmops_note_tick(ngx_event_t *ev);
static void ngx_llmops_note_read(void);
static void ngx_llmops_note_list(void);
static void ngx_llmops_note_listed(ngx_llmops_docop_t *op);
static void ngx_llmops_note_page(ngx_llmops_docop_t *op);
static ngx_int_t ngx_llmops_note_parse(ngx_llmops_doc_t *doc,
    ngx_llmops_cache_note_t *note);
static void ngx_llmops_note_done(ngx_int_t rc);
static void ngx_llmops_note_learn(void);
static ngx_llmops_cache_note_t *ngx_llmops_note_same(
    ngx_llmops_cache_note_t *notes, ngx_uint_t n,
    ngx_llmops_cache_note_t *note);


const ngx_str_t  ngx_llmops_cache_tag_names[] = {
    ngx_string("route"),
    ngx_string("scope"),
    ngx_string("tenant"),
    ngx_string("prompt"),
    ngx_string("key"),
    ngx_string("all")
};


/* of this worker */

static struct {
    ngx_llmops_main_conf_t    *mcf;
    ngx_event_t                tick;
    ngx_llmops_docop_t         op;
    ngx_pool_t                *pool;       /* of op; NULL: not reading */
    uint64_t                   revision;   /* of what is known */
    uint64_t                   reading;    /* of what is being read */
    ngx_llmops_cache_note_t   *notes;
    ngx_llmops_cache_note_t   *next;       /* as they are read */
    ngx_uint_t                 nnotes;
    ngx_uint_t                 nnext;
    unsigned                   known:1;    /* they have been read once */
    unsigned                   failed:1;   /* could not be read last time */
} ngx_llmops_note;


ngx_uint_t
ngx_llmops_cache_stands(ngx_llmops_main_conf_t *mcf, const u_char *key,
    const uint64_t *tags, int64_t created)
{
    ngx_uint_t                i;
    ngx_llmops_cache_note_t  *n;

    ngx_llmops_note_read();

    if (ngx_llmops_note.pool) {
        return 0;
    }

    if (mcf->store->engine != mcf->store->local) {
        created -= NGX_LLMOPS_NOTE_SLACK;
    }

    for (i = 0; i < ngx_llmops_note.nnotes; i++) {
        n = &ngx_llmops_note.notes[i];

        if (created <= n->at && ngx_llmops_note_fits(n, key, tags)) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_llmops_note_fits(ngx_llmops_cache_note_t *note, const u_char *key,
    const uint64_t *tags)
{
    switch (note->kind) {

    case NGX_LLMOPS_CACHE_TAG_ALL:
        return 1;

    case NGX_LLMOPS_CACHE_TAG_KEY:
        return ngx_memcmp(note->key, key, NGX_LLMOPS_CACHE_KEY) == 0;

    default:
        return note->tag == tags[note->kind];
    }
}


ngx_uint_t
ngx_llmops_cache_notes(void)
{
    ngx_llmops_note_read();

    return ngx_llmops_note.nnotes;
}


ngx_uint_t
ngx_llmops_cache_noted(ngx_llmops_cache_note_t *note)
{
    return ngx_llmops_note_same(ngx_llmops_note.notes, ngx_llmops_note.nnotes,
                                note)
           != NULL;
}


ngx_llmops_cache_note_t *
ngx_llmops_cache_notes_covered(ngx_pool_t *pool, int64_t at, ngx_uint_t *n)
{
    ngx_uint_t                i;
    ngx_llmops_cache_note_t  *note, *covered;

    *n = 0;

    if (ngx_llmops_note.nnotes == 0) {
        return NULL;
    }

    covered = ngx_palloc(pool, ngx_llmops_note.nnotes
                               * sizeof(ngx_llmops_cache_note_t));
    if (covered == NULL) {
        return NULL;
    }

    for (i = 0; i < ngx_llmops_note.nnotes; i++) {
        note = &ngx_llmops_note.notes[i];

        if (note->kind != NGX_LLMOPS_CACHE_TAG_ALL && note->at <= at) {
            covered[(*n)++] = *note;
        }
    }

    return covered;
}


size_t
ngx_llmops_cache_note_id(ngx_llmops_cache_note_t *note, u_char *id)
{
    u_char  *p;

    p = ngx_sprintf(id, "%V:", &ngx_llmops_cache_tag_names[note->kind]);

    if (note->kind == NGX_LLMOPS_CACHE_TAG_KEY) {
        return ngx_llmops_key_hex(p, note->key, NGX_LLMOPS_CACHE_KEY) - id;
    }

    return ngx_sprintf(p, "%uL", note->tag) - id;
}


void
ngx_llmops_cache_notes_start(ngx_llmops_main_conf_t *mcf)
{
    size_t  size;

    ngx_memzero(&ngx_llmops_note, sizeof(ngx_llmops_note));

    size = NGX_LLMOPS_CACHE_NOTES * sizeof(ngx_llmops_cache_note_t);

    ngx_llmops_note.mcf = mcf;
    ngx_llmops_note.notes = ngx_alloc(size, ngx_cycle->log);
    ngx_llmops_note.next = ngx_alloc(size, ngx_cycle->log);

    if (ngx_llmops_note.notes == NULL || ngx_llmops_note.next == NULL) {
        ngx_llmops_note.mcf = NULL;
        return;
    }

    ngx_llmops_note.tick.handler = ngx_llmops_note_tick;
    ngx_llmops_note.tick.data = &ngx_llmops_note;
    ngx_llmops_note.tick.log = ngx_cycle->log;
    ngx_llmops_note.tick.cancelable = 1;

    ngx_add_timer(&ngx_llmops_note.tick, 1);
}


void
ngx_llmops_cache_notes_stop(ngx_llmops_main_conf_t *mcf)
{
    if (ngx_llmops_note.pool) {
        ngx_llmops_store_forget(mcf->store, &ngx_llmops_note.op);
        ngx_destroy_pool(ngx_llmops_note.pool);
    }

    if (ngx_llmops_note.tick.timer_set) {
        ngx_del_timer(&ngx_llmops_note.tick);
    }

    if (ngx_llmops_note.notes) {
        ngx_free(ngx_llmops_note.notes);
    }

    if (ngx_llmops_note.next) {
        ngx_free(ngx_llmops_note.next);
    }

    ngx_memzero(&ngx_llmops_note, sizeof(ngx_llmops_note));
}


static void
ngx_llmops_note_tick(ngx_event_t *ev)
{
    ngx_add_timer(ev, NGX_LLMOPS_NOTE_TICK);

    ngx_llmops_note.failed = 0;

    ngx_llmops_note_read();
}


/* after a failure the next tick tries again, not each request */

static void
ngx_llmops_note_read(void)
{
    uint64_t  revision;

    if (ngx_llmops_note.mcf == NULL || ngx_llmops_note.pool
        || ngx_llmops_note.failed)
    {
        return;
    }

    revision = ngx_llmops_store_revision(ngx_llmops_note.mcf->store,
                                         NGX_LLMOPS_DOCS_PURGES);

    if (ngx_llmops_note.known && revision == ngx_llmops_note.revision) {
        return;
    }

    ngx_llmops_note.pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE,
                                           ngx_cycle->log);
    if (ngx_llmops_note.pool == NULL) {
        ngx_llmops_note.failed = 1;
        return;
    }

    ngx_memzero(&ngx_llmops_note.op, sizeof(ngx_llmops_docop_t));

    ngx_llmops_note.reading = revision;
    ngx_llmops_note.nnext = 0;

    ngx_llmops_note.op.docs = NGX_LLMOPS_DOCS_PURGES;
    ngx_llmops_note.op.max = NGX_LLMOPS_NOTE_PAGE;
    ngx_llmops_note.op.pool = ngx_llmops_note.pool;
    ngx_llmops_note.op.handler = ngx_llmops_note_listed;

    ngx_llmops_note_list();
}


static void
ngx_llmops_note_list(void)
{
    ngx_int_t            rc;
    ngx_llmops_docop_t  *op = &ngx_llmops_note.op;

    for ( ;; ) {
        rc = ngx_llmops_store_list(ngx_llmops_note.mcf->store, op);

        if (rc == NGX_AGAIN) {
            return;
        }

        if (rc != NGX_OK || op->rc != NGX_OK) {
            ngx_llmops_note_done(NGX_ERROR);
            return;
        }

        ngx_llmops_note_page(op);

        if (op->next.len == 0) {
            ngx_llmops_note_done(NGX_OK);
            return;
        }

        op->id = op->next;
    }
}


static void
ngx_llmops_note_listed(ngx_llmops_docop_t *op)
{
    if (op->rc != NGX_OK) {
        ngx_llmops_note_done(NGX_ERROR);
        return;
    }

    ngx_llmops_note_page(op);

    if (op->next.len == 0) {
        ngx_llmops_note_done(NGX_OK);
        return;
    }

    op->id = op->next;

    ngx_llmops_note_list();
}


static void
ngx_llmops_note_page(ngx_llmops_docop_t *op)
{
    ngx_uint_t                i;
    ngx_llmops_doc_t         *doc;
    ngx_llmops_cache_note_t   note, *have;

    doc = op->list.elts;

    for (i = 0; i < op->list.nelts; i++) {

        if (ngx_llmops_note_parse(&doc[i], &note) != NGX_OK) {
            continue;
        }

        /* a list may have one twice */

        have = ngx_llmops_note_same(ngx_llmops_note.next,
                                    ngx_llmops_note.nnext, &note);
        if (have) {
            have->at = ngx_max(have->at, note.at);
            have->revision = ngx_max(have->revision, note.revision);
            continue;
        }

        if (ngx_llmops_note.nnext < NGX_LLMOPS_CACHE_NOTES) {
            ngx_llmops_note.next[ngx_llmops_note.nnext++] = note;
            continue;
        }

        /* several gateways may have put more of them at a time: the last place
           stands for all that find no other, and for everything */

        have = &ngx_llmops_note.next[NGX_LLMOPS_CACHE_NOTES - 1];
        note.at = ngx_max(have->at, note.at);

        ngx_memzero(have, sizeof(ngx_llmops_cache_note_t));

        have->kind = NGX_LLMOPS_CACHE_TAG_ALL;
        have->at = note.at;
    }
}


/* the id is KIND:TAG, the value {"at": ms, ...} */

static ngx_int_t
ngx_llmops_note_parse(ngx_llmops_doc_t *doc, ngx_llmops_cache_note_t *note)
{
    u_char     *p;
    ngx_str_t   rest, at;

    ngx_memzero(note, sizeof(ngx_llmops_cache_note_t));

    if (ngx_llmops_json_get(&doc->value, "at", &at) != NGX_OK
        || ngx_llmops_json_count(&at, &note->at) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    note->revision = doc->revision;

    p = ngx_strlchr(doc->id.data, doc->id.data + doc->id.len, ':');

    if (p == NULL) {
        return NGX_DECLINED;
    }

    rest.data = p + 1;
    rest.len = doc->id.data + doc->id.len - rest.data;

    for ( ;; ) {

        if (ngx_llmops_cache_tag_names[note->kind].len
            == (size_t) (p - doc->id.data)
            && ngx_memcmp(ngx_llmops_cache_tag_names[note->kind].data,
                          doc->id.data, p - doc->id.data)
               == 0)
        {
            break;
        }

        if (note->kind == NGX_LLMOPS_CACHE_TAG_ALL) {
            return NGX_DECLINED;
        }

        note->kind++;
    }

    if (note->kind == NGX_LLMOPS_CACHE_TAG_KEY) {
        return ngx_llmops_key_unhex(&rest, note->key);
    }

    for (p = rest.data; p < rest.data + rest.len; p++) {

        if (*p < '0' || *p > '9') {
            return NGX_DECLINED;
        }

        note->tag = note->tag * 10 + (*p - '0');
    }

    return NGX_OK;
}


static void
ngx_llmops_note_done(ngx_int_t rc)
{
    ngx_llmops_cache_note_t  *notes;

    ngx_destroy_pool(ngx_llmops_note.pool);
    ngx_llmops_note.pool = NULL;

    if (rc != NGX_OK) {
        ngx_llmops_note.failed = 1;
        return;
    }

    ngx_llmops_note_learn();

    notes = ngx_llmops_note.notes;

    ngx_llmops_note.notes = ngx_llmops_note.next;
    ngx_llmops_note.nnotes = ngx_llmops_note.nnext;
    ngx_llmops_note.next = notes;
    ngx_llmops_note.revision = ngx_llmops_note.reading;
    ngx_llmops_note.known = 1;
}


/* what is new among them is taken out of shared memory */

static void
ngx_llmops_note_learn(void)
{
    int64_t                   recent;
    ngx_uint_t                i;
    ngx_llmops_cache_note_t  *n, *have;

    recent = ngx_llmops_store_now(ngx_llmops_note.mcf->store)
             - NGX_LLMOPS_NOTE_RECENT;

    for (i = 0; i < ngx_llmops_note.nnext; i++) {
        n = &ngx_llmops_note.next[i];

        have = ngx_llmops_note_same(ngx_llmops_note.notes,
                                    ngx_llmops_note.nnotes, n);

        if (have ? have->at == n->at
                 : !ngx_llmops_note.known && n->at < recent)
        {
            continue;
        }

        (void) ngx_llmops_cache_purge(ngx_llmops_note.mcf, n->kind, n->tag,
                                      n->kind == NGX_LLMOPS_CACHE_TAG_KEY
                                      ? n->key : NULL);
    }
}


static ngx_llmops_cache_note_t *
ngx_llmops_note_same(ngx_llmops_cache_note_t *notes, ngx_uint_t n,
    ngx_llmops_cache_note_t *note)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {

        if (notes[i].kind == note->kind && notes[i].tag == note->tag
            && ngx_memcmp(notes[i].key, note->key, NGX_LLMOPS_CACHE_KEY) == 0)
        {
            return &notes[i];
        }
    }

    return NULL;
}
