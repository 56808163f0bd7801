
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REDIS_NODE_H_INCLUDED_
#define _NGX_LLMOPS_REDIS_NODE_H_INCLUDED_


#include "ngx_llmops_redis.h"
#include "ngx_llmops_resp.h"


/*
 * What the files of the transport share: a node is one server, and a role
 * says what it is to us: the only one, a master behind Sentinel, a master of a
 * Cluster, or a Sentinel.
 */


#define NGX_LLMOPS_REDIS_CONNECT      1000     /* ms: lookup to PING's reply */
#define NGX_LLMOPS_REDIS_DEAD         1000     /* ms of silence after a command
                                                  timed out: connect anew */
#define NGX_LLMOPS_REDIS_STABLE       1000     /* ms that a connection lasts,
                                                  else its end is a failure */
#define NGX_LLMOPS_REDIS_BACKOFF_MIN  50
#define NGX_LLMOPS_REDIS_BACKOFF_MAX  750      /* so that a server that is back
                                                  is found within a second */
#define NGX_LLMOPS_REDIS_TICK         5000     /* ms between TIMEs */

#define NGX_LLMOPS_REDIS_PENDING      32768    /* under way to a node, */
#define NGX_LLMOPS_REDIS_BYTES        (8 * 1024 * 1024)    /* and their size */
#define NGX_LLMOPS_REDIS_REPLY        (32 * 1024 * 1024)
#define NGX_LLMOPS_REDIS_ELEMENTS     (1024 * 1024)
#define NGX_LLMOPS_REDIS_BUFFER       16384
#define NGX_LLMOPS_REDIS_TURN         (1024 * 1024)    /* bytes read at once */

#define NGX_LLMOPS_REDIS_NODES        1024     /* of a Cluster */
#define NGX_LLMOPS_REDIS_HOST         256      /* bytes of a name or path */


typedef struct ngx_llmops_redis_node_s  ngx_llmops_redis_node_t;


typedef enum {
    NGX_LLMOPS_REDIS_IDLE = 0,             /* nobody wants it */
    NGX_LLMOPS_REDIS_WAITING,              /* until it is tried again */
    NGX_LLMOPS_REDIS_OPENING,
    NGX_LLMOPS_REDIS_GREETING,             /* AUTH ... PING */
    NGX_LLMOPS_REDIS_UP
} ngx_llmops_redis_state_e;


/* what a node is to us; push may be NULL */

typedef struct {
    /* sends what a connection begins with; ends in node_ready() */
    void                     (*greet)(ngx_llmops_redis_node_t *node);

    /* commands can be sent; the connection is lost, or could not be made */
    void                     (*up)(ngx_llmops_redis_node_t *node);
    void                     (*down)(ngx_llmops_redis_node_t *node);

    /* the back-off is over: opens it, now or later */
    void                     (*retry)(ngx_llmops_redis_node_t *node);

    /* an error instead of a reply to a caller's command: 1 if it has been
       dealt with, and cmd, which is no longer the node's, with it */
    ngx_uint_t               (*reply)(ngx_llmops_redis_node_t *node,
                                 ngx_llmops_redis_cmd_t *cmd,
                                 redisReply *reply);

    /* a reply that answers nothing: a message of Sentinel's */
    void                     (*push)(ngx_llmops_redis_node_t *node,
                                 redisReply *reply);
} ngx_llmops_redis_role_t;


/*
 * A command is in one of two queues of its node: "waiting" until it is put
 * into the buffer, then "sent" until its reply has come, also if nobody waits
 * for that any more.
 */

struct ngx_llmops_redis_cmd_s {
    ngx_queue_t                queue;
    ngx_queue_t                due;        /* while timeouts are told */
    ngx_llmops_redis_t        *redis;
    ngx_llmops_redis_pt        handler;    /* NULL: nobody waits */
    void                      *data;
    ngx_msec_t                 deadline;
    uint64_t                   start;      /* when it was sent, us */
    uint64_t                   end;        /* of its bytes, in all that the
                                              connection has been given */
    ngx_uint_t                 redirects;
    unsigned                   internal:1; /* the transport's own */
    unsigned                   overdue:1;  /* its caller has been told */
    unsigned                   asking:1;   /* goes behind an ASKING, */
    unsigned                   skip:1;     /* whose reply is to come */
    unsigned                   pinned:1;   /* not redirected */
    size_t                     len;
    u_char                     wire[1];
};


