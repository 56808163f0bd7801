
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"

#include <math.h>


/*
 * What has been decided, once it is in the store: a line in the error log, a
 * count, a message to the webhook.  All of it is in the document's history,
 * too: who dies between the store and here has decided all the same.
 */


static void ngx_llmops_rollout_hook_send(ngx_llmops_rollout_t *ro,
    const ngx_llmops_rollout_doc_t *doc, json_t *entry);
static json_t *ngx_llmops_rollout_arm_figures(
    ngx_llmops_rollout_guard_sh_t *sh, ngx_uint_t arm);
static void ngx_llmops_rollout_told(void *data, ngx_uint_t sent);


void
ngx_llmops_rollout_tell(ngx_llmops_rollout_t *ro,
    ngx_llmops_rollout_action_e action, const ngx_llmops_rollout_doc_t *doc,
    json_t *entry)
{
    ngx_uint_t   level, share;
    const char  *by, *reason;

    by = json_string_value(json_object_get(entry, "by"));
    reason = json_string_value(json_object_get(entry, "reason"));

    level = (action == NGX_LLMOPS_ROLLOUT_ROLLBACK) ? NGX_LOG_WARN
                                                    : NGX_LOG_NOTICE;
    share = ngx_llmops_rollout_doc_share(ro, doc);

    ngx_log_error(level, ngx_cycle->log, 0,
                  "llm canary \"%V\" of route \"%V\": %s, it is %s now, step "
                  "%ui of %ui, share %ui.%02ui%%, by %s%s%s",
                  &ro->candidate, &ro->route->name,
                  ngx_llmops_rollout_action_names[action],
                  ngx_llmops_rollout_state_names[doc->state], doc->step + 1,
                  ro->nsteps, share / 100, share % 100, by ? by : "",
                  reason && *reason ? ": " : "", reason ? reason : "");

    if (ro->sh) {
        (void) ngx_atomic_fetch_add(&ro->sh->decided[action], 1);
    }

    if (ro->webhook) {
        ngx_llmops_rollout_hook_send(ro, doc, entry);
    }
}


/* its id is that of the decision: a step is entered once */

static void
ngx_llmops_rollout_hook_send(ngx_llmops_rollout_t *ro,
    const ngx_llmops_rollout_doc_t *doc, json_t *entry)
{
    char       *text;
    u_char      hex[8 + 1 + 16 + 1];
    json_t     *message;
    uint32_t    crc;
    ngx_str_t   id, body;

    crc = ngx_crc32_long(ro->id.data, ro->id.len);

    id.data = hex;
    id.len = ngx_sprintf(hex, "%08xD-%016xL", crc,
                         (int64_t) json_integer_value(
                                            json_object_get(entry, "time")))
             - hex;

    message = json_pack("{s:s,s:s%,s:s%,s:s%,s:f,s:O}",
                        "type", "llm.rollout.decision",
                        "id", (char *) id.data, id.len,
                        "route", (char *) ro->route->name.data,
                                 ro->route->name.len,
                        "candidate", (char *) ro->candidate.data,
                                     ro->candidate.len,
                        "share", (double) ngx_llmops_rollout_doc_share(ro, doc)
                                 / 10000,
                        "decision", entry);

    text = message ? json_dumps(message, JSON_COMPACT|JSON_REAL_PRECISION(15))
                   : NULL;

    if (text) {
        body.data = (u_char *) text;
        body.len = ngx_strlen(text);

        ngx_llmops_webhook_send(ro->webhook, &id, &body);
    }

    free(text);
    json_decref(message);
}


/* -- figures -------------------------------------------------------------- */

json_t *
ngx_llmops_rollout_figures(ngx_llmops_rollout_t *ro, ngx_uint_t guard)
{
    double                          evidence, needed;
    ngx_llmops_guard_t             *g;
    ngx_llmops_rollout_guard_sh_t  *sh;

    g = &ro->guards[guard];
    sh = ro->guard_sh[guard];

    if (sh == NULL) {
        return NULL;
    }

    /* what a bet has made of 1, not its logarithm: the guide explains that */

    evidence = sh->evidence ? ((double) sh->evidence - 1e9) / 1000 : 0;
    evidence = exp(fmin(evidence, 100));
    needed = exp(ro->needed);

    if (g->mode == NGX_LLMOPS_GUARD_ROW) {
        evidence = (double) sh->row;
        needed = g->bound;
    }

    return json_pack("{s:s%,s:f,s:f,s:o,s:o}",
                     "guard", (char *) g->text.data, g->text.len,
                     "evidence", evidence,
                     "needed", needed,
                     "candidate", ngx_llmops_rollout_arm_figures(sh, 1),
                     "stable", ngx_llmops_rollout_arm_figures(sh, 0));
}


static json_t *
ngx_llmops_rollout_arm_figures(ngx_llmops_rollout_guard_sh_t *sh,
    ngx_uint_t arm)
{
    return json_pack("{s:I,s:f}",
                     "observed", (json_int_t) sh->seen_n[arm],
                     "bad", (double) sh->seen_k[arm]
                            / NGX_LLMOPS_ROLLOUT_MICRO);
}


/* -- webhook -------------------------------------------------------------- */

static void
ngx_llmops_rollout_told(void *data, ngx_uint_t sent)
{
    ngx_llmops_rollout_t *ro = data;

    if (ro->sh) {
        (void) ngx_atomic_fetch_add(&ro->sh->told[sent ? 1 : 0], 1);
    }
}


void
ngx_llmops_rollout_webhook(ngx_llmops_rollout_t *ro)
{
    ro->webhook->over = ngx_llmops_rollout_told;
    ro->webhook->data = ro;

    ngx_llmops_webhook_start(ro->webhook);
}
