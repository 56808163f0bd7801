
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout_doc.h"


/*
 *            +--------- STEP (time has passed) ---------+
 *            v                                          |
 *   START -> running -- HOLD -> holding -- STEP --------+--> promoted
 *            |  ^ PAUSE/RESUME                                  |
 *            v  v                                               |
 *            paused            ROLLBACK from anywhere -> rolled_back
 *                              RESTART from both ends -> running
 *
 * An epoch is one stay at one step: with it everything that has been observed
 * begins anew.  It never comes back, so that observations of an older one are
 * known as such.
 */


#define NGX_LLMOPS_ROLLOUT_BIT(state)  (1 << NGX_LLMOPS_ROLLOUT_##state)


typedef struct {
    ngx_uint_t                 from;       /* bits of states */
    const char                *error;
} ngx_llmops_rollout_way_t;


static ngx_uint_t ngx_llmops_rollout_doc_move(ngx_llmops_rollout_doc_t *doc,
    ngx_llmops_rollout_action_e action, ngx_uint_t steps, int64_t now);
static json_t *ngx_llmops_rollout_doc_string(ngx_str_t *s);
static ngx_int_t ngx_llmops_rollout_doc_past(json_t *json);
static ngx_uint_t ngx_llmops_rollout_doc_newer(json_t *noted, json_t *was);
static void ngx_llmops_rollout_doc_oldest(json_t *all);


const char  *ngx_llmops_rollout_state_names[] = {
    "running", "holding", "paused", "promoted", "rolled_back"
};

const char  *ngx_llmops_rollout_action_names[] = {
    "start", "step", "promote", "hold", "rollback", "pause", "resume",
    "restart"
};


/* in the order of ngx_llmops_rollout_action_e */

static const ngx_llmops_rollout_way_t  ngx_llmops_rollout_ways[] = {

    { 0, "it has started already" },

    { NGX_LLMOPS_ROLLOUT_BIT(RUNNING)|NGX_LLMOPS_ROLLOUT_BIT(HOLDING)
      |NGX_LLMOPS_ROLLOUT_BIT(PAUSED),
      "it is over; to begin again, restart it" },

    { NGX_LLMOPS_ROLLOUT_BIT(RUNNING)|NGX_LLMOPS_ROLLOUT_BIT(HOLDING)
      |NGX_LLMOPS_ROLLOUT_BIT(PAUSED),
      "it is over; to begin again, restart it" },

    { NGX_LLMOPS_ROLLOUT_BIT(RUNNING), "it is not running" },

    { NGX_LLMOPS_ROLLOUT_BIT(RUNNING)|NGX_LLMOPS_ROLLOUT_BIT(HOLDING)
      |NGX_LLMOPS_ROLLOUT_BIT(PAUSED)|NGX_LLMOPS_ROLLOUT_BIT(PROMOTED),
      "it has been rolled back already" },

    { NGX_LLMOPS_ROLLOUT_BIT(RUNNING)|NGX_LLMOPS_ROLLOUT_BIT(HOLDING),
      "only one that runs can be paused" },

    { NGX_LLMOPS_ROLLOUT_BIT(PAUSED), "it is not paused" },

    { NGX_LLMOPS_ROLLOUT_BIT(PROMOTED)|NGX_LLMOPS_ROLLOUT_BIT(ROLLED_BACK),
      "it is under way; roll it back before" }
};


json_t *
ngx_llmops_rollout_doc_new(ngx_str_t *route, ngx_str_t *candidate,
    int64_t now)
{
    return json_pack("{s:i,s:o,s:o,s:s,s:i,s:i,s:I,"
                     "s:[{s:I,s:s,s:s,s:i,s:s,s:s}]}",
                     "v", 1,
                     "route", ngx_llmops_rollout_doc_string(route),
                     "candidate", ngx_llmops_rollout_doc_string(candidate),
                     "state", "running",
                     "step", 0,
                     "epoch", 1,
                     "since", (json_int_t) now,
                     "history",
                         "time", (json_int_t) now,
                         "action", "start",
                         "state", "running",
                         "step", 0,
                         "by", "configuration",
                         "reason", "");
}


/* names of a configuration need not be UTF-8 */

static json_t *
ngx_llmops_rollout_doc_string(ngx_str_t *s)
{
    size_t   i;
    char    *copy;
    json_t  *value;

    value = json_stringn((char *) s->data, s->len);

    if (value) {
        return value;
    }

    copy = malloc(s->len + 1);
    if (copy == NULL) {
        return NULL;
    }

    for (i = 0; i < s->len; i++) {
        copy[i] = (s->data[i] < 0x80) ? (char) s->data[i] : '?';
    }

    value = json_stringn(copy, s->len);

    free(copy);

    return value;
}


