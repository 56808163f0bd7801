
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_admin_index_put.h"
#include "ngx_llmops_chunker.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * Documents are put one after the other, each in the place of the revision of
 * its head that was read.  Its text is put before the head that names it, and
 * the old text removed after the head that does not any more, so that no head
 * names a text that is not there.  That it is to be indexed is in the head;
 * who does it is told at the end.
 *
 * A document that is the same as the one that is there is left alone: nothing
 * of it is embedded again.  A call that is repeated, because it was cut off or
 * because Git is the source, does no more than what is left to do.
 */


static void ngx_llmops_index_put_free(void *data);
static ngx_int_t ngx_llmops_index_put_next(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_index_put_given(ngx_llmops_admin_t *a,
    ngx_llmops_admin_put_t *put);
static ngx_int_t ngx_llmops_index_put_check(ngx_llmops_admin_t *a,
    ngx_llmops_admin_put_t *put);
static ngx_int_t ngx_llmops_index_put_get(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_index_put_got(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_index_put_text(ngx_llmops_admin_t *a,
    ngx_llmops_admin_put_t *put);
static ngx_int_t ngx_llmops_index_put_stored(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_index_put_made(ngx_llmops_admin_t *a);


/* -- begin ----------------------------------------------------------------- */

ngx_int_t
ngx_llmops_admin_index_put(ngx_llmops_admin_t *a)
{
    ngx_int_t                rc;
    ngx_str_t               *others;
    ngx_llmops_admin_put_t  *put;

    put = ngx_llmops_index_put_create(a, &rc);
    if (put == NULL) {
        return rc;
    }

    others = ngx_llmops_admin_arg(a, "others");

    if (others) {
        put->sweep = (others->len == 6
                      && ngx_memcmp(others->data, "delete", 6) == 0);

        if (!put->sweep) {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "\"others\" must be \"delete\"");
        }
    }

    if (a->body) {
        put->list = json_object_get(a->body, "documents");

        if (!json_is_array(put->list) || json_object_size(a->body) != 1) {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "the body must be {\"documents\": "
                                          "[{\"id\": ..., \"text\": ...}]}");
        }

    } else {
        put->pos = a->raw.data;
        put->last = a->raw.data + a->raw.len;
    }

    return ngx_llmops_index_put_next(a);
}


ngx_llmops_admin_put_t *
ngx_llmops_index_put_create(ngx_llmops_admin_t *a, ngx_int_t *rc)
{
    ngx_llmops_index_t      *index;
    ngx_pool_cleanup_t      *cln;
    ngx_llmops_admin_put_t  *put;

    index = ngx_llmops_admin_index(a, rc);
    if (index == NULL) {
        return NULL;
    }

    if (ngx_llmops_vectors_able(a->mcf->store, &index->set) == NGX_DECLINED) {
        *rc = ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "unsupported",
                                     "this Redis has no vector sets, an index "
                                     "needs Redis 8 or later");
        return NULL;
    }

    *rc = NGX_ERROR;

    cln = ngx_pool_cleanup_add(a->request->pool,
                               sizeof(ngx_llmops_admin_put_t));
    if (cln == NULL) {
        return NULL;
    }

    put = cln->data;
    ngx_memzero(put, sizeof(ngx_llmops_admin_put_t));

    cln->handler = ngx_llmops_index_put_free;

    put->index = index;
    put->seen = json_object();
    put->others = json_array();

    a->data = put;

    return (put->seen && put->others) ? put : NULL;
}


static void
ngx_llmops_index_put_free(void *data)
{
    ngx_llmops_admin_put_t *put = data;

    json_decref(put->given);
    json_decref(put->head);
    json_decref(put->seen);
    json_decref(put->others);
    free(put->value);
}


/* -- one document ---------------------------------------------------------- */

static ngx_int_t
ngx_llmops_index_put_next(ngx_llmops_admin_t *a)
{
    ngx_int_t                rc;
    ngx_llmops_admin_put_t  *put = a->data;

    json_decref(put->given);
    put->given = NULL;
    put->stored = 0;
    put->tries = 0;

    rc = ngx_llmops_index_put_given(a, put);

    if (rc == NGX_DONE) {
        return put->sweep ? ngx_llmops_index_drop_others(a)
                          : ngx_llmops_index_put_end(a);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_index_put_check(a, put);
    }

    return rc == NGX_OK ? ngx_llmops_index_put_get(a) : rc;
}


/* the next one: NGX_OK, NGX_DONE: there is none, or as a step */

static ngx_int_t
ngx_llmops_index_put_given(ngx_llmops_admin_t *a, ngx_llmops_admin_put_t *put)
{
    u_char        *start, *end;
    json_error_t   error;

    if (put->list) {
        put->given = json_incref(json_array_get(put->list, put->number));
        put->number++;

        return put->given ? NGX_OK : NGX_DONE;
    }

    while (put->pos < put->last) {

        put->number++;
        start = put->pos;

        end = ngx_strlchr(start, put->last, LF);
        put->pos = end ? end + 1 : put->last;
        end = end ? end : put->last;

        while (end > start && (end[-1] == CR || end[-1] == ' ')) {
            end--;
        }

        if (end == start) {
            continue;
        }

        put->given = json_loadb((char *) start, end - start,
                                JSON_REJECT_DUPLICATES, &error);

        if (put->given == NULL) {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST,
                                          "invalid_json", "line %ui is not "
                                          "JSON: %s; what is before it has "
                                          "been taken", put->number,
                                          error.text);
        }

        return NGX_OK;
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_llmops_index_put_check(ngx_llmops_admin_t *a, ngx_llmops_admin_put_t *put)
{
    json_t                *text;
    ngx_str_t              s, chunk;
    const char            *wrong;
    ngx_uint_t             n;
    ngx_llmops_chunker_t   chunker;

    wrong = ngx_llmops_doc_wrong(put->given);

    text = json_object_get(put->given, "text");
    s.data = (u_char *) json_string_value(text);
    s.len = json_string_length(text);

    if (wrong == NULL) {
        ngx_llmops_chunker_init(&chunker, &s, put->index->chunk,
                                put->index->overlap);

        for (n = 0; ngx_llmops_chunker_next(&chunker, &chunk) == NGX_OK; n++) {
            /* void */
        }

        if (n > NGX_LLMOPS_INDEX_CHUNKS) {
            wrong = "has more than 1024 chunks, put it in parts";
        }
    }

    if (wrong) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "document %ui %s; what is before it has "
                                      "been taken", put->number, wrong);
    }

    if (ngx_llmops_prompt_sha256(&s, put->sha) != NGX_OK
        || ngx_llmops_index_id(put->index,
                               json_string_value(json_object_get(put->given,
                                                                 "id")),
                               put->id)
           != NGX_OK
        || json_object_set_new(put->seen, (char *) put->id, json_true()) != 0)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_index_put_get(ngx_llmops_admin_t *a)
{
    return ngx_llmops_index_head_get(a, ngx_llmops_index_put_got);
}


static ngx_int_t
ngx_llmops_index_put_got(ngx_llmops_admin_t *a)
{
    ngx_int_t                rc;
    ngx_llmops_admin_put_t  *put = a->data;

    rc = ngx_llmops_index_head_got(a);

    if (rc != NGX_OK) {
        return rc;
    }

    if (put->head && !put->stored
        && ngx_llmops_doc_same(put->head, put->given, (char *) put->sha,
                               (char *) put->index->chunking,
                               (char *) put->index->set.data))
    {
        put->unchanged++;

        /* maybe nobody has been told that it waits */

        if (ngx_strcmp(ngx_llmops_doc_string(put->head, "state"), "ready")
            != 0)
        {
            ngx_llmops_index_enqueue(a->mcf, &a->op.id);
        }

        return ngx_llmops_index_put_next(a);
    }

    return put->stored ? ngx_llmops_index_put_stored(a)
                       : ngx_llmops_index_put_text(a, put);
}


/* a text of its own each time, since one that is on its way out may have the
   same words */

static ngx_int_t
ngx_llmops_index_put_text(ngx_llmops_admin_t *a, ngx_llmops_admin_put_t *put)
{
    json_t  *text;

    (void) ngx_sprintf(put->text, "ix:%s:%xL%08xD%Z", put->id,
                       (int64_t) ngx_llmops_now(),
                       (uint32_t) ngx_random());

    text = json_object_get(put->given, "text");

    a->op.docs = NGX_LLMOPS_DOCS_TEXTS;
    a->op.id.data = put->text;
    a->op.id.len = ngx_strlen(put->text);
    a->op.value.data = (u_char *) json_string_value(text);
    a->op.value.len = json_string_length(text);
    a->op.expected = NGX_LLMOPS_REVISION_NONE;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_put,
                                ngx_llmops_index_put_stored);
}


