
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_admin.h"
#include "ngx_llmops_cache_own.h"
#include "ngx_llmops_cache_note.h"
#include "ngx_llmops_key_check.h"


/*
 * The cache: what it holds, what it has saved, route by route; and purging.
 *
 * A purge is noted in the store first, for all gateways, and then carried out
 * in this nginx's shared memory: when the answer comes, nothing that it names
 * is served here any more, and elsewhere within half a second.
 *
 * Notes stand for as long as an answer may.  One that names everything makes
 * all older ones needless: they are taken away with it, and there is room again
 * for others.
 */


typedef struct {
    ngx_llmops_cache_note_t    note;
    ngx_llmops_cache_note_t   *covered;    /* to be taken away */
    ngx_uint_t                 ncovered;
    ngx_uint_t                 removed;    /* entries */
    u_char                     id[NGX_LLMOPS_CACHE_NOTE_ID];
} ngx_llmops_admin_purge_t;


static ngx_int_t ngx_llmops_admin_cache_get(ngx_llmops_admin_t *a);
static json_t *ngx_llmops_admin_cache_routes(ngx_llmops_main_conf_t *mcf);
static json_t *ngx_llmops_admin_cache_route(ngx_llmops_route_t *route);
static json_t *ngx_llmops_admin_cache_saved(ngx_llmops_cache_sh_t *sh);
static ngx_int_t ngx_llmops_admin_cache_purge(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_cache_what(ngx_llmops_admin_t *a,
    ngx_llmops_cache_note_t *note);
static ngx_int_t ngx_llmops_admin_cache_put(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_cache_noted(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_cache_tidy(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_cache_purged(ngx_llmops_admin_t *a);


const ngx_llmops_admin_call_t  ngx_llmops_admin_cache[] = {

    { NGX_HTTP_GET, "cache", "getCache", NULL,
      ngx_llmops_admin_cache_get, 0, 0 },

    { NGX_HTTP_POST, "cache/purge", "purgeCache", NULL,
      ngx_llmops_admin_cache_purge, 1, 1 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


static ngx_int_t
ngx_llmops_admin_cache_get(ngx_llmops_admin_t *a)
{
    ngx_llmops_cache_stats_t  s;

    ngx_llmops_cache_stats(a->mcf, &s);

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
        json_pack("{s:{s:I,s:I,s:I,s:I,s:I,s:I},s:o}",
                  "memory",
                  "size", (json_int_t) s.size,
                  "used", (json_int_t) s.used,
                  "entries", (json_int_t) s.entries,
                  "flights", (json_int_t) s.flights,
                  "stored", (json_int_t) s.stored,
                  "evicted", (json_int_t) s.evicted,
                  "routes", ngx_llmops_admin_cache_routes(a->mcf)));
}


static json_t *
ngx_llmops_admin_cache_routes(ngx_llmops_main_conf_t *mcf)
{
    json_t               *list;
    ngx_uint_t            i;
    ngx_llmops_route_t  **routes;

    list = json_array();
    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {
        if (routes[i]->cache) {
            (void) json_array_append_new(list,
                                     ngx_llmops_admin_cache_route(routes[i]));
        }
    }

    return list;
}


static json_t *
ngx_llmops_admin_cache_route(ngx_llmops_route_t *route)
{
    json_t                    *requests;
    ngx_uint_t                 i;
    ngx_llmops_cache_sh_t     *sh;
    ngx_llmops_cache_own_t    *own;
    ngx_llmops_cache_route_t  *cr = route->cache;

    own = cr->own;
    sh = own->sh;
    requests = json_object();

    for (i = NGX_LLMOPS_CACHE_BYPASS; i < NGX_LLMOPS_CACHE_MAX; i++) {
        (void) json_object_set_new(requests,
                            (char *) ngx_llmops_cache_names[i].data,
                            json_integer(sh ? (json_int_t) sh->requests[i]
                                            : 0));
    }

    return json_pack("{s:o,s:o,s:o,s:I}",
                     "route", ngx_llmops_admin_string(&route->name),
                     "requests", requests,
                     "saved", ngx_llmops_admin_cache_saved(sh),
                     "shadow_hits", sh ? (json_int_t) sh->shadow_hits : 0);
}


static json_t *
ngx_llmops_admin_cache_saved(ngx_llmops_cache_sh_t *sh)
{
    u_char     text[NGX_LLMOPS_ADMIN_MONEY];
    ngx_str_t  s;

    s.data = text;
    s.len = ngx_llmops_admin_money(text, sh ? (int64_t) sh->cost : 0) - text;

    return json_pack("{s:I,s:I,s:o}",
                     "input_tokens", sh ? (json_int_t) sh->input : 0,
                     "output_tokens", sh ? (json_int_t) sh->output : 0,
                     "cost_usd", ngx_llmops_admin_string(&s));
}


/* {"route": NAME} or one of the others, or {"all": true} */

static ngx_int_t
ngx_llmops_admin_cache_purge(ngx_llmops_admin_t *a)
{
    ngx_int_t                  rc;
    ngx_llmops_cache_note_t   *note;
    ngx_llmops_admin_purge_t  *purge;

    purge = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_admin_purge_t));
    if (purge == NULL) {
        return NGX_ERROR;
    }

    a->data = purge;
    note = &purge->note;

    rc = ngx_llmops_admin_cache_what(a, note);

    if (rc != NGX_OK) {
        return rc;
    }

    if (a->mcf->cache == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "no route has a cache");
    }

    if (note->kind != NGX_LLMOPS_CACHE_TAG_ALL
        && ngx_llmops_cache_notes() >= NGX_LLMOPS_CACHE_NOTES
        && !ngx_llmops_cache_noted(note))
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_INSUFFICIENT_STORAGE,
                                      "no_room", "%d different purges stand "
                                      "already, purge {\"all\": true}",
                                      NGX_LLMOPS_CACHE_NOTES);
    }

    return ngx_llmops_admin_cache_put(a);
}


