
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_HINT_TIME_H_INCLUDED_
#define _NGX_LLMOPS_HINT_TIME_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Times are kept in nanoseconds, which an int64_t holds beyond the year 2100:
 * all the spellings come down to a decimal number and a unit.  Milliseconds
 * are rounded up, so that nobody is asked again too early.
 */


#define NGX_LLMOPS_NS          ((int64_t) 1000000000)
#define NGX_LLMOPS_NS_MAX      (4500000000 * NGX_LLMOPS_NS)
#define NGX_LLMOPS_MS          ((int64_t) 1000000)


typedef struct {
    int64_t                    whole;
    int64_t                    nano;       /* billionths */
} ngx_llmops_decimal_t;


/* value without the blanks around it */
ngx_str_t ngx_llmops_hint_trim(ngx_str_t *value);

/* One past "12", "12.5" or ".5", or NULL. */
u_char *ngx_llmops_hint_decimal(u_char *p, u_char *last,
    ngx_llmops_decimal_t *d);

/* d units of so many nanoseconds, at most NS_MAX */
int64_t ngx_llmops_hint_scale(ngx_llmops_decimal_t *d, int64_t unit);
int64_t ngx_llmops_hint_ms(int64_t ns);

/*
 * The dates of RFC 9110, 5.6.7, and of RFC 3339, in milliseconds since the
 * epoch.  NGX_OK or NGX_DECLINED.
 */
ngx_int_t ngx_llmops_hint_http_date(ngx_str_t *value, int64_t *time);
ngx_int_t ngx_llmops_hint_rfc3339(ngx_str_t *value, int64_t *time);


#endif /* _NGX_LLMOPS_HINT_TIME_H_INCLUDED_ */
