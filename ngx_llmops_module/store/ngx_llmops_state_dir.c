
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_state.h"

#include <sys/file.h>


/*
 * The directory.  Any worker may write: the one that has the lock, an flock()
 * on a file of its own, which the kernel gives back when its process dies.  So
 * at any time one process writes, and nobody has to ask another process to
 * write for him and then find out whether that one lives.
 *
 * A zone owns the directory: its number is in the file "owner", and each of
 * its workers has a shared lock on that.  After an upgrade of the binary or a
 * change of the zone's size there are for a while workers of two zones; the
 * new one's become the owner as they start, and the others find, each time
 * they have the lock, that they must not write any more.  Another nginx that
 * is given the same directory by mistake does not start.
 */


#define NGX_LLMOPS_OWNER_LEN       64


static ngx_int_t ngx_llmops_state_file(ngx_llmops_state_t *st,
    const char *name, int flags, ngx_uid_t user);


ngx_int_t
ngx_llmops_state_init(ngx_llmops_state_t *st, ngx_llmops_shm_t *shm,
    ngx_str_t *dir)
{
    ngx_uint_t  i;

    ngx_memzero(st, sizeof(ngx_llmops_state_t));

    st->shm = shm;
    st->dir = *dir;
    st->lock = -1;
    st->owner = -1;
    st->at = -1;

    for (i = 0; i < NGX_LLMOPS_DOCS_MAX; i++) {
        st->journals[i] = -1;
    }

    if (dir->len + 64 > NGX_LLMOPS_STATE_PATH) {
        return ngx_llmops_state_failed(st, "the name is too long", NULL, 0);
    }

    return NGX_OK;
}


void
ngx_llmops_state_close(ngx_llmops_state_t *st)
{
    ngx_uint_t  i;

    if (st->lock != -1) {
        (void) close(st->lock);
        st->lock = -1;
    }

    if (st->owner != -1) {
        (void) close(st->owner);
        st->owner = -1;
    }

    for (i = 0; i < NGX_LLMOPS_DOCS_MAX; i++) {
        if (st->journals[i] != -1) {
            (void) close(st->journals[i]);
            st->journals[i] = -1;
        }
    }
}


static char *
ngx_llmops_state_path(ngx_llmops_state_t *st, char *path, const char *name)
{
    (void) snprintf(path, NGX_LLMOPS_STATE_PATH, "%.*s%s%s",
                    (int) st->dir.len, (char *) st->dir.data,
                    name ? "/" : "", name ? name : "");
    return path;
}


ngx_int_t
ngx_llmops_state_failed(ngx_llmops_state_t *st, const char *what,
    const char *name, ngx_err_t err)
{
    st->what = what;
    st->err = err;
    st->at = -1;

    ngx_llmops_state_path(st, st->path, name);

    return NGX_ERROR;
}


int
ngx_llmops_state_open(ngx_llmops_state_t *st, const char *name, int flags)
{
    int   fd;
    char  path[NGX_LLMOPS_STATE_PATH];

    fd = open(ngx_llmops_state_path(st, path, name),
              flags | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd == -1) {
        (void) ngx_llmops_state_failed(st, "open()", name, ngx_errno);
    }

    return fd;
}


/*
 * Files that root has made, or restored, belong to whom the workers are.  The
 * directory is theirs: what they could have put there, a link to a file of
 * somebody else, is neither followed nor given to them.
 */

