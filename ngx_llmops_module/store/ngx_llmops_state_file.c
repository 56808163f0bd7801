
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_state.h"


/*
 * A journal as a file: 32 bytes with its generation, then frames of records.
 * It is written anew, from memory, under another name which then takes its
 * place, with the next generation, by which other processes see that theirs is
 * the old one.  That is also what is done when the file is not the one that it
 * should be: what is in memory is the truth.
 */


#define NGX_LLMOPS_JOURNAL_CHUNK   (256 * 1024)


static ngx_int_t ngx_llmops_journal_opened(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind, off_t *size);
static ngx_int_t ngx_llmops_journal_tail(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind);
static ngx_int_t ngx_llmops_journal_copy(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind, int fd, const char *name, int64_t *size);
static ngx_uint_t ngx_llmops_journal_chunk(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind, uint64_t *b, ngx_uint_t *skip,
    ngx_llmops_out_t *out);


void
ngx_llmops_journal_head(u_char *p, ngx_llmops_docs_e kind, int64_t generation)
{
    ngx_memzero(p, NGX_LLMOPS_JOURNAL_HEAD);

    (void) snprintf((char *) p, NGX_LLMOPS_JOURNAL_HEAD,
                    "llmjournal1 %02d %llx", (int) kind,
                    (unsigned long long) generation);

    p[NGX_LLMOPS_JOURNAL_HEAD - 1] = '\n';
}


int64_t
ngx_llmops_journal_generation(u_char *p, ngx_llmops_docs_e kind)
{
    int                 n;
    char                text[NGX_LLMOPS_JOURNAL_HEAD + 1];
    unsigned long long  generation;

    ngx_memcpy(text, p, NGX_LLMOPS_JOURNAL_HEAD);
    text[NGX_LLMOPS_JOURNAL_HEAD] = '\0';

    if (sscanf(text, "llmjournal1 %d %llx", &n, &generation) != 2
        || n != (int) kind
        || generation == 0
        || generation > INT64_MAX
        || text[NGX_LLMOPS_JOURNAL_HEAD - 1] != '\n')
    {
        return -1;
    }

    return (int64_t) generation;
}


void
ngx_llmops_journal_record(ngx_llmops_out_t *out, ngx_uint_t removing,
    uint64_t revision, int64_t expires, ngx_str_t *id, ngx_str_t *value)
{
    ngx_llmops_frame_number(out, removing ? 2 : 1, 2);
    ngx_llmops_frame_number(out, id->len, 2);
    ngx_llmops_frame_number(out, removing ? 0 : value->len, 4);
    ngx_llmops_frame_number(out, revision, 8);
    ngx_llmops_frame_number(out, (uint64_t) expires, 8);
    ngx_llmops_out_str(out, id);

    if (!removing) {
        ngx_llmops_out_str(out, value);
    }
}


void
ngx_llmops_journal_set(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    int64_t generation, int64_t size)
{
    ngx_llmops_shm_t      *shm = st->shm;
    ngx_llmops_journal_t  *journal = &shm->root->journals[kind];

    ngx_llmops_shm_lock(shm);

    ngx_llmops_shm_put(shm, journal->generation, generation);
    ngx_llmops_shm_put(shm, journal->size, size);

    ngx_llmops_shm_unlock(shm);
}


ngx_int_t
ngx_llmops_journal_ready(ngx_llmops_state_t *st, ngx_llmops_docs_e kind)
{
    off_t               size;
    ngx_int_t           rc;
    ngx_llmops_root_t  *root = st->shm->root;

    rc = ngx_llmops_journal_opened(st, kind, &size);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK && size >= root->journals[kind].size) {

        if (size == root->journals[kind].size) {
            return NGX_OK;
        }

        return ngx_llmops_journal_tail(st, kind);
    }

    /* another file than the one that was read, or none */

    if (rc == NGX_DECLINED && size && !root->owned) {
        return ngx_llmops_journal_reload(st, kind);
    }

    return ngx_llmops_journal_rewrite(st, kind);
}


