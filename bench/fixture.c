
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


/*
 * A provider that costs as little as it can, for measuring what stands before
 * it: one thread, epoll, HTTP/1.1 with keepalive.  Every request with a
 * Content-Length is read and thrown away (the kernel drops all but the first
 * few KB without a copy) and gets one canned chat completion of about 1 KB; or,
 * if "stream":true is within those first KB, a chunked stream of events, each
 * in a write() of its own.  A GET gets the sums of what has been reported as
 * used, for whoever compares them with a gateway's books; after "GET /hold",
 * answers that come late do not come until "GET /go".
 */


#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>


#define HEAD_SIZE   8192
#define BURST       16

#define INPUT       19          /* tokens that are reported */
#define OUTPUT      120


typedef struct conn_s  conn_t;

struct conn_s {
    int          fd;
    unsigned     streaming:1;
    unsigned     usage:1;
    unsigned     queued:1;
    unsigned     writing:1;

    size_t       head;          /* length of the request's head, 0: not seen */
    size_t       have;          /* bytes in buf */
    uint64_t     rest;          /* bytes of the body still to be dropped */

    uint64_t     event;         /* the next one to send */
    const char  *out;           /* what is being written */
    size_t       len;

    uint64_t     due;
    conn_t      *prev;
    conn_t      *next;

    char        *buf;
};


typedef struct {
    char         data[1024];
    size_t       len;
} piece_t;


static const char  *port = "0";

static int        ep;
static int        timer;
static int        ls;           /* whoever connects */
static uint64_t   nevents = 100;
static uint64_t   interval;
static int        idle;
static int        late;         /* whole answers come after the interval */
static int        varied;       /* each reports another usage */
static uint64_t   nanswers, ninput, noutput;    /* what has been reported */
static uint64_t   waiting;      /* whole answers that are to come */
static int        held;         /* what is due does not come */
static conn_t     queue;        /* streams by time of their next event */
static uint64_t   armed;

static piece_t    first, delta, stop, usage, done;
static char       answer[4096];
static size_t     answer_len;
static char       varying[4096];
static char       trash[65536];

#define CHUNK                                                                 \
    "{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012\","                     \
    "\"object\":\"chat.completion.chunk\",\"created\":1760000000,"            \
    "\"model\":\"gpt-alias\",\"service_tier\":\"default\","                   \
    "\"system_fingerprint\":\"fp_0123456789\",\"choices\":"

#define TEXT                                                                  \
    "The quick brown fox jumps over the lazy dog, and the dog, being lazy, "  \
    "lets it. "


static uint64_t
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


static void
die(const char *what)
{
    perror(what);
    exit(1);
}


/* one SSE event as one HTTP chunk */

static void
piece(piece_t *p, const char *before, const char *data, const char *after)
{
    p->len = snprintf(p->data, sizeof(p->data), "%s%zx\r\ndata: %s\n\n\r\n%s",
                      before, strlen(data) + 8, data, after);
}


/* a whole answer that says so much was used; its length */

static size_t
completion(char *p, size_t size, unsigned input, unsigned output)
{
    int   n;
    char  body[2048];

    n = snprintf(body, sizeof(body),
        "{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012\","
        "\"object\":\"chat.completion\",\"created\":1760000000,"
        "\"model\":\"gpt-alias\",\"choices\":[{\"index\":0,\"message\":"
        "{\"role\":\"assistant\",\"content\":\"" TEXT TEXT TEXT TEXT TEXT TEXT
        "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,"
        "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":%u,"
        "\"completion_tokens\":%u,\"total_tokens\":%u,"
        "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0,"
        "\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"
        "\"rejected_prediction_tokens\":0}},\"service_tier\":\"default\","
        "\"system_fingerprint\":\"fp_0123456789\"}",
        input, output, input + output);

    return snprintf(p, size,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        "Content-Length: %d\r\nx-request-id: req_0123456789\r\n\r\n%s",
        n, body);
}


