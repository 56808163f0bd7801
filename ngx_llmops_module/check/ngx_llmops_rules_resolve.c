
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_ask.h"


/*
 * The rules of a route, from all the sets that it names.  Its patterns become
 * one database for each kind of text, so that a text is scanned once; kinds
 * that have the same patterns share it.
 */


typedef struct {
    ngx_conf_t                *cf;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_route_t        *route;
    ngx_llmops_ruled_t        *ruled;
    ngx_array_t                lines;      /* of ngx_llmops_rule_line_t * */
} ngx_llmops_resolving_t;


static ngx_llmops_ruleset_t *ngx_llmops_resolve_set(
    ngx_llmops_resolving_t *rs, ngx_str_t *name);
static ngx_int_t ngx_llmops_resolve_take(ngx_llmops_resolving_t *rs,
    ngx_llmops_ruleset_t *set);
static ngx_int_t ngx_llmops_resolve_rules(ngx_llmops_resolving_t *rs,
    ngx_uint_t input, ngx_llmops_rules_t *rules);
static ngx_int_t ngx_llmops_resolve_patterns(ngx_llmops_resolving_t *rs,
    ngx_llmops_rules_t *rules, ngx_llmops_rule_line_t **lines,
    ngx_uint_t kind);
static ngx_int_t ngx_llmops_resolve_line(ngx_llmops_resolving_t *rs,
    ngx_llmops_rule_line_t *line, ngx_uint_t rule, ngx_array_t *patterns);


static void
ngx_llmops_resolve_free(void *data)
{
    ngx_llmops_patterns_free(data);
}


