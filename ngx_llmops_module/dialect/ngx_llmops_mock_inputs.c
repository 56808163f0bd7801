
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_mock_job.h"


/* The built-in provider: embeddings, moderations, reranking. */


#define NGX_LLMOPS_MOCK_DIMENSIONS      256
#define NGX_LLMOPS_MOCK_MAX_DIMENSIONS  4096


json_t *
ngx_llmops_mock_base64(const u_char *p, size_t len)
{
    size_t       i;
    json_t      *s;
    u_char      *text, *d;
    uint32_t     bits;

    static const char  digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    text = malloc((len + 2) / 3 * 4);
    if (text == NULL) {
        return NULL;
    }

    for (i = 0, d = text; i < len; i += 3, d += 4) {
        bits = (uint32_t) p[i] << 16;
        bits |= (i + 1 < len) ? (uint32_t) p[i + 1] << 8 : 0;
        bits |= (i + 2 < len) ? p[i + 2] : 0;

        d[0] = digits[bits >> 18];
        d[1] = digits[bits >> 12 & 63];
        d[2] = (i + 1 < len) ? digits[bits >> 6 & 63] : '=';
        d[3] = (i + 2 < len) ? digits[bits & 63] : '=';
    }

    s = json_stringn((char *) text, d - text);

    free(text);

    return s;
}


void
ngx_llmops_mock_le32(u_char *p, uint32_t n)
{
    p[0] = (u_char) n;
    p[1] = (u_char) (n >> 8);
    p[2] = (u_char) (n >> 16);
    p[3] = (u_char) (n >> 24);
}


/* the square root, without a library for it: by Newton, n being near 20 */

static double
ngx_llmops_mock_root(double n)
{
    double      x;
    ngx_uint_t  i;

    x = 1 + n / 2;

    for (i = 0; i < 32; i++) {
        x = (x + n / x) / 2;
    }

    return x;
}


/* a unit vector that depends on the input alone */

static void
ngx_llmops_mock_vector(uint64_t seed, float *v, ngx_uint_t n)
{
    double      sum, length;
    ngx_uint_t  i;

    seed |= 1;
    sum = 0;

    for (i = 0; i < n; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;

        v[i] = (float) ((double) (seed >> 11) / 9007199254740992.0 - 0.5);
        sum += (double) v[i] * v[i];
    }

    length = ngx_llmops_mock_root(sum);

    for (i = 0; i < n; i++) {
        v[i] = (float) (v[i] / length);
    }
}


static json_t *
ngx_llmops_mock_floats(const float *v, ngx_uint_t n, ngx_uint_t base64)
{
    u_char      *p;
    json_t      *out;
    uint32_t     bits;
    ngx_uint_t   i;

    if (!base64) {
        out = json_array();

        for (i = 0; i < n; i++) {
            json_array_append_new(out, json_real(v[i]));
        }

        return out;
    }

    p = malloc(n * 4);
    if (p == NULL) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        ngx_memcpy(&bits, &v[i], 4);
        ngx_llmops_mock_le32(p + i * 4, bits);
    }

    out = ngx_llmops_mock_base64(p, n * 4);

    free(p);

    return out;
}


static json_t *
ngx_llmops_mock_embedding(ngx_llmops_mock_job_t *j, json_t *input,
    ngx_uint_t index, ngx_uint_t n)
{
    char        *s;
    float        v[NGX_LLMOPS_MOCK_MAX_DIMENSIONS];
    const char  *format;

    s = json_dumps(input, JSON_COMPACT | JSON_ENCODE_ANY);
    if (s == NULL) {
        return NULL;
    }

    ngx_llmops_mock_vector(ngx_llmops_mock_hash(s, ngx_strlen(s)), v, n);

    free(s);

    format = json_string_value(json_object_get(j->request,
                                               "encoding_format"));

    return json_pack("{s:s,s:I,s:o}", "object", "embedding",
                     "index", (json_int_t) index, "embedding",
                     ngx_llmops_mock_floats(v, n, format
                                      && ngx_strcmp(format, "base64") == 0));
}


/* words of text, or the tokens that came as numbers */

