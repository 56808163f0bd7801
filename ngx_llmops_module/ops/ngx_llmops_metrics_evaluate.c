
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics_print.h"
#include "ngx_llmops_evaluate.h"


/*
 * The samples of evaluations: all of them together, and one of each "evaluate"
 * of the configuration.  Those of the API have no names here, which are
 * anybody's.
 */


static void ngx_llmops_print_evaluate_open(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name);


static const char  *ngx_llmops_evaluation_ends[] = {
    "completed", "failed", "cancelled"
};

static const char  *ngx_llmops_evaluation_cases[] = { "scored", "failed" };

static const char  *ngx_llmops_evaluate_verdicts[] = {
    "undecided", "pass", "fail"
};


void
ngx_llmops_print_evaluations_ended(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t                    i;
    ngx_llmops_evaluations_sh_t  *sh = node;

    for (i = 0; i < NGX_LLMOPS_EVAL_ENDS; i++) {
        ngx_llmops_page_printf(&pr->page, "%V{status=\"%s\"} %uA\n",
                               &f->name, ngx_llmops_evaluation_ends[i],
                               sh->ended[i]);
    }
}


void
ngx_llmops_print_evaluations_cases(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t                    i;
    ngx_llmops_evaluations_sh_t  *sh = node;

    for (i = 0; i < 2; i++) {
        ngx_llmops_page_printf(&pr->page, "%V{outcome=\"%s\"} %uA\n",
                               &f->name, ngx_llmops_evaluation_cases[i],
                               sh->cases[i]);
    }
}


void
ngx_llmops_print_evaluations_count(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_page_printf(&pr->page, "%V %uA\n", &f->name,
                           *(ngx_atomic_t *) ((u_char *) node + f->offset));
}


void
ngx_llmops_print_evaluations_cost(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    uint64_t                      n;
    ngx_llmops_evaluations_sh_t  *sh = node;

    n = sh->cost;

    ngx_llmops_page_printf(&pr->page, "%V %uL.%012uL\n", &f->name,
                           n / 1000000000000ULL, n % 1000000000000ULL);
}


static void
ngx_llmops_print_evaluate_open(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name)
{
    u_char  *end, *last;

    last = name->data + name->len;
    end = ngx_strlchr(name->data, last, '\0');

    if (end == NULL) {
        end = last;
    }

    ngx_llmops_page_printf(&pr->page, "%V{route=\"", &f->name);
    ngx_llmops_print_escaped(pr, name->data, end - name->data);
    ngx_llmops_page_lit(&pr->page, "\",evaluation=\"");

    if (end < last) {
        ngx_llmops_print_escaped(pr, end + 1, last - end - 1);
    }

    ngx_llmops_page_lit(&pr->page, "\"");
}


void
ngx_llmops_print_evaluate_score(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_evaluate_sh_t  *sh = node;

    if (!sh->scored) {
        return;
    }

    ngx_llmops_print_evaluate_open(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "} %uA.%03uA\n", sh->score / 1000,
                           sh->score % 1000);
}


void
ngx_llmops_print_evaluate_told(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_evaluate_sh_t  *sh = node;

    if (sh->told == 0) {
        return;
    }

    ngx_llmops_print_evaluate_open(pr, f, name);
    ngx_llmops_page_printf(&pr->page, "} %uA\n", sh->told);
}


void
ngx_llmops_print_evaluate_verdicts(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t                 i;
    ngx_llmops_evaluate_sh_t  *sh = node;

    for (i = 0; i < 3; i++) {
        ngx_llmops_print_evaluate_open(pr, f, name);
        ngx_llmops_page_printf(&pr->page, ",verdict=\"%s\"} %uA\n",
                               ngx_llmops_evaluate_verdicts[i],
                               sh->verdicts[i]);
    }
}
