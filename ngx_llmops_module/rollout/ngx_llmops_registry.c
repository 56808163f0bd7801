
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_registry.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * The registry answers "what changed?": which model, which version of a prompt,
 * which rules have served a route, from when to when, how many requests and how
 * well.  Every request counts for each of them, in shared memory; a few times a
 * minute worker 0 adds what has come to documents, which outlive nginx and are
 * those of the whole fleet.
 *
 * Names are found through a table of this worker, and a target remembers what
 * was found for it last: most requests look for nothing.  The table has an
 * end: a provider that answers with a new name of a model each time fills it,
 * and what is beyond is not counted.
 */


#define NGX_LLMOPS_REGISTRY_SLOTS   512
#define NGX_LLMOPS_REGISTRY_NAMES   256    /* of a worker */
#define NGX_LLMOPS_REGISTRY_NAME    320    /* bytes of a node's name */
#define NGX_LLMOPS_REGISTRY_MICRO   1000000


typedef struct {
    ngx_str_t                  name;       /* len 0: free */
    uint32_t                   hash;
    ngx_llmops_registry_sh_t  *sh;
} ngx_llmops_registry_slot_t;


/* a prompt of a route, by the sum of its name */

typedef struct {
    ngx_str_t                 *route;
    uint32_t                   hash;
    ngx_str_t                 *name;
} ngx_llmops_registry_wanted_t;


static ngx_llmops_registry_sh_t *ngx_llmops_registry_find(
    ngx_llmops_main_conf_t *mcf, ngx_str_t *route,
    ngx_llmops_registry_kind_e kind, ngx_str_t *a, ngx_str_t *b);
