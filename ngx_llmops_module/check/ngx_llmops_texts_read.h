
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_TEXTS_READ_H_INCLUDED_
#define _NGX_LLMOPS_TEXTS_READ_H_INCLUDED_


#include "ngx_llmops_texts.h"


/* The inside of the reader of texts.  Private to this directory. */


/* texts.c */

/* Whether a key, which is spelled with escapes, has that name. */
ngx_uint_t ngx_llmops_texts_escaped(ngx_str_t *key, const char *name,
    size_t len);

/* Notes a text, the end of a choice, a tool that is called. */
void ngx_llmops_texts_add(ngx_llmops_texts_t *t, ngx_llmops_text_kind_e kind,
    ngx_llmops_text_key_e key, ngx_uint_t choice, ngx_uint_t index,
    ngx_str_t *raw);
void ngx_llmops_texts_finish(ngx_llmops_texts_t *t, ngx_uint_t choice);
void ngx_llmops_texts_named(ngx_llmops_texts_t *t, ngx_llmops_text_key_e key,
    ngx_uint_t choice, ngx_uint_t index, ngx_str_t *name);

ngx_uint_t ngx_llmops_texts_number(ngx_str_t *value);


/* Notes the odds of a text's tokens, if there are any. */
void ngx_llmops_texts_odds(ngx_llmops_texts_t *t, ngx_uint_t choice,
    ngx_uint_t index, ngx_str_t *raw);


/* texts_responses.c: an event, or a whole answer */
void ngx_llmops_texts_responses(ngx_llmops_texts_t *t, ngx_str_t *json);


/* texts_message.c */

/* An event, or a whole answer, of messages. */
void ngx_llmops_texts_anthropic(ngx_llmops_texts_t *t, ngx_str_t *json);

/* An array of parts, or blocks, of content. */
void ngx_llmops_texts_blocks(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice);

/* What servers that relay others (OpenRouter) put beside "reasoning", which it
   tells once more. */
void ngx_llmops_texts_details(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice);

/* What is said in a sound. */
void ngx_llmops_texts_audio(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice);


static ngx_inline ngx_uint_t
ngx_llmops_texts_name(ngx_str_t *key, const char *name, size_t len)
{
    if (key->len == len) {
        return ngx_memcmp(key->data, name, len) == 0;
    }

    return key->len >= len + 5 && ngx_llmops_texts_escaped(key, name, len);
}


#define ngx_llmops_texts_is(key, name)                                        \
    ngx_llmops_texts_name(key, name, sizeof(name) - 1)


#endif /* _NGX_LLMOPS_TEXTS_READ_H_INCLUDED_ */
