
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include <jansson.h>
#include "ngx_llmops_dialect.h"


/*
 * Any bytes as the events of a stream, through both taps.  An event that was
 * JSON is JSON without what a tap cuts out of it, and then has no usage; any
 * other passes or is cut inside of its bounds.
 *
 * The same bytes as a whole answer: what is JSON says the same, whether it is
 * read in one piece or by the scanner.
 */


static const ngx_llmops_op_e  ops[] = {
    NGX_LLMOPS_OP_CHAT,
    NGX_LLMOPS_OP_COMPLETIONS,
    NGX_LLMOPS_OP_MESSAGES,
    NGX_LLMOPS_OP_RESPONSES,
    NGX_LLMOPS_OP_IMAGES,
    NGX_LLMOPS_OP_AUDIO
};


static void
fuzz_usage(ngx_llmops_usage_t *u)
{
    fuzz_check(u->input >= 0 && u->output >= 0);
    fuzz_check(u->cache_read >= 0 && u->cache_write >= 0);
    fuzz_check(u->cache_read + u->cache_write <= u->input);
    fuzz_check(u->cache_write_1h <= u->cache_write);
    fuzz_check(u->reasoning >= 0 && u->reasoning <= u->output);
    fuzz_check(u->source != NGX_LLMOPS_USAGE_ESTIMATED);
}


/* data lies inside of the raw event, so that its place after the cut is known
   by what is before and behind */

static void
fuzz_cut(ngx_llmops_sse_event_t *ev, ngx_llmops_tap_t *tap)
{
    u_char  *copy, *raw;
    size_t   len, before;
    json_t  *was, *is;

    raw = ev->raw.data;

    fuzz_check(tap->cut_start < tap->cut_end);
    fuzz_check(raw + tap->cut_start >= ev->data.data);
    fuzz_check(raw + tap->cut_end <= ev->data.data + ev->data.len);

    was = json_loadb((char *) ev->data.data, ev->data.len,
                     JSON_REJECT_DUPLICATES, NULL);
    if (was == NULL) {
        return;
    }

    before = raw + tap->cut_start - ev->data.data;
    len = ev->data.len - (tap->cut_end - tap->cut_start);

    copy = malloc(len);
    memcpy(copy, ev->data.data, before);
    memcpy(copy + before, raw + tap->cut_end, len - before);

    is = json_loadb((char *) copy, len, 0, NULL);
    fuzz_check(is != NULL);

    json_object_del(was, "usage");
    fuzz_check(json_equal(was, is));

    json_decref(was);
    json_decref(is);
    free(copy);
}


static void
fuzz_drop(ngx_llmops_sse_event_t *ev)
{
    json_t      *v;
    const char  *type;

    v = json_loadb((char *) ev->data.data, ev->data.len,
                   JSON_REJECT_DUPLICATES, NULL);

    type = json_string_value(json_object_get(v, "type"));

    fuzz_check(v == NULL || json_is_object(json_object_get(v, "usage"))
               || (type && strcmp(type, "message_start") == 0));

    json_decref(v);
}


static void
fuzz_event(ngx_llmops_meter_t *m, ngx_llmops_op_e op, unsigned want_usage,
    ngx_llmops_sse_event_t *ev)
{
    size_t            bytes;
    ngx_llmops_tap_t  tap;

    bytes = m->output_bytes;

    ngx_llmops_mock.event(m, op, ev, want_usage, &tap);

    fuzz_usage(&m->usage);
    fuzz_check(m->output_bytes - bytes <= ev->data.len);
    fuzz_check(m->model_len <= NGX_LLMOPS_METER_MODEL);
    fuzz_check(!want_usage || tap.action != NGX_LLMOPS_TAP_CUT);
    fuzz_check(ev->has_data || tap.action == NGX_LLMOPS_TAP_PASS);

    switch (tap.action) {

    case NGX_LLMOPS_TAP_CUT:
        fuzz_cut(ev, &tap);
        break;

    case NGX_LLMOPS_TAP_DROP:
        fuzz_drop(ev);
        break;

    default:
        break;
    }
}


static void
fuzz_stream(const u_char *p, size_t size, ngx_llmops_op_e op,
    unsigned want_usage)
{
    u_char                  *copy, *pos;
    ngx_llmops_sse_t         sse;
    ngx_llmops_meter_t       m;
    ngx_llmops_sse_event_t   ev;

    memset(&m, 0, sizeof(m));

    copy = malloc(size + !size);
    memcpy(copy, p, size);
    pos = copy;

    ngx_llmops_sse_init(&sse, 1 << 20);

    while (ngx_llmops_sse_next(&sse, &pos, copy + size, &ev) == NGX_OK) {
        fuzz_event(&m, op, want_usage, &ev);
    }

    if (ngx_llmops_sse_end(&sse, &ev) == NGX_OK) {
        fuzz_event(&m, op, want_usage, &ev);
    }

    ngx_llmops_sse_free(&sse);
    free(copy);
}


