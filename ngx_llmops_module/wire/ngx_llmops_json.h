
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_JSON_H_INCLUDED_
#define _NGX_LLMOPS_JSON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Two readers of JSON (RFC 8259) that allocate nothing.
 *
 * The scanner takes a whole document in any number of pieces, validates
 * all of it (grammar, UTF-8, depth) and reports where the wanted members of
 * the outermost object are: the request path never builds a tree.  Any split
 * of a document into pieces gives the result of the one piece.
 *
 * The iterator walks an object or array that lies in one piece of memory:
 * an event of a stream, or a member that the scanner has captured.
 *
 * Both use only types and macros of nginx and call none of its functions, so
 * that unit tests and fuzzers link them alone.
 */


#define NGX_LLMOPS_JSON_MAX_DEPTH   128
#define NGX_LLMOPS_JSON_MAX_WANT    16
#define NGX_LLMOPS_JSON_MAX_KEY     32     /* of a wanted name, decoded */
#define NGX_LLMOPS_JSON_RAW_KEY     192    /* its longest spelling */


/* results of the scanner; all errors are final */
#define NGX_LLMOPS_JSON_OK          0
#define NGX_LLMOPS_JSON_SYNTAX      1      /* not JSON */
#define NGX_LLMOPS_JSON_DEPTH       2      /* nested too deeply */
#define NGX_LLMOPS_JSON_UTF8        3      /* a string is not UTF-8 */
#define NGX_LLMOPS_JSON_TRUNCATED   4      /* ended too early: only _done() */
#define NGX_LLMOPS_JSON_NOT_OBJECT  5      /* valid so far, but no object */


typedef enum {
    NGX_LLMOPS_JSON_NONE = 0,              /* the member is absent */
    NGX_LLMOPS_JSON_NULL,
    NGX_LLMOPS_JSON_FALSE,
    NGX_LLMOPS_JSON_TRUE,
    NGX_LLMOPS_JSON_NUMBER,
    NGX_LLMOPS_JSON_STRING,
    NGX_LLMOPS_JSON_ARRAY,
    NGX_LLMOPS_JSON_OBJECT
} ngx_llmops_json_type_e;


/* a member to look for in the outermost object */

typedef struct {
    ngx_str_t                  name;       /* decoded, <= MAX_KEY bytes */
    size_t                     capture;    /* keep the value's bytes, if it
                                              has at most so many */
} ngx_llmops_json_want_t;


/*
 * What was found.  Offsets count from the first byte of the document.  Of a
 * repeated member the last one is described, and count says how many there
 * were; a key spelled with escapes counts as the name it decodes to.  One that
 * differs in case only counts, too, and is not described.
 * Removing [cut_start, cut_end) takes the member out with one comma, so that
 * the document stays valid.  The cuts of two neighbours may share that comma:
 * to take out more than one member, scan again after each.
 */

typedef struct {
    ngx_uint_t                 count;
    ngx_llmops_json_type_e     type;
    size_t                     start;      /* of the value */
    size_t                     end;        /* one past the value */
    size_t                     cut_start;
    size_t                     cut_end;
    ngx_str_t                  value;      /* the raw bytes with quotes, NULL
                                              if not captured */
} ngx_llmops_json_member_t;


typedef struct {
    /* set by the caller through _init() */
    ngx_llmops_json_want_t    *want;
    ngx_llmops_json_member_t  *found;
    ngx_uint_t                 nwant;
    u_char                    *capture;
    size_t                     capture_size;

    /* results, valid at any time */
    size_t                     offset;       /* bytes seen */
    size_t                     open;         /* of the outermost "{" */
    size_t                     close;        /* of the outermost "}" */
    ngx_uint_t                 members;      /* of the outermost object */
    size_t                     text_bytes;   /* raw bytes of string values,
                                                no keys, but for "data:" URLs */
    size_t                     data_bytes;   /* those of "data:" URLs */
    ngx_uint_t                 data_urls;

    /* private to the scanner */
    const u_char              *piece;        /* offset is that of its start */
    const u_char              *last;         /* its end */
    const u_char              *from;         /* what is not kept yet */
    const char                *literal;      /* the rest of it */
    size_t                     token;        /* of the string's first byte */
    size_t                     member_start;
    size_t                     comma;
    size_t                     value_start;
    size_t                     capture_used;
    size_t                     captured;     /* of the current value */
    ngx_uint_t                 state;
    ngx_uint_t                 sub;
    ngx_uint_t                 error;
    ngx_uint_t                 depth;
    ngx_uint_t                 object;       /* innermost is no array */
    ngx_uint_t                 prefix;       /* of "data:" seen */
    ngx_uint_t                 key_len;
    ngx_int_t                  current;      /* index into want or -1 */
    ngx_int_t                  first;        /* whose cut takes the comma */
    ngx_llmops_json_type_e     type;
    unsigned                   capturing:1;
    unsigned                   escaped:1;    /* the key has a backslash */
    u_char                     low;          /* of the next byte of UTF-8 */
    u_char                     high;
    u_char                     stack[NGX_LLMOPS_JSON_MAX_DEPTH];
    u_char                     key[NGX_LLMOPS_JSON_RAW_KEY];
} ngx_llmops_json_scan_t;


