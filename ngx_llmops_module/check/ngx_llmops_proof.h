
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PROOF_H_INCLUDED_
#define _NGX_LLMOPS_PROOF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* What a match has to stand beyond its pattern: checksums. */


typedef struct ngx_llmops_proof_s  ngx_llmops_proof_t;

struct ngx_llmops_proof_s {
    ngx_str_t                  name;       /* of llm_pattern's proof= */

    /*
     * Whether [*start, len) of p stands it.  *start is 0 and may be moved on,
     * since a pattern tells only of its leftmost start: "5 4111..." is a card
     * number behind a digit.
     */
    ngx_uint_t               (*check)(const u_char *p, size_t len,
                                      size_t *start);
};


/* The proof of that name, or NULL. */
const ngx_llmops_proof_t *ngx_llmops_proof_find(ngx_str_t *name);

/* All of them, the last with a name of no length. */
extern const ngx_llmops_proof_t  ngx_llmops_proofs[];


#endif /* _NGX_LLMOPS_PROOF_H_INCLUDED_ */
