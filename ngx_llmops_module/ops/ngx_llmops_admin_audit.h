
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_AUDIT_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_AUDIT_H_INCLUDED_


#include "ngx_llmops_admin.h"


/* Records of the audit as documents: shared by those who write them and those
   who read and expire them. */

#define NGX_LLMOPS_AUDIT_ID        20      /* bytes of an id */
#define NGX_LLMOPS_AUDIT_TIME      (90 * 86400)    /* seconds that one lives */
#define NGX_LLMOPS_AUDIT_MAX       1000    /* that are kept */
#define NGX_LLMOPS_AUDIT_EVERY     64      /* records of a worker between two
                                              looks at how many there are */
#define NGX_LLMOPS_AUDIT_PAGE      200     /* documents of one question */
#define NGX_LLMOPS_AUDIT_DROP      2       /* give way to a new one */


/* Looks now and then how many records there are, and removes the oldest beyond
   NGX_LLMOPS_AUDIT_MAX.  Runs by itself. */
void ngx_llmops_admin_audit_trim(ngx_llmops_store_t *store);

/*
 * Makes room for one record by removing the oldest ones; then done(data) is
 * called, perhaps before it returns, whether there is room now or not.
 * NGX_OK; NGX_DECLINED: not now, done() will not be called.
 */
ngx_int_t ngx_llmops_admin_audit_drop(ngx_llmops_store_t *store,
    void (*done)(void *data), void *data);


#endif /* _NGX_LLMOPS_ADMIN_AUDIT_H_INCLUDED_ */