static void
prepare(void)
{
    answer_len = completion(answer, sizeof(answer), INPUT, OUTPUT);

    piece(&first, "HTTP/1.1 200 OK\r\n"
                  "Content-Type: text/event-stream; charset=utf-8\r\n"
                  "Transfer-Encoding: chunked\r\n"
                  "x-request-id: req_0123456789\r\n\r\n",
          CHUNK "[{\"index\":0,\"delta\":{\"role\":\"assistant\","
          "\"content\":\"\"},\"finish_reason\":null}]}", "");

    piece(&delta, "", CHUNK "[{\"index\":0,\"delta\":{\"content\":\" token\"},"
          "\"finish_reason\":null}]}", "");

    piece(&stop, "", CHUNK "[{\"index\":0,\"delta\":{},"
          "\"finish_reason\":\"stop\"}]}", "");

    piece(&usage, "", CHUNK "[],\"usage\":{\"prompt_tokens\":19,"
          "\"completion_tokens\":120,\"total_tokens\":139}}", "");

    piece(&done, "", "[DONE]", "0\r\n\r\n");
}


static void
watch(conn_t *c, int op, int writing)
{
    struct epoll_event  ee;

    c->writing = writing;
    ee.events = EPOLLIN | EPOLLRDHUP | (writing ? EPOLLOUT : 0);
    ee.data.ptr = c;

    if (epoll_ctl(ep, op, c->fd, &ee) == -1) {
        die("epoll_ctl");
    }
}


static void
arm(void)
{
    struct itimerspec  it;

    if (queue.next == &queue || queue.next->due == armed) {
        return;
    }

    armed = queue.next->due;

    memset(&it, 0, sizeof(it));
    it.it_value.tv_sec = armed / 1000000000;
    it.it_value.tv_nsec = armed % 1000000000;

    timerfd_settime(timer, TFD_TIMER_ABSTIME, &it, NULL);
}


/* the interval is the same for all: the last to come is the last to go */

static void
enqueue(conn_t *c)
{
    c->due = now() + interval;

    c->prev = queue.prev;
    c->next = &queue;
    queue.prev->next = c;
    queue.prev = c;
    c->queued = 1;
}


static void
dequeue(conn_t *c)
{
    c->prev->next = c->next;
    c->next->prev = c->prev;
    c->queued = 0;
}


static void
release(conn_t *c)
{
    if (c->queued) {
        dequeue(c);
        waiting -= !c->streaming;
    }

    close(c->fd);
    free(c->buf);
    c->fd = -1;
    free(c);
}


/* writes c->out; 1: all of it is out, 0: not yet, -1: the peer has gone */

static int
push(conn_t *c)
{
    ssize_t  n;

    while (c->len) {
        n = send(c->fd, c->out, c->len, MSG_NOSIGNAL);

        if (n == -1) {
            if (errno == EINTR) {
                continue;
            }

            return errno == EAGAIN ? 0 : -1;
        }

        c->out += n;
        c->len -= n;
    }

    return 1;
}


static void
count(unsigned input, unsigned output)
{
    nanswers++;
    ninput += input;
    noutput += output;
}


/* events: first, nevents - 2 deltas, stop, usage if it was asked for, [DONE] */

static int
next_event(conn_t *c)
{
    piece_t   *p;
    uint64_t   i;

    i = c->event++;

    if (i >= nevents && !c->usage) {
        i++;
    }

    if (i == 0) {
        p = &first;

    } else if (i < nevents - 1) {
        p = &delta;

    } else if (i == nevents - 1) {
        p = &stop;

    } else if (i == nevents) {
        p = &usage;
        count(INPUT, OUTPUT);

    } else if (i == nevents + 1) {
        p = &done;

    } else {
        return 0;
    }

    c->out = p->data;
    c->len = p->len;

    return 1;
}


static int
stream(conn_t *c)
{
    int  i, rc;

    for (i = 0; i < BURST; i++) {

        rc = push(c);

        if (rc != 1) {
            if (rc == 0 && !c->writing) {
                watch(c, EPOLL_CTL_MOD, 1);
            }

            return rc;
        }

        if (c->event && idle) {
            break;
        }

        if (c->event && interval) {
            /* the events that end a stream come together, as they do */

            if (c->event < nevents) {
                if (c->writing) {
                    watch(c, EPOLL_CTL_MOD, 0);
                }

                if (!c->queued) {
                    enqueue(c);
                }

                return 0;
            }
        }

        if (!next_event(c)) {
            c->streaming = 0;

            if (c->writing) {
                watch(c, EPOLL_CTL_MOD, 0);
            }

            return 0;
        }
    }

    if (!idle && !c->writing) {
        watch(c, EPOLL_CTL_MOD, 1);
    }

    return 0;
}


