
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include <time.h>
#include "packs_run.h"
#include "ngx_llmops_check.h"


/*
 * What rules cost a stream: the time of an event under 50 patterns of the
 * packs, under a schema, and under both; of one that has 250 bytes on the
 * wire, and of one with 250 bytes of text.  The least of several rounds:
 * others may want the processor, too.
 */


#define TEXT      500000
#define EVENT     165                      /* bytes of an event without text */
#define ROUNDS    200
#define PATTERNS  50


static const char  schema[] =
    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"id\":{\"type\":\"integer\"},\"name\":{\"type\":\"string\","
    "\"maxLength\":200},\"tags\":{\"type\":\"array\",\"items\":{\"enum\":"
    "[\"red\",\"green\",\"blue\"]}},\"price\":{\"type\":\"number\","
    "\"minimum\":0}},\"required\":[\"id\",\"name\"],"
    "\"additionalProperties\":false}}";


/* a document of that schema, of TEXT bytes and a little more */

static char *
document(size_t *len)
{
    char        *text, *p;
    ngx_uint_t   i;

    text = malloc(TEXT + 1024);
    p = text;

    for (i = 0; p - text < TEXT; i++) {
        p += sprintf(p, "%s{\"id\": %zu, \"name\": \"the %zuth thing that is "
                     "for sale here, and a fine one\", \"tags\": [\"red\", "
                     "\"blue\"], \"price\": %zu.50}", i ? ",\n" : "[", i, i,
                     i % 100);
    }

    *p++ = ']';
    *len = p - text;

    return text;
}


/* its events with so many bytes of text, all in one piece of memory; ends[i]
   is where each ends */

static u_char *
stream(const char *text, size_t len, size_t chunk, size_t *ends,
    ngx_uint_t *n)
{
    u_char      *buf, *p;
    size_t       at;
    ngx_uint_t   i;

    buf = malloc(len * 2 + (len / chunk + 2) * 256);
    p = buf;

    for (i = 0, at = 0; at < len; at += chunk, i++) {
        p += sprintf((char *) p, "data: {\"id\":\"chatcmpl-1\",\"object\":"
                     "\"chat.completion.chunk\",\"created\":1700000000,"
                     "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{"
                     "\"content\":\"");
        p = ngx_llmops_json_escape(p, (u_char *) text + at,
                                   ngx_min(chunk, len - at));
        p += sprintf((char *) p, "\"},\"finish_reason\":null}]}\n\n");
        ends[i] = p - buf;
    }

    *n = i;

    return buf;
}