ngx_int_t
ngx_llmops_rules_resolve(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route)
{
    ngx_str_t               *names;
    ngx_uint_t               i;
    ngx_llmops_ruleset_t    *set;
    ngx_llmops_resolving_t   rs;

    if (route->rules == NULL) {
        return NGX_OK;
    }

    rs.cf = cf;
    rs.mcf = mcf;
    rs.route = route;
    rs.ruled = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_ruled_t));

    if (rs.ruled == NULL
        || ngx_array_init(&rs.lines, cf->temp_pool, 16,
                          sizeof(ngx_llmops_rule_line_t *))
           != NGX_OK
        || ngx_array_init(&rs.ruled->forbidden, cf->pool, 4,
                          sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    names = route->rules->elts;

    for (i = 0; i < route->rules->nelts; i++) {
        set = ngx_llmops_resolve_set(&rs, &names[i]);

        if (set == NULL || ngx_llmops_resolve_take(&rs, set) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_llmops_resolve_rules(&rs, 0, &rs.ruled->output) != NGX_OK
        || ngx_llmops_resolve_rules(&rs, 1, &rs.ruled->input) != NGX_OK)
    {
        return NGX_ERROR;
    }

    route->ruled = rs.ruled;

    return NGX_OK;
}


static ngx_llmops_ruleset_t *
ngx_llmops_resolve_set(ngx_llmops_resolving_t *rs, ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_llmops_ruleset_t  **sets;

    sets = rs->mcf->rulesets ? rs->mcf->rulesets->elts : NULL;

    for (i = 0; sets && i < rs->mcf->rulesets->nelts; i++) {
        if (sets[i]->name.len == name->len
            && ngx_memcmp(sets[i]->name.data, name->data, name->len) == 0)
        {
            return sets[i];
        }
    }

    ngx_log_error(NGX_LOG_EMERG, rs->cf->log, 0,
                  "unknown llm_rules \"%V\" in \"rules\" of llm_route \"%V\", "
                  "add \"llm_rules %V { ... }\" in %V:%ui", name,
                  &rs->route->name, name, &rs->route->rules_place.file,
                  rs->route->rules_place.line);
    return NULL;
}


/* the strictest of several bounds counts */

static ngx_int_t
ngx_llmops_resolve_take(ngx_llmops_resolving_t *rs, ngx_llmops_ruleset_t *set)
{
    ngx_str_t                *name, *names;
    ngx_uint_t                i;
    ngx_llmops_ruled_t       *ruled;
    ngx_llmops_rule_line_t   *lines, **slot;

    ruled = rs->ruled;

    ruled->hold = ngx_max(ruled->hold, set->hold);
    ruled->hold_size = ngx_max(ruled->hold_size, set->hold_size);

    if (set->max_size && (ruled->max_size == 0
                          || set->max_size < ruled->max_size))
    {
        ruled->max_size = set->max_size;
    }

    if (set->max_input && (ruled->max_input == 0
                           || set->max_input < ruled->max_input))
    {
        ruled->max_input = set->max_input;
    }

    if (set->max_tokens && (ruled->max_tokens == 0
                            || set->max_tokens < ruled->max_tokens))
    {
        ruled->max_tokens = set->max_tokens;
    }

    names = set->forbidden.elts;

    for (i = 0; i < set->forbidden.nelts; i++) {
        name = ngx_array_push(&ruled->forbidden);
        if (name == NULL) {
            return NGX_ERROR;
        }

        *name = names[i];
    }

    lines = set->lines.elts;

    for (i = 0; i < set->lines.nelts; i++) {
        slot = ngx_array_push(&rs->lines);
        if (slot == NULL) {
            return NGX_ERROR;
        }

        *slot = &lines[i];
    }

    return ngx_llmops_ask_take(rs->cf, rs->mcf, ruled, set);
}


static ngx_int_t
ngx_llmops_resolve_rules(ngx_llmops_resolving_t *rs, ngx_uint_t input,
    ngx_llmops_rules_t *rules)
{
    ngx_uint_t                i, n, json;
    ngx_llmops_rule_line_t  **lines, **all;

    all = rs->lines.elts;

    lines = ngx_palloc(rs->cf->temp_pool,
                       (rs->lines.nelts + 1)
                       * sizeof(ngx_llmops_rule_line_t *));
    if (lines == NULL) {
        return NGX_ERROR;
    }

    for (n = 0, json = 0, i = 0; i < rs->lines.nelts; i++) {
        if (all[i]->input == input) {
            json += (all[i]->rule.kind == NGX_LLMOPS_RULE_JSON);
            lines[n++] = all[i];
        }
    }

    if (n == 0) {
        return NGX_OK;
    }

    if (n > NGX_LLMOPS_PATTERN_RULES || json > 1) {
        ngx_log_error(NGX_LOG_EMERG, rs->cf->log, 0,
                      "llm_route \"%V\" has %s in %V:%ui", &rs->route->name,
                      json > 1 ? "more than one \"output json\""
                               : "more than 64 rules",
                      &rs->route->rules_place.file,
                      rs->route->rules_place.line);
        return NGX_ERROR;
    }

    rules->rules = ngx_palloc(rs->cf->pool, n * sizeof(ngx_llmops_rule_t));
    if (rules->rules == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        rules->rules[i] = lines[i]->rule;
    }

    rules->nrules = n;

    for (i = 0; i < NGX_LLMOPS_TEXT_MAX; i++) {
        if (ngx_llmops_resolve_patterns(rs, rules, lines, i) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* whether two kinds of text have the same patterns */

static ngx_uint_t
ngx_llmops_resolve_same(ngx_llmops_rules_t *rules, ngx_uint_t a, ngx_uint_t b)
{
    ngx_uint_t  i, kinds;

    for (i = 0; i < rules->nrules; i++) {
        kinds = rules->rules[i].kinds;

        if ((kinds >> a & 1) != (kinds >> b & 1)) {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_llmops_resolve_patterns(ngx_llmops_resolving_t *rs,
    ngx_llmops_rules_t *rules, ngx_llmops_rule_line_t **lines,
    ngx_uint_t kind)
{
    char                    err[256];
    ngx_uint_t              i, bad;
    ngx_array_t             patterns;
    ngx_pool_cleanup_t     *cln;
    ngx_llmops_pattern_t   *p;
    ngx_llmops_patterns_t  *set;

    for (i = 0; i < kind; i++) {
        if (ngx_llmops_resolve_same(rules, i, kind)) {
            rules->sets[kind] = rules->sets[i];
            return NGX_OK;
        }
    }

    if (ngx_array_init(&patterns, rs->cf->pool, 16,
                       sizeof(ngx_llmops_pattern_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < rules->nrules; i++) {
        if ((lines[i]->rule.kinds >> kind & 1)
            && ngx_llmops_resolve_line(rs, lines[i], i, &patterns) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (patterns.nelts == 0) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(rs->cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    set = ngx_llmops_patterns_compile(patterns.elts, patterns.nelts, &bad,
                                      err, sizeof(err));
    if (set == NULL) {
        p = patterns.elts;
        i = p[bad].rule;

        ngx_log_error(NGX_LOG_EMERG, rs->cf->log, 0,
                      "invalid pattern \"%V\" of rule \"%V\": %s in %V:%ui",
                      &p[bad].regex, &rules->rules[i].name, err,
                      &lines[i]->place.file, lines[i]->place.line);
        return NGX_ERROR;
    }

    cln->handler = ngx_llmops_resolve_free;
    cln->data = set;

    rules->sets[kind] = set;

    return NGX_OK;
}


static ngx_llmops_pattern_t *
ngx_llmops_resolve_add(ngx_llmops_rule_line_t *line, ngx_uint_t rule,
    ngx_array_t *patterns)
{
    ngx_llmops_pattern_t  *p;

    p = ngx_array_push(patterns);
    if (p == NULL) {
        return NULL;
    }

    ngx_memzero(p, sizeof(ngx_llmops_pattern_t));

    p->rule = rule;
    p->replacement = line->with;
    p->reversible = line->rule.reversible;

    if (line->rule.kind == NGX_LLMOPS_RULE_REQUIRE
        || line->rule.action == NGX_LLMOPS_ACT_MARK)
    {
        p->action = NGX_LLMOPS_PATTERN_MARK;

    } else if (line->rule.action == NGX_LLMOPS_ACT_REDACT) {
        p->action = NGX_LLMOPS_PATTERN_REDACT;

    } else {
        p->action = NGX_LLMOPS_PATTERN_DENY;
    }

    return p;
}


/* "id" means "id" and all that begins with "id." */

static ngx_uint_t
ngx_llmops_resolve_named(ngx_str_t *name, ngx_str_t *match)
{
    return name->len >= match->len
           && ngx_memcmp(name->data, match->data, match->len) == 0
           && (name->len == match->len || name->data[match->len] == '.');
}


static ngx_int_t
ngx_llmops_resolve_line(ngx_llmops_resolving_t *rs,
    ngx_llmops_rule_line_t *line, ngx_uint_t rule, ngx_array_t *patterns)
{
    ngx_str_t             *match;
    ngx_uint_t             i, k, n;
    ngx_llmops_named_t    *named;
    ngx_llmops_pattern_t  *p;

    if (line->regex.data) {
        p = ngx_llmops_resolve_add(line, rule, patterns);
        if (p == NULL) {
            return NGX_ERROR;
        }

        p->regex = line->regex;
    }

    match = line->match.elts;
    named = rs->mcf->patterns ? rs->mcf->patterns->elts : NULL;

    for (i = 0; i < line->match.nelts; i++) {

        for (n = 0, k = 0; named && k < rs->mcf->patterns->nelts; k++) {

            if (!ngx_llmops_resolve_named(&named[k].name, &match[i])) {
                continue;
            }

            p = ngx_llmops_resolve_add(line, rule, patterns);
            if (p == NULL) {
                return NGX_ERROR;
            }

            n++;

            p->name = named[k].name;
            p->regex = named[k].pattern.regex;
            p->width = named[k].pattern.width;
            p->scan = named[k].pattern.scan;
            p->proof = named[k].pattern.proof;
            p->nocase = named[k].pattern.nocase;
            p->word = named[k].pattern.word;
        }

        if (n == 0) {
            ngx_log_error(NGX_LOG_EMERG, rs->cf->log, 0,
                          "unknown pattern \"%V\" of rule \"%V\", include the "
                          "pack that has it, or add \"llm_pattern %V REGEX\" "
                          "in %V:%ui", &match[i], &line->rule.name, &match[i],
                          &line->place.file, line->place.line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_llmops_rules_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route)
{
    u_char               *p;
    ngx_str_t             name;
    ngx_uint_t            i, k;
    ngx_llmops_rule_t    *rule;
    ngx_llmops_rules_t   *rules[2];

    if (route->ruled == NULL) {
        return;
    }

    ngx_llmops_ask_attach(mcf, route);

    rules[0] = &route->ruled->output;
    rules[1] = &route->ruled->input;

    for (k = 0; k < 2; k++) {
        for (i = 0; i < rules[k]->nrules; i++) {
            rule = &rules[k]->rules[i];

            name.len = route->name.len + 1 + rule->name.len;
            name.data = ngx_pnalloc(ngx_cycle->pool, name.len);

            if (name.data == NULL) {
                return;
            }

            p = ngx_cpymem(name.data, route->name.data, route->name.len);
            *p++ = '\0';
            ngx_memcpy(p, rule->name.data, rule->name.len);

            rule->data = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_RULE,
                                              &name,
                                              sizeof(ngx_llmops_rule_sh_t));
        }
    }
}
