
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_index_doc.h"


static const char *ngx_llmops_doc_wrong_meta(json_t *meta);
static ngx_uint_t ngx_llmops_doc_meta_name(const char *name);
static ngx_uint_t ngx_llmops_doc_text(json_t *value, size_t min, size_t max);
static ngx_uint_t ngx_llmops_doc_equal(json_t *a, json_t *b);


static const char *const  ngx_llmops_doc_given[] = {
    "title", "url", "metadata", NULL
};


const char *
ngx_llmops_doc_wrong(json_t *given)
{
    json_t      *value;
    const char  *name;

    if (!json_is_object(given)) {
        return "is not an object, write {\"id\": ..., \"text\": ...}";
    }

    json_object_foreach(given, name, value) {

        if (ngx_strcmp(name, "id") == 0) {
            if (!ngx_llmops_doc_text(value, 1, NGX_LLMOPS_INDEX_DOC)) {
                return "needs an \"id\" of 1 to 512 bytes without control "
                       "characters";
            }

        } else if (ngx_strcmp(name, "text") == 0) {
            if (!json_is_string(value) || json_string_length(value) == 0
                || json_string_length(value) > NGX_LLMOPS_INDEX_TEXT)
            {
                return "needs a \"text\" of 1 byte to 512 KB";
            }

        } else if (ngx_strcmp(name, "title") == 0) {
            if (!ngx_llmops_doc_text(value, 0, NGX_LLMOPS_INDEX_TITLE)) {
                return "has a \"title\" that is not a text of at most 512 "
                       "bytes";
            }

        } else if (ngx_strcmp(name, "url") == 0) {
            if (!ngx_llmops_doc_text(value, 0, NGX_LLMOPS_INDEX_URL)) {
                return "has a \"url\" that is not a text of at most 2048 "
                       "bytes";
            }

        } else if (ngx_strcmp(name, "metadata") == 0) {
            name = ngx_llmops_doc_wrong_meta(value);

            if (name) {
                return name;
            }

        } else {
            return "has an unknown member, there are id, text, title, url and "
                   "metadata";
        }
    }

    return (json_object_get(given, "id") && json_object_get(given, "text"))
           ? NULL : "needs an \"id\" and a \"text\"";
}