json_t *
ngx_llmops_rollout_doc_load(ngx_str_t *text)
{
    int          step, since;
    json_t      *json;
    ngx_uint_t   i;
    const char  *state;

    /* a user's name may have a NUL in it */

    json = json_loadb((char *) text->data, text->len,
                      JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, NULL);

    state = json_string_value(json_object_get(json, "state"));
    step = json_is_integer(json_object_get(json, "step"))
           && json_is_integer(json_object_get(json, "epoch"));
    since = json_is_integer(json_object_get(json, "since"))
            && json_is_array(json_object_get(json, "history"));

    for (i = 0; state && i < NGX_LLMOPS_ROLLOUT_STATES; i++) {

        if (ngx_strcmp(state, ngx_llmops_rollout_state_names[i]) == 0
            && step && since)
        {
            return json;
        }
    }

    json_decref(json);

    return NULL;
}


int64_t
ngx_llmops_rollout_doc_begun(json_t *json)
{
    size_t       i;
    int64_t      begun;
    json_t      *history, *entry;
    const char  *action;

    begun = 0;
    history = json_object_get(json, "history");

    for (i = json_array_size(history); i; i--) {

        entry = json_array_get(history, i - 1);
        begun = json_integer_value(json_object_get(entry, "time"));
        action = json_string_value(json_object_get(entry, "action"));

        if (action && (ngx_strcmp(action, "start") == 0
                       || ngx_strcmp(action, "restart") == 0))
        {
            break;
        }
    }

    return begun;
}


void
ngx_llmops_rollout_doc_get(json_t *json, ngx_llmops_rollout_doc_t *doc)
{
    json_int_t   step;
    ngx_uint_t   i;
    const char  *state;

    state = json_string_value(json_object_get(json, "state"));

    doc->state = NGX_LLMOPS_ROLLOUT_ROLLED_BACK;

    for (i = 0; state && i < NGX_LLMOPS_ROLLOUT_STATES; i++) {
        if (ngx_strcmp(state, ngx_llmops_rollout_state_names[i]) == 0) {
            doc->state = i;
        }
    }

    step = json_integer_value(json_object_get(json, "step"));

    doc->step = (step >= 0 && step < NGX_LLMOPS_ROLLOUT_STEPS) ? step : 0;
    doc->epoch = (uint32_t) json_integer_value(json_object_get(json,
                                                               "epoch"));
    doc->since = json_integer_value(json_object_get(json, "since"));
    doc->ill = json_integer_value(json_object_get(json, "ill"));
}


ngx_int_t
ngx_llmops_rollout_doc_apply(json_t *json, ngx_llmops_rollout_action_e action,
    ngx_uint_t steps, int64_t now, ngx_str_t *by, ngx_str_t *reason,
    json_t *figures, json_t **entry, const char **error)
{
    json_t                     *history;
    ngx_llmops_rollout_doc_t    doc;

    ngx_llmops_rollout_doc_get(json, &doc);

    if ((ngx_llmops_rollout_ways[action].from & (1 << doc.state)) == 0) {
        *error = ngx_llmops_rollout_ways[action].error;
        json_decref(figures);
        return NGX_DECLINED;
    }

    doc.ill = 0;

    if (ngx_llmops_rollout_doc_move(&doc, action, steps, now)) {
        doc.epoch++;
        doc.since = now;
    }

    *entry = json_pack("{s:I,s:s,s:s,s:i,s:o,s:o,s:o*}",
                       "time", (json_int_t) now,
                       "action", ngx_llmops_rollout_action_names[action],
                       "state", ngx_llmops_rollout_state_names[doc.state],
                       "step", (int) doc.step,
                       "by", ngx_llmops_rollout_doc_string(by),
                       "reason", ngx_llmops_rollout_doc_string(reason),
                       "figures", figures);

    history = json_object_get(json, "history");

    if (*entry == NULL || json_array_append_new(history, *entry) != 0
        || ngx_llmops_rollout_doc_set(json, &doc) != NGX_OK)
    {
        return NGX_ERROR;
    }

    while (json_array_size(history) > NGX_LLMOPS_ROLLOUT_HISTORY) {
        (void) json_array_remove(history, 0);
    }

    return action != NGX_LLMOPS_ROLLOUT_RESTART
           || ngx_llmops_rollout_doc_past(json) == NGX_OK
           ? NGX_OK : NGX_ERROR;
}


/* evaluations of before count no longer, but are known as such: one that is
   told again must not decide again */