static ngx_uint_t
ngx_llmops_mock_input_tokens(ngx_llmops_mock_job_t *j, json_t *input)
{
    ngx_str_t  s;

    if (json_is_array(input)) {
        return json_array_size(input);
    }

    s.data = (u_char *) json_string_value(input);
    s.len = json_string_length(input);

    return ngx_llmops_mock_words(&s);
}


static ngx_uint_t
ngx_llmops_mock_dimensions(ngx_llmops_mock_job_t *j)
{
    json_int_t  n;

    n = json_integer_value(json_object_get(j->request, "dimensions"));

    if (n < 1) {
        return NGX_LLMOPS_MOCK_DIMENSIONS;
    }

    return ngx_min(n, NGX_LLMOPS_MOCK_MAX_DIMENSIONS);
}


/* one string, one list of tokens, or a list of either */

static json_t *
ngx_llmops_mock_inputs(json_t *input)
{
    json_t  *first;

    first = json_array_get(input, 0);

    if (json_is_string(first) || json_is_array(first)
        || json_is_object(first))
    {
        return json_incref(input);
    }

    return (json_is_string(input) || first) ? json_pack("[O]", input) : NULL;
}


void
ngx_llmops_mock_embeddings(ngx_llmops_mock_job_t *j)
{
    size_t   i;
    json_t  *inputs, *input, *data;

    inputs = ngx_llmops_mock_inputs(json_object_get(j->request, "input"));

    if (inputs == NULL) {
        ngx_llmops_mock_error(j, NGX_LLMOPS_ERR_INVALID_REQUEST, 400,
                              "input", "\"input\" is missing or empty");
        return;
    }

    data = json_array();

    json_array_foreach(inputs, i, input) {
        j->input += ngx_llmops_mock_input_tokens(j, input);

        json_array_append_new(data,
            ngx_llmops_mock_embedding(j, input, i,
                                      ngx_llmops_mock_dimensions(j)));
    }

    json_decref(inputs);

    ngx_llmops_mock_json(j, json_pack("{s:s,s:o,s:s,s:{s:I,s:I}}",
                                      "object", "list", "data", data,
                                      "model", j->model, "usage",
                                      "prompt_tokens", (json_int_t) j->input,
                                      "total_tokens",
                                      (json_int_t) j->input));
}


void
ngx_llmops_mock_moderations(ngx_llmops_mock_job_t *j)
{
    size_t   i;
    json_t  *inputs, *input, *results;

    inputs = ngx_llmops_mock_inputs(json_object_get(j->request, "input"));

    if (inputs == NULL) {
        ngx_llmops_mock_error(j, NGX_LLMOPS_ERR_INVALID_REQUEST, 400,
                              "input", "\"input\" is missing or empty");
        return;
    }

    results = json_array();

    json_array_foreach(inputs, i, input) {
        json_array_append_new(results,
            json_pack("{s:b,s:{s:b,s:b,s:b},s:{s:f,s:f,s:f}}",
                      "flagged", 0,
                      "categories", "harassment", 0, "hate", 0,
                      "violence", 0,
                      "category_scores", "harassment", 0.0, "hate", 0.0,
                      "violence", 0.0));
    }

    json_decref(inputs);

    ngx_llmops_mock_json(j, json_pack("{s:s+,s:s,s:o}", "id", "modr-", j->id,
                                      "model", j->model,
                                      "results", results));
}


/* in the order they came in */

void
ngx_llmops_mock_rerank(ngx_llmops_mock_job_t *j)
{
    size_t   i;
    json_t  *documents, *document, *results;

    documents = json_object_get(j->request, "documents");
    results = json_array();

    json_array_foreach(documents, i, document) {
        json_array_append_new(results,
                              json_pack("{s:I,s:f}",
                                        "index", (json_int_t) i,
                                        "relevance_score", 1.0 / (i + 1)));
    }

    ngx_llmops_mock_json(j, json_pack("{s:s+,s:s,s:o,s:{s:{s:i}}}",
                                      "id", "rerank-", j->id,
                                      "model", j->model, "results", results,
                                      "meta", "billed_units",
                                      "search_units", 1));
}
