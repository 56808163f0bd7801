
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_own.h"

#include <sys/file.h>


/*
 * Records in files, below llm_state.  A file is one worker's: nobody else ever
 * appends to it, though all read it and wipe records in it.  Its name is when
 * it was begun and the number of the process, which has a shared lock on it as
 * long as it appends to it: what has nothing in it any more is not dropped
 * then.  A file that has grown to its size, or has been dropped for want of
 * room, is followed by a new one; what was written to one that had just been
 * dropped is written again.
 *
 * A record that could not be written as a whole is cut off again.  If the
 * process dies between, it is the last one of its file, and is read as the end
 * of that: its length says that there should be more, or its checksum is
 * wrong.
 */


#define NGX_LLMOPS_SAMPLES_FILES   4096    /* at most */
#define NGX_LLMOPS_SAMPLES_NAME    (16 + 1 + 8 + 4)    /* "TIME-PID.smp" */


static ngx_int_t ngx_llmops_samples_file_append(ngx_llmops_samples_t *s,
    ngx_str_t *record);
static ngx_int_t ngx_llmops_samples_file_open(ngx_llmops_samples_t *s);
static ngx_int_t ngx_llmops_samples_file_write(ngx_llmops_samples_t *s,
    ngx_str_t *record);
static ngx_int_t ngx_llmops_samples_file_list(ngx_llmops_samples_t *s,
    ngx_array_t *segments);
static ngx_int_t ngx_llmops_samples_file_entry(ngx_llmops_samples_t *s,
    ngx_str_t *name, ngx_array_t *segments);
static ngx_int_t ngx_llmops_samples_file_load(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg, ngx_str_t *bytes);
static ngx_int_t ngx_llmops_samples_file_wipe(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg, size_t offset, ngx_llmops_record_t *rec);
static void ngx_llmops_samples_file_drop(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg);
static void ngx_llmops_samples_file_unlink(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg);
static void ngx_llmops_samples_file_trim(ngx_llmops_samples_t *s);
static ngx_fd_t ngx_llmops_samples_fd(ngx_llmops_samples_t *s, u_char *name,
    int flags);
static int ngx_libc_cdecl ngx_llmops_samples_file_cmp(const void *one,
    const void *two);


const ngx_llmops_samples_engine_t  ngx_llmops_samples_file = {
    ngx_llmops_samples_file_append,
    ngx_llmops_samples_file_list,
    ngx_llmops_samples_file_load,
    ngx_llmops_samples_file_wipe,
    ngx_llmops_samples_file_drop,
    ngx_llmops_samples_file_trim
};


