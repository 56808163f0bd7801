
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_chunker.h"


/*
 * A chunk is what a model of embeddings makes one point of, and what a prompt
 * gets of a document: it should say one thing, and be understood alone.  So it
 * is as long as may be, but ends where the author has ended something: the
 * last paragraph that is at an end in the chunk's second half, or else the last
 * line or sentence, or else the last word.  A table or a line of base64 has
 * none of these, and is cut between two characters.
 *
 * The next chunk begins a little earlier, with the first sentence (or word)
 * that begins within "overlap" of the end: what stands on the border is found
 * in one of the two as a whole.
 *
 * Each byte is looked at a few times, whatever the text is: a search goes back
 * over half a chunk at most, for each kind of border.
 */


typedef enum {
    NGX_LLMOPS_BORDER_NONE = 0,
    NGX_LLMOPS_BORDER_WORD,
    NGX_LLMOPS_BORDER_SENTENCE,            /* or line */
    NGX_LLMOPS_BORDER_PARAGRAPH
} ngx_llmops_border_e;


static ngx_llmops_border_e ngx_llmops_chunk_border(const u_char *text,
    size_t len, size_t at);
static ngx_uint_t ngx_llmops_chunk_ended(const u_char *text, size_t at);
static size_t ngx_llmops_chunk_end(ngx_llmops_chunker_t *c, size_t start);
static size_t ngx_llmops_chunk_again(ngx_llmops_chunker_t *c, size_t start,
    size_t end);


#define ngx_llmops_chunk_space(c)                                             \
    ((c) == ' ' || (c) == '\t' || (c) == LF || (c) == CR)

#define ngx_llmops_chunk_inside(c)  (((c) & 0xc0) == 0x80)


void
ngx_llmops_chunker_init(ngx_llmops_chunker_t *c, ngx_str_t *text, size_t size,
    size_t overlap)
{
    c->text = *text;
    c->size = size;
    c->overlap = overlap;
    c->pos = 0;
}


ngx_int_t
ngx_llmops_chunker_next(ngx_llmops_chunker_t *c, ngx_str_t *chunk)
{
    size_t         start, end, last;
    const u_char  *text;

    text = c->text.data;
    start = c->pos;

    while (start < c->text.len && ngx_llmops_chunk_space(text[start])) {
        start++;
    }

    if (start == c->text.len) {
        c->pos = start;
        return NGX_DONE;
    }

    end = ngx_llmops_chunk_end(c, start);
    c->pos = ngx_llmops_chunk_again(c, start, end);

    for (last = end; ngx_llmops_chunk_space(text[last - 1]); last--) {
        /* void */
    }

    chunk->data = c->text.data + start;
    chunk->len = last - start;

    return NGX_OK;
}


/* one past the chunk's last byte */

static size_t
ngx_llmops_chunk_end(ngx_llmops_chunker_t *c, size_t start)
{
    size_t               at, best, most;
    ngx_llmops_border_e  border, found;

    if (c->text.len - start <= c->size) {
        return c->text.len;
    }

    most = start + c->size;
    best = 0;
    found = NGX_LLMOPS_BORDER_NONE;

    for (at = most; at > start + c->size / 2; at--) {

        border = ngx_llmops_chunk_border(c->text.data, c->text.len, at);

        if (border > found) {
            found = border;
            best = at;
        }

        if (found == NGX_LLMOPS_BORDER_PARAGRAPH) {
            break;
        }
    }

    if (best) {
        return best;
    }

    for (at = most; ngx_llmops_chunk_inside(c->text.data[at])
                    && at > most - 3; at--)
    {
        /* void */
    }

    return at;
}


/* where the next one begins: behind start, and at end at the latest */

static size_t
ngx_llmops_chunk_again(ngx_llmops_chunker_t *c, size_t start, size_t end)
{
    size_t               at, word;
    ngx_llmops_border_e  border;

    if (end == c->text.len) {
        return end;
    }

    word = end;

    for (at = end - c->overlap; at < end; at++) {

        if (at <= start) {
            continue;
        }

        border = ngx_llmops_chunk_border(c->text.data, c->text.len, at);

        if (border >= NGX_LLMOPS_BORDER_SENTENCE) {
            return at;
        }

        if (border == NGX_LLMOPS_BORDER_WORD && word == end) {
            word = at;
        }
    }

    return word;
}


/* what ends before the byte at "at", if something else begins there */

static ngx_llmops_border_e
ngx_llmops_chunk_border(const u_char *text, size_t len, size_t at)
{
    size_t      i;
    ngx_uint_t  lines;

    if (at == 0 || at >= len) {
        return NGX_LLMOPS_BORDER_NONE;
    }

    if (!ngx_llmops_chunk_space(text[at - 1])
        || ngx_llmops_chunk_space(text[at]))
    {
        /* these languages have no spaces behind a sentence */

        return (!ngx_llmops_chunk_inside(text[at])
                && at >= 3 && ngx_llmops_chunk_ended(text, at)
                && text[at - 1] >= 0x80)
               ? NGX_LLMOPS_BORDER_SENTENCE : NGX_LLMOPS_BORDER_NONE;
    }

    lines = 0;

    for (i = at; i > 0 && ngx_llmops_chunk_space(text[i - 1]); i--) {
        lines += (text[i - 1] == LF);

        if (lines == 2) {
            return NGX_LLMOPS_BORDER_PARAGRAPH;
        }
    }

    return (lines || ngx_llmops_chunk_ended(text, i))
           ? NGX_LLMOPS_BORDER_SENTENCE : NGX_LLMOPS_BORDER_WORD;
}


/* whether a sentence ends before "at" */

static ngx_uint_t
ngx_llmops_chunk_ended(const u_char *text, size_t at)
{
    u_char  c;

    while (at > 0 && (text[at - 1] == '"' || text[at - 1] == '\''
                      || text[at - 1] == ')'))
    {
        at--;
    }

    if (at == 0) {
        return 0;
    }

    c = text[at - 1];

    if (c == '.' || c == '!' || c == '?') {
        return 1;
    }

    /* the full stops of Chinese and Japanese: U+3002, U+FF01, U+FF1F */

    return at >= 3
           && ((text[at - 3] == 0xe3 && text[at - 2] == 0x80 && c == 0x82)
               || (text[at - 3] == 0xef && text[at - 2] == 0xbc
                   && (c == 0x81 || c == 0x9f)));
}
