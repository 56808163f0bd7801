
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_anthropic_codec.h"


/* Parts of neutral content as blocks: texts, images and files. */


#define NGX_LLMOPS_ANTHROPIC_BREAKPOINTS  4    /* cache marks allowed */


/* a "data:" URL, taken apart */

typedef struct {
    char                       type[64];   /* media type, in lower case */
    const char                *data;
    unsigned                   base64:1;
} ngx_llmops_data_url_t;


static json_t *ngx_llmops_anthropic_text_part(ngx_llmops_xlate_t *x,
    json_t *part, const char *member);
static json_t *ngx_llmops_anthropic_image(ngx_llmops_xlate_t *x,
    json_t *part);
static json_t *ngx_llmops_anthropic_file(ngx_llmops_xlate_t *x, json_t *part);
static json_t *ngx_llmops_anthropic_data(ngx_llmops_xlate_t *x,
    const char *url, const char *title);
static json_t *ngx_llmops_anthropic_base64(ngx_llmops_xlate_t *x,
    const char *kind, const char *type, const char *data);
static json_t *ngx_llmops_anthropic_plain(ngx_llmops_xlate_t *x,
    ngx_llmops_data_url_t *url);
static ngx_int_t ngx_llmops_data_url(const char *s,
    ngx_llmops_data_url_t *url);
static json_t *ngx_llmops_base64_text(const char *s);
static ngx_uint_t ngx_llmops_ends_with(const char *s, const char *end);


json_t *
ngx_llmops_anthropic_block(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *part)
{
    json_t      *block, *mark;
    const char  *type;

    type = ngx_llmops_tree_str(part, "type");
    type = type ? type : "";

    if (strcmp(type, "text") == 0) {
        block = ngx_llmops_anthropic_text_part(x, part, "text");

    } else if (strcmp(type, "refusal") == 0) {
        block = ngx_llmops_anthropic_text_part(x, part, "refusal");

    } else if (strcmp(type, "image_url") == 0) {
        block = ngx_llmops_anthropic_image(x, part);

    } else if (strcmp(type, "file") == 0) {
        block = ngx_llmops_anthropic_file(x, part);

    } else {
        ngx_llmops_refuse(x, "messages", "unsupported_parameter",
                          "content of type \"%.32s\" cannot be translated "
                          "for the provider of this model", type);
        return NULL;
    }

    if (block != NULL
        && json_is_object(json_object_get(part, "prompt_cache_breakpoint"))
        && r->breakpoints++ < NGX_LLMOPS_ANTHROPIC_BREAKPOINTS)
    {
        mark = ngx_llmops_typed(x, "ephemeral");
        ngx_llmops_set(x, block, "cache_control", mark);
    }

    return block;
}


static json_t *
ngx_llmops_anthropic_text_part(ngx_llmops_xlate_t *x, json_t *part,
    const char *member)
{
    json_t  *text;

    text = json_object_get(part, member);

    if (!ngx_llmops_tree_has_text(text)) {
        return NULL;
    }

    return ngx_llmops_anthropic_text(x, json_string_value(text),
                                     json_string_length(text));
}


static json_t *
ngx_llmops_anthropic_image(ngx_llmops_xlate_t *x, json_t *part)
{
    json_t      *block, *source, *image;
    size_t       len;
    const char  *url;

    image = json_object_get(part, "image_url");
    url = ngx_llmops_tree_is_string(image) ? json_string_value(image)
                                           : ngx_llmops_tree_str(image, "url");
    url = url ? url : "";

    if (ngx_llmops_tree_str(image, "detail")
        && !ngx_llmops_tree_is(image, "detail", "auto"))
    {
        ngx_llmops_drop(x, "image_url.detail");
    }

    if (strncasecmp(url, "data:", 5) == 0) {
        return ngx_llmops_anthropic_data(x, url, NULL);
    }

    if (strncasecmp(url, "https://", 8) != 0
        && strncasecmp(url, "http://", 7) != 0)
    {
        ngx_llmops_refuse(x, "messages", "invalid_value",
                          "the URL of an image is neither a \"data:\" nor an "
                          "\"https:\" URL");
        return NULL;
    }

    len = strcspn(url, "?#");

    block = ngx_llmops_typed(x, len > 4
                                && strncasecmp(url + len - 4, ".pdf", 4) == 0
                                ? "document" : "image");

    source = ngx_llmops_typed(x, "url");
    ngx_llmops_set(x, source, "url", json_string(url));
    ngx_llmops_set(x, block, "source", source);

    return block;
}


static json_t *
ngx_llmops_anthropic_file(ngx_llmops_xlate_t *x, json_t *part)
{
    json_t      *file, *block;
    const char  *data, *name;

    file = json_object_get(part, "file");
    data = ngx_llmops_tree_str(file, "file_data");
    name = ngx_llmops_tree_str(file, "filename");

    if (data == NULL) {
        ngx_llmops_unsupported(x, "messages",
                               "a file that is given by its id");
        return NULL;
    }

    if (strncasecmp(data, "data:", 5) == 0) {
        return ngx_llmops_anthropic_data(x, data, name);
    }

    if (name == NULL || !ngx_llmops_ends_with(name, ".pdf")) {
        ngx_llmops_unsupported(x, "messages",
                               "a file without a \"data:\" URL");
        return NULL;
    }

    block = ngx_llmops_anthropic_base64(x, "document", "application/pdf",
                                        data);
    ngx_llmops_set(x, block, "title", json_string(name));

    return block;
}


