
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_patterns.h"

#if (NGX_LLMOPS_HYPERSCAN)

#define PCRE2_CODE_UNIT_WIDTH  8

#include <pcre2.h>
#include <hs/hs.h>


/*
 * Hyperscan in its streaming mode: all patterns in one pass, and a match that
 * is cut by the pieces is found as if it were not.
 *
 * To redact or deny, text must wait until no match can begin in it any more:
 * that is as long as the longest match of a pattern, which must be bounded
 * therefore.  A pattern whose match has no white space ("word") holds back no
 * more than the last word.  A pattern that is only noted holds back nothing.
 *
 * A pattern sees bytes.  Beyond its width one byte more is waited for, since
 * "\b" looks at the byte behind.
 *
 * Hyperscan tells where a match ends; to tell where it began would make it
 * slower, and impossible for large repeats.  So PCRE2 looks for the start, in
 * the bytes that are kept anyway, each time that a pattern has matched.
 */


#define NGX_LLMOPS_WINDOW_SLICE   4096     /* bytes scanned in one go */

/*
 * Once a fuzzer saw a read fault inside Hyperscan 5.4.0, Debian 12's, at what
 * may have been the edge of a page.  It was not seen again with so many bytes
 * more on each side of what is scanned; the cause is not proved.
 */

#define NGX_LLMOPS_WINDOW_SLACK   128
#define NGX_LLMOPS_WINDOW_MARGIN  1


#define NGX_LLMOPS_START_LIMIT    10000    /* steps of PCRE2 */


/* what a pattern has become */

typedef struct {
    size_t                     width;      /* of its longest match */
    pcre2_code                *inside;     /* looks for the start of a match
                                              with a byte behind it */
    pcre2_code                *end;        /* of one without */
} ngx_llmops_compiled_t;


/* a part of the text that is replaced; regions do not overlap */

typedef struct {
    uint64_t                   from;
    uint64_t                   to;
    uint64_t                   first;      /* where the match began that
                                              says what it becomes */
    ngx_uint_t                 pattern;
    unsigned                   written:1;  /* its replacement is out */
} ngx_llmops_region_t;


struct ngx_llmops_patterns_s {
    hs_database_t             *db;
    hs_scratch_t              *scratch;
    pcre2_match_context       *match_context;
    pcre2_match_data          *match_data;
    ngx_llmops_pattern_t      *patterns;
    ngx_llmops_compiled_t     *compiled;
    ngx_uint_t                 n;
    size_t                     wide;       /* of those that may have spaces */
    size_t                     word;       /* of the others */
    size_t                     history;    /* kept for proofs */
};


struct ngx_llmops_window_s {
    ngx_llmops_patterns_t     *set;
    hs_stream_t               *stream;
    u_char                    *memory;     /* with the slack */
    u_char                    *buf;        /* [base, base + len) */
    size_t                     len;
    size_t                     size;
    uint64_t                   base;
    uint64_t                   released;   /* what is out, or skipped */
    uint64_t                   found;
    ngx_llmops_region_t       *regions;
    size_t                     nregions;
    size_t                     max_regions;
    uint64_t                   denied_at;  /* end of the match */
    ngx_uint_t                 denied_rule;
    unsigned                   denied:1;
    unsigned                   failed:1;
};


static ngx_int_t ngx_llmops_patterns_widths(ngx_llmops_patterns_t *set,
    ngx_uint_t *bad, char *err, size_t size);
static ngx_int_t ngx_llmops_patterns_build(ngx_llmops_patterns_t *set,
    ngx_uint_t *bad, char *err, size_t size);
static ngx_int_t ngx_llmops_patterns_start(ngx_llmops_patterns_t *set,
    ngx_uint_t i);
static int ngx_llmops_window_match(unsigned int id, unsigned long long from,
    unsigned long long to, unsigned int flags, void *data);
static ngx_int_t ngx_llmops_window_region(ngx_llmops_window_t *w,
    ngx_uint_t pattern, uint64_t from, uint64_t to);
static void ngx_llmops_window_release(ngx_llmops_window_t *w, uint64_t to,
    ngx_llmops_out_t *out);


