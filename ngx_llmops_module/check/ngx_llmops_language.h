
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_LANGUAGE_H_INCLUDED_
#define _NGX_LLMOPS_LANGUAGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Which language a text is in, as a bit; 0 if that cannot be said: it is too
 * short, mixed, or none of those that are known.  Fenced code is passed over.
 * Looks at the first NGX_LLMOPS_LANGUAGE_MAX bytes.
 */

#define NGX_LLMOPS_LANGUAGE_MAX    4096
#define NGX_LLMOPS_LANGUAGE_EARLY  400     /* bytes that are enough, mostly */

uint64_t ngx_llmops_language(const u_char *p, size_t len);

/* The bit of a language by its two-letter name (ISO 639-1), or 0. */
uint64_t ngx_llmops_language_bit(ngx_str_t *name);

/* Those that are known, for messages. */
extern const char  ngx_llmops_language_names[];


#endif /* _NGX_LLMOPS_LANGUAGE_H_INCLUDED_ */
