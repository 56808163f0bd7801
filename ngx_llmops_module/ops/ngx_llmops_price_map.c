
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_price.h"

#include <jansson.h>


/*
 * The price map: a JSON object of models, in the format that LiteLLM made
 * common.  It has far more in it than prices of tokens; what is not known is
 * skipped, but a price that is known by name and cannot be read is an error,
 * since the cost would be wrong without anybody noticing.
 */


#define NGX_LLMOPS_PRICES_MAX  (64 * 1024 * 1024)


typedef struct {
    ngx_str_t                  name;
    size_t                     offset;
} ngx_llmops_price_field_t;


/* what is being read, for messages */

typedef struct {
    ngx_conf_t                *cf;
    ngx_str_t                 *file;
    ngx_str_t                  text;
    const char                *model;
} ngx_llmops_price_map_t;


static ngx_int_t ngx_llmops_prices_read(ngx_conf_t *cf, ngx_str_t *file,
    ngx_str_t *text);
static ngx_int_t ngx_llmops_prices_parse(ngx_llmops_price_map_t *map,
    ngx_array_t *prices);
static ngx_int_t ngx_llmops_prices_add(ngx_llmops_price_map_t *map,
    ngx_array_t *prices, ngx_llmops_price_t *price);
static ngx_int_t ngx_llmops_prices_model(ngx_llmops_price_map_t *map,
    json_t *object, ngx_llmops_price_t *price);
static ngx_int_t ngx_llmops_prices_tiers(ngx_llmops_price_map_t *map,
    json_t *object, ngx_llmops_price_t *price);
static ngx_int_t ngx_llmops_prices_ranges(ngx_llmops_price_map_t *map,
    json_t *ranges, ngx_llmops_price_t *price);
static ngx_int_t ngx_llmops_prices_set(ngx_llmops_price_map_t *map,
    const char *name, size_t len, json_t *value, ngx_llmops_price_t *price);
static ngx_int_t ngx_llmops_prices_value(json_t *value, int64_t *field);
static ngx_uint_t ngx_llmops_prices_line(ngx_llmops_price_map_t *map,
    const char *name);
static u_char *ngx_llmops_prices_word(u_char *text, const char *word);
static ngx_int_t ngx_llmops_prices_error(ngx_llmops_price_map_t *map,
    const char *name, const char *why);
static int ngx_libc_cdecl ngx_llmops_prices_cmp(const void *one,
    const void *two);


static ngx_llmops_price_field_t  ngx_llmops_price_fields[] = {

    { ngx_string("input_cost_per_token"),
      offsetof(ngx_llmops_price_t, input) },

    { ngx_string("output_cost_per_token"),
      offsetof(ngx_llmops_price_t, output) },

    { ngx_string("cache_read_input_token_cost"),
      offsetof(ngx_llmops_price_t, cache_read) },

    { ngx_string("cache_creation_input_token_cost"),
      offsetof(ngx_llmops_price_t, cache_write) },

    { ngx_string("cache_creation_input_token_cost_above_1hr"),
      offsetof(ngx_llmops_price_t, cache_write_1h) },

    { ngx_string("output_cost_per_reasoning_token"),
      offsetof(ngx_llmops_price_t, reasoning) },

    { ngx_string("input_cost_per_audio_token"),
      offsetof(ngx_llmops_price_t, audio_in) },

    { ngx_string("output_cost_per_audio_token"),
      offsetof(ngx_llmops_price_t, audio_out) },

    { ngx_string("input_cost_per_image_token"),
      offsetof(ngx_llmops_price_t, image_in) },

    { ngx_string("output_cost_per_image_token"),
      offsetof(ngx_llmops_price_t, image_out) },

    { ngx_null_string, 0 }
};


ngx_int_t
ngx_llmops_prices_load(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_int_t               rc;
    ngx_llmops_price_map_t  map;

    ngx_memzero(&map, sizeof(ngx_llmops_price_map_t));

    map.cf = cf;
    map.file = &mcf->prices_file;

    if (ngx_llmops_prices_read(cf, map.file, &map.text) != NGX_OK) {
        return NGX_ERROR;
    }

    mcf->prices = ngx_array_create(cf->pool, 64,
                                   sizeof(ngx_llmops_price_entry_t));

    rc = mcf->prices ? ngx_llmops_prices_parse(&map, mcf->prices) : NGX_ERROR;

    ngx_free(map.text.data);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_qsort(mcf->prices->elts, mcf->prices->nelts,
              sizeof(ngx_llmops_price_entry_t), ngx_llmops_prices_cmp);

    return NGX_OK;
}