static ngx_int_t
ngx_llmops_rollout_doc_past(json_t *json)
{
    json_t      *one;
    const char  *name;

    json_object_foreach(json_object_get(json, "evaluations"), name, one) {
        if (json_object_set_new(one, "past", json_true()) != 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* whether another step begins */

static ngx_uint_t
ngx_llmops_rollout_doc_move(ngx_llmops_rollout_doc_t *doc,
    ngx_llmops_rollout_action_e action, ngx_uint_t steps, int64_t now)
{
    switch (action) {

    case NGX_LLMOPS_ROLLOUT_STEP:
        doc->state = NGX_LLMOPS_ROLLOUT_RUNNING;

        if (doc->step + 1 < steps) {
            doc->step++;
            return 1;
        }

        /* fall through */

    case NGX_LLMOPS_ROLLOUT_PROMOTE:
        doc->step = steps - 1;
        doc->state = NGX_LLMOPS_ROLLOUT_PROMOTED;
        return 1;

    case NGX_LLMOPS_ROLLOUT_HOLD:
        doc->state = NGX_LLMOPS_ROLLOUT_HOLDING;
        return 0;

    case NGX_LLMOPS_ROLLOUT_ROLLBACK:
        doc->state = NGX_LLMOPS_ROLLOUT_ROLLED_BACK;
        return 1;

    case NGX_LLMOPS_ROLLOUT_PAUSE:
        doc->state = NGX_LLMOPS_ROLLOUT_PAUSED;
        return 0;

    case NGX_LLMOPS_ROLLOUT_RESUME:
        doc->state = NGX_LLMOPS_ROLLOUT_RUNNING;
        return 0;

    default:                                 /* RESTART */
        doc->step = 0;
        doc->state = NGX_LLMOPS_ROLLOUT_RUNNING;
        return 1;
    }
}


ngx_int_t
ngx_llmops_rollout_doc_set(json_t *json, const ngx_llmops_rollout_doc_t *doc)
{
    if (json_object_set_new(json, "state", json_string(
                            ngx_llmops_rollout_state_names[doc->state])) != 0
        || json_object_set_new(json, "step", json_integer(doc->step)) != 0
        || json_object_set_new(json, "epoch", json_integer(doc->epoch)) != 0
        || json_object_set_new(json, "since", json_integer(doc->since)) != 0)
    {
        return NGX_ERROR;
    }

    if (doc->ill) {
        return json_object_set_new(json, "ill", json_integer(doc->ill)) == 0
               ? NGX_OK : NGX_ERROR;
    }

    (void) json_object_del(json, "ill");

    return NGX_OK;
}


/* -- evaluations ---------------------------------------------------------- */

ngx_int_t
ngx_llmops_rollout_doc_note(json_t *json, ngx_str_t *name, json_t *noted)
{
    json_t      *all, *was;

    all = json_object_get(json, "evaluations");

    if (all == NULL) {
        all = json_object();

        if (json_object_set_new(json, "evaluations", all) != 0) {
            json_decref(noted);
            return NGX_ERROR;
        }
    }

    was = json_object_getn(all, (char *) name->data, name->len);

    if (was && !ngx_llmops_rollout_doc_newer(noted, was)) {
        json_decref(noted);
        return NGX_DECLINED;
    }

    if (was == NULL && json_object_size(all) >= NGX_LLMOPS_ROLLOUT_NOTED) {
        ngx_llmops_rollout_doc_oldest(all);
    }

    return json_object_setn_new(all, (char *) name->data, name->len, noted)
           == 0 ? NGX_OK : NGX_ERROR;
}


/*
 * Whether it is another one, of later, or the same with another verdict: people
 * judge answers of one that has ended.  Not if the rollout has begun again
 * since: that was said of another attempt.
 */

static ngx_uint_t
ngx_llmops_rollout_doc_newer(json_t *noted, json_t *was)
{
    int          order;
    const char  *id, *verdict;

    id = json_string_value(json_object_get(was, "id"));
    verdict = json_string_value(json_object_get(was, "verdict"));

    if (id == NULL || verdict == NULL) {
        return 1;
    }

    order = ngx_strcmp(json_string_value(json_object_get(noted, "id")), id);

    if (order != 0) {
        return order > 0;
    }

    return !json_is_true(json_object_get(was, "past"))
           && ngx_strcmp(json_string_value(json_object_get(noted, "verdict")),
                         verdict)
              != 0;
}


static void
ngx_llmops_rollout_doc_oldest(json_t *all)
{
    json_t      *one;
    json_int_t   time, first;
    const char  *name, *oldest;

    first = 0;
    oldest = NULL;

    json_object_foreach(all, name, one) {
        time = json_integer_value(json_object_get(one, "time"));

        if (oldest == NULL || time < first) {
            oldest = name;
            first = time;
        }
    }

    if (oldest) {
        (void) json_object_del(all, oldest);
    }
}


const ngx_str_t *
ngx_llmops_rollout_doc_lacks(json_t *json, const ngx_str_t *names,
    ngx_uint_t n)
{
    json_t      *all, *one;
    ngx_uint_t   i;
    const char  *verdict;

    all = json_object_get(json, "evaluations");

    for (i = 0; i < n; i++) {

        one = json_object_getn(all, (char *) names[i].data, names[i].len);
        verdict = json_string_value(json_object_get(one, "verdict"));

        if (verdict == NULL || ngx_strcmp(verdict, "pass") != 0
            || json_is_true(json_object_get(one, "past")))
        {
            return &names[i];
        }
    }

    return NULL;
}
