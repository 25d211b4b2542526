/* server.h - a little web server for tests: its own process on a free port of loopback, one thread per connection
 *
 * The test's function gets each request's text and writes what it likes to the socket, as wrong as it likes.
 */
#ifndef ORB_TESTS_SERVER_H
#define ORB_TESTS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct peer;

/* True: read the next request on this connection; false: close. */
typedef bool serve_fn(struct peer *peer, const char *path, const char *request);

struct server {
    pid_t pid;
    uint16_t port;
};

void server_start(struct server *s, const char *address, serve_fn *serve); /* "127.0.0.1", "::1"; fails the test */
void server_start_tls(struct server *s, const char *address, serve_fn *serve, const char *certificate_pem, const char *key_pem);
void server_stop(struct server *s);

/* For serve_fn. */
bool peer_say(struct peer *p, const char *text);
bool peer_write(struct peer *p, const void *bytes, size_t n);
bool peer_printf(struct peer *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void peer_reset(struct peer *p);        /* the connection ends with RST */
void peer_sleep(unsigned ms);
unsigned peer_requests(const struct peer *p); /* on this connection, this one included */
bool peer_was_resumed(const struct peer *p);  /* TLS: the handshake resumed a session */

#endif
