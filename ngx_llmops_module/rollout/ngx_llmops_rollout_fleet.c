
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"


/*
 * With llm_redis: what each gateway of a fleet has seen.  One document of each,
 * written by itself alone, once a second; whoever decides adds up his own
 * counters, as they are now, and those of the others as they were last.  They
 * only grow within an epoch, so that nothing is lost by being late, and what is
 * of another epoch is passed over.
 */


#define NGX_LLMOPS_FLEET_PERIOD    1000    /* ms */
#define NGX_LLMOPS_FLEET_EXPIRES   3600    /* s */
#define NGX_LLMOPS_FLEET_PAGE      64
#define NGX_LLMOPS_FLEET_MAX       256     /* gateways */


typedef struct {
    ngx_atomic_t               id;         /* of this nginx */
} ngx_llmops_fleet_sh_t;


typedef struct {
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_fleet_sh_t     *sh;
    ngx_event_t                timer;
    ngx_llmops_docop_t         op;
    ngx_pool_t                *pool;       /* of op, or NULL */
    json_t                    *others;     /* array: what they have said */
    json_t                    *heard;      /* the same, being read */
    u_char                     name[16 + 1];
    ngx_uint_t                 said;       /* the last document was not empty */
} ngx_llmops_fleet_t;


static void ngx_llmops_fleet_tick(ngx_event_t *ev);
static json_t *ngx_llmops_fleet_own(ngx_llmops_fleet_t *fleet);
static json_t *ngx_llmops_fleet_rollout(ngx_llmops_rollout_t *ro,
    uint32_t epoch);
static json_t *ngx_llmops_fleet_guard(ngx_llmops_rollout_t *ro,
    ngx_uint_t i);
static json_t *ngx_llmops_fleet_bins(const uint64_t *bins);
static ngx_int_t ngx_llmops_fleet_say(ngx_llmops_fleet_t *fleet,
    json_t *own);
static void ngx_llmops_fleet_said(ngx_llmops_docop_t *op);
static void ngx_llmops_fleet_ask(ngx_llmops_fleet_t *fleet);
static void ngx_llmops_fleet_heard(ngx_llmops_docop_t *op);
static ngx_int_t ngx_llmops_fleet_take(ngx_llmops_fleet_t *fleet);
static void ngx_llmops_fleet_over(ngx_llmops_fleet_t *fleet);
static void ngx_llmops_fleet_add_guard(json_t *told, ngx_uint_t binned,
    ngx_llmops_guard_seen_t *seen);


ngx_int_t
ngx_llmops_rollout_fleet_start(ngx_cycle_t *cycle,
    ngx_llmops_main_conf_t *mcf)
{
    ngx_str_t                name = ngx_string("fleet");
    ngx_llmops_fleet_t      *fleet;
    ngx_llmops_rollouts_t   *rollouts;

    if (mcf->store->engine != &ngx_llmops_store_redis) {
        return NGX_OK;
    }

    fleet = ngx_pcalloc(cycle->pool, sizeof(ngx_llmops_fleet_t));
    if (fleet == NULL) {
        return NGX_ERROR;
    }

    fleet->mcf = mcf;
    fleet->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_FLEET, &name,
                                     sizeof(ngx_llmops_fleet_sh_t));
    if (fleet->sh == NULL) {
        return NGX_OK;                       /* alone, as it has been logged */
    }

    /* the first worker 0 of all names this nginx, until it is stopped */

    (void) ngx_atomic_cmp_set(&fleet->sh->id, 0,
                              ((ngx_atomic_uint_t) ngx_random() << 32
                               ^ (ngx_atomic_uint_t) ngx_random() << 8
                               ^ (ngx_atomic_uint_t) ngx_pid << 40
                               ^ (ngx_atomic_uint_t) ngx_time()) | 1);

    ngx_sprintf(fleet->name, "%016xL", (int64_t) fleet->sh->id);

    fleet->timer.handler = ngx_llmops_fleet_tick;
    fleet->timer.data = fleet;
    fleet->timer.log = cycle->log;
    fleet->timer.cancelable = 1;

    rollouts = mcf->rollouts;
    rollouts->fleet = fleet;

    ngx_add_timer(&fleet->timer, NGX_LLMOPS_FLEET_PERIOD);

    return NGX_OK;
}


