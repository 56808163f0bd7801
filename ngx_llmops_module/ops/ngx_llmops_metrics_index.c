
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics_print.h"
#include "ngx_llmops_index.h"


/* Indexes, whose nodes are named by them. */


static void
ngx_llmops_print_index(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_str_t *name)
{
    ngx_llmops_page_printf(&pr->page, "%V{index=\"", &f->name);
    ngx_llmops_print_escaped(pr, name->data, name->len);
}


void
ngx_llmops_print_retrievals(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t              i;
    ngx_llmops_index_sh_t  *sh = node;

    for (i = 0; i < NGX_LLMOPS_RETRIEVE_RESULTS; i++) {
        if (sh->results[i]) {
            ngx_llmops_print_index(pr, f, name);
            ngx_llmops_page_printf(&pr->page, "\",result=\"%V\"} %uA\n",
                                   &ngx_llmops_retrieve_results[i],
                                   sh->results[i]);
        }
    }
}


void
ngx_llmops_print_retrieval_time(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_index_sh_t  *sh = node;

    ngx_llmops_print_index(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "\"} %uA.%03uA\n", sh->ms / 1000,
                           sh->ms % 1000);
}


void
ngx_llmops_print_indexed_chunks(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_index_sh_t  *sh = node;

    ngx_llmops_print_index(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "\"} %uA\n", sh->embedded);
}


void
ngx_llmops_print_indexed(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_index_sh_t  *sh = node;

    ngx_llmops_print_index(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "\",result=\"ready\"} %uA\n",
                           sh->indexed);

    ngx_llmops_print_index(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "\",result=\"failed\"} %uA\n",
                           sh->failed);
}
