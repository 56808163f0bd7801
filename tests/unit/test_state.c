
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "shm_run.h"
#include "ngx_llmops_state.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>


/*
 * The directory of llm_state: what a crash, a full disk or a bad sector may do
 * to it.  fdatasync() is ours, to see that nothing is visible before it and to
 * let it fail.
 */


#define ANY    NGX_LLMOPS_REVISION_ANY
#define NONE   NGX_LLMOPS_REVISION_NONE
#define KEYS   NGX_LLMOPS_DOCS_KEYS
#define DAY    86400000LL


static char                dir[64];
static shm_run_t           run;
static ngx_llmops_state_t  st;

static int                 syncs;          /* of data, so far */
static int                 syncs_fail;
static void              (*on_sync)(void);


int
fdatasync(int fd)
{
    syncs++;

    if (on_sync) {
        on_sync();
    }

    if (syncs_fail) {
        errno = EIO;
        return -1;
    }

    return 0;                                /* the machine stays on */
}


static char *
path(const char *name)
{
    static char  p[128];

    snprintf(p, sizeof(p), "%s/%s", dir, name);

    return p;
}


static size_t
file(const char *name, u_char *buf, size_t size)
{
    size_t   n;
    FILE    *f;

    f = fopen(path(name), "r");

    if (f == NULL) {
        return 0;
    }

    n = fread(buf, 1, size, f);
    fclose(f);

    return n;
}


