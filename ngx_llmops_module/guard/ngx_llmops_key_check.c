
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_key_check.h"

#include <stdio.h>


/*
 * One table says what a record is, for all who write one: the admin API, the
 * file of llm_keys, and what is read back from the store.  A member that is
 * not in it is an error, since a misspelled "countrys" would otherwise allow
 * all countries.
 */


typedef struct {
    const char                *name;
    ngx_llmops_key_value_pt    value;
    ngx_uint_t                 which;      /* where it may stand */
} ngx_llmops_key_member_t;


static ngx_int_t ngx_llmops_key_check_member(json_t *record,
    const char *name, json_t *value, ngx_uint_t which, char *error);
static void ngx_llmops_key_check_problem(const char *name,
    const char *problem, char *error);
static ngx_llmops_key_member_t *ngx_llmops_key_member(const char *name,
    ngx_uint_t which);


static ngx_llmops_key_member_t  ngx_llmops_key_members[] = {

    { "id", ngx_llmops_key_value_id, NGX_LLMOPS_KEY_WHOLE },
    { "hashes", ngx_llmops_key_value_hashes, NGX_LLMOPS_KEY_WHOLE },
    { "created", ngx_llmops_key_value_time, NGX_LLMOPS_KEY_WHOLE },

    { "client", ngx_llmops_key_value_text,
      NGX_LLMOPS_KEY_WANTED|NGX_LLMOPS_KEY_WHOLE },
    { "tenant", ngx_llmops_key_value_text,
      NGX_LLMOPS_KEY_WANTED|NGX_LLMOPS_KEY_WHOLE },
    { "plan", ngx_llmops_key_value_text,
      NGX_LLMOPS_KEY_WANTED|NGX_LLMOPS_KEY_WHOLE },
    { "routes", ngx_llmops_key_value_patterns,
      NGX_LLMOPS_KEY_WANTED|NGX_LLMOPS_KEY_WHOLE },
    { "models", ngx_llmops_key_value_patterns,
      NGX_LLMOPS_KEY_WANTED|NGX_LLMOPS_KEY_WHOLE },
    { "limits", ngx_llmops_key_value_limits,
      NGX_LLMOPS_KEY_WANTED|NGX_LLMOPS_KEY_WHOLE },
    { "metadata", ngx_llmops_key_value_metadata,
      NGX_LLMOPS_KEY_WANTED|NGX_LLMOPS_KEY_WHOLE },
    { "networks", ngx_llmops_key_value_networks,
      NGX_LLMOPS_KEY_WANTED|NGX_LLMOPS_KEY_WHOLE },
    { "countries", ngx_llmops_key_value_countries,
      NGX_LLMOPS_KEY_WANTED|NGX_LLMOPS_KEY_WHOLE },
    { "disabled", ngx_llmops_key_value_flag,
      NGX_LLMOPS_KEY_WANTED|NGX_LLMOPS_KEY_WHOLE },
    { "expires", ngx_llmops_key_value_time,
      NGX_LLMOPS_KEY_WANTED|NGX_LLMOPS_KEY_WHOLE },

    { NULL, NULL, 0 }
};


ngx_int_t
ngx_llmops_key_check(json_t *record, json_t *wanted, ngx_uint_t which,
    char *error)
{
    void        *tmp;
    json_t      *value;
    const char  *name;

    json_object_foreach_safe(wanted, tmp, name, value) {

        if (ngx_llmops_key_check_member(record, name, value, which, error)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_key_check_member(json_t *record, const char *name, json_t *value,
    ngx_uint_t which, char *error)
{
    json_t                   *checked;
    const char               *problem;
    ngx_llmops_key_member_t  *member;

    member = ngx_llmops_key_member(name, which);

    if (member == NULL) {
        (void) snprintf(error, NGX_LLMOPS_KEY_ERROR,
                        "unknown member \"%.40s\", there are client, tenant, "
                        "plan, routes, models, limits, metadata, networks, "
                        "countries, disabled and expires", name);
        return NGX_ERROR;
    }

    if (json_is_null(value) && which == NGX_LLMOPS_KEY_WANTED) {
        (void) json_object_del(record, name);
        return NGX_OK;
    }

    problem = NULL;

    checked = member->value(value, &problem);

    if (checked == NULL) {
        ngx_llmops_key_check_problem(member->name, problem, error);
        return NGX_ERROR;
    }

    if (json_object_set_new(record, member->name, checked) != 0) {
        (void) snprintf(error, NGX_LLMOPS_KEY_ERROR, "out of memory");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_llmops_key_check_problem(const char *name, const char *problem,
    char *error)
{
    if (problem == NULL) {
        (void) snprintf(error, NGX_LLMOPS_KEY_ERROR, "out of memory");

    } else if (ngx_strncmp(problem, "must ", 5) == 0) {
        (void) snprintf(error, NGX_LLMOPS_KEY_ERROR, "\"%s\" %s", name,
                        problem);

    } else {
        (void) snprintf(error, NGX_LLMOPS_KEY_ERROR, "invalid \"%s\": %s",
                        name, problem);
    }
}


static ngx_llmops_key_member_t *
ngx_llmops_key_member(const char *name, ngx_uint_t which)
{
    ngx_llmops_key_member_t  *member;

    for (member = ngx_llmops_key_members; member->name; member++) {
        if ((member->which & which) && ngx_strcmp(member->name, name) == 0) {
            return member;
        }
    }

    return NULL;
}
