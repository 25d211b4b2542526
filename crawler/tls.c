#include "crawler/tls.h"

#include <openssl/ssl.h>

#include "pool/map.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define TLS_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

struct tls_session {
    struct list node;
    uint64_t key;
    int n_bytes;
    unsigned char bytes[];
};

struct tls_cache {
    struct map by_key;
    struct list recent; /* the front was used last */
    unsigned n;
    uint64_t n_offered;
};

static int index_of_cache = -1, index_of_key = -1; /* ex_data of SSL_CTX */

static void
session_drop(struct tls_cache *c, struct tls_session *s)
{
    if (s == NULL)
        return;
    map_remove(&c->by_key, s->key);
    list_remove(&s->node);
    c->n--;
    mem_free(MEM_CACHE, s);
}

int
tls_cache_new(struct tls_cache **out)
{
    struct tls_cache *c = mem_zalloc(MEM_CACHE, sizeof *c);

    if (c == NULL)
        return ORB_ENOMEM;
    if (index_of_cache < 0)
        index_of_cache = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (index_of_key < 0)
        index_of_key = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    map_init(&c->by_key, MEM_CACHE);
    list_init(&c->recent);
    *out = c;
    return 0;
}

void
tls_cache_free(struct tls_cache **cache)
{
    struct tls_cache *c = *cache;

    if (c == NULL)
        return;
    while (!list_is_empty(&c->recent))
        session_drop(c, LIST_ELEMENT(c->recent.next, struct tls_session, node));
    map_fini(&c->by_key);
    MEM_FREE(MEM_CACHE, cache);
}

void
tls_cache_stats(const struct tls_cache *c, unsigned *n_kept, uint64_t *n_offered)
{
    *n_kept = c->n;
    *n_offered = c->n_offered;
}

/* OpenSSL has a session for us (TLS 1.3: after the handshake, with the first data). Returns 0: we keep no reference. */
static int
on_new_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
    struct tls_cache *c = SSL_CTX_get_ex_data(ctx, index_of_cache);
    uint64_t key = (uint64_t)(uintptr_t)SSL_CTX_get_ex_data(ctx, index_of_key);
    struct tls_session *s;
    unsigned char *at;
    int n = i2d_SSL_SESSION(session, NULL);

    session_drop(c, map_get(&c->by_key, key));
    if (n <= 0 || n > TLS_MAX_SESSION_BYTES)
        return 0;
    s = mem_alloc(MEM_CACHE, sizeof *s + (size_t)n);
    if (s == NULL)
        return 0;
    s->key = key;
    at = s->bytes;
    s->n_bytes = i2d_SSL_SESSION(session, &at);
    list_init(&s->node);
    if (map_put(&c->by_key, key, s) != 0) {
        mem_free(MEM_CACHE, s);
        return 0;
    }
    list_push_front(&c->recent, &s->node);
    if (++c->n > TLS_MAX_SESSIONS)
        session_drop(c, LIST_ELEMENT(c->recent.prev, struct tls_session, node));
    return 0;
}

/* A handshake begins: offer the host's session. This is the one moment between libcurl's SSL_new() and the hello. */
static void
on_info(const SSL *ssl, int where, int value)
{
    SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
    struct tls_cache *c;
    struct tls_session *s;
    const unsigned char *at;
    SSL_SESSION *session;

    if (where != SSL_CB_HANDSHAKE_START || SSL_get_state(ssl) != TLS_ST_BEFORE)
        return;
    c = SSL_CTX_get_ex_data(ctx, index_of_cache);
    s = map_get(&c->by_key, (uint64_t)(uintptr_t)SSL_CTX_get_ex_data(ctx, index_of_key));
    if (s == NULL)
        return;
    at = s->bytes;
    session = d2i_SSL_SESSION(NULL, &at, s->n_bytes);
    if (session == NULL)
        return;
    list_remove(&s->node);
    list_push_front(&c->recent, &s->node);
    if (SSL_set_session((SSL *)(uintptr_t)ssl, session) == 1)
        c->n_offered++;
    SSL_SESSION_free(session);
}

/* libcurl made a context for a connection of this fetch. */
static CURLcode
on_context(CURL *easy, void *context, void *arg)
{
    struct fetch *f = arg;
    SSL_CTX *ctx = context;
    const char *origin = f->request->curl_url;
    uint64_t key = XXH3_64bits(origin, strlen(origin));

    if (SSL_CTX_set_ex_data(ctx, index_of_cache, f->mux->tls) != 1
        || SSL_CTX_set_ex_data(ctx, index_of_key, (void *)(uintptr_t)key) != 1)
        return CURLE_OUT_OF_MEMORY;
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_new_session);
    SSL_CTX_set_info_callback(ctx, on_info);
    return CURLE_OK;
}

CURLcode
tls_handle_options(CURL *e, struct mux *mux)
{
    const struct mux_conf *conf = mux->conf;
    CURLcode err = curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_context);

    /* Debian's default CAPATH would keep libcurl's cache of the parsed CA file from working. */
    err |= curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    err |= curl_easy_setopt(e, CURLOPT_CAINFO, conf->ca_file != NULL ? conf->ca_file : TLS_CA_FILE);
    err |= curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 24L * 60 * 60);
    err |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, conf->is_insecure ? 0L : 1L);
    err |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, conf->is_insecure ? 0L : 2L);
    err |= curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    return err;
}