void
ngx_llmops_rollout_fleet_stop(ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_fleet_t     *fleet;
    ngx_llmops_rollouts_t  *rollouts;

    rollouts = mcf->rollouts;
    fleet = rollouts->fleet;

    if (fleet == NULL) {
        return;
    }

    rollouts->fleet = NULL;

    if (fleet->timer.timer_set) {
        ngx_del_timer(&fleet->timer);
    }

    if (fleet->pool) {
        ngx_llmops_store_forget(mcf->store, &fleet->op);
        ngx_llmops_fleet_over(fleet);
    }

    json_decref(fleet->others);
    fleet->others = NULL;
}


static void
ngx_llmops_fleet_tick(ngx_event_t *ev)
{
    json_t              *own;
    ngx_int_t            rc;
    ngx_llmops_fleet_t  *fleet = ev->data;

    if (ngx_exiting) {
        return;
    }

    ngx_add_timer(ev, NGX_LLMOPS_FLEET_PERIOD);

    if (fleet->pool || !ngx_llmops_store_up(fleet->mcf->store)) {
        return;
    }

    own = ngx_llmops_fleet_own(fleet);

    /* nothing to decide, and that has been said */

    if (own == NULL || (json_object_size(own) == 0 && !fleet->said)) {
        json_decref(own);
        return;
    }

    fleet->said = (json_object_size(own) != 0);

    fleet->pool = ngx_create_pool(16384, ngx_cycle->log);

    if (fleet->pool == NULL) {
        json_decref(own);
        return;
    }

    rc = ngx_llmops_fleet_say(fleet, own);

    json_decref(own);

    if (rc == NGX_OK) {
        ngx_llmops_fleet_said(&fleet->op);

    } else if (rc != NGX_AGAIN) {
        ngx_llmops_fleet_over(fleet);
    }
}


/* -- what is said --------------------------------------------------------- */

static json_t *
ngx_llmops_fleet_own(ngx_llmops_fleet_t *fleet)
{
    json_t                      *own;
    ngx_uint_t                   i;
    ngx_atomic_uint_t            word;
    ngx_llmops_rollout_t       **ro;
    ngx_llmops_rollouts_t       *rollouts;
    ngx_llmops_rollout_state_e   state;

    own = json_object();
    rollouts = fleet->mcf->rollouts;
    ro = rollouts->rollouts.elts;

    for (i = 0; own && i < rollouts->rollouts.nelts; i++) {

        if (ro[i]->sh == NULL) {
            continue;
        }

        word = ro[i]->sh->word;
        state = ngx_llmops_rollout_state(word);

        if (word == 0 || state == NGX_LLMOPS_ROLLOUT_PROMOTED
            || state == NGX_LLMOPS_ROLLOUT_ROLLED_BACK
            || (uint32_t) ro[i]->sh->counted
               != ngx_llmops_rollout_epoch(word))
        {
            continue;
        }

        if (json_object_setn_new(own, (char *) ro[i]->id.data, ro[i]->id.len,
                                 ngx_llmops_fleet_rollout(ro[i],
                                             ngx_llmops_rollout_epoch(word)))
            != 0)
        {
            json_decref(own);
            own = NULL;
        }
    }

    return own;
}


static json_t *
ngx_llmops_fleet_rollout(ngx_llmops_rollout_t *ro, uint32_t epoch)
{
    json_t      *guards;
    ngx_uint_t   i;

    guards = json_object();

    for (i = 0; guards && i < ro->nguards; i++) {

        if (json_object_setn_new(guards, (char *) ro->guards[i].text.data,
                                 ro->guards[i].text.len,
                                 ngx_llmops_fleet_guard(ro, i))
            != 0)
        {
            json_decref(guards);
            guards = NULL;
        }
    }

    return json_pack("{s:I,s:[I,I],s:o}",
                     "epoch", (json_int_t) epoch,
                     "requests", (json_int_t) ro->sh->requests[0],
                                 (json_int_t) ro->sh->requests[1],
                     "guards", guards);
}


