/* request.c - the text of a request: once for libcurl's options, once as the page's record of what was sent
 *
 * libcurl writes the request line, Host, and then the header list as it is; everything else is in that list. So the
 * bytes it sends are known before it sends them, and the record costs no debug callback (a test compares them with
 * what a server received).
 */
#include "crawler/mux.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "crawler/decode.h"

#define REQUEST_KEEP_TEXT_BYTES (8 * 1024)

static const char *const default_headers[] = { "Accept: */*", "Accept-Encoding: " DECODE_ACCEPT_ENCODING };

/* Bytes that would end a header line, or that no header value may hold, keep the header from being sent. */
static bool
value_is_clean(struct slice value)
{
    for (size_t i = 0; i < value.n; i++)
        if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
            return false;
    return value.n > 0;
}

/* "Name:..." of two lines is the same. */
static bool
is_same_header(const char *a, const char *b)
{
    size_t n = strcspn(a, ":");

    return strncasecmp(a, b, n) == 0 && b[n] == ':';
}

static bool
is_given(const struct mux_conf *conf, const char *line)
{
    for (const char *const *h = conf->headers; h != NULL && *h != NULL; h++)
        if (is_same_header(line, *h))
            return true;
    return false;
}

static int
header_add(struct mux *mux, const char *line)
{
    struct curl_slist *list;
    int err;

    if (!value_is_clean(slice_str(line)) || strchr(line, ':') == NULL || is_same_header(line, "Host:"))
        return ORB_EINVAL;
    list = curl_slist_append(mux->headers, line);
    if (list == NULL)
        return ORB_ENOMEM;
    mux->headers = list;
    err = buf_append_str(&mux->header_lines, line);
    return err != 0 ? err : buf_append_str(&mux->header_lines, "\r\n");
}

int
request_headers_init(struct mux *mux)
{
    const struct mux_conf *conf = mux->conf;
    int err = 0;

    buf_init(&mux->header_lines, MEM_DEFAULT, 64 * 1024);
    if (!is_given(conf, "User-Agent:")) {
        struct buf line;
        buf_init(&line, MEM_DEFAULT, 4096);
        err = buf_printf(&line, "User-Agent: %s", conf->user_agent);
        if (err == 0)
            err = header_add(mux, line.p);
        buf_fini(&line);
    }
    for (size_t i = 0; err == 0 && i < ORB_N_ELEMENTS(default_headers); i++)
        if (!is_given(conf, default_headers[i]))
            err = header_add(mux, default_headers[i]);
    for (const char *const *h = conf->headers; err == 0 && h != NULL && *h != NULL; h++)
        err = header_add(mux, *h);
    return err;
}

/* Text with a NUL behind it; the buf was reserved, so that it does not move. */
static const char *
text_add(struct buf *text, const char *prefix, struct slice s)
{
    size_t n = strlen(prefix);
    char *at = text->p + text->n;

    CHECK(text->cap - text->n >= n + s.n + 1);
    memcpy(at, prefix, n);
    if (s.n > 0)
        memcpy(at + n, s.p, s.n);
    at[n + s.n] = '\0';
    text->n += n + s.n + 1;
    return at;
}

static void *
make_request(void *arg)
{
    struct request *q = mem_zalloc(MEM_CURL, sizeof *q);

    (void)arg;
    if (q != NULL)
        buf_init(&q->text, MEM_CURL, BUF_NO_CEILING);
    return q;
}

/* Nothing of one site's cookies and URLs stays behind for the next. */
static bool
reset_request(void *request, void *arg)
{
    struct request *q = request;
    struct buf text = q->text;

    (void)arg;
    buf_clear(&text);
    buf_trim(&text, REQUEST_KEEP_TEXT_BYTES);
    *q = (struct request){ .text = text };
    return true;
}

static void
destroy_request(void *request, void *arg)
{
    struct request *q = request;

    (void)arg;
    buf_fini(&q->text);
    mem_free(MEM_CURL, q);
}

int
request_pool_new(struct pool **out, uint64_t lease_ms)
{
    return pool_new(out, &(struct pool_type){ .name = "requests", .make = make_request, .reset = reset_request,
                                              .destroy = destroy_request, .floor = 1, .lease_ms = lease_ms });
}

static void
header_line_add(struct request *q, const char *prefix, struct slice value)
{
    struct curl_slist *node;

    if (!value_is_clean(value))
        return;
    CHECK(q->n_headers < MUX_MAX_REQUEST_HEADERS);
    node = &q->headers[q->n_headers++];
    node->data = (char *)(uintptr_t)text_add(&q->text, prefix, value);
    node->next = NULL;
    if (q->n_headers > 1)
        q->headers[q->n_headers - 2].next = node;
}