static void
overwrite(const char *name, u_char *buf, size_t len)
{
    FILE  *f;

    f = fopen(path(name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(buf, 1, len, f), len);
    fclose(f);
}


/* a process with a zone of its own; its state reads the directory */

static void
attach(shm_run_t *r, ngx_llmops_state_t *s)
{
    static char  names[64][64];
    static int   n;

    n = (n + 1) % 64;
    strcpy(names[n], dir);

    assert_int_equal(ngx_llmops_state_init(s, &r->shm, unit_str(names[n])),
                     NGX_OK);
    s->scratch = malloc(NGX_LLMOPS_DOC_ID + NGX_LLMOPS_DOC_LARGE);
}


static ngx_int_t
load(ngx_llmops_state_t *s)
{
    ngx_uint_t  kind;

    for (kind = 0; kind < NGX_LLMOPS_DOCS_MAX; kind++) {
        if (ngx_llmops_journal_load(s, kind, 0) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_llmops_usage_load(s) != NGX_OK) {
        return NGX_ERROR;
    }

    s->shm->root->state_id = ngx_llmops_state_id(s);

    return NGX_OK;
}


static ngx_int_t
claim(ngx_llmops_state_t *s)
{
    ngx_int_t  rc;

    assert_int_equal(ngx_llmops_state_lock(s, 1), NGX_OK);
    rc = ngx_llmops_state_claim(s, getpid());
    ngx_llmops_state_unlock(s);

    return rc;
}


static void
detach(shm_run_t *r, ngx_llmops_state_t *s)
{
    assert_true(shm_sane(r));
    ngx_llmops_state_close(s);
    free(s->scratch);
    shm_destroy(r);
}


/* as after nginx has been stopped, or has crashed, and started */

static void
restart(void)
{
    detach(&run, &st);

    shm_create(&run, 4 << 20);
    attach(&run, &st);
    assert_int_equal(load(&st), NGX_OK);
    assert_int_equal(claim(&st), NGX_OK);
}


static int
setup(void **state)
{
    strcpy(dir, "/tmp/llm_state_XXXXXX");
    assert_non_null(mkdtemp(dir));

    syncs_fail = 0;
    on_sync = NULL;
    ngx_current_msec = 1000000;
    shm_time.sec = 1767225600;

    shm_create(&run, 4 << 20);
    attach(&run, &st);
    assert_int_equal(load(&st), NGX_OK);
    assert_int_equal(claim(&st), NGX_OK);

    return 0;
}


static int
teardown(void **state)
{
    DIR            *d;
    struct dirent  *e;

    detach(&run, &st);

    d = opendir(dir);

    while ((e = readdir(d))) {
        (void) unlink(path(e->d_name));
    }

    closedir(d);
    rmdir(dir);

    return 0;
}


/* -- changes --------------------------------------------------------------- */

static ngx_int_t
change(ngx_llmops_state_t *s, ngx_llmops_docs_e kind, const char *id,
    const char *value, uint64_t expected)
{
    ngx_llmops_change_t  c;

    memset(&c, 0, sizeof(c));

    c.kind = kind;
    c.id = *unit_str(id);
    c.expected = expected;

    if (value) {
        c.value = *unit_str(value);

    } else {
        c.removing = 1;
    }

    ngx_llmops_journal_write(s, &c);

    return c.rc;
}


static const char *
get(shm_run_t *r, ngx_llmops_docs_e kind, const char *id)
{
    static char         value[NGX_LLMOPS_DOC_SIZE + 1];
    ngx_llmops_docop_t  op;

    memset(&op, 0, sizeof(op));
    op.docs = kind;
    op.id = *unit_str(id);

    assert_int_equal(ngx_llmops_shm_get(&r->store, &op), NGX_OK);

    if (op.rc != NGX_OK) {
        return NULL;
    }

    memcpy(value, op.doc.value.data, op.doc.value.len);
    value[op.doc.value.len] = '\0';

    return value;
}


#define put(id, value, expected)  change(&st, KEYS, id, value, expected)
#define del(id, expected)  change(&st, KEYS, id, NULL, expected)

#define assert_doc(id, text)                                                  \
    do {                                                                      \
        const char  *v_ = get(&run, KEYS, id);                                \
        assert_non_null(v_);                                                  \
        assert_string_equal(v_, text);                                        \
    } while (0)

#define assert_no_doc(id)  assert_null(get(&run, KEYS, id))


static void
not_yet(void)
{
    assert_no_doc("late");
}


static void
test_changes(void **state)
{
    uint64_t  revision;

    assert_int_equal(put("a", "one", NONE), NGX_OK);
    assert_int_equal(put("a", "two", NONE), NGX_DECLINED);
    assert_int_equal(put("a", "two", 1), NGX_OK);
    assert_int_equal(put("b", "", NONE), NGX_OK);
    assert_int_equal(put("c", "gone", NONE), NGX_OK);
    assert_int_equal(del("c", 1), NGX_OK);
    assert_int_equal(del("c", ANY), NGX_DECLINED);
    assert_int_equal(change(&st, NGX_LLMOPS_DOCS_AUDIT, "a", "other", NONE),
                     NGX_OK);

    /* it is on the disk before anybody sees it, and one sync for each */

    syncs = 0;
    on_sync = not_yet;
    assert_int_equal(put("late", "x", NONE), NGX_OK);
    assert_int_equal(syncs, 1);
    on_sync = NULL;
    assert_doc("late", "x");

    /* what is refused costs none */

    assert_int_equal(put("late", "y", 7), NGX_DECLINED);
    assert_int_equal(syncs, 1);

    for (int i = 0; i < 3; i++) {
        revision = ngx_llmops_shm_revision(&run.store, KEYS);

        assert_doc("a", "two");
        assert_doc("b", "");
        assert_no_doc("c");
        assert_doc("late", "x");
        assert_string_equal(get(&run, NGX_LLMOPS_DOCS_AUDIT, "a"), "other");

        restart();

        assert_int_not_equal(ngx_llmops_shm_revision(&run.store, KEYS), 0);
        (void) revision;
    }

    assert_int_equal(put("a", "three", 2), NGX_OK);
    assert_int_equal(put("c", "back", NONE), NGX_OK);
    restart();
    assert_doc("a", "three");
    assert_doc("c", "back");
    assert_int_equal(put("c", "again", 1), NGX_OK);
}


/* several in one write */

static void
test_batch(void **state)
{
    char                 id[8][16];
    ngx_llmops_change_t  c[8];

    assert_int_equal(put("id 3", "old", NONE), NGX_OK);
    assert_int_equal(put("id 4", "old", NONE), NGX_OK);

    memset(c, 0, sizeof(c));

    for (int i = 0; i < 8; i++) {
        snprintf(id[i], sizeof(id[i]), "id %d", i);
        c[i].kind = i % 2;
        c[i].id.data = (u_char *) id[i];
        c[i].id.len = 4;
        c[i].value = *unit_str("new");
        c[i].expected = NONE;
        c[i].next = i < 7 ? &c[i + 1] : NULL;
    }

    c[4].removing = 1;
    c[4].expected = 1;

    syncs = 0;
    ngx_llmops_journal_write(&st, c);
    assert_int_equal(syncs, 2);

    for (int i = 0; i < 8; i++) {
        assert_int_equal(c[i].rc, NGX_OK);
        assert_int_equal(c[i].revision, 1);
    }

    for (int k = 0; k < 2; k++) {
        assert_doc("id 0", "new");
        assert_doc("id 2", "new");
        assert_doc("id 3", "old");
        assert_no_doc("id 4");
        assert_doc("id 6", "new");
        assert_no_doc("id 5");
        assert_non_null(get(&run, 1, "id 5"));
        restart();
    }
}


/* the last write cut at every byte: all that was confirmed before is there */

static void
test_torn(void **state)
{
    size_t         before, after, n;
    static u_char  buf[4096];

    assert_int_equal(put("a", "one", NONE), NGX_OK);
    assert_int_equal(put("b", "two", NONE), NGX_OK);
    before = file("keys.log", buf, sizeof(buf));
    assert_int_equal(put("a", "cut", 1), NGX_OK);
    after = file("keys.log", buf, sizeof(buf));
    assert_true(after > before + 16);

    for (n = before; n < after; n++) {
        overwrite("keys.log", buf, n);
        detach(&run, &st);
        shm_create(&run, 4 << 20);
        attach(&run, &st);
        assert_int_equal(load(&st), NGX_OK);
        assert_int_equal(st.torn[KEYS], n - before);
        assert_doc("a", "one");
        assert_doc("b", "two");
        assert_int_equal(claim(&st), NGX_OK);
        assert_int_equal(put("c", "three", NONE), NGX_OK);
        restart();
        assert_int_equal(st.torn[KEYS], 0);
        assert_doc("a", "one");
        assert_doc("c", "three");
    }

    /* a file that was made longer, and not written */

    memset(buf + after, 0, 100);
    overwrite("keys.log", buf, after + 100);
    restart();
    assert_doc("a", "cut");
    assert_no_doc("c");
}


/* a bad byte: in the last write it is one that was interrupted; before that it
   is said where */

static void
test_damaged(void **state)
{
    size_t         first, second, after, n;
    static u_char  buf[4096];

    first = file("keys.log", buf, sizeof(buf));
    assert_int_equal(put("a", "one", NONE), NGX_OK);
    second = file("keys.log", buf, sizeof(buf));
    assert_int_equal(del("a", 1), NGX_OK);
    after = file("keys.log", buf, sizeof(buf));

    for (n = 0; n < after; n++) {
        buf[n] ^= 0x10;
        overwrite("keys.log", buf, after);
        buf[n] ^= 0x10;

        detach(&run, &st);
        shm_create(&run, 4 << 20);
        attach(&run, &st);

        if (n < first && load(&st) == NGX_OK) {
            continue;                        /* another generation's number */
        }

        if (n >= second) {
            assert_int_equal(load(&st), NGX_OK);
            assert_doc("a", "one");
            continue;
        }

        assert_int_equal(load(&st), NGX_ERROR);
        assert_int_equal(st.err, 0);
        assert_non_null(strstr(st.path, "/keys.log"));

        if (n >= first) {
            assert_int_equal(st.at, first);
        }
    }

    overwrite("keys.log", (u_char *) "nonsense", 8);
    assert_int_equal(ngx_llmops_journal_load(&st, KEYS, 0), NGX_ERROR);
    overwrite("keys.log", buf, after);
    restart();
    assert_no_doc("a");
}


/* a disk that is full, or fails: the change is refused, and nothing else */

static void
test_full_disk(void **state)
{
    char           big[4000];
    size_t         size;
    struct rlimit  rl, old;
    static u_char  buf[65536];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';

    assert_int_equal(put("a", "one", NONE), NGX_OK);
    size = file("keys.log", buf, sizeof(buf));

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    rl = old;
    rl.rlim_cur = size + 1000;               /* in the middle of a write */
    setrlimit(RLIMIT_FSIZE, &rl);

    assert_int_equal(put("a", big, 1), NGX_ERROR);
    assert_int_equal(st.err, EFBIG);
    assert_string_equal(st.what, "write()");
    assert_non_null(strstr(st.path, "/keys.log"));

    assert_doc("a", "one");
    assert_int_equal(put("b", big, NONE), NGX_ERROR);
    assert_no_doc("b");
    assert_int_equal(run.zone->root.doc_cells.used, 1);
    assert_int_equal(file("keys.log", buf, sizeof(buf)), size);
    assert_int_equal(put("a", "small", 1), NGX_OK);

    setrlimit(RLIMIT_FSIZE, &old);

    assert_int_equal(put("b", big, NONE), NGX_OK);

    syncs_fail = 1;
    size = file("keys.log", buf, sizeof(buf));
    assert_int_equal(put("a", "lost", ANY), NGX_ERROR);
    assert_int_equal(st.err, EIO);
    assert_doc("a", "small");
    assert_int_equal(file("keys.log", buf, sizeof(buf)), size);
    syncs_fail = 0;

    assert_int_equal(put("c", "later", NONE), NGX_OK);
    restart();
    assert_doc("a", "small");
    assert_doc("b", big);
    assert_doc("c", "later");
}


/* the journal does not grow beyond what is alive by more than a bound */

static void
test_rewritten(void **state)
{
    char           text[2000], id[16];
    size_t         size, max;
    struct stat    sb;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    max = 0;

    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof(id), "id %d", i % 50);
        text[0] = 'a' + i % 26;
        assert_int_equal(put(id, text, ANY), NGX_OK);
        assert_int_equal(stat(path("keys.log"), &sb), 0);
        size = sb.st_size;
        max = ngx_max(max, size);
    }

    assert_true(run.zone->root.journals[KEYS].generation > 2);
    assert_true(max < (1 << 20) + 2 * 50 * 2100 + 4096);
    assert_int_not_equal(access(path("keys.new"), F_OK), 0);

    restart();
    snprintf(id, sizeof(id), "id %d", 2999 % 50);
    assert_doc(id, text);
    assert_int_equal(run.zone->root.ndocs[KEYS], 50);
    assert_int_equal(put(id, "next", 60), NGX_OK);   /* revisions are kept */

    /* gone, or shorter, while we run: memory is the truth */

    assert_int_equal(unlink(path("keys.log")), 0);
    assert_int_equal(put("new", "one", NONE), NGX_OK);
    assert_int_equal(truncate(path("keys.log"), 1000), 0);
    assert_int_equal(put("newer", "two", NONE), NGX_OK);
    restart();
    assert_doc(id, "next");
    assert_doc("new", "one");
    assert_doc("newer", "two");
    assert_int_equal(run.zone->root.ndocs[KEYS], 52);
}


