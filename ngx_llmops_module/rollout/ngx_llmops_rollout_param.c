
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * The parameters of "canary".  A handler returns NGX_DECLINED for a value that
 * is refused with the advice of the table, NGX_ERROR if it has said why.
 */


typedef struct {
    ngx_str_t                  name;       /* with "=" */
    ngx_int_t                (*handler)(ngx_conf_t *cf,
                                   ngx_llmops_rollout_t *ro,
                                   ngx_str_t *value);
    const char                *advice;
    unsigned                   many:1;     /* may be there more than once */
} ngx_llmops_rollout_param_t;


static ngx_int_t ngx_llmops_rollout_set_prompt(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_rules(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_share(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_steps(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_by(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_hold(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_guard(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_evaluation(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_min(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_alpha(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_promote(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_fallback(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_streams(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_webhook(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_secret(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_time(ngx_str_t *value, ngx_int_t least,
    ngx_msec_t *field);
static ngx_int_t ngx_llmops_rollout_either(ngx_str_t *value, const char *no,
    const char *yes, ngx_flag_t *flag);
static ngx_llmops_webhook_t *ngx_llmops_rollout_hook(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro);


static const ngx_llmops_rollout_param_t  ngx_llmops_rollout_params[] = {

    { ngx_string("prompt="), ngx_llmops_rollout_set_prompt,
      "write NAME@VERSION, for example \"prompt=support@v4\"", 0 },

    { ngx_string("rules="), ngx_llmops_rollout_set_rules,
      "write names of llm_rules, for example \"rules=strict,polite\"", 0 },

    { ngx_string("share="), ngx_llmops_rollout_set_share,
      "write a share above 0% and up to 100%, for example \"share=5%\"", 0 },

    { ngx_string("steps="), ngx_llmops_rollout_set_steps,
      "write up to 16 shares, each larger than the one before, for example "
      "\"steps=5%,25%,50%,100%\"", 0 },

    { ngx_string("by="), ngx_llmops_rollout_set_by,
      "write a variable whose requests stay together, for example "
      "\"by=$llm_client\"", 0 },

    { ngx_string("hold="), ngx_llmops_rollout_set_hold,
      "write a time, for example \"hold=30m\"", 0 },

    { ngx_string("guard="), ngx_llmops_rollout_set_guard, NULL, 1 },

    { ngx_string("judge="), ngx_llmops_judge_set,
      "write a model, for example \"judge=claude/claude-haiku-4-5\"", 0 },

    { ngx_string("judge_share="), ngx_llmops_judge_set_share,
      "write a share above 0% and up to 100%, for example "
      "\"judge_share=10%\"", 0 },

    { ngx_string("judge_timeout="), ngx_llmops_judge_set_timeout,
      "write a time, for example \"judge_timeout=60s\"", 0 },

    { ngx_string("rubric="), ngx_llmops_judge_set_rubric,
      "write what the judge goes by, \"rubric=TEXT\" or "
      "\"rubric=file:PATH\"", 0 },

    { ngx_string("evaluation="), ngx_llmops_rollout_set_evaluation,
      "write the name of an evaluation that has to pass, each one once, for "
      "example \"evaluation=golden\"", 1 },

    { ngx_string("min="), ngx_llmops_rollout_set_min,
      "write a number of requests from 1 to 1000000000, for example "
      "\"min=200\"", 0 },

    { ngx_string("alpha="), ngx_llmops_rollout_set_alpha,
      "write the chance of a false rollback, above 0 and up to 0.5, for "
      "example \"alpha=0.05\"", 0 },

    { ngx_string("promote="), ngx_llmops_rollout_set_promote,
      "write \"promote=auto\" or \"promote=manual\"", 0 },

    { ngx_string("fallback="), ngx_llmops_rollout_set_fallback,
      "write for how long fallbacks come first if the stable arm is ill, too, "
      "for example \"fallback=10m\"", 0 },

    { ngx_string("streams="), ngx_llmops_rollout_set_streams,
      "write \"streams=finish\" or \"streams=cut\"", 0 },

    { ngx_string("webhook="), ngx_llmops_rollout_set_webhook,
      "write a URL, for example \"webhook=https://ops.example.com/rollouts\"",
      0 },

    { ngx_string("webhook_secret="), ngx_llmops_rollout_set_secret, NULL, 0 },

    { ngx_null_string, NULL, NULL, 0 }
};


char *
ngx_llmops_rollout_param(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *arg, ngx_uint_t *seen)
{
    ngx_int_t                          rc;
    ngx_str_t                          value;
    ngx_uint_t                         i;
    const ngx_llmops_rollout_param_t  *p;

    for (i = 0; ngx_llmops_rollout_params[i].name.len; i++) {

        p = &ngx_llmops_rollout_params[i];

        if (arg->len < p->name.len
            || ngx_memcmp(arg->data, p->name.data, p->name.len) != 0)
        {
            continue;
        }

        if (!p->many && (*seen & ((ngx_uint_t) 1 << i))) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate \"%V\" in \"canary\"", &p->name);
            return NGX_CONF_ERROR;
        }

        *seen |= (ngx_uint_t) 1 << i;

        value.data = arg->data + p->name.len;
        value.len = arg->len - p->name.len;

        rc = p->handler(cf, ro, &value);

        if (rc == NGX_DECLINED) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid \"%V\", %s",
                               arg, p->advice);
        }

        return rc == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", \"canary\" has "
                       "\"UPSTREAM/MODEL\" first, then \"prompt=\", "
                       "\"rules=\", \"share=\", \"steps=\", \"by=\", "
                       "\"hold=\", \"guard=\", \"judge=\", \"judge_share=\", "
                       "\"judge_timeout=\", \"rubric=\", "
                       "\"evaluation=\", \"min=\", "
                       "\"alpha=\", \"promote=\", \"fallback=\", "
                       "\"streams=\", \"webhook=\" and \"webhook_secret=\"",
                       arg);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_llmops_rollout_set_prompt(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    u_char     *at;
    ngx_str_t   name, version;

    at = ngx_strlchr(value->data, value->data + value->len, '@');

    if (at == NULL) {
        return NGX_DECLINED;
    }

    name.data = value->data;
    name.len = at - value->data;
    version.data = at + 1;
    version.len = value->data + value->len - version.data;

    if (!ngx_llmops_prompt_name(&name) || !ngx_llmops_prompt_name(&version)) {
        return NGX_DECLINED;
    }

    ro->reference = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_set_rules(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_str_t  *name, list;

    ro->other = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_route_t));
    if (ro->other == NULL) {
        return NGX_ERROR;
    }

    ro->other->rules = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    if (ro->other->rules == NULL) {
        return NGX_ERROR;
    }

    ro->rules = *value;

    for (list = *value; list.data; /* void */ ) {

        name = ngx_array_push(ro->other->rules);
        if (name == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_llmops_arg_next(&list, name);

        if (name->len == 0) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_set_share(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_uint_t  n, first;

    if (ngx_strlchr(value->data, value->data + value->len, ',')) {
        return NGX_DECLINED;
    }

    if (ro->nsteps == 0) {
        return ngx_llmops_rollout_set_steps(cf, ro, value);
    }

    /* beside "steps=" it is the first of them */

    n = ro->nsteps;
    first = ro->steps[0];
    ro->nsteps = 0;

    if (ngx_llmops_rollout_set_steps(cf, ro, value) != NGX_OK) {
        return NGX_DECLINED;
    }

    ro->nsteps = n;

    if (ro->steps[0] != first) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"share=%V\" is not the first of \"steps=\", "
                           "take it out", value);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_set_steps(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_int_t   n;
    ngx_str_t   list, item;
    ngx_uint_t  share, count;

    share = ro->nsteps ? ro->steps[0] : 0;
    count = 0;
    list = *value;

    while (ngx_llmops_arg_next(&list, &item)) {

        n = ngx_llmops_arg_percent(&item);

        if (n <= 0 || count == NGX_LLMOPS_ROLLOUT_STEPS
            || (count && (ngx_uint_t) n <= ro->steps[count - 1]))
        {
            return NGX_DECLINED;
        }

        ro->steps[count++] = n;
    }

    ro->nsteps = count;

    if (share && share != ro->steps[0]) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"share=\" is not the first of \"steps=%V\", take "
                           "it out", value);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_set_by(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    if (value->len == 0) {
        return NGX_DECLINED;
    }

    ro->by = ngx_llmops_arg_complex(cf, value);
    if (ro->by == NULL) {
        return NGX_ERROR;
    }

    return ro->by->lengths ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_rollout_set_hold(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    return ngx_llmops_rollout_time(value, 0, &ro->hold);
}


static ngx_int_t
ngx_llmops_rollout_set_fallback(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    return ngx_llmops_rollout_time(value, 1, &ro->fallback);
}


/* at least so many milliseconds */

static ngx_int_t
ngx_llmops_rollout_time(ngx_str_t *value, ngx_int_t least, ngx_msec_t *field)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 0);

    if (n < least || value->len == 0) {
        return NGX_DECLINED;
    }

    *field = n;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_set_guard(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_uint_t           i;
    const char          *error;
    ngx_llmops_guard_t  *guard;

    if (ro->nguards == NGX_LLMOPS_ROLLOUT_GUARDS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"canary\" has more than %d guards",
                           NGX_LLMOPS_ROLLOUT_GUARDS);
        return NGX_ERROR;
    }

    guard = &ro->guards[ro->nguards];

    if (ngx_llmops_guard_parse(value, guard, &error) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid \"guard=%V\", %s",
                           value, error);
        return NGX_ERROR;
    }

    for (i = 0; i < ro->nguards; i++) {
        if (ro->guards[i].text.len == value->len
            && ngx_memcmp(ro->guards[i].text.data, value->data, value->len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate \"guard=%V\"", value);
            return NGX_ERROR;
        }
    }

    ro->measures |= (ngx_uint_t) 1 << guard->measure;
    ro->nguards++;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_set_evaluation(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_uint_t  i;

    if (ro->nevaluations == NGX_LLMOPS_ROLLOUT_EVALUATIONS
        || !ngx_llmops_prompt_name(value))
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < ro->nevaluations; i++) {
        if (ro->evaluations[i].len == value->len
            && ngx_memcmp(ro->evaluations[i].data, value->data, value->len)
               == 0)
        {
            return NGX_DECLINED;
        }
    }

    ro->evaluations[ro->nevaluations++] = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_set_min(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);
    ro->min = n;

    return (n > 0 && n <= 1000000000) ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_rollout_set_alpha(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atofp(value->data, value->len, 9);
    ro->alpha = (double) n / 1e9;

    return (n > 0 && n <= 500000000) ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_rollout_set_promote(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    return ngx_llmops_rollout_either(value, "auto", "manual", &ro->manual);
}


/* what becomes of the candidate's streams at a rollback */

static ngx_int_t
ngx_llmops_rollout_set_streams(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    return ngx_llmops_rollout_either(value, "finish", "cut", &ro->cut);
}


/* the second of two words sets the flag */

static ngx_int_t
ngx_llmops_rollout_either(ngx_str_t *value, const char *no, const char *yes,
    ngx_flag_t *flag)
{
    *flag = (ngx_strcmp(value->data, yes) == 0);

    return *flag || ngx_strcmp(value->data, no) == 0 ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_rollout_set_webhook(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    const char            *error;
    ngx_llmops_webhook_t  *wh;

    wh = ngx_llmops_rollout_hook(cf, ro);
    if (wh == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_fetch_url(cf, value, NULL, &wh->url, &error) == NGX_OK
           ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_rollout_set_secret(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_llmops_webhook_t  *wh;

    wh = ngx_llmops_rollout_hook(cf, ro);
    if (wh == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_secret_read(cf, value, "webhook_secret", &wh->secret);
}


/* whichever of its parameters comes first */

static ngx_llmops_webhook_t *
ngx_llmops_rollout_hook(ngx_conf_t *cf, ngx_llmops_rollout_t *ro)
{
    if (ro->webhook == NULL) {
        ro->webhook = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_webhook_t));
    }

    return ro->webhook;
}
