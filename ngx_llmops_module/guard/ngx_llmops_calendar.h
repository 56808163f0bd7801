
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CALENDAR_H_INCLUDED_
#define _NGX_LLMOPS_CALENDAR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Days, weeks and months of a time zone.  It is read once, with the
 * configuration, and calls no function of nginx or of the C library's time
 * zones, which know one at a time only.
 */


typedef struct {
    int64_t                    at;         /* s since the epoch: from then */
    int32_t                    offset;     /* s east of UTC */
} ngx_llmops_calendar_change_t;


/* when summer time begins or ends, of a rule that holds for all years */

typedef struct {
    ngx_uint_t                 kind;       /* 'M', 'J' or 'D' */
    ngx_int_t                  month;      /* M: 1 ... 12 */
    ngx_int_t                  week;       /* M: 1 ... 5, 5 being the last */
    ngx_int_t                  day;        /* M: 0 ... 6, Sunday first; J: 1 ...
                                              365, without February 29; D: 0 ...
                                              365 */
    int32_t                    time;       /* s from midnight, local */
} ngx_llmops_calendar_date_t;


typedef struct {
    ngx_llmops_calendar_change_t  *changes;    /* sorted */
    ngx_uint_t                 nchanges;
    int32_t                    before;     /* offset before the first one */
    int32_t                    standard;   /* after the last one */
    int32_t                    summer;
    ngx_llmops_calendar_date_t from;
    ngx_llmops_calendar_date_t to;
    unsigned                   has_rule:1;
    unsigned                   has_summer:1;
} ngx_llmops_calendar_t;


typedef enum {
    NGX_LLMOPS_CALENDAR_DAY = 0,
    NGX_LLMOPS_CALENDAR_WEEK,              /* from Monday (ISO 8601) */
    NGX_LLMOPS_CALENDAR_MONTH
} ngx_llmops_calendar_e;


/* "UTC", "+02:00", "-0330", "+5".  NGX_OK, or NGX_DECLINED: maybe a name. */
ngx_int_t ngx_llmops_calendar_fixed(ngx_llmops_calendar_t *c,
    ngx_str_t *text);

/* How many changes the data of a zone's file has at the most: the room that
   read() needs. */
size_t ngx_llmops_calendar_room(const u_char *p, size_t len);

/*
 * Reads a zone's file (TZif, RFC 8536).  changes, with that room, belongs to c
 * from then on.  NGX_OK; NGX_DECLINED: it is not such a file.
 */
ngx_int_t ngx_llmops_calendar_read(ngx_llmops_calendar_t *c, const u_char *p,
    size_t len, ngx_llmops_calendar_change_t *changes);

/* Seconds east of UTC at a time. */
int32_t ngx_llmops_calendar_offset(ngx_llmops_calendar_t *c, int64_t t);

/* The period that now (ms since the epoch) is in: *start <= now < *end, ms. */
void ngx_llmops_calendar_period(ngx_llmops_calendar_t *c,
    ngx_llmops_calendar_e kind, int64_t now, int64_t *start, int64_t *end);


#endif /* _NGX_LLMOPS_CALENDAR_H_INCLUDED_ */
