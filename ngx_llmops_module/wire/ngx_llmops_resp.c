
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_resp.h"


typedef enum {
    NGX_LLMOPS_RESP_TYPE = 0,
    NGX_LLMOPS_RESP_TEXT,
    NGX_LLMOPS_RESP_TEXT_CR,
    NGX_LLMOPS_RESP_NUMBER,
    NGX_LLMOPS_RESP_NUMBER_CR,
    NGX_LLMOPS_RESP_BULK,
    NGX_LLMOPS_RESP_FAILED
} ngx_llmops_resp_state_e;


static ngx_int_t ngx_llmops_resp_byte(ngx_llmops_resp_scan_t *scan, u_char c);
static ngx_int_t ngx_llmops_resp_type(ngx_llmops_resp_scan_t *scan, u_char c);
static ngx_int_t ngx_llmops_resp_text(ngx_llmops_resp_scan_t *scan, u_char c);
static ngx_int_t ngx_llmops_resp_digit(ngx_llmops_resp_scan_t *scan,
    u_char c);
static ngx_int_t ngx_llmops_resp_append(ngx_llmops_resp_scan_t *scan,
    ngx_uint_t digit);
static ngx_int_t ngx_llmops_resp_number(ngx_llmops_resp_scan_t *scan);
static ngx_int_t ngx_llmops_resp_array(ngx_llmops_resp_scan_t *scan);
static ngx_int_t ngx_llmops_resp_bulk(ngx_llmops_resp_scan_t *scan, u_char *p,
    size_t n);
static void ngx_llmops_resp_done(ngx_llmops_resp_scan_t *scan);
static ngx_int_t ngx_llmops_resp_error(ngx_llmops_resp_scan_t *scan,
    const char *error);
static u_char *ngx_llmops_resp_header(u_char *p, u_char type, size_t n);


void
ngx_llmops_resp_init(ngx_llmops_resp_scan_t *scan, size_t max_bytes,
    size_t max_elements)
{
    ngx_memzero(scan, sizeof(ngx_llmops_resp_scan_t));

    scan->max_bytes = max_bytes;
    scan->max_elements = max_elements;
}


