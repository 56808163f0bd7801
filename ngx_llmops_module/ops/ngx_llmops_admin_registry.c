
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin.h"
#include "ngx_llmops_registry.h"
#include "ngx_llmops_rollout_doc.h"


/*
 * GET registry: what has served when, with which scores, and what was decided
 * of it: "what changed?".  It is put together from the documents of the
 * registry, what this nginx has counted since, and the documents of all
 * rollouts there have been, whose candidates are targets, prompts and rules of
 * it.
 */


#define NGX_LLMOPS_ADMIN_REGISTRY_PAGE  100
#define NGX_LLMOPS_ADMIN_REGISTRY_MAX   2000   /* entries */


typedef struct {
    json_t                    *all;        /* object: documents by id */
    ngx_str_t                 *route;      /* NULL: all */
} ngx_llmops_admin_registry_t;


static ngx_int_t ngx_llmops_admin_registry_get(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_registry_free(void *data);
static ngx_int_t ngx_llmops_admin_registry_listed(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_registry_own(ngx_str_t *name, void *node,
    void *data);
static ngx_int_t ngx_llmops_admin_registry_rollouts(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_registry_rollout(
    ngx_llmops_admin_registry_t *reg, json_t *doc);
static void ngx_llmops_admin_registry_decided(json_t *entry, json_t *doc);
static ngx_int_t ngx_llmops_admin_registry_reply(ngx_llmops_admin_t *a);
static json_t *ngx_llmops_admin_registry_shown(json_t *entry);
static void ngx_llmops_admin_registry_scores(json_t *entry, json_t *scores);


const ngx_llmops_admin_call_t  ngx_llmops_admin_registry[] = {

    { NGX_HTTP_GET, "registry", "getRegistry", "route",
      ngx_llmops_admin_registry_get, 0, 0 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


static ngx_int_t
ngx_llmops_admin_registry_get(ngx_llmops_admin_t *a)
{
    ngx_pool_cleanup_t           *cln;
    ngx_llmops_admin_registry_t  *reg;

    reg = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_admin_registry_t));
    cln = ngx_pool_cleanup_add(a->request->pool, 0);

    if (reg == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    reg->all = json_object();
    if (reg->all == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_llmops_admin_registry_free;
    cln->data = reg;

    reg->route = ngx_llmops_admin_arg(a, "route");

    a->data = reg;
    a->op.docs = NGX_LLMOPS_DOCS_REGISTRY;
    a->op.max = NGX_LLMOPS_ADMIN_REGISTRY_PAGE;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                ngx_llmops_admin_registry_listed);
}


static void
ngx_llmops_admin_registry_free(void *data)
{
    ngx_llmops_admin_registry_t *reg = data;

    json_decref(reg->all);
}


static ngx_int_t
ngx_llmops_admin_registry_listed(ngx_llmops_admin_t *a)
{
    json_t                       *json;
    ngx_uint_t                    i;
    ngx_llmops_doc_t             *doc;
    ngx_llmops_admin_registry_t  *reg = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    doc = a->op.list.elts;

    for (i = 0; i < a->op.list.nelts; i++) {
        json = json_loadb((char *) doc[i].value.data, doc[i].value.len, 0,
                          NULL);

        if (json) {
            (void) json_object_setn_new(reg->all, (char *) doc[i].id.data,
                                        doc[i].id.len, json);
        }
    }

    if (a->op.next.len
        && json_object_size(reg->all) < NGX_LLMOPS_ADMIN_REGISTRY_MAX)
    {
        a->op.id = a->op.next;

        return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                    ngx_llmops_admin_registry_listed);
    }

    (void) ngx_llmops_zone_each(a->mcf->zone, NGX_LLMOPS_NODE_REGISTRY,
                                ngx_llmops_admin_registry_own, reg);

    ngx_str_null(&a->op.id);
    a->op.docs = NGX_LLMOPS_DOCS_ROLLOUTS;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                ngx_llmops_admin_registry_rollouts);
}


/* what this nginx has counted and the documents do not have */

static ngx_int_t
ngx_llmops_admin_registry_own(ngx_str_t *name, void *node, void *data)
{
    size_t                        len;
    u_char                        id[NGX_LLMOPS_DOC_ID];
    json_t                       *doc;
    ngx_uint_t                    i;
    ngx_atomic_uint_t             n[NGX_LLMOPS_REGISTRY_COUNTS];
    ngx_llmops_registry_sh_t     *sh = node;
    ngx_llmops_admin_registry_t  *reg = data;

    for (i = 0; i < NGX_LLMOPS_REGISTRY_COUNTS; i++) {
        n[i] = sh->n[i];
    }

    len = ngx_llmops_registry_id(name, id);
    doc = json_object_getn(reg->all, (char *) id, len);

    if (json_object_size(reg->all) >= NGX_LLMOPS_ADMIN_REGISTRY_MAX
        && doc == NULL)
    {
        return NGX_DONE;
    }

    doc = ngx_llmops_registry_merge(json_incref(doc), name, sh, n);

    if (doc) {
        (void) json_object_setn_new(reg->all, (char *) id, len, doc);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_registry_rollouts(ngx_llmops_admin_t *a)
{
    json_t            *json;
    ngx_uint_t         i;
    ngx_llmops_doc_t  *doc;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    doc = a->op.list.elts;

    for (i = 0; i < a->op.list.nelts; i++) {
        json = ngx_llmops_rollout_doc_load(&doc[i].value);

        if (json) {
            ngx_llmops_admin_registry_rollout(a->data, json);
            json_decref(json);
        }
    }

    if (a->op.next.len) {
        a->op.id = a->op.next;

        return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                    ngx_llmops_admin_registry_rollouts);
    }

    return ngx_llmops_admin_registry_reply(a);
}


/* its candidate is "UPSTREAM/MODEL prompt=NAME@VERSION rules=A,B", or some
   of these */

static void
ngx_llmops_admin_registry_rollout(ngx_llmops_admin_registry_t *reg,
    json_t *doc)
{
    size_t       len;
    json_t      *entry;
    const char  *id, *route, *kind, *name, *word, *candidate;

    route = json_string_value(json_object_get(doc, "route"));
    candidate = json_string_value(json_object_get(doc, "candidate"));

    if (route == NULL || candidate == NULL) {
        return;
    }

    json_object_foreach(reg->all, id, entry) {

        kind = json_string_value(json_object_get(entry, "kind"));
        name = json_string_value(json_object_get(entry, "name"));

        if (kind == NULL || name == NULL
            || !json_equal(json_object_get(entry, "route"),
                           json_object_get(doc, "route")))
        {
            continue;
        }

        for (word = candidate; *word; word += len) {

            word += strspn(word, " ");
            len = strcspn(word, " ");

            if (ngx_strncmp(word, kind, ngx_strlen(kind)) == 0
                && word[ngx_strlen(kind)] == '=')
            {
                word += ngx_strlen(kind) + 1;
                len = strcspn(word, " ");

            } else if (ngx_strcmp(kind, "target") != 0) {
                continue;
            }

            if (ngx_strlen(name) == len
                && ngx_strncmp(name, word, len) == 0)
            {
                ngx_llmops_admin_registry_decided(entry, doc);
                break;
            }
        }
    }
}


static void
ngx_llmops_admin_registry_decided(json_t *entry, json_t *doc)
{
    size_t       i;
    json_t      *one, *events;
    const char  *name;

    events = json_object_get(entry, "events");

    if (events == NULL) {
        events = json_array();
        (void) json_object_set_new(entry, "events", events);
    }

    json_array_foreach(json_object_get(doc, "history"), i, one) {
        (void) json_array_append_new(events,
            json_pack("{s:O,s:O,s:O,s:O}",
                      "at", json_object_get(one, "time"),
                      "what", json_object_get(one, "action"),
                      "by", json_object_get(one, "by"),
                      "why", json_object_get(one, "reason")));
    }

    json_object_foreach(json_object_get(doc, "evaluations"), name, one) {

        if (json_object_get(entry, "scores") == NULL) {
            (void) json_object_set_new(entry, "scores", json_object());
        }

        (void) json_object_set(json_object_get(entry, "scores"), name,
                               json_object_get(one, "score"));
    }
}


static ngx_int_t
ngx_llmops_admin_registry_reply(ngx_llmops_admin_t *a)
{
    json_t                       *data, *entry, *route;
    const char                   *id;
    ngx_llmops_admin_registry_t  *reg = a->data;

    data = json_array();

    json_object_foreach(reg->all, id, entry) {

        route = json_object_get(entry, "route");

        if (reg->route
            && (json_string_length(route) != reg->route->len
                || ngx_memcmp(json_string_value(route), reg->route->data,
                              reg->route->len)
                   != 0))
        {
            continue;
        }

        (void) json_array_append_new(data,
                                     ngx_llmops_admin_registry_shown(entry));
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:s,s:o,s:b}",
                                            "object", "list",
                                            "data", data,
                                            "has_more", 0));
}


static json_t *
ngx_llmops_admin_registry_shown(json_t *entry)
{
    json_t      *scores, *events, *n, *name, *version;
    const char  *at, *full, *kind;

    full = json_string_value(json_object_get(entry, "name"));
    kind = json_string_value(json_object_get(entry, "kind"));

    at = (full && kind && ngx_strcmp(kind, "prompt") == 0)
         ? strchr(full, '@') : NULL;

    name = at ? json_stringn(full, at - full)
              : json_incref(json_object_get(entry, "name"));
    version = at ? json_string(at + 1) : json_null();

    scores = json_object_get(entry, "scores");
    scores = scores ? json_copy(scores) : json_object();

    ngx_llmops_admin_registry_scores(entry, scores);

    events = json_object_get(entry, "events");
    n = json_object_get(entry, "n");

    return json_pack("{s:O,s:O,s:o,s:o,s:O,s:O,s:O,s:O,s:o,s:o}",
                     "route", json_object_get(entry, "route"),
                     "kind", json_object_get(entry, "kind"),
                     "name", name,
                     "version", version,
                     "first_seen", json_object_get(entry, "first"),
                     "last_seen", json_object_get(entry, "last"),
                     "requests",
                        json_array_get(n, NGX_LLMOPS_REGISTRY_REQUESTS),
                     "errors",
                        json_array_get(n, NGX_LLMOPS_REGISTRY_ERRORS),
                     "scores", scores,
                     "events", events ? json_incref(events) : json_array());
}


static void
ngx_llmops_admin_registry_scores(json_t *entry, json_t *scores)
{
    json_t      *n;
    double       all, sum;
    ngx_uint_t   i;

    static const struct {
        const char                   *name;
        ngx_llmops_registry_count_e   of;
        ngx_llmops_registry_count_e   sum;
        double                        unit;
    } kinds[] = {
        { "checks", NGX_LLMOPS_REGISTRY_CHECKED,
          NGX_LLMOPS_REGISTRY_BROKEN, 1 },
        { "feedback", NGX_LLMOPS_REGISTRY_FEEDBACK,
          NGX_LLMOPS_REGISTRY_FEEDBACK_SUM, 1e6 },
        { "judge", NGX_LLMOPS_REGISTRY_JUDGED,
          NGX_LLMOPS_REGISTRY_JUDGED_SUM, 1e6 }
    };

    n = json_object_get(entry, "n");

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {

        all = json_number_value(json_array_get(n, kinds[i].of));
        sum = json_number_value(json_array_get(n, kinds[i].sum))
              / kinds[i].unit;

        if (all > 0) {

            /* of checks: the share of answers that have broken none */

            (void) json_object_set_new(scores, kinds[i].name,
                                       json_real(i == 0 ? 1 - sum / all
                                                        : sum / all));
        }
    }
}
