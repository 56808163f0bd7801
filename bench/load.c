
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


/*
 * A client that costs as little as it can: one thread, epoll, HTTP/1.1 with
 * keepalive, the same request again and again.  What it measured is printed
 * as one line of JSON.
 *
 * Closed loop: each connection sends its next request when it has the whole
 * answer.  Open loop (-r): requests leave at a fixed rate whatever the answers
 * do; one that finds all connections taken waits, and its wait counts.
 */


#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>


#define HEAD_SIZE   2048


typedef enum {
    s_head = 0,
    s_length,
    s_chunk_size,
    s_chunk_data,
    s_chunk_end,
    s_trailer
} state_t;


typedef struct conn_s  conn_t;

struct conn_s {
    int          fd;
    state_t      state;
    unsigned     busy:1;
    unsigned     opened:1;
    unsigned     writing:1;
    unsigned     fresh:1;
    unsigned     failed:1;
    unsigned     digits:1;
    int          status;
    char         last;          /* the last byte of the answer's body */

    size_t       sent;
    size_t       have;
    uint64_t     rest;
    uint64_t     events;
    uint64_t     start;
    uint64_t     first;

    conn_t      *next;
    char         head[HEAD_SIZE];
};


typedef struct {
    uint64_t    *v;
    size_t       n;
    size_t       size;
} series_t;


static int                 ep;
static int                 timer;
static struct sockaddr_in  addr;
static char               *request;
static size_t              request_len;
static char                buf[262144];

static unsigned     port;
static const char  *uri = "/v1/chat/completions";
static const char  *file;           /* with the body */

static unsigned   nconns = 1;
static uint64_t   limit;            /* requests in all, 0: by time */
static double     seconds;
static double     warm;
static double     rate;
static int        hold;             /* open streams, then keep them */
static int        any;              /* an answer of any status will do */
static char       fields[512];      /* more of the request's head */

static conn_t    *spare;
static uint64_t   begun, ended, failed, events, bytes, opened, refused;
static uint64_t   from, till;       /* what is measured */
static uint64_t   statuses[600];
static series_t   times, firsts;


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


static void
add(series_t *s, uint64_t v)
{
    if (s->n == s->size) {
        s->size = s->size ? s->size * 2 : 65536;
        s->v = realloc(s->v, s->size * sizeof(uint64_t));

        if (s->v == NULL) {
            die("realloc");
        }
    }

    s->v[s->n++] = v;
}


static int
compare(const void *one, const void *two)
{
    uint64_t  a, b;

    a = *(const uint64_t *) one;
    b = *(const uint64_t *) two;

    return a < b ? -1 : a > b;
}


static double
percentile(series_t *s, double p)
{
    if (s->n == 0) {
        return 0;
    }

    return s->v[(size_t) ((s->n - 1) * p)] / 1000.0;
}


static void
watch(conn_t *c, int op, int writing)
{
    struct epoll_event  ee;

    c->writing = writing;
    ee.events = EPOLLIN | (writing ? EPOLLOUT : 0);
    ee.data.ptr = c;

    if (epoll_ctl(ep, op, c->fd, &ee) == -1) {
        die("epoll_ctl");
    }
}


static int
dial(conn_t *c)
{
    int  one;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd == -1) {
        die("socket");
    }

    one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    if (connect(c->fd, (struct sockaddr *) &addr, sizeof(addr)) == -1
        && errno != EINPROGRESS)
    {
        close(c->fd);
        c->fd = -1;
        return -1;
    }

    c->fresh = 1;
    watch(c, EPOLL_CTL_ADD, 1);

    return 0;
}


static void
hang_up(conn_t *c)
{
    if (c->fd != -1) {
        close(c->fd);
        c->fd = -1;
    }
}


/* sends what is left of the request */

static int
push(conn_t *c)
{
    ssize_t  n;

    while (c->sent < request_len) {
        n = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);

        if (n == -1) {
            if (errno == EINTR) {
                continue;
            }

            if (errno == EAGAIN || errno == ENOTCONN) {
                if (!c->writing) {
                    watch(c, EPOLL_CTL_MOD, 1);
                }

                return 0;
            }

            return -1;
        }

        c->sent += n;
    }

    if (c->writing) {
        watch(c, EPOLL_CTL_MOD, 0);
    }

    return 0;
}


static void  finish(conn_t *c, int ok);


static void
begin(conn_t *c, uint64_t start)
{
    c->busy = 1;
    c->state = s_head;
    c->failed = 0;
    c->sent = 0;
    c->have = 0;
    c->events = 0;
    c->first = 0;
    c->last = 0;
    c->start = start;

    begun++;

    if (c->fd == -1) {
        if (dial(c) == -1) {
            finish(c, 0);
        }

        return;
    }

    if (push(c) == -1) {
        finish(c, 0);
    }
}


