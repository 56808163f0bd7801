
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache.h"


/*
 * An answer as a value for another level: a head of fixed size, then the
 * bytes.  Numbers are in the order of this machine's bytes, which the magic
 * tells apart: what another kind of machine has written is a miss.
 */


#define NGX_LLMOPS_VALUE_MAGIC     0x31616c6c          /* "lla1" */


typedef struct {
    uint32_t                   magic;
    uint32_t                   form;
    uint64_t                   len;
    int64_t                    cost;
    int64_t                    created;
    int64_t                    expires;
    uint64_t                   tags[NGX_LLMOPS_CACHE_TAGS];
    int64_t                    usage[10];
    int64_t                    source;
} ngx_llmops_value_head_t;


void
ngx_llmops_cache_pack(ngx_llmops_cache_answer_t *answer,
    ngx_llmops_out_t *out)
{
    ngx_llmops_usage_t       *u;
    ngx_llmops_value_head_t   head;

    ngx_memzero(&head, sizeof(ngx_llmops_value_head_t));

    u = &answer->usage;

    head.magic = NGX_LLMOPS_VALUE_MAGIC;
    head.form = answer->form;
    head.len = answer->body.len;
    head.cost = answer->cost;
    head.created = answer->created;
    head.expires = answer->expires;
    ngx_memcpy(head.tags, answer->tags, sizeof(head.tags));

    head.usage[0] = u->input;
    head.usage[1] = u->output;
    head.usage[2] = u->cache_read;
    head.usage[3] = u->cache_write;
    head.usage[4] = u->cache_write_1h;
    head.usage[5] = u->reasoning;
    head.usage[6] = u->audio_in;
    head.usage[7] = u->audio_out;
    head.usage[8] = u->image_in;
    head.usage[9] = u->image_out;
    head.source = u->source;

    (void) ngx_llmops_out_write(out, &head, sizeof(head));
    (void) ngx_llmops_out_str(out, &answer->body);
}


ngx_int_t
ngx_llmops_cache_unpack(ngx_str_t *value, ngx_llmops_cache_answer_t *answer)
{
    ngx_llmops_usage_t       *u;
    ngx_llmops_value_head_t   head;

    if (value->len <= sizeof(head)) {
        return NGX_DECLINED;
    }

    ngx_memcpy(&head, value->data, sizeof(head));

    if (head.magic != NGX_LLMOPS_VALUE_MAGIC
        || head.len != value->len - sizeof(head)
        || (head.form != NGX_LLMOPS_CACHE_FORM_WHOLE
            && head.form != NGX_LLMOPS_CACHE_FORM_STREAM)
        || head.source < NGX_LLMOPS_USAGE_NONE
        || head.source > NGX_LLMOPS_USAGE_REPORTED)
    {
        return NGX_DECLINED;
    }

    ngx_memzero(answer, sizeof(ngx_llmops_cache_answer_t));

    u = &answer->usage;

    answer->form = head.form;
    answer->body.data = value->data + sizeof(head);
    answer->body.len = head.len;
    answer->cost = head.cost;
    answer->created = head.created;
    answer->expires = head.expires;
    ngx_memcpy(answer->tags, head.tags, sizeof(head.tags));

    u->input = head.usage[0];
    u->output = head.usage[1];
    u->cache_read = head.usage[2];
    u->cache_write = head.usage[3];
    u->cache_write_1h = head.usage[4];
    u->reasoning = head.usage[5];
    u->audio_in = head.usage[6];
    u->audio_out = head.usage[7];
    u->image_in = head.usage[8];
    u->image_out = head.usage[9];
    u->source = head.source;

    return NGX_OK;
}
