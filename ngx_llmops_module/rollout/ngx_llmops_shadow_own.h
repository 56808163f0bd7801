
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SHADOW_OWN_H_INCLUDED_
#define _NGX_LLMOPS_SHADOW_OWN_H_INCLUDED_


#include "ngx_llmops_shadow.h"
#include "ngx_llmops_ask.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_score.h"


/* What the files of shadows share.  See ngx_llmops_shadow.c. */


#define NGX_LLMOPS_SHADOW_KEPT   (1024 * 1024)     /* bytes of an answer */


/* "judge=" of a shadow; see ngx_llmops_shadow_judge.c */

struct ngx_llmops_shadow_judge_s {
    ngx_llmops_ask_t           ask;        /* .whom, .target, .rubric and
                                              .timeout of each question */
    ngx_uint_t                 share;      /* of 10000: of pairs */
    ngx_llmops_scorer_t       *scorer;     /* one check: "pairwise" */
    ngx_uint_t                 n;          /* pairs that are being judged, in
                                              this worker */
};


/*
 * What has to be known of a request when its copy is over, and until the pair
 * has been judged.  Belongs to nobody's pool.
 */

typedef struct {
    ngx_llmops_shadow_t       *shadow;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_detached_t      d;          /* the copy; then the questions, one
                                              after the other */
    ngx_llmops_op_e            op;
    ngx_uint_t                 stream;
    ngx_llmops_out_t           text;       /* of the stable answer, plain */
    ngx_llmops_out_t           said;       /* the shadow's, when it is over */
    ngx_llmops_out_t           input;      /* of the request, if it is to be
                                              judged */
    ngx_msec_t                 time;
    ngx_msec_t                 first_token;
    int64_t                    tokens;
    int64_t                    cost;
    struct ngx_llmops_sample_draft_s  *sample;     /* or NULL */
    ngx_llmops_score_t        *score;      /* while it is being judged */
    ngx_uint_t                 question;   /* that is under way */
    unsigned                   has_text:1;
    unsigned                   has_said:1;
    unsigned                   judged:1;   /* drawn for the judge */
} ngx_llmops_pair_t;


/* shadow.c */

/* Whether what shadow and judge may cost today is spent. */
ngx_uint_t ngx_llmops_shadow_is_spent(ngx_llmops_shadow_t *s);

/* Something has cost so much; -1: nobody knows. */
void ngx_llmops_shadow_spend(ngx_llmops_shadow_t *s, int64_t cost);

/* All is known of a pair: records it, and frees it.  winner is "stable",
   "shadow", "tie", or NULL: nobody has judged.  comment may be NULL. */
void ngx_llmops_shadow_end(ngx_llmops_pair_t *pair, const char *winner,
    const char *comment);


/* shadow_meaning.c */

/* Two texts of a pair: they are compared by meaning, if that is wanted, later.
   They are copied. */
void ngx_llmops_shadow_meaning(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_shadow_t *s, ngx_str_t *stable, ngx_str_t *shadow);


/* shadow_judge.c */

/* A good answer was copied: draws whether its pair will be judged, and keeps
   the request's text for that.  While ctx is there. */
void ngx_llmops_shadow_judge_draw(ngx_llmops_ctx_t *ctx,
    ngx_llmops_pair_t *pair);

/* A pair that was drawn has been compared: has it judged, and ends it, now or
   later.  pair->d must not be under way; from its handler is allowed. */
void ngx_llmops_shadow_judge(ngx_llmops_pair_t *pair);

/* judge=, judge_share=, judge_timeout= and rubric=.  NGX_OK; NGX_DECLINED: the
   parameter is none of them; NGX_ERROR: it is wrong, or there twice. */
ngx_int_t ngx_llmops_shadow_judge_param(ngx_conf_t *cf,
    ngx_llmops_shadow_t *s, ngx_str_t *word);

/* When all is read.  NGX_OK, or NGX_ERROR (logged). */
ngx_int_t ngx_llmops_shadow_judge_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_shadow_t *s);


/* shadow_conf.c */

/* The target that a parameter names, which has to have a model.  NULL:
   logged. */
ngx_llmops_target_t *ngx_llmops_shadow_named(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_shadow_t *s, const char *param,
    ngx_str_t *name);

/* With budget= a target must have a price.  NGX_OK, or NGX_ERROR (logged). */
ngx_int_t ngx_llmops_shadow_priced(ngx_conf_t *cf, ngx_llmops_shadow_t *s,
    ngx_llmops_target_t *t);


#endif /* _NGX_LLMOPS_SHADOW_OWN_H_INCLUDED_ */
