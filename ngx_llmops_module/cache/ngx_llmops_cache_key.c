
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cache_key.h"

#include <openssl/err.h>
#include <openssl/evp.h>


/*
 * The key of a request.
 *
 * What a caller sends is not hashed as it stands: two clients, or two versions
 * of one, spell the same request in their own ways, and a field that only says
 * who asks would make all of them different.  So the body is brought into a
 * canonical form first (ngx_llmops_cache_canon.c), without what changes no
 * answer (ngx_llmops_cache_kind.c), and that is hashed with all else that
 * changes an answer.  Where it is not certain that two spellings mean the same
 * to every provider they stay different: that costs a hit, the other mistake
 * would give a wrong answer.
 *
 * A key has two steps: the frame is all but the text of the user's last
 * message; frame and text make the key.  Requests that may be answered by
 * meaning share a frame, so that nothing but that text is ever compared by
 * meaning.
 *
 * Everything that is hashed is preceded by its length, or ends by its own
 * grammar, and each digest begins with a name of its own: no two questions run
 * into the same bytes.
 */


static void ngx_llmops_key_text(ngx_llmops_op_e op, const u_char *form,
    ngx_str_t *text);
static const u_char *ngx_llmops_key_last(const u_char *list);
static const u_char *ngx_llmops_key_content(const u_char *message);
static const u_char *ngx_llmops_key_part(const u_char *parts);
static ngx_int_t ngx_llmops_key_frame(ngx_llmops_cache_question_t *q,
    ngx_llmops_out_t *form);
static ngx_int_t ngx_llmops_key_key(ngx_llmops_cache_question_t *q);
static ngx_int_t ngx_llmops_key_begin(const char *name);
static ngx_int_t ngx_llmops_key_add(const void *p, size_t len);
static ngx_int_t ngx_llmops_key_number(uint64_t n);
static ngx_int_t ngx_llmops_key_end(u_char *digest);


const ngx_str_t  ngx_llmops_cache_why_names[] = {
    ngx_string("deterministic"),
    ngx_string("sampled"),
    ngx_string("outside"),
    ngx_string("stateful"),
    ngx_string("operation"),
    ngx_string("duplicate"),
    ngx_string("complex")
};


/* fetched once: a look-up costs more than the digest of a short request */

static EVP_MD      *ngx_llmops_key_md;
static EVP_MD_CTX  *ngx_llmops_key_ctx;