struct ngx_llmops_redis_node_s {
    ngx_llmops_redis_t        *redis;
    const ngx_llmops_redis_role_t  *role;
    ngx_llmops_redis_state_e   state;
    ngx_llmops_net_t           net;
    ngx_str_t                  name;       /* "host:port": identity, logs */
    u_char                     text[NGX_LLMOPS_REDIS_HOST + 16];
    u_char                     host[NGX_LLMOPS_REDIS_HOST + 1];

    redisReader               *reader;
    ngx_llmops_resp_scan_t     scan;
    ngx_queue_t                waiting;    /* of ngx_llmops_redis_cmd_t */
    ngx_queue_t                sent;       /* the same, in order of replies */
    ngx_uint_t                 commands;   /* in both */
    size_t                     bytes;      /* of them */

    u_char                    *out;        /* bytes to be written */
    size_t                     out_pos;
    size_t                     out_len;
    size_t                     out_size;
    uint64_t                   given;      /* bytes, of this connection */
    uint64_t                   written;

    ngx_event_t                flush;      /* posted: write once per turn */
    ngx_event_t                timer;      /* the nearest deadline */
    ngx_event_t                pause;      /* WAITING: the back-off */
    ngx_msec_t                 up_since;
    ngx_msec_t                 silent_since;   /* the last reply, or the
                                              beginning of stalled */
    ngx_uint_t                 failures;   /* in a row */
    ngx_uint_t                 generation; /* of the connection */
    const char                *doom;       /* close it for that reason, as soon
                                              as no handler is running */
    u_char                     reason[NGX_LLMOPS_NET_TEXT];
    u_char                     said[NGX_LLMOPS_NET_TEXT];  /* the last logged */

    unsigned                   stalled:1;  /* a command has timed out, and no
                                              probe was answered since */
    unsigned                   late:1;     /* WAITING: a command has timed out
                                              that could not be sent */
    unsigned                   drain:1;    /* doom waits for the replies that
                                              are to come */
    unsigned                   mixed:1;    /* deadlines are not in order */
    unsigned                   failing:1;  /* that has been logged */
    unsigned                   flapping:1; /* it came back, and went at once */
    unsigned                   seed:1;     /* Cluster: of the configuration */
    unsigned                   master:1;   /* Cluster: it has slots */
};


struct ngx_llmops_redis_s {
    ngx_llmops_redis_conf_t   *conf;
    ngx_log_t                 *log;
    ngx_llmops_redis_node_t   *nodes[NGX_LLMOPS_REDIS_NODES];
    ngx_uint_t                 nnodes;
    ngx_llmops_redis_node_t   *sentinel;   /* not in nodes; NULL: none */
    uint16_t                  *slots;      /* Cluster: the node's number + 1 */
    ngx_uint_t                 turn;       /* the next address to be asked */
    ngx_event_t                tick;
    ngx_event_t                refresh;    /* Cluster: ask for the slots */

    int64_t                    offset;     /* server's clock, ms since the
                                              epoch, less ngx_current_msec */
    ngx_msec_t                 asked;      /* when TIME was */
    uint64_t                   us;         /* in this turn, when we wrote or
                                              read last */
    unsigned                   first:1;    /* "up" is ours */
    unsigned                   timed:1;    /* offset is known */
    ngx_msec_t                 map_asked;
    unsigned                   stale:1;    /* the map may be wrong */
    unsigned                   mapped:1;   /* there has been a map */
    unsigned                   mapping:1;  /* it is being asked for */

    ngx_uint_t                 nup;        /* handlers of on_up() */
    void                     (*up[4])(void *data);
    void                      *up_data[4];

    u_char                     buffer[NGX_LLMOPS_REDIS_BUFFER];
};


/* -- ngx_llmops_redis_param.c --------------------------------------------- */

/* One word of llm_redis; seen has a bit of each parameter that has been there.
   NGX_OK, NGX_ERROR (logged), or NGX_DECLINED: it is no parameter. */
ngx_int_t ngx_llmops_redis_param(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *word, ngx_uint_t *seen);


/* -- ngx_llmops_redis_node.c ---------------------------------------------- */

/* A node at an address, IDLE.  host is copied.  NULL: out of memory. */
ngx_llmops_redis_node_t *ngx_llmops_redis_node_create(
    ngx_llmops_redis_t *redis, const ngx_llmops_redis_role_t *role,
    ngx_str_t *host, in_port_t port);

