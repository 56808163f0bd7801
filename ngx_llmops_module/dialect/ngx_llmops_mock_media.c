
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <time.h>
#include "ngx_llmops_multipart.h"
#include "ngx_llmops_mock_job.h"


/* The built-in provider: images, audio, models. */


#define NGX_LLMOPS_MOCK_SAMPLES  800


/* a transparent pixel */

static const char  ngx_llmops_mock_png[] =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChw"
    "GA60e6kgAAAABJRU5ErkJggg==";


static const char *const  ngx_llmops_mock_ids[] = {
    "echo", "lorem-200", "slow-100ms", "error-429", "hang", "cut", "tool",
    NULL
};


void
ngx_llmops_mock_images(ngx_llmops_mock_job_t *j)
{
    json_t      *data;
    json_int_t   i, n;

    n = json_integer_value(json_object_get(j->request, "n"));
    data = json_array();

    for (i = 0; i < ngx_max(1, ngx_min(n, 10)); i++) {
        json_array_append_new(data, json_pack("{s:s}", "b64_json",
                                              ngx_llmops_mock_png));
    }

    ngx_llmops_mock_json(j,
        json_pack("{s:I,s:o,s:{s:i,s:i,s:i,s:{s:i,s:i}}}",
                  "created", (json_int_t) time(NULL), "data", data, "usage",
                  "input_tokens", 8, "output_tokens", 1, "total_tokens", 9,
                  "input_tokens_details", "text_tokens", 8,
                  "image_tokens", 0));
}


/* a tenth of a second of silence: 8 kHz, 8 bits, one channel */

static size_t
ngx_llmops_mock_wav(u_char *p)
{
    size_t  len;

    len = 44 + NGX_LLMOPS_MOCK_SAMPLES;

    ngx_memcpy(p, "RIFF\0\0\0\0WAVEfmt \20\0\0\0\1\0\1\0"
                  "\100\037\0\0\100\037\0\0\1\0\10\0data", 40);
    ngx_llmops_mock_le32(p + 4, len - 8);
    ngx_llmops_mock_le32(p + 40, NGX_LLMOPS_MOCK_SAMPLES);

    memset(p + 44, 0x80, NGX_LLMOPS_MOCK_SAMPLES);

    return len;
}


static void
ngx_llmops_mock_speech(ngx_llmops_mock_job_t *j)
{
    size_t       len;
    u_char       wav[44 + NGX_LLMOPS_MOCK_SAMPLES];
    const char  *format;

    len = ngx_llmops_mock_wav(wav);

    format = json_string_value(json_object_get(j->request, "stream_format"));

    if (format == NULL || ngx_strcmp(format, "sse") != 0) {
        ngx_llmops_mock_whole(j, 200, "audio/wav", wav, len);
        return;
    }

    ngx_llmops_mock_begin(j);

    ngx_llmops_mock_event(j, NULL, json_pack("{s:s,s:o}",
                          "type", "speech.audio.delta",
                          "audio", ngx_llmops_mock_base64(wav, len)));

    ngx_llmops_mock_event(j, NULL, json_pack("{s:s,s:{s:i,s:i,s:i}}",
                          "type", "speech.audio.done", "usage",
                          "input_tokens", 8, "output_tokens", 8,
                          "total_tokens", 16));

    ngx_llmops_mock_end(j, NULL);
}


/* what stands between the quotes behind name=, in the first bytes */

static ngx_str_t
ngx_llmops_mock_quoted(ngx_str_t *body, const char *name)
{
    u_char     *p, *last, *end;
    size_t      len;
    ngx_str_t   value;

    len = ngx_strlen(name);
    last = body->data + body->len;

    ngx_str_set(&value, "audio");

    for (p = body->data; (size_t) (last - p) > len; p++) {

        if (ngx_memcmp(p, name, len) == 0) {
            p += len;
            end = memchr(p, '"', last - p);

            if (end) {
                value.data = p;
                value.len = end - p;
            }

            break;
        }
    }

    return value;
}


/* the boundary is what the body begins with */