static void
test_expires(void **state)
{
    ngx_llmops_change_t  c;

    memset(&c, 0, sizeof(c));
    c.kind = KEYS;
    c.id = *unit_str("a");
    c.value = *unit_str("one");
    c.expires = shm_time.sec + 100;
    ngx_llmops_journal_write(&st, &c);
    assert_int_equal(c.rc, NGX_OK);

    restart();
    assert_doc("a", "one");
    shm_time.sec += 50;
    restart();
    assert_doc("a", "one");
    shm_time.sec += 50;
    restart();
    assert_no_doc("a");
    assert_int_equal(run.zone->root.ndocs[KEYS], 0);
    assert_int_equal(put("a", "two", NONE), NGX_OK);
}


/* many processes write, each of them may be killed at any time */

static void
writer(int n, int *done)
{
    int                 i;
    char                id[32], value[64];
    shm_run_t           r;
    ngx_llmops_state_t  s;

    shm_attach(&r, run.zone, run.size);
    attach(&r, &s);

    for (i = 0; /* void */ ; i++) {
        snprintf(id, sizeof(id), "%d-%d", n, i % 10);
        snprintf(value, sizeof(value), "%d", i);

        if (change(&s, KEYS, id, value, ANY) != NGX_OK) {
            abort();
        }

        *(volatile int *) done = i;          /* confirmed */

        if (i % 7 == 6) {
            if (change(&s, KEYS, id, NULL, ANY) != NGX_OK) {
                abort();
            }
        }
    }
}