/* Closes and frees; handlers of commands under way are not called. */
void ngx_llmops_redis_node_destroy(ngx_llmops_redis_node_t *node);

/* Another address, for the next connection.  NGX_OK, or NGX_ERROR: too long. */
ngx_int_t ngx_llmops_redis_node_address(ngx_llmops_redis_node_t *node,
    ngx_str_t *host, in_port_t port);

/* Writes "host:port" at buf, which has NGX_LLMOPS_REDIS_HOST + 16 bytes; its
   length. */
size_t ngx_llmops_redis_name(u_char *buf, ngx_str_t *host, in_port_t port);

/* Opens it in the next turn of the event loop. */
void ngx_llmops_redis_node_soon(ngx_llmops_redis_node_t *node);

/* Opens a node that is IDLE or WAITING; else does nothing. */
void ngx_llmops_redis_node_open(ngx_llmops_redis_node_t *node);

/* In GREETING: it is usable. */
void ngx_llmops_redis_node_ready(ngx_llmops_redis_node_t *node);

/* Will be closed as soon as no handler runs, with a reason, which is copied,
   and tried again after the back-off. */
void ngx_llmops_redis_node_doom(ngx_llmops_redis_node_t *node,
    const char *fmt, ...);

/* The same, but its connection works: replies that are due are waited for. */
void ngx_llmops_redis_node_drain(ngx_llmops_redis_node_t *node,
    const char *command, redisReply *reply);

/* Every few seconds: a node that has been up for some time is no longer
   failing. */
void ngx_llmops_redis_node_settled(ngx_llmops_redis_node_t *node);

/* Closes at once: not from within a reply's handler.  quick: the first new
   attempt is made without a pause. */
void ngx_llmops_redis_node_lost(ngx_llmops_redis_node_t *node,
    const char *error, ngx_uint_t quick);

/* Closes a node that is no longer wanted; commands under way fail. */
void ngx_llmops_redis_node_idle(ngx_llmops_redis_node_t *node);

/* Closes, if it is open, and opens at another address, where commands that
   have not been sent go; those under way fail. */
void ngx_llmops_redis_node_move(ngx_llmops_redis_node_t *node,
    ngx_str_t *host, in_port_t port);


/* -- ngx_llmops_redis_pipe.c, _reply.c, _deadline.c ----------------------- */

/* Whether a command for that node can be expected to be answered in time. */
ngx_uint_t ngx_llmops_redis_node_accepts(ngx_llmops_redis_node_t *node);

/* A command in memory of its own, of no node yet; NULL: out of memory. */
ngx_llmops_redis_cmd_t *ngx_llmops_redis_cmd_create(ngx_llmops_redis_t *redis,
    ngx_uint_t argc, const ngx_str_t *argv, ngx_llmops_redis_pt handler,
    void *data);

/* The end of a command that is in no queue any more: calls its handler; why
   says what it was if there is no reply. */
void ngx_llmops_redis_cmd_done(ngx_llmops_redis_cmd_t *cmd, redisReply *reply,
    ngx_uint_t sent, ngx_llmops_redis_outcome_e why);

/* Counts cmd (1) as under way to the node, or (-1) no longer. */
void ngx_llmops_redis_node_count(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd, ngx_int_t n);

/* Sees to it that the deadline of a new command is noticed. */
void ngx_llmops_redis_node_deadline(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd);

/* Takes cmd, which leaves at the end of this turn, or when the node is up. */
void ngx_llmops_redis_node_send(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd);

/* A command of the transport's own, also while greeting; handler's data is
   the node, and it may be NULL.  If it cannot be sent the node is doomed. */
void ngx_llmops_redis_node_ask(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_pt handler, ngx_uint_t argc, const ngx_str_t *argv);

/* Sets the timer to the nearest deadline of any command. */
void ngx_llmops_redis_node_arm(ngx_llmops_redis_node_t *node);

/* A node has been silent, and has answered all now: asks whether it is quick
   enough again. */
void ngx_llmops_redis_node_probe(ngx_llmops_redis_node_t *node);

/* Events of the node's connection; deadlines. */
void ngx_llmops_redis_node_readable(ngx_llmops_net_t *net);
void ngx_llmops_redis_node_writable(ngx_llmops_net_t *net);
void ngx_llmops_redis_node_flush(ngx_event_t *ev);
void ngx_llmops_redis_node_expire(ngx_event_t *ev);

