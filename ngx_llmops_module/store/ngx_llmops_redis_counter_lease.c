
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * Shares begin and end.  What is held in a share is good for a lease after it
 * was written; a process that lives writes it again in time.  One that does
 * not live any more leaves what it had booked and not told: that is told by
 * whoever clears its share away, and the one who does is the one whose HDEL
 * has deleted it.
 *
 * A process that was stopped, or cut off, for longer may come back to find its
 * share gone, or about to go.  It never writes that share again, since a
 * delete that is under way would take what is new in it.  It begins another,
 * and deletes the old one, whose answer tells it whether what was open there
 * is still its own to tell.  What it holds it writes as it is: an absolute
 * amount, which nobody else has written meanwhile, so that however long it was
 * away, and however often it writes, it can only say the truth.  (What others
 * were granted meanwhile may be too much together with it; that is what a
 * lease means.)
 */


/* a dead share that is being cleared away */

typedef struct {
    ngx_llmops_tally_t        *tally;
    int64_t                    stamp;
    int64_t                    open[NGX_LLMOPS_UNIT_MAX];
} ngx_llmops_reap_t;


static void ngx_llmops_tally_share_begin(ngx_llmops_tally_t *tally);
static void ngx_llmops_tally_share_renounce(ngx_llmops_tally_t *tally);
static void ngx_llmops_tally_renounced(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_tally_reaped(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_tally_inherit(ngx_llmops_reap_t *reap);


static ngx_str_t  ngx_llmops_hdel = ngx_string("HDEL");


/*
 * A share that was not written for longer than its lease may have been cleared
 * away by somebody, or is being so right now: a new one is begun.  Whose its
 * open books are is decided by who deletes it.
 */

void
ngx_llmops_tally_share_check(ngx_llmops_tally_t *tally, int64_t now)
{
    ngx_llmops_tallies_t  *tallies;

    tallies = tally->tallies;

    if (tally->generation != tallies->generation) {

        /* it may be another server, or an empty one */

        tally->generation = tallies->generation;
        tally->shares_end = 0;
        tally->books_end = 0;
        tally->read = 0;
    }

    if (!tally->write && !tally->flush) {
        return;
    }

    if (tally->id && now >= tally->stamp + tallies->lease * 3 / 2) {
        ngx_llmops_tally_share_renounce(tally);
        tally->id = 0;
    }

    if (tally->id == 0) {
        ngx_llmops_tally_share_begin(tally);
    }
}


static void
ngx_llmops_tally_share_begin(ngx_llmops_tally_t *tally)
{
    ngx_uint_t             unit;
    ngx_llmops_tallies_t  *tallies;

    tallies = tally->tallies;

    tally->id = tallies->id + (++tallies->shares & 0xffffff);
    tally->write = 1;

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {
        tally->base[unit] = tally->booked[unit]
                            - ngx_llmops_tally_open(tally, unit);
    }
}


static void
ngx_llmops_tally_share_renounce(ngx_llmops_tally_t *tally)
{
    u_char              name[NGX_LLMOPS_SHARE_NAME];
    ngx_str_t           argv[3];
    ngx_uint_t          unit, open;
    ngx_llmops_redis_t *redis;

    redis = tally->tallies->redis;

    for (open = 0, unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {
        open |= (tally->open[unit] > 0);
    }

    argv[0] = ngx_llmops_hdel;
    argv[1] = tally->shares;
    argv[2].data = name;
    argv[2].len = ngx_llmops_share_name(name, tally->id) - name;

    if (!open || tally->token) {
        (void) ngx_llmops_redis_command(redis, &tally->shares, 3, argv, NULL,
                                        NULL);
        return;
    }

    if (ngx_llmops_redis_send(redis, NGX_LLMOPS_REDIS_PATIENT, &tally->shares,
                              3, argv, ngx_llmops_tally_renounced, tally)
        == NULL)
    {
        return;
    }

    tally->token = 1;
    ngx_llmops_tally_ref(tally);

    ngx_memcpy(tally->old, tally->open, sizeof(tally->old));
}


/*
 * 0: somebody else has cleared it away, and books what was open then.  Or the
 * server has lost everything, when this does not matter.
 */

static void
ngx_llmops_tally_renounced(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_tally_t *tally = data;

    tally->token = 0;

    if (reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == 0) {
        ngx_llmops_tally_forget(tally, tally->old);
        tally->write = 1;
    }

    if (ngx_llmops_tally_books_due(tally)) {
        tally->flush = 1;
    }

    if (tally->flush || tally->write) {
        ngx_llmops_tally_changed(tally);
    }

    ngx_llmops_tally_unref(tally);
}


/*
 * Who deletes a dead share books what it had not told.  Of several that try,
 * one has deleted it; should that one die as well before it tells, the last
 * moments of the first are lost.
 */

void
ngx_llmops_tally_reap(ngx_llmops_tally_t *tally,
    const ngx_llmops_share_t *share)
{
    u_char              name[NGX_LLMOPS_SHARE_NAME];
    ngx_str_t           argv[3];
    ngx_uint_t          unit;
    ngx_llmops_reap_t  *reap;

    argv[0] = ngx_llmops_hdel;
    argv[1] = tally->shares;
    argv[2].data = name;
    argv[2].len = ngx_llmops_share_name(name, share->id) - name;

    reap = ngx_alloc(sizeof(ngx_llmops_reap_t), tally->tallies->log);
    if (reap == NULL) {
        return;
    }

    reap->tally = tally;
    reap->stamp = share->stamp;

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {
        reap->open[unit] = ngx_llmops_tally_clamp(share->booked[unit]
                                                  - share->told[unit]);
    }

    ngx_llmops_tally_ref(tally);

    if (ngx_llmops_redis_send(tally->tallies->redis, NGX_LLMOPS_REDIS_PATIENT,
                              &tally->shares, 3, argv, ngx_llmops_tally_reaped,
                              reap)
        == NULL)
    {
        ngx_llmops_tally_unref(tally);
        ngx_free(reap);
    }
}


static void
ngx_llmops_tally_reaped(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_reap_t *reap = data;

    ngx_llmops_tally_t  *tally;

    tally = reap->tally;

    if (reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == 1) {
        ngx_llmops_tally_inherit(reap);
    }

    ngx_free(reap);

    ngx_llmops_tally_unref(tally);
}


static void
ngx_llmops_tally_inherit(ngx_llmops_reap_t *reap)
{
    ngx_uint_t                i, n, unit;
    ngx_llmops_tally_t       *tally;
    ngx_llmops_tally_rate_t  *tr;

    tally = reap->tally;

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {

        if (reap->open[unit] <= 0) {
            continue;
        }

        for (n = 0, i = 0; i < tally->nrates; i++) {
            tr = tally->rates[i];

            if (tr->unit != unit) {
                continue;
            }

            if (tr->period == NGX_LLMOPS_PERIOD_SLIDING) {
                (void) ngx_llmops_tally_note(tr,
                                             ngx_llmops_tally_part(tr,
                                                                  reap->stamp),
                                             reap->open[unit]);
                n++;

            } else if (tr->period == NGX_LLMOPS_PERIOD_CALENDAR
                       && reap->stamp >= tr->start)
            {
                (void) ngx_llmops_tally_note(tr, tr->start, reap->open[unit]);
                n++;
            }
        }

        if (n) {
            ngx_llmops_tally_add(tally->booked[unit], reap->open[unit]);
            tally->flush = 1;
        }
    }

    if (tally->flush) {
        ngx_llmops_tally_changed(tally);
    }
}