ngx_int_t
ngx_llmops_resp_scan(ngx_llmops_resp_scan_t *scan, u_char *p, size_t len)
{
    size_t   n;
    u_char  *last;

    last = p + len;

    while (p < last) {

        if (scan->state == NGX_LLMOPS_RESP_BULK) {
            n = ngx_min(scan->left, (size_t) (last - p));

            if (ngx_llmops_resp_bulk(scan, p, n) != NGX_OK) {
                return NGX_ERROR;
            }

            p += n;
            continue;
        }

        if (++scan->bytes > scan->max_bytes) {
            return ngx_llmops_resp_error(scan, "a reply is too large");
        }

        if (ngx_llmops_resp_byte(scan, *p++) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_resp_byte(ngx_llmops_resp_scan_t *scan, u_char c)
{
    switch (scan->state) {

    case NGX_LLMOPS_RESP_TYPE:
        return ngx_llmops_resp_type(scan, c);

    case NGX_LLMOPS_RESP_TEXT:
    case NGX_LLMOPS_RESP_TEXT_CR:
        return ngx_llmops_resp_text(scan, c);

    case NGX_LLMOPS_RESP_NUMBER:
        return ngx_llmops_resp_digit(scan, c);

    case NGX_LLMOPS_RESP_NUMBER_CR:
        if (c != LF) {
            break;
        }

        return ngx_llmops_resp_number(scan);

    default:                                 /* FAILED */
        return NGX_ERROR;
    }

    return ngx_llmops_resp_error(scan, "a reply is not one of Redis");
}


static ngx_int_t
ngx_llmops_resp_type(ngx_llmops_resp_scan_t *scan, u_char c)
{
    scan->type = c;
    scan->line = 0;
    scan->number = 0;
    scan->digits = 0;
    scan->negative = 0;

    switch (c) {

    case '+':
    case '-':
        scan->state = NGX_LLMOPS_RESP_TEXT;
        return NGX_OK;

    case ':':
    case '$':
    case '*':
        scan->state = NGX_LLMOPS_RESP_NUMBER;
        return NGX_OK;
    }

    return ngx_llmops_resp_error(scan, "a reply is not one of Redis");
}


/* ends with CR LF; as for hiredis, a CR alone is a byte like any other */

static ngx_int_t
ngx_llmops_resp_text(ngx_llmops_resp_scan_t *scan, u_char c)
{
    if (c == LF && scan->state == NGX_LLMOPS_RESP_TEXT_CR) {
        ngx_llmops_resp_done(scan);
        return NGX_OK;
    }

    if (++scan->line > NGX_LLMOPS_RESP_LINE) {
        return ngx_llmops_resp_error(scan, "a reply is too large");
    }

    scan->state = (c == CR) ? NGX_LLMOPS_RESP_TEXT_CR : NGX_LLMOPS_RESP_TEXT;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_resp_digit(ngx_llmops_resp_scan_t *scan, u_char c)
{
    if (c >= '0' && c <= '9') {
        return ngx_llmops_resp_append(scan, c - '0');
    }

    if (c == '-' && scan->digits == 0 && !scan->negative) {
        scan->negative = 1;
        return NGX_OK;
    }

    if (c == CR && scan->digits) {
        scan->state = NGX_LLMOPS_RESP_NUMBER_CR;
        return NGX_OK;
    }

    return ngx_llmops_resp_error(scan, "a reply has an invalid number");
}


/* numbers are written as hiredis wants them: no leading zeros, no -0 */

static ngx_int_t
ngx_llmops_resp_append(ngx_llmops_resp_scan_t *scan, ngx_uint_t digit)
{
    uint64_t  max;

    max = (uint64_t) INT64_MAX + scan->negative;

    if ((scan->digits && scan->number == 0)
        || (scan->negative && scan->digits == 0 && digit == 0)
        || scan->number > (max - digit) / 10)
    {
        return ngx_llmops_resp_error(scan, "a reply has an invalid number");
    }

    scan->number = scan->number * 10 + digit;
    scan->digits++;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_resp_number(ngx_llmops_resp_scan_t *scan)
{
    if (scan->type == ':') {
        ngx_llmops_resp_done(scan);
        return NGX_OK;
    }

    /* hiredis refuses it there even if it is empty */

    if (scan->type == '*' && scan->depth == NGX_LLMOPS_RESP_DEPTH) {
        return ngx_llmops_resp_error(scan, "a reply is nested too deeply");
    }

    if (scan->negative) {

        if (scan->number != 1) {
            return ngx_llmops_resp_error(scan, "a reply has an invalid length");
        }

        ngx_llmops_resp_done(scan);          /* nil */
        return NGX_OK;
    }

    if (scan->type == '*') {
        return ngx_llmops_resp_array(scan);
    }

    if (scan->number > scan->max_bytes - scan->bytes) {
        return ngx_llmops_resp_error(scan, "a reply is too large");
    }

    scan->left = (size_t) scan->number + 2;
    scan->state = NGX_LLMOPS_RESP_BULK;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_resp_array(ngx_llmops_resp_scan_t *scan)
{
    if (scan->number > scan->max_elements - scan->elements) {
        return ngx_llmops_resp_error(scan, "a reply has too many elements");
    }

    if (scan->number == 0) {
        ngx_llmops_resp_done(scan);
        return NGX_OK;
    }

    scan->elements += (size_t) scan->number;
    scan->open[scan->depth++] = (size_t) scan->number;
    scan->state = NGX_LLMOPS_RESP_TYPE;

    return NGX_OK;
}


/* n bytes of the string, or of the CR LF behind it */

static ngx_int_t
ngx_llmops_resp_bulk(ngx_llmops_resp_scan_t *scan, u_char *p, size_t n)
{
    scan->bytes += n;

    /* the last two of "left" have to be CR and LF */

    if (scan->left - n < 2 && scan->left >= 2 && p[scan->left - 2] != CR) {
        return ngx_llmops_resp_error(scan, "a reply has an invalid length");
    }

    if (scan->left == n) {

        if (p[n - 1] != LF) {
            return ngx_llmops_resp_error(scan, "a reply has an invalid length");
        }

        scan->left = 0;
        ngx_llmops_resp_done(scan);
        return NGX_OK;
    }

    scan->left -= n;

    return NGX_OK;
}


/* an element is complete, and with it perhaps the arrays that it is in */

static void
ngx_llmops_resp_done(ngx_llmops_resp_scan_t *scan)
{
    scan->state = NGX_LLMOPS_RESP_TYPE;

    while (scan->depth) {

        if (--scan->open[scan->depth - 1]) {
            return;
        }

        scan->depth--;
    }

    scan->bytes = 0;
    scan->elements = 0;
}


static ngx_int_t
ngx_llmops_resp_error(ngx_llmops_resp_scan_t *scan, const char *error)
{
    scan->error = error;
    scan->state = NGX_LLMOPS_RESP_FAILED;

    return NGX_ERROR;
}


size_t
ngx_llmops_resp_size(ngx_uint_t argc, const ngx_str_t *argv)
{
    size_t      size;
    ngx_uint_t  i;

    size = sizeof("*" CRLF) - 1 + NGX_INT_T_LEN;

    for (i = 0; i < argc; i++) {
        size += sizeof("$" CRLF CRLF) - 1 + NGX_SIZE_T_LEN + argv[i].len;
    }

    return size;
}


u_char *
ngx_llmops_resp_write(u_char *p, ngx_uint_t argc, const ngx_str_t *argv)
{
    ngx_uint_t  i;

    p = ngx_llmops_resp_header(p, '*', argc);

    for (i = 0; i < argc; i++) {
        p = ngx_llmops_resp_header(p, '$', argv[i].len);
        p = ngx_cpymem(p, argv[i].data, argv[i].len);
        *p++ = CR;
        *p++ = LF;
    }

    return p;
}


static u_char *
ngx_llmops_resp_header(u_char *p, u_char type, size_t n)
{
    u_char  text[NGX_SIZE_T_LEN], *t;

    t = text + NGX_SIZE_T_LEN;

    do {
        *--t = (u_char) ('0' + n % 10);
        n /= 10;
    } while (n);

    *p++ = type;
    p = ngx_cpymem(p, t, text + NGX_SIZE_T_LEN - t);
    *p++ = CR;
    *p++ = LF;

    return p;
}


ngx_uint_t
ngx_llmops_resp_slot(const ngx_str_t *key)
{
    u_char      *p, *last, *open, *close;
    uint16_t     crc;
    ngx_uint_t   i;

    p = key->data;
    last = p + key->len;

    open = ngx_strlchr(p, last, '{');

    if (open) {
        close = ngx_strlchr(open + 1, last, '}');

        if (close && close > open + 1) {
            p = open + 1;
            last = close;
        }
    }

    for (crc = 0; p < last; p++) {
        crc ^= (uint16_t) (*p << 8);

        for (i = 0; i < 8; i++) {
            crc = (uint16_t) ((crc & 0x8000) ? (crc << 1) ^ 0x1021
                                             : crc << 1);
        }
    }

    return crc & (NGX_LLMOPS_RESP_SLOTS - 1);
}