static ngx_int_t
ngx_llmops_admin_cache_what(ngx_llmops_admin_t *a,
    ngx_llmops_cache_note_t *note)
{
    json_t      *value;
    ngx_str_t    s;
    ngx_uint_t   kind;

    value = NULL;

    for (kind = 0; kind <= NGX_LLMOPS_CACHE_TAG_ALL; kind++) {
        value = json_object_get(a->body,
                            (char *) ngx_llmops_cache_tag_names[kind].data);
        if (value) {
            break;
        }
    }

    if (value == NULL || json_object_size(a->body) != 1
        || (kind == NGX_LLMOPS_CACHE_TAG_ALL
            ? !json_is_true(value)
            : !json_is_string(value) || json_string_length(value) == 0))
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "the body must have one of \"route\", "
                                      "\"scope\", \"tenant\", \"prompt\" and "
                                      "\"key\" with a name, or "
                                      "\"all\": true");
    }

    note->kind = kind;

    if (kind == NGX_LLMOPS_CACHE_TAG_ALL) {
        ngx_str_set(&a->object, "all");
        return NGX_OK;
    }

    s.data = (u_char *) json_string_value(value);
    s.len = json_string_length(value);

    a->object = s;
    ngx_llmops_admin_note(a, "%V", &ngx_llmops_cache_tag_names[kind]);

    if (kind == NGX_LLMOPS_CACHE_TAG_KEY) {
        return ngx_llmops_key_unhex(&s, note->key) == NGX_OK
               ? NGX_OK
               : ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                        "\"key\" must be the 64 hexadecimal "
                                        "digits of $llm_cache_key");
    }

    note->tag = ngx_llmops_cache_tag(&s);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_cache_put(ngx_llmops_admin_t *a)
{
    u_char                    *p;
    ngx_llmops_cache_note_t   *note;
    ngx_llmops_admin_purge_t  *purge = a->data;

    p = ngx_pnalloc(a->request->pool, sizeof("{\"at\":}") + NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    note = &purge->note;

    note->at = ngx_llmops_store_now(a->mcf->store);

    a->op.docs = NGX_LLMOPS_DOCS_PURGES;
    a->op.id.data = purge->id;
    a->op.id.len = ngx_llmops_cache_note_id(note, purge->id);

    a->op.value.data = p;
    a->op.value.len = ngx_sprintf(p, "{\"at\":%L}", note->at) - p;
    a->op.expected = NGX_LLMOPS_REVISION_ANY;
    a->op.expires = (time_t) (note->at / 1000) + NGX_LLMOPS_CACHE_NOTE_TIME;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_put,
                                ngx_llmops_admin_cache_noted);
}


static ngx_int_t
ngx_llmops_admin_cache_noted(ngx_llmops_admin_t *a)
{
    ngx_llmops_cache_note_t   *note;
    ngx_llmops_admin_purge_t  *purge = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    note = &purge->note;

    purge->removed = ngx_llmops_cache_purge(a->mcf, note->kind, note->tag,
                                        note->kind == NGX_LLMOPS_CACHE_TAG_KEY
                                        ? note->key : NULL);

    if (note->kind == NGX_LLMOPS_CACHE_TAG_ALL) {
        purge->covered = ngx_llmops_cache_notes_covered(a->request->pool,
                                                        note->at,
                                                        &purge->ncovered);
    }

    return ngx_llmops_admin_cache_tidy(a);
}


/*
 * The purge is in force already: what becomes of older notes cannot fail it.
 * One that was renewed meanwhile has another revision, and stays.
 */

static ngx_int_t
ngx_llmops_admin_cache_tidy(ngx_llmops_admin_t *a)
{
    ngx_llmops_cache_note_t   *note;
    ngx_llmops_admin_purge_t  *purge = a->data;

    if (purge->ncovered == 0) {
        return ngx_llmops_admin_cache_purged(a);
    }

    note = &purge->covered[--purge->ncovered];

    a->op.id.len = ngx_llmops_cache_note_id(note, purge->id);
    a->op.expected = note->revision;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_remove,
                                ngx_llmops_admin_cache_tidy);
}


static ngx_int_t
ngx_llmops_admin_cache_purged(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_purge_t  *purge = a->data;

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:I}", "removed",
                                            (json_int_t) purge->removed));
}
