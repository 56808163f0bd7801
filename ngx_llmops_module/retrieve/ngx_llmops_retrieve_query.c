
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_retrieve_query.h"
#include "ngx_llmops_retrieve.h"


/*
 * The two ends of retrieving: what is asked for, read from a caller's body, and
 * what the prompt and the caller get of it.
 */


static void ngx_llmops_query_variables(ngx_llmops_ctx_t *ctx, ngx_str_t *body,
    ngx_str_t *variables);
static void ngx_llmops_query_message(ngx_str_t *body, ngx_str_t *content);
static void ngx_llmops_query_texts(ngx_pool_t *pool, ngx_str_t *value,
    ngx_llmops_out_t *out, ngx_uint_t depth);
static void ngx_llmops_query_add(ngx_str_t *raw, ngx_llmops_out_t *out);
static void ngx_llmops_context_passage(ngx_llmops_out_t *out,
    ngx_llmops_passage_t *p, ngx_uint_t n);
static u_char *ngx_llmops_context_source(u_char *p, u_char *last,
    ngx_llmops_passage_t *passage);
static u_char *ngx_llmops_context_escape(u_char *p, u_char *last,
    ngx_str_t *raw, ngx_uint_t url);
static ngx_int_t ngx_llmops_context_copy(ngx_pool_t *pool,
    ngx_llmops_out_t *out, ngx_str_t *s);


#define NGX_LLMOPS_QUERY_BODY   (1024 * 1024)
#define NGX_LLMOPS_QUERY_DEPTH  4

#define ngx_llmops_query_is(key, lit)                                         \
    ((key)->len == sizeof(lit) - 1                                            \
     && ngx_memcmp((key)->data, lit, sizeof(lit) - 1) == 0)


/* -- what is asked for ----------------------------------------------------- */

ngx_int_t
ngx_llmops_retrieve_query(ngx_pool_t *pool, ngx_llmops_ctx_t *ctx,
    ngx_str_t *body, ngx_str_t *name, ngx_str_t *query)
{
    ngx_int_t               rc;
    ngx_str_t               variables, key, value;
    ngx_llmops_out_t        out;
    ngx_llmops_json_iter_t  it;

    ngx_str_null(&value);
    ngx_llmops_out_init(&out, NGX_LLMOPS_QUERY_BODY);

    ngx_llmops_query_variables(ctx, body, &variables);

    if (name->len == 0) {
        ngx_llmops_query_message(body, &value);
    }

    if (value.len) {
        ngx_llmops_query_texts(pool, &value, &out, 0);

    } else if (variables.len
               && ngx_llmops_json_object(&it, &variables) == NGX_OK)
    {
        while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

            if (name->len == 0 || (key.len == name->len
                                   && ngx_memcmp(key.data, name->data, key.len)
                                      == 0))
            {
                ngx_llmops_query_texts(pool, &value, &out,
                                       name->len ? 0 : NGX_LLMOPS_QUERY_DEPTH);
            }
        }
    }

    rc = ngx_llmops_context_copy(pool, &out, query);

    ngx_llmops_lookup_cut(query);
    ngx_llmops_out_free(&out);

    return (rc == NGX_OK && query->len == 0) ? NGX_DECLINED : rc;
}


/* those of the member "prompt", or the member "variables" beside it */

static void
ngx_llmops_query_variables(ngx_llmops_ctx_t *ctx, ngx_str_t *body,
    ngx_str_t *variables)
{
    ngx_str_t  prompt;

    ngx_str_null(variables);

    if (ctx->env.prompt_end) {
        prompt.data = body->data + ctx->env.prompt_start;
        prompt.len = ctx->env.prompt_end - ctx->env.prompt_start;

        if (ngx_llmops_json_get(&prompt, "variables", variables) == NGX_OK) {
            return;
        }
    }

    if (ngx_llmops_json_get(body, "variables", variables) != NGX_OK) {
        ngx_str_null(variables);
    }
}


/* whether there is something to search for: results of tools, which messages
   send as the user's, are not */