ngx_llmops_patterns_t *
ngx_llmops_patterns_compile(ngx_llmops_pattern_t *patterns, ngx_uint_t n,
    ngx_uint_t *bad, char *err, size_t size)
{
    ngx_llmops_patterns_t  *set;

    *bad = 0;
    snprintf(err, size, "out of memory");

    set = calloc(1, sizeof(ngx_llmops_patterns_t));
    if (set == NULL) {
        return NULL;
    }

    set->patterns = patterns;
    set->n = n;
    set->compiled = calloc(n, sizeof(ngx_llmops_compiled_t));
    set->match_context = pcre2_match_context_create(NULL);
    set->match_data = pcre2_match_data_create(1, NULL);

    if (set->compiled == NULL || set->match_context == NULL
        || set->match_data == NULL)
    {
        ngx_llmops_patterns_free(set);
        return NULL;
    }

    pcre2_set_match_limit(set->match_context, NGX_LLMOPS_START_LIMIT);

    if (ngx_llmops_patterns_widths(set, bad, err, size) != NGX_OK
        || ngx_llmops_patterns_build(set, bad, err, size) != NGX_OK
        || hs_alloc_scratch(set->db, &set->scratch) != HS_SUCCESS)
    {
        ngx_llmops_patterns_free(set);
        return NULL;
    }

    return set;
}


void
ngx_llmops_patterns_free(ngx_llmops_patterns_t *set)
{
    ngx_uint_t  i;

    for (i = 0; set->compiled && i < set->n; i++) {
        pcre2_code_free(set->compiled[i].inside);
        pcre2_code_free(set->compiled[i].end);
    }

    free(set->compiled);
    pcre2_match_context_free(set->match_context);
    pcre2_match_data_free(set->match_data);

    if (set->scratch) {
        (void) hs_free_scratch(set->scratch);
    }

    if (set->db) {
        (void) hs_free_database(set->db);
    }

    free(set);
}


/* one that is only noted, whatever the match is */

static ngx_uint_t
ngx_llmops_patterns_plain(ngx_llmops_pattern_t *p)
{
    return p->action == NGX_LLMOPS_PATTERN_MARK && p->proof == NULL
           && !p->word && p->scan.data == NULL;
}


static unsigned
ngx_llmops_patterns_flags(ngx_llmops_patterns_t *set, ngx_uint_t i)
{
    unsigned               flags;
    ngx_llmops_pattern_t  *p;

    p = &set->patterns[i];

    flags = p->nocase ? HS_FLAG_CASELESS : 0;

    if (ngx_llmops_patterns_plain(p)) {
        return flags | HS_FLAG_SINGLEMATCH;
    }

    /* where there is no start to look for, Hyperscan tells it */

    return set->compiled[i].end ? flags : flags | HS_FLAG_SOM_LEFTMOST;
}


/* what Hyperscan looks for */

static const char *
ngx_llmops_patterns_scan(ngx_llmops_pattern_t *p)
{
    return (const char *) (p->scan.data ? p->scan.data : p->regex.data);
}


static ngx_int_t
ngx_llmops_patterns_widths(ngx_llmops_patterns_t *set, ngx_uint_t *bad,
    char *err, size_t size)
{
    size_t                 width;
    ngx_uint_t             i;
    hs_expr_info_t        *info;
    hs_compile_error_t    *error;
    ngx_llmops_pattern_t  *p;

    for (i = 0; i < set->n; i++) {
        p = &set->patterns[i];
        *bad = i;

        if (hs_expression_info((char *) p->regex.data,
                               ngx_llmops_patterns_flags(set, i), &info,
                               &error)
            != HS_SUCCESS)
        {
            snprintf(err, size, "%s", error->message);
            (void) hs_free_compile_error(error);
            return NGX_ERROR;
        }

        width = info->max_width;

        if (info->min_width == 0) {
            snprintf(err, size, "it matches the empty text");
            free(info);
            return NGX_ERROR;
        }

        free(info);

        if (ngx_llmops_patterns_flags(set, i) & HS_FLAG_SINGLEMATCH) {
            continue;
        }

        if (width > NGX_LLMOPS_PATTERN_MAX) {
            snprintf(err, size, "its match has no bound, or one above %d "
                     "bytes: write {1,100} instead of + or *",
                     NGX_LLMOPS_PATTERN_MAX);
            return NGX_ERROR;
        }

        set->compiled[i].width = width;

        if (ngx_llmops_patterns_start(set, i) != NGX_OK && p->scan.data) {
            snprintf(err, size, "PCRE2 does not understand it");
            return NGX_ERROR;
        }

        width += NGX_LLMOPS_WINDOW_MARGIN;
        set->history = ngx_max(set->history, width);

        if (p->action == NGX_LLMOPS_PATTERN_MARK) {
            continue;
        }

        if (p->word) {
            set->word = ngx_max(set->word, width);

        } else {
            set->wide = ngx_max(set->wide, width);
        }
    }

    return NGX_OK;
}


