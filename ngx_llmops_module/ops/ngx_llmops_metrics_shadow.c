
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics_print.h"
#include "ngx_llmops_shadow.h"


/* Families of shadows, whose nodes are named by route and target. */


static void ngx_llmops_print_shadow_open(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, const char *suffix, ngx_str_t *name);


#define ngx_llmops_shadow_field(sh, side, f)                                  \
    (*(ngx_atomic_t *) ((u_char *) &(sh)->sides[side] + (f)->offset))


/* in the order of ngx_llmops_shadow_outcome_e */

static const char  *ngx_llmops_shadow_outcomes[] = {
    "compared", "failed", "refused", "dropped_max", "dropped_rate",
    "dropped_budget"
};

/* in the order of ngx_llmops_pair_verdict_e */

static const char  *ngx_llmops_shadow_verdicts[] = {
    "shadow", "stable", "tie", "none", "dropped_max", "dropped_budget"
};

static const char  *ngx_llmops_shadow_sides[] = { "stable", "shadow" };


static void
ngx_llmops_print_shadow_open(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, const char *suffix, ngx_str_t *name)
{
    u_char  *end, *last;

    last = name->data + name->len;
    end = ngx_strlchr(name->data, last, '\0');

    if (end == NULL) {
        end = last;
    }

    ngx_llmops_page_printf(&pr->page, "%V%s{route=\"", &f->name, suffix);
    ngx_llmops_print_escaped(pr, name->data, end - name->data);
    ngx_llmops_page_lit(&pr->page, "\",target=\"");

    if (end < last) {
        ngx_llmops_print_escaped(pr, end + 1, last - end - 1);
    }

    ngx_llmops_page_lit(&pr->page, "\"");
}


static void
ngx_llmops_print_shadow_named(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, const char *label,
    ngx_atomic_t *counts, const char **names, ngx_uint_t nnames)
{
    ngx_uint_t  i, n;

    for (i = 0; i < nnames; i++) {
        n = counts[i];

        if (n) {
            ngx_llmops_print_shadow_open(pr, f, "", name);
            ngx_llmops_page_printf(&pr->page, ",%s=\"%s\"} %ui\n", label,
                                   names[i], n);
        }
    }
}


void
ngx_llmops_print_shadow_outcomes(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_shadow_sh_t *sh = node;

    ngx_llmops_print_shadow_named(pr, f, name, "outcome", sh->outcomes,
                                  ngx_llmops_shadow_outcomes,
                                  NGX_LLMOPS_SHADOW_OUTCOMES);
}


void
ngx_llmops_print_shadow_verdicts(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_shadow_sh_t *sh = node;

    ngx_llmops_print_shadow_named(pr, f, name, "verdict", sh->verdicts,
                                  ngx_llmops_shadow_verdicts,
                                  NGX_LLMOPS_PAIR_VERDICTS);
}


/*
 * By offset in ngx_llmops_shadow_sh_t.  The last tenth is that of 0.9 and all
 * above, as +Inf has it too.
 */

void
ngx_llmops_print_shadow_similar(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t                    i, n, sum;
    ngx_llmops_shadow_similar_t  *similar;

    similar = (ngx_llmops_shadow_similar_t *) (void *) ((u_char *) node
                                                        + f->offset);
    sum = similar->sum;

    for (n = 0, i = 0; i < NGX_LLMOPS_SHADOW_BUCKETS; i++) {
        n += similar->counts[i];

        ngx_llmops_print_shadow_open(pr, f, "_bucket", name);

        if (i < NGX_LLMOPS_SHADOW_BUCKETS - 1) {
            ngx_llmops_page_printf(&pr->page, ",le=\"0.%ui\"} %ui\n", i + 1,
                                   n);

        } else {
            ngx_llmops_page_printf(&pr->page, ",le=\"+Inf\"} %ui\n", n);
        }
    }

    ngx_llmops_print_shadow_open(pr, f, "_sum", name);
    ngx_llmops_page_printf(&pr->page, "} %ui.%03ui\n", sum / 1000,
                           sum % 1000);

    ngx_llmops_print_shadow_open(pr, f, "_count", name);
    ngx_llmops_page_printf(&pr->page, "} %ui\n", n);
}


void
ngx_llmops_print_shadow_ms(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t               i, n;
    ngx_llmops_shadow_sh_t  *sh = node;

    for (i = 0; i < 2; i++) {
        n = ngx_llmops_shadow_field(sh, i, f);

        ngx_llmops_print_shadow_open(pr, f, "", name);
        ngx_llmops_page_printf(&pr->page, ",side=\"%s\"} %ui.%03ui\n",
                               ngx_llmops_shadow_sides[i], n / 1000,
                               n % 1000);
    }
}


void
ngx_llmops_print_shadow_count(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t               i;
    ngx_llmops_shadow_sh_t  *sh = node;

    for (i = 0; i < 2; i++) {
        ngx_llmops_print_shadow_open(pr, f, "", name);
        ngx_llmops_page_printf(&pr->page, ",side=\"%s\"} %uA\n",
                               ngx_llmops_shadow_sides[i],
                               ngx_llmops_shadow_field(sh, i, f));
    }
}


void
ngx_llmops_print_shadow_cost(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    uint64_t                 n;
    ngx_uint_t               i;
    ngx_llmops_shadow_sh_t  *sh = node;

    for (i = 0; i < 2; i++) {
        n = ngx_llmops_shadow_field(sh, i, f);

        ngx_llmops_print_shadow_open(pr, f, "", name);
        ngx_llmops_page_printf(&pr->page, ",side=\"%s\"} %uL.%012uL\n",
                               ngx_llmops_shadow_sides[i],
                               n / 1000000000000ULL, n % 1000000000000ULL);
    }
}
