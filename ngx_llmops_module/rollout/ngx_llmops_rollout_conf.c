
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * canary [UPSTREAM/MODEL] [prompt=NAME@VERSION] guard=... [guard=...]
 *        [share=5% | steps=5%,25%,100%] [by=$variable] [hold=30m] [min=200]
 *        [alpha=0.05] [promote=auto|manual] [webhook=URL]
 *        [webhook_secret=...];
 *
 * The candidate's target is one of the route's, with a weight of 0: it is
 * resolved, priced, counted and shown like all others, and no plan has it but
 * those of the candidate's requests.
 */


#define NGX_LLMOPS_ROLLOUT_HOLD     (30 * 60 * 1000)
#define NGX_LLMOPS_ROLLOUT_MIN      200
#define NGX_LLMOPS_ROLLOUT_ALPHA    0.05


typedef struct {
    ngx_str_t                  name;       /* with "=" */
    ngx_int_t                (*handler)(ngx_conf_t *cf,
                                   ngx_llmops_rollout_t *ro,
                                   ngx_str_t *value);
    const char                *advice;
    unsigned                   many:1;     /* may be there more than once */
} ngx_llmops_rollout_param_t;


static char *ngx_llmops_rollout_candidate(ngx_conf_t *cf,
    ngx_llmops_route_t *route, ngx_llmops_rollout_t *ro, ngx_str_t *name);
static char *ngx_llmops_rollout_param(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *arg, ngx_uint_t *seen);
static char *ngx_llmops_rollout_finish(ngx_conf_t *cf,
    ngx_llmops_route_t *route, ngx_llmops_rollout_t *ro);
static ngx_int_t ngx_llmops_rollout_name(ngx_conf_t *cf,
    ngx_llmops_route_t *route, ngx_llmops_rollout_t *ro);