static const char *
ngx_llmops_doc_wrong_meta(json_t *meta)
{
    json_t      *value;
    const char  *name;

    if (!json_is_object(meta)
        || json_object_size(meta) > NGX_LLMOPS_INDEX_META)
    {
        return "has \"metadata\" that is not an object of at most 16 members";
    }

    json_object_foreach(meta, name, value) {

        if (!ngx_llmops_doc_meta_name(name)) {
            return "has a name in \"metadata\" that is not of 1 to 32 letters, "
                   "digits and \"_\"";
        }

        if (!json_is_number(value) && !json_is_boolean(value)
            && !ngx_llmops_doc_text(value, 0, NGX_LLMOPS_INDEX_META_TEXT))
        {
            return "has a value in \"metadata\" that is not a text of at most "
                   "256 bytes, a number, true or false";
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_llmops_doc_meta_name(const char *name)
{
    size_t  i;

    for (i = 0; name[i]; i++) {
        if (!((name[i] >= 'a' && name[i] <= 'z')
              || (name[i] >= 'A' && name[i] <= 'Z')
              || (name[i] >= '0' && name[i] <= '9') || name[i] == '_'))
        {
            return 0;
        }
    }

    return i > 0 && i <= NGX_LLMOPS_INDEX_META_KEY;
}


/* a line of so many bytes */

static ngx_uint_t
ngx_llmops_doc_text(json_t *value, size_t min, size_t max)
{
    size_t       i, len;
    const char  *p;

    p = json_string_value(value);
    len = json_string_length(value);

    for (i = 0; i < len; i++) {
        if ((u_char) p[i] < 0x20 || p[i] == 0x7f) {
            return 0;
        }
    }

    return p && len >= min && len <= max;
}


json_t *
ngx_llmops_doc_head(json_t *given, json_t *old, const char *sha,
    const char *text, const char *chunking, time_t now)
{
    json_t      *head, *value;
    ngx_uint_t   i;

    head = json_pack("{s:O,s:s,s:s,s:s,s:I,s:s,s:I}",
                     "id", json_object_get(given, "id"),
                     "state", "pending",
                     "sha", sha,
                     "text", text,
                     "bytes", (json_int_t)
                         json_string_length(json_object_get(given, "text")),
                     "chunking", chunking,
                     "updated", (json_int_t) now);

    for (i = 0; ngx_llmops_doc_given[i]; i++) {
        value = json_object_get(given, ngx_llmops_doc_given[i]);

        if (value) {
            (void) json_object_set(head, ngx_llmops_doc_given[i], value);
        }
    }

    value = json_object_get(old, "created");
    (void) json_object_set_new(head, "created",
                               value ? json_incref(value) : json_integer(now));

    /* its chunks go only when others have come; and who works on the old one
       has to notice first */

    value = json_object_get(old, "sets");
    (void) json_object_set_new(head, "sets", value ? json_deep_copy(value)
                                                   : json_object());

    value = json_object_get(old, "claim");

    if (value) {
        (void) json_object_set(head, "claim", value);
    }

    if (json_object_size(head) < 9) {
        json_decref(head);
        return NULL;
    }

    return head;
}


ngx_uint_t
ngx_llmops_doc_same(json_t *head, json_t *given, const char *sha,
    const char *chunking, const char *set)
{
    ngx_uint_t   i;
    const char  *state;

    state = ngx_llmops_doc_string(head, "state");

    if ((ngx_strcmp(state, "ready") != 0 && ngx_strcmp(state, "pending") != 0)
        || ngx_strcmp(ngx_llmops_doc_string(head, "sha"), sha) != 0
        || ngx_strcmp(ngx_llmops_doc_string(head, "chunking"), chunking) != 0)
    {
        return 0;
    }

    if (ngx_strcmp(state, "ready") == 0
        && json_object_get(json_object_get(head, "sets"), set) == NULL
        && json_object_size(json_object_get(head, "sets")))
    {
        return 0;                            /* by another model */
    }

    for (i = 0; ngx_llmops_doc_given[i]; i++) {
        if (!ngx_llmops_doc_equal(json_object_get(head,
                                                  ngx_llmops_doc_given[i]),
                                  json_object_get(given,
                                                  ngx_llmops_doc_given[i])))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_llmops_doc_equal(json_t *a, json_t *b)
{
    return (a == NULL && b == NULL) || json_equal(a, b);
}


json_t *
ngx_llmops_doc_load(ngx_str_t *value)
{
    json_t  *head;

    head = json_loadb((char *) value->data, value->len, 0, NULL);

    if (json_is_string(json_object_get(head, "id"))
        && json_is_string(json_object_get(head, "state"))
        && json_is_object(json_object_get(head, "sets")))
    {
        return head;
    }

    json_decref(head);

    return NULL;
}


const char *
ngx_llmops_doc_string(json_t *head, const char *name)
{
    const char  *s;

    s = json_string_value(json_object_get(head, name));

    return s ? s : "";
}


void
ngx_llmops_doc_chunk(const u_char digest[32],
    u_char name[NGX_LLMOPS_INDEX_CHUNK + 1])
{
    ngx_uint_t  i, n, bits;

    static const char  digits[] = "abcdefghijklmnopqrstuvwxyz234567";

    bits = 0;
    n = 0;

    for (i = 0; i < NGX_LLMOPS_INDEX_CHUNK; i++) {

        if (n < 5) {
            bits = (bits << 8) | *digest++;
            n += 8;
        }

        n -= 5;
        name[i] = (u_char) digits[(bits >> n) & 31];
    }

    name[i] = '\0';
}


ngx_int_t
ngx_llmops_doc_note(json_t *head, const char *set, json_t *chunks)
{
    json_t  *sets, *noted;

    sets = json_object_get(head, "sets");
    noted = json_object_get(sets, set);

    if (noted == NULL) {
        noted = json_object();

        if (json_object_set_new(sets, set, noted) != 0) {
            return NGX_ERROR;
        }
    }

    return json_object_update(noted, chunks) == 0 ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_llmops_doc_stale(json_t *head, const char *keep, json_t *stay,
    const char **set, const char **chunk)
{
    json_t      *names, *value;
    const char  *name;

    json_object_foreach(json_object_get(head, "sets"), name, names) {

        json_object_foreach(names, *chunk, value) {

            if (ngx_strcmp(name, keep) != 0
                || json_object_get(stay, *chunk) == NULL)
            {
                *set = name;
                return NGX_OK;
            }
        }
    }

    return NGX_DONE;
}


void
ngx_llmops_doc_forget(json_t *head, const char *set, const char *chunk)
{
    json_t  *sets, *names;

    sets = json_object_get(head, "sets");
    names = json_object_get(sets, set);

    (void) json_object_del(names, chunk);

    if (json_object_size(names) == 0) {
        (void) json_object_del(sets, set);
    }
}


/*
 * A value that filters compare with a text.  To Redis true is the number 1 as
 * well, and "1.0" that number: so numbers, true and false are texts there.
 */

static json_t *
ngx_llmops_doc_filtered(json_t *value)
{
    char    *text;
    json_t  *s;

    if (json_is_string(value)) {
        return json_incref(value);
    }

    text = json_dumps(value, JSON_ENCODE_ANY|JSON_REAL_PRECISION(15));
    s = text ? json_string(text) : NULL;
    free(text);

    return s;
}


json_t *
ngx_llmops_doc_attributes(json_t *head, ngx_str_t *text, ngx_uint_t n)
{
    char         key[NGX_LLMOPS_INDEX_META_KEY + sizeof("m_")];
    json_t      *attr, *value;
    const char  *name;

    attr = json_pack("{s:O,s:i,s:o}", "d", json_object_get(head, "id"),
                     "n", (int) n,
                     "t", json_stringn((char *) text->data, text->len));
    if (attr == NULL) {
        return NULL;
    }

    value = json_object_get(head, "title");

    if (value) {
        (void) json_object_set(attr, "title", value);
    }

    value = json_object_get(head, "url");

    if (value) {
        (void) json_object_set(attr, "url", value);
    }

    json_object_foreach(json_object_get(head, "metadata"), name, value) {
        (void) snprintf(key, sizeof(key), "m_%s", name);
        (void) json_object_set_new(attr, key, ngx_llmops_doc_filtered(value));
    }

    return attr;
}


json_t *
ngx_llmops_doc_shown(json_t *head)
{
    json_t      *shown, *names, *value;
    size_t       n;
    ngx_uint_t   i;
    const char  *set;

    static const char *const  members[] = {
        "id", "state", "title", "url", "metadata", "bytes", "error", "created",
        "updated", "indexed", NULL
    };

    shown = json_object();
    n = 0;

    for (i = 0; members[i]; i++) {
        value = json_object_get(head, members[i]);

        if (value) {
            (void) json_object_set(shown, members[i], value);
        }
    }

    json_object_foreach(json_object_get(head, "sets"), set, names) {
        n += json_object_size(names);
    }

    if (json_object_set_new(shown, "chunks", json_integer(n)) != 0) {
        json_decref(shown);
        return NULL;
    }

    return shown;
}