/* NGX_OK: it is open, and the right one; NGX_DECLINED: it is not, and size is
   0 if there is none; NGX_ERROR */

static ngx_int_t
ngx_llmops_journal_opened(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    off_t *size)
{
    int           fd;
    u_char        head[NGX_LLMOPS_JOURNAL_HEAD];
    const char   *name;
    struct stat   sb;

    *size = 0;
    name = ngx_llmops_journal_names[kind];
    fd = st->journals[kind];

    if (fd != -1
        && st->opened[kind] == st->shm->root->journals[kind].generation
        && fstat(fd, &sb) == 0
        && sb.st_nlink)
    {
        *size = sb.st_size;
        return NGX_OK;
    }

    if (fd != -1) {
        (void) close(fd);
    }

    fd = ngx_llmops_state_open(st, name, O_RDWR);
    st->journals[kind] = fd;

    if (fd == -1) {
        return (st->err == NGX_ENOENT) ? NGX_DECLINED : NGX_ERROR;
    }

    if (fstat(fd, &sb) == -1) {
        return ngx_llmops_state_failed(st, "fstat()", name, ngx_errno);
    }

    *size = sb.st_size;

    if (pread(fd, head, NGX_LLMOPS_JOURNAL_HEAD, 0)
        != NGX_LLMOPS_JOURNAL_HEAD)
    {
        *size = 0;
        return NGX_DECLINED;
    }

    st->opened[kind] = ngx_llmops_journal_generation(head, kind);

    return (st->opened[kind] == st->shm->root->journals[kind].generation)
           ? NGX_OK : NGX_DECLINED;
}


/* records that were written by somebody who could not make them visible */

static ngx_int_t
ngx_llmops_journal_tail(ngx_llmops_state_t *st, ngx_llmops_docs_e kind)
{
    int                    fd;
    off_t                  size;
    ngx_int_t              rc;
    ngx_str_t              inside;
    const char            *name;
    ngx_llmops_reader_t    r;
    ngx_llmops_journal_t  *journal = &st->shm->root->journals[kind];

    fd = st->journals[kind];
    name = ngx_llmops_journal_names[kind];

    if (fdatasync(fd) == -1) {
        return ngx_llmops_state_failed(st, "fdatasync()", name, ngx_errno);
    }

    rc = ngx_llmops_reader_open(&r, st, fd, name, journal->size);

    size = journal->size;

    while (rc == NGX_OK) {
        size = ngx_llmops_reader_at(&r);

        rc = ngx_llmops_reader_frame(&r, &inside);

        if (rc == NGX_OK) {
            rc = ngx_llmops_journal_apply(st, kind, &inside, 1);
        }
    }

    ngx_llmops_reader_close(&r);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_llmops_journal_set(st, kind, st->opened[kind], size);

    if (rc != NGX_DONE && ftruncate(fd, size) == -1) {
        return ngx_llmops_state_failed(st, "ftruncate()", name, ngx_errno);
    }

    return NGX_OK;
}


/* the workers of another zone have written it anew while ours was loaded */

