/* Each limit and each misbehaviour of a server has its outcome and its sentence, and leaves the mux as it was. */
#include "tests/support/fetching.h"
#include "tests/support/server.h"
#include "tests/support/support.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"

static struct server server;
static unsigned char bomb[16 * 1024]; /* 4 MiB of zeros */
static size_t n_bomb;

/* --- the server's side: one path per misbehaviour; a row of the table names the path --- */

static bool
say_endless(struct peer *p, const char *text, unsigned pause_ms)
{
    while (peer_say(p, text))
        if (pause_ms > 0)
            peer_sleep(pause_ms);
    return false;
}

static bool
serve_hostile(struct peer *p, const char *path, const char *request)
{
    static char filler[64 * 1024];

    memset(filler, 'x', sizeof filler - 1);
    if (strcmp(path, "/ok") == 0)
        return peer_say(p, OK_HEAD "Content-Length: 5\r\n\r\nhello");
    if (strcmp(path, "/chunked") == 0)
        return peer_say(p, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n");
    if (strcmp(path, "/both-lengths") == 0)
        return peer_say(p, OK_HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    if (strcmp(path, "/until-close") == 0)
        return peer_say(p, OK_HEAD "\r\nhello") && false;
    if (strcmp(path, "/interim") == 0)
        return peer_say(p, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" OK_HEAD
                           "Content-Length: 5\r\n\r\nhello");
    if (strcmp(path, "/interim-endless") == 0)
        return say_endless(p, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0);
    if (strcmp(path, "/204") == 0)
        return peer_say(p, "HTTP/1.1 204 No Content\r\n\r\n");
    if (strcmp(path, "/204-chunked") == 0)
        return peer_say(p, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n");
    if (strcmp(path, "/304") == 0)
        return peer_say(p, "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 99999999\r\n\r\n");
    if (strcmp(path, "/redirect") == 0)
        return peer_say(p, "HTTP/1.1 302 Found\r\nLocation: ../elsewhere\r\nContent-Length: 2\r\n\r\ngo");
    if (strcmp(path, "/redirect-nowhere") == 0)
        return peer_say(p, "HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n");
    if (strcmp(path, "/redirect-ftp") == 0)
        return peer_say(p, "HTTP/1.1 301 Moved\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n");
    if (strcmp(path, "/redirect-bad") == 0)
        return peer_say(p, "HTTP/1.1 301 Moved\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n");
    if (strcmp(path, "/404") == 0)
        return peer_say(p, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone");
    if (strcmp(path, "/999") == 0)
        return peer_say(p, "HTTP/1.1 999 Request denied\r\nContent-Length: 0\r\n\r\n");
    if (strcmp(path, "/500") == 0)
        return peer_say(p, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    if (strcmp(path, "/503") == 0)
        return peer_say(p, "HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n");
    if (strcmp(path, "/429") == 0)
        return peer_say(p, "HTTP/1.1 429 Slow down\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n");
    if (strcmp(path, "/101") == 0)
        return peer_say(p, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: nothing\r\nConnection: Upgrade\r\n\r\n") && false;
    if (strcmp(path, "/image") == 0)
        return peer_say(p, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 60000\r\n\r\n") && peer_write(p, filler, 60000);
    if (strcmp(path, "/header-line") == 0)
        return peer_say(p, OK_HEAD "X-Long: ") && peer_write(p, filler, 20000) && peer_say(p, "\r\nContent-Length: 0\r\n\r\n");
    if (strcmp(path, "/header-endless-line") == 0)
        return peer_say(p, OK_HEAD "X-Long: ") && say_endless(p, filler, 0);
    if (strcmp(path, "/header-endless") == 0)
        return peer_say(p, OK_HEAD) && say_endless(p, "X-More: and more\r\n", 0);
    if (strcmp(path, "/body-announced") == 0)
        return peer_say(p, OK_HEAD "Content-Length: 1000000000\r\n\r\n") && say_endless(p, filler, 0);
    if (strcmp(path, "/body-endless") == 0)
        return peer_say(p, OK_HEAD "\r\n") && say_endless(p, filler, 0);
    if (strcmp(path, "/body-endless-chunks") == 0)
        return peer_say(p, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n") && say_endless(p, "a\r\n0123456789\r\n", 0);
    if (strcmp(path, "/body-exact") == 0)
        return peer_printf(p, OK_HEAD "Content-Length: %u\r\n\r\n", 100000) && peer_write(p, filler, 60000)
               && peer_write(p, filler, 40000);
    if (strcmp(path, "/bomb") == 0) /* in `bomb`: made before the fork */
        return peer_printf(p, OK_HEAD "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", n_bomb) && peer_write(p, bomb, n_bomb);
    if (strcmp(path, "/bomb-404") == 0)
        return peer_printf(p, "HTTP/1.1 404 No\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", n_bomb) && peer_write(p, bomb, n_bomb);
    if (strcmp(path, "/gzip-cut") == 0)
        return peer_say(p, OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 500\r\n\r\n") && peer_write(p, bomb, 500);
    if (strcmp(path, "/gzip-damaged") == 0)
        return peer_say(p, OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n") && peer_write(p, "\x1f\x8b\x08\0\0\0\0\0\0\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20);
    if (strcmp(path, "/encoding-unknown") == 0)
        return peer_say(p, OK_HEAD "Content-Encoding: frobnicate\r\nContent-Length: 5\r\n\r\nhello");
    if (strcmp(path, "/silent") == 0)
        return peer_sleep(5000), false;
    if (strcmp(path, "/drip-head") == 0)
        return peer_say(p, OK_HEAD) && say_endless(p, "X-A: b\r\n", 50);
    if (strcmp(path, "/drip-body") == 0)
        return peer_say(p, OK_HEAD "Content-Length: 100000\r\n\r\n") && say_endless(p, "x", 50);
    if (strcmp(path, "/cut-length") == 0)
        return peer_say(p, OK_HEAD "Content-Length: 100\r\n\r\nonly this") && false;
    if (strcmp(path, "/cut-chunk") == 0)
        return peer_say(p, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n") && false;
    if (strcmp(path, "/cut-in-chunk") == 0)
        return peer_say(p, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n64\r\nhello") && false;
    if (strcmp(path, "/cut-head") == 0)
        return peer_say(p, "HTTP/1.1 200 OK\r\nContent-Ty") && false;
    if (strcmp(path, "/chunk-garbage") == 0)
        return peer_say(p, OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n");
    if (strcmp(path, "/chunk-huge") == 0)
        return peer_say(p, OK_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n0\r\n\r\n");
    if (strcmp(path, "/reset-head") == 0 || strcmp(path, "/reset-body") == 0) {
        if (strcmp(path, "/reset-body") == 0)
            peer_say(p, OK_HEAD "Content-Length: 100\r\n\r\nhello");
        peer_sleep(30);
        peer_reset(p);
        return false;
    }
    if (strcmp(path, "/empty") == 0)
        return false;
    if (strcmp(path, "/garbage") == 0)
        return peer_say(p, "\x16\x03\x01\x02 what is this?\r\n\r\n") && false;
    if (strcmp(path, "/http09") == 0)
        return peer_say(p, "<html>no head at all</html>") && false;
    if (strcmp(path, "/nul-in-head") == 0)
        return peer_write(p, "HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 0\r\n\r\n", 49) && false;
    if (strcmp(path, "/negative-length") == 0)
        return peer_say(p, OK_HEAD "Content-Length: -5\r\n\r\nhello") && false;
    if (strcmp(path, "/two-lengths") == 0)
        return peer_say(p, OK_HEAD "Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello") && false;
    if (strcmp(path, "/bare-lf") == 0)
        return peer_say(p, "HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 5\n\nhello");
    if (strcmp(path, "/folded") == 0)
        return peer_say(p, "HTTP/1.1 200 OK\r\nContent-Type: text/\r\n\tplain\r\nContent-Length: 5\r\n\r\nhello");
    return peer_say(p, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

/* --- the table --- */

struct row {
    const char *path;
    enum outcome outcome;
    const char *error;     /* a part of the sentence; NULL = none at all */
    const char *truncated;
    const char *body;      /* NULL = not looked at */
    bool is_cut, is_conditional;
    const char *accept;
};

#define ANY_ERROR ""
#define ROW(the_path, the_outcome, the_error, cut, the_body, ...)                                                         \
    { .path = (the_path), .outcome = (the_outcome), .error = (the_error), .truncated = (cut), .body = (the_body), __VA_ARGS__ }

static const struct row rows[] = {
    ROW("/ok", OUTCOME_OK, NULL, NULL, "hello"),
    ROW("/chunked", OUTCOME_OK, NULL, NULL, "hello"),
    ROW("/both-lengths", OUTCOME_OK, NULL, NULL, "hello"),
    ROW("/until-close", OUTCOME_OK, NULL, NULL, "hello"),
    ROW("/interim", OUTCOME_OK, NULL, NULL, "hello"),
    ROW("/bare-lf", OUTCOME_OK, NULL, NULL, "hello"),
    ROW("/folded", OUTCOME_OK, NULL, NULL, "hello"),
    ROW("/204", OUTCOME_OK, NULL, NULL, ""),
    ROW("/204-chunked", OUTCOME_OK, NULL, NULL, ""),
    ROW("/304", OUTCOME_NOT_MODIFIED, NULL, NULL, "", .is_conditional = true),
    ROW("/304", OUTCOME_HTTP_STATUS, NULL, NULL, ""),
    ROW("/redirect", OUTCOME_REDIRECT, NULL, NULL, "go"),
    ROW("/redirect-nowhere", OUTCOME_BAD_REDIRECT, "without a Location", NULL, ""),
    ROW("/redirect-bad", OUTCOME_BAD_REDIRECT, "Location is no URL", NULL, ""),
    ROW("/redirect-ftp", OUTCOME_BAD_REDIRECT, "neither http nor https", NULL, ""),
    ROW("/404", OUTCOME_HTTP_STATUS, NULL, NULL, "gone"),
    ROW("/999", OUTCOME_HTTP_STATUS, NULL, NULL, ""),
    ROW("/500", OUTCOME_SERVER_ERROR, NULL, NULL, ""),
    ROW("/503", OUTCOME_RETRY_LATER, NULL, NULL, ""),
    ROW("/429", OUTCOME_RETRY_LATER, NULL, NULL, ""),
    ROW("/101", OUTCOME_PROTOCOL, ANY_ERROR, NULL, NULL),
    ROW("/image", OUTCOME_TYPE_NOT_ACCEPTED, "image/png", NULL, "", .accept = "text/html, application/*"),
    ROW("/image", OUTCOME_OK, NULL, NULL, NULL, .accept = "text/html,image/*"),
    ROW("/header-line", OUTCOME_HEADER_TOO_LARGE, "more than 16384 header bytes", NULL, NULL),
    ROW("/header-endless-line", OUTCOME_HEADER_TOO_LARGE, ANY_ERROR, NULL, NULL),
    ROW("/header-endless", OUTCOME_HEADER_TOO_LARGE, "more than 16384 header bytes", NULL, NULL),
    ROW("/interim-endless", OUTCOME_HEADER_TOO_LARGE, "more than 16384 header bytes", NULL, NULL),
    ROW("/body-announced", OUTCOME_BODY_TOO_LARGE, "more than 200000 body bytes", "length", NULL),
    ROW("/body-endless", OUTCOME_BODY_TOO_LARGE, "more than 200000 body bytes", "length", NULL),
    ROW("/body-endless-chunks", OUTCOME_BODY_TOO_LARGE, "more than 200000 body bytes", "length", NULL),
    ROW("/body-endless", OUTCOME_OK, NULL, "length", NULL, .is_cut = true),
    ROW("/body-endless-chunks", OUTCOME_OK, NULL, "length", NULL, .is_cut = true),
    ROW("/body-announced", OUTCOME_OK, NULL, "length", NULL, .is_cut = true),
    ROW("/body-exact", OUTCOME_OK, NULL, NULL, NULL, .is_cut = true),
    ROW("/bomb", OUTCOME_DECODED_TOO_LARGE, "too much comes out of Content-Encoding: gzip", NULL, ""),
    ROW("/bomb-404", OUTCOME_HTTP_STATUS, "too much comes out of Content-Encoding: gzip", NULL, ""),
    ROW("/gzip-cut", OUTCOME_TRUNCATED, "the bytes end early", "disconnect", NULL),
    ROW("/gzip-damaged", OUTCOME_DECODE_FAILED, "damaged Content-Encoding: gzip", NULL, NULL),
    ROW("/encoding-unknown", OUTCOME_UNSUPPORTED_ENCODING, "unknown Content-Encoding: frobnicate", NULL, NULL),
    ROW("/silent", OUTCOME_TIMEOUT, ANY_ERROR, NULL, NULL),
    ROW("/drip-head", OUTCOME_TIMEOUT, ANY_ERROR, NULL, NULL),
    ROW("/drip-body", OUTCOME_TIMEOUT, ANY_ERROR, "time", NULL),
    ROW("/cut-length", OUTCOME_TRUNCATED, ANY_ERROR, "disconnect", "only this"),
    ROW("/cut-chunk", OUTCOME_TRUNCATED, ANY_ERROR, "disconnect", "hello"),
    ROW("/cut-in-chunk", OUTCOME_TRUNCATED, ANY_ERROR, "disconnect", "hello"),
    ROW("/cut-head", OUTCOME_RESET, ANY_ERROR, NULL, NULL),
    ROW("/chunk-garbage", OUTCOME_PROTOCOL, ANY_ERROR, "disconnect", NULL),
    ROW("/chunk-huge", OUTCOME_PROTOCOL, ANY_ERROR, "disconnect", NULL),
    ROW("/reset-head", OUTCOME_RESET, ANY_ERROR, NULL, NULL),
    ROW("/reset-body", OUTCOME_RESET, ANY_ERROR, "disconnect", "hello"),
    ROW("/empty", OUTCOME_EMPTY_REPLY, ANY_ERROR, NULL, NULL),
    ROW("/garbage", OUTCOME_PROTOCOL, ANY_ERROR, NULL, NULL),
    ROW("/http09", OUTCOME_PROTOCOL, ANY_ERROR, NULL, NULL),
    ROW("/nul-in-head", OUTCOME_PROTOCOL, ANY_ERROR, NULL, NULL),
    ROW("/negative-length", OUTCOME_PROTOCOL, ANY_ERROR, NULL, NULL),
    ROW("/two-lengths", OUTCOME_PROTOCOL, ANY_ERROR, NULL, NULL),
};

static bool
row_is_met(const struct row *row, const struct page *p)
{
    if (p->outcome != row->outcome)
        return false;
    if (row->error == NULL ? p->error[0] != '\0' : p->error[0] == '\0' || strstr(p->error, row->error) == NULL)
        return false;
    if ((row->truncated == NULL) != (p->truncated == NULL)
        || (row->truncated != NULL && strcmp(row->truncated, p->truncated) != 0))
        return false;
    return row->body == NULL || slice_eq(p->body, slice_str(row->body));
}

static void
tight_limits(struct fetching *t)
{
    t->conf.limits.max_header_bytes = 16384;
    t->conf.limits.max_body_bytes = 200000;
    t->conf.limits.max_decoded_bytes = 1000000;
    t->conf.limits.timeout_ms = 2000; /* a loaded machine still answers in time */
    t->conf.limits.connect_timeout_ms = 1500;
}

static size_t
live_bytes(enum mem_domain domain)
{
    struct mem_stats stats;

    mem_stats(domain, &stats);
    return stats.live_bytes;
}

static unsigned
n_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static unsigned
run_row(struct fetching *t, const struct row *row)
{
    struct fetch_request like = { .cut_long_body = row->is_cut, .accept_types = slice_str(row->accept) };
    struct page *p, *after;
    char url[256];
    bool is_met;

    if (row->is_conditional)
        like.etag = SLICE_LITERAL("\"e\"");
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server.port, row->path);
    p = fetching_url(t, url, "127.0.0.1", &like);
    is_met = row_is_met(row, p);
    if (!is_met)
        print_message("%s: %s \"%s\" %s, body \"%.*s\"\n", row->path, outcome_name(p->outcome), p->error,
                      p->truncated == NULL ? "whole" : p->truncated, (int)ORB_MIN(p->body.n, (size_t)40), p->body.p);
    page_unref(&p);
    after = fetching_get(t, server.port, "/ok"); /* the mux goes on working */
    assert_int_equal(after->outcome, OUTCOME_OK);
    page_unref(&after);
    return is_met ? 0 : 1;
}

/* Twice: what the first pass made and pooled serves the second, and nothing is left of either. */
TEST(fetch__every_misbehaviour_has_its_outcome_and_leaves_nothing)
{
    size_t page_bytes = live_bytes(MEM_PAGE), obj_bytes = live_bytes(MEM_OBJ), curl_bytes = 0, buf_bytes = 0;
    unsigned n_wrong = 0, n_open = n_descriptors();

    for (unsigned pass = 0; pass < 2; pass++) {
        struct fetching t;
        struct mux_stats stats;
        fetching_init(&t);
        tight_limits(&t);
        fetching_open(&t);
        for (size_t i = 0; i < ORB_N_ELEMENTS(rows); i++)
            n_wrong += run_row(&t, &rows[i]);
        mux_stats(t.mux, &stats);
        assert_int_equal(stats.n_in_flight, 0);
        assert_int_equal(stats.n_requests, 2 * ORB_N_ELEMENTS(rows));
        fetching_fini(&t);
        assert_int_equal(n_descriptors(), n_open);
        assert_int_equal(live_bytes(MEM_PAGE), page_bytes);
        assert_int_equal(live_bytes(MEM_OBJ), obj_bytes);
        if (pass > 0) {
            assert_int_equal(live_bytes(MEM_CURL), curl_bytes);
            assert_int_equal(live_bytes(MEM_BUF), buf_bytes);
        }
        curl_bytes = live_bytes(MEM_CURL);
        buf_bytes = live_bytes(MEM_BUF);
    }
    assert_int_equal(n_wrong, 0);
}

TEST(fetch__low_speed_limit)
{
    struct fetching t;
    struct page *p;

    fetching_init(&t);
    t.conf.limits.low_speed_bytes_per_s = 1000;
    t.conf.limits.low_speed_s = 1;
    t.conf.limits.timeout_ms = 8000;
    fetching_open(&t);
    p = fetching_get(&t, server.port, "/drip-body");
    assert_int_equal(p->outcome, OUTCOME_TOO_SLOW);
    assert_string_equal(p->truncated, "time");
    assert_non_null(strstr(p->error, "1000 bytes/sec"));
    page_unref(&p);
    p = fetching_get(&t, server.port, "/silent");
    assert_int_equal(p->outcome, OUTCOME_TIMEOUT);
    assert_string_equal(p->error, "no answer to the request");
    page_unref(&p);
    fetching_fini(&t);
}

/* A listener whose queue is full answers no SYN. */
TEST(fetch__connect_timeout)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fillers[4];
    struct fetching t;
    struct page *p;

    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    for (unsigned i = 0; i < ORB_N_ELEMENTS(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&at, sizeof at);
    }
    fetching_init(&t);
    t.conf.limits.connect_timeout_ms = 300;
    fetching_open(&t);
    p = fetching_get(&t, ntohs(at.sin_port), "/");
    assert_int_equal(p->outcome, OUTCOME_CONNECT_TIMEOUT);
    assert_true(p->error[0] != '\0');
    page_unref(&p);
    fetching_fini(&t);
    for (unsigned i = 0; i < ORB_N_ELEMENTS(fillers); i++)
        close(fillers[i]);
    close(listener);
}

/* Every allocation of ours fails once: the start says so, or the page does; nothing is left behind. (Not libcurl's own:
 * 7.88 divides by zero when its socket table cannot grow. MEM_CURL has no hard limit for that reason.) */
TEST(fetch__survives_any_failed_allocation)
{
    struct fetching t;
    struct fetching_many many;
    struct dns_answer answer;
    struct url url;
    char text[64];
    size_t page_bytes;

    fetching_init(&t);
    fetching_open(&t);
    answer_of(&answer, "127.0.0.1");
    url_init(&url, MEM_DEFAULT);
    snprintf(text, sizeof text, "http://127.0.0.1:%u/chunked", server.port);
    assert_int_equal(url_parse(&url, slice_str(text), NULL), 0);
    page_bytes = live_bytes(MEM_PAGE);
    FAULT_SWEEP(nth)
    {
        struct fetch_request request = { .url = &url, .addresses = &answer };
        many = (struct fetching_many){ .loop = t.loop, .n_wanted = 1 };
        int err = fetch_start(t.mux, &request, fetching_on_done, &many, NULL);
        assert_true(err == 0 || err == ORB_ENOMEM);
        if (err == 0)
            ev_run(t.loop, 0);
        assert_int_equal(many.n_done, err == 0);
        assert_int_equal(live_bytes(MEM_PAGE), page_bytes);
    }
    assert_int_equal(many.n_of[OUTCOME_OK], 1);
    url_fini(&url);
    fetching_fini(&t);
}

static int
start_server(void **state)
{
    void *zeros = mem_zalloc(MEM_DEFAULT, 4 << 20);
    z_stream z = { .next_in = zeros, .avail_in = 4 << 20, .next_out = bomb, .avail_out = sizeof bomb };

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    n_bomb = z.total_out;
    deflateEnd(&z);
    mem_free(MEM_DEFAULT, zeros);
    server_start(&server, "127.0.0.1", serve_hostile);
    return 0;
}

static int
stop_server(void **state)
{
    server_stop(&server);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(fetch__every_misbehaviour_has_its_outcome_and_leaves_nothing),
        T(fetch__low_speed_limit),
        T(fetch__connect_timeout),
        T(fetch__survives_any_failed_allocation),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
