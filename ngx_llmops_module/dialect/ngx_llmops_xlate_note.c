
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <stdarg.h>
#include <sys/random.h>
#include "ngx_llmops_codec.h"


/*
 * What a translator remembers of its request: notes of what was lost, the
 * reason of a refusal, and names that had to change.
 */


#define NGX_LLMOPS_FNV_SEED   0xcbf29ce484222325ULL


static void ngx_llmops_note(ngx_llmops_xlate_t *x, ngx_llmops_out_t *list,
    const char *item);
static ngx_uint_t ngx_llmops_note_has(ngx_llmops_out_t *list,
    const char *item, size_t len);
static char *ngx_llmops_shorten(ngx_llmops_xlate_t *x, const char *name,
    size_t max, uint64_t seed);


void
ngx_llmops_set(ngx_llmops_xlate_t *x, json_t *object, const char *key,
    json_t *value)
{
    if (!json_is_object(object)) {
        json_decref(value);
        return;
    }

    if (json_object_set_new(object, key, value) != 0) {
        x->nomem = 1;
    }
}


void
ngx_llmops_append(ngx_llmops_xlate_t *x, json_t *array, json_t *value)
{
    if (!json_is_array(array)) {
        json_decref(value);
        return;
    }

    if (json_array_append_new(array, value) != 0) {
        x->nomem = 1;
    }
}


json_t *
ngx_llmops_object(ngx_llmops_xlate_t *x)
{
    json_t  *v;

    v = json_object();
    if (v == NULL) {
        x->nomem = 1;
    }

    return v;
}


json_t *
ngx_llmops_array(ngx_llmops_xlate_t *x)
{
    json_t  *v;

    v = json_array();
    if (v == NULL) {
        x->nomem = 1;
    }

    return v;
}


json_t *
ngx_llmops_typed(ngx_llmops_xlate_t *x, const char *type)
{
    json_t  *v;

    v = ngx_llmops_object(x);
    ngx_llmops_set(x, v, "type", json_string(type));

    return v;
}


void
ngx_llmops_copy(ngx_llmops_xlate_t *x, json_t *to, const char *key,
    json_t *from, const char *from_key)
{
    json_t  *v;

    v = json_object_get(from, from_key);

    if (v != NULL && !json_is_null(v)) {
        ngx_llmops_set(x, to, key, json_incref(v));
    }
}


void
ngx_llmops_gather(ngx_llmops_out_t *out, const char *text, size_t len,
    const char *separator)
{
    if (len == 0) {
        return;
    }

    if (out->len > 0) {
        ngx_llmops_out_write(out, separator, strlen(separator));
    }

    ngx_llmops_out_write(out, text, len);
}


json_t *
ngx_llmops_gathered(ngx_llmops_xlate_t *x, ngx_llmops_out_t *out)
{
    json_t  *v;

    v = out->failed ? NULL
                    : json_stringn(out->len ? (char *) out->data : "",
                                   out->len);
    if (v == NULL) {
        x->nomem = 1;
    }

    ngx_llmops_out_free(out);

    return v;
}


void
ngx_llmops_set_gathered(ngx_llmops_xlate_t *x, json_t *object,
    const char *key, ngx_llmops_out_t *out)
{
    if (out->failed) {
        x->nomem = 1;

    } else {
        ngx_llmops_set(x, object, key,
                       ngx_llmops_tree_raw((char *) out->data, out->len));
    }

    ngx_llmops_out_free(out);
}


void
ngx_llmops_drop(ngx_llmops_xlate_t *x, const char *param)
{
    ngx_llmops_note(x, &x->dropped, param);

    if (x->strict) {
        ngx_llmops_refuse(x, param, "unsupported_parameter",
                          "\"%.64s\" would be dropped for the provider of "
                          "this model", param);
    }
}