static json_t *
ngx_llmops_fleet_guard(ngx_llmops_rollout_t *ro, ngx_uint_t i)
{
    json_t                   *bins;
    ngx_llmops_guard_seen_t   seen;

    ngx_llmops_rollout_seen(ro, i, &seen);

    bins = NULL;

    if (ngx_llmops_guard_binned(&ro->guards[i])) {
        bins = json_pack("[o,o]", ngx_llmops_fleet_bins(seen.bins[0]),
                         ngx_llmops_fleet_bins(seen.bins[1]));
    }

    return json_pack("{s:[f,f],s:[f,f],s:i,s:o*}",
                     "n", seen.arm[0].n, seen.arm[1].n,
                     "k", seen.arm[0].k, seen.arm[1].k,
                     "row", (int) seen.row,
                     "bins", bins);
}


/* [[bin, count], ...] of those that are used */

static json_t *
ngx_llmops_fleet_bins(const uint64_t *bins)
{
    json_t      *array;
    ngx_uint_t   i;

    array = json_array();

    for (i = 0; array && i < NGX_LLMOPS_SEQ_BINS; i++) {

        if (bins[i]
            && json_array_append_new(array,
                                     json_pack("[i,I]", (int) i,
                                               (json_int_t) bins[i]))
               != 0)
        {
            json_decref(array);
            array = NULL;
        }
    }

    return array;
}


static ngx_int_t
ngx_llmops_fleet_say(ngx_llmops_fleet_t *fleet, json_t *own)
{
    char                *text;
    ngx_llmops_docop_t  *op;

    text = json_dumps(own, JSON_COMPACT);
    if (text == NULL) {
        return NGX_ERROR;
    }

    op = &fleet->op;

    ngx_memzero(op, sizeof(ngx_llmops_docop_t));

    op->docs = NGX_LLMOPS_DOCS_OBSERVED;
    op->id.data = fleet->name;
    op->id.len = 16;
    op->expected = NGX_LLMOPS_REVISION_ANY;
    op->expires = ngx_time() + NGX_LLMOPS_FLEET_EXPIRES;
    op->pool = fleet->pool;
    op->handler = ngx_llmops_fleet_said;
    op->data = fleet;
    op->value.len = ngx_strlen(text);
    op->value.data = ngx_pnalloc(fleet->pool, op->value.len);

    if (op->value.data) {
        ngx_memcpy(op->value.data, text, op->value.len);
    }

    free(text);

    if (op->value.data == NULL) {
        return NGX_ERROR;
    }

    if (op->value.len > NGX_LLMOPS_DOC_SIZE) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "what llm canaries have seen is too much for one "
                      "document, other gateways will not know of it");
        return NGX_ERROR;
    }

    return ngx_llmops_store_put(fleet->mcf->store, op);
}


static void
ngx_llmops_fleet_said(ngx_llmops_docop_t *op)
{
    ngx_llmops_fleet_t *fleet = op->data;

    if (op->rc != NGX_OK) {
        ngx_llmops_fleet_over(fleet);
        return;
    }

    fleet->heard = json_array();

    ngx_str_null(&op->id);

    ngx_llmops_fleet_ask(fleet);
}


/* -- what is heard -------------------------------------------------------- */

static void
ngx_llmops_fleet_ask(ngx_llmops_fleet_t *fleet)
{
    ngx_int_t  rc;

    fleet->op.max = NGX_LLMOPS_FLEET_PAGE;
    fleet->op.handler = ngx_llmops_fleet_heard;

    rc = ngx_llmops_store_list(fleet->mcf->store, &fleet->op);

    if (rc == NGX_OK) {
        ngx_llmops_fleet_heard(&fleet->op);

    } else if (rc != NGX_AGAIN) {
        ngx_llmops_fleet_over(fleet);
    }
}


static void
ngx_llmops_fleet_heard(ngx_llmops_docop_t *op)
{
    ngx_llmops_fleet_t *fleet = op->data;

    if (op->rc != NGX_OK || ngx_llmops_fleet_take(fleet) != NGX_OK) {
        ngx_llmops_fleet_over(fleet);
        return;
    }

    if (op->next.len && json_array_size(fleet->heard) < NGX_LLMOPS_FLEET_MAX) {
        op->id = op->next;
        ngx_llmops_fleet_ask(fleet);
        return;
    }

    json_decref(fleet->others);

    fleet->others = fleet->heard;
    fleet->heard = NULL;

    ngx_llmops_fleet_over(fleet);
}