static void
test_killed_writers(void **state)
{
    int         i, k, w, status, have, rounds, *done;
    char        id[32];
    pid_t       pids[3];
    const char  *v;

    done = mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1,
                0);
    rounds = getenv("LLMOPS_KILLS") ? atoi(getenv("LLMOPS_KILLS")) : 30;

    for (k = 0; k < rounds; k++) {
        for (w = 0; w < 3; w++) {
            done[w] = -1;
            pids[w] = fork();

            if (pids[w] == 0) {
                alarm(60);
                writer(w, &done[w]);
            }
        }

        usleep(3000 + (k * 7919) % 20000);

        for (w = 0; w < 3; w++) {
            kill(pids[w], SIGKILL);
            waitpid(pids[w], &status, 0);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            ngx_shmtx_force_unlock(&run.zone->slab.mutex, pids[w]);
        }

        /* the lock is free, what one has left is made whole by the next */

        assert_true(shm_sane(&run));
        assert_int_equal(put("after", "x", ANY), NGX_OK);
        assert_null(run.zone->root.pending);

        for (i = 0; i < 2; i++) {

            for (w = 0; w < 3; w++) {
                for (int d = 0; d < 10; d++) {
                    int  last = done[w] - (done[w] - d + 1000) % 10;

                    if (last < 0) {
                        continue;
                    }

                    /* the last one that was confirmed, or its successor */

                    snprintf(id, sizeof(id), "%d-%d", w, d);
                    v = get(&run, KEYS, id);
                    have = v ? atoi(v) : -1;

                    if (last % 7 == 6) {
                        continue;            /* it was removed, or not yet */
                    }

                    assert_true(have == last || have == last + 10
                                || (v == NULL && (last + 10) % 7 == 6));
                }
            }

            restart();
        }
    }

    munmap(done, 4096);
}


