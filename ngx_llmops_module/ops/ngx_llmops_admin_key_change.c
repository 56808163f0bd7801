
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_keys.h"


/*
 * Changes of a key: the record is read, a new one is made of it, and that
 * takes its place if nobody has been faster.  A caller who has sent If-Match
 * hears of it (412); for one who has not, the change is made again, of what is
 * there now.
 */


#define NGX_LLMOPS_KEY_TRIES  16           /* against others who are faster */


typedef struct ngx_llmops_admin_change_s  ngx_llmops_admin_change_t;

/* A new record of an old one; NULL: the error has been set. */
typedef json_t *(*ngx_llmops_admin_edit_pt)(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *change, json_t *record, char *error);

struct ngx_llmops_admin_change_s {
    ngx_llmops_admin_edit_pt   edit;
    json_t                    *record;     /* the new one */
    json_t                    *wanted;     /* of replace, enable, disable */
    time_t                     overlap;    /* of rotate */
    uint64_t                   if_match;
    ngx_uint_t                 tries;
    ngx_llmops_key_secret_t    secret;
};


static ngx_llmops_admin_change_t *ngx_llmops_admin_change_create(
    ngx_llmops_admin_t *a, ngx_llmops_admin_edit_pt edit, ngx_int_t *rc);
static void ngx_llmops_admin_change_free(void *data);
static ngx_int_t ngx_llmops_admin_change_start(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_change_got(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_change_put(ngx_llmops_admin_t *a);

static json_t *ngx_llmops_admin_edit_replace(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *change, json_t *record, char *error);
static json_t *ngx_llmops_admin_edit_wanted(json_t *body, json_t *record);
static json_t *ngx_llmops_admin_edit_rotate(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *change, json_t *record, char *error);
static json_t *ngx_llmops_admin_edit_set(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *change, json_t *record, char *error);
static ngx_int_t ngx_llmops_admin_key_able(ngx_llmops_admin_t *a,
    json_t *disabled);
static ngx_int_t ngx_llmops_admin_key_empty(ngx_llmops_admin_t *a,
    const char *known);


/* what an answer says of a key and nobody may set: a PUT of an answer's key
   leaves it alone */

static const char  *ngx_llmops_admin_key_fixed[] = {
    "id", "hashes", "created", "state", "revision", NULL
};


ngx_int_t
ngx_llmops_admin_key_replace(ngx_llmops_admin_t *a)
{
    json_t     *id;
    ngx_int_t   rc;

    id = json_object_get(a->body, "id");

    if (id
        && (json_string_length(id) != a->args[0].len
            || ngx_memcmp(json_string_value(id), a->args[0].data,
                          a->args[0].len)
               != 0))
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"id\" is not that of the path, a key "
                                      "keeps its id");
    }

    if (ngx_llmops_admin_change_create(a, ngx_llmops_admin_edit_replace, &rc)
        == NULL)
    {
        return rc;
    }

    return ngx_llmops_admin_change_start(a);
}


ngx_int_t
ngx_llmops_admin_key_rotate(ngx_llmops_admin_t *a)
{
    json_t                     *overlap;
    ngx_int_t                   rc;
    ngx_llmops_admin_change_t  *change;

    rc = ngx_llmops_admin_key_empty(a, "overlap");
    if (rc != NGX_OK) {
        return rc;
    }

    overlap = json_object_get(a->body, "overlap");

    if (overlap && !json_is_integer(overlap)) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"overlap\" must be a number of "
                                      "seconds");
    }

    change = ngx_llmops_admin_change_create(a, ngx_llmops_admin_edit_rotate,
                                            &rc);
    if (change == NULL) {
        return rc;
    }

    change->overlap = (time_t) json_integer_value(overlap);

    ngx_llmops_admin_note(a, "overlap=%T", change->overlap);

    return ngx_llmops_admin_change_start(a);
}


ngx_int_t
ngx_llmops_admin_key_disable(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_key_able(a, json_true());
}


ngx_int_t
ngx_llmops_admin_key_enable(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_key_able(a, json_null());
}


static ngx_int_t
ngx_llmops_admin_key_able(ngx_llmops_admin_t *a, json_t *disabled)
{
    ngx_int_t                   rc;
    ngx_llmops_admin_change_t  *change;

    rc = ngx_llmops_admin_key_empty(a, NULL);
    if (rc != NGX_OK) {
        return rc;
    }

    change = ngx_llmops_admin_change_create(a, ngx_llmops_admin_edit_set, &rc);
    if (change == NULL) {
        return rc;
    }

    change->wanted = json_pack("{s:o}", "disabled", disabled);
    if (change->wanted == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_admin_change_start(a);
}


/* a body that is not needed has nothing in it but that member */

static ngx_int_t
ngx_llmops_admin_key_empty(ngx_llmops_admin_t *a, const char *known)
{
    json_t      *value;
    const char  *name;

    json_object_foreach(a->body, name, value) {

        if (known == NULL || ngx_strcmp(name, known) != 0) {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "unknown member \"%s\"", name);
        }
    }

    return NGX_OK;
}