void
ngx_llmops_approx(ngx_llmops_xlate_t *x, const char *param, const char *how)
{
    char  item[160];

    snprintf(item, sizeof(item), "%.96s:%.48s", param, how);

    ngx_llmops_note(x, &x->approx, item);

    if (x->strict) {
        ngx_llmops_refuse(x, param, "unsupported_parameter",
                          "\"%.64s\" would only be approximated (%.48s) for "
                          "the provider of this model", param, how);
    }
}


void
ngx_llmops_refuse(ngx_llmops_xlate_t *x, const char *param, const char *code,
    const char *fmt, ...)
{
    va_list  args;

    if (x->declined) {
        return;
    }

    x->declined = 1;
    x->code = code;
    snprintf(x->param, sizeof(x->param), "%s", param);

    va_start(args, fmt);
    vsnprintf(x->message, sizeof(x->message), fmt, args);
    va_end(args);
}


/* the list goes into a header: only what is safe there is kept */

static void
ngx_llmops_note(ngx_llmops_xlate_t *x, ngx_llmops_out_t *list,
    const char *item)
{
    char    safe[160];
    size_t  i;

    for (i = 0; item[i] != '\0' && i < sizeof(safe); i++) {
        safe[i] = (item[i] > ' ' && item[i] < 0x7f && item[i] != ','
                   && item[i] != ';')
                  ? item[i] : '_';
    }

    /* a list that is full is cut, at an item */

    if (i == 0 || ngx_llmops_note_has(list, safe, i)
        || list->len + i + 1 > NGX_LLMOPS_WARN_MAX)
    {
        return;
    }

    if (list->len > 0) {
        ngx_llmops_out_lit(list, ",");
    }

    ngx_llmops_out_write(list, safe, i);

    if (list->failed) {
        x->nomem = 1;
    }
}


static ngx_uint_t
ngx_llmops_note_has(ngx_llmops_out_t *list, const char *item, size_t len)
{
    u_char  *p, *end, *last;

    if (list->len == 0) {
        return 0;
    }

    p = list->data;
    last = p + list->len;

    while (p < last) {
        end = memchr(p, ',', last - p);

        if (end == NULL) {
            end = last;
        }

        if ((size_t) (end - p) == len && memcmp(p, item, len) == 0) {
            return 1;
        }

        p = end + 1;
    }

    return 0;
}


char *
ngx_llmops_dup(ngx_llmops_xlate_t *x, const char *s)
{
    char  *copy;

    copy = strdup(s);
    if (copy == NULL) {
        x->nomem = 1;
    }

    return copy;
}


uint64_t
ngx_llmops_fnv(const void *data, size_t len, uint64_t seed)
{
    size_t         i;
    uint64_t       h;
    const u_char  *p;

    p = data;
    h = NGX_LLMOPS_FNV_SEED ^ seed;

    for (i = 0; i < len; i++) {
        h = (h ^ p[i]) * 0x100000001b3ULL;
    }

    return h ^ (h >> 32);
}


static ngx_uint_t
ngx_llmops_name_valid(const char *name, size_t max)
{
    size_t  len;

    len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                       "0123456789_-");

    return len > 0 && len <= max && name[len] == '\0';
}


/*
 * The start of the name and eight hex digits of a hash of all of it: no
 * secret depends on it, and the map tells names apart that collide.
 */

static char *
ngx_llmops_shorten(ngx_llmops_xlate_t *x, const char *name, size_t max,
    uint64_t seed)
{
    char    *s, *p;
    size_t   len, keep;

    len = strlen(name);
    keep = ngx_min(len, max - 9);

    s = malloc(max + 1);
    if (s == NULL) {
        x->nomem = 1;
        return NULL;
    }

    memcpy(s, name, keep);

    for (p = s; p < s + keep; p++) {
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
              || (*p >= '0' && *p <= '9') || *p == '-'))
        {
            *p = '_';
        }
    }

    snprintf(p, 10, "_%08x", (unsigned) ngx_llmops_fnv(name, len, seed));

    return s;
}


