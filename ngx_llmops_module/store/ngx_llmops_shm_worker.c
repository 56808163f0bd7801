
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"

#include <signal.h>


/*
 * What a process has reserved hangs on its entry in a list of all processes
 * that reserve.  Each says once a second that it lives; whoever finds one that
 * is gone, or has been silent for the lease, gives back what it holds.  Old
 * workers that drain after a reload have their entries beside the new ones.
 *
 * A process that was stopped for longer than the lease and goes on finds its
 * holds gone: each hold has a number that is never used twice, kept with the
 * charge, and so has the entry.  Cells of holds and of entries are used for
 * nothing else, so that a stale pointer leads to a number that differs.
 */


#define NGX_LLMOPS_MEMBER_SILENT   1500    /* ms: worth asking the kernel */
#define NGX_LLMOPS_MEMBER_BATCH    64      /* holds ended under one lock */


static ngx_uint_t ngx_llmops_member_gone(ngx_llmops_shm_t *shm,
    ngx_llmops_member_t *m, int64_t now, ngx_uint_t all);
static ngx_uint_t ngx_llmops_member_end(ngx_llmops_shm_t *shm,
    ngx_llmops_member_t **m);


ngx_int_t
ngx_llmops_member_join(ngx_llmops_shm_t *shm, int64_t now)
{
    ngx_llmops_root_t    *root = shm->root;
    ngx_llmops_member_t  *m;

    if (shm->member && shm->member->serial == shm->serial) {
        return NGX_OK;
    }

    shm->member = NULL;

    m = ngx_llmops_cells_take(shm, &root->member_cells, 1);
    if (m == NULL) {
        return NGX_DECLINED;
    }

    ngx_llmops_shm_put(shm, root->serial, root->serial + 1);
    ngx_llmops_shm_put(shm, m->serial, root->serial);

    m->pid = shm->pid;
    m->beat = now;
    m->holds = NULL;
    m->next = root->members;

    ngx_llmops_shm_put(shm, root->members, m);

    ngx_llmops_shm_commit(shm);

    shm->member = m;
    shm->serial = m->serial;

    return NGX_OK;
}


ngx_llmops_hold_t *
ngx_llmops_hold_make(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter,
    int64_t now)
{
    ngx_llmops_hold_t    *hold;
    ngx_llmops_root_t    *root = shm->root;
    ngx_llmops_member_t  *m = shm->member;

    if (m == NULL) {
        return NULL;
    }

    hold = ngx_llmops_cells_take(shm, &root->hold_cells, 1);
    if (hold == NULL) {
        return NULL;
    }

    ngx_llmops_shm_put(shm, root->serial, root->serial + 1);
    ngx_llmops_shm_put(shm, hold->serial, root->serial);

    hold->counter = counter;
    hold->made = now;
    hold->prev = NULL;
    hold->next = m->holds;
    ngx_memzero(hold->amounts, sizeof(hold->amounts));

    if (m->holds) {
        ngx_llmops_shm_put(shm, m->holds->prev, hold);
    }

    ngx_llmops_shm_put(shm, m->holds, hold);

    ngx_llmops_counter_hold(shm, counter);

    return hold;
}


/*
 * A hold knows its neighbours, but not whose list it is in: that is ours, or
 * the one of the dead process that is being ended; the first one of a list has
 * no neighbour before it.
 */

void
ngx_llmops_hold_end(ngx_llmops_shm_t *shm, ngx_llmops_hold_t *hold)
{
    ngx_uint_t             i;
    ngx_llmops_counter_t  *c = hold->counter;
    ngx_llmops_member_t   *m;

    for (i = 0; i < NGX_LLMOPS_UNIT_MAX; i++) {
        if (hold->amounts[i] && i != NGX_LLMOPS_UNIT_REQUESTS) {
            ngx_llmops_shm_put(shm, c->reserved[i],
                               c->reserved[i] - hold->amounts[i]);
        }
    }

    if (hold->prev) {
        ngx_llmops_shm_put(shm, hold->prev->next, hold->next);

    } else {

        for (m = shm->root->members; m; m = m->next) {
            if (m->holds == hold) {
                ngx_llmops_shm_put(shm, m->holds, hold->next);
                break;
            }
        }
    }

    if (hold->next) {
        ngx_llmops_shm_put(shm, hold->next->prev, hold->prev);
    }

    ngx_llmops_shm_put(shm, hold->serial, 0);
    ngx_llmops_cells_give(shm, &shm->root->hold_cells, hold);

    ngx_llmops_counter_unhold(shm, c);
}


ngx_llmops_hold_t *
ngx_llmops_hold_of(ngx_llmops_charge_t *charge)
{
    ngx_llmops_hold_t  *hold = charge->data;

    return (hold && hold->serial == charge->mark) ? hold : NULL;
}


void
ngx_llmops_members_tick(ngx_llmops_shm_t *shm, ngx_uint_t all)
{
    int64_t                now;
    ngx_uint_t             more;
    ngx_llmops_member_t  **m;

    do {
        more = 0;

        ngx_llmops_shm_lock(shm);

        now = ngx_llmops_shm_now(shm);

        if (ngx_llmops_member_join(shm, now) == NGX_OK) {
            shm->member->beat = now;
        }

        m = &shm->root->members;

        while (*m && !more) {

            if (!ngx_llmops_member_gone(shm, *m, now, all)) {
                m = &(*m)->next;
                continue;
            }

            more = ngx_llmops_member_end(shm, m);
        }

        ngx_llmops_shm_unlock(shm);

    } while (more);
}


/*
 * EPERM is no sign of death, nor of life: workers of another user, or a number
 * that is somebody else's by now.  Then the lease decides.
 */

static ngx_uint_t
ngx_llmops_member_gone(ngx_llmops_shm_t *shm, ngx_llmops_member_t *m,
    int64_t now, ngx_uint_t all)
{
    int64_t  silent;

    if (m == shm->member) {
        return 0;
    }

    silent = now - m->beat;

    if (silent > (int64_t) shm->lease) {
        return 1;
    }

    if (!all && silent < NGX_LLMOPS_MEMBER_SILENT) {
        return 0;
    }

    return kill((pid_t) m->pid, 0) == -1 && ngx_errno == NGX_ESRCH;
}


/* returns 1 if there are more holds than may be ended under one lock */

static ngx_uint_t
ngx_llmops_member_end(ngx_llmops_shm_t *shm, ngx_llmops_member_t **member)
{
    ngx_uint_t            n;
    ngx_llmops_member_t  *m = *member;

    for (n = 0; m->holds; n++) {

        if (n == NGX_LLMOPS_MEMBER_BATCH) {
            return 1;
        }

        ngx_llmops_hold_end(shm, m->holds);
        ngx_llmops_shm_commit(shm);
    }

    ngx_llmops_shm_put(shm, *member, m->next);
    ngx_llmops_shm_put(shm, m->serial, 0);
    ngx_llmops_cells_give(shm, &shm->root->member_cells, m);

    ngx_llmops_shm_commit(shm);

    return 0;
}


ngx_uint_t
ngx_llmops_member_leave(ngx_llmops_shm_t *shm)
{
    ngx_uint_t             more, last;
    ngx_llmops_member_t  **m;

    do {
        more = 0;

        ngx_llmops_shm_lock(shm);

        for (m = &shm->root->members; *m; m = &(*m)->next) {

            if (*m == shm->member && (*m)->serial == shm->serial) {
                more = ngx_llmops_member_end(shm, m);
                break;
            }
        }

        last = (shm->root->members == NULL);

        ngx_llmops_shm_unlock(shm);

    } while (more);

    shm->member = NULL;

    return last;
}