static ngx_int_t ngx_llmops_rollout_set_prompt(ngx_conf_t *cf,
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
static ngx_int_t ngx_llmops_rollout_set_min(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_alpha(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_promote(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_webhook(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_int_t ngx_llmops_rollout_set_secret(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
static ngx_llmops_webhook_t *ngx_llmops_rollout_hook(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro);

static ngx_int_t ngx_llmops_rollout_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_rollout_t *ro);
static ngx_int_t ngx_llmops_rollout_resolve_prompt(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_rollout_t *ro);
static ngx_int_t ngx_llmops_rollout_check(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_rollout_t *ro);
static ngx_int_t ngx_llmops_rollout_resolver(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro);


static const ngx_llmops_rollout_param_t  ngx_llmops_rollout_params[] = {

    { ngx_string("prompt="), ngx_llmops_rollout_set_prompt,
      "write NAME@VERSION, for example \"prompt=support@v4\"", 0 },

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

    { ngx_string("min="), ngx_llmops_rollout_set_min,
      "write a number of requests from 1 to 1000000000, for example "
      "\"min=200\"", 0 },

    { ngx_string("alpha="), ngx_llmops_rollout_set_alpha,
      "write the chance of a false rollback, above 0 and up to 0.5, for "
      "example \"alpha=0.05\"", 0 },

    { ngx_string("promote="), ngx_llmops_rollout_set_promote,
      "write \"promote=auto\" or \"promote=manual\"", 0 },

    { ngx_string("webhook="), ngx_llmops_rollout_set_webhook,
      "write a URL, for example \"webhook=https://ops.example.com/rollouts\"",
      0 },

    { ngx_string("webhook_secret="), ngx_llmops_rollout_set_secret, NULL, 0 },

    { ngx_null_string, NULL, NULL, 0 }
};


char *
ngx_llmops_rollout_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_route_t *route = conf;

    ngx_str_t             *value;
    ngx_uint_t             i, seen;
    ngx_llmops_rollout_t  *ro;

    if (route->rollout) {
        return "is duplicate, a route has one canary at a time";
    }

    ro = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_rollout_t));
    if (ro == NULL) {
        return NGX_CONF_ERROR;
    }

    route->rollout = ro;

    ro->route = route;
    ro->manual = NGX_CONF_UNSET;
    ro->hold = NGX_CONF_UNSET_MSEC;
    ro->place.file = cf->conf_file->file.name;
    ro->place.line = cf->conf_file->line;

    value = cf->args->elts;
    seen = 0;
    i = 1;

    if (ngx_strlchr(value[1].data, value[1].data + value[1].len, '=') == NULL)
    {
        if (ngx_llmops_rollout_candidate(cf, route, ro, &value[1])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        i = 2;
    }

    for ( /* void */ ; i < cf->args->nelts; i++) {
        value = cf->args->elts;

        if (ngx_llmops_rollout_param(cf, ro, &value[i], &seen) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_llmops_rollout_finish(cf, route, ro);
}


/* as "target UPSTREAM/MODEL weight=0;" */

static char *
ngx_llmops_rollout_candidate(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_llmops_rollout_t *ro, ngx_str_t *name)
{
    char                 *rv;
    ngx_str_t            *value;
    ngx_uint_t            i;
    ngx_array_t          *args, target;
    ngx_llmops_target_t  *t;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {
        if (t[i].name.len == name->len
            && ngx_memcmp(t[i].name.data, name->data, name->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the candidate \"%V\" is a target of the route "
                               "already, take it out of \"%s\"", name,
                               t[i].fallback ? "fallback" : "target");
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_array_init(&target, cf->temp_pool, 3, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    value = ngx_array_push_n(&target, 3);

    ngx_str_set(&value[0], "target");
    value[1] = *name;
    ngx_str_set(&value[2], "weight=0");

    args = cf->args;
    cf->args = &target;

    rv = ngx_llmops_route_target(cf, NULL, route);

    cf->args = args;

    ro->model = *name;

    return rv;
}


static char *
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
                       "\"share=\", \"steps=\", \"by=\", \"hold=\", "
                       "\"guard=\", \"min=\", \"alpha=\", \"promote=\", "
                       "\"webhook=\" and \"webhook_secret=\"", arg);
    return NGX_CONF_ERROR;
}


static char *
ngx_llmops_rollout_finish(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_llmops_rollout_t *ro)
{
    ngx_conf_init_msec_value(ro->hold, NGX_LLMOPS_ROLLOUT_HOLD);
    ngx_conf_init_value(ro->manual, 0);

    if (ro->min == 0) {
        ro->min = NGX_LLMOPS_ROLLOUT_MIN;
    }

    if (ro->alpha == 0) {
        ro->alpha = NGX_LLMOPS_ROLLOUT_ALPHA;
    }

    if (ro->model.len == 0 && ro->reference.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"canary\" has no candidate, write \"canary "
                           "UPSTREAM/MODEL ...\" or \"canary "
                           "prompt=NAME@VERSION ...\"");
        return NGX_CONF_ERROR;
    }

    if (ro->nguards == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"canary\" without a guard would never be rolled "
                           "back, add for example \"guard=errors<2%%\"");
        return NGX_CONF_ERROR;
    }

    if (ro->nsteps == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"canary\" says nothing of how many requests the "
                           "candidate gets, add \"share=5%%\" or "
                           "\"steps=5%%,25%%,50%%,100%%\"");
        return NGX_CONF_ERROR;
    }

    if (ro->webhook && ro->webhook->url.host.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"canary\" has \"webhook_secret=\" without a URL, "
                           "add \"webhook=https://...\"");
        return NGX_CONF_ERROR;
    }

    /* each guard, at each step, has its part of the chance */

    ro->needed = ngx_llmops_seq_needed(ro->alpha, ro->nguards * ro->nsteps);

    return ngx_llmops_rollout_name(cf, route, ro) == NGX_OK ? NGX_CONF_OK
                                                            : NGX_CONF_ERROR;
}


/* "openai/gpt-5-mini prompt=support@v4"; the document is "ROUTE:..." */

static ngx_int_t
ngx_llmops_rollout_name(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_llmops_rollout_t *ro)
{
    u_char  *p;
    size_t   len;

    len = route->name.len + 1 + ro->model.len + sizeof(" prompt=") - 1
          + ro->reference.len;

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ro->id.data = p;
    p = ngx_sprintf(p, "%V:", &route->name);

    ro->candidate.data = p;
    p = ngx_cpymem(p, ro->model.data, ro->model.len);

    if (ro->reference.len) {
        p = ngx_sprintf(p, "%sprompt=%V", ro->model.len ? " " : "",
                        &ro->reference);
    }

    ro->candidate.len = p - ro->candidate.data;
    ro->id.len = p - ro->id.data;

    if (ro->id.len > NGX_LLMOPS_DOC_ID) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the names of route and candidate are too long, "
                           "they may have %d bytes together",
                           NGX_LLMOPS_DOC_ID - 1);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* -- parameters ----------------------------------------------------------- */

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
    u_char      *p, *end, *last;
    ngx_int_t    n;
    ngx_uint_t   share, count;

    share = ro->nsteps ? ro->steps[0] : 0;
    count = 0;

    p = value->data;
    last = p + value->len;

    for ( ;; ) {
        end = ngx_strlchr(p, last, ',');
        end = end ? end : last;

        if (end - p < 2 || end[-1] != '%'
            || count == NGX_LLMOPS_ROLLOUT_STEPS)
        {
            return NGX_DECLINED;
        }

        n = ngx_atofp(p, end - p - 1, 2);

        if (n == NGX_ERROR || n == 0 || n > 10000
            || (count && (ngx_uint_t) n <= ro->steps[count - 1]))
        {
            return NGX_DECLINED;
        }

        ro->steps[count++] = n;

        if (end == last) {
            break;
        }

        p = end + 1;
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
    ngx_http_compile_complex_value_t  ccv;

    if (value->len == 0) {
        return NGX_DECLINED;
    }

    ro->by = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (ro->by == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = ro->by;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_ERROR;
    }

    return ro->by->lengths ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_rollout_set_hold(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 0);

    if (n == NGX_ERROR || value->len == 0) {
        return NGX_DECLINED;
    }

    ro->hold = n;

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
ngx_llmops_rollout_set_min(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n == 0 || n > 1000000000) {
        return NGX_DECLINED;
    }

    ro->min = n;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_set_alpha(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atofp(value->data, value->len, 9);

    if (n == NGX_ERROR || n == 0 || n > 500000000) {
        return NGX_DECLINED;
    }

    ro->alpha = (double) n / 1e9;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_set_promote(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    if (ngx_strcmp(value->data, "auto") == 0) {
        ro->manual = 0;
        return NGX_OK;
    }

    if (ngx_strcmp(value->data, "manual") == 0) {
        ro->manual = 1;
        return NGX_OK;
    }

    return NGX_DECLINED;
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


/* -- when all has been read ----------------------------------------------- */

ngx_int_t
ngx_llmops_rollouts_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t               i;
    ngx_llmops_route_t     **routes;
    ngx_llmops_rollout_t   **slot;
    ngx_llmops_rollouts_t   *rollouts;

    rollouts = NULL;
    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {

        if (routes[i]->rollout == NULL) {
            continue;
        }

        if (rollouts == NULL) {
            rollouts = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_rollouts_t));

            if (rollouts == NULL
                || ngx_array_init(&rollouts->rollouts, cf->pool, 4,
                                  sizeof(ngx_llmops_rollout_t *))
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        slot = ngx_array_push(&rollouts->rollouts);
        if (slot == NULL) {
            return NGX_ERROR;
        }

        *slot = routes[i]->rollout;

        if (ngx_llmops_rollout_resolve(cf, mcf, *slot) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    mcf->rollouts = rollouts;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_resolve(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro)
{
    ngx_uint_t            i;
    ngx_llmops_target_t  *t;

    t = ro->route->targets.elts;

    for (i = 0; ro->model.len && i < ro->route->targets.nelts; i++) {
        if (t[i].name.len == ro->model.len
            && ngx_memcmp(t[i].name.data, ro->model.data, ro->model.len) == 0)
        {
            ro->target = &t[i];
        }
    }

    if (ngx_llmops_rollout_resolve_prompt(cf, mcf, ro) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_rollout_check(cf, mcf, ro);
}


static ngx_int_t
ngx_llmops_rollout_resolve_prompt(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro)
{
    u_char                      *at;
    ngx_str_t                    name, version;
    ngx_llmops_prompt_family_t  *family;

    if (ro->reference.len == 0) {
        return NGX_OK;
    }

    at = ngx_strlchr(ro->reference.data,
                     ro->reference.data + ro->reference.len, '@');

    name.data = ro->reference.data;
    name.len = at - name.data;
    version.data = at + 1;
    version.len = ro->reference.data + ro->reference.len - version.data;

    family = mcf->prompts ? ngx_llmops_prompt_family(mcf->prompts, &name)
                          : NULL;

    ro->prompt = family ? ngx_llmops_prompt_version(family, &version) : NULL;

    if (ro->prompt) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "unknown prompt \"%V\" in \"canary\" in %V:%ui, write "
                  "\"llm_prompt %V %V FILE;\" in http{}", &ro->reference,
                  &ro->place.file, ro->place.line, &name, &version);
    return NGX_ERROR;
}


/* whether guards have something to look at */

static ngx_int_t
ngx_llmops_rollout_check(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro)
{
    if ((ro->measures & (1 << NGX_LLMOPS_MEASURE_CHECKS))
        && ro->route->ruled == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"guard=checks\" in %V:%ui has no rules to look at, add "
                      "\"rules NAME;\" to llm_route \"%V\"",
                      &ro->place.file, ro->place.line, &ro->route->name);
        return NGX_ERROR;
    }

    if ((ro->measures & (1 << NGX_LLMOPS_MEASURE_FEEDBACK))
        && mcf->feedback == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"guard=feedback\" in %V:%ui needs \"llm_feedback "
                      "24h;\" in http{}", &ro->place.file, ro->place.line);
        return NGX_ERROR;
    }

    if ((ro->measures & (1 << NGX_LLMOPS_MEASURE_COST)) && ro->target
        && ro->target->model.len && ro->target->price == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"guard=cost\" in %V:%ui needs the price of \"%V\", "
                      "write \"llm_price %V input=... output=...;\" in its "
                      "upstream{}", &ro->place.file, ro->place.line,
                      &ro->model, &ro->target->model);
        return NGX_ERROR;
    }

    return ro->webhook ? ngx_llmops_rollout_resolver(cf, ro) : NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_resolver(ngx_conf_t *cf, ngx_llmops_rollout_t *ro)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (ngx_llmops_net_family(&ro->webhook->url.host) != AF_UNSPEC) {
        return NGX_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* nginx puts in a resolver without servers if none is configured */

    if (clcf->resolver == NULL || clcf->resolver->connections.nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no resolver to resolve \"%V\" of the webhook of "
                      "\"canary\" in %V:%ui, write \"resolver ADDRESS;\" in "
                      "http{}", &ro->webhook->url.host, &ro->place.file,
                      ro->place.line);
        return NGX_ERROR;
    }

    ro->webhook->resolver = clcf->resolver;

    return NGX_OK;
}


ngx_llmops_rollout_t *
ngx_llmops_rollout_named(ngx_llmops_main_conf_t *mcf, ngx_str_t *route)
{
    ngx_uint_t               i;
    ngx_llmops_rollout_t   **ro;
    ngx_llmops_rollouts_t   *rollouts;

    rollouts = mcf->rollouts;

    if (rollouts == NULL) {
        return NULL;
    }

    ro = rollouts->rollouts.elts;

    for (i = 0; i < rollouts->rollouts.nelts; i++) {
        if (ro[i]->route->name.len == route->len
            && ngx_memcmp(ro[i]->route->name.data, route->data, route->len)
               == 0)
        {
            return ro[i];
        }
    }

    return NULL;
}