static json_t *
ngx_llmops_anthropic_data(ngx_llmops_xlate_t *x, const char *s,
    const char *title)
{
    size_t                 i;
    json_t                *block;
    ngx_llmops_data_url_t  url;

    static const char *const  images[] = {
        "image/jpeg", "image/png", "image/gif", "image/webp"
    };

    if (ngx_llmops_data_url(s, &url) != NGX_OK || !url.base64) {
        ngx_llmops_refuse(x, "messages", "invalid_value",
                          "a \"data:\" URL is not base64");
        return NULL;
    }

    for (i = 0; i < 4; i++) {
        if (strcmp(url.type, images[i]) == 0) {
            return ngx_llmops_anthropic_base64(x, "image", url.type,
                                               url.data);
        }
    }

    block = NULL;

    if (strcmp(url.type, "application/pdf") == 0) {
        block = ngx_llmops_anthropic_base64(x, "document", url.type, url.data);

    } else if (strncmp(url.type, "text/", 5) == 0) {
        block = ngx_llmops_anthropic_plain(x, &url);
    }

    if (block == NULL) {
        ngx_llmops_refuse(x, "messages", "unsupported_parameter",
                          "files of type \"%.63s\" are not taken by the "
                          "provider of this model", url.type);
        return NULL;
    }

    if (title != NULL && title[0] != '\0') {
        ngx_llmops_set(x, block, "title", json_string(title));
    }

    return block;
}


static json_t *
ngx_llmops_anthropic_base64(ngx_llmops_xlate_t *x, const char *kind,
    const char *type, const char *data)
{
    json_t  *block, *source;

    source = ngx_llmops_typed(x, "base64");
    ngx_llmops_set(x, source, "media_type", json_string(type));
    ngx_llmops_set(x, source, "data", json_string(data));

    block = ngx_llmops_typed(x, kind);
    ngx_llmops_set(x, block, "source", source);

    return block;
}


static json_t *
ngx_llmops_anthropic_plain(ngx_llmops_xlate_t *x, ngx_llmops_data_url_t *url)
{
    json_t  *block, *source, *text;

    text = ngx_llmops_base64_text(url->data);

    if (text == NULL) {
        return NULL;
    }

    source = ngx_llmops_typed(x, "text");
    ngx_llmops_set(x, source, "media_type", json_string("text/plain"));
    ngx_llmops_set(x, source, "data", text);

    block = ngx_llmops_typed(x, "document");
    ngx_llmops_set(x, block, "source", source);

    return block;
}


static ngx_int_t
ngx_llmops_data_url(const char *s, ngx_llmops_data_url_t *url)
{
    size_t       i;
    const char  *p, *comma;

    p = s + 5;                             /* "data:" */
    comma = strchr(p, ',');

    if (comma == NULL) {
        return NGX_DECLINED;
    }

    for (i = 0; p + i < comma && p[i] != ';' && i < sizeof(url->type) - 1;
         i++)
    {
        url->type[i] = (p[i] >= 'A' && p[i] <= 'Z') ? (char) (p[i] | 0x20)
                                                    : p[i];
    }

    url->type[i] = '\0';

    if (strcmp(url->type, "image/jpg") == 0) {
        strcpy(url->type, "image/jpeg");
    }

    url->base64 = (comma - p >= 7
                   && strncasecmp(comma - 7, ";base64", 7) == 0);
    url->data = comma + 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_base64_digit(char c)
{
    static const char   digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const char         *p;

    p = (c == '\0') ? NULL : strchr(digits, c);

    return p ? p - digits : NGX_ERROR;
}


/* NULL if it is not base64, or not UTF-8 inside */

static json_t *
ngx_llmops_base64_text(const char *s)
{
    char       *buf;
    size_t      n, bits;
    json_t     *text;
    uint32_t    acc;
    ngx_int_t   digit;

    buf = malloc(strlen(s) + 1);
    if (buf == NULL) {
        return NULL;
    }

    n = 0;
    bits = 0;
    acc = 0;

    for ( /* void */ ; *s != '\0' && *s != '='; s++) {
        digit = ngx_llmops_base64_digit(*s);

        if (digit == NGX_ERROR) {
            free(buf);
            return NULL;
        }

        acc = (acc << 6 | (uint32_t) digit) & 0xffffff;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            buf[n++] = (char) (acc >> bits);
        }
    }

    /* NUL would make it something else than a text: see the trees */

    text = memchr(buf, '\0', n) ? NULL : json_stringn(buf, n);

    free(buf);

    return text;
}


static ngx_uint_t
ngx_llmops_ends_with(const char *s, const char *end)
{
    size_t  n, m;

    n = strlen(s);
    m = strlen(end);

    return n >= m && strcasecmp(s + n - m, end) == 0;
}
