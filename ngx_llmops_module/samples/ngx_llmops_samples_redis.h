
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SAMPLES_REDIS_H_INCLUDED_
#define _NGX_LLMOPS_SAMPLES_REDIS_H_INCLUDED_


#include "ngx_llmops_samples_own.h"
#include "ngx_llmops_redis.h"


/* What the two files share that keep samples on Redis. */


#define NGX_LLMOPS_SAMPLES_SCAN    256     /* members that are looked at in one
                                              go, */
#define NGX_LLMOPS_SAMPLES_PAGE    32      /* and where they are fetched */
#define NGX_LLMOPS_SAMPLES_MEMBER  256     /* bytes of a member, */
#define NGX_LLMOPS_SAMPLES_TEXT    256     /* and of a key */

#define ngx_llmops_samples_word(text)  { sizeof(text) - 1, (u_char *) text }


/* A key in buf[SAMPLES_TEXT]: what, and len bytes of more in hexadecimal.
   NGX_OK; NGX_ERROR: there is no Redis, or its prefix is too long. */
ngx_int_t ngx_llmops_samples_redis_key(ngx_llmops_samples_t *s, u_char *buf,
    ngx_str_t *key, const char *what, const u_char *more, size_t len);

/* Sends a command, whose key is argv[1].  NGX_OK, or NGX_ERROR: it cannot be
   sent now. */
ngx_int_t ngx_llmops_samples_redis_send(ngx_llmops_samples_t *s,
    ngx_uint_t argc, ngx_str_t *argv, ngx_llmops_redis_pt handler,
    void *data);

/* What a member says: the head of its record, with all flags and no end, and
   the record's length.  NGX_OK, or NGX_DECLINED. */
ngx_int_t ngx_llmops_samples_member_read(u_char *p, size_t n,
    ngx_llmops_record_t *rec, size_t *len);

/* Removes the record of a member, and the member: handler is that of DEL.
   trim: for want of room.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_samples_redis_drop(ngx_llmops_samples_t *s,
    u_char *member, size_t n, ngx_uint_t trim, ngx_llmops_redis_pt handler,
    void *data);

/* For how many milliseconds a record is to be kept yet: written to p. */
u_char *ngx_llmops_samples_left(ngx_llmops_samples_t *s,
    ngx_llmops_record_t *rec, u_char *p);


#endif /* _NGX_LLMOPS_SAMPLES_REDIS_H_INCLUDED_ */