/* Fails all commands of a node that has been closed, or only forgets them. */
void ngx_llmops_redis_node_drop(ngx_llmops_redis_node_t *node,
    ngx_uint_t tell);

/* Fails those of a node that has been closed that cannot be sent to another
   server: sent already, pinned, or the transport's own. */
void ngx_llmops_redis_node_part(ngx_llmops_redis_node_t *node);


/* -- ngx_llmops_redis_greet.c --------------------------------------------- */

/* AUTH (if password has a length), SELECT, TIME, PING; role: ROLE, which has
   to be "master". */
void ngx_llmops_redis_greet(ngx_llmops_redis_node_t *node, ngx_str_t *user,
    ngx_str_t *password, ngx_uint_t db, ngx_uint_t role);

/* Asks for the time, if the node is the one whose clock counts. */
void ngx_llmops_redis_time(ngx_llmops_redis_node_t *node);

/* Looks whether a node that is up still answers. */
void ngx_llmops_redis_look(ngx_llmops_redis_node_t *node);

/* The first word of an error that says that this server cannot be used now,
   or NULL. */
const char *ngx_llmops_redis_unusable(redisReply *reply);


/* -- ngx_llmops_redis.c --------------------------------------------------- */

/* Adds a node to redis->nodes, which will be opened in the next turn of the
   event loop.  NULL: no memory, too many, or too long a name. */
ngx_llmops_redis_node_t *ngx_llmops_redis_add(ngx_llmops_redis_t *redis,
    const ngx_llmops_redis_role_t *role, ngx_str_t *host, in_port_t port);

/* The node whose clock is the fleet's: that of the prefix.  May be NULL. */
ngx_llmops_redis_node_t *ngx_llmops_redis_clock(ngx_llmops_redis_t *redis);

/* Handlers of roles: tells on_up()'s handlers; dooms a node that says that it
   cannot be used now. */
void ngx_llmops_redis_is_up(ngx_llmops_redis_node_t *node);
ngx_uint_t ngx_llmops_redis_refused(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd, redisReply *reply);


/* -- ngx_llmops_redis_stats.c --------------------------------------------- */

void ngx_llmops_redis_stats_start(ngx_llmops_redis_t *redis);
void ngx_llmops_redis_stats_stop(ngx_llmops_redis_t *redis);

/* Some node's state, or the map, has changed. */
void ngx_llmops_redis_stats_up(ngx_llmops_redis_t *redis);

void ngx_llmops_redis_stats_count(ngx_llmops_redis_t *redis,
    ngx_llmops_redis_outcome_e outcome);
void ngx_llmops_redis_stats_observe(ngx_llmops_redis_t *redis, uint64_t us);

/* Microseconds of a clock that never jumps. */
uint64_t ngx_llmops_redis_us(void);


/* -- ngx_llmops_redis_sentinel.c, _cluster.c, _map.c ---------------------- */

ngx_int_t ngx_llmops_redis_sentinel_start(ngx_llmops_redis_t *redis);
ngx_int_t ngx_llmops_redis_cluster_start(ngx_llmops_redis_t *redis);

extern const ngx_llmops_redis_role_t  ngx_llmops_redis_member;

/* The map may be wrong: it will be asked for soon.  The event that does so,
   and that closes nodes without slots. */
void ngx_llmops_redis_cluster_stale(ngx_llmops_redis_t *redis);
void ngx_llmops_redis_cluster_refresh(ngx_event_t *ev);

/* A node of that name, perhaps a new one (IDLE); NULL: no memory, or too many.
   Its place in redis->nodes. */
ngx_llmops_redis_node_t *ngx_llmops_redis_cluster_find(
    ngx_llmops_redis_t *redis, ngx_str_t *host, in_port_t port);
ngx_uint_t ngx_llmops_redis_cluster_number(ngx_llmops_redis_node_t *node);

/* The node that has the slot of key (len 0: any one), as far as is known; may
   be NULL. */
ngx_llmops_redis_node_t *ngx_llmops_redis_cluster_node(
    ngx_llmops_redis_t *redis, ngx_str_t *key);


/* true if a reply begins so: "LOADING ..." */
#define ngx_llmops_redis_is(reply, word)                                      \
    ((reply)->type == REDIS_REPLY_ERROR                                       \
     && (size_t) (reply)->len >= sizeof(word) - 1                             \
     && ngx_strncmp((reply)->str, word, sizeof(word) - 1) == 0)


#endif /* _NGX_LLMOPS_REDIS_NODE_H_INCLUDED_ */
