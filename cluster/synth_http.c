/* synth_http.c - HTTP/1.1 by the smallest parser that is right for requests without a body */
#include "cluster/synth_http.h"

#include <inttypes.h>
#include <libdeflate.h>
#include <stdio.h>

#define N_MOODS (SYNTH_CUT - SYNTH_FLAKY + 1) /* kinds that fail the first time */

int
synth_site_init(struct synth_site *site, const struct synth_web *web)
{
    *site = (struct synth_site){ .web = web };
    buf_init(&site->body, MEM_HTTP, BUF_NO_CEILING);
    buf_init(&site->packed, MEM_HTTP, BUF_NO_CEILING);
    site->n_asked = mem_array(MEM_HTTP, web->n_hosts, N_MOODS);
    site->compressor = libdeflate_alloc_compressor(1);
    if (site->n_asked != NULL && site->compressor != NULL)
        return 0;
    synth_site_fini(site);
    return ORB_ENOMEM;
}

void
synth_site_fini(struct synth_site *site)
{
    buf_fini(&site->body);
    buf_fini(&site->packed);
    MEM_FREE(MEM_HTTP, &site->n_asked);
    libdeflate_free_compressor(site->compressor);
    site->compressor = NULL;
}

/* ---- the request ---- */

static void
read_header(struct synth_request *r, struct slice name, struct slice value)
{
    if (slice_eq_nocase(name, SLICE_LITERAL("host")))
        r->host = value;
    else if (slice_eq_nocase(name, SLICE_LITERAL("if-none-match")))
        r->if_none_match = value;
    else if (slice_eq_nocase(name, SLICE_LITERAL("accept-encoding")))
        r->accepts_gzip = memmem(value.p, value.n, "gzip", 4) != NULL;
    else if (slice_eq_nocase(name, SLICE_LITERAL("connection")))
        r->wants_close = slice_eq_nocase(value, SLICE_LITERAL("close"));
}

/* "GET /path HTTP/1.1"; an absolute form names the host too. */
static int
read_request_line(struct synth_request *r, struct slice line)
{
    const char *first = memchr(line.p, ' ', line.n), *last = memrchr(line.p, ' ', line.n);
    const char *slash;
    struct slice version;

    if (first == NULL || first == last)
        return ORB_EPROTO;
    r->method = slice_of(line.p, (size_t)(first - line.p));
    r->path = slice_of(first + 1, (size_t)(last - first - 1));
    version = slice_of(last + 1, (size_t)(line.p + line.n - last - 1));
    if (!slice_starts_with(version, SLICE_LITERAL("HTTP/1.")))
        return ORB_EPROTO;
    r->is_http10 = slice_eq(version, SLICE_LITERAL("HTTP/1.0"));
    if (slice_starts_with(r->path, SLICE_LITERAL("http://"))) {
        struct slice rest = slice_sub(r->path, 7, r->path.n);

        slash = memchr(rest.p, '/', rest.n);
        r->host = slice_of(rest.p, slash == NULL ? rest.n : (size_t)(slash - rest.p));
        r->path = slash == NULL ? SLICE_LITERAL("/") : slice_sub(rest, r->host.n, rest.n);
    }
    return r->path.n > 0 && r->path.p[0] == '/' ? 0 : ORB_EPROTO;
}

int
synth_read_request(struct slice bytes, struct synth_request *out)
{
    const char *end = bytes.n == 0 ? NULL : memmem(bytes.p, bytes.n, "\r\n\r\n", 4), *p;
    struct slice rest;
    bool is_first = true;

    *out = (struct synth_request){ 0 };
    if (end == NULL)
        return bytes.n > SYNTH_MAX_HEAD_BYTES ? ORB_EPROTO : 0;
    out->head_bytes = (size_t)(end - bytes.p) + 4;
    rest = slice_of(bytes.p, out->head_bytes - 2);
    while (rest.n > 0) {
        struct slice line = slice_of(rest.p, (size_t)((const char *)memchr(rest.p, '\n', rest.n) - rest.p));

        rest = slice_sub(rest, line.n + 1, rest.n);
        line = slice_trim(line);
        if (is_first && read_request_line(out, line) != 0)
            return ORB_EPROTO;
        p = memchr(line.p, ':', line.n);
        if (!is_first && p != NULL)
            read_header(out, slice_of(line.p, (size_t)(p - line.p)), slice_trim(slice_sub(line, (size_t)(p - line.p) + 1, line.n)));
        is_first = false;
    }
    return 1;
}

/* ---- the answer ---- */

static const char *
reason(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 410: return "Gone";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
    }
}

/* True the first time that this host's resource is asked for. */
static bool
is_in_a_mood(struct synth_site *site, struct synth_url url)
{
    uint8_t *asked;

    if (url.kind == SYNTH_BROKEN)
        return true;
    if (url.kind < SYNTH_FLAKY || url.kind > SYNTH_CUT)
        return false;
    asked = &site->n_asked[(size_t)url.host * N_MOODS + (url.kind - SYNTH_FLAKY)];
    if (*asked != 0)
        return false;
    *asked = 1;
    return true;
}

static int
put_simple(struct buf *out, const struct synth_request *r, unsigned status, const char *headers)
{
    const char *body = slice_eq(r->method, SLICE_LITERAL("HEAD")) ? "" : "<!DOCTYPE html><title>error</title><p>error\n";

    return buf_printf(out, "HTTP/1.1 %u %s\r\nContent-Type: text/html\r\n%sContent-Length: %zu\r\n\r\n%s", status, reason(status),
                      headers, strlen("<!DOCTYPE html><title>error</title><p>error\n"), body);
}