ngx_int_t
ngx_llmops_state_check(ngx_llmops_state_t *st, ngx_uid_t user)
{
    ngx_uint_t  i;

    if (ngx_llmops_state_file(st, "owner", O_CREAT, user) != NGX_OK
        || ngx_llmops_state_file(st, "lock", O_CREAT, user) != NGX_OK
        || ngx_llmops_state_file(st, NGX_LLMOPS_USAGE_NAME, 0, user) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_LLMOPS_DOCS_MAX; i++) {

        if (ngx_llmops_state_file(st, ngx_llmops_journal_names[i], 0, user)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_state_file(ngx_llmops_state_t *st, const char *name, int flags,
    ngx_uid_t user)
{
    int          fd;
    ngx_int_t    rc;
    struct stat  sb;

    fd = ngx_llmops_state_open(st, name, O_RDWR|flags);

    if (fd == -1) {
        return (st->err == NGX_ENOENT && !flags) ? NGX_OK : NGX_ERROR;
    }

    rc = NGX_OK;

    if (fstat(fd, &sb) == -1) {
        rc = ngx_llmops_state_failed(st, "fstat()", name, ngx_errno);

    } else if (!S_ISREG(sb.st_mode) || sb.st_nlink != 1) {
        rc = ngx_llmops_state_failed(st, "it is no file, or a link", name, 0);

    } else if (user != (ngx_uid_t) NGX_CONF_UNSET_UINT
               && sb.st_uid != user
               && fchown(fd, user, (gid_t) -1) == -1)
    {
        rc = ngx_llmops_state_failed(st, "fchown()", name, ngx_errno);
    }

    (void) close(fd);

    return rc;
}


ngx_int_t
ngx_llmops_state_alone(ngx_llmops_state_t *st, ngx_pid_t pid, ngx_pid_t parent)
{
    uint64_t   number;
    ngx_pid_t  master;

    if (st->owner == -1) {
        st->owner = ngx_llmops_state_open(st, "owner", O_RDWR);
        if (st->owner == -1) {
            return NGX_ERROR;
        }
    }

    if (flock(st->owner, LOCK_EX|LOCK_NB) == 0) {
        (void) flock(st->owner, LOCK_UN);
        return NGX_OK;
    }

    if (ngx_errno != NGX_EAGAIN) {
        return ngx_llmops_state_failed(st, "flock()", "owner", ngx_errno);
    }

    if (ngx_llmops_state_owner(st, &number, &master) == NGX_OK
        && (master == pid || master == parent))
    {
        return NGX_OK;
    }

    (void) ngx_llmops_state_failed(st, "another nginx uses it", NULL, 0);

    return NGX_BUSY;
}


ngx_int_t
ngx_llmops_state_owner(ngx_llmops_state_t *st, uint64_t *number,
    ngx_pid_t *master)
{
    long                n;
    char                text[NGX_LLMOPS_OWNER_LEN + 1];
    ssize_t             len;
    unsigned long long  value;

    len = pread(st->owner, text, NGX_LLMOPS_OWNER_LEN, 0);
    if (len == -1) {
        return ngx_llmops_state_failed(st, "pread()", "owner", ngx_errno);
    }

    text[len] = '\0';

    if (sscanf(text, "%llx %ld", &value, &n) != 2) {
        return ngx_llmops_state_failed(st, "it names no owner", "owner", 0);
    }

    *number = value;
    *master = (ngx_pid_t) n;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_state_own(ngx_llmops_state_t *st, ngx_pid_t master)
{
    int   n;
    char  text[NGX_LLMOPS_OWNER_LEN];

    n = snprintf(text, sizeof(text), "%016llx %ld\n",
                 (unsigned long long) st->shm->root->seed, (long) master);

    if (pwrite(st->owner, text, n, 0) != n
        || ftruncate(st->owner, n) == -1)
    {
        return ngx_llmops_state_failed(st, "pwrite()", "owner", ngx_errno);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_state_lock(ngx_llmops_state_t *st, ngx_uint_t any)
{
    int        rc;
    uint64_t   number;
    ngx_pid_t  master;

    if (st->lock == -1) {
        st->lock = ngx_llmops_state_open(st, "lock", O_RDWR|O_CREAT);
        if (st->lock == -1) {
            return NGX_ERROR;
        }
    }

    if (st->owner == -1) {
        st->owner = ngx_llmops_state_open(st, "owner", O_RDWR|O_CREAT);
        if (st->owner == -1) {
            return NGX_ERROR;
        }

        do {                                 /* "in use", until we end */
            rc = flock(st->owner, LOCK_SH);
        } while (rc == -1 && ngx_errno == NGX_EINTR);
    }

    do {
        rc = flock(st->lock, LOCK_EX);
    } while (rc == -1 && ngx_errno == NGX_EINTR);

    if (rc == -1) {
        return ngx_llmops_state_failed(st, "flock()", "lock", ngx_errno);
    }

    if (any) {
        return NGX_OK;
    }

    if (ngx_llmops_state_owner(st, &number, &master) != NGX_OK) {
        ngx_llmops_state_unlock(st);
        return NGX_ERROR;
    }

    if (number != st->shm->root->seed
        || ngx_llmops_state_id(st) != st->shm->root->state_id)
    {
        ngx_llmops_state_unlock(st);
        return ngx_llmops_state_failed(st, "newer workers have taken it over",
                                       NULL, 0);
    }

    return NGX_OK;
}


void
ngx_llmops_state_unlock(ngx_llmops_state_t *st)
{
    (void) flock(st->lock, LOCK_UN);
}


ngx_int_t
ngx_llmops_state_write(ngx_llmops_state_t *st, int fd, const char *name,
    u_char *p, size_t len)
{
    ssize_t  n;

    while (len) {
        n = write(fd, p, len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n <= 0) {
            return ngx_llmops_state_failed(st, "write()", name,
                                           n ? ngx_errno : NGX_ENOSPC);
        }

        p += n;
        len -= n;
    }

    return NGX_OK;
}


/* the new name is durable when the directory is */

ngx_int_t
ngx_llmops_state_rename(ngx_llmops_state_t *st, const char *from,
    const char *to)
{
    int   fd, rc;
    char  old[NGX_LLMOPS_STATE_PATH], new[NGX_LLMOPS_STATE_PATH];

    if (rename(ngx_llmops_state_path(st, old, from),
               ngx_llmops_state_path(st, new, to))
        == -1)
    {
        return ngx_llmops_state_failed(st, "rename()", from, ngx_errno);
    }

    fd = ngx_llmops_state_open(st, NULL, O_RDONLY);
    if (fd == -1) {
        return NGX_ERROR;
    }

    rc = fsync(fd);

    if (rc == -1) {
        (void) ngx_llmops_state_failed(st, "fsync()", NULL, ngx_errno);
    }

    (void) close(fd);

    return rc ? NGX_ERROR : NGX_OK;
}
