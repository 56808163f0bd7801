
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SAMPLES_RECORD_H_INCLUDED_
#define _NGX_LLMOPS_SAMPLES_RECORD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_out.h"


/*
 * A sample as bytes, in a file, in shared memory or in Redis: a head of fixed
 * size and a text, in the clear or encrypted.  Knows nothing of nginx's
 * requests.  All numbers are little endian.
 *
 *     0  "lsm1"            48  id of the request   112  number of the key
 *     4  length of text    64  tag of the route    120  edition
 *     8  flags             80  tag of the tenant   124  zero
 *    12  CRC-32 (below)    96  tag of the client   128  nonce
 *    16  id of the sample                          140  tag of AES-256-GCM
 *    32  created, ms                               156  zero
 *    40  expires, ms                               160  text
 *
 * The checksum is of all from 16 on: flags may change in place.  A tag is a
 * name that cannot be read back: with a key an HMAC.
 */


#define NGX_LLMOPS_RECORD_HEAD     160
#define NGX_LLMOPS_RECORD_TAG      16
#define NGX_LLMOPS_RECORD_KEY      32      /* bytes of a key */
#define NGX_LLMOPS_RECORD_KEYS     4
#define NGX_LLMOPS_RECORD_MAX      (4 * 1024 * 1024)   /* bytes of a text */

#define NGX_LLMOPS_RECORD_SEALED   0x01    /* flags: the text is encrypted */
#define NGX_LLMOPS_RECORD_PAIR     0x02    /* there is a shadow's answer */
#define NGX_LLMOPS_RECORD_JUDGED   0x04    /* there is a verdict */
#define NGX_LLMOPS_RECORD_GONE     0x08    /* wiped: there is nothing in it */


typedef struct {
    u_char                     id[NGX_LLMOPS_RECORD_TAG];
    u_char                     request[NGX_LLMOPS_RECORD_TAG];
    u_char                     route[NGX_LLMOPS_RECORD_TAG];
    u_char                     tenant[NGX_LLMOPS_RECORD_TAG];
    u_char                     client[NGX_LLMOPS_RECORD_TAG];
    u_char                     key[8];     /* zeroes: none */
    int64_t                    created;    /* ms since the epoch */
    int64_t                    expires;
    uint32_t                   edition;    /* of two with one id the higher one
                                              counts */
    uint32_t                   flags;
    uint32_t                   len;        /* of the text */
} ngx_llmops_record_t;


/* keys, the first of which is for new records; n 0: they are in the clear */

typedef struct {
    u_char                    *keys[NGX_LLMOPS_RECORD_KEYS];
    ngx_uint_t                 n;
} ngx_llmops_record_keys_t;


/* what a name becomes under each key, and without one: for looking for it */

typedef struct {
    u_char                     key[NGX_LLMOPS_RECORD_KEYS + 1][8];
    u_char                     tag[NGX_LLMOPS_RECORD_KEYS + 1]
                                  [NGX_LLMOPS_RECORD_TAG];
    ngx_uint_t                 n;
} ngx_llmops_record_name_t;


/* The key that a text says, 64 hexadecimal digits or base64 of 32 bytes.
   NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_record_key(ngx_str_t *text,
    u_char key[NGX_LLMOPS_RECORD_KEY]);

/* The tag of a name, for new records; what keeps equal names of different
   things apart: 'r', 't', 'c'.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_record_tag(ngx_llmops_record_keys_t *keys, u_char what,
    ngx_str_t *name, u_char tag[NGX_LLMOPS_RECORD_TAG]);

/* All tags that it may have.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_record_name(ngx_llmops_record_keys_t *keys, u_char what,
    ngx_str_t *name, ngx_llmops_record_name_t *all);

/* Whether a record, whose tag that is, has this name: NGX_OK, NGX_DECLINED, or
   NGX_ERROR: its key is unknown, so that nobody can tell. */
ngx_int_t ngx_llmops_record_is(ngx_llmops_record_name_t *name,
    ngx_llmops_record_t *rec, u_char tag[NGX_LLMOPS_RECORD_TAG]);

/* Appends a record.  Sets rec's key, len and RECORD_SEALED; tags are those of
   the same keys.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_record_write(ngx_llmops_record_t *rec,
    ngx_llmops_record_keys_t *keys, ngx_str_t *text, ngx_llmops_out_t *out);

/*
 * The head of a record at p, of which len bytes are there.  NGX_OK: it is
 * whole, and *size long; NGX_DECLINED: it is not, or none.
 */
ngx_int_t ngx_llmops_record_read(u_char *p, size_t len,
    ngx_llmops_record_t *rec, size_t *size);

/* Whether a whole record is as it was written, and not gone. */
ngx_uint_t ngx_llmops_record_sound(u_char *p, ngx_llmops_record_t *rec);

/* Appends the text of a whole record.  NGX_OK; NGX_DECLINED: its key is not
   among them; NGX_ERROR: damaged, gone, or out of memory. */
ngx_int_t ngx_llmops_record_text(u_char *p, ngx_llmops_record_t *rec,
    ngx_llmops_record_keys_t *keys, ngx_llmops_out_t *out);

/* The key that a record has, alone.  NGX_OK; NGX_DECLINED: it is not among
   them. */
ngx_int_t ngx_llmops_record_keys(ngx_llmops_record_t *rec,
    ngx_llmops_record_keys_t *keys, ngx_llmops_record_keys_t *own);

/* What takes the place of the head of a record that is wiped; the text behind
   it is zeroes then. */
void ngx_llmops_record_wiped(u_char *p, u_char head[NGX_LLMOPS_RECORD_HEAD]);


#endif /* _NGX_LLMOPS_SAMPLES_RECORD_H_INCLUDED_ */