/* one of each gateway: a list may have a document twice */

static ngx_int_t
ngx_llmops_fleet_take(ngx_llmops_fleet_t *fleet)
{
    json_t            *json;
    ngx_uint_t         i, k;
    const char        *id;
    ngx_llmops_doc_t  *doc;

    doc = fleet->op.list.elts;

    for (i = 0; i < fleet->op.list.nelts; i++) {

        if (doc[i].id.len != 16
            || ngx_memcmp(doc[i].id.data, fleet->name, 16) == 0)
        {
            continue;
        }

        for (k = 0; k < json_array_size(fleet->heard); k++) {

            id = json_string_value(json_array_get(
                                  json_array_get(fleet->heard, k), 0));

            if (id && ngx_memcmp(id, doc[i].id.data, 16) == 0) {
                break;
            }
        }

        if (k < json_array_size(fleet->heard)) {
            continue;
        }

        json = json_loadb((char *) doc[i].value.data, doc[i].value.len, 0,
                          NULL);

        if (json == NULL) {
            continue;
        }

        if (json_array_append_new(fleet->heard,
                                  json_pack("[s#,o]", doc[i].id.data, 16,
                                            json))
            != 0)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_llmops_fleet_over(ngx_llmops_fleet_t *fleet)
{
    json_decref(fleet->heard);
    fleet->heard = NULL;

    ngx_destroy_pool(fleet->pool);
    fleet->pool = NULL;
}


void
ngx_llmops_rollout_fleet_add(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro, ngx_uint_t guard, uint32_t epoch,
    ngx_llmops_guard_seen_t *seen)
{
    json_t                 *told, *n;
    ngx_uint_t              i;
    ngx_llmops_fleet_t     *fleet;
    ngx_llmops_rollouts_t  *rollouts;

    rollouts = mcf->rollouts;
    fleet = rollouts->fleet;

    for (i = 0; fleet && i < json_array_size(fleet->others); i++) {

        told = json_object_getn(json_array_get(
                                        json_array_get(fleet->others, i), 1),
                                (char *) ro->id.data, ro->id.len);

        if ((uint32_t) json_integer_value(json_object_get(told, "epoch"))
            != epoch)
        {
            continue;
        }

        if (guard == NGX_LLMOPS_ROLLOUT_GUARDS) {
            n = json_object_get(told, "requests");

            seen->arm[0].n += json_number_value(json_array_get(n, 0));
            seen->arm[1].n += json_number_value(json_array_get(n, 1));

            continue;
        }

        ngx_llmops_fleet_add_guard(json_object_getn(
                                       json_object_get(told, "guards"),
                                       (char *) ro->guards[guard].text.data,
                                       ro->guards[guard].text.len),
                                   ngx_llmops_guard_binned(
                                                        &ro->guards[guard]),
                                   seen);
    }
}


static void
ngx_llmops_fleet_add_guard(json_t *told, ngx_uint_t binned,
    ngx_llmops_guard_seen_t *seen)
{
    json_t      *bins, *one;
    json_int_t   bin;
    ngx_uint_t   arm, i, row;

    for (arm = 0; arm < 2; arm++) {

        seen->arm[arm].n += json_number_value(
                      json_array_get(json_object_get(told, "n"), arm));
        seen->arm[arm].k += json_number_value(
                      json_array_get(json_object_get(told, "k"), arm));

        bins = json_array_get(json_object_get(told, "bins"), arm);

        for (i = 0; binned && i < json_array_size(bins); i++) {

            one = json_array_get(bins, i);
            bin = json_integer_value(json_array_get(one, 0));

            if (bin >= 0 && bin < NGX_LLMOPS_SEQ_BINS) {
                seen->bins[arm][bin] += (uint64_t) json_integer_value(
                                                    json_array_get(one, 1));
            }
        }
    }

    row = (ngx_uint_t) json_integer_value(json_object_get(told, "row"));

    seen->row = ngx_max(seen->row, row);
}