/* ":8080", or nothing for the scheme's own port. */
static const char *
port_text(char room[8], const struct url *url)
{
    uint16_t port = url_effective_port(url);

    if (port == (url_scheme(url).n == 5 ? 443 : 80))
        return "";
    snprintf(room, 8, ":%u", port);
    return room;
}

/* The page's record: the same lines in the same order. */
static int
record_request(struct request *q, struct page *page, const struct mux *mux, const struct url *url, bool is_proxied)
{
    struct buf *out = &page->request;
    char port[8];
    int err = buf_reserve(out, strlen(q->target) + url_host(url).n + q->text.n + mux->header_lines.n + 128);

    if (err != 0)
        return err; /* there is room now: what follows only fails at a ceiling, and there is none */
    err |= buf_append_str(out, "GET ");
    err |= buf_append_str(out, q->target);
    err |= buf_append_str(out, " HTTP/1.1\r\nHost: ");
    err |= buf_append_slice(out, url_host(url));
    err |= buf_append_str(out, port_text(port, url));
    err |= buf_append_str(out, is_proxied ? "\r\nProxy-Connection: Keep-Alive\r\n" : "\r\n");
    for (unsigned i = 0; i < q->n_headers; i++) {
        err |= buf_append_str(out, q->headers[i].data);
        err |= buf_append_str(out, "\r\n");
    }
    err |= buf_append_slice(out, buf_slice(&mux->header_lines));
    err |= buf_append_str(out, "\r\n");
    return err == 0 ? 0 : ORB_ENOMEM;
}

/* "http://host:port/" */
static const char *
origin_add(struct buf *text, const struct url *url)
{
    const char *at = text->p + text->n;
    char port[8];

    text_add(text, "", url_scheme(url));
    text->n--; /* over the NUL */
    text_add(text, "://", url_host(url));
    text->n--;
    text_add(text, port_text(port, url), SLICE_LITERAL("/"));
    return at;
}

static size_t
text_bytes(const struct fetch_request *r, const struct url *url)
{
    return 2 * url_href(url).n + 2 * url_host(url).n + r->cookie.n + r->etag.n + r->last_modified.n + r->referer.n
           + r->authorization.n + r->accept_types.n + 512;
}

/* The URL that libcurl sees has no path: the target is given apart, so that nothing of it is parsed or changed again. */
int
request_build(struct request *q, struct page *page, const struct mux *mux, const struct fetch_request *r)
{
    const struct url *url = r->url;
    bool is_proxied = mux->has_http_proxy && url_scheme(url).n == 4;
    struct slice no_fragment = slice_sub(url_href(url), 0, url_href(url).n - url_fragment(url).n);
    int err;

    buf_clear(&q->text);
    q->n_headers = 0;
    err = buf_reserve(&q->text, text_bytes(r, url));
    if (err != 0)
        return err;
    q->href = text_add(&q->text, "", no_fragment);
    q->curl_url = origin_add(&q->text, url);
    q->target = is_proxied ? text_add(&q->text, q->curl_url, slice_sub(url_path_query(url), 1, SIZE_MAX))
                           : text_add(&q->text, "", url_path_query(url));
    q->accept_types = r->accept_types.n == 0 ? NULL : text_add(&q->text, "", r->accept_types);
    header_line_add(q, "Cookie: ", r->cookie);
    header_line_add(q, "Referer: ", r->referer);
    header_line_add(q, "Authorization: ", r->authorization);
    header_line_add(q, "If-None-Match: ", r->etag);
    header_line_add(q, "If-Modified-Since: ", r->last_modified);
    if (q->n_headers > 0)
        q->headers[q->n_headers - 1].next = mux->headers;
    return record_request(q, page, mux, url, is_proxied);
}

int
request_point(struct request *q, const struct fetch_address *address, uint16_t port)
{
    bool is_v6 = address->family == AF_INET6;
    char text[INET6_ADDRSTRLEN];
    char *at = q->text.p + q->text.n;

    if (inet_ntop(address->family, address->bytes, text, sizeof text) == NULL)
        return ORB_EINVAL;
    CHECK(q->text.cap - q->text.n >= sizeof text + 16);
    snprintf(at, sizeof text + 16, "::%s%s%s:%u", is_v6 ? "[" : "", text, is_v6 ? "]" : "", port);
    q->connect_to = at; /* text.n stays: the next address goes here too */
    q->connect_to_node = (struct curl_slist){ .data = at };
    return 0;
}