void
ngx_llmops_mock_form(ngx_llmops_mock_job_t *j)
{
    size_t                  n;
    u_char                  type[160];
    ngx_str_t               s, *body;
    ngx_llmops_multipart_t  form;

    static const char  prefix[] = "multipart/form-data; boundary=\"";

    body = j->body;
    ngx_memcpy(type, prefix, sizeof(prefix) - 1);
    s.data = type;
    s.len = sizeof(prefix) - 1;

    for (n = 2; n < body->len && body->data[n] > ' '; n++) {

        if (n > NGX_LLMOPS_MULTIPART_BOUNDARY + 2) {
            return;
        }

        type[s.len++] = body->data[n];
    }

    type[s.len++] = '"';

    if (ngx_llmops_multipart_init(&form, &s) != NGX_OK
        || ngx_llmops_multipart_feed(&form, body->data, body->len) != NGX_OK)
    {
        return;
    }

    j->stream = (form.stream.len == 4
                 && ngx_memcmp(form.stream.value, "true", 4) == 0);

    if (form.model.len && form.model.len < sizeof(j->form_model)) {
        ngx_memcpy(j->form_model, form.model.value, form.model.len);
        j->model = j->form_model;
    }
}


static void
ngx_llmops_mock_transcription(ngx_llmops_mock_job_t *j)
{
    json_t     *text, *usage;
    ngx_str_t   name;

    name = ngx_llmops_mock_quoted(j->body, "filename=\"");

    (void) ngx_llmops_out_lit(&j->text, "A recording named ");
    (void) ngx_llmops_out_str(&j->text, &name);
    (void) ngx_llmops_out_lit(&j->text, ", in a request of ");
    (void) ngx_llmops_out_int(&j->text, j->body->len);
    (void) ngx_llmops_out_lit(&j->text, " bytes.");

    text = json_stringn((char *) j->text.data, j->text.len);
    usage = json_pack("{s:s,s:i,s:{s:i,s:i},s:i,s:i}", "type", "tokens",
                      "input_tokens", 14, "input_token_details",
                      "text_tokens", 0, "audio_tokens", 14,
                      "output_tokens", 8, "total_tokens", 22);

    if (!j->stream) {
        ngx_llmops_mock_json(j, json_pack("{s:o,s:o}", "text", text,
                                          "usage", usage));
        return;
    }

    ngx_llmops_mock_begin(j);
    ngx_llmops_mock_event(j, NULL, json_pack("{s:s,s:O}", "type",
                                             "transcript.text.delta",
                                             "delta", text));
    ngx_llmops_mock_event(j, NULL, json_pack("{s:s,s:o,s:o}", "type",
                                             "transcript.text.done",
                                             "text", text, "usage", usage));
    ngx_llmops_mock_end(j, NULL);
}


void
ngx_llmops_mock_audio(ngx_llmops_mock_job_t *j)
{
    static const ngx_str_t  speech = ngx_string("/audio/speech");

    if (j->env.path.len == speech.len
        && ngx_memcmp(j->env.path.data, speech.data, speech.len) == 0)
    {
        ngx_llmops_mock_speech(j);

    } else {
        ngx_llmops_mock_transcription(j);
    }
}


static json_t *
ngx_llmops_mock_model(const char *id, size_t len)
{
    return json_pack("{s:s%,s:s,s:i,s:s}", "id", id, len, "object", "model",
                     "created", 0, "owned_by", "mock");
}


void
ngx_llmops_mock_models(ngx_llmops_mock_job_t *j)
{
    json_t             *data;
    ngx_str_t           id;
    const char *const  *p;

    id = j->env.path;
    id.data += sizeof("/models") - 1;
    id.len -= sizeof("/models") - 1;

    if (id.len) {
        ngx_llmops_mock_json(j, ngx_llmops_mock_model((char *) id.data + 1,
                                                      id.len - 1));
        return;
    }

    data = json_array();

    for (p = ngx_llmops_mock_ids; *p; p++) {
        json_array_append_new(data, ngx_llmops_mock_model(*p,
                                                          ngx_strlen(*p)));
    }

    ngx_llmops_mock_json(j, json_pack("{s:s,s:o}", "object", "list",
                                      "data", data));
}