static int
send_answer(conn_t *c)
{
    unsigned  input, output;

    input = INPUT;
    output = OUTPUT;
    c->out = answer;
    c->len = answer_len;

    if (varied) {
        input = 10 + nanswers % 41;
        output = nanswers * 7919 % 90;
        c->out = varying;
        c->len = completion(varying, sizeof(varying), input, output);
    }

    if (push(c) != 1) {
        return -1;          /* 1 KB does not fit: nobody reads */
    }

    count(input, output);

    return 0;
}


static int
send_sums(conn_t *c)
{
    int          n;
    char         sums[128];
    static char  text[512];

    n = snprintf(sums, sizeof(sums),
                 "{\"answers\": %llu, \"input\": %llu, \"output\": %llu, "
                 "\"waiting\": %llu}",
                 (unsigned long long) nanswers, (unsigned long long) ninput,
                 (unsigned long long) noutput, (unsigned long long) waiting);

    c->out = text;
    c->len = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n"
                      "Content-Type: application/json\r\n"
                      "Content-Length: %d\r\n\r\n%s", n, sums);

    return push(c) == 1 ? 0 : -1;
}


static void
due(void)
{
    int        rc;
    conn_t    *c;
    uint64_t   t;

    if (held || queue.next == &queue) {
        return;
    }

    t = now();

    while (queue.next != &queue && queue.next->due <= t) {
        c = queue.next;
        dequeue(c);

        if (c->streaming) {
            (void) next_event(c);
            rc = stream(c);

        } else {
            waiting--;
            rc = send_answer(c);
        }

        if (rc == -1) {
            release(c);
        }
    }

    arm();
}


static int
answer_request(conn_t *c)
{
    size_t  body;
    char   *p;

    if (strncmp(c->buf, "GET ", 4) == 0) {
        held = strncmp(c->buf, "GET /hold ", 10) == 0
               || (held && strncmp(c->buf, "GET /go ", 8) != 0);
        c->head = 0;
        c->have = 0;
        return send_sums(c);
    }

    p = c->buf + c->head;
    body = c->have - c->head;

    c->streaming = memmem(p, body, "\"stream\":true", 13)
                   || memmem(p, body, "\"stream\": true", 14);
    c->usage = memmem(p, body, "\"include_usage\":true", 20)
               || memmem(p, body, "\"include_usage\": true", 21);
    c->head = 0;
    c->have = 0;

    if (c->streaming) {
        c->event = 0;
        c->len = 0;
        return stream(c);
    }

    if (late) {
        enqueue(c);
        waiting++;
        return 0;
    }

    return send_answer(c);
}


/* 1: a whole request is there, 0: not yet, -1: close */

static int
parse_head(conn_t *c)
{
    char      *end, *p;
    uint64_t   length;

    end = memmem(c->buf, c->have, "\r\n\r\n", 4);

    if (end == NULL) {
        return c->have == HEAD_SIZE ? -1 : 0;
    }

    *end = '\0';
    c->head = end + 4 - c->buf;
    length = 0;

    p = strcasestr(c->buf, "\r\nContent-Length:");
    if (p) {
        length = strtoull(p + 17, NULL, 10);
    }

    if (length < c->have - c->head) {
        return -1;          /* no pipelining */
    }

    c->rest = length - (c->have - c->head);

    return 1;
}


static int
readable(conn_t *c)
{
    size_t   room;
    ssize_t  n;

    for ( ;; ) {
        room = HEAD_SIZE - c->have;

        if (c->streaming) {
            /* nothing is expected but the end */
            n = recv(c->fd, trash, 1, 0);
            return (n == -1 && errno == EAGAIN) ? 0 : -1;
        }

        if (room) {
            n = recv(c->fd, c->buf + c->have, room, 0);

        } else {
            /* TCP does not touch the buffer then */
            room = c->rest < (1 << 20) ? c->rest : 1 << 20;
            n = recv(c->fd, trash, room, MSG_TRUNC);
        }

        if (n == 0) {
            return -1;
        }

        if (n == -1) {
            return (errno == EAGAIN || errno == EINTR) ? 0 : -1;
        }

        if (c->have < HEAD_SIZE) {
            c->have += n;

            if (c->head) {
                if ((uint64_t) n > c->rest) {
                    return -1;
                }

                c->rest -= n;

            } else if (parse_head(c) == -1) {
                return -1;
            }

        } else {
            c->rest -= n;
        }

        if (c->head && c->rest == 0) {
            return answer_request(c);
        }

        if ((size_t) n < room) {
            return 0;
        }
    }
}


