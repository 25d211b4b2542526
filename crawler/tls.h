/* tls.h - TLS for the mux: one CA file read once, and a session per host kept for the next connection
 *
 * libcurl 7.88 keeps five sessions in each easy handle, where another host's transfer pushes them out. Here they are
 * the mux's, serialised (an i2d'ed session holds no certificate chain), by scheme, host and port.
 *
 * Limits  TLS_MAX_SESSIONS, least recently used out first; a session over TLS_MAX_SESSION_BYTES is not kept.
 */
#ifndef ORB_CRAWLER_TLS_H
#define ORB_CRAWLER_TLS_H

#include "crawler/mux.h"

#define TLS_MAX_SESSIONS 512
#define TLS_MAX_SESSION_BYTES 4096

int tls_cache_new(struct tls_cache **out) ORB_MUST_USE;
void tls_cache_free(struct tls_cache **cache);
CURLcode tls_handle_options(CURL *easy, struct mux *mux);
void tls_cache_stats(const struct tls_cache *cache, unsigned *n_kept, uint64_t *n_offered);

#endif
