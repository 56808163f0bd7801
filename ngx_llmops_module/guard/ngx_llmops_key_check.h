
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_KEY_CHECK_H_INCLUDED_
#define _NGX_LLMOPS_KEY_CHECK_H_INCLUDED_


#include "ngx_llmops_key.h"


/*
 * What the files of keys know of each other, and nobody else:
 *
 *   ngx_llmops_key_check.c      members of a record: checking, normalising
 *   ngx_llmops_key_value.c      their values
 *   ngx_llmops_key_cidr.c       networks
 *   ngx_llmops_key_record.c     new records from old ones
 *   ngx_llmops_key_digest.c     secrets, digests, ids
 *   ngx_llmops_key_identity.c   from a record to an identity
 *   ngx_llmops_key_table.c      keys of a file, by their digest
 *   ngx_llmops_key_conf.c       llm_keys
 */


#define NGX_LLMOPS_KEY_HEX      (2 * NGX_LLMOPS_KEY_DIGEST)


/* which members may stand in an object that is checked */

#define NGX_LLMOPS_KEY_WANTED   1          /* what may be chosen */
#define NGX_LLMOPS_KEY_WHOLE    2          /* the same and id, hashes,
                                              created */

/*
 * Checks all members of wanted and sets them in record, which may be the same
 * object; null takes a member out, with WHOLE it is an error.  NGX_OK or
 * NGX_ERROR, then error says why, and record may have been changed in part.
 */
ngx_int_t ngx_llmops_key_check(json_t *record, json_t *wanted,
    ngx_uint_t which, char *error);

/*
 * Checkers of one value: a new reference to what takes its place, or NULL
 * with *problem, a static text that follows the member's name: "must be ...".
 * NULL without *problem: out of memory.
 */
typedef json_t *(*ngx_llmops_key_value_pt)(json_t *value,
    const char **problem);

json_t *ngx_llmops_key_value_text(json_t *value, const char **problem);
json_t *ngx_llmops_key_value_id(json_t *value, const char **problem);
json_t *ngx_llmops_key_value_patterns(json_t *value, const char **problem);
json_t *ngx_llmops_key_value_limits(json_t *value, const char **problem);
json_t *ngx_llmops_key_value_metadata(json_t *value, const char **problem);
json_t *ngx_llmops_key_value_networks(json_t *value, const char **problem);
json_t *ngx_llmops_key_value_countries(json_t *value, const char **problem);
json_t *ngx_llmops_key_value_flag(json_t *value, const char **problem);
json_t *ngx_llmops_key_value_time(json_t *value, const char **problem);
json_t *ngx_llmops_key_value_hashes(json_t *value, const char **problem);

/* Reads "10.0.0.0/8", "10.1.2.3" or the same of IPv6; bits that the mask
   leaves out are cleared.  NGX_OK or NGX_DECLINED. */
ngx_int_t ngx_llmops_key_cidr(ngx_str_t *text, ngx_cidr_t *cidr);

/* Digits to bytes.  NGX_OK, or NGX_DECLINED if it is not 64 hex digits. */
ngx_int_t ngx_llmops_key_unhex(ngx_str_t *hex,
    u_char digest[NGX_LLMOPS_KEY_DIGEST]);

/* Bytes to 64 digits; returns one past the last. */
u_char *ngx_llmops_key_hex(u_char *p, const u_char *bytes, size_t len);

/* Whether two digests are the same, in a time that does not tell. */
ngx_uint_t ngx_llmops_key_equal(const u_char a[NGX_LLMOPS_KEY_DIGEST],
    const u_char b[NGX_LLMOPS_KEY_DIGEST]);

/* Random characters: the first "letters" of a-z, 0-9, A-Z.  NGX_OK or
   NGX_ERROR. */
ngx_int_t ngx_llmops_key_random(u_char *p, size_t len, ngx_uint_t letters);
ngx_int_t ngx_llmops_key_new_id(u_char id[NGX_LLMOPS_KEY_ID]);

/* Makes the text of a key and its digest's digits.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_key_secret(ngx_str_t *id,
    ngx_llmops_key_secret_t *secret, char hex[NGX_LLMOPS_KEY_HEX + 1]);


#endif /* _NGX_LLMOPS_KEY_CHECK_H_INCLUDED_ */
