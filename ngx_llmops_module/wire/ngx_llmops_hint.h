
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_HINT_H_INCLUDED_
#define _NGX_LLMOPS_HINT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * How long a provider asks to be left alone, in each of the spellings that
 * providers use.
 */


#define NGX_LLMOPS_HINT_MAX    86400000    /* ms: longer waits are cut */


typedef enum {
    NGX_LLMOPS_HINT_NONE = 0,
    NGX_LLMOPS_HINT_RESET,                 /* *-reset*: when a window ends */
    NGX_LLMOPS_HINT_RETRY                  /* an express wish; wins */
} ngx_llmops_hint_e;


/*
 * Reads one response header (lowercase name).  now is the wall clock in
 * milliseconds since the epoch.  Knows retry-after (seconds, also with
 * decimals, or an HTTP-date of RFC 9110, 5.6.7), retry-after-ms,
 * x-ms-retry-after-ms; x-ratelimit-reset (below 30 days relative seconds,
 * else epoch seconds, from 10^11 on epoch milliseconds),
 * x-ratelimit-reset-requests and -tokens ("6m0s", "120ms", "1.5s", plain
 * seconds), anthropic-ratelimit-*-reset (RFC 3339), and -unified-reset
 * (epoch seconds).
 *
 * Returns the kind and sets *wait (ms, 0 ... HINT_MAX); NONE if the header
 * is another one or does not parse.
 */
ngx_llmops_hint_e ngx_llmops_hint_header(ngx_str_t *name, ngx_str_t *value,
    int64_t now, int64_t *wait);

/*
 * Reads the body of an error: google.rpc.RetryInfo's retryDelay ("34s").
 * Returns RETRY or NONE.
 */
ngx_llmops_hint_e ngx_llmops_hint_body(ngx_str_t *body, int64_t *wait);

/*
 * Parses a Go-style duration ("1h2m3s", "6m0s", "120ms", "1.5s") or plain
 * seconds.  NGX_OK and *ms, or NGX_DECLINED.
 */
ngx_int_t ngx_llmops_duration(ngx_str_t *value, int64_t *ms);


#endif /* _NGX_LLMOPS_HINT_H_INCLUDED_ */
