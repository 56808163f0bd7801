
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_feedback.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_registry.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * The index of requests: sets of eight entries, the oldest of which is given
 * away.  Names are kept as hashes, and looked for in the configuration when
 * somebody asks: what is gone from it has no name any more, but what was said
 * still counts for its route.
 *
 * An entry is written by whoever has taken its lock: the second at which it was
 * taken, so that the lock of a worker that died is given up after a few.
 * Readers take none: the id is written last, cleared first, and read again
 * behind the rest.
 */


#define NGX_LLMOPS_FEEDBACK_WAYS   8
#define NGX_LLMOPS_FEEDBACK_LOCK   3       /* seconds */
#define NGX_LLMOPS_FEEDBACK_PART   16      /* of the zone: a sixteenth */


typedef struct {
    ngx_atomic_t               id[2];
    ngx_atomic_t               lock;
    ngx_atomic_t               time;       /* seconds */
    ngx_atomic_t               given;
    ngx_atomic_t               names;      /* route << 32 | target: hashes */
    ngx_atomic_t               prompt;
    ngx_atomic_t               arm;        /* epoch << 32 | 1: stable, 2: the
                                              candidate, 0: in no canary */
    ngx_atomic_t               rollout;
} ngx_llmops_feedback_entry_t;


typedef struct {
    ngx_llmops_feedback_entry_t  entries[NGX_LLMOPS_FEEDBACK_WAYS];
} ngx_llmops_feedback_set_t;


static ngx_int_t ngx_llmops_feedback_id(ngx_str_t *text,
    ngx_atomic_uint_t *id);
static ngx_llmops_feedback_set_t *ngx_llmops_feedback_set(
    ngx_llmops_feedback_t *fb, const ngx_atomic_uint_t *id);
static ngx_llmops_feedback_entry_t *ngx_llmops_feedback_oldest(
    ngx_llmops_feedback_set_t *set);
static ngx_uint_t ngx_llmops_feedback_lock(ngx_llmops_feedback_entry_t *e);
static void ngx_llmops_feedback_write(ngx_llmops_feedback_entry_t *e,
    ngx_llmops_ctx_t *ctx, const ngx_atomic_uint_t *id);
static void ngx_llmops_feedback_about(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_feedback_entry_t *e, ngx_llmops_feedback_about_t *about);
static void ngx_llmops_feedback_prompt(ngx_llmops_main_conf_t *mcf,
    uint32_t hash, ngx_llmops_feedback_about_t *about);
static void ngx_llmops_feedback_count(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_feedback_about_t *about, ngx_atomic_uint_t arm, double score);


#define ngx_llmops_feedback_hash(s)                                           \
    ((s)->len ? ngx_crc32_long((s)->data, (s)->len) : 0)


/* llm_feedback TIME [fleet=on|off]; */

