/* proxy.c - --proxy: its name is looked up once, here, so that libcurl has nothing to look up
 *
 * The hosts' names go to the proxy as they are: socks5:// and socks4:// become socks5h:// and socks4a://, because the
 * former would have libcurl resolve every host.
 */
#include "crawler/address.h"
#include "crawler/mux.h"

#include <arpa/inet.h>
#include <stdio.h>

struct proxy_scheme {
    const char *given, *used;
    uint16_t port;
};

static const struct proxy_scheme proxy_schemes[] = {
    { "http", "http", 80 },         { "https", "https", 443 },      { "socks5h", "socks5h", 1080 },
    { "socks5", "socks5h", 1080 },  { "socks4a", "socks4a", 1080 }, { "socks4", "socks4a", 1080 },
};

static const struct proxy_scheme *
scheme_find(struct slice name)
{
    for (size_t i = 0; i < ORB_N_ELEMENTS(proxy_schemes); i++)
        if (slice_eq(name, slice_str(proxy_schemes[i].given)))
            return &proxy_schemes[i];
    return NULL;
}

struct lookup {
    struct ev_loop *loop;
    struct sockaddr_storage address;
    bool is_done, is_found;
};

static void
on_answer(void *arg, const struct dns_answer *answer)
{
    struct lookup *l = arg;

    l->is_done = true;
    l->is_found = answer->outcome == OUTCOME_OK && answer->n_addresses > 0;
    if (l->is_found)
        l->address = answer->addresses[0];
    ev_break(l->loop, EVBREAK_ALL);
}

/* Waits, on a loop of its own: only at the start of a worker. */
static int
lookup_run(struct lookup *l, const struct dns_conf *conf, const char *host)
{
    const struct dns_conf defaults = { .timeout_ms = 5000, .tries = 3 };
    struct dns *dns = NULL;
    int err = ORB_ENOMEM;

    *l = (struct lookup){ .loop = ev_loop_new(EVFLAG_AUTO) };
    if (l->loop == NULL)
        return err;
    err = dns_new(&dns, l->loop, conf != NULL ? conf : &defaults);
    if (err == 0) {
        dns_lookup(dns, slice_str(host), on_answer, l);
        if (!l->is_done) /* a literal or a name of the hosts file is answered at once */
            ev_run(l->loop, 0);
        dns_free(&dns);
        err = l->is_found ? 0 : ORB_ENOTFOUND;
    }
    ev_loop_destroy(l->loop);
    return err;
}

/* "name:port:address" for CURLOPT_RESOLVE: one entry for the whole crawl. */
static int
proxy_resolve(struct mux *mux, const char *host, unsigned port)
{
    char address[INET6_ADDRSTRLEN], text[512];
    struct lookup l;
    bool is_v6;
    int err = lookup_run(&l, mux->conf->dns, host);

    if (err != 0)
        return err;
    is_v6 = l.address.ss_family == AF_INET6;
    inet_ntop(l.address.ss_family,
              is_v6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)&l.address)->sin6_addr
                    : (const void *)&((const struct sockaddr_in *)(const void *)&l.address)->sin_addr,
              address, sizeof address);
    snprintf(text, sizeof text, "%s:%u:%s%s%s", host, port, is_v6 ? "[" : "", address, is_v6 ? "]" : "");
    mux->proxy_address = curl_slist_append(NULL, text);
    return mux->proxy_address == NULL ? ORB_ENOMEM : 0;
}

static int
proxy_write(struct mux *mux, const struct url *url, const struct proxy_scheme *scheme, const char *host, unsigned port)
{
    bool has_user = url_username(url).n > 0 || url_password(url).n > 0;
    int err;

    buf_init(&mux->proxy, MEM_DEFAULT, 4096);
    mux->has_http_proxy = strncmp(scheme->used, "http", 4) == 0;
    err = buf_printf(&mux->proxy, "%s://", scheme->used);
    if (err == 0 && has_user)
        err = buf_printf(&mux->proxy, SLICE_FMT ":" SLICE_FMT "@", SLICE_ARG(url_username(url)),
                         SLICE_ARG(url_password(url)));
    return err != 0 ? err : buf_printf(&mux->proxy, "%s:%u", host, port);
}

int
proxy_init(struct mux *mux)
{
    const struct proxy_scheme *scheme;
    struct url url;
    char host[256];
    unsigned port;
    int err;

    if (mux->conf->proxy == NULL)
        return 0;
    url_init(&url, MEM_DEFAULT);
    err = url_parse(&url, slice_str(mux->conf->proxy), NULL);
    scheme = err == 0 ? scheme_find(url_scheme(&url)) : NULL;
    if (err == 0 && (scheme == NULL || url_host(&url).n == 0 || url_host(&url).n >= sizeof host))
        err = ORB_EINVAL;
    if (err == 0) {
        port = url.port >= 0 ? (unsigned)url.port : scheme->port;
        snprintf(host, sizeof host, SLICE_FMT, SLICE_ARG(url_host(&url)));
        err = proxy_write(mux, &url, scheme, host, port);
        if (err == 0 && !url_host_is_ip(&url))
            err = proxy_resolve(mux, host, port);
    }
    url_fini(&url);
    return err;
}

void
proxy_fini(struct mux *mux)
{
    curl_slist_free_all(mux->proxy_address);
    buf_fini(&mux->proxy);
}

/* Through a proxy the guard is asked here, about a host that is an address itself, or means this machine (RFC 6761 section
 * 6.3): where other names lead only the proxy sees. */
bool
proxy_is_refused(const struct mux *mux, const struct url *url)
{
    struct slice host = url_host(url);
    struct dns_answer answer;

    if (mux->conf->proxy == NULL)
        return false;
    if (guard_is_localhost(host))
        host = SLICE_LITERAL("127.0.0.1");
    else if (!url_host_is_ip(url))
        return false;
    else if (host.p[0] == '[')
        host = slice_sub(host, 1, host.n - 2);
    return !address_list_from_text(&answer, host)
           || !guard_permits(mux->conf->guard, (const struct sockaddr *)(const void *)&answer.addresses[0]);
}