static double
measure(ngx_llmops_rules_t *rules, u_char *events, size_t *ends, ngx_uint_t n,
    ngx_uint_t rounds)
{
    double               best, t;
    ngx_uint_t           i, round;
    struct timespec      a, b;
    ngx_llmops_out_t     out;
    ngx_llmops_check_t  *check;

    best = 1e9;
    ngx_llmops_out_init(&out, 64 * 1024 * 1024);

    for (round = 0; round < rounds; round++) {
        check = ngx_llmops_check_create(rules, NGX_LLMOPS_OP_CHAT);

        clock_gettime(CLOCK_MONOTONIC, &a);

        for (i = 0; i < n; i++) {
            ngx_llmops_out_reset(&out);
            pack_check(ngx_llmops_check_events(check,
                                          events + (i ? ends[i - 1] : 0),
                                          ends[i] - (i ? ends[i - 1] : 0),
                                          &out)
                       == NGX_OK);
        }

        clock_gettime(CLOCK_MONOTONIC, &b);

        ngx_llmops_check_free(check);

        t = (b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3;
        best = ngx_min(best, t / n);
    }

    ngx_llmops_out_free(&out);

    return best;
}


/* what a caller waits for the first token because of the rules: a check is
   made, and the events pass until one may go */

static double
first(ngx_llmops_rules_t *rules, u_char *events, size_t *ends, ngx_uint_t n)
{
    double               best, t;
    ngx_uint_t           i, round;
    struct timespec      a, b;
    ngx_llmops_out_t     out;
    ngx_llmops_check_t  *check;

    best = 1e9;
    ngx_llmops_out_init(&out, 64 * 1024 * 1024);

    for (round = 0; round < 20 * ROUNDS; round++) {
        ngx_llmops_out_reset(&out);

        clock_gettime(CLOCK_MONOTONIC, &a);

        check = ngx_llmops_check_create(rules, NGX_LLMOPS_OP_CHAT);

        for (i = 0; i < n && ngx_llmops_check_passed(check) == 0; i++) {
            pack_check(ngx_llmops_check_events(check,
                                          events + (i ? ends[i - 1] : 0),
                                          ends[i] - (i ? ends[i - 1] : 0),
                                          &out)
                       == NGX_OK);
        }

        clock_gettime(CLOCK_MONOTONIC, &b);

        ngx_llmops_check_free(check);

        t = (b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3;
        best = ngx_min(best, t);
    }

    ngx_llmops_out_free(&out);

    return best;
}


/* for callgrind, which counts two runs of different length: both, so often */

static void
repeat(ngx_llmops_rules_t *rules, ngx_llmops_patterns_t *set,
    const char *text, size_t len, size_t chunk, ngx_uint_t times)
{
    size_t      *ends;
    u_char      *events;
    ngx_uint_t   n;

    ends = malloc((len / chunk + 2) * sizeof(size_t));
    events = stream(text, len, chunk, ends, &n);

    rules->nrules = 2;
    rules->sets[0] = set;

    (void) measure(rules, events, ends, n, times);

    printf("%zu\n", n);

    free(events);
    free(ends);
}


static void
compare(ngx_llmops_rules_t *rules, ngx_llmops_patterns_t *set,
    const char *text, size_t len, size_t chunk)
{
    u_char             *events;
    size_t             *ends;
    double              none, json, patterns, both;
    ngx_uint_t          n;
    ngx_llmops_rule_t  *rule;

    rule = rules->rules;
    ends = malloc((len / chunk + 2) * sizeof(size_t));
    events = stream(text, len, chunk, ends, &n);

    rules->rules = &rule[2];
    rules->nrules = 1;
    rules->sets[0] = NULL;
    none = measure(rules, events, ends, n, ROUNDS);

    rules->rules = &rule[1];
    json = measure(rules, events, ends, n, ROUNDS);

    rules->rules = rule;
    rules->sets[0] = set;
    patterns = measure(rules, events, ends, n, ROUNDS);

    rules->nrules = 2;
    both = measure(rules, events, ends, n, ROUNDS);

    printf("%zu bytes of text, %zu on the wire; us for an event:\n"
           "  reading it          %6.2f\n"
           "  and a schema        %6.2f\n"
           "  and %d patterns     %6.2f\n"
           "  and both            %6.2f\n"
           "  until the first goes %5.2f\n",
           chunk, ends[n - 1] / n, none, json, PATTERNS, patterns, both,
           first(rules, events, ends, n));

    free(events);
    free(ends);
}


/* without arguments figures; with "BYTES TIMES" see repeat() */

int
main(int argc, char **argv)
{
    char                  err[256], *text;
    json_t               *root;
    size_t                len;
    pack_t                pack;
    ngx_uint_t            i;
    ngx_llmops_rule_t     rule[3];
    ngx_llmops_rules_t    rules;

    memset(&pack, 0, sizeof(pack_t));
    pack_read(&pack, "lua-free-rules/secrets");
    pack_read(&pack, "lua-free-rules/personal");
    pack_read(&pack, "lua-free-rules/injection");
    pack_read(&pack, "lua-free-rules/refusal");

    pack_check(pack.npatterns >= PATTERNS);
    pack.npatterns = PATTERNS;

    for (i = 0; i < PATTERNS; i++) {
        pack.patterns[i].rule = 0;
    }

    pack_compile(&pack);

    root = json_loads(schema, 0, NULL);

    memset(rule, 0, sizeof(rule));
    rule[0].action = NGX_LLMOPS_ACT_REDACT;
    rule[1].kind = NGX_LLMOPS_RULE_JSON;
    rule[1].action = NGX_LLMOPS_ACT_NEXT;
    rule[1].schema = ngx_llmops_jschema_compile(root, NULL, err, sizeof(err));
    rule[2].action = NGX_LLMOPS_ACT_MARK;
    pack_check(rule[1].schema);

    text = document(&len);

    memset(&rules, 0, sizeof(rules));

    rules.rules = rule;

    if (argc == 3) {
        repeat(&rules, pack.set, text, len, atoi(argv[1]), atoi(argv[2]));

    } else {
        compare(&rules, pack.set, text, len, 250 - EVENT);

        rules.rules = rule;
        compare(&rules, pack.set, text, len, 250);
    }

    ngx_llmops_jschema_free(rule[1].schema);
    json_decref(root);
    pack_release(&pack);
    free(text);

    return 0;
}
