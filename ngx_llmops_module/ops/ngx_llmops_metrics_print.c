
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics_print.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_ask.h"


/*
 * Numbers are read one by one while others count.  A histogram is read into
 * local memory first, so that its buckets, its count and its order agree.
 */


static void ngx_llmops_print_histogram(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, ngx_llmops_histogram_t *h,
    const char *label, const ngx_str_t *value, ngx_uint_t seconds);
static void ngx_llmops_print_bound(ngx_llmops_print_t *pr, const char *text);
static ngx_uint_t ngx_llmops_histogram_count(ngx_llmops_histogram_t *h);
static void ngx_llmops_print_open(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, const char *suffix, ngx_str_t *name);
static void ngx_llmops_print_labels(ngx_llmops_print_t *pr, ngx_str_t *name,
    const ngx_str_t *names);
static void ngx_llmops_print_label(ngx_llmops_print_t *pr, const char *label,
    const ngx_str_t *value);


/* labels of what we name ourselves, and of what OpenTelemetry has named */

static const ngx_str_t  ngx_llmops_own_labels[] = {
    ngx_string("route"),
    ngx_string("target"),
    ngx_string("operation"),
    ngx_null_string,
    ngx_null_string,
    ngx_string("prompt")
};

static const ngx_str_t  ngx_llmops_otel_labels[] = {
    ngx_string("route"),
    ngx_string("target"),
    ngx_string("gen_ai_operation_name"),
    ngx_string("gen_ai_provider_name"),
    ngx_string("gen_ai_request_model"),
    ngx_string("prompt")
};


#define ngx_llmops_counter(node, offset)                                      \
    (*(ngx_atomic_t *) ((u_char *) (node) + (offset)))


void
ngx_llmops_print_info(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    ngx_llmops_page_printf(&pr->page,
                           "%V{version=\"" NGX_LLMOPS_VERSION "\","
                           "nginx_version=\"" NGINX_VERSION "\"} 1\n",
                           &f->name);
}


void
ngx_llmops_print_loaded(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    ngx_llmops_page_printf(&pr->page, "%V %T\n", &f->name, pr->mcf->started);
}


void
ngx_llmops_print_in_flight(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_page_printf(&pr->page, "%V %ui\n", &f->name, pr->requests);
}


void
ngx_llmops_print_detached(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_page_printf(&pr->page, "%V %ui\n", &f->name, pr->detached);
}


void
ngx_llmops_print_purpose(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_page_printf(&pr->page, "%V{route=\"", &f->name);
    ngx_llmops_print_escaped(pr, name->data, name->len);
    ngx_llmops_page_printf(&pr->page, "\"} %uA\n",
                           ngx_llmops_counter(node, f->offset));
}


void
ngx_llmops_print_requests(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t               i, n;
    ngx_llmops_series_sh_t  *s = node;

    for (i = 0; i < NGX_LLMOPS_ERR_MAX; i++) {

        n = ngx_llmops_histogram_count(&s->duration[i]);

        if (n) {
            ngx_llmops_print_open(pr, f, "", name);
            ngx_llmops_print_label(pr, "error_type",
                                   &ngx_llmops_error_names[i]);
            ngx_llmops_page_printf(&pr->page, "} %ui\n", n);
        }
    }
}


void
ngx_llmops_print_duration(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t               i;
    ngx_llmops_series_sh_t  *s = node;

    for (i = 0; i < NGX_LLMOPS_ERR_MAX; i++) {
        ngx_llmops_print_histogram(pr, f, name, &s->duration[i], "error_type",
                                   &ngx_llmops_error_names[i], 1);
    }
}


void
ngx_llmops_print_usage(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    ngx_llmops_series_sh_t  *s = node;

    static const ngx_str_t  input = ngx_string("input");
    static const ngx_str_t  output = ngx_string("output");

    ngx_llmops_print_histogram(pr, f, name, &s->input, "gen_ai_token_type",
                               &input, 0);
    ngx_llmops_print_histogram(pr, f, name, &s->output, "gen_ai_token_type",
                               &output, 0);
}


void
ngx_llmops_print_times(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    ngx_llmops_print_histogram(pr, f, name,
                               (ngx_llmops_histogram_t *) ((u_char *) node
                                                           + f->offset),
                               NULL, NULL, 1);
}


