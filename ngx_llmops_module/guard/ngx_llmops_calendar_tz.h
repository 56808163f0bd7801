
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CALENDAR_TZ_H_INCLUDED_
#define _NGX_LLMOPS_CALENDAR_TZ_H_INCLUDED_


#include "ngx_llmops_calendar.h"


/*
 * What the files of the calendar share.
 *
 *   ngx_llmops_calendar.c        periods: days, weeks, months
 *   ngx_llmops_calendar_tzif.c   time zones as files
 *   ngx_llmops_calendar_tz.c     time zones as texts
 */


#define NGX_LLMOPS_CALENDAR_FAR    (26 * 3600)     /* s: no offset is larger */


/* Reads "CET-1CEST,M3.5.0,M10.5.0/3", as in the environment variable TZ, into
   the rule of c.  NGX_OK, or NGX_DECLINED: it cannot be read. */
ngx_int_t ngx_llmops_tz_rule(ngx_llmops_calendar_t *c, const u_char *p,
    const u_char *last);


#endif /* _NGX_LLMOPS_CALENDAR_TZ_H_INCLUDED_ */