static void
finish(conn_t *c, int ok)
{
    uint64_t  t;

    t = now();
    c->busy = 0;

    if (!ok) {
        hang_up(c);

        if (c->opened) {
            c->opened = 0;
            opened--;
        }
    }

    if (t >= from && t <= till) {
        if (ok && !c->failed) {
            ended++;
            statuses[c->status]++;
            events += c->events;
            add(&times, t - c->start);

            if (c->first) {
                add(&firsts, c->first - c->start);
            }

        } else {
            failed++;
        }
    }

    c->next = spare;
    spare = c;
}


/* an event ends with an empty line */

static void
count_events(conn_t *c, const char *p, size_t n)
{
    const char  *end;

    bytes += n;

    for (end = p + n; p < end; p++) {

        if (c->last == '\n' && *p == '\n') {
            c->events++;

            if (c->first == 0) {
                c->first = now();

                if (hold) {
                    c->opened = 1;
                    opened++;
                }
            }
        }

        c->last = *p;

        if (*p != '\n') {
            p = memchr(p, '\n', end - p);

            if (p == NULL) {
                c->last = end[-1];
                return;
            }

            c->last = '\n';
        }
    }
}


/* the head of the answer; 1: done, 0: more is needed, -1: broken */

static int
parse_head(conn_t *c, size_t *used, const char *p, size_t n)
{
    char    *end, *h;
    size_t   before, room;

    before = c->have;
    room = HEAD_SIZE - 1 - before;

    if (n < room) {
        room = n;
    }

    memcpy(c->head + before, p, room);
    c->have += room;
    c->head[c->have] = '\0';

    end = strstr(c->head, "\r\n\r\n");
    if (end == NULL) {
        *used = room;
        return c->have == HEAD_SIZE - 1 ? -1 : 0;
    }

    *used = end + 4 - c->head - before;
    end[2] = '\0';

    c->status = strncmp(c->head, "HTTP/1.1 ", 9) == 0 ? atoi(c->head + 9) : 0;

    if (c->status < 200 || c->status > 599) {
        return -1;
    }

    if (c->status != 200 && !any) {
        c->failed = 1;

        if (++refused == 1) {
            fprintf(stderr, "load: %.*s\n", 60, c->head);
        }
    }

    if (strcasestr(c->head, "\r\nTransfer-Encoding: chunked")) {
        c->state = s_chunk_size;
        c->rest = 0;
        c->digits = 0;
        return 1;
    }

    h = strcasestr(c->head, "\r\nContent-Length:");
    if (h == NULL) {
        return -1;
    }

    c->rest = strtoull(h + 17, NULL, 10);
    c->state = s_length;

    return 1;
}


/* one more byte of the line: 0, or -1: broken */

static int
chunk_size(conn_t *c, char ch)
{
    int  digit;

    if (ch == '\n') {
        c->state = c->rest ? s_chunk_data : s_trailer;
        return c->digits ? 0 : -1;
    }

    if (ch == '\r') {
        return 0;
    }

    digit = ch >= '0' && ch <= '9' ? ch - '0'
            : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
            : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;

    c->rest = c->rest * 16 + digit;
    c->digits = 1;

    return digit == -1 ? -1 : 0;
}


/* 1: the answer is whole, 0: more is needed, -1: broken */

static int
parse(conn_t *c, const char *p, size_t n)
{
    int          rc;
    size_t       used;
    const char  *end;

    end = p + n;

    while (p < end || (c->state == s_length && c->rest == 0)) {

        switch (c->state) {

        case s_head:
            rc = parse_head(c, &used, p, end - p);

            if (rc != 1) {
                return rc;
            }

            p += used;
            break;

        case s_length:
        case s_chunk_data:
            used = (uint64_t) (end - p) < c->rest ? (uint64_t) (end - p)
                                                  : c->rest;

            if (c->state == s_chunk_data) {
                count_events(c, p, used);

            } else {
                bytes += used;
            }

            p += used;
            c->rest -= used;

            if (c->rest) {
                return 0;
            }

            if (c->state == s_length) {
                return p == end ? 1 : -1;
            }

            c->state = s_chunk_end;
            break;

        case s_chunk_size:
            if (chunk_size(c, *p) == -1) {
                return -1;
            }

            p++;
            break;

        case s_chunk_end:
            if (*p++ == '\n') {
                c->state = s_chunk_size;
                c->digits = 0;
            }

            break;

        case s_trailer:
            if (*p++ == '\n') {
                return p == end ? 1 : -1;
            }
        }
    }

    return 0;
}