ngx_int_t
ngx_llmops_journal_reload(ngx_llmops_state_t *st, ngx_llmops_docs_e kind)
{
    uint64_t             b;
    ngx_uint_t           skip;
    ngx_llmops_shm_t    *shm = st->shm;
    ngx_llmops_docsh_t  *doc;

    b = 0;

    while (b <= shm->root->docs_mask) {

        ngx_llmops_shm_lock(shm);

        skip = 0;
        doc = ngx_llmops_doc_next(shm, kind, &b, &skip);

        if (doc) {
            ngx_llmops_doc_replace(shm, doc, NULL);
        }

        ngx_llmops_shm_unlock(shm);
    }

    if (ngx_llmops_journal_load(st, kind, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    st->torn[kind] = 0;                      /* tail() cuts it off */

    if (st->opened[kind] != shm->root->journals[kind].generation) {
        return ngx_llmops_state_failed(st, "it changes while it is read",
                                       ngx_llmops_journal_names[kind], 0);
    }

    return ngx_llmops_journal_tail(st, kind);
}


ngx_int_t
ngx_llmops_journal_rewrite(ngx_llmops_state_t *st, ngx_llmops_docs_e kind)
{
    int          fd;
    int64_t      size;
    ngx_int_t    rc;
    const char  *temp, *name;

    temp = ngx_llmops_journal_temp[kind];
    name = ngx_llmops_journal_names[kind];

    fd = ngx_llmops_state_open(st, temp, O_WRONLY|O_CREAT|O_TRUNC);
    if (fd == -1) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_journal_copy(st, kind, fd, temp, &size);

    if (rc == NGX_OK && fsync(fd) == -1) {
        rc = ngx_llmops_state_failed(st, "fsync()", temp, ngx_errno);
    }

    if (close(fd) == -1 && rc == NGX_OK) {
        rc = ngx_llmops_state_failed(st, "close()", temp, ngx_errno);
    }

    if (rc != NGX_OK || ngx_llmops_state_rename(st, temp, name) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_llmops_journal_set(st, kind,
                           st->shm->root->journals[kind].generation + 1, size);

    return (ngx_llmops_journal_opened(st, kind, &(off_t) { 0 }) == NGX_OK)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_journal_copy(ngx_llmops_state_t *st, ngx_llmops_docs_e kind, int fd,
    const char *name, int64_t *size)
{
    u_char            head[NGX_LLMOPS_JOURNAL_HEAD];
    uint64_t          b;
    ngx_int_t         rc;
    ngx_uint_t        skip;
    ngx_llmops_out_t  out;

    ngx_llmops_journal_head(head, kind,
                            st->shm->root->journals[kind].generation + 1);

    *size = NGX_LLMOPS_JOURNAL_HEAD;
    b = 0;
    skip = 0;

    ngx_llmops_out_init(&out, NGX_LLMOPS_FRAME_MAX);

    rc = ngx_llmops_state_write(st, fd, name, head, NGX_LLMOPS_JOURNAL_HEAD);

    while (rc == NGX_OK && b <= st->shm->root->docs_mask) {

        if (ngx_llmops_journal_chunk(st, kind, &b, &skip, &out) == 0) {
            continue;
        }

        if (out.failed) {
            rc = ngx_llmops_state_failed(st, "no memory", name, 0);
            break;
        }

        rc = ngx_llmops_state_write(st, fd, name, out.data, out.len);
        *size += (int64_t) out.len;
    }

    ngx_llmops_out_free(&out);

    return rc;
}


/* one frame of documents from bucket b on; returns how many */

static ngx_uint_t
ngx_llmops_journal_chunk(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    uint64_t *b, ngx_uint_t *skip, ngx_llmops_out_t *out)
{
    size_t               start;
    ngx_str_t            id, value;
    ngx_uint_t           n;
    ngx_llmops_shm_t    *shm = st->shm;
    ngx_llmops_docsh_t  *doc, head;

    ngx_llmops_out_reset(out);
    start = ngx_llmops_frame_begin(out);

    n = 0;

    while (*b <= shm->root->docs_mask && out->len < NGX_LLMOPS_JOURNAL_CHUNK) {

        ngx_llmops_shm_lock(shm);

        doc = ngx_llmops_doc_next(shm, kind, b, skip);

        if (doc) {
            head = *doc;
            ngx_llmops_doc_read(shm, doc, st->scratch);
        }

        ngx_llmops_shm_unlock(shm);

        if (doc == NULL) {
            continue;
        }

        id.data = st->scratch;
        id.len = head.id_len;
        value.data = st->scratch + head.id_len;
        value.len = head.value_len;

        ngx_llmops_journal_record(out, 0, (uint64_t) head.revision,
                                  head.expires, &id, &value);
        n++;
    }

    ngx_llmops_frame_end(out, start);

    return n;
}