/* the whole file, with a null byte behind it; errors are logged */

static ngx_int_t
ngx_llmops_prices_read(ngx_conf_t *cf, ngx_str_t *file, ngx_str_t *text)
{
    off_t            size;
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_file_info_t  fi;

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" of \"llm_prices\" failed",
                           file);
        return NGX_ERROR;
    }

    n = -1;
    size = 0;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", file);

    } else if (!ngx_is_file(&fi) || ngx_file_size(&fi) > NGX_LLMOPS_PRICES_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of \"llm_prices\" is not a file of at "
                           "most %dM", file,
                           NGX_LLMOPS_PRICES_MAX / (1024 * 1024));

    } else {
        size = ngx_file_size(&fi);
        text->data = ngx_alloc((size_t) size + 1, cf->log);

        if (text->data) {
            n = ngx_read_fd(fd, text->data, (size_t) size);
        }

        if (text->data && n != (ssize_t) size) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                               ngx_read_fd_n " \"%V\" failed", file);
            ngx_free(text->data);
            n = -1;
        }
    }

    (void) ngx_close_file(fd);

    if (n == -1 || text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = (size_t) size;
    text->data[size] = '\0';

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_prices_parse(ngx_llmops_price_map_t *map, ngx_array_t *prices)
{
    json_t              *root, *object;
    ngx_int_t            rc;
    const char          *model;
    json_error_t         error;
    ngx_llmops_price_t   price;

    root = json_loadb((char *) map->text.data, map->text.len, 0, &error);

    if (root == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, map->cf, 0,
                           "%s in %V:%d", error.text, map->file,
                           ngx_max(error.line, 1));
        return NGX_ERROR;
    }

    rc = NGX_OK;

    if (!json_is_object(root)) {
        ngx_conf_log_error(NGX_LOG_EMERG, map->cf, 0,
                           "a price map must be a JSON object of models in "
                           "%V:1", map->file);
        rc = NGX_ERROR;
    }

    json_object_foreach(root, model, object) {

        if (ngx_strcmp(model, "sample_spec") == 0) {
            continue;                        /* explains the format */
        }

        map->model = model;

        rc = ngx_llmops_prices_model(map, object, &price);

        if (rc == NGX_DECLINED) {
            rc = NGX_OK;
            continue;
        }

        if (rc != NGX_OK) {
            break;
        }

        rc = ngx_llmops_prices_add(map, prices, &price);

        if (rc != NGX_OK) {
            break;
        }
    }

    json_decref(root);

    return rc;
}