/* -- owners ---------------------------------------------------------------- */

/* a zone of another size, or another binary: its workers take over, and see
   what the old ones have written until then */

static void
test_taken_over(void **state)
{
    shm_run_t           next;
    ngx_llmops_state_t  s;

    assert_int_equal(put("a", "one", NONE), NGX_OK);

    memset(&next, 0, sizeof(next));
    shm_create(&next, 2 << 20);
    attach(&next, &s);
    assert_int_equal(load(&s), NGX_OK);

    assert_int_equal(put("a", "two", 1), NGX_OK);
    assert_int_equal(put("b", "late", NONE), NGX_OK);

    assert_int_equal(claim(&s), NGX_OK);
    assert_string_equal(get(&next, KEYS, "a"), "two");
    assert_string_equal(get(&next, KEYS, "b"), "late");

    /* the old ones may not write any more */

    assert_int_equal(put("c", "no", NONE), NGX_ERROR);
    assert_int_equal(st.err, 0);
    assert_non_null(strstr(st.what, "newer workers"));
    assert_no_doc("c");

    assert_int_equal(change(&s, KEYS, "c", "yes", NONE), NGX_OK);

    /* nor start workers again, as long as the others live */

    assert_int_equal(claim(&st), NGX_OK);    /* the same master */
    assert_string_equal(get(&run, KEYS, "a"), "two");
    assert_string_equal(get(&run, KEYS, "c"), "yes");
    assert_int_equal(change(&s, KEYS, "d", "no", NONE), NGX_ERROR);

    detach(&next, &s);
}


/* the old zone's workers have written the journal anew in between */

static void
test_rewritten_meanwhile(void **state)
{
    shm_run_t           next;
    ngx_llmops_state_t  s;

    assert_int_equal(put("a", "one", NONE), NGX_OK);
    assert_int_equal(put("b", "two", NONE), NGX_OK);

    memset(&next, 0, sizeof(next));
    shm_create(&next, 2 << 20);
    attach(&next, &s);
    assert_int_equal(load(&s), NGX_OK);

    assert_int_equal(del("a", 1), NGX_OK);
    assert_int_equal(ngx_llmops_journal_rewrite(&st, KEYS), NGX_OK);
    assert_int_equal(put("c", "three", NONE), NGX_OK);

    assert_int_equal(claim(&s), NGX_OK);
    assert_null(get(&next, KEYS, "a"));
    assert_string_equal(get(&next, KEYS, "b"), "two");
    assert_string_equal(get(&next, KEYS, "c"), "three");
    assert_int_equal(change(&s, KEYS, "d", "four", NONE), NGX_OK);
    detach(&next, &s);
    restart();
    assert_doc("d", "four");
    assert_no_doc("a");
}


/* a reload may name another directory: what is in memory goes there too */

