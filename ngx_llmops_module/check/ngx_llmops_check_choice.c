
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_tokens.h"
#include "ngx_llmops_check_text.h"


/*
 * What is asked of all that a choice says: how long it is, which language it
 * is in, whether it keeps to the context; and how to say what is wrong with it
 * to the model.
 */


static ngx_int_t ngx_llmops_choice_count(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_str_t *piece, ngx_uint_t last);
static int64_t ngx_llmops_choice_tokens(ngx_llmops_choice_t *choice,
    ngx_str_t *piece, ngx_uint_t last);
static ngx_int_t ngx_llmops_channel_size(ngx_llmops_check_t *check,
    ngx_llmops_rule_kind_e kind, size_t before, size_t now);
static ngx_int_t ngx_llmops_choice_language(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice);


ngx_int_t
ngx_llmops_channel_content(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_str_t *piece, ngx_uint_t last)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    if (piece->len == 0 && (!last || !choice->content)) {
        return NGX_OK;
    }

    choice->content = 1;

    /* as it was said, with what breaks a rule */

    if (check->keeps) {
        (void) ngx_llmops_out_write(&choice->said, piece->data,
                                    ngx_min(piece->len, check->keeps
                                                        - choice->said.len));
    }

    for (i = 0; i < check->rules->nrules; i++) {
        if (check->rules->rules[i].kind == NGX_LLMOPS_RULE_JSON) {
            rc = ngx_llmops_channel_json(check, choice, i, piece, last);

            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    return ngx_llmops_choice_count(check, choice, piece, last);
}


/* a piece of content counts */

static ngx_int_t
ngx_llmops_choice_count(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice, ngx_str_t *piece, ngx_uint_t last)
{
    size_t     i, before;
    ngx_int_t  rc;

    rc = NGX_OK;

    if (check->lengths) {
        before = choice->chars;

        for (i = 0; i < piece->len; i++) {
            choice->chars += ((piece->data[i] & 0xc0) != 0x80);
        }

        rc = ngx_llmops_channel_size(check, NGX_LLMOPS_RULE_LENGTH, before,
                                     choice->chars);
    }

    if (rc == NGX_OK && check->tokens) {
        before = choice->tokens / NGX_LLMOPS_TOKEN;
        choice->tokens += ngx_llmops_choice_tokens(choice, piece, last);

        rc = ngx_llmops_channel_size(check, NGX_LLMOPS_RULE_TOKENS, before,
                                     choice->tokens / NGX_LLMOPS_TOKEN);
    }

    if (rc == NGX_OK && check->languages && !choice->early
        && choice->said.len >= NGX_LLMOPS_LANGUAGE_EARLY)
    {
        choice->early = 1;
        rc = ngx_llmops_choice_language(check, choice);
    }

    return rc;
}


#define ngx_llmops_choice_estimate(p, end)                                    \
    ngx_llmops_tokens(NGX_LLMOPS_TOKENS_O200K, p, end)


/*
 * Tokens of a piece, times TOKEN.  A word that is cut would count for more: the
 * last one, with the space before it, waits for the next piece, so that a text
 * has as many tokens however it comes (but for words that are longer than what
 * can wait).
 */

static int64_t
ngx_llmops_choice_tokens(ngx_llmops_choice_t *choice, ngx_str_t *piece,
    ngx_uint_t last)
{
    u_char      *p, *cut, *end, *space;
    size_t       n;
    int64_t      tokens;
    ngx_uint_t   ends;                  /* a word does */

    p = piece->data;
    end = piece->len ? p + piece->len : p;
    tokens = 0;

    for (cut = end; cut > p && cut[-1] != ' '; cut--) { /* void */ }

    ends = last || cut > p;
    cut = last ? end : (cut > p) ? cut - 1 : p;

    if (choice->nword && ends) {
        space = (end > p) ? memchr(p, ' ', end - p) : NULL;

        n = (space ? space : end) - p;
        n = ngx_min(n, NGX_LLMOPS_CHECK_WORD - choice->nword);

        if (n) {
            ngx_memcpy(choice->word + choice->nword, p, n);
            p += n;
        }

        tokens += ngx_llmops_choice_estimate(choice->word,
                                             choice->word + choice->nword + n);
        choice->nword = 0;
    }

    if (cut > p) {
        tokens += ngx_llmops_choice_estimate(p, cut);
        p = cut;
    }

    n = end - p;

    if (n > NGX_LLMOPS_CHECK_WORD - choice->nword) {
        tokens += ngx_llmops_choice_estimate(choice->word,
                                             choice->word + choice->nword)
                  + ngx_llmops_choice_estimate(p, end);
        choice->nword = 0;

    } else if (n) {
        ngx_memcpy(choice->word + choice->nword, p, n);
        choice->nword += n;
    }

    return tokens;
}


static ngx_int_t
ngx_llmops_channel_size(ngx_llmops_check_t *check,
    ngx_llmops_rule_kind_e kind, size_t before, size_t now)
{
    ngx_uint_t          k;
    ngx_llmops_rule_t  *rule;

    for (k = 0; k < check->rules->nrules; k++) {
        rule = &check->rules->rules[k];

        if (rule->kind == kind && rule->max && now > rule->max
            && before <= rule->max
            && ngx_llmops_rule_broken(check, k) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* whether a rule forbids the language of what has been said */

static ngx_uint_t
ngx_llmops_choice_foreign(ngx_llmops_choice_t *choice,
    ngx_llmops_rule_t *rule)
{
    uint64_t  language;

    language = ngx_llmops_language(choice->said.data, choice->said.len);

    return language && !(language & rule->languages);
}


static ngx_int_t
ngx_llmops_choice_language(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice)
{
    ngx_uint_t          i;
    ngx_llmops_rule_t  *rule;

    for (i = 0; i < check->rules->nrules; i++) {
        rule = &check->rules->rules[i];

        if (rule->kind == NGX_LLMOPS_RULE_LANGUAGE
            && ngx_llmops_choice_foreign(choice, rule)
            && ngx_llmops_rule_broken(check, i) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_choice_asks(ngx_llmops_check_t *check, ngx_llmops_choice_t *choice,
    ngx_uint_t i)
{
    ngx_llmops_rule_t  *rule;

    rule = &check->rules->rules[i];

    switch (rule->kind) {

    case NGX_LLMOPS_RULE_JSON:

        if (choice->excused || choice->parts) {
            return 0;
        }

        check->fault = choice->json;

        return choice->json == NULL
               || ngx_llmops_jcheck_finish(choice->json) != NGX_OK;

    case NGX_LLMOPS_RULE_REQUIRE:
        return !(choice->found >> i & 1);

    case NGX_LLMOPS_RULE_LENGTH:
        return choice->chars < rule->min;

    case NGX_LLMOPS_RULE_TOKENS:
        return choice->tokens / NGX_LLMOPS_TOKEN < rule->min;

    case NGX_LLMOPS_RULE_LANGUAGE:
        return ngx_llmops_choice_foreign(choice, rule);

    case NGX_LLMOPS_RULE_GROUND:
        return check->ground
               && ngx_llmops_ground_share(check->ground, choice->said.data,
                                          choice->said.len)
                  < rule->min;

    default:
        return 0;
    }
}


/* a document has ended, whatever comes behind it */

static ngx_int_t
ngx_llmops_choice_document(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice)
{
    ngx_uint_t  i;

    for (i = 0; i < check->rules->nrules; i++) {
        if (check->rules->rules[i].kind == NGX_LLMOPS_RULE_JSON
            && !choice->excused
            && ngx_llmops_jcheck_finish(choice->json) != NGX_OK)
        {
            check->fault = choice->json;

            if (ngx_llmops_rule_broken(check, i) != NGX_OK) {
                return NGX_DECLINED;
            }
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_choice_part(ngx_llmops_check_t *check, ngx_llmops_channel_t *ch)
{
    ngx_llmops_choice_t  *choice;

    if (check->op != NGX_LLMOPS_OP_RESPONSES || ch->text.aside
        || ch->text.kind != NGX_LLMOPS_TEXT_CONTENT || check->texts.partial)
    {
        return NGX_OK;
    }

    choice = ngx_llmops_channel_choice(check, ch->text.choice);

    if (choice == NULL || choice->json == NULL) {
        return NGX_OK;                  /* nobody asks, or it is empty */
    }

    if (ngx_llmops_choice_document(check, choice) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_llmops_jcheck_free(choice->json);

    check->fault = NULL;
    choice->json = NULL;
    choice->parts++;
    choice->fence = NGX_LLMOPS_FENCE_START;
    choice->ncomma = 0;
    choice->excused = 0;
    choice->repaired = 0;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_choice_finish(ngx_llmops_check_t *check,
    ngx_llmops_choice_t *choice)
{
    ngx_uint_t  i;

    if (choice->finished) {
        return NGX_OK;
    }

    choice->finished = 1;

    if (choice->tools && !choice->content) {
        return NGX_OK;                  /* it asks for a tool, no more */
    }

    for (i = 0; i < check->rules->nrules; i++) {
        if (ngx_llmops_choice_asks(check, choice, i)
            && ngx_llmops_rule_broken(check, i) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


ngx_str_t
ngx_llmops_check_said(ngx_llmops_check_t *check)
{
    ngx_str_t  said;

    ngx_str_null(&said);

    if (check->again && (check->nchoices == 0 || !check->choices[0].content)) {
        return ngx_llmops_check_said(check->again);
    }

    if (check->nchoices) {
        said.data = check->choices[0].said.data;
        said.len = ngx_min(check->choices[0].said.len, NGX_LLMOPS_CHECK_SAID);
    }

    /* no half of a character */

    while (said.len && said.len == NGX_LLMOPS_CHECK_SAID
           && (said.data[said.len - 1] & 0x80))
    {
        said.len--;
    }

    return said;
}


static void
ngx_llmops_check_reason_json(ngx_llmops_check_t *check, ngx_llmops_out_t *out)
{
    const char  *keyword;

    keyword = check->fault ? ngx_llmops_jcheck_keyword(check->fault) : "";

    if (*keyword == '\0') {
        (void) ngx_llmops_out_lit(out, " is not valid JSON");

    } else {
        (void) ngx_llmops_out_lit(out, " does not fit its JSON Schema: \"");
        (void) ngx_llmops_out_write(out, keyword, ngx_strlen(keyword));
        (void) ngx_llmops_out_lit(out, "\" does not hold");
    }

    if (check->fault) {
        (void) ngx_llmops_out_lit(out, " (byte ");
        (void) ngx_llmops_out_int(out,
                                  ngx_llmops_jcheck_offset(check->fault) + 1);
        (void) ngx_llmops_out_lit(out, ")");
    }
}


void
ngx_llmops_check_reason(ngx_llmops_check_t *check, ngx_llmops_out_t *out)
{
    ngx_llmops_rule_t  *rule;

    rule = check->broken;

    if (rule && rule->kind == NGX_LLMOPS_RULE_TOOLS) {
        (void) ngx_llmops_out_lit(out, "The call of a tool, or its "
                                  "arguments,");
        ngx_llmops_check_reason_json(check, out);
        (void) ngx_llmops_out_lit(out, ".");
        return;
    }

    (void) ngx_llmops_out_lit(out, "Your answer");

    switch (rule ? rule->kind : NGX_LLMOPS_RULE_PATTERN) {

    case NGX_LLMOPS_RULE_JSON:
        ngx_llmops_check_reason_json(check, out);
        break;

    case NGX_LLMOPS_RULE_REQUIRE:
        (void) ngx_llmops_out_lit(out, " lacks something that has to be in "
                                  "it");
        break;

    case NGX_LLMOPS_RULE_LENGTH:
    case NGX_LLMOPS_RULE_TOKENS:
        (void) ngx_llmops_out_lit(out, " is too short, or too long");
        break;

    case NGX_LLMOPS_RULE_LANGUAGE:
        (void) ngx_llmops_out_lit(out, " is in the wrong language");
        break;

    case NGX_LLMOPS_RULE_GROUND:
        (void) ngx_llmops_out_lit(out, " says what the given context does "
                                  "not support");
        break;

    default:
        (void) ngx_llmops_out_lit(out, " has something in it that is not "
                                  "allowed");
    }

    if (rule) {
        (void) ngx_llmops_out_lit(out, " (rule ");
        (void) ngx_llmops_out_str(out, &rule->name);
        (void) ngx_llmops_out_lit(out, ")");
    }

    (void) ngx_llmops_out_lit(out, ".");
}