/*
 * Prepares s for a new document.  want[nwant] (at most MAX_WANT) and
 * found[nwant] live at least as long as s is used; found is zeroed.  Captured
 * values are copied into capture[capture_size], owned by the caller; a value
 * that does not fit any more is reported without its bytes.
 */
void ngx_llmops_json_scan_init(ngx_llmops_json_scan_t *s,
    ngx_llmops_json_want_t *want, ngx_llmops_json_member_t *found,
    ngx_uint_t nwant, u_char *capture, size_t capture_size);

/*
 * Reads the next piece.  Returns NGX_LLMOPS_JSON_OK or an error, which every
 * further call repeats; s->offset is then the offset of the offending byte.
 * White space after the document is allowed, anything else is a SYNTAX error.
 */
ngx_uint_t ngx_llmops_json_scan(ngx_llmops_json_scan_t *s, const u_char *p,
    size_t len);

/*
 * Tells that no piece follows.  Returns OK when exactly one whole object was
 * read, else an error.
 */
ngx_uint_t ngx_llmops_json_scan_done(ngx_llmops_json_scan_t *s);

/* A short English reason for an error code, for messages; static memory. */
const char *ngx_llmops_json_error(ngx_uint_t code);


/* the iterator: position inside one object or array */

typedef struct {
    u_char                    *pos;
    u_char                    *last;
    u_char                     close;      /* '}' or ']' */
    unsigned                   started:1;
} ngx_llmops_json_iter_t;


/*
 * Opens the object (or array) at the start of value, leading white space
 * allowed.  NGX_OK, or NGX_DECLINED if value is of another type.  The bytes
 * are not copied and must stay while the iterator is used.
 */
ngx_int_t ngx_llmops_json_object(ngx_llmops_json_iter_t *it, ngx_str_t *value);
ngx_int_t ngx_llmops_json_array(ngx_llmops_json_iter_t *it, ngx_str_t *value);

/*
 * The next member (key without its quotes, escapes left as they are) or
 * element (key is not touched and may be NULL).  value is the raw span,
 * trimmed of white space, inside the iterated bytes.  NGX_OK, NGX_DONE at
 * the end, NGX_ERROR when the bytes are not JSON.  Skips nested values
 * without checking more of them than brackets and strings; bounded by
 * MAX_DEPTH.
 */
ngx_int_t ngx_llmops_json_next(ngx_llmops_json_iter_t *it, ngx_str_t *key,
    ngx_str_t *value);

/*
 * The same in two steps, for a reader that goes into a value and would not
 * have it skipped first.  peek() finds the next value: its data, and as len all
 * that is left of the iterated bytes.  Then either pass() skips it and tells
 * its len, NGX_OK or NGX_ERROR; or an iterator over it is opened, and once it
 * has said NGX_DONE, leave() goes on behind it, and tells its len.
 */
ngx_int_t ngx_llmops_json_peek(ngx_llmops_json_iter_t *it, ngx_str_t *key,
    ngx_str_t *value);
ngx_int_t ngx_llmops_json_pass(ngx_llmops_json_iter_t *it, ngx_str_t *value);
void ngx_llmops_json_leave(ngx_llmops_json_iter_t *it,
    ngx_llmops_json_iter_t *inner, ngx_str_t *value);

/*
 * Follows a path of member names separated by dots, for example
 * "usage.prompt_tokens_details.cached_tokens"; names are compared with the
 * raw keys.  NGX_OK with the last matching member's raw value, NGX_DECLINED
 * if there is none.
 */
ngx_int_t ngx_llmops_json_get(ngx_str_t *object, const char *path,
    ngx_str_t *value);

/* The type of a raw value, by its first byte. */
ngx_llmops_json_type_e ngx_llmops_json_type(ngx_str_t *value);

#define NGX_LLMOPS_JSON_MAX_COUNT  ((int64_t) 1 << 53)

/*
 * A count: a non-negative integer up to 2^53, also as 12.0, 1e3 or a string
 * of digits (seen from compatible servers).  NGX_DECLINED for anything else:
 * *n is then left alone.
 */
ngx_int_t ngx_llmops_json_count(ngx_str_t *value, int64_t *n);

/*
 * Decodes a raw string value (with quotes) to UTF-8 in dst[size]; surrogate
 * pairs are joined, a lone surrogate becomes U+FFFD.  NGX_OK and out = the
 * decoded bytes in dst (or, if there was no escape, in place: out->data
 * points into value); NGX_DECLINED if value is not a string or too long.
 */
ngx_int_t ngx_llmops_json_string(ngx_str_t *value, u_char *dst, size_t size,
    ngx_str_t *out);

/*
 * Bytes that src takes inside a JSON string; and the writing of it.  Escapes
 * quote, backslash and control characters, turns bytes that are not UTF-8
 * into U+FFFD, leaves the rest.  Returns one past the last byte written.
 */
size_t ngx_llmops_json_escaped_len(const u_char *src, size_t len);
u_char *ngx_llmops_json_escape(u_char *dst, const u_char *src, size_t len);


#endif /* _NGX_LLMOPS_JSON_H_INCLUDED_ */