static void
test_other_directory(void **state)
{
    DIR                *d;
    char                first[64], second[64];
    struct dirent      *e;
    ngx_llmops_state_t  s;

    assert_int_equal(put("a", "one", NONE), NGX_OK);
    assert_int_equal(put("b", "two", NONE), NGX_OK);

    strcpy(first, dir);
    strcpy(dir, "/tmp/llm_state_XXXXXX");
    assert_non_null(mkdtemp(dir));

    attach(&run, &s);
    assert_int_equal(claim(&s), NGX_OK);
    assert_int_equal(change(&s, KEYS, "c", "three", NONE), NGX_OK);

    /* old workers, which still have the first one */

    assert_int_equal(put("d", "no", NONE), NGX_ERROR);

    ngx_llmops_state_close(&s);
    free(s.scratch);
    restart();
    assert_doc("a", "one");
    assert_doc("b", "two");
    assert_doc("c", "three");

    strcpy(second, dir);
    strcpy(dir, first);
    d = opendir(first);

    while ((e = readdir(d))) {
        (void) unlink(path(e->d_name));
    }

    closedir(d);
    rmdir(first);
    strcpy(dir, second);
}


/* another nginx, with the same directory by mistake */

static void
test_another_nginx(void **state)
{
    int                 status, fds[2];
    char                c;
    pid_t               pid;
    shm_run_t           other;
    ngx_llmops_state_t  s;

    ngx_llmops_state_close(&st);
    assert_int_equal(pipe(fds), 0);

    pid = fork();

    if (pid == 0) {
        shm_attach(&other, run.zone, run.size);
        attach(&other, &s);
        ngx_llmops_state_lock(&s, 1);
        ngx_llmops_state_own(&s, getpid());
        ngx_llmops_state_unlock(&s);
        (void) !write(fds[1], "x", 1);
        pause();
    }

    assert_int_equal(read(fds[0], &c, 1), 1);

    attach(&run, &s);
    assert_int_equal(ngx_llmops_state_check(&s, -1), NGX_OK);
    assert_int_equal(ngx_llmops_state_alone(&s, getpid(), getppid()),
                     NGX_BUSY);
    assert_int_equal(ngx_llmops_state_alone(&s, 0, 0), NGX_BUSY);
    assert_string_equal(s.what, "another nginx uses it");
    ngx_llmops_state_close(&s);

    /* a reload, and an upgrade of the binary */

    assert_int_equal(ngx_llmops_state_alone(&s, pid, 1), NGX_OK);
    ngx_llmops_state_close(&s);
    assert_int_equal(ngx_llmops_state_alone(&s, getpid(), pid), NGX_OK);
    ngx_llmops_state_close(&s);

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);

    assert_int_equal(ngx_llmops_state_alone(&s, getpid(), getppid()), NGX_OK);
    ngx_llmops_state_close(&s);
    free(s.scratch);

    close(fds[0]);
    close(fds[1]);
}


static void
test_directory(void **state)
{
    char                long_name[1100];
    ngx_llmops_state_t  s;

    memset(long_name, 'x', 1050);
    long_name[1050] = '\0';
    assert_int_equal(ngx_llmops_state_init(&s, &run.shm, unit_str(long_name)),
                     NGX_ERROR);

    assert_int_equal(ngx_llmops_state_init(&s, &run.shm,
                                           unit_str("/tmp/llm_not_there")),
                     NGX_OK);
    assert_int_equal(ngx_llmops_state_check(&s, -1), NGX_ERROR);
    assert_int_equal(s.err, ENOENT);
    assert_string_equal(s.path, "/tmp/llm_not_there/owner");
    assert_int_equal(ngx_llmops_state_lock(&s, 1), NGX_ERROR);

    /* files of others that are made to look like ours */

    attach(&run, &s);
    assert_int_equal(ngx_llmops_state_check(&s, -1), NGX_OK);
    assert_int_equal(unlink(path("owner")), 0);
    assert_int_equal(symlink("/etc/passwd", path("owner")), 0);
    assert_int_equal(ngx_llmops_state_check(&s, -1), NGX_ERROR);
    assert_int_equal(s.err, ELOOP);
    assert_int_equal(unlink(path("owner")), 0);
    strcpy(long_name, path("lock"));
    assert_int_equal(link(long_name, path("owner")), 0);
    assert_int_equal(ngx_llmops_state_check(&s, -1), NGX_ERROR);
    assert_string_equal(s.what, "it is no file, or a link");
    free(s.scratch);
}