void
ngx_llmops_print_tokens(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    ngx_uint_t  i, n;

    static const struct {
        ngx_str_t  type;
        size_t     offset;
    } tokens[] = {
        { ngx_string("input"),
          offsetof(ngx_llmops_series_sh_t, input.sum) },
        { ngx_string("output"),
          offsetof(ngx_llmops_series_sh_t, output.sum) },
        { ngx_string("cached"),
          offsetof(ngx_llmops_series_sh_t, cached) },
        { ngx_string("cache_write"),
          offsetof(ngx_llmops_series_sh_t, cache_write) },
        { ngx_string("reasoning"),
          offsetof(ngx_llmops_series_sh_t, reasoning) }
    };

    for (i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {

        n = ngx_llmops_counter(node, tokens[i].offset);

        if (n) {
            ngx_llmops_print_open(pr, f, "", name);
            ngx_llmops_print_label(pr, "type", &tokens[i].type);
            ngx_llmops_page_printf(&pr->page, "} %ui\n", n);
        }
    }
}


void
ngx_llmops_print_cost(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    uint64_t                 n;
    ngx_llmops_series_sh_t  *s = node;

    n = s->cost;

    if (n) {
        ngx_llmops_print_open(pr, f, "", name);
        ngx_llmops_page_printf(&pr->page, "} %uL.%012uL\n",
                               n / 1000000000000ULL, n % 1000000000000ULL);
    }
}


void
ngx_llmops_print_counter(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    ngx_uint_t  n;

    n = ngx_llmops_counter(node, f->offset);

    if (n) {
        ngx_llmops_print_open(pr, f, "", name);
        ngx_llmops_page_printf(&pr->page, "} %ui\n", n);
    }
}


void
ngx_llmops_print_attempts(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t               i, n;
    ngx_llmops_target_sh_t  *t = node;

    for (i = 0; i < NGX_LLMOPS_OUTCOME_MAX; i++) {

        n = t->attempts[i];

        if (n) {
            ngx_llmops_print_open(pr, f, "", name);
            ngx_llmops_print_label(pr, "outcome",
                                   &ngx_llmops_outcome_names[i]);
            ngx_llmops_page_printf(&pr->page, "} %ui\n", n);
        }
    }
}


/* the node's name is that of the route, then that of the rule */

void
ngx_llmops_print_checks(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    u_char                *end, *last;
    ngx_uint_t             i, n;
    ngx_llmops_rule_sh_t  *rule = node;

    last = name->data + name->len;
    end = ngx_strlchr(name->data, last, '\0');

    for (i = 0; end && i <= NGX_LLMOPS_ACT_MAX; i++) {

        n = rule->count[i];

        if (n) {
            ngx_llmops_page_printf(&pr->page, "%V{route=\"", &f->name);
            ngx_llmops_print_escaped(pr, name->data, end - name->data);
            ngx_llmops_page_lit(&pr->page, "\",rule=\"");
            ngx_llmops_print_escaped(pr, end + 1, last - end - 1);
            ngx_llmops_page_lit(&pr->page, "\"");
            ngx_llmops_print_label(pr, "action", &ngx_llmops_act_names[i]);
            ngx_llmops_page_printf(&pr->page, "} %ui\n", n);
        }
    }
}


void
ngx_llmops_print_asks(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    u_char               *end, *last;
    ngx_uint_t            i;
    ngx_llmops_ask_sh_t  *ask = node;

    static const char  *says[] = { "pass", "fail", "nothing" };

    last = name->data + name->len;
    end = ngx_strlchr(name->data, last, '\0');

    for (i = 0; end && i < NGX_LLMOPS_SAYS_MAX; i++) {

        if (ask->says[i]) {
            ngx_llmops_page_printf(&pr->page, "%V{route=\"", &f->name);
            ngx_llmops_print_escaped(pr, name->data, end - name->data);
            ngx_llmops_page_lit(&pr->page, "\",rule=\"");
            ngx_llmops_print_escaped(pr, end + 1, last - end - 1);
            ngx_llmops_page_printf(&pr->page, "\",verdict=\"%s\"} %uA\n",
                                   says[i], ask->says[i]);
        }
    }
}


void
ngx_llmops_print_target_in_flight(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t  n;

    n = ngx_llmops_zone_ordinal(node);

    if (n < NGX_LLMOPS_MAX_GAUGES) {
        ngx_llmops_print_open(pr, f, "", name);
        ngx_llmops_page_printf(&pr->page, "} %ui\n", pr->targets[n]);
    }
}


void
ngx_llmops_print_blocked(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    int64_t                  ms;
    ngx_llmops_target_sh_t  *t = node;

    ms = (int64_t) t->blocked_until - ngx_llmops_ticks();
    ms = ngx_max(ms, 0);

    ngx_llmops_print_open(pr, f, "", name);
    ngx_llmops_page_printf(&pr->page, "} %L.%03L\n", ms / 1000, ms % 1000);
}


void
ngx_llmops_print_breaker(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    ngx_uint_t               open;
    ngx_llmops_target_sh_t  *t = node;

    open = (int64_t) t->open_until > ngx_llmops_ticks();

    ngx_llmops_print_open(pr, f, "", name);
    ngx_llmops_page_printf(&pr->page, "} %ui\n", open);
}


/* stored plus one, 0 is unknown */

void
ngx_llmops_print_remaining(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t  n;

    n = ngx_llmops_counter(node, f->offset);

    if (n) {
        ngx_llmops_print_open(pr, f, "", name);
        ngx_llmops_page_printf(&pr->page, "} %ui\n", n - 1);
    }
}


static void
ngx_llmops_print_histogram(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, ngx_llmops_histogram_t *h,
    const char *label, const ngx_str_t *value, ngx_uint_t seconds)
{
    uint64_t                sum;
    ngx_uint_t              i, n, count;
    ngx_llmops_page_t      *page;
    ngx_llmops_histogram_t  copy;

    page = &pr->page;

    for (i = 0; i <= f->bounds->nelts; i++) {
        copy.bucket[i] = h->bucket[i];
    }

    for (/* void */ ; i <= NGX_LLMOPS_MAX_BOUNDS; i++) {
        copy.bucket[i] = 0;
    }

    sum = h->sum;
    count = ngx_llmops_histogram_count(&copy);

    if (count == 0) {
        return;
    }

    n = 0;

    for (i = 0; i <= f->bounds->nelts; i++) {
        n += copy.bucket[i];

        ngx_llmops_print_open(pr, f, "_bucket", name);

        if (label) {
            ngx_llmops_print_label(pr, label, value);
        }

        ngx_llmops_print_bound(pr, (i < f->bounds->nelts) ? f->bounds->text[i]
                                                          : "+Inf");
        ngx_llmops_page_printf(page, "} %ui\n", n);
    }

    ngx_llmops_print_open(pr, f, "_sum", name);

    if (label) {
        ngx_llmops_print_label(pr, label, value);
    }

    if (seconds) {
        ngx_llmops_page_printf(page, "} %uL.%06uL\n", sum / 1000000,
                               sum % 1000000);
    } else {
        ngx_llmops_page_printf(page, "} %uL\n", sum);
    }

    ngx_llmops_print_open(pr, f, "_count", name);

    if (label) {
        ngx_llmops_print_label(pr, label, value);
    }

    ngx_llmops_page_printf(page, "} %ui\n", count);
}


/* OpenMetrics wants the canonical spelling of a float */

static void
ngx_llmops_print_bound(ngx_llmops_print_t *pr, const char *text)
{
    ngx_uint_t  whole;

    whole = pr->openmetrics && text[0] != '+'
            && ngx_strchr(text, '.') == NULL;

    ngx_llmops_page_printf(&pr->page, ",le=\"%s%s\"", text,
                           whole ? ".0" : "");
}


static ngx_uint_t
ngx_llmops_histogram_count(ngx_llmops_histogram_t *h)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i <= NGX_LLMOPS_MAX_BOUNDS; i++) {
        n += h->bucket[i];
    }

    return n;
}