/* the same pattern for PCRE2; NGX_DECLINED: it does not understand it */

static pcre2_code *
ngx_llmops_patterns_pcre(ngx_llmops_pattern_t *p, ngx_uint_t end)
{
    int          code;
    char        *text;
    size_t       offset, len;
    pcre2_code  *re;

    static const char  form[] = "(?:%s)(?=(?s:.)\\z)";

    len = p->regex.len + sizeof(form);

    text = malloc(len);
    if (text == NULL) {
        return NULL;
    }

    len = snprintf(text, len, end ? "%s" : form, p->regex.data);

    re = pcre2_compile((PCRE2_SPTR) text, len,
                       PCRE2_NEVER_BACKSLASH_C
                       |(end ? PCRE2_ENDANCHORED : 0)
                       |(p->nocase ? PCRE2_CASELESS : 0),
                       &code, &offset, NULL);
    free(text);

    if (re) {
        /* without it the pattern is only slower */
        (void) pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
    }

    return re;
}


static ngx_int_t
ngx_llmops_patterns_start(ngx_llmops_patterns_t *set, ngx_uint_t i)
{
    ngx_llmops_compiled_t  *c;

    c = &set->compiled[i];

    c->inside = ngx_llmops_patterns_pcre(&set->patterns[i], 0);
    c->end = ngx_llmops_patterns_pcre(&set->patterns[i], 1);

    if (c->inside && c->end) {
        return NGX_OK;
    }

    pcre2_code_free(c->inside);
    pcre2_code_free(c->end);
    c->inside = NULL;
    c->end = NULL;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_patterns_build(ngx_llmops_patterns_t *set, ngx_uint_t *bad,
    char *err, size_t size)
{
    unsigned             *flags, *ids;
    ngx_int_t             rc;
    ngx_uint_t            i;
    const char          **regexes;
    hs_compile_error_t   *error;

    regexes = calloc(set->n, sizeof(char *));
    flags = calloc(set->n, sizeof(unsigned));
    ids = calloc(set->n, sizeof(unsigned));

    rc = NGX_ERROR;

    if (regexes == NULL || flags == NULL || ids == NULL) {
        goto done;
    }

    for (i = 0; i < set->n; i++) {
        regexes[i] = ngx_llmops_patterns_scan(&set->patterns[i]);
        flags[i] = ngx_llmops_patterns_flags(set, i);
        ids[i] = i;
    }

    if (hs_compile_multi(regexes, flags, ids, set->n,
                         HS_MODE_STREAM|HS_MODE_SOM_HORIZON_LARGE, NULL,
                         &set->db, &error)
        != HS_SUCCESS)
    {
        *bad = error->expression < 0 ? 0 : error->expression;
        snprintf(err, size, "%s", error->message);
        (void) hs_free_compile_error(error);
        goto done;
    }

    rc = NGX_OK;

done:

    free(regexes);
    free(flags);
    free(ids);

    return rc;
}


size_t
ngx_llmops_patterns_hold(ngx_llmops_patterns_t *set)
{
    return ngx_max(set->wide, set->word);
}


ngx_llmops_window_t *
ngx_llmops_window_create(ngx_llmops_patterns_t *set)
{
    ngx_llmops_window_t  *w;

    w = calloc(1, sizeof(ngx_llmops_window_t));
    if (w == NULL) {
        return NULL;
    }

    w->set = set;

    if (hs_open_stream(set->db, 0, &w->stream) != HS_SUCCESS) {
        free(w);
        return NULL;
    }

    return w;
}


void
ngx_llmops_window_free(ngx_llmops_window_t *w)
{
    if (w->stream) {
        (void) hs_close_stream(w->stream, NULL, NULL, NULL);
    }

    free(w->regions);
    free(w->memory);
    free(w);
}


uint64_t
ngx_llmops_window_found(ngx_llmops_window_t *w)
{
    return w->found;
}


ngx_uint_t
ngx_llmops_window_denied(ngx_llmops_window_t *w)
{
    return w->denied_rule;
}


size_t
ngx_llmops_window_held(ngx_llmops_window_t *w)
{
    return w->base + w->len - w->released;
}


/* forgets what is out, but for the history, and makes room */

static ngx_int_t
ngx_llmops_window_room(ngx_llmops_window_t *w, size_t len)
{
    u_char  *p;
    size_t   size, gone;

    gone = (w->len > w->set->history) ? w->len - w->set->history : 0;
    gone = ngx_min(w->released - w->base, gone);

    if (gone && (gone >= w->len / 2 || w->len + len > w->size)) {
        ngx_memmove(w->buf, w->buf + gone, w->len - gone);
        w->base += gone;
        w->len -= gone;
    }

    if (w->len + len <= w->size) {
        return NGX_OK;
    }

    size = ngx_max(w->len + len, w->size * 2);

    p = calloc(1, size + 2 * NGX_LLMOPS_WINDOW_SLACK);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (w->len) {
        ngx_memcpy(p + NGX_LLMOPS_WINDOW_SLACK, w->buf, w->len);
    }

    free(w->memory);

    w->memory = p;
    w->buf = p + NGX_LLMOPS_WINDOW_SLACK;
    w->size = size;

    return NGX_OK;
}


/* text before it is final when all up to end has been seen */

static uint64_t
ngx_llmops_window_horizon(ngx_llmops_window_t *w, uint64_t end)
{
    u_char      c;
    uint64_t    wide, word, x;
    ngx_uint_t  n;

    wide = (end > w->set->wide) ? end - w->set->wide : 0;
    word = (end > w->set->word) ? end - w->set->word : 0;

    if (w->set->word) {

        for (x = end; x > word && x > w->base; x--) {
            c = w->buf[x - 1 - w->base];

            if (c == ' ' || (c >= '\t' && c <= '\r')) {
                break;
            }
        }

        word = x;
    }

    x = ngx_min(wide, word);

    /* never inside a character, unless its rest is still to come; bytes that
       are none go back no further */

    for (n = 0; n < 3 && x > w->released && x < w->base + w->len
                && (w->buf[x - w->base] & 0xc0) == 0x80; n++)
    {
        x--;
    }

    return ngx_max(x, w->released);
}


static ngx_int_t
ngx_llmops_window_slice(ngx_llmops_window_t *w, const u_char *p, size_t len,
    ngx_llmops_out_t *out)
{
    if (ngx_llmops_window_room(w, len) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(w->buf + w->len, p, len);
    w->len += len;

    if (hs_scan_stream(w->stream, (char *) w->buf + w->len - len, len, 0,
                       w->set->scratch, ngx_llmops_window_match, w)
        != HS_SUCCESS
        || w->failed)
    {
        return NGX_ERROR;
    }

    ngx_llmops_window_release(w, ngx_llmops_window_horizon(w,
                              w->denied ? w->denied_at : w->base + w->len),
                              out);

    return w->denied ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_llmops_window_feed(ngx_llmops_window_t *w, const u_char *p, size_t len,
    ngx_uint_t last, ngx_llmops_out_t *out)
{
    size_t      n;
    ngx_int_t   rc;
    hs_error_t  err;

    if (w->denied) {
        return NGX_DECLINED;
    }

    while (len) {
        n = ngx_min(len, NGX_LLMOPS_WINDOW_SLICE);

        rc = ngx_llmops_window_slice(w, p, n, out);

        if (rc != NGX_OK) {
            return rc;
        }

        p += n;
        len -= n;
    }

    if (!last || w->stream == NULL) {
        return out->failed ? NGX_ERROR : NGX_OK;
    }

    /* a match may end with the text */

    err = hs_close_stream(w->stream, w->set->scratch,
                          ngx_llmops_window_match, w);
    w->stream = NULL;

    if (err != HS_SUCCESS || w->failed) {
        return NGX_ERROR;
    }

    ngx_llmops_window_release(w, w->denied
                              ? ngx_llmops_window_horizon(w, w->denied_at)
                              : w->base + w->len,
                              out);

    if (w->denied) {
        return NGX_DECLINED;
    }

    return out->failed ? NGX_ERROR : NGX_OK;
}


static ngx_uint_t
ngx_llmops_window_space(const u_char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (p[i] == ' ' || (p[i] >= '\t' && p[i] <= '\r')) {
            return 1;
        }
    }

    return 0;
}


/*
 * The leftmost start of a match that ends there, in *from.  If it cannot be
 * found it is taken to be as far back as it may be.  NGX_DECLINED: what was
 * scanned for ends there, but not the pattern.
 */

static ngx_int_t
ngx_llmops_window_start(ngx_llmops_window_t *w, ngx_uint_t id, uint64_t to,
    uint64_t *from)
{
    int                     rc;
    size_t                  at, end;
    pcre2_code             *code;
    ngx_llmops_compiled_t  *c;

    c = &w->set->compiled[id];

    *from = (to > c->width) ? to - c->width : 0;
    *from = ngx_max(*from, w->base);

    at = *from - w->base;
    end = to - w->base;
    code = c->end;

    if (end < w->len) {
        code = c->inside;               /* "\b" sees the byte behind */
        end++;
    }

    rc = pcre2_match(code, w->buf, end, at, w->base ? PCRE2_NOTBOL : 0,
                     w->set->match_data, w->set->match_context);

    if (rc == PCRE2_ERROR_NOMATCH && w->set->patterns[id].scan.data) {
        return NGX_DECLINED;
    }

    if (rc >= 0) {
        *from = w->base + pcre2_get_ovector_pointer(w->set->match_data)[0];
    }

    return NGX_OK;
}


static int
ngx_llmops_window_match(unsigned int id, unsigned long long from,
    unsigned long long to, unsigned int flags, void *data)
{
    ngx_llmops_window_t *w = data;

    size_t                 start;
    u_char                *text;
    uint64_t               begin;
    ngx_llmops_pattern_t  *p;

    p = &w->set->patterns[id];

    /* what ends behind a match that is denied is not looked at, so that the
       pieces make no difference */

    if (w->denied && to > w->denied_at) {
        return 0;
    }

    if (ngx_llmops_patterns_plain(p)) {
        w->found |= (uint64_t) 1 << p->rule;
        return 0;
    }

    begin = from;

    if (w->set->compiled[id].end
        && ngx_llmops_window_start(w, id, to, &begin) != NGX_OK)
    {
        return 0;
    }

    from = ngx_max(begin, w->base);
    text = w->buf + (from - w->base);
    start = 0;

    if ((p->word && ngx_llmops_window_space(text, to - from))
        || (p->proof && !p->proof->check(text, to - from, &start)))
    {
        return 0;
    }

    if (p->action == NGX_LLMOPS_PATTERN_DENY) {

        if (!w->denied || to < w->denied_at || p->rule < w->denied_rule) {
            w->denied_rule = p->rule;
        }

        w->denied = 1;
        w->denied_at = to;

        return 0;
    }

    w->found |= (uint64_t) 1 << p->rule;

    if (p->action == NGX_LLMOPS_PATTERN_REDACT
        && ngx_llmops_window_region(w, id, from + start, to) != NGX_OK)
    {
        w->failed = 1;
    }

    return 0;
}


/* joins a match with all that it overlaps */

static ngx_int_t
ngx_llmops_window_region(ngx_llmops_window_t *w, ngx_uint_t pattern,
    uint64_t from, uint64_t to)
{
    void                 *p;
    size_t                i, k;
    ngx_llmops_region_t   r, *old;

    r.from = from;
    r.to = to;
    r.first = from;
    r.pattern = pattern;
    r.written = 0;

    k = w->nregions;

    for (i = 0; i < w->nregions; i++) {
        old = &w->regions[i];

        if (old->from >= r.to) {
            k = i;
            break;
        }

        if (old->to <= r.from) {
            continue;
        }

        if (old->written || old->first < r.first
            || (old->first == r.first && old->pattern < r.pattern))
        {
            r.first = old->first;
            r.pattern = old->pattern;
        }

        r.written |= old->written;
        r.from = ngx_min(r.from, old->from);
        r.to = ngx_max(r.to, old->to);

        ngx_memmove(old, old + 1,
                    (w->nregions - i - 1) * sizeof(ngx_llmops_region_t));
        w->nregions--;
        i--;
        k = w->nregions;
    }

    if (w->nregions == w->max_regions) {
        p = realloc(w->regions, (w->max_regions * 2 + 8)
                                * sizeof(ngx_llmops_region_t));
        if (p == NULL) {
            return NGX_ERROR;
        }

        w->regions = p;
        w->max_regions = w->max_regions * 2 + 8;
    }

    ngx_memmove(&w->regions[k + 1], &w->regions[k],
                (w->nregions - k) * sizeof(ngx_llmops_region_t));
    w->regions[k] = r;
    w->nregions++;

    return NGX_OK;
}


/* the text up to there goes, but for what is replaced */

static void
ngx_llmops_window_release(ngx_llmops_window_t *w, uint64_t to,
    ngx_llmops_out_t *out)
{
    size_t                i;
    uint64_t              end;
    ngx_llmops_region_t  *r;

    for (i = 0; i < w->nregions && w->regions[i].from < to; i++) {
        r = &w->regions[i];

        if (w->released < r->from) {
            (void) ngx_llmops_out_write(out, w->buf + (w->released - w->base),
                                        r->from - w->released);
        }

        if (!r->written) {
            (void) ngx_llmops_out_str(out,
                                 &w->set->patterns[r->pattern].replacement);
            r->written = 1;
        }

        end = ngx_min(r->to, to);
        w->released = ngx_max(w->released, end);

        if (r->to > to) {
            break;
        }
    }

    if (w->released < to) {
        (void) ngx_llmops_out_write(out, w->buf + (w->released - w->base),
                                    to - w->released);
        w->released = to;
    }

    if (i) {
        ngx_memmove(w->regions, w->regions + i,
                    (w->nregions - i) * sizeof(ngx_llmops_region_t));
        w->nregions -= i;
    }
}

#else /* !NGX_LLMOPS_HYPERSCAN */


ngx_llmops_patterns_t *
ngx_llmops_patterns_compile(ngx_llmops_pattern_t *patterns, ngx_uint_t n,
    ngx_uint_t *bad, char *err, size_t size)
{
    *bad = 0;
    snprintf(err, size, "the module was built without Hyperscan "
             "(libhyperscan-dev)");

    return NULL;
}


void
ngx_llmops_patterns_free(ngx_llmops_patterns_t *set)
{
    /* there is none */
}


size_t
ngx_llmops_patterns_hold(ngx_llmops_patterns_t *set)
{
    return 0;
}


ngx_llmops_window_t *
ngx_llmops_window_create(ngx_llmops_patterns_t *set)
{
    return NULL;
}


void
ngx_llmops_window_free(ngx_llmops_window_t *w)
{
    /* there is none */
}


ngx_int_t
ngx_llmops_window_feed(ngx_llmops_window_t *w, const u_char *p, size_t len,
    ngx_uint_t last, ngx_llmops_out_t *out)
{
    return NGX_ERROR;
}


uint64_t
ngx_llmops_window_found(ngx_llmops_window_t *w)
{
    return 0;
}


ngx_uint_t
ngx_llmops_window_denied(ngx_llmops_window_t *w)
{
    return 0;
}


size_t
ngx_llmops_window_held(ngx_llmops_window_t *w)
{
    return 0;
}

#endif