/* -- usage ----------------------------------------------------------------- */

#define TRUTH(...)  ((int64_t[NGX_LLMOPS_UNIT_MAX]) { __VA_ARGS__ })


static int64_t
used(const char *key, ngx_llmops_rate_t rate, int64_t add)
{
    ngx_llmops_charge_t       c;
    ngx_llmops_reservation_t  res;

    shm_charge(&c, "budget", key, rate);
    c.want[rate.unit] = add;
    shm_res(&res, &c, 1);
    assert_int_equal(ngx_llmops_shm_reserve(&run.store, &res), NGX_OK);
    assert_int_equal(res.held, 1);
    ngx_llmops_shm_settle(&run.store, &res, TRUTH(0, add));

    return c.levels[0].used;
}


static int64_t
ledger(uint32_t day, int64_t add)
{
    int64_t                   sum;
    ngx_array_t              *rows;
    ngx_llmops_ledger_row_t   row, *r;
    ngx_llmops_ledger_read_t *read;

    memset(&row, 0, sizeof(row));
    row.day = day;
    row.client = *unit_str("a");
    row.model = *unit_str("gpt");
    row.sums[NGX_LLMOPS_LEDGER_INPUT] = add;

    if (add) {
        ngx_llmops_shm_ledger_add(&run.shm, &row);
    }

    assert_int_equal(ngx_llmops_shm_rows(&run.store, day, day, NULL, &rows,
                                         NULL, NULL, &read),
                     NGX_OK);

    for (sum = 0, r = rows->elts; r < (ngx_llmops_ledger_row_t *) rows->elts
                                      + rows->nelts; r++)
    {
        sum += r->sums[NGX_LLMOPS_LEDGER_INPUT];
    }

    return sum;
}


static ngx_int_t
save(void)
{
    ngx_int_t  rc;

    rc = ngx_llmops_state_lock(&st, 0);

    if (rc == NGX_OK) {
        rc = ngx_llmops_usage_save(&st);
        ngx_llmops_state_unlock(&st);
    }

    return rc;
}