/* the bytes as one event's data, which need no framing then */

static void
fuzz_data(const u_char *p, size_t size, ngx_llmops_op_e op)
{
    u_char                  *copy;
    ngx_llmops_meter_t       m;
    ngx_llmops_sse_event_t   ev;

    memset(&m, 0, sizeof(m));
    memset(&ev, 0, sizeof(ev));

    copy = malloc(size + !size);
    memcpy(copy, p, size);

    ev.raw.data = ev.data.data = copy;
    ev.raw.len = ev.data.len = size;
    ev.has_data = 1;

    fuzz_event(&m, op, 0, &ev);

    free(copy);
}


/* whether the scanner has kept all that the tap sees */

static unsigned
fuzz_captured(const ngx_llmops_dialect_t *d, ngx_llmops_json_member_t *found)
{
    ngx_uint_t  i;

    for (i = 0; i < d->nbody_want; i++) {

        /* of an error the type is enough */

        if (d->body_want[i].capture > 8 && found[i].count
            && found[i].value.data == NULL)
        {
            return 0;
        }
    }

    return 1;
}


static void
fuzz_whole_same(ngx_llmops_meter_t *a, ngx_llmops_meter_t *b,
    ngx_llmops_op_e op)
{
    fuzz_check(memcmp(&a->usage, &b->usage, sizeof(a->usage)) == 0);
    fuzz_check(a->error == b->error && a->started == b->started);
    fuzz_check(a->terminal && b->terminal);
    fuzz_check(a->model_len == b->model_len);
    fuzz_check(memcmp(a->model, b->model, a->model_len) == 0);

    if (op == NGX_LLMOPS_OP_MESSAGES) {
        fuzz_check(a->finish == b->finish);
    }
}


static void
fuzz_whole(const u_char *p, size_t size, ngx_llmops_op_e op)
{
    u_char                    *copy, capture[2048];
    ngx_int_t                  rc;
    ngx_str_t                  body;
    ngx_llmops_meter_t         m, pieces;
    ngx_llmops_json_scan_t     scan;
    ngx_llmops_json_member_t   found[NGX_LLMOPS_JSON_MAX_WANT];

    memset(&m, 0, sizeof(m));
    memset(&pieces, 0, sizeof(pieces));

    copy = malloc(size + !size);
    memcpy(copy, p, size);

    body.data = copy;
    body.len = size;

    rc = ngx_llmops_mock.whole(&m, op, &body);

    free(copy);

    fuzz_usage(&m.usage);
    fuzz_check(rc == NGX_OK || (!m.terminal && !m.started && !m.error));
    fuzz_check(m.output_bytes <= size);

    ngx_llmops_json_scan_init(&scan, ngx_llmops_mock.body_want, found,
                              ngx_llmops_mock.nbody_want, capture,
                              sizeof(capture));
    (void) ngx_llmops_json_scan(&scan, p, size);

    if (ngx_llmops_json_scan_done(&scan) != NGX_LLMOPS_JSON_OK) {
        return;
    }

    fuzz_check(rc == NGX_OK);

    /* names with escapes are the scanner's only */

    if (memchr(p, '\\', size) == NULL
        && fuzz_captured(&ngx_llmops_mock, found))
    {
        ngx_llmops_mock.body(&pieces, op, found);
        fuzz_whole_same(&m, &pieces, op);
    }
}


static void
fuzz_error(const u_char *p, size_t size)
{
    u_char               scratch[256], *copy;
    ngx_str_t            body;
    ngx_llmops_error_t   err;

    copy = malloc(size + !size);
    memcpy(copy, p, size);

    body.data = copy;
    body.len = size;

    ngx_llmops_error_read(200, &body, scratch, sizeof(scratch), &err);
    fuzz_check(err.message.len > 0);
    fuzz_check(err.kind > NGX_LLMOPS_ERR_NONE
               && err.kind < NGX_LLMOPS_ERR_MAX);

    (void) ngx_llmops_error_body(&body);

    free(copy);
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    ngx_llmops_op_e  op;

    if (size < FUZZ_SIZES) {
        return 0;
    }

    op = ops[data[0] % (sizeof(ops) / sizeof(ops[0]))];

    data += FUZZ_SIZES;
    size -= FUZZ_SIZES;

    fuzz_stream(data, size, op, 0);
    fuzz_stream(data, size, op, 1);
    fuzz_data(data, size, op);
    fuzz_whole(data, size, op);
    fuzz_error(data, size);

    return 0;
}