char *
ngx_llmops_feedback_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    time_t                   valid;
    ngx_str_t               *value;
    ngx_llmops_feedback_t   *fb;
    ngx_llmops_main_conf_t  *mcf = conf;

    if (mcf->feedback) {
        return "is duplicate";
    }

    value = cf->args->elts;
    valid = ngx_parse_time(&value[1], 1);

    if (valid == (time_t) NGX_ERROR || valid == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\", write how long feedback on a "
                           "request is taken, for example \"llm_feedback "
                           "24h;\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    fb = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_feedback_t));
    if (fb == NULL) {
        return NGX_CONF_ERROR;
    }

    fb->valid = valid;
    fb->fleet = 1;
    mcf->feedback = fb;

    if (cf->args->nelts == 3) {

        if (ngx_strcmp(value[2].data, "fleet=off") == 0) {
            fb->fleet = 0;

        } else if (ngx_strcmp(value[2].data, "fleet=on") != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", \"llm_feedback\" has "
                               "a time, and then \"fleet=on\" or "
                               "\"fleet=off\"", &value[2]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


void
ngx_llmops_feedback_attach(ngx_llmops_main_conf_t *mcf)
{
    ngx_str_t               name = ngx_string("requests");
    ngx_llmops_feedback_t  *fb;

    fb = mcf->feedback;

    if (fb == NULL) {
        return;
    }

    fb->sets = mcf->zone->shm.size / NGX_LLMOPS_FEEDBACK_PART
               / sizeof(ngx_llmops_feedback_set_t);

    fb->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_FEEDBACK, &name,
                                  fb->sets
                                  * sizeof(ngx_llmops_feedback_set_t));
}


/* 32 hexadecimal digits; NGX_DECLINED: it is no id of ours */

static ngx_int_t
ngx_llmops_feedback_id(ngx_str_t *text, ngx_atomic_uint_t *id)
{
    u_char       c;
    ngx_uint_t   i, digit;

    if (text->len != 32) {
        return NGX_DECLINED;
    }

    id[0] = 0;
    id[1] = 0;

    for (i = 0; i < 32; i++) {

        c = text->data[i];

        if (c >= '0' && c <= '9') {
            digit = c - '0';

        } else if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10;

        } else {
            return NGX_DECLINED;
        }

        id[i / 16] = id[i / 16] << 4 | digit;
    }

    return (id[0] && id[1]) ? NGX_OK : NGX_DECLINED;
}


/* ids are random: they are their own hash */

static ngx_llmops_feedback_set_t *
ngx_llmops_feedback_set(ngx_llmops_feedback_t *fb, const ngx_atomic_uint_t *id)
{
    return (ngx_llmops_feedback_set_t *) fb->sh + id[1] % fb->sets;
}


void
ngx_llmops_feedback_remember(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx)
{
    ngx_str_t                     none = ngx_null_string;
    ngx_atomic_uint_t             id[2], words[4];
    ngx_llmops_feedback_t        *fb;
    ngx_llmops_feedback_entry_t  *e;

    fb = mcf->feedback;

    if (fb == NULL || fb->sh == NULL || ctx->target == NULL
        || ctx->plan.route == NULL || ctx->error != NGX_LLMOPS_ERR_NONE
        || ngx_llmops_feedback_id(&ctx->id, id) != NGX_OK)
    {
        return;
    }

    e = ngx_llmops_feedback_oldest(ngx_llmops_feedback_set(fb, id));

    /* whom another worker is writing at this moment is not waited for */

    if (!ngx_llmops_feedback_lock(e)) {
        return;
    }

    ngx_llmops_feedback_write(e, ctx, id);

    words[0] = e->names;
    words[1] = e->prompt;
    words[2] = e->arm;
    words[3] = e->rollout;

    e->lock = 0;

    if (fb->fleet) {
        ngx_llmops_feedback_tell(mcf, &ctx->id, words,
                                 ctx->prompt ? &ctx->prompt->full : &none);
    }
}


static ngx_llmops_feedback_entry_t *
ngx_llmops_feedback_oldest(ngx_llmops_feedback_set_t *set)
{
    ngx_uint_t                    i;
    ngx_llmops_feedback_entry_t  *oldest;

    oldest = &set->entries[0];

    for (i = 1; i < NGX_LLMOPS_FEEDBACK_WAYS; i++) {
        if (set->entries[i].time < oldest->time) {
            oldest = &set->entries[i];
        }
    }

    return oldest;
}


static ngx_uint_t
ngx_llmops_feedback_lock(ngx_llmops_feedback_entry_t *e)
{
    ngx_atomic_uint_t  lock, now;

    lock = e->lock;
    now = (ngx_atomic_uint_t) ngx_time();

    if (lock && lock + NGX_LLMOPS_FEEDBACK_LOCK > now) {
        return 0;
    }

    return ngx_atomic_cmp_set(&e->lock, lock, now);
}


static void
ngx_llmops_feedback_write(ngx_llmops_feedback_entry_t *e,
    ngx_llmops_ctx_t *ctx, const ngx_atomic_uint_t *id)
{
    ngx_str_t  none = ngx_null_string;

    e->id[0] = 0;
    ngx_memory_barrier();

    e->time = (ngx_atomic_uint_t) ngx_time();
    e->given = 0;
    e->names = (ngx_atomic_uint_t)
                   ngx_llmops_feedback_hash(&ctx->plan.route->name) << 32
               | ngx_llmops_feedback_hash(&ctx->target->name);
    e->prompt = ngx_llmops_feedback_hash(ctx->prompt ? &ctx->prompt->full
                                                     : &none);
    e->arm = 0;
    e->rollout = 0;

    if (ctx->arm) {
        e->arm = (ngx_atomic_uint_t) ctx->arm->epoch << 32
                 | (ctx->arm->candidate ? 2 : 1);
        e->rollout = ngx_llmops_feedback_hash(&ctx->arm->rollout->id);
    }

    e->id[1] = id[1];
    ngx_memory_barrier();

    e->id[0] = id[0];
}


ngx_int_t
ngx_llmops_feedback_give(ngx_llmops_main_conf_t *mcf, ngx_str_t *text,
    double score, ngx_llmops_feedback_about_t *about)
{
    ngx_uint_t                    i;
    ngx_atomic_uint_t             id[2];
    ngx_llmops_feedback_t        *fb;
    ngx_llmops_feedback_set_t    *set;
    ngx_llmops_feedback_entry_t   found, *e;

    fb = mcf->feedback;

    if (fb == NULL || fb->sh == NULL
        || ngx_llmops_feedback_id(text, id) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    set = ngx_llmops_feedback_set(fb, id);

    for (i = 0; i < NGX_LLMOPS_FEEDBACK_WAYS; i++) {

        e = &set->entries[i];

        if (e->id[0] != id[0] || e->id[1] != id[1]) {
            continue;
        }

        found = *e;
        ngx_memory_barrier();

        if (e->id[0] != id[0]
            || (time_t) found.time + fb->valid < ngx_time())
        {
            return NGX_DECLINED;
        }

        if (score < 0) {
            return NGX_OK;
        }

        if (!ngx_atomic_cmp_set(&e->given, 0, 1)) {
            return NGX_BUSY;
        }

        ngx_llmops_feedback_about(mcf, &found, about);
        ngx_llmops_feedback_count(mcf, about, found.arm, score);

        return NGX_OK;
    }

    return NGX_DECLINED;
}


void
ngx_llmops_feedback_take(ngx_llmops_main_conf_t *mcf,
    const ngx_atomic_uint_t *words, ngx_str_t *prompt, double score,
    ngx_llmops_feedback_about_t *about)
{
    ngx_llmops_feedback_entry_t  e;

    ngx_memzero(&e, sizeof(ngx_llmops_feedback_entry_t));

    e.names = words[0];
    e.prompt = words[1];
    e.arm = words[2];
    e.rollout = words[3];

    ngx_llmops_feedback_about(mcf, &e, about);

    if (prompt->len) {
        about->prompt = *prompt;
    }

    ngx_llmops_feedback_count(mcf, about, e.arm, score);
}


static void
ngx_llmops_feedback_about(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_feedback_entry_t *e, ngx_llmops_feedback_about_t *about)
{
    ngx_uint_t              i, k;
    ngx_llmops_route_t    **routes, *route;
    ngx_llmops_target_t    *targets;
    ngx_llmops_rollout_t   *ro;

    ngx_memzero(about, sizeof(ngx_llmops_feedback_about_t));

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {

        route = routes[i];

        if (ngx_llmops_feedback_hash(&route->name) != e->names >> 32) {
            continue;
        }

        about->route = route;

        ngx_llmops_feedback_prompt(mcf, (uint32_t) e->prompt, about);

        targets = route->targets.elts;

        for (k = 0; k < route->targets.nelts; k++) {
            if (ngx_llmops_feedback_hash(&targets[k].name)
                == (uint32_t) e->names)
            {
                about->target = &targets[k];
            }
        }

        ro = route->rollout;

        if (e->arm && ro
            && ngx_llmops_feedback_hash(&ro->id) == e->rollout)
        {
            about->rollout = ro;
            about->candidate = ((e->arm & 3) == 2);
        }

        return;
    }
}


/* one of the store is not in the configuration: the registry has counted it for
   its route, unless the route has had too many */

static void
ngx_llmops_feedback_prompt(ngx_llmops_main_conf_t *mcf, uint32_t hash,
    ngx_llmops_feedback_about_t *about)
{
    ngx_uint_t                   i, k;
    ngx_llmops_prompt_t        **p;
    ngx_llmops_prompts_t        *prompts;
    ngx_llmops_prompt_family_t  *families;

    prompts = mcf->prompts;

    if (prompts == NULL || hash == 0) {
        return;
    }

    families = prompts->families.elts;

    for (i = 0; i < prompts->families.nelts; i++) {

        p = families[i].versions.elts;

        for (k = 0; k < families[i].versions.nelts; k++) {
            if (ngx_llmops_feedback_hash(&p[k]->full) == hash) {
                about->prompt = p[k]->full;
                return;
            }
        }
    }

    ngx_llmops_registry_prompt(mcf, &about->route->name, hash,
                               &about->prompt);
}


static void
ngx_llmops_feedback_count(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_feedback_about_t *about, ngx_atomic_uint_t arm, double score)
{
    ngx_uint_t                        i;
    ngx_llmops_rollout_t             *ro;
    ngx_llmops_feedback_count_sh_t   *sh;

    if (about->route == NULL) {
        return;
    }

    ngx_llmops_registry_score(mcf, &about->route->name,
                              about->target ? &about->target->name : NULL,
                              about->prompt.len ? &about->prompt : NULL,
                              NGX_LLMOPS_REGISTRY_FEEDBACK, score);

    ro = about->rollout;
    i = ro ? (ngx_uint_t) (arm & 3) : 0;

    sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_SCORES,
                              &about->route->name,
                              sizeof(ngx_llmops_feedback_count_sh_t));

    if (sh && i < 3) {
        (void) ngx_atomic_fetch_add(&sh->n[i], 1);
        (void) ngx_atomic_fetch_add(&sh->sum[i],
                        (ngx_atomic_int_t) (score * NGX_LLMOPS_ROLLOUT_MICRO));
    }

    /* of a step that is over it comes too late for the guards */

    if (ro && ro->sh && (uint32_t) ro->sh->counted == (uint32_t) (arm >> 32)) {
        ngx_llmops_rollout_count(ro, NGX_LLMOPS_MEASURE_FEEDBACK,
                                 about->candidate, score);
    }
}
