
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "fuzz.h"
#include "ngx_llmops_resp.h"

#include <sys/time.h>
#include <hiredis/hiredis.h>


/*
 * However the bytes are cut, the verdict is the same; and what passes is
 * parsed without an error, reply by reply, within the bounds.
 */


#define FUZZ_BYTES     512
#define FUZZ_ELEMENTS  64


static size_t
fuzz_elements(redisReply *reply)
{
    size_t  i, n;

    n = 0;

    if (reply->type == REDIS_REPLY_ARRAY) {
        n = reply->elements;

        for (i = 0; i < reply->elements; i++) {
            n += fuzz_elements(reply->element[i]);
        }
    }

    return n;
}


/* how many bytes pass */

static size_t
fuzz_run(const u_char *sizes, const u_char *p, size_t size)
{
    void                    *reply;
    size_t                   i, n, len;
    u_char                  *piece;
    redisReader             *reader;
    ngx_llmops_resp_scan_t   s;

    ngx_llmops_resp_init(&s, FUZZ_BYTES, FUZZ_ELEMENTS);
    reader = redisReaderCreate();

    for (i = 0, n = 0; i < size; i += len, n++) {

        len = sizes ? fuzz_piece(sizes, n, size - i) : 1;

        piece = malloc(len + 1);
        memcpy(piece, p + i, len);

        if (ngx_llmops_resp_scan(&s, piece, len) != NGX_OK) {
            fuzz_check(s.error != NULL);
            free(piece);
            break;
        }

        fuzz_check(redisReaderFeed(reader, (char *) piece, len) == REDIS_OK);
        free(piece);

        do {
            fuzz_check(redisReaderGetReply(reader, &reply) == REDIS_OK);

            if (reply) {
                fuzz_check(fuzz_elements(reply) <= FUZZ_ELEMENTS);
                freeReplyObject(reply);
            }

        } while (reply);

        if (ngx_llmops_resp_between(&s)) {
            fuzz_check(reader->reply == NULL && reader->pos == reader->len);
        }
    }

    redisReaderFree(reader);

    return s.error ? 0 : i;
}


int
LLVMFuzzerTestOneInput(const u_char *data, size_t size)
{
    const u_char  *p;

    if (size < FUZZ_SIZES) {
        return 0;
    }

    p = data + FUZZ_SIZES;
    size -= FUZZ_SIZES;

    fuzz_check(fuzz_run(NULL, p, size) == fuzz_run(data, p, size));

    return 0;
}
