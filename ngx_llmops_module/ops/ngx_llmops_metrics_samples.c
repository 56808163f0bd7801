
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics_print.h"
#include "ngx_llmops_samples_own.h"


/* Families of samples, whose nodes are named by route. */


/* in the order of ngx_llmops_sample_outcome_e */

static const char  *ngx_llmops_sample_outcomes[] = {
    "recorded", "pair", "too_large", "denied", "unreadable", "store"
};


static void
ngx_llmops_print_sample_open(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name)
{
    ngx_llmops_page_printf(&pr->page, "%V{route=\"", &f->name);
    ngx_llmops_print_escaped(pr, name->data, name->len);
    ngx_llmops_page_lit(&pr->page, "\"");
}


void
ngx_llmops_print_sample_outcomes(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t               i, n;
    ngx_llmops_sample_sh_t  *sh = node;

    for (i = 0; i < NGX_LLMOPS_SAMPLE_OUTCOMES; i++) {
        n = sh->outcomes[i];

        if (n) {
            ngx_llmops_print_sample_open(pr, f, name);
            ngx_llmops_page_printf(&pr->page, ",outcome=\"%s\"} %ui\n",
                                   ngx_llmops_sample_outcomes[i], n);
        }
    }
}


void
ngx_llmops_print_sample_bytes(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_sample_sh_t *sh = node;

    ngx_llmops_print_sample_open(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "} %uA\n", sh->bytes);
}


void
ngx_llmops_print_sample_us(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t               us;
    ngx_llmops_sample_sh_t  *sh = node;

    us = sh->us;

    ngx_llmops_print_sample_open(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "} %ui.%06ui\n", us / 1000000,
                           us % 1000000);
}