static ngx_uint_t
ngx_llmops_query_says(ngx_str_t *content)
{
    ngx_str_t               part, text;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_array(&it, content) != NGX_OK) {
        return content->len > 2;
    }

    while (ngx_llmops_json_next(&it, NULL, &part) == NGX_OK) {
        if (ngx_llmops_json_type(&part) == NGX_LLMOPS_JSON_STRING
            ? part.len > 2
            : ngx_llmops_json_type(&part) == NGX_LLMOPS_JSON_OBJECT
              && ngx_llmops_json_get(&part, "text", &text) == NGX_OK
              && text.len > 2)
        {
            return 1;
        }
    }

    return 0;
}


/* the content of the user's last message that has a text, or the whole
   "input" */

static void
ngx_llmops_query_message(ngx_str_t *body, ngx_str_t *content)
{
    ngx_str_t               list, turn, role, value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_get(body, "messages", &list) != NGX_OK
        && ngx_llmops_json_get(body, "input", &list) != NGX_OK)
    {
        return;
    }

    if (ngx_llmops_json_array(&it, &list) != NGX_OK) {
        *content = list;
        return;
    }

    while (ngx_llmops_json_next(&it, NULL, &turn) == NGX_OK) {

        if (ngx_llmops_json_get(&turn, "role", &role) == NGX_OK
            && ngx_llmops_query_is(&role, "\"user\"")
            && ngx_llmops_json_get(&turn, "content", &value) == NGX_OK
            && ngx_llmops_query_says(&value))
        {
            *content = value;
        }
    }
}


/* a string, or the texts of its parts */

static void
ngx_llmops_query_texts(ngx_pool_t *pool, ngx_str_t *value,
    ngx_llmops_out_t *out, ngx_uint_t depth)
{
    ngx_str_t               part, text;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_type(value) == NGX_LLMOPS_JSON_STRING) {
        ngx_llmops_query_add(value, out);
        return;
    }

    if (depth == NGX_LLMOPS_QUERY_DEPTH) {
        return;
    }

    if (ngx_llmops_json_array(&it, value) == NGX_OK) {
        while (ngx_llmops_json_next(&it, NULL, &part) == NGX_OK) {
            ngx_llmops_query_texts(pool, &part, out, depth + 1);
        }

    } else if (ngx_llmops_json_type(value) == NGX_LLMOPS_JSON_OBJECT
               && ngx_llmops_json_get(value, "text", &text) == NGX_OK)
    {
        ngx_llmops_query_texts(pool, &text, out, NGX_LLMOPS_QUERY_DEPTH);
    }
}


/* decoded, on a line of its own; what does not fit any more is left out */

static void
ngx_llmops_query_add(ngx_str_t *raw, ngx_llmops_out_t *out)
{
    ngx_str_t  text;

    if (raw->len <= 2) {
        return;
    }

    if (out->len) {
        ngx_llmops_out_lit(out, "\n");
    }

    /* room for it, and then the text in its place */

    if (ngx_llmops_out_write(out, raw->data, raw->len) != NGX_OK) {
        return;
    }

    out->len -= raw->len;

    if (ngx_llmops_json_string(raw, out->data + out->len, raw->len, &text)
        == NGX_OK)
    {
        ngx_memmove(out->data + out->len, text.data, text.len);
        out->len += text.len;
    }
}


/* -- what is given --------------------------------------------------------- */

ngx_int_t
ngx_llmops_retrieve_context(ngx_pool_t *pool, ngx_llmops_lookup_t *l,
    size_t max, ngx_str_t *context, ngx_str_t *sources)
{
    u_char                *p, *last, *end;
    size_t                 used;
    ngx_int_t              rc;
    ngx_uint_t             i, n;
    ngx_llmops_out_t       out;
    ngx_llmops_passage_t  *passage;

    sources->data = ngx_pnalloc(pool, NGX_LLMOPS_RETRIEVE_SOURCES);
    if (sources->data == NULL) {
        return NGX_ERROR;
    }

    p = sources->data;
    last = p + NGX_LLMOPS_RETRIEVE_SOURCES;

    /* each text with what its document is called */

    ngx_llmops_out_init(&out, 2 * max + l->n * 32 * 1024);
    ngx_llmops_out_lit(&out, "[");

    used = 0;
    n = 0;

    for (i = 0; i < l->n; i++) {
        passage = &l->passages[i];

        if (used + passage->text.len > max) {
            continue;
        }

        used += passage->text.len;

        ngx_llmops_context_passage(&out, passage, ++n);

        end = ngx_llmops_context_source(p, last, passage);

        if (end) {
            p = end;
        }
    }

    ngx_llmops_out_lit(&out, "]");

    sources->len = p - sources->data;

    rc = ngx_llmops_context_copy(pool, &out, context);

    ngx_llmops_out_free(&out);

    return rc;
}