static void
readable(conn_t *c)
{
    int      rc;
    ssize_t  n;

    do {
        n = recv(c->fd, buf, sizeof(buf), 0);

        if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }

        if (n <= 0) {
            if (c->busy) {
                finish(c, 0);

            } else {
                hang_up(c);
            }

            return;
        }

        rc = c->busy ? parse(c, buf, n) : -1;

        if (rc) {
            finish(c, rc == 1);
            return;
        }

    } while (n == sizeof(buf));
}


static void
event(conn_t *c, uint32_t ready)
{
    int        error;
    socklen_t  len;

    if (c->fd == -1) {
        return;
    }

    if (ready & EPOLLOUT) {

        if (c->fresh) {
            c->fresh = 0;
            error = 0;
            len = sizeof(error);
            getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);

            if (error) {
                fprintf(stderr, "load: connect: %s\n", strerror(error));
                finish(c, 0);
                return;
            }
        }

        if (push(c) == -1) {
            finish(c, 0);
            return;
        }
    }

    if (ready & ~EPOLLOUT) {
        readable(c);
    }
}


static void
add_field(const char *field)
{
    size_t  len;

    len = strlen(fields);

    if (snprintf(fields + len, sizeof(fields) - len, "%s\r\n", field)
        >= (int) (sizeof(fields) - len))
    {
        fprintf(stderr, "load: too many fields\n");
        exit(1);
    }
}


static void
make_request(void)
{
    int          fd, n;
    char         head[1024];
    struct stat  st;

    if (strcmp(file, "-") == 0) {

        /* no body: a GET, for what is static */

        request = malloc(sizeof(head));

        if (request == NULL) {
            die("malloc");
        }

        request_len = snprintf((char *) request, sizeof(head),
            "GET %s HTTP/1.1\r\nHost: gateway.example\r\n"
            "User-Agent: load/1.0\r\nAccept: application/json\r\n%s\r\n",
            uri, fields);
        return;
    }

    fd = open(file, O_RDONLY);
    if (fd == -1 || fstat(fd, &st) == -1) {
        die(file);
    }

    n = snprintf(head, sizeof(head),
        "POST %s HTTP/1.1\r\nHost: gateway.example\r\n"
        "User-Agent: load/1.0\r\nAccept: application/json\r\n"
        "Authorization: Bearer sk-0123456789abcdefghijklmnopqrstuv\r\n"
        "Content-Type: application/json\r\n%sContent-Length: %lld\r\n\r\n",
        uri, fields, (long long) st.st_size);

    if (n >= (int) sizeof(head)) {
        fprintf(stderr, "load: the head of the request is too large\n");
        exit(1);
    }

    request_len = n + st.st_size;
    request = malloc(request_len);

    if (request == NULL) {
        die("malloc");
    }

    memcpy(request, head, n);

    if (read(fd, request + n, st.st_size) != st.st_size) {
        die("read");
    }

    close(fd);
}


static void
wait_until(uint64_t t)
{
    struct itimerspec  it;
    static uint64_t    set;

    if (t == set) {
        return;
    }

    set = t;

    memset(&it, 0, sizeof(it));
    it.it_value.tv_sec = t / 1000000000;
    it.it_value.tv_nsec = t % 1000000000;

    timerfd_settime(timer, TFD_TIMER_ABSTIME, &it, NULL);
}


static void
report(double took)
{
    int          status;
    const char  *comma;

    qsort(times.v, times.n, sizeof(uint64_t), compare);
    qsort(firsts.v, firsts.n, sizeof(uint64_t), compare);

    printf("{\"requests\": %llu, \"failed\": %llu, \"seconds\": %.3f, "
           "\"rps\": %.1f, \"events\": %llu, \"eps\": %.1f, \"bytes\": %llu, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, "
           "\"first_p50_us\": %.1f, \"first_p99_us\": %.1f, "
           "\"statuses\": {",
           (unsigned long long) ended, (unsigned long long) failed, took,
           ended / took, (unsigned long long) events, events / took,
           (unsigned long long) bytes,
           percentile(&times, 0.5), percentile(&times, 0.99),
           percentile(&times, 1),
           percentile(&firsts, 0.5), percentile(&firsts, 0.99));

    comma = "";

    for (status = 0; status < 600; status++) {
        if (statuses[status]) {
            printf("%s\"%d\": %llu", comma, status,
                   (unsigned long long) statuses[status]);
            comma = ", ";
        }
    }

    printf("}}\n");
}