static void
test_usage(void **state)
{
    int64_t            today = (int64_t) shm_time.sec * 1000;
    struct stat        first, second;
    ngx_llmops_rate_t  day, month, minute, sliding;

    day = shm_calendar(NGX_LLMOPS_UNIT_TOKENS, 1000, DAY, today);
    month = shm_calendar(NGX_LLMOPS_UNIT_TOKENS, 10000, 31 * DAY, today);
    minute = shm_calendar(NGX_LLMOPS_UNIT_TOKENS, 10000, 60000, today);
    sliding = shm_sliding(NGX_LLMOPS_UNIT_TOKENS, 10000, DAY);

    used("a", day, 100);
    used("a", month, 100);
    used("b", month, 7);
    used("c", minute, 7);
    used("d", sliding, 7);
    ledger(20260101, 40);
    ledger(20260102, 2);

    assert_int_equal(save(), NGX_OK);
    assert_int_equal(stat(path("usage"), &first), 0);
    assert_int_equal(save(), NGX_OK);        /* nothing has changed */
    assert_int_equal(stat(path("usage"), &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_int_not_equal(access(path("usage.new"), F_OK), 0);

    for (int i = 0; i < 3; i++) {
        restart();
        assert_int_equal(used("a", day, 0), 100);
        assert_int_equal(used("a", month, 0), 100);
        assert_int_equal(used("b", month, 0), 7);
        assert_int_equal(ledger(20260101, 0), 40);
        assert_int_equal(ledger(20260102, 0), 2);
    }

    assert_int_equal(used("c", minute, 0), 0);
    assert_int_equal(used("d", sliding, 0), 0);

    used("a", day, 50);
    ledger(20260101, 1);
    assert_int_equal(save(), NGX_OK);

    /* tomorrow, the day's is of no use any more */

    shm_time.sec += 86400;
    restart();
    assert_int_equal(run.zone->root.ncounters, 2);
    assert_int_equal(used("a", month, 0), 150 - 50);
    assert_int_equal(ledger(20260101, 0), 41);
}


/* what may be carried over is, also where nginx was away at midnight */

static int64_t
room(const char *key, ngx_llmops_rate_t rate)
{
    ngx_llmops_charge_t       c;
    ngx_llmops_reservation_t  res;

    shm_charge(&c, "budget", key, rate);
    shm_res(&res, &c, 1);
    assert_int_equal(ngx_llmops_shm_reserve(&run.store, &res), NGX_OK);
    ngx_llmops_shm_settle(&run.store, &res, TRUTH(0));

    return c.levels[0].limit;
}


static void
test_usage_carried(void **state)
{
    int64_t            today = (int64_t) shm_time.sec * 1000;
    ngx_llmops_rate_t  day;

    day = shm_calendar(NGX_LLMOPS_UNIT_TOKENS, 1000, DAY, today);
    day.carry = 200;

    used("a", day, 900);
    assert_int_equal(save(), NGX_OK);

    shm_time.sec += 86400;
    restart();
    day.start += DAY;
    day.end += DAY;
    assert_int_equal(room("a", day), 1100);
    assert_int_equal(save(), NGX_OK);

    restart();
    assert_int_equal(room("a", day), 1100);
    assert_int_equal(room("b", day), 1000);
}


/* many of them; and an owner that has lost the directory saves nothing */

static void
test_usage_many(void **state)
{
    char                key[32];
    int64_t             today = (int64_t) shm_time.sec * 1000;
    ngx_llmops_rate_t   month;
    shm_run_t           next;
    ngx_llmops_state_t  s;

    month = shm_calendar(NGX_LLMOPS_UNIT_TOKENS, 100000, 31 * DAY, today);

    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        used(key, month, i);
        ledger(20260000 + 100 * (1 + i / 400) + 1 + i % 28, i);
    }

    assert_int_equal(save(), NGX_OK);
    restart();

    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        assert_int_equal(used(key, month, 0), i);
    }

    used("key 5", month, 1);
    assert_int_equal(save(), NGX_OK);

    /* too many for a smaller zone: that is said */

    memset(&next, 0, sizeof(next));
    shm_create(&next, 1 << 20);
    attach(&next, &s);
    assert_int_equal(load(&s), NGX_ERROR);
    assert_non_null(strstr(s.what, "too small"));
    detach(&next, &s);

    memset(&next, 0, sizeof(next));
    shm_create(&next, 8 << 20);
    attach(&next, &s);
    assert_int_equal(load(&s), NGX_OK);
    used("key 5", month, 1);
    assert_int_equal(save(), NGX_OK);        /* the last ones of the old zone */
    assert_int_equal(claim(&s), NGX_OK);
    used("key 5", month, 100);
    assert_int_equal(save(), NGX_ERROR);
    detach(&run, &st);
    run = next;
    run.store.shm = &run.shm;
    st = s;
    st.shm = &run.shm;
    assert_int_equal(used("key 5", month, 0), 7);
}


static void
test_usage_damaged(void **state)
{
    size_t             n, len;
    int64_t            today = (int64_t) shm_time.sec * 1000;
    static u_char      buf[4096];
    ngx_llmops_rate_t  month;

    month = shm_calendar(NGX_LLMOPS_UNIT_TOKENS, 1000, 31 * DAY, today);

    used("a", month, 100);
    ledger(20260101, 40);
    assert_int_equal(save(), NGX_OK);

    len = file("usage", buf, sizeof(buf));
    assert_true(len > 100 && len < sizeof(buf));

    for (n = 0; n < len; n++) {
        buf[n] ^= 1;
        overwrite("usage", buf, len);
        buf[n] ^= 1;
        assert_int_equal(ngx_llmops_usage_load(&st), NGX_ERROR);
        assert_int_equal(st.err, 0);
        assert_non_null(strstr(st.path, "/usage"));

        overwrite("usage", buf, n);
        assert_int_equal(ngx_llmops_usage_load(&st), NGX_ERROR);
    }

    overwrite("usage", buf, len);
    restart();
    assert_int_equal(used("a", month, 0), 100);
}


#define t(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest  tests[] = {
        t(test_changes),
        t(test_batch),
        t(test_torn),
        t(test_damaged),
        t(test_full_disk),
        t(test_rewritten),
        t(test_expires),
        t(test_killed_writers),
        t(test_taken_over),
        t(test_rewritten_meanwhile),
        t(test_other_directory),
        t(test_another_nginx),
        t(test_directory),
        t(test_usage),
        t(test_usage_carried),
        t(test_usage_many),
        t(test_usage_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