static int
put_redirect(struct synth_site *site, const struct synth_request *r, struct synth_url to, unsigned status, struct buf *out)
{
    buf_clear(&site->packed);
    if (buf_append_str(&site->packed, "Location: ") != 0 || synth_print_url(site->web, to, &site->packed) != 0
        || buf_append_str(&site->packed, "\r\n") != 0)
        return ORB_ENOMEM;
    return put_simple(out, r, status, site->packed.p);
}

static int
put_chunks(struct buf *out, struct slice body)
{
    int err = 0;

    while (body.n > 0 && err == 0) {
        struct slice piece = slice_sub(body, 0, 3000);

        err = buf_printf(out, "%zx\r\n", piece.n);
        if (err == 0)
            err = buf_append_slice(out, piece);
        if (err == 0)
            err = buf_append_str(out, "\r\n");
        body = slice_sub(body, piece.n, body.n);
    }
    return err != 0 ? err : buf_append_str(out, "0\r\n\r\n");
}

static int
pack_body(struct synth_site *site)
{
    size_t bound = libdeflate_gzip_compress_bound(site->compressor, site->body.n);
    int err;

    buf_clear(&site->packed);
    err = buf_reserve(&site->packed, bound);
    if (err == 0)
        site->packed.n = libdeflate_gzip_compress(site->compressor, site->body.p, site->body.n, site->packed.p, bound);
    return err;
}

/* The status line, the headers and the body that fit this URL and this request. */
static int
put_resource(struct synth_site *site, const struct synth_request *r, struct synth_url url, bool is_cut, struct buf *out)
{
    uint64_t tag = synth_mix(site->web, url, 7);
    unsigned status = synth_status(url);
    bool is_gzip = r->accepts_gzip && tag % 4 == 0 && status == 200 && !is_cut;
    bool is_chunked = !r->is_http10 && tag % 5 == 1 && !is_cut;
    const char *type = "";
    struct slice body;
    int err;

    buf_clear(&site->body);
    err = synth_body(site->web, url, &site->body, &type);
    if (err == 0 && is_gzip)
        err = pack_body(site);
    if (err != 0)
        return err;
    body = buf_slice(is_gzip ? &site->packed : &site->body);
    err = buf_printf(out, "HTTP/1.1 %u %s\r\nServer: synth\r\nContent-Type: %s\r\nETag: \"%" PRIx64 "\"\r\n%s", status,
                     reason(status), type, tag, is_gzip ? "Content-Encoding: gzip\r\n" : "");
    if (err == 0)
        err = is_chunked ? buf_append_str(out, "Transfer-Encoding: chunked\r\n\r\n")
                         : buf_printf(out, "Content-Length: %zu\r\n\r\n", body.n);
    if (err != 0 || slice_eq(r->method, SLICE_LITERAL("HEAD")))
        return err;
    return is_chunked ? put_chunks(out, body) : buf_append(out, body.p, is_cut ? body.n / 2 : body.n);
}

/* What goes wrong the first time (or always); 1 = nothing does. */
static int
put_mood(struct synth_site *site, const struct synth_request *r, struct synth_url url, struct buf *out, struct synth_answer *a)
{
    if (!is_in_a_mood(site, url))
        return 1;
    switch (url.kind) {
    case SYNTH_FLAKY:
        a->status = 500;
        return put_simple(out, r, 500, "");
    case SYNTH_BUSY:
        a->status = 503;
        return put_simple(out, r, 503, "Retry-After: 1\r\n");
    case SYNTH_CUT:
        a->is_last = true;
        return put_resource(site, r, url, true, out);
    default:
        a->status = 0;
        a->is_reset = true;
        return 0;
    }
}

int
synth_answer(struct synth_site *site, const struct synth_request *r, struct buf *out, struct synth_answer *a)
{
    struct synth_url url, to;
    char tag[32];
    int err;

    *a = (struct synth_answer){ .host = UINT32_MAX, .status = 404, .is_last = r->wants_close || r->is_http10 };
    if (!slice_eq(r->method, SLICE_LITERAL("GET")) && !slice_eq(r->method, SLICE_LITERAL("HEAD"))) {
        a->is_last = true; /* a body may follow that we would take for a request */
        a->status = 405;
        return put_simple(out, r, 405, "Allow: GET, HEAD\r\nConnection: close\r\n");
    }
    if (!synth_find_host(site->web, r->host, &a->host) || !synth_find_path(site->web, a->host, r->path, &url))
        return put_simple(out, r, 404, "");
    a->status = synth_status(url);
    a->is_slow = url.kind == SYNTH_SLOW;
    err = put_mood(site, r, url, out, a);
    if (err != 1)
        return err;
    if (synth_redirect(site->web, url, &to))
        return put_redirect(site, r, to, a->status, out);
    snprintf(tag, sizeof tag, "\"%" PRIx64 "\"", synth_mix(site->web, url, 7));
    if (a->status == 200 && slice_eq(r->if_none_match, slice_str(tag))) {
        a->status = 304;
        return buf_printf(out, "HTTP/1.1 304 Not Modified\r\nETag: %s\r\n\r\n", tag);
    }
    return put_resource(site, r, url, false, out);
}