static int
usage(void)
{
    fprintf(stderr,
        "usage: load -p port -b bodyfile [-u uri] [-c connections]\n"
        "            [-n requests | -t seconds [-w seconds]] [-r rate] [-aH]\n"
        "            [-h 'name: value'] ...\n"
        "  -n  stop after so many requests\n"
        "  -t  measure for so long, after a warm-up of -w\n"
        "  -r  open loop: so many requests a second\n"
        "  -a  an answer of any status is no failure\n"
        "  -h  a field more in the head of each request\n"
        "  -H  open -c streams, print their number when all have had their\n"
        "      first event, and hold them until standard input ends\n");
    return 2;
}


/* 0, or -1: something is wrong with them */

static int
options(int argc, char *argv[])
{
    int  opt;

    while ((opt = getopt(argc, argv, "p:b:u:c:n:t:w:r:Hah:")) != -1) {
        switch (opt) {

        case 'p':
            port = atoi(optarg);
            break;

        case 'b':
            file = optarg;
            break;

        case 'u':
            uri = optarg;
            break;

        case 'c':
            nconns = atoi(optarg);
            break;

        case 'n':
            limit = strtoull(optarg, NULL, 10);
            break;

        case 't':
            seconds = atof(optarg);
            break;

        case 'w':
            warm = atof(optarg);
            break;

        case 'r':
            rate = atof(optarg);
            break;

        case 'H':
            hold = 1;
            break;

        case 'a':
            any = 1;
            break;

        case 'h':
            add_field(optarg);
            break;

        default:
            return -1;
        }
    }

    return (port == 0 || file == NULL || nconns == 0
            || (limit == 0 && seconds == 0 && !hold))
           ? -1 : 0;
}


/* all connections are spare ones; hold needs no more than each once */

static void
setup(void)
{
    conn_t              *conns;
    unsigned             k;
    struct rlimit        rl;
    struct epoll_event   ee;

    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);

    addr.sin_family = AF_INET;
    addr.sin_port = htons(port);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    make_request();

    ep = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    ee.events = EPOLLIN;
    ee.data.ptr = &timer;
    epoll_ctl(ep, EPOLL_CTL_ADD, timer, &ee);

    conns = calloc(nconns, sizeof(conn_t));
    if (conns == NULL) {
        die("calloc");
    }

    for (k = 0; k < nconns; k++) {
        conns[k].fd = -1;
        conns[k].next = spare;
        spare = &conns[k];
    }

    if (hold) {
        limit = nconns;
        rate = 4000;
    }
}


/* the requests that are due; returns when the next one is */

static uint64_t
begin_due(uint64_t t, uint64_t due, uint64_t tick)
{
    conn_t  *c;

    while (spare && (limit == 0 || begun < limit)
           && (tick == 0 || due <= t))
    {
        c = spare;
        spare = c->next;

        /* who waited for a connection counts from when it was due */

        begin(c, tick && t - due > 5000000 && !hold ? due : now());
        due += tick;
    }

    return due;
}


static void
events_wait(void)
{
    int                 i, n;
    uint64_t            expired;
    struct epoll_event  ready[512];

    n = epoll_wait(ep, ready, 512, -1);

    for (i = 0; i < n; i++) {
        if (ready[i].data.ptr == &timer) {
            (void) !read(timer, &expired, sizeof(expired));
            continue;
        }

        event(ready[i].data.ptr, ready[i].events);
    }
}


/* until the time or the requests are over; due: the first request */

static void
run(uint64_t due)
{
    uint64_t  t, tick;

    tick = rate ? (uint64_t) (1e9 / rate) : 0;

    for ( ;; ) {
        t = now();

        if (t >= till) {
            return;
        }

        if (hold ? opened + failed >= nconns
                 : limit && ended + failed >= limit)
        {
            return;
        }

        due = begin_due(t, due, tick);

        wait_until(tick && spare && due < till
                   && (limit == 0 || begun < limit) ? due : till);
        events_wait();
    }
}


int
main(int argc, char *argv[])
{
    char      c1;
    uint64_t  start;

    if (options(argc, argv) == -1) {
        return usage();
    }

    setup();

    start = now();
    from = start + (uint64_t) (warm * 1e9);
    till = seconds ? from + (uint64_t) (seconds * 1e9) : UINT64_MAX;

    run(start);

    if (hold) {
        printf("%llu\n", (unsigned long long) opened);
        fflush(stdout);

        while (read(0, &c1, 1) > 0) { /* void */ }

        return failed != 0;
    }

    report((now() - (limit ? start : from)) / 1e9);

    return failed != 0;
}