/* -- the way of a change -------------------------------------------------- */

static ngx_llmops_admin_change_t *
ngx_llmops_admin_change_create(ngx_llmops_admin_t *a,
    ngx_llmops_admin_edit_pt edit, ngx_int_t *rc)
{
    ngx_pool_cleanup_t         *cln;
    ngx_llmops_admin_change_t  *change;

    *rc = ngx_llmops_admin_key_named(a);

    if (*rc != NGX_OK) {
        return NULL;
    }

    *rc = NGX_ERROR;

    change = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_admin_change_t));
    cln = ngx_pool_cleanup_add(a->request->pool, 0);

    if (change == NULL || cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_llmops_admin_change_free;
    cln->data = change;

    change->edit = edit;
    a->data = change;

    *rc = ngx_llmops_admin_if_match(a, &change->if_match);

    return (*rc == NGX_OK) ? change : NULL;
}


static void
ngx_llmops_admin_change_free(void *data)
{
    ngx_llmops_admin_change_t *change = data;

    ngx_explicit_memzero(&change->secret, sizeof(ngx_llmops_key_secret_t));
    json_decref(change->record);
    json_decref(change->wanted);
}


static ngx_int_t
ngx_llmops_admin_change_start(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_admin_change_got);
}


static ngx_int_t
ngx_llmops_admin_change_got(ngx_llmops_admin_t *a)
{
    char                        error[NGX_LLMOPS_KEY_ERROR];
    json_t                     *record;
    uint64_t                    revision;
    ngx_int_t                   rc;
    ngx_llmops_admin_change_t  *change;

    change = a->data;

    record = ngx_llmops_admin_key_record(a, &rc);
    if (record == NULL) {
        return rc;
    }

    revision = a->op.doc.revision;

    if (change->if_match != NGX_LLMOPS_REVISION_ANY
        && change->if_match != revision)
    {
        json_decref(record);
        return ngx_llmops_admin_key_stale(a);
    }

    json_decref(change->record);
    change->record = change->edit(a, change, record, error);

    json_decref(record);

    if (change->record == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "%s", error);
    }

    if (ngx_llmops_admin_key_put(a, change->record, revision) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_admin_ask(a, ngx_llmops_store_put,
                                ngx_llmops_admin_change_put);
}


static ngx_int_t
ngx_llmops_admin_change_put(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_change_t *change = a->data;

    if (a->op.rc == NGX_OK) {
        return ngx_llmops_admin_key_answer(a, NGX_HTTP_OK, change->record,
                                           a->op.doc.revision,
                                           &change->secret);
    }

    if (a->op.rc != NGX_DECLINED) {
        return ngx_llmops_admin_store_error(a);
    }

    if (change->if_match != NGX_LLMOPS_REVISION_ANY) {
        return ngx_llmops_admin_key_stale(a);
    }

    if (++change->tries < NGX_LLMOPS_KEY_TRIES) {
        return ngx_llmops_admin_change_start(a);
    }

    return ngx_llmops_admin_error(a, NGX_HTTP_SERVICE_UNAVAILABLE, "busy",
                                  "the key \"%V\" is being changed by others, "
                                  "retry later", &a->args[0]);
}


/* -- new records of old ones ---------------------------------------------- */

static json_t *
ngx_llmops_admin_edit_replace(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *change, json_t *record, char *error)
{
    json_t  *wanted, *changed;

    wanted = ngx_llmops_admin_edit_wanted(a->body, record);

    changed = ngx_llmops_key_change(record, wanted, error);

    json_decref(wanted);

    return changed;
}


/* the body, and null for what is no longer in it */

static json_t *
ngx_llmops_admin_edit_wanted(json_t *body, json_t *record)
{
    json_t      *wanted, *value;
    ngx_uint_t   i;
    const char  *name;

    wanted = json_copy(body);

    json_object_foreach(record, name, value) {

        if (json_object_get(wanted, name) == NULL) {
            (void) json_object_set_new(wanted, name, json_null());
        }
    }

    for (i = 0; ngx_llmops_admin_key_fixed[i]; i++) {
        (void) json_object_del(wanted, ngx_llmops_admin_key_fixed[i]);
    }

    return wanted;
}


static json_t *
ngx_llmops_admin_edit_rotate(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *change, json_t *record, char *error)
{
    return ngx_llmops_key_rotate(record, change->overlap, ngx_time(),
                                 &change->secret, error);
}


static json_t *
ngx_llmops_admin_edit_set(ngx_llmops_admin_t *a,
    ngx_llmops_admin_change_t *change, json_t *record, char *error)
{
    return ngx_llmops_key_change(record, change->wanted, error);
}