ngx_int_t
ngx_llmops_cache_digest(ngx_llmops_cache_question_t *q,
    ngx_llmops_cache_scratch_t *scratch)
{
    ngx_int_t  rc;

    q->why = NGX_LLMOPS_CACHE_OPERATION;
    q->text.len = 0;
    q->text.data = NULL;

    /* what is never cached needs no look at its body */

    if (ngx_llmops_cache_kind(q->op, NULL) == NGX_LLMOPS_CACHE_OPERATION) {
        return NGX_DECLINED;
    }

    rc = ngx_llmops_cache_canonical(q->op, &q->body, scratch, &q->why);

    if (rc != NGX_OK) {
        return rc;
    }

    q->why = ngx_llmops_cache_kind(q->op, scratch->out.data);

    if (q->why >= NGX_LLMOPS_CACHE_STATEFUL) {
        return NGX_DECLINED;
    }

    ngx_llmops_key_text(q->op, scratch->out.data, &q->text);

    if (ngx_llmops_key_frame(q, &scratch->out) != NGX_OK
        || ngx_llmops_key_key(q) != NGX_OK)
    {
        ERR_clear_error();
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_llmops_cache_scratch_trim(ngx_llmops_cache_scratch_t *scratch)
{
    if (scratch->out.size + scratch->swap.size + scratch->members.size
        > NGX_LLMOPS_CACHE_KEEP)
    {
        ngx_llmops_cache_scratch_free(scratch);
    }
}


void
ngx_llmops_cache_scratch_free(ngx_llmops_cache_scratch_t *scratch)
{
    ngx_llmops_out_free(&scratch->out);
    ngx_llmops_out_free(&scratch->swap);
    ngx_llmops_out_free(&scratch->members);
}


const u_char *
ngx_llmops_cache_skip(const u_char *p)
{
    uint32_t    len;
    ngx_uint_t  depth;

    depth = 0;

    do {
        switch (*p++) {

        case 'a':
        case 'o':
            depth++;
            break;

        case 'e':
            depth--;
            break;

        case 's':
            ngx_memcpy(&len, p, sizeof(uint32_t));
            p += sizeof(uint32_t) + len;
            break;

        case 'i':
        case 'd':
        case 'r':
            while (*p++ != ';') { /* void */ }
            break;

        default:
            break;                           /* n, t, f */
        }

    } while (depth);

    return p;
}


const u_char *
ngx_llmops_cache_member(const u_char *p, const char *name)
{
    size_t     len;
    ngx_str_t  s;

    if (p == NULL || *p != 'o') {
        return NULL;
    }

    len = strlen(name);

    for (p++; *p != 'e'; p = ngx_llmops_cache_skip(p)) {

        s = ngx_llmops_cache_string(p);
        p = ngx_llmops_cache_skip(p);

        if (s.len == len && memcmp(s.data, name, len) == 0) {
            return p;
        }
    }

    return NULL;
}


ngx_str_t
ngx_llmops_cache_string(const u_char *p)
{
    uint32_t   len;
    ngx_str_t  s;

    s.len = 0;
    s.data = NULL;

    if (p && *p == 's') {
        ngx_memcpy(&len, p + 1, sizeof(uint32_t));
        s.len = len;
        s.data = (u_char *) p + 1 + sizeof(uint32_t);
    }

    return s;
}


/* the one text that may be compared by meaning, in form */

static void
ngx_llmops_key_text(ngx_llmops_op_e op, const u_char *form, ngx_str_t *text)
{
    const u_char  *p;

    switch (op) {

    case NGX_LLMOPS_OP_CHAT:
    case NGX_LLMOPS_OP_MESSAGES:
        p = ngx_llmops_cache_member(form, "messages");
        p = ngx_llmops_key_content(ngx_llmops_key_last(p));
        break;

    case NGX_LLMOPS_OP_RESPONSES:
        p = ngx_llmops_cache_member(form, "input");

        if (p && *p == 'a') {
            p = ngx_llmops_key_content(ngx_llmops_key_last(p));
        }

        break;

    case NGX_LLMOPS_OP_COMPLETIONS:
        p = ngx_llmops_cache_member(form, "prompt");
        break;

    default:
        return;
    }

    *text = ngx_llmops_cache_string(p);
}


static const u_char *
ngx_llmops_key_last(const u_char *list)
{
    const u_char  *p, *last;

    if (list == NULL || *list != 'a') {
        return NULL;
    }

    last = NULL;

    for (p = list + 1; *p != 'e'; p = ngx_llmops_cache_skip(p)) {
        last = p;
    }

    return last;
}


static const u_char *
ngx_llmops_key_content(const u_char *message)
{
    ngx_str_t      role;
    const u_char  *p;

    role = ngx_llmops_cache_string(ngx_llmops_cache_member(message, "role"));

    if (role.len != 4 || memcmp(role.data, "user", 4) != 0) {
        return NULL;
    }

    p = ngx_llmops_cache_member(message, "content");

    return (p && *p == 'a') ? ngx_llmops_key_part(p) : p;
}


/* the text of the only part that has one */

static const u_char *
ngx_llmops_key_part(const u_char *parts)
{
    const u_char  *p, *text, *found;

    found = NULL;

    for (p = parts + 1; *p != 'e'; p = ngx_llmops_cache_skip(p)) {

        text = ngx_llmops_cache_member(p, "text");

        if (text == NULL) {
            continue;
        }

        if (found) {
            return NULL;
        }

        found = text;
    }

    return found;
}


static ngx_int_t
ngx_llmops_key_frame(ngx_llmops_cache_question_t *q, ngx_llmops_out_t *form)
{
    u_char      *p, *last;
    ngx_uint_t   i;

    if (ngx_llmops_key_begin("llmops cache 1 frame") != NGX_OK
        || ngx_llmops_key_number(q->op) != NGX_OK
        || ngx_llmops_key_number(q->nparts) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < q->nparts; i++) {
        if (ngx_llmops_key_number(q->parts[i].len) != NGX_OK
            || ngx_llmops_key_add(q->parts[i].data, q->parts[i].len) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    p = form->data;
    last = p + form->len;

    if (q->text.data) {

        /* the text's token is an "x" */

        if (ngx_llmops_key_add(p, q->text.data - 5 - p) != NGX_OK
            || ngx_llmops_key_add("x", 1) != NGX_OK)
        {
            return NGX_ERROR;
        }

        p = q->text.data + q->text.len;
    }

    return ngx_llmops_key_add(p, last - p) == NGX_OK
           ? ngx_llmops_key_end(q->frame) : NGX_ERROR;
}


/* whether there is a text at all is known from the frame */

static ngx_int_t
ngx_llmops_key_key(ngx_llmops_cache_question_t *q)
{
    if (ngx_llmops_key_begin("llmops cache 1 key") != NGX_OK
        || ngx_llmops_key_add(q->frame, NGX_LLMOPS_CACHE_KEY) != NGX_OK
        || ngx_llmops_key_add(q->text.data, q->text.len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_llmops_key_end(q->key);
}


static ngx_int_t
ngx_llmops_key_begin(const char *name)
{
    if (ngx_llmops_key_md == NULL) {
        ngx_llmops_key_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    }

    if (ngx_llmops_key_ctx == NULL) {
        ngx_llmops_key_ctx = EVP_MD_CTX_new();
    }

    if (ngx_llmops_key_md == NULL || ngx_llmops_key_ctx == NULL
        || EVP_DigestInit_ex2(ngx_llmops_key_ctx, ngx_llmops_key_md, NULL)
           != 1)
    {
        return NGX_ERROR;
    }

    return ngx_llmops_key_add(name, strlen(name) + 1);
}


static ngx_int_t
ngx_llmops_key_add(const void *p, size_t len)
{
    return EVP_DigestUpdate(ngx_llmops_key_ctx, p, len) == 1 ? NGX_OK
                                                             : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_key_number(uint64_t n)
{
    return ngx_llmops_key_add(&n, sizeof(uint64_t));
}


static ngx_int_t
ngx_llmops_key_end(u_char *digest)
{
    return EVP_DigestFinal_ex(ngx_llmops_key_ctx, digest, NULL) == 1
           ? NGX_OK : NGX_ERROR;
}