static void ngx_llmops_registry_target(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_registry_model(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_registry_count(ngx_llmops_ctx_t *ctx,
    ngx_llmops_registry_sh_t *sh);
static void ngx_llmops_registry_rules(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx);
static ngx_uint_t ngx_llmops_registry_broken(ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_registry_is_prompt(ngx_str_t *node, void *memory,
    void *data);
static json_t *ngx_llmops_registry_new(ngx_str_t *node);
static json_t *ngx_llmops_registry_string(ngx_str_t *s);


const char  *ngx_llmops_registry_kinds[] = {
    "target", "prompt", "rules", "model"
};


/* of this worker */

static ngx_llmops_registry_slot_t
                   ngx_llmops_registry_slots[NGX_LLMOPS_REGISTRY_SLOTS];
static ngx_uint_t  ngx_llmops_registry_names;


void
ngx_llmops_registry_note(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx)
{
    if (ctx->detached || ctx->target == NULL || ctx->plan.route == NULL
        || ctx->call.attempts == 0 || ctx->env.op == NGX_LLMOPS_OP_OTHER)
    {
        return;
    }

    ngx_llmops_registry_target(mcf, ctx);

    if (ctx->prompt) {
        ngx_llmops_registry_count(ctx,
            ngx_llmops_registry_find(mcf, &ctx->plan.route->name,
                                     NGX_LLMOPS_REGISTRY_PROMPT,
                                     &ctx->prompt->full, NULL));
    }

    if (ctx->plan.route->rules) {
        ngx_llmops_registry_rules(mcf, ctx);
    }

    if (ctx->meter.model_len) {
        ngx_llmops_registry_model(mcf, ctx);
    }
}


/* nearly always the same as the last time */

static void
ngx_llmops_registry_target(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_served_t  *served;

    served = &ctx->target->served;

    if (served->route != ctx->plan.route) {
        served->route = ctx->plan.route;
        served->model = NULL;
        served->target = ngx_llmops_registry_find(mcf, &served->route->name,
                                                  NGX_LLMOPS_REGISTRY_TARGET,
                                                  &ctx->target->name, NULL);
    }

    ngx_llmops_registry_count(ctx, served->target);
}


static void
ngx_llmops_registry_model(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx)
{
    ngx_str_t             model;
    ngx_llmops_served_t  *served;

    served = &ctx->target->served;

    model.data = ctx->meter.model;
    model.len = ctx->meter.model_len;

    if (served->model == NULL || served->model_len != model.len
        || ngx_memcmp(served->model_name, model.data, model.len) != 0)
    {
        served->model = ngx_llmops_registry_find(mcf, &served->route->name,
                                                 NGX_LLMOPS_REGISTRY_MODEL,
                                                 &ctx->target->provider->name,
                                                 &model);
        served->model_len = model.len;

        if (model.len > sizeof(served->model_name)) {
            ngx_llmops_registry_count(ctx, served->model);
            served->model = NULL;
            return;
        }

        ngx_memcpy(served->model_name, model.data, model.len);
    }

    ngx_llmops_registry_count(ctx, served->model);
}


/* all of them are one thing: an answer has been checked by all */

static void
ngx_llmops_registry_rules(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx)
{
    u_char      *p, *last, text[NGX_LLMOPS_REGISTRY_NAME];
    ngx_str_t   *name, all;
    ngx_uint_t   i;

    p = text;
    last = text + sizeof(text);
    name = ctx->plan.route->rules->elts;

    for (i = 0; i < ctx->plan.route->rules->nelts; i++) {
        p = ngx_slprintf(p, last, "%s%V", i ? "," : "", &name[i]);
    }

    all.data = text;
    all.len = p - text;

    ngx_llmops_registry_count(ctx,
        ngx_llmops_registry_find(mcf, &ctx->plan.route->name,
                                 NGX_LLMOPS_REGISTRY_RULES, &all, NULL));
}


/* sh may be NULL */

static void
ngx_llmops_registry_count(ngx_llmops_ctx_t *ctx, ngx_llmops_registry_sh_t *sh)
{
    ngx_atomic_uint_t  now;

    if (sh == NULL) {
        return;
    }

    now = (ngx_atomic_uint_t) ngx_llmops_now();

    if (sh->first == 0) {
        (void) ngx_atomic_cmp_set(&sh->first, 0, now);
    }

    sh->last = now;

    (void) ngx_atomic_fetch_add(&sh->n[NGX_LLMOPS_REGISTRY_REQUESTS], 1);

    if (ctx->error != NGX_LLMOPS_ERR_NONE
        && ctx->error != NGX_LLMOPS_ERR_CLIENT_ABORT)
    {
        (void) ngx_atomic_fetch_add(&sh->n[NGX_LLMOPS_REGISTRY_ERRORS], 1);
        return;
    }

    if (ctx->plan.route->ruled == NULL) {
        return;
    }

    (void) ngx_atomic_fetch_add(&sh->n[NGX_LLMOPS_REGISTRY_CHECKED], 1);

    if (ngx_llmops_registry_broken(ctx)) {
        (void) ngx_atomic_fetch_add(&sh->n[NGX_LLMOPS_REGISTRY_BROKEN], 1);
    }
}


static ngx_uint_t
ngx_llmops_registry_broken(ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t             i;
    ngx_llmops_checked_t  *c;

    if (ctx->checked == NULL) {
        return 0;
    }

    c = ctx->checked->elts;

    for (i = 0; i < ctx->checked->nelts; i++) {
        if (!c[i].input) {
            return 1;
        }
    }

    return 0;
}


void
ngx_llmops_registry_score(ngx_llmops_main_conf_t *mcf, ngx_str_t *route,
    ngx_str_t *target, ngx_str_t *prompt, ngx_llmops_registry_count_e what,
    double score)
{
    ngx_uint_t                  i;
    ngx_str_t                  *names[2];
    ngx_llmops_registry_sh_t   *sh;

    names[NGX_LLMOPS_REGISTRY_TARGET] = target;
    names[NGX_LLMOPS_REGISTRY_PROMPT] = prompt;

    for (i = 0; i < 2; i++) {

        sh = names[i] ? ngx_llmops_registry_find(mcf, route, i, names[i], NULL)
                      : NULL;
        if (sh) {
            (void) ngx_atomic_fetch_add(&sh->n[what], 1);
            (void) ngx_atomic_fetch_add(&sh->n[what + 1],
                       (ngx_atomic_int_t) (score * NGX_LLMOPS_REGISTRY_MICRO));
        }
    }
}


/* -- a name by its sum ---------------------------------------------------- */

static ngx_int_t
ngx_llmops_registry_is_prompt(ngx_str_t *node, void *memory, void *data)
{
    ngx_str_t                      route, name;
    ngx_llmops_registry_kind_e     kind;
    ngx_llmops_registry_wanted_t  *wanted = data;

    ngx_llmops_registry_parts(node, &route, &kind, &name);

    if (kind != NGX_LLMOPS_REGISTRY_PROMPT
        || !ngx_llmops_same(&route, wanted->route)
        || ngx_crc32_long(name.data, name.len) != wanted->hash)
    {
        return NGX_OK;
    }

    *wanted->name = name;

    return NGX_DONE;
}


void
ngx_llmops_registry_prompt(ngx_llmops_main_conf_t *mcf, ngx_str_t *route,
    uint32_t hash, ngx_str_t *name)
{
    ngx_llmops_registry_wanted_t  wanted;

    wanted.route = route;
    wanted.hash = hash;
    wanted.name = name;

    (void) ngx_llmops_zone_each(mcf->zone, NGX_LLMOPS_NODE_REGISTRY,
                                ngx_llmops_registry_is_prompt, &wanted);
}


/* -- nodes ---------------------------------------------------------------- */

/* that of the name a, or a/b; NULL: there are too many, or no room */

static ngx_llmops_registry_sh_t *
ngx_llmops_registry_find(ngx_llmops_main_conf_t *mcf, ngx_str_t *route,
    ngx_llmops_registry_kind_e kind, ngx_str_t *a, ngx_str_t *b)
{
    u_char                      *p, text[NGX_LLMOPS_REGISTRY_NAME];
    uint32_t                     hash;
    ngx_str_t                    name, none = ngx_null_string;
    ngx_uint_t                   i;
    ngx_llmops_registry_slot_t  *slot;

    p = ngx_snprintf(text, sizeof(text), "%V%Z%c%Z%V%s%V", route,
                     (int) ('0' + kind), a, b ? "/" : "", b ? b : &none);

    name.data = text;
    name.len = p - text;

    hash = ngx_crc32_short(name.data, name.len);

    for (i = hash % NGX_LLMOPS_REGISTRY_SLOTS;
         ngx_llmops_registry_slots[i].name.len;
         i = (i + 1) % NGX_LLMOPS_REGISTRY_SLOTS)
    {
        slot = &ngx_llmops_registry_slots[i];

        if (slot->hash == hash && slot->name.len == name.len
            && ngx_memcmp(slot->name.data, name.data, name.len) == 0)
        {
            break;
        }
    }

    slot = &ngx_llmops_registry_slots[i];

    if (slot->name.len == 0) {

        if (name.len == sizeof(text)
            || ngx_llmops_registry_names == NGX_LLMOPS_REGISTRY_NAMES)
        {
            return NULL;
        }

        slot->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_REGISTRY,
                                        &name,
                                        sizeof(ngx_llmops_registry_sh_t));
        p = slot->sh ? ngx_alloc(name.len, ngx_cycle->log) : NULL;

        if (p == NULL) {
            return NULL;
        }

        ngx_memcpy(p, name.data, name.len);

        slot->hash = hash;
        slot->name.data = p;
        slot->name.len = name.len;

        ngx_llmops_registry_names++;
    }

    return slot->sh;
}


/* -- documents ------------------------------------------------------------ */

void
ngx_llmops_registry_parts(ngx_str_t *node, ngx_str_t *route,
    ngx_llmops_registry_kind_e *kind, ngx_str_t *name)
{
    route->data = node->data;
    route->len = ngx_strnlen(node->data, node->len);

    *kind = (ngx_llmops_registry_kind_e) (node->data[route->len + 1] - '0');

    name->data = node->data + route->len + 3;
    name->len = node->len - route->len - 3;
}


size_t
ngx_llmops_registry_id(ngx_str_t *node, u_char *id)
{
    size_t                       len;
    ngx_str_t                    route, name;
    ngx_llmops_registry_kind_e   kind;

    ngx_llmops_registry_parts(node, &route, &kind, &name);

    len = ngx_snprintf(id, NGX_LLMOPS_DOC_ID, "%V:%s:%V", &route,
                       ngx_llmops_registry_kinds[kind], &name)
          - id;

    if (len == NGX_LLMOPS_DOC_ID) {

        /* cut: told apart by a sum of all of it */

        (void) ngx_sprintf(id + len - 9, "~%08xD",
                           ngx_crc32_long(node->data, node->len));
    }

    return len;
}


json_t *
ngx_llmops_registry_merge(json_t *doc, ngx_str_t *name,
    ngx_llmops_registry_sh_t *sh, const ngx_atomic_uint_t *counts)
{
    json_t      *n;
    json_int_t   was, first, last;
    ngx_uint_t   i;

    doc = doc ? doc : ngx_llmops_registry_new(name);
    n = json_object_get(doc, "n");

    for (i = 0; i < NGX_LLMOPS_REGISTRY_COUNTS; i++) {
        was = json_integer_value(json_array_get(n, i));
        was += (json_int_t) (counts[i] - sh->kept[i]);

        if (json_array_size(n) <= i) {
            (void) json_array_append_new(n, json_integer(was));

        } else {
            (void) json_array_set_new(n, i, json_integer(was));
        }
    }

    first = json_integer_value(json_object_get(doc, "first"));
    last = json_integer_value(json_object_get(doc, "last"));

    if (first == 0 || first > (json_int_t) sh->first) {
        first = (json_int_t) sh->first;
    }

    if (last < (json_int_t) sh->last) {
        last = (json_int_t) sh->last;
    }

    if (n == NULL || json_object_set_new(doc, "first", json_integer(first)) != 0
        || json_object_set_new(doc, "last", json_integer(last)) != 0)
    {
        json_decref(doc);
        return NULL;
    }

    return doc;
}


static json_t *
ngx_llmops_registry_new(ngx_str_t *node)
{
    ngx_str_t                    route, name;
    ngx_llmops_registry_kind_e   kind;

    ngx_llmops_registry_parts(node, &route, &kind, &name);

    return json_pack("{s:o,s:s,s:o,s:[]}",
                     "route", ngx_llmops_registry_string(&route),
                     "kind", ngx_llmops_registry_kinds[kind],
                     "name", ngx_llmops_registry_string(&name),
                     "n");
}


/* a provider's name of a model may be anything */

static json_t *
ngx_llmops_registry_string(ngx_str_t *s)
{
    u_char       copy[NGX_LLMOPS_REGISTRY_NAME];
    size_t       i, len;
    json_t      *value;

    value = json_stringn((char *) s->data, s->len);

    if (value) {
        return value;
    }

    len = ngx_min(s->len, sizeof(copy));

    for (i = 0; i < len; i++) {
        copy[i] = (s->data[i] < 0x80) ? s->data[i] : '?';
    }

    return json_stringn((char *) copy, len);
}
