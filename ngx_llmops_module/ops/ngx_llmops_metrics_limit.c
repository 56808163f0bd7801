
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics_print.h"
#include "ngx_llmops_limit_sh.h"
#include "ngx_llmops_guard.h"


/*
 * The samples of limits.  Their labels are names of the configuration, and
 * "key" for what callers' keys bring with them: never a value of a key.
 */


static void ngx_llmops_print_limit_name(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name);
static void ngx_llmops_print_fill(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name,
    ngx_llmops_fill_sh_t *fill);


static void
ngx_llmops_print_limit_name(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name)
{
    ngx_llmops_page_printf(&pr->page, "%V{limit=\"", &f->name);
    ngx_llmops_print_escaped(pr, name->data, name->len);
    ngx_llmops_page_lit(&pr->page, "\"");
}


void
ngx_llmops_print_limit(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, void *node)
{
    ngx_atomic_t  *counter;

    counter = (ngx_atomic_t *) ((u_char *) node + f->offset);

    ngx_llmops_print_limit_name(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "} %uA\n", *counter);
}


void
ngx_llmops_print_limit_units(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t          i;
    ngx_atomic_uint_t   n;
    ngx_atomic_t       *counters;

    counters = (ngx_atomic_t *) ((u_char *) node + f->offset);

    for (i = 0; i < NGX_LLMOPS_UNIT_MAX; i++) {
        n = counters[i];

        if (n) {
            ngx_llmops_print_limit_name(pr, f, name);
            ngx_llmops_page_printf(&pr->page, ",unit=\"%V\"} %uA\n",
                                   &ngx_llmops_unit_names[i], n);
        }
    }
}


void
ngx_llmops_print_limit_told(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t      i;
    ngx_atomic_t   *told;

    static const char  *results[] = { "failed", "sent" };

    told = (ngx_atomic_t *) ((u_char *) node + f->offset);

    for (i = 0; i < 2; i++) {
        if (told[i]) {
            ngx_llmops_print_limit_name(pr, f, name);
            ngx_llmops_page_printf(&pr->page, ",result=\"%s\"} %uA\n",
                                   results[i], told[i]);
        }
    }
}


void
ngx_llmops_print_limit_ratio(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t              i;
    ngx_llmops_limit_sh_t  *sh = node;

    for (i = 0; i < NGX_LLMOPS_COUNTER_RATES && sh->fill[i].id; i++) {
        ngx_llmops_print_fill(pr, f, name, &sh->fill[i]);
    }
}


/* the unit and the period are what tells the rates of a quota apart */

static void
ngx_llmops_print_fill(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name, ngx_llmops_fill_sh_t *fill)
{
    u_char             *p, text[NGX_LLMOPS_RATE_TEXT];
    uint64_t            id;
    ngx_str_t           period;
    ngx_atomic_uint_t   used;
    ngx_llmops_rate_t   rate;

    id = fill->id;

    ngx_memzero(&rate, sizeof(ngx_llmops_rate_t));

    rate.unit = (ngx_llmops_unit_e) ((id >> 56) - 1);
    rate.period = (ngx_llmops_period_e) (id >> 48 & 0xff);
    rate.window = (int64_t) (id & 0xffffffffffffULL);

    if (rate.unit >= NGX_LLMOPS_UNIT_MAX || rate.window == 0) {
        return;
    }

    p = ngx_llmops_rate_print(text, &rate);

    period.data = ngx_strlchr(text, p, '/');

    if (period.data == NULL) {
        return;
    }

    period.data++;
    period.len = p - period.data;

    used = ((int64_t) fill->end > pr->now) ? fill->used : 0;

    ngx_llmops_print_limit_name(pr, f, name);
    ngx_llmops_page_printf(&pr->page, ",unit=\"%V\",period=\"%V\"} "
                           "%uA.%04uA\n", &ngx_llmops_unit_names[rate.unit],
                           &period, used / 10000, used % 10000);
}