static ngx_int_t
ngx_llmops_prices_add(ngx_llmops_price_map_t *map, ngx_array_t *prices,
    ngx_llmops_price_t *price)
{
    ngx_llmops_price_entry_t  *entry;

    entry = ngx_array_push(prices);
    if (entry == NULL) {
        return NGX_ERROR;
    }

    entry->price = *price;
    entry->model.len = ngx_strlen(map->model);
    entry->model.data = ngx_pnalloc(map->cf->pool, entry->model.len);
    if (entry->model.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(entry->model.data, map->model, entry->model.len);

    return NGX_OK;
}


/* NGX_DECLINED: it has no price per token */

static ngx_int_t
ngx_llmops_prices_model(ngx_llmops_price_map_t *map, json_t *object,
    ngx_llmops_price_t *price)
{
    json_t      *value;
    const char  *name;

    if (!json_is_object(object)) {
        return ngx_llmops_prices_error(map, NULL, "is not an object");
    }

    ngx_llmops_price_clear(price);

    json_object_foreach(object, name, value) {
        if (ngx_llmops_prices_set(map, name, ngx_strlen(name), value, price)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_llmops_prices_tiers(map, object, price) != NGX_OK
        || ngx_llmops_prices_ranges(map, json_object_get(object,
                                                         "tiered_pricing"),
                                    price)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (price->input < 0 && price->output < 0) {
        return NGX_DECLINED;
    }

    ngx_llmops_price_complete(price);

    return NGX_OK;
}


/* input_cost_per_token_above_200k_tokens and its like */

static ngx_int_t
ngx_llmops_prices_tiers(ngx_llmops_price_map_t *map, json_t *object,
    ngx_llmops_price_t *price)
{
    size_t               len;
    json_t              *value;
    int64_t              above;
    const char          *name;
    ngx_llmops_price_t  *tier;

    json_object_foreach(object, name, value) {

        len = ngx_llmops_price_threshold(name, &above);

        if (len == 0) {
            continue;
        }

        tier = ngx_llmops_price_tier(map->cf->pool, price, above);

        if (tier == NULL
            || ngx_llmops_prices_set(map, name, len, value, tier)
               == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* "tiered_pricing": [{"range": [0, 32000], "input_cost_per_token": ...}] */

static ngx_int_t
ngx_llmops_prices_ranges(ngx_llmops_price_map_t *map, json_t *ranges,
    ngx_llmops_price_t *price)
{
    size_t               i;
    double               above;
    json_t              *range, *value;
    const char          *name;
    ngx_llmops_price_t  *tier;

    json_array_foreach(ranges, i, range) {

        above = json_number_value(json_array_get(json_object_get(range,
                                                                 "range"), 0));
        tier = price;

        if (above > 0 && above < 1e15) {
            tier = ngx_llmops_price_tier(map->cf->pool, price, (int64_t) above);
        }

        if (tier == NULL) {
            return NGX_ERROR;
        }

        json_object_foreach(range, name, value) {
            if (ngx_llmops_prices_set(map, name, ngx_strlen(name), value, tier)
                == NGX_ERROR)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* NGX_DECLINED: not a price that we know */

static ngx_int_t
ngx_llmops_prices_set(ngx_llmops_price_map_t *map, const char *name,
    size_t len, json_t *value, ngx_llmops_price_t *price)
{
    int64_t                   *p;
    ngx_llmops_price_field_t  *field;

    for (field = ngx_llmops_price_fields; field->name.len; field++) {

        if (field->name.len != len
            || ngx_memcmp(field->name.data, name, len) != 0)
        {
            continue;
        }

        if (json_is_null(value)) {
            return NGX_OK;
        }

        p = (int64_t *) ((u_char *) price + field->offset);

        if (ngx_llmops_prices_value(value, p) == NGX_OK) {
            return NGX_OK;
        }

        return ngx_llmops_prices_error(map, name,
                                       "is not a price: a number from 0 to "
                                       "1000, USD per token");
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_prices_value(json_t *value, int64_t *field)
{
    double     d;
    ngx_str_t  s;

    if (json_is_string(value)) {
        s.len = json_string_length(value);
        s.data = (u_char *) json_string_value(value);

        return ngx_llmops_price_parse(&s, 12, 1, field);
    }

    if (!json_is_number(value)) {
        return NGX_ERROR;
    }

    /* a double has 15 exact digits, prices have far fewer */

    d = json_number_value(value) * 1e12;

    if (!(d >= 0 && d <= (double) NGX_LLMOPS_PRICE_MAX)) {
        return NGX_ERROR;
    }

    *field = (int64_t) (d + 0.5);

    return NGX_OK;
}


/*
 * The parser does not say where a value stands: the line is that of the
 * model's name, or of the member's name behind it.
 */

static ngx_uint_t
ngx_llmops_prices_line(ngx_llmops_price_map_t *map, const char *name)
{
    u_char      *p, *found;
    ngx_uint_t   line;

    found = ngx_llmops_prices_word(map->text.data, map->model);

    if (found && name) {
        found = ngx_llmops_prices_word(found, name);
    }

    line = 1;

    for (p = map->text.data; found && p < found; p++) {
        line += (*p == LF);
    }

    return line;
}


/* where a word stands in quotes, or NULL */

static u_char *
ngx_llmops_prices_word(u_char *text, const char *word)
{
    size_t   len;
    u_char  *p;

    len = ngx_strlen(word);

    /* the file starts with "{", so that there is a byte before each word */

    for (p = text + 1;
         (p = (u_char *) ngx_strstr(p, word)) != NULL;
         p++)
    {
        if (p[-1] == '"' && p[len] == '"') {
            return p;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_llmops_prices_error(ngx_llmops_price_map_t *map, const char *name,
    const char *why)
{
    ngx_conf_log_error(NGX_LOG_EMERG, map->cf, 0,
                       "\"%s\"%s%s%s %s in %V:%ui", map->model,
                       name ? ": \"" : "", name ? name : "",
                       name ? "\"" : "", why, map->file,
                       ngx_llmops_prices_line(map, name));

    return NGX_ERROR;
}


static int ngx_libc_cdecl
ngx_llmops_prices_cmp(const void *one, const void *two)
{
    const ngx_llmops_price_entry_t  *a = one;
    const ngx_llmops_price_entry_t  *b = two;

    if (a->model.len != b->model.len) {
        return a->model.len > b->model.len ? 1 : -1;
    }

    return ngx_memcmp(a->model.data, b->model.data, a->model.len);
}
