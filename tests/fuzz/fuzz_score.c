
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "ngx_llmops_report.h"
#include "ngx_llmops_score.h"


/*
 * Any bytes as a candidate's answer, as what a judge says, and as all of the
 * judge's response: a score is from 0 to 1 or none, and what is reported of it
 * has the same structure as the report of any other answer.
 */


#define FUZZ_CHECKS                                                           \
    "[{\"type\":\"exact\",\"normalize\":true},"                               \
    "{\"type\":\"contains\",\"ignore_case\":true},"                           \
    "{\"type\":\"numeric\",\"value\":[5,42]},{\"type\":\"choice\"},"          \
    "{\"type\":\"json\"},{\"type\":\"length\"},"                              \
    "{\"type\":\"schema\",\"schema\":{\"properties\":{\"n\":{\"type\":"       \
    "\"integer\"}}}},{\"type\":\"regex\",\"pattern\":\"(a+)+b\"},"            \
    "{\"type\":\"ground\"},{\"type\":\"human\"},"                             \
    "{\"type\":\"judge\",\"rubric\":\"good\"},"                               \
    "{\"type\":\"pairwise\",\"rubric\":\"better\"}]"

#define FUZZ_CASE                                                             \
    "{\"id\":\"a\",\"input\":\"AB 12\",\"choices\":[\"answer\",\"5\",\"A b\"],"\
    "\"expected\":\"A\"}"


static ngx_llmops_scorer_t  *fuzz_scorer;
static json_t               *fuzz_case;


static void
fuzz_setup(void)
{
    char     err[256];
    json_t  *checks;

    checks = json_loads(FUZZ_CHECKS, 0, NULL);
    fuzz_case = json_loads(FUZZ_CASE, 0, NULL);
    fuzz_check(checks && fuzz_case);

    fuzz_scorer = ngx_llmops_scorer_create(checks, NULL, 0, err, sizeof(err));
    fuzz_check(fuzz_scorer);

    json_decref(checks);
}


/* the answer of a judge: those bytes, or a completion whose text they are */

static void
fuzz_hear(ngx_llmops_score_t *score, ngx_uint_t n, ngx_str_t *text,
    ngx_uint_t wrap)
{
    ngx_str_t         body;
    ngx_llmops_out_t  out;

    if (!wrap) {
        (void) ngx_llmops_score_hear(fuzz_scorer, score, n, text);
        return;
    }

    ngx_llmops_out_init(&out, 1 << 20);
    (void) ngx_llmops_out_lit(&out, "{\"choices\":[{\"index\":0,\"message\":{"
                                    "\"role\":\"assistant\",\"content\":");
    (void) ngx_llmops_out_json(&out, text->data, text->len);
    (void) ngx_llmops_out_lit(&out, "}}]}");
    fuzz_check(!out.failed);

    body.data = out.data;
    body.len = out.len;

    (void) ngx_llmops_score_hear(fuzz_scorer, score, n, &body);

    ngx_llmops_out_free(&out);
}


/* records of CSV, or -1 if it is none */

static ngx_int_t
fuzz_records(ngx_llmops_out_t *out)
{
    size_t     i;
    ngx_int_t  n, quoted;

    for (n = 0, quoted = 0, i = 0; i < out->len; i++) {
        quoted ^= (out->data[i] == '"');
        n += (!quoted && out->data[i] == '\n');
    }

    return quoted ? -1 : n;
}


static ngx_int_t
fuzz_count(ngx_llmops_out_t *out, u_char c)
{
    size_t     i;
    ngx_int_t  n;

    for (n = 0, i = 0; i < out->len; i++) {
        n += (out->data[i] == c);
    }

    return n;
}


static void
fuzz_report(json_t *kept, json_t *answer)
{
    json_t                      *evaluation, *kase;
    ngx_llmops_out_t             out;
    ngx_llmops_report_t          rep;
    ngx_llmops_report_format_e   format;

    evaluation = json_pack("{sO,ss}", "name", answer, "verdict", "fail");
    kase = json_pack("{sO,s[O]}", "id", answer, "results", kept);
    fuzz_check(evaluation && kase);

    ngx_llmops_out_init(&out, 1 << 22);

    for (format = NGX_LLMOPS_REPORT_JSON;
         format <= NGX_LLMOPS_REPORT_MARKDOWN;
         format++)
    {
        ngx_llmops_out_reset(&out);
        out.len = 0;

        fuzz_check(ngx_llmops_report_begin(&rep, format, evaluation, &out)
                   == NGX_OK
                   && ngx_llmops_report_case(&rep, kase, &out) == NGX_OK
                   && ngx_llmops_report_end(&rep, &out) == NGX_OK);

        switch (format) {

        case NGX_LLMOPS_REPORT_CSV:
            fuzz_check(fuzz_records(&out) == 2);
            break;

        case NGX_LLMOPS_REPORT_JUNIT:

            /* ten tags, and those of a case that is passed, skipped, or not
               passed */

            fuzz_check(fuzz_count(&out, '<') == 11
                       || fuzz_count(&out, '<') == 13
                       || fuzz_count(&out, '<') == 14);
            fuzz_check(fuzz_count(&out, '<') == fuzz_count(&out, '>'));
            break;

        case NGX_LLMOPS_REPORT_MARKDOWN:
            fuzz_check(fuzz_count(&out, '\n') == 7
                       || fuzz_count(&out, '\n') == 12);
            break;

        default:
            break;
        }
    }

    json_decref(evaluation);
    json_decref(kase);
    ngx_llmops_out_free(&out);
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    json_t                   *kept, *answer;
    ngx_str_t                 text;
    ngx_uint_t                i;
    ngx_llmops_score_t        score;
    ngx_llmops_score_said_t   said;

    if (fuzz_scorer == NULL) {
        fuzz_setup();
    }

    text.data = malloc(size + !size);
    text.len = size;
    fuzz_check(text.data);
    memcpy(text.data, data, size);

    memset(&said, 0, sizeof(said));
    said.text = text;
    ngx_str_set(&said.other, "the other answer");

    fuzz_check(ngx_llmops_score(fuzz_scorer, fuzz_case, &said, &score)
               != NGX_ERROR);

    for (i = 0; i < score.nquestions; i++) {
        fuzz_hear(&score, i, &text, size % 2);
    }

    fuzz_check(score.value >= 0 && score.value <= 1);

    for (i = 0; i < score.nchecks; i++) {
        fuzz_check(score.checks[i].state != NGX_LLMOPS_SCORE_LEFT);
        fuzz_check(strlen(score.checks[i].why) < NGX_LLMOPS_SCORE_WHY);
    }

    kept = ngx_llmops_score_json(fuzz_scorer, &score);
    fuzz_check(kept);
    fuzz_check(json_is_number(json_object_get(kept, "score"))
               == !score.error);

    answer = json_stringn((char *) text.data, text.len);

    if (answer) {
        fuzz_check(json_object_set(kept, "answer", answer) == 0);
        fuzz_report(kept, answer);
        json_decref(answer);
    }

    json_decref(kept);
    free(text.data);

    return 0;
}
