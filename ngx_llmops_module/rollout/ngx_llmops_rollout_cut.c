
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"
#include "ngx_llmops_call.h"


/*
 * Streams that a rollback ends ("streams=cut"): in each worker those of the
 * candidate that are under way, and a timer as long as there are some, which
 * looks at the word of shared memory.  So a rollback by another worker, or by
 * another gateway, ends them, too, and in a worker that is shutting down.
 *
 * Ending one runs what nginx has posted, and that may end others: none is held
 * by a pointer meanwhile but by the queue, which it leaves when it goes.
 */


#define NGX_LLMOPS_ROLLOUT_LOOK    50      /* ms */


static void ngx_llmops_rollout_cut_handler(ngx_event_t *ev);
static ngx_uint_t ngx_llmops_rollout_cut_due(ngx_llmops_arm_t *arm);
static void ngx_llmops_rollout_cut_all(ngx_llmops_rollout_t *ro);


void
ngx_llmops_rollout_cut_init(ngx_llmops_rollout_t *ro)
{
    ngx_queue_init(&ro->streams);

    ro->cutter.handler = ngx_llmops_rollout_cut_handler;
    ro->cutter.data = ro;
    ro->cutter.log = ngx_cycle->log;
}


void
ngx_llmops_rollout_cut_add(ngx_llmops_arm_t *arm)
{
    ngx_llmops_rollout_t  *ro;

    ro = arm->rollout;

    arm->queued = 1;
    ngx_queue_insert_tail(&ro->streams, &arm->queue);

    if (!ro->cutter.timer_set) {
        ngx_add_timer(&ro->cutter, NGX_LLMOPS_ROLLOUT_LOOK);
    }
}


void
ngx_llmops_rollout_cut_remove(ngx_llmops_arm_t *arm)
{
    arm->queued = 0;
    ngx_queue_remove(&arm->queue);

    if (ngx_queue_empty(&arm->rollout->streams)
        && arm->rollout->cutter.timer_set)
    {
        ngx_del_timer(&arm->rollout->cutter);
    }
}


static void
ngx_llmops_rollout_cut_handler(ngx_event_t *ev)
{
    ngx_llmops_rollout_t *ro = ev->data;

    if (ngx_llmops_rollout_state(ro->sh->word)
        == NGX_LLMOPS_ROLLOUT_ROLLED_BACK)
    {
        ngx_llmops_rollout_cut_all(ro);
    }

    if (!ngx_queue_empty(&ro->streams) && !ev->timer_set) {
        ngx_add_timer(ev, NGX_LLMOPS_ROLLOUT_LOOK);
    }
}


/* those of a step before; one that cannot be cut yet, since it waits for a
   limit or for its first token, is looked at again */

static void
ngx_llmops_rollout_cut_all(ngx_llmops_rollout_t *ro)
{
    ngx_queue_t        due, *q;
    ngx_llmops_arm_t  *arm;

    ngx_queue_init(&due);

    if (ngx_queue_empty(&ro->streams)) {
        return;
    }

    ngx_queue_add(&due, &ro->streams);
    ngx_queue_init(&ro->streams);

    while (!ngx_queue_empty(&due)) {

        q = ngx_queue_head(&due);
        arm = ngx_queue_data(q, ngx_llmops_arm_t, queue);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&ro->streams, q);

        if (ngx_llmops_rollout_cut_due(arm)) {
            arm->cut = 1;

            if (!ngx_llmops_call_cut(arm->ctx, ro->target != NULL)) {
                arm->cut = 0;
            }
        }
    }
}


/* once, and only of a step that is over; what a prompt or a rule has changed
   goes on to the targets behind the first */

static ngx_uint_t
ngx_llmops_rollout_cut_due(ngx_llmops_arm_t *arm)
{
    return !arm->cut
           && arm->epoch < ngx_llmops_rollout_epoch(arm->rollout->sh->word)
           && (arm->rollout->target == NULL || arm->ctx->call.cur == 0);
}
