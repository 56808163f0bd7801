
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_hint.h"
#include "ngx_llmops_hint_time.h"


ngx_str_t
ngx_llmops_hint_trim(ngx_str_t *value)
{
    ngx_str_t  s;

    s = *value;

    while (s.len && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }

    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }

    return s;
}


u_char *
ngx_llmops_hint_decimal(u_char *p, u_char *last, ngx_llmops_decimal_t *d)
{
    u_char    *start;
    int64_t    unit;

    start = p;
    d->whole = 0;
    d->nano = 0;

    for ( /* void */ ; p < last && (u_char) (*p - '0') < 10; p++) {

        if (d->whole < NGX_LLMOPS_NS_MAX / 100) {
            d->whole = d->whole * 10 + *p - '0';
        }
    }

    if (p < last && *p == '.') {
        unit = NGX_LLMOPS_NS / 10;

        for (p++; p < last && (u_char) (*p - '0') < 10; p++) {
            d->nano += (*p - '0') * unit;
            unit /= 10;
        }

        if (p == start + 1) {
            return NULL;
        }
    }

    return (p == start) ? NULL : p;
}


int64_t
ngx_llmops_hint_scale(ngx_llmops_decimal_t *d, int64_t unit)
{
    int64_t  part;

    if (d->whole >= NGX_LLMOPS_NS_MAX / unit) {
        return NGX_LLMOPS_NS_MAX;
    }

    /* unit is less than a billionth, or a multiple of it */

    part = (unit < NGX_LLMOPS_NS) ? d->nano * unit / NGX_LLMOPS_NS
                                  : d->nano * (unit / NGX_LLMOPS_NS);

    return d->whole * unit + part;
}


int64_t
ngx_llmops_hint_ms(int64_t ns)
{
    return (ns + NGX_LLMOPS_MS - 1) / NGX_LLMOPS_MS;
}


/* the unit at *pp in nanoseconds, or 0 */

static int64_t
ngx_llmops_hint_unit(u_char **pp, u_char *last)
{
    size_t      len;
    ngx_uint_t  i;

    static const struct {
        const char  *name;
        int64_t      ns;
    } units[] = {
        { "ms", 1000000 },
        { "us", 1000 },
        { "\xc2\xb5s", 1000 },
        { "\xce\xbcs", 1000 },
        { "ns", 1 },
        { "s", 1000000000 },
        { "m", 60 * NGX_LLMOPS_NS },
        { "h", 3600 * NGX_LLMOPS_NS }
    };

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        len = ngx_strlen(units[i].name);

        if ((size_t) (last - *pp) >= len
            && ngx_memcmp(*pp, units[i].name, len) == 0)
        {
            *pp += len;
            return units[i].ns;
        }
    }

    return 0;
}


ngx_int_t
ngx_llmops_duration(ngx_str_t *value, int64_t *ms)
{
    u_char                *p, *last;
    int64_t                ns, unit;
    ngx_str_t              s;
    ngx_uint_t             units;
    ngx_llmops_decimal_t   d;

    s = ngx_llmops_hint_trim(value);

    if (s.len == 0) {
        return NGX_DECLINED;
    }

    ns = 0;
    units = 0;
    p = s.data;
    last = p + s.len;

    while (p < last) {
        p = ngx_llmops_hint_decimal(p, last, &d);

        if (p == NULL) {
            return NGX_DECLINED;
        }

        if (p == last) {

            if (units) {
                return NGX_DECLINED;
            }

            unit = NGX_LLMOPS_NS;

        } else {
            unit = ngx_llmops_hint_unit(&p, last);
            units++;
        }

        if (unit == 0) {
            return NGX_DECLINED;
        }

        ns += ngx_llmops_hint_scale(&d, unit);
        ns = ngx_min(ns, NGX_LLMOPS_NS_MAX);
    }

    *ms = ngx_llmops_hint_ms(ns);

    return NGX_OK;
}