static ngx_int_t
ngx_llmops_index_put_stored(ngx_llmops_admin_t *a)
{
    json_t                  *head;
    ngx_int_t                rc;
    ngx_llmops_admin_put_t  *put = a->data;

    if (!put->stored && a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    put->stored = 1;

    head = ngx_llmops_doc_head(put->given, put->head, (char *) put->sha,
                               (char *) put->text,
                               (char *) put->index->chunking, ngx_time());

    rc = ngx_llmops_index_head_put(a, head, ngx_llmops_index_put_made);

    json_decref(head);

    return rc;
}


static ngx_int_t
ngx_llmops_index_put_made(ngx_llmops_admin_t *a)
{
    const char              *old;
    ngx_llmops_admin_put_t  *put = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_index_head_late(a, ngx_llmops_index_put_get);
    }

    put->taken++;

    ngx_llmops_index_enqueue(a->mcf, &a->op.id);

    old = ngx_llmops_doc_string(put->head, "text");

    if (*old == '\0') {
        return ngx_llmops_index_put_next(a);
    }

    a->op.docs = NGX_LLMOPS_DOCS_TEXTS;
    a->op.id.data = (u_char *) old;
    a->op.id.len = ngx_strlen(old);
    a->op.expected = NGX_LLMOPS_REVISION_ANY;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_remove,
                                ngx_llmops_index_put_next);
}


/* -- the end --------------------------------------------------------------- */

ngx_int_t
ngx_llmops_index_put_end(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_put_t  *put = a->data;

    ngx_llmops_admin_note(a, "taken=%ui unchanged=%ui removed=%ui", put->taken,
                          put->unchanged, put->removed);

    return ngx_llmops_admin_reply(a,
               put->taken + put->removed ? NGX_HTTP_ACCEPTED : NGX_HTTP_OK,
               json_pack("{s:I,s:I,s:I}",
                         "taken", (json_int_t) put->taken,
                         "unchanged", (json_int_t) put->unchanged,
                         "removed", (json_int_t) put->removed));
}