static ngx_int_t
ngx_llmops_samples_file_append(ngx_llmops_samples_t *s, ngx_str_t *record)
{
    ngx_int_t        rc;
    ngx_uint_t       tries;
    ngx_file_info_t  fi;

    for (tries = 0; tries < 3; tries++) {

        if (s->fd != NGX_INVALID_FILE && s->offset
            && s->offset + record->len > s->segment)
        {
            (void) ngx_close_file(s->fd);
            s->fd = NGX_INVALID_FILE;
        }

        if (s->fd == NGX_INVALID_FILE) {
            if (ngx_llmops_samples_file_open(s) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        rc = ngx_llmops_samples_file_write(s, record);

        if (rc == NGX_OK && ngx_fd_info(s->fd, &fi) != NGX_FILE_ERROR
            && fi.st_nlink)
        {
            return NGX_OK;
        }

        (void) ngx_close_file(s->fd);
        s->fd = NGX_INVALID_FILE;

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_ERROR;
}


static ngx_fd_t
ngx_llmops_samples_fd(ngx_llmops_samples_t *s, u_char *name, int flags)
{
    u_char  path[NGX_MAX_PATH];

    if (s->dir.len + 1 + ngx_strlen(name) >= NGX_MAX_PATH) {
        ngx_set_errno(NGX_ENAMETOOLONG);
        return NGX_INVALID_FILE;
    }

    (void) ngx_sprintf(path, "%V/%s%Z", &s->dir, name);

    return open((char *) path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}


static ngx_int_t
ngx_llmops_samples_file_open(ngx_llmops_samples_t *s)
{
    u_char      name[NGX_LLMOPS_SAMPLES_NAME + 1];
    int64_t     now;
    ngx_uint_t  tries;

    ngx_llmops_samples_file_trim(s);

    now = ngx_llmops_samples_clock();

    for (tries = 0; tries < 16; tries++, now++) {

        (void) ngx_sprintf(name, "%016xL-%08xD.smp%Z", now,
                           (uint32_t) ngx_pid);

        s->fd = ngx_llmops_samples_fd(s, name,
                                      O_RDWR|O_APPEND|O_CREAT|O_EXCL);

        if (s->fd != NGX_INVALID_FILE) {
            s->offset = 0;
            (void) flock(s->fd, LOCK_SH|LOCK_NB);    /* nobody has seen it */
            return NGX_OK;
        }

        if (ngx_errno == NGX_ENOENT
            && ngx_create_dir(s->dir.data, 0700) != NGX_FILE_ERROR)
        {
            continue;
        }

        if (ngx_errno != NGX_EEXIST) {
            break;
        }
    }

    if (ngx_llmops_samples_complain(s)) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      "samples are lost: a file in \"%V\" could not be "
                      "created", &s->dir);
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_llmops_samples_file_write(ngx_llmops_samples_t *s, ngx_str_t *record)
{
    ssize_t    n;
    ngx_err_t  err;

    do {
        n = write(s->fd, record->data, record->len);
        err = ngx_errno;
    } while (n == -1 && err == NGX_EINTR);

    if (n == (ssize_t) record->len) {
        s->offset += record->len;
        return NGX_OK;
    }

    if (ngx_llmops_samples_complain(s)) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, n == -1 ? err : 0,
                      "samples are lost: writing to a file in \"%V\" failed",
                      &s->dir);
    }

    if (n > 0 && ftruncate(s->fd, (off_t) s->offset) == -1) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      "ftruncate() of a file in \"%V\" failed", &s->dir);
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_llmops_samples_file_list(ngx_llmops_samples_t *s, ngx_array_t *segments)
{
    ngx_dir_t  dir;
    ngx_int_t  rc;
    ngx_str_t  name;

    if (ngx_open_dir(&s->dir, &dir) == NGX_ERROR) {
        return ngx_errno == NGX_ENOENT ? NGX_OK : NGX_ERROR;
    }

    rc = NGX_OK;

    while (rc == NGX_OK && segments->nelts < 4 * NGX_LLMOPS_SAMPLES_FILES) {

        ngx_set_errno(0);

        if (ngx_read_dir(&dir) == NGX_ERROR) {
            rc = (ngx_errno == NGX_ENOMOREFILES || ngx_errno == 0)
                 ? NGX_DONE : NGX_ERROR;
            break;
        }

        name.data = ngx_de_name(&dir);
        name.len = ngx_de_namelen(&dir);

        rc = ngx_llmops_samples_file_entry(s, &name, segments);
    }

    (void) ngx_close_dir(&dir);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_qsort(segments->elts, segments->nelts, sizeof(ngx_llmops_segment_t),
              ngx_llmops_samples_file_cmp);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_samples_file_entry(ngx_llmops_samples_t *s, ngx_str_t *name,
    ngx_array_t *segments)
{
    u_char                 path[NGX_MAX_PATH];
    ngx_file_info_t        fi;
    ngx_llmops_segment_t  *seg;

    if (name->len != NGX_LLMOPS_SAMPLES_NAME
        || ngx_memcmp(name->data + name->len - 4, ".smp", 4) != 0
        || s->dir.len + name->len + 2 > NGX_MAX_PATH)
    {
        return NGX_OK;
    }

    (void) ngx_sprintf(path, "%V/%V%Z", &s->dir, name);

    if (lstat((char *) path, &fi) == -1 || !ngx_is_file(&fi)) {
        return NGX_OK;
    }

    seg = ngx_array_push(segments);
    if (seg == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(seg, sizeof(ngx_llmops_segment_t));
    ngx_memcpy(seg->name, name->data, name->len);

    /* records are older than their writing, of which the file system's clock
       may be a tick behind */

    seg->changed = (int64_t) ngx_file_mtime(&fi) * 1000 + 2000;
    seg->size = (size_t) ngx_file_size(&fi);
    seg->created = ngx_hextoi(name->data, 16);

    return NGX_OK;
}


/* the last one changed first; of equal ones the last one begun */

static int ngx_libc_cdecl
ngx_llmops_samples_file_cmp(const void *one, const void *two)
{
    const ngx_llmops_segment_t *a = one;
    const ngx_llmops_segment_t *b = two;

    if (a->changed != b->changed) {
        return a->changed < b->changed ? 1 : -1;
    }

    return a->created < b->created ? 1 : a->created > b->created ? -1 : 0;
}


static ngx_int_t
ngx_llmops_samples_file_load(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg, ngx_str_t *bytes)
{
    size_t           size;
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_file_info_t  fi;

    bytes->data = NULL;
    bytes->len = 0;

    fd = ngx_llmops_samples_fd(s, seg->name, O_RDONLY);

    if (fd == NGX_INVALID_FILE) {
        return ngx_errno == NGX_ENOENT ? NGX_DECLINED : NGX_ERROR;
    }

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        (void) ngx_close_file(fd);
        return NGX_ERROR;
    }

    size = (size_t) ngx_file_size(&fi);
    bytes->data = ngx_alloc(size + 1, ngx_cycle->log);

    while (bytes->data && bytes->len < size) {

        n = pread(fd, bytes->data + bytes->len, size - bytes->len,
                  (off_t) bytes->len);

        if (n <= 0) {
            break;                           /* cut off meanwhile, or an error:
                                                what is there is good */
        }

        bytes->len += n;
    }

    (void) ngx_close_file(fd);

    return bytes->data ? NGX_OK : NGX_ERROR;
}


/* first the text, then the head: what has no text any more may still have a
   head that says so wrongly, but never the other way round */

static ngx_int_t
ngx_llmops_samples_file_wipe(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg, size_t offset, ngx_llmops_record_t *rec)
{
    size_t               len, done, n;
    u_char               head[NGX_LLMOPS_RECORD_HEAD];
    u_char               wiped[NGX_LLMOPS_RECORD_HEAD];
    ngx_fd_t             fd;
    ngx_int_t            rc;
    ngx_llmops_record_t  found;

    static u_char  zeroes[16384];

    fd = ngx_llmops_samples_fd(s, seg->name, O_RDWR);

    if (fd == NGX_INVALID_FILE) {
        return ngx_errno == NGX_ENOENT ? NGX_DECLINED : NGX_ERROR;
    }

    rc = NGX_DECLINED;

    if (pread(fd, head, sizeof(head), (off_t) offset)
        == (ssize_t) sizeof(head)
        && ngx_llmops_record_read(head, NGX_LLMOPS_RECORD_HEAD
                                        + NGX_LLMOPS_RECORD_MAX, &found, &len)
           == NGX_OK
        && ngx_memcmp(found.id, rec->id, NGX_LLMOPS_RECORD_TAG) == 0
        && found.len == rec->len)
    {
        rc = NGX_OK;
    }

    for (done = 0; rc == NGX_OK && done < rec->len; done += n) {
        n = ngx_min(sizeof(zeroes), rec->len - done);

        if (pwrite(fd, zeroes, n,
                   (off_t) (offset + NGX_LLMOPS_RECORD_HEAD + done))
            != (ssize_t) n)
        {
            rc = NGX_ERROR;
        }
    }

    if (rc == NGX_OK) {
        ngx_llmops_record_wiped(head, wiped);

        if (pwrite(fd, wiped, sizeof(wiped), (off_t) offset)
            != (ssize_t) sizeof(wiped))
        {
            rc = NGX_ERROR;
        }
    }

    if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      "a sample in \"%V/%s\" could not be wiped", &s->dir,
                      seg->name);
    }

    (void) ngx_close_file(fd);

    return rc;
}


static void
ngx_llmops_samples_file_drop(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg)
{
    ngx_fd_t  fd;

    fd = ngx_llmops_samples_fd(s, seg->name, O_RDONLY);

    if (fd == NGX_INVALID_FILE) {
        return;
    }

    if (flock(fd, LOCK_EX|LOCK_NB) == 0) {
        ngx_llmops_samples_file_unlink(s, seg);
    }

    (void) ngx_close_file(fd);
}


static void
ngx_llmops_samples_file_unlink(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg)
{
    u_char  path[NGX_MAX_PATH];

    if (s->dir.len + ngx_strlen(seg->name) + 2 > NGX_MAX_PATH) {
        return;
    }

    (void) ngx_sprintf(path, "%V/%s%Z", &s->dir, seg->name);

    if (ngx_delete_file(path) == NGX_FILE_ERROR && ngx_errno != NGX_ENOENT) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      ngx_delete_file_n " \"%s\" failed", path);
    }
}


/* each worker may be about to fill one more file */

static void
ngx_llmops_samples_file_trim(ngx_llmops_samples_t *s)
{
    size_t                 total, bound;
    ngx_pool_t            *pool;
    ngx_uint_t             i;
    ngx_array_t            segments;
    ngx_core_conf_t       *ccf;
    ngx_llmops_segment_t  *seg;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return;
    }

    if (ngx_array_init(&segments, pool, 32, sizeof(ngx_llmops_segment_t))
        != NGX_OK
        || ngx_llmops_samples_file_list(s, &segments) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    bound = s->size - ngx_min(ngx_max(ccf->worker_processes, 1) * s->segment,
                              s->size / 2);
    seg = segments.elts;

    for (i = 0, total = 0; i < segments.nelts; i++) {
        total += seg[i].size;

        if (i && (total > bound || i >= NGX_LLMOPS_SAMPLES_FILES)) {
            ngx_llmops_samples_file_unlink(s, &seg[i]);
        }
    }

    ngx_destroy_pool(pool);
}
