
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_prompt_head.h"


/*
 * What may become of a prompt in the store.  Three rules hold for every change:
 *
 *   - a version's text never changes, not even after it was deleted and is put
 *     again: whoever has read "support@v3" in a log can say what it was;
 *   - a label leads to a version that is there;
 *   - nothing grows without a bound: history and the ways back lose their
 *     oldest ends, all else is refused when it is full.
 */


static ngx_int_t ngx_llmops_head_set(json_t *object, ngx_str_t *name,
    json_t *value);
static ngx_int_t ngx_llmops_head_note(json_t *head, const char *action,
    ngx_str_t *version, ngx_str_t *label, const char *from,
    ngx_llmops_head_act_t *act);
static ngx_int_t ngx_llmops_head_text(json_t *object, const char *name,
    ngx_str_t *text, size_t max);
static void ngx_llmops_head_trim(json_t *array, size_t max);
static ngx_int_t ngx_llmops_head_lead(json_t *label, ngx_str_t *version,
    ngx_llmops_head_act_t *act);
static void ngx_llmops_head_forget(json_t *labels, ngx_str_t *version);
static ngx_int_t ngx_llmops_head_fault(ngx_llmops_head_fault_t *fault,
    const char *code, const char *text, ngx_str_t *name);


ngx_int_t
ngx_llmops_head_put(json_t *head, ngx_str_t *version, ngx_str_t *id,
    const char *sha256, size_t size, ngx_llmops_head_act_t *act,
    ngx_llmops_head_fault_t *fault)
{
    json_t      *versions, *entry;
    const char  *was;

    versions = json_object_get(head, "versions");
    entry = ngx_llmops_head_get(head, "versions", version);

    was = json_string_value(entry ? json_object_get(entry, "sha256")
                            : ngx_llmops_head_get(head, "gone", version));

    if (was && ngx_strcmp(was, sha256) != 0) {
        return ngx_llmops_head_fault(fault, "immutable", "the version \"%s\" "
                                     "has another text and keeps it, give the "
                                     "new one another name", version);
    }

    if (entry) {
        return NGX_DONE;
    }

    if (ngx_llmops_head_get(head, "labels", version)) {
        return ngx_llmops_head_fault(fault, "name_taken", "\"%s\" is a label "
                                     "of this prompt", version);
    }

    if (json_object_size(versions) >= NGX_LLMOPS_HEAD_VERSIONS) {
        return ngx_llmops_head_fault(fault, "full", "a prompt has 100 "
                                     "versions at the most, delete old ones",
                                     NULL);
    }

    entry = json_pack("{s:o,s:s,s:I,s:I}",
                      "text", json_stringn((char *) id->data, id->len),
                      "sha256", sha256, "size", (json_int_t) size,
                      "created", (json_int_t) act->time);

    if (entry == NULL
        || ngx_llmops_head_text(entry, "by", &act->by, NGX_LLMOPS_HEAD_WHO)
           != NGX_OK)
    {
        json_decref(entry);
        return NGX_ERROR;
    }

    if (ngx_llmops_head_set(versions, version, entry) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_head_note(head, "put", version, NULL, NULL, act);
}


ngx_int_t
ngx_llmops_head_remove(json_t *head, ngx_str_t *version,
    ngx_llmops_head_act_t *act, ngx_llmops_head_fault_t *fault)
{
    char         name[NGX_LLMOPS_HEAD_KEY];
    json_t      *labels, *label, *entry, *gone;
    ngx_str_t    text;
    const char  *key, *to;

    entry = ngx_llmops_head_get(head, "versions", version);

    if (entry == NULL) {
        return ngx_llmops_head_fault(fault, "not_found", "there is no version "
                                     "\"%s\" of this prompt", version);
    }

    labels = json_object_get(head, "labels");
    gone = json_object_get(head, "gone");

    json_object_foreach(labels, key, label) {
        to = json_string_value(json_object_get(label, "version"));

        if (to && ngx_strlen(to) == version->len
            && ngx_memcmp(to, version->data, version->len) == 0)
        {
            text.data = (u_char *) key;
            text.len = ngx_strlen(key);

            return ngx_llmops_head_fault(fault, "in_use", "the label \"%s\" "
                                         "leads to this version, move or "
                                         "delete it first", &text);
        }
    }

    if (json_object_size(gone) >= NGX_LLMOPS_HEAD_GONE) {
        return ngx_llmops_head_fault(fault, "full", "200 versions of this "
                                     "prompt have been deleted, begin another "
                                     "prompt", NULL);
    }

    ngx_llmops_head_forget(labels, version);

    if (ngx_llmops_head_set(gone, version,
                            json_incref(json_object_get(entry, "sha256")))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    (void) ngx_llmops_head_key(name, version);
    (void) json_object_del(json_object_get(head, "versions"), name);

    return ngx_llmops_head_note(head, "delete", version, NULL, NULL, act);
}


ngx_int_t
ngx_llmops_head_label(json_t *head, ngx_str_t *label, ngx_str_t *version,
    ngx_llmops_head_act_t *act, ngx_llmops_head_fault_t *fault)
{
    json_t      *labels, *entry, *was;
    const char  *from;

    if (ngx_llmops_head_get(head, "versions", version) == NULL) {
        return ngx_llmops_head_fault(fault, "not_found", "there is no version "
                                     "\"%s\" of this prompt", version);
    }

    if (ngx_llmops_head_get(head, "versions", label)) {
        return ngx_llmops_head_fault(fault, "name_taken", "\"%s\" is a version "
                                     "of this prompt", label);
    }

    labels = json_object_get(head, "labels");
    entry = ngx_llmops_head_get(head, "labels", label);

    if (entry == NULL) {

        if (json_object_size(labels) >= NGX_LLMOPS_HEAD_LABELS) {
            return ngx_llmops_head_fault(fault, "full", "a prompt has 20 "
                                         "labels at the most", NULL);
        }

        entry = json_pack("{s:[]}", "previous");

        if (ngx_llmops_head_set(labels, label, entry) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    was = json_object_get(entry, "version");
    from = json_string_value(was);

    if (from && ngx_strlen(from) == version->len
        && ngx_memcmp(from, version->data, version->len) == 0)
    {
        return NGX_DONE;
    }

    if (ngx_llmops_head_note(head, "label", version, label, from, act)
        != NGX_OK
        || (was && json_array_append(json_object_get(entry, "previous"), was)
                   != 0))
    {
        return NGX_ERROR;
    }

    ngx_llmops_head_trim(json_object_get(entry, "previous"),
                         NGX_LLMOPS_HEAD_PREVIOUS);

    return ngx_llmops_head_lead(entry, version, act);
}


ngx_int_t
ngx_llmops_head_unlabel(json_t *head, ngx_str_t *label,
    ngx_llmops_head_act_t *act, ngx_llmops_head_fault_t *fault)
{
    char         name[NGX_LLMOPS_HEAD_KEY];
    json_t      *entry;
    const char  *from;

    entry = ngx_llmops_head_get(head, "labels", label);

    if (entry == NULL) {
        return ngx_llmops_head_fault(fault, "not_found", "there is no label "
                                     "\"%s\" of this prompt", label);
    }

    from = json_string_value(json_object_get(entry, "version"));

    if (ngx_llmops_head_note(head, "unlabel", NULL, label, from, act)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    (void) ngx_llmops_head_key(name, label);
    (void) json_object_del(json_object_get(head, "labels"), name);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_head_rollback(json_t *head, ngx_str_t *label,
    ngx_llmops_head_act_t *act, ngx_llmops_head_fault_t *fault)
{
    size_t      n;
    json_t     *entry, *previous, *last;
    ngx_int_t   rc;
    ngx_str_t   version;

    entry = ngx_llmops_head_get(head, "labels", label);

    if (entry == NULL) {
        return ngx_llmops_head_fault(fault, "not_found", "there is no label "
                                     "\"%s\" of this prompt", label);
    }

    previous = json_object_get(entry, "previous");
    n = json_array_size(previous);

    if (n == 0) {
        return ngx_llmops_head_fault(fault, "no_previous", "the label \"%s\" "
                                     "has led to no other version before, or "
                                     "it was deleted", label);
    }

    last = json_incref(json_array_get(previous, n - 1));

    (void) json_array_remove(previous, n - 1);

    version.data = (u_char *) json_string_value(last);
    version.len = json_string_length(last);

    rc = ngx_llmops_head_note(head, "rollback", &version, label,
                              json_string_value(json_object_get(entry,
                                                                "version")),
                              act);
    if (rc == NGX_OK) {
        rc = ngx_llmops_head_lead(entry, &version, act);
    }

    json_decref(last);

    return rc;
}


/* -- parts ---------------------------------------------------------------- */

/* value is taken over, and may be NULL */

static ngx_int_t
ngx_llmops_head_set(json_t *object, ngx_str_t *name, json_t *value)
{
    char  key[NGX_LLMOPS_HEAD_KEY];

    if (!ngx_llmops_head_key(key, name)) {
        json_decref(value);
        return NGX_ERROR;
    }

    return json_object_set_new(object, key, value) == 0 ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_head_note(json_t *head, const char *action, ngx_str_t *version,
    ngx_str_t *label, const char *from, ngx_llmops_head_act_t *act)
{
    json_t  *history, *entry;

    history = json_object_get(head, "history");

    entry = json_pack("{s:I,s:s}", "time", (json_int_t) act->time,
                      "action", action);

    if (entry == NULL
        || (version && ngx_llmops_head_text(entry, "version", version,
                                            NGX_LLMOPS_HEAD_WHO) != NGX_OK)
        || (label && ngx_llmops_head_text(entry, "label", label,
                                          NGX_LLMOPS_HEAD_WHO) != NGX_OK)
        || (from && json_object_set_new(entry, "from", json_string(from)) != 0)
        || ngx_llmops_head_text(entry, "by", &act->by, NGX_LLMOPS_HEAD_WHO)
           != NGX_OK
        || ngx_llmops_head_text(entry, "reason", &act->reason,
                                NGX_LLMOPS_HEAD_REASON)
           != NGX_OK
        || json_array_append(history, entry) != 0)
    {
        json_decref(entry);
        return NGX_ERROR;
    }

    json_decref(entry);

    ngx_llmops_head_trim(history, NGX_LLMOPS_HEAD_HISTORY);

    return NGX_OK;
}


/* a text of somebody else: cut, and bytes that are not ASCII only as UTF-8 */

static ngx_int_t
ngx_llmops_head_text(json_t *object, const char *name, ngx_str_t *text,
    size_t max)
{
    u_char   copy[NGX_LLMOPS_HEAD_REASON];
    size_t   i, len;
    json_t  *value;

    if (text->len == 0) {
        return NGX_OK;
    }

    len = ngx_min(text->len, ngx_min(max, sizeof(copy)));
    value = json_stringn((char *) text->data, len);

    if (value == NULL) {

        for (i = 0; i < len; i++) {
            copy[i] = (text->data[i] < 0x80) ? text->data[i] : '?';
        }

        value = json_stringn((char *) copy, len);
    }

    return json_object_set_new(object, name, value) == 0 ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_head_trim(json_t *array, size_t max)
{
    while (json_array_size(array) > max) {
        (void) json_array_remove(array, 0);
    }
}


static ngx_int_t
ngx_llmops_head_lead(json_t *label, ngx_str_t *version,
    ngx_llmops_head_act_t *act)
{
    (void) json_object_del(label, "by");
    (void) json_object_del(label, "reason");

    if (json_object_set_new(label, "version",
                            json_stringn((char *) version->data, version->len))
        != 0
        || json_object_set_new(label, "moved", json_integer(act->time)) != 0)
    {
        return NGX_ERROR;
    }

    if (ngx_llmops_head_text(label, "by", &act->by, NGX_LLMOPS_HEAD_WHO)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_llmops_head_text(label, "reason", &act->reason,
                                NGX_LLMOPS_HEAD_REASON);
}


/* no way back leads to a version that is no longer there */

static void
ngx_llmops_head_forget(json_t *labels, ngx_str_t *version)
{
    size_t       i;
    json_t      *label, *previous, *value;
    const char  *key;

    json_object_foreach(labels, key, label) {
        previous = json_object_get(label, "previous");

        for (i = json_array_size(previous); i; i--) {
            value = json_array_get(previous, i - 1);

            if (json_string_length(value) == version->len
                && ngx_memcmp(json_string_value(value), version->data,
                              version->len)
                   == 0)
            {
                (void) json_array_remove(previous, i - 1);
            }
        }
    }
}


/* text may have one %s, for at most 64 bytes of name */

static ngx_int_t
ngx_llmops_head_fault(ngx_llmops_head_fault_t *fault, const char *code,
    const char *text, ngx_str_t *name)
{
    const char  *at;

    fault->code = code;

    at = name ? strstr(text, "%s") : NULL;

    if (at == NULL) {
        (void) snprintf(fault->text, sizeof(fault->text), "%s", text);
        return NGX_DECLINED;
    }

    (void) snprintf(fault->text, sizeof(fault->text), "%.*s%.*s%s",
                    (int) (at - text), text,
                    (int) ngx_min(name->len, NGX_LLMOPS_HEAD_WHO),
                    (char *) name->data, at + 2);

    return NGX_DECLINED;
}