/* the name of a sample and the labels that its node's name gives */

static void
ngx_llmops_print_open(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    const char *suffix, ngx_str_t *name)
{
    ngx_llmops_page_printf(&pr->page, "%V%s{", &f->name, suffix);

    if (f->kind == NGX_LLMOPS_NODE_TARGET) {
        ngx_llmops_page_lit(&pr->page, "target=\"");
        ngx_llmops_print_escaped(pr, name->data, name->len);
        ngx_llmops_page_lit(&pr->page, "\"");
        return;
    }

    ngx_llmops_print_labels(pr, name,
                            (f->name.data[0] == 'g') ? ngx_llmops_otel_labels
                                                     : ngx_llmops_own_labels);
}


static void
ngx_llmops_print_labels(ngx_llmops_print_t *pr, ngx_str_t *name,
    const ngx_str_t *names)
{
    u_char      *p, *end, *last;
    ngx_uint_t   i;

    p = name->data;
    last = p + name->len;

    for (i = 0; i < NGX_LLMOPS_LABEL_MAX; i++) {

        if (i == NGX_LLMOPS_LABEL_PROMPT && p == last) {
            break;
        }

        end = ngx_strlchr(p, last, '\0');

        if (end == NULL) {
            end = last;
        }

        if (names[i].len) {
            ngx_llmops_page_printf(&pr->page, "%s%V=\"", i ? "," : "",
                                   &names[i]);
            ngx_llmops_print_escaped(pr, p, end - p);
            ngx_llmops_page_lit(&pr->page, "\"");
        }

        p = (end < last) ? end + 1 : last;
    }
}


/* one more label, of ours */

static void
ngx_llmops_print_label(ngx_llmops_print_t *pr, const char *label,
    const ngx_str_t *value)
{
    ngx_llmops_page_printf(&pr->page, ",%s=\"%V\"", label, value);
}


/*
 * Quotes, backslashes and line ends are escaped; bytes that are not UTF-8, by
 * which a scraper would refuse the whole page, become question marks.
 */

void
ngx_llmops_print_escaped(ngx_llmops_print_t *pr, u_char *p, size_t len)
{
    u_char    *last, *start;
    uint32_t   n;

    last = p + len;

    while (p < last) {

        if (*p == '"' || *p == '\\') {
            ngx_llmops_page_lit(&pr->page, "\\");

        } else if (*p == LF) {
            ngx_llmops_page_lit(&pr->page, "\\n");
            p++;
            continue;
        }

        start = p;

        if (*p < 0x80) {
            p++;

        } else {
            n = ngx_utf8_decode(&p, last - p);

            if (n > 0x10ffff || (n >= 0xd800 && n < 0xe000)) {
                ngx_llmops_page_lit(&pr->page, "?");
                p = start + 1;
                continue;
            }
        }

        ngx_llmops_page_write(&pr->page, start, p - start);
    }
}
