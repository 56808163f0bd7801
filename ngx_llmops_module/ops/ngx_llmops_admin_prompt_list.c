
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_prompts.h"


/* GET prompts; and prompts of the configuration, in the form of the others. */


static void ngx_llmops_admin_prompt_list_free(void *data);
static ngx_int_t ngx_llmops_admin_prompt_listed(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_prompt_pick(ngx_llmops_admin_t *a,
    ngx_llmops_doc_t *doc);
static json_t *ngx_llmops_admin_prompt_names(json_t *versions);
static json_t *ngx_llmops_admin_prompt_labels(json_t *labels);
static json_t *ngx_llmops_admin_family_versions(
    ngx_llmops_prompt_family_t *family);
static json_t *ngx_llmops_admin_family_labels(
    ngx_llmops_prompt_family_t *family);


/* of a list: in r->pool */

typedef struct {
    json_t                    *prompts;
    json_t                    *seen;
} ngx_llmops_admin_prompt_list_t;


/* those of the configuration stand on the first page, all of them */

ngx_int_t
ngx_llmops_admin_prompt_list(ngx_llmops_admin_t *a)
{
    ngx_int_t                        rc, limit;
    ngx_uint_t                       i;
    ngx_pool_cleanup_t              *cln;
    ngx_llmops_prompts_t            *prompts;
    ngx_llmops_prompt_family_t      *family;
    ngx_llmops_admin_prompt_list_t  *list;

    cln = ngx_pool_cleanup_add(a->request->pool,
                               sizeof(ngx_llmops_admin_prompt_list_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    list = cln->data;
    list->prompts = json_array();
    list->seen = json_object();

    cln->handler = ngx_llmops_admin_prompt_list_free;

    rc = ngx_llmops_admin_arg_number(a, "limit", 1, 1000, 100, &limit);

    if (rc == NGX_OK) {
        rc = ngx_llmops_admin_cursor(a);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    prompts = a->mcf->prompts;

    if (prompts && a->op.id.len == 0) {
        family = prompts->families.elts;

        for (i = 0; i < prompts->families.nelts; i++) {

            if (json_array_append_new(list->prompts,
                      json_pack("{s:o,s:s,s:o,s:o}", "name",
                                ngx_llmops_admin_string(&family[i].name),
                                "source", "configuration", "versions",
                                ngx_llmops_admin_prompt_names(
                                  ngx_llmops_admin_family_versions(&family[i])),
                                "labels",
                                ngx_llmops_admin_prompt_labels(
                                  ngx_llmops_admin_family_labels(&family[i]))))
                != 0)
            {
                return NGX_ERROR;
            }
        }
    }

    a->data = list;
    a->op.docs = NGX_LLMOPS_DOCS_PROMPTS;
    a->op.max = limit;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                ngx_llmops_admin_prompt_listed);
}


static void
ngx_llmops_admin_prompt_list_free(void *data)
{
    ngx_llmops_admin_prompt_list_t *list = data;

    json_decref(list->prompts);
    json_decref(list->seen);
}


static ngx_int_t
ngx_llmops_admin_prompt_listed(ngx_llmops_admin_t *a)
{
    ngx_uint_t                       i;
    ngx_llmops_doc_t                *doc;
    ngx_llmops_admin_prompt_list_t  *list = a->data;

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_no_cursor(a);
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    doc = a->op.list.elts;

    for (i = 0; i < a->op.list.nelts; i++) {
        if (ngx_llmops_admin_prompt_pick(a, &doc[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:O,s:o}", "prompts",
                                            list->prompts, "next",
                                            ngx_llmops_admin_next(a)));
}


/* a document that is no head is said, and left out */

static ngx_int_t
ngx_llmops_admin_prompt_pick(ngx_llmops_admin_t *a, ngx_llmops_doc_t *doc)
{
    int                              rc;
    json_t                          *head, *shown;
    const char                      *name;
    ngx_llmops_prompts_t            *prompts;
    ngx_llmops_admin_prompt_list_t  *list = a->data;

    head = ngx_llmops_head_load(&doc->value);

    if (head == NULL) {
        ngx_log_error(NGX_LOG_ERR, a->request->connection->log, 0,
                      "the prompt \"%V\" in the store cannot be read",
                      &doc->id);
        return NGX_OK;
    }

    name = json_string_value(json_object_get(head, "name"));
    rc = 0;

    if (json_object_get(list->seen, name) == NULL) {

        shown = json_pack("{s:s,s:s,s:o,s:o,s:I}", "name", name,
                          "source", "store", "versions",
                          ngx_llmops_admin_prompt_names(
                              json_incref(json_object_get(head, "versions"))),
                          "labels",
                          ngx_llmops_admin_prompt_labels(
                              json_incref(json_object_get(head, "labels"))),
                          "revision", (json_int_t) doc->revision);

        prompts = a->mcf->prompts;

        if (prompts && ngx_llmops_prompt_family(prompts, &doc->id)) {
            rc = json_object_set_new(shown, "shadowed", json_true());
        }

        rc |= json_object_set_new(list->seen, name, json_true());
        rc |= json_array_append_new(list->prompts, shown);
    }

    json_decref(head);

    return rc == 0 ? NGX_OK : NGX_ERROR;
}


/* the names of an object's members, which is given back; NULL stays NULL */

static json_t *
ngx_llmops_admin_prompt_names(json_t *versions)
{
    json_t      *names, *value;
    const char  *name;

    names = json_array();

    json_object_foreach(versions, name, value) {
        if (json_array_append_new(names, json_string(name)) != 0) {
            json_decref(names);
            names = NULL;
            break;
        }
    }

    json_decref(versions);

    return names;
}


/* where labels lead; the object is given back */

static json_t *
ngx_llmops_admin_prompt_labels(json_t *labels)
{
    json_t      *shown, *label;
    const char  *name;

    shown = json_object();

    json_object_foreach(labels, name, label) {
        if (json_object_set(shown, name, json_object_get(label, "version"))
            != 0)
        {
            json_decref(shown);
            shown = NULL;
            break;
        }
    }

    json_decref(labels);

    return shown;
}


/* -- prompts of the configuration, in the form of the others -------------- */

static json_t *
ngx_llmops_admin_family_versions(ngx_llmops_prompt_family_t *family)
{
    u_char                 hex[NGX_LLMOPS_HEAD_SHA256 + 1];
    char                   name[NGX_LLMOPS_PROMPT_NAME + 1];
    json_t                *versions;
    ngx_uint_t             i;
    ngx_llmops_prompt_t  **p;

    versions = json_object();
    p = family->versions.elts;

    for (i = 0; i < family->versions.nelts; i++) {

        (void) ngx_cpystrn((u_char *) name, p[i]->version.data,
                           p[i]->version.len + 1);

        if (ngx_llmops_prompt_sha256(&p[i]->text, hex) != NGX_OK
            || json_object_set_new(versions, name,
                                   json_pack("{s:s,s:I}", "sha256", hex,
                                             "size",
                                             (json_int_t) p[i]->text.len))
               != 0)
        {
            json_decref(versions);
            return NULL;
        }
    }

    return versions;
}


static json_t *
ngx_llmops_admin_family_labels(ngx_llmops_prompt_family_t *family)
{
    char                        name[NGX_LLMOPS_PROMPT_NAME + 1];
    json_t                     *labels;
    ngx_uint_t                  i;
    ngx_llmops_prompt_label_t  *label;

    labels = json_object();
    label = family->labels.elts;

    for (i = 0; i < family->labels.nelts; i++) {

        (void) ngx_cpystrn((u_char *) name, label[i].name.data,
                           label[i].name.len + 1);

        if (json_object_set_new(labels, name,
                                json_pack("{s:o}", "version",
                                          ngx_llmops_admin_string(
                                              &label[i].version)))
            != 0)
        {
            json_decref(labels);
            return NULL;
        }
    }

    return labels;
}


json_t *
ngx_llmops_admin_family_shown(ngx_llmops_prompt_family_t *family)
{
    return json_pack("{s:o,s:s,s:o,s:o,s:[]}",
                     "name", ngx_llmops_admin_string(&family->name),
                     "source", "configuration",
                     "versions", ngx_llmops_admin_family_versions(family),
                     "labels", ngx_llmops_admin_family_labels(family),
                     "history");
}