char *
ngx_llmops_tool_name(ngx_llmops_xlate_t *x, const char *name)
{
    char        *s, item[160];
    uint64_t     seed;
    const char  *known;

    known = ngx_llmops_pair_to(&x->names, name);

    if (known != NULL) {
        return ngx_llmops_dup(x, known);
    }

    if (ngx_llmops_name_valid(name, x->provider->tool_max)) {
        return ngx_llmops_dup(x, name);
    }

    for (seed = 0, s = NULL; ; seed++) {
        free(s);
        s = ngx_llmops_shorten(x, name, x->provider->tool_max, seed);

        if (s == NULL) {
            return NULL;
        }

        if (ngx_llmops_pair_from(&x->names, s) == NULL) {
            break;
        }
    }

    snprintf(item, sizeof(item), "tool:%.70s>%.70s", name, s);
    ngx_llmops_note(x, &x->renamed, item);

    ngx_llmops_pair_add(x, &x->names, name, s);

    return s;
}


const char *
ngx_llmops_tool_restore(ngx_llmops_xlate_t *x, const char *name)
{
    const char  *from;

    from = ngx_llmops_pair_from(&x->names, name);

    return from ? from : name;
}


char *
ngx_llmops_safe_id(ngx_llmops_xlate_t *x, const char *id, size_t max)
{
    if (ngx_llmops_name_valid(id, max)) {
        return ngx_llmops_dup(x, id);
    }

    return ngx_llmops_shorten(x, id, max, 0);
}


void
ngx_llmops_random_id(char *dst, size_t size, const char *prefix)
{
    uint64_t  r[2];

    /* cannot fail once the system has booted; then an id is not a secret */

    if (getrandom(r, sizeof(r), 0) != (ssize_t) sizeof(r)) {
        r[0] = (uint64_t) time(NULL);
        r[1] = (uint64_t) (uintptr_t) dst;
    }

    snprintf(dst, size, "%s%016llx%08x", prefix, (unsigned long long) r[0],
             (unsigned) r[1]);
}


ngx_int_t
ngx_llmops_pair_add(ngx_llmops_xlate_t *x, ngx_llmops_pairs_t *list,
    const char *from, const char *to)
{
    ngx_uint_t          size;
    ngx_llmops_pair_t  *pair;

    if (list->n == NGX_LLMOPS_MAX_PAIRS) {
        ngx_llmops_refuse(x, "tools", "invalid_value", "more than %d tools "
                          "whose names must be kept", NGX_LLMOPS_MAX_PAIRS);
        return NGX_DECLINED;
    }

    if (list->n == list->size) {
        size = list->size ? list->size * 2 : 8;

        pair = realloc(list->pairs, size * sizeof(ngx_llmops_pair_t));
        if (pair == NULL) {
            x->nomem = 1;
            return NGX_ERROR;
        }

        list->pairs = pair;
        list->size = size;
    }

    pair = &list->pairs[list->n++];
    pair->from = ngx_llmops_dup(x, from);
    pair->to = ngx_llmops_dup(x, to);

    return x->nomem ? NGX_ERROR : NGX_OK;
}


const char *
ngx_llmops_pair_from(ngx_llmops_pairs_t *list, const char *to)
{
    ngx_uint_t  i;

    for (i = 0; i < list->n; i++) {
        if (list->pairs[i].to && strcmp(list->pairs[i].to, to) == 0) {
            return list->pairs[i].from;
        }
    }

    return NULL;
}


const char *
ngx_llmops_pair_to(ngx_llmops_pairs_t *list, const char *from)
{
    ngx_uint_t  i;

    for (i = 0; i < list->n; i++) {
        if (list->pairs[i].from && strcmp(list->pairs[i].from, from) == 0) {
            return list->pairs[i].to;
        }
    }

    return NULL;
}


void
ngx_llmops_pairs_free(ngx_llmops_pairs_t *list)
{
    ngx_uint_t  i;

    for (i = 0; i < list->n; i++) {
        free(list->pairs[i].from);
        free(list->pairs[i].to);
    }

    free(list->pairs);

    memset(list, 0, sizeof(ngx_llmops_pairs_t));
}