static void
accept_all(void)
{
    int      fd, one;
    conn_t  *c;

    one = 1;

    for ( ;; ) {
        fd = accept4(ls, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd == -1) {
            if (errno != EAGAIN) {
                perror("accept4");
            }

            return;
        }

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

        c = calloc(1, sizeof(conn_t));
        if (c == NULL || (c->buf = malloc(HEAD_SIZE)) == NULL) {
            die("malloc");
        }

        c->fd = fd;
        watch(c, EPOLL_CTL_ADD, 0);
    }
}


static void
serve(void)
{
    int                 one;
    struct sockaddr_in  sin;
    socklen_t           len;

    ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (ls == -1) {
        die("socket");
    }

    one = 1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(atoi(port));
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (bind(ls, (struct sockaddr *) &sin, sizeof(sin)) == -1) {
        die("bind");
    }

    if (listen(ls, 16384) == -1) {
        die("listen");
    }

    len = sizeof(sin);
    getsockname(ls, (struct sockaddr *) &sin, &len);
    printf("%d\n", ntohs(sin.sin_port));
    fflush(stdout);
}


/* 0, or -1: something is wrong with them */

static int
options(int argc, char *argv[])
{
    int  opt;

    while ((opt = getopt(argc, argv, "p:n:i:Idv")) != -1) {
        switch (opt) {

        case 'p':
            port = optarg;
            break;

        case 'n':
            nevents = strtoull(optarg, NULL, 10);
            break;

        case 'i':
            interval = strtoull(optarg, NULL, 10) * 1000;
            break;

        case 'I':
            idle = 1;
            break;

        case 'd':
            late = 1;
            break;

        case 'v':
            varied = 1;
            break;

        default:
            nevents = 0;
        }
    }

    return (nevents < 2 || optind != argc) ? -1 : 0;
}


static int
help(void)
{
    fprintf(stderr,
            "usage: fixture [-p port] [-n events] [-i usec] [-Idv]\n"
            "  -n  events of a stream (100)\n"
            "  -i  time between two of them (0: as fast as they go)\n"
            "  -I  a stream is its first event and then nothing\n"
            "  -d  whole answers come after the time of -i, too\n"
            "  -v  they differ in the usage that they report\n"
            "prints the port that it listens on\n");
    return 2;
}


/* of a connection */

static void
event(conn_t *c, uint32_t what)
{
    int  rc;

    rc = 0;

    if (what & ~EPOLLOUT) {
        rc = readable(c);
    }

    if (rc == 0 && (what & EPOLLOUT) && c->streaming) {
        rc = stream(c);
    }

    if (rc == -1) {
        release(c);
    }
}


static void
run(void)
{
    int                 i, n;
    uint64_t            expired;
    struct epoll_event  events[512];

    for ( ;; ) {
        n = epoll_wait(ep, events, 512, -1);

        for (i = 0; i < n; i++) {

            if (events[i].data.ptr == &ls) {
                accept_all();

            } else if (events[i].data.ptr == &timer) {
                (void) !read(timer, &expired, sizeof(expired));
                armed = 0;

            } else {
                event(events[i].data.ptr, events[i].events);
            }
        }

        /* not in the loop above: it may release connections */

        due();
    }
}


int
main(int argc, char *argv[])
{
    struct rlimit       rl;
    struct epoll_event  ee;

    if (options(argc, argv) == -1) {
        return help();
    }

    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);

    queue.next = queue.prev = &queue;
    prepare();

    ep = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    serve();

    ee.events = EPOLLIN;
    ee.data.ptr = &ls;
    epoll_ctl(ep, EPOLL_CTL_ADD, ls, &ee);

    ee.data.ptr = &timer;
    epoll_ctl(ep, EPOLL_CTL_ADD, timer, &ee);

    run();

    return 0;
}
