/* verdict.c - from what libcurl and the status say to an outcome and a sentence */
#include "crawler/mux.h"

#include <stdio.h>

static enum outcome
timeout_kind(struct fetch *f)
{
    curl_off_t ready_us = 0;

    if (strstr(f->handle->error, "too slow") != NULL) /* that also ends waiting for the first byte */
        return f->header_bytes > 0 ? OUTCOME_TOO_SLOW : OUTCOME_TIMEOUT;
    curl_easy_getinfo(f->handle->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    return ready_us == 0 ? OUTCOME_CONNECT_TIMEOUT : OUTCOME_TIMEOUT;
}

/* libcurl says "out of memory" both for that and for a header line over its own limit of 100 KiB. */
static enum outcome
memory_kind(struct fetch *f)
{
    struct mem_stats stats;

    mem_stats(MEM_CURL, &stats);
    return stats.n_failed == f->n_memory_failures && !f->is_head_complete ? OUTCOME_HEADER_TOO_LARGE
                                                                          : OUTCOME_TOO_MUCH_MEMORY;
}

/* libcurl says "receive error" for a broken connection, for damaged chunks and for a head over its own limit. */
static enum outcome
receive_kind(struct fetch *f)
{
    const char *error = f->handle->error;

    if (strstr(error, "chunked-encoding") != NULL)
        return OUTCOME_PROTOCOL;
    if (strstr(error, "CONNECT tunnel failed") != NULL || strstr(error, "from proxy after CONNECT") != NULL)
        return OUTCOME_PROXY_FAILED;
    if (!f->is_head_complete && strstr(error, "oo large response headers") != NULL)
        return OUTCOME_HEADER_TOO_LARGE;
    return OUTCOME_RESET;
}

static enum outcome
connect_kind(struct fetch *f)
{
    if (f->mux->conf->proxy != NULL)
        return OUTCOME_PROXY_FAILED;
    return f->was_refused_by_guard && !f->was_connect_tried ? OUTCOME_ADDRESS_BLOCKED : OUTCOME_CONNECT_FAILED;
}

static enum outcome
outcome_of_code(struct fetch *f, CURLcode code)
{
    switch (code) {
    case CURLE_OK: return OUTCOME_OK;
    case CURLE_URL_MALFORMAT: return OUTCOME_NOT_A_URL;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY: return OUTCOME_PROXY_FAILED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_INTERFACE_FAILED:
    case CURLE_COULDNT_CONNECT: return connect_kind(f);
    case CURLE_OPERATION_TIMEDOUT: return timeout_kind(f);
    case CURLE_OUT_OF_MEMORY: return memory_kind(f);
    case CURLE_RECV_ERROR: return receive_kind(f);
    case CURLE_SEND_ERROR: return OUTCOME_RESET;
    case CURLE_GOT_NOTHING: return f->header_bytes > 0 ? OUTCOME_RESET : OUTCOME_EMPTY_REPLY;
    case CURLE_PARTIAL_FILE: return OUTCOME_TRUNCATED;
    case CURLE_HTTP2_STREAM: return f->is_head_complete ? OUTCOME_TRUNCATED : OUTCOME_RESET;
    case CURLE_HTTP2:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING: return OUTCOME_PROTOCOL;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: return OUTCOME_TLS_CERTIFICATE;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_USE_SSL_FAILED: return OUTCOME_TLS_FAILED;
    default: return OUTCOME_RESET;
    }
}

/* What libcurl says, where that is true and helps. */
static const char *
sentence_of(struct fetch *f, enum outcome outcome, CURLcode code)
{
    if (outcome == OUTCOME_HEADER_TOO_LARGE)
        return "a header line, or all of them, over libcurl's limit";
    if (outcome == OUTCOME_ADDRESS_BLOCKED) /* "::address:port" */
        return f->request->connect_to + 2;
    if (outcome == OUTCOME_TIMEOUT && f->header_bytes == 0)
        return "no answer to the request";
    return f->handle->error[0] != '\0' ? f->handle->error : curl_easy_strerror(code);
}

/* Of a body that is refused for its size a beginning is kept, as evidence. */
static void
body_cut(struct page *p)
{
    struct buf start;

    buf_init(&start, MEM_BUF, p->wire_body.ceiling_bytes);
    if (buf_append(&start, p->wire_body.p, ORB_MIN(p->wire_body.n, (size_t)FETCH_EVIDENCE_BYTES)) != 0)
        return;
    buf_fini(&p->wire_body);
    p->wire_body = start;
}

static void
verdict_of_stop(struct fetch *f)
{
    struct page *p = f->page;
    const struct fetch_limits *limits = &f->mux->conf->limits;

    switch (f->stop) {
    case STOP_NONE: break;
    case STOP_CUT:
        p->truncated = "length";
        verdict_of_status(f);
        break;
    case STOP_HEADERS:
        page_fail(p, OUTCOME_HEADER_TOO_LARGE, "more than %zu header bytes", limits->max_header_bytes);
        break;
    case STOP_BODY:
        p->truncated = "length";
        page_fail(p, OUTCOME_BODY_TOO_LARGE, "more than %zu body bytes", f->max_body_bytes);
        body_cut(p);
        break;
    case STOP_TYPE: /* a page without a body, on purpose */
        page_fail(p, OUTCOME_TYPE_NOT_ACCEPTED, SLICE_FMT, (int)ORB_MIN(p->content_type.n, (size_t)120), p->content_type.p);
        break;
    case STOP_MEMORY:
        page_fail(p, OUTCOME_TOO_MUCH_MEMORY, "no memory for the answer");
        break;
    case STOP_PROTOCOL:
        page_fail(p, OUTCOME_PROTOCOL, "the head is malformed");
        break;
    }
}

void
verdict_of_curl(struct fetch *f, CURLcode code)
{
    struct page *p = f->page;
    enum outcome outcome;

    if (f->stop != STOP_NONE) {
        verdict_of_stop(f);
        return;
    }
    outcome = outcome_of_code(f, code);
    if (outcome == OUTCOME_OK && !f->is_head_complete) {
        page_fail(p, OUTCOME_RESET, "the connection ended within the head");
    } else if (outcome == OUTCOME_OK) {
        verdict_of_status(f);
    } else {
        page_fail(p, outcome, "%s", sentence_of(f, outcome, code));
        if (p->wire_body.n > 0 || f->is_head_complete)
            p->truncated = code == CURLE_OPERATION_TIMEDOUT ? "time" : "disconnect";
    }
}

static void
redirect_judge(struct fetch *f)
{
    struct page *p = f->page;
    struct url base, target;
    int err;

    if (p->location.n == 0) {
        page_fail(p, OUTCOME_BAD_REDIRECT, "status %d without a Location", p->status);
        return;
    }
    url_init(&base, MEM_PAGE);
    url_init(&target, MEM_PAGE);
    err = url_parse(&base, slice_str(f->request->href), NULL);
    if (err == 0)
        err = url_parse(&target, p->location, &base);
    if (err != 0)
        page_fail(p, OUTCOME_BAD_REDIRECT, "the Location is no URL");
    else if (!url_is_http(&target))
        page_fail(p, OUTCOME_BAD_REDIRECT, "the Location is neither http nor https");
    else
        p->outcome = OUTCOME_REDIRECT;
    url_fini(&base);
    url_fini(&target);
}

void
verdict_of_status(struct fetch *f)
{
    struct page *p = f->page;

    switch (p->status) {
    case 301: case 302: case 303: case 307: case 308:
        redirect_judge(f);
        return;
    case 304:
        p->outcome = f->is_conditional ? OUTCOME_NOT_MODIFIED : OUTCOME_HTTP_STATUS;
        return;
    case 429: case 503:
        p->outcome = OUTCOME_RETRY_LATER;
        return;
    default:
        break;
    }
    if (p->status < 200)
        page_fail(p, OUTCOME_PROTOCOL, "status %d is no answer", p->status);
    else if (p->status < 300)
        p->outcome = OUTCOME_OK;
    else if (p->status == 300 && p->location.n > 0)
        redirect_judge(f);
    else if (p->status >= 500 && p->status < 600)
        p->outcome = OUTCOME_SERVER_ERROR;
    else
        p->outcome = OUTCOME_HTTP_STATUS;
}
