/* synth_server.h - the synthetic web over HTTP/1.1 on loopback: keep-alive, pipelining, gzip, chunks, and every misbehaviour
 *
 * Ownership  synth_server_start() NEW; the loop is BORROWED. Nothing but 127.0.0.0/24 is listened on.
 * Errors     a negative ORB_E code and a sentence in `error`: the port is in use, the log cannot be written.
 * Limits     4,096 connections (further ones wait), request heads up to 16 KiB.
 * Log        one line a request: monotonic ms, connection number, host, path, status (0 = reset), tab-separated; written at
 *            least once a second.
 */
#ifndef ORB_CLUSTER_SYNTH_SERVER_H
#define ORB_CLUSTER_SYNTH_SERVER_H

#include "cluster/synth.h"

struct ev_loop;
struct synth_server;

struct synth_server_conf {
    struct synth_web web;     /* port 0: any free one */
    unsigned n_addresses;     /* 127.0.0.1 ... 127.0.0.n */
    const char *log_file;     /* NULL = none */
    unsigned slow_pieces_ms;  /* between the pieces of the slow page */
};

struct synth_server_stats {
    uint64_t n_requests, n_connections, n_bytes;
};

int synth_server_start(struct synth_server **out, struct ev_loop *loop, const struct synth_server_conf *conf,
                       struct buf *error) ORB_MUST_USE;
void synth_server_stop(struct synth_server **server);
const struct synth_web *synth_server_web(const struct synth_server *server); /* BORROWED; the port is the real one */
void synth_server_stats(const struct synth_server *server, struct synth_server_stats *out);

#endif