static void
ngx_llmops_context_passage(ngx_llmops_out_t *out, ngx_llmops_passage_t *p,
    ngx_uint_t n)
{
    u_char  score[16];

    if (n > 1) {
        ngx_llmops_out_lit(out, ",");
    }

    ngx_llmops_out_lit(out, "{\"number\":");
    ngx_llmops_out_int(out, n);
    ngx_llmops_out_lit(out, ",\"id\":");
    ngx_llmops_out_str(out, &p->id);
    ngx_llmops_out_lit(out, ",\"score\":");
    ngx_llmops_out_write(out, score,
                         ngx_snprintf(score, sizeof(score), "%.3f",
                                      (double) p->similarity)
                         - score);

    if (p->title.len) {
        ngx_llmops_out_lit(out, ",\"title\":");
        ngx_llmops_out_str(out, &p->title);
    }

    if (p->url.len) {
        ngx_llmops_out_lit(out, ",\"url\":");
        ngx_llmops_out_str(out, &p->url);
    }

    ngx_llmops_out_lit(out, ",\"text\":");
    ngx_llmops_out_str(out, &p->text);
    ngx_llmops_out_lit(out, "}");
}


/* "ID;chunk=N;score=0.83", and ";url=URL" if that fits too; NULL: no room */

static u_char *
ngx_llmops_context_source(u_char *p, u_char *last,
    ngx_llmops_passage_t *passage)
{
    u_char  *end;

    if (last - p < 64) {
        return NULL;
    }

    if (last - p < NGX_LLMOPS_RETRIEVE_SOURCES) {
        *p++ = ',';
        *p++ = ' ';
    }

    p = ngx_llmops_context_escape(p, last - 48, &passage->id, 0);

    if (p == NULL) {
        return NULL;
    }

    p = ngx_cpymem(p, ";chunk=", sizeof(";chunk=") - 1);
    p = ngx_cpymem(p, passage->n.data, ngx_min(passage->n.len, 8));
    p = ngx_sprintf(p, ";score=%.3f", (double) passage->similarity);

    if (passage->url.len == 0 || last - p < 8) {
        return p;
    }

    end = ngx_cpymem(p, ";url=", sizeof(";url=") - 1);
    end = ngx_llmops_context_escape(end, last, &passage->url, 1);

    return end ? end : p;
}


/* a JSON string with all that a header's value, or our syntax, cannot have
   escaped as in a URL, where that is not one already; NULL: no room */

static u_char *
ngx_llmops_context_escape(u_char *p, u_char *last, ngx_str_t *raw,
    ngx_uint_t url)
{
    size_t      i;
    u_char      c, buf[NGX_LLMOPS_INDEX_URL + 1];
    ngx_str_t   text;

    static const u_char  hex[] = "0123456789ABCDEF";

    if (ngx_llmops_json_string(raw, buf, sizeof(buf), &text) != NGX_OK) {
        return NULL;
    }

    for (i = 0; i < text.len; i++) {

        if (last - p < 3) {
            return NULL;
        }

        c = text.data[i];

        if (c > 0x20 && c < 0x7f && c != ',' && c != ';' && c != '"'
            && c != '\\' && (url || c != '%'))
        {
            *p++ = c;
            continue;
        }

        *p++ = '%';
        *p++ = hex[c >> 4];
        *p++ = hex[c & 0xf];
    }

    return p;
}


static ngx_int_t
ngx_llmops_context_copy(ngx_pool_t *pool, ngx_llmops_out_t *out, ngx_str_t *s)
{
    s->len = out->len;
    s->data = ngx_pnalloc(pool, out->len + 1);

    if (s->data == NULL) {
        return NGX_ERROR;
    }

    if (out->len) {
        ngx_memcpy(s->data, out->data, out->len);
    }

    return NGX_OK;
}
