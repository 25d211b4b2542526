#include "crawler/fetch.h"
#include "tests/support/certificate.h"
#include "tests/support/fetching.h"
#include "tests/support/server.h"
#include "tests/support/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct server plain, plain_v6, secure, expired;
static char certificate_pem[256], key_pem[256], expired_pem[256];

/* --- the server's side --- */

static bool
say_body(struct peer *p, const char *head, const char *body)
{
    return peer_printf(p, "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n", head, strlen(body)) && peer_say(p, body);
}

static bool
serve(struct peer *p, const char *path, const char *request)
{
    char text[64];

    if (strncmp(request, "CONNECT ", 8) == 0)
        return peer_say(p, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    if (strncmp(path, "http://", 7) == 0) /* asked as a proxy */
        return say_body(p, "X-Proxy: yes\r\n", request);
    if (strcmp(path, "/count") == 0) {
        snprintf(text, sizeof text, "%u %s", peer_requests(p), peer_was_resumed(p) ? "resumed" : "new");
        return say_body(p, "", text);
    }
    if (strcmp(path, "/close") == 0) /* says nothing of it: the next request finds a dead connection */
        return say_body(p, "", "bye") && false;
    if (strcmp(path, "/slow") == 0)
        peer_sleep(2000);
    if (strcmp(path, "/chunked") == 0)
        return peer_say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
    return say_body(p, "Content-Type: text/plain\r\nX-Robots-Tag: noindex\r\nX-Robots-Tag: nofollow\r\n", request);
}

static int
start_servers(void **state)
{
    const char *dir = scratch_dir();
    char expired_key[256];

    snprintf(certificate_pem, sizeof certificate_pem, "%s/cert.pem", dir);
    snprintf(key_pem, sizeof key_pem, "%s/key.pem", dir);
    snprintf(expired_pem, sizeof expired_pem, "%s/expired.pem", dir);
    snprintf(expired_key, sizeof expired_key, "%s/expired-key.pem", dir);
    server_start(&plain, "127.0.0.1", serve); /* forked before this process has OpenSSL's and libcurl's memory */
    server_start(&plain_v6, "::1", serve);
    struct fetching t;
    fetching_init(&t); /* hooks first: the certificates are made with OpenSSL */
    fetching_fini(&t);
    certificate_make(certificate_pem, key_pem, "DNS:a.test,DNS:b.test,DNS:*.many.test", 10);
    certificate_make(expired_pem, expired_key, "DNS:a.test", -10);
    server_start_tls(&secure, "127.0.0.1", serve, certificate_pem, key_pem);
    server_start_tls(&expired, "127.0.0.1", serve, expired_pem, expired_key);
    return 0;
}

static int
stop_servers(void **state)
{
    server_stop(&plain);
    server_stop(&plain_v6);
    server_stop(&secure);
    server_stop(&expired);
    return 0;
}

static struct page *
get(struct fetching *t, const char *addresses, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static struct page *
get(struct fetching *t, const char *addresses, const char *fmt, ...)
{
    char url[4096];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(url, sizeof url, fmt, ap);
    va_end(ap);
    return fetching_url(t, url, addresses, NULL);
}

static size_t
live_bytes(enum mem_domain domain)
{
    struct mem_stats stats;

    mem_stats(domain, &stats);
    return stats.live_bytes;
}

static unsigned
n_entries(const char *folder)
{
    DIR *d = opendir(folder);
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

/* --- what is asked --- */

TEST(fetch__the_recorded_request_is_what_the_server_received)
{
    static const char *const headers[] = { "Accept-Language: en, de;q=0.5", "Accept: text/html", NULL };
    struct fetch_request like = { .cookie = SLICE_LITERAL("a=b; c=d"),
                                  .etag = SLICE_LITERAL("W/\"x\""),
                                  .last_modified = SLICE_LITERAL("Wed, 21 Oct 2015 07:28:00 GMT"),
                                  .referer = SLICE_LITERAL("http://r.test/"),
                                  .authorization = SLICE_LITERAL("Basic eDp5") };
    struct fetching t;
    struct page *p;
    char url[256];

    fetching_init(&t);
    t.conf.headers = headers;
    fetching_open(&t);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(url, sizeof url, "http://user:secret@a.test:%u/x/%%2e%%2e//y?q=%%20|{}&z=%%zz#fragment", plain.port);
        p = fetching_url(&t, url, "127.0.0.1", i == 0 ? &like : NULL);
        assert_int_equal(p->outcome, OUTCOME_OK);
        assert_slice_str(p->body, p->request.p);
        assert_non_null(strstr(p->request.p, i == 0 ? "Cookie: a=b; c=d\r\n" : "\r\n\r\n"));
        assert_null(strstr(p->request.p, "secret"));
        assert_null(strstr(p->request.p, "fragment"));
        assert_null(strstr(p->request.p, "Accept: */*"));
        assert_non_null(strstr(p->request.p, "\r\nUser-Agent: orb-test/1\r\n"));
        page_unref(&p);
    }
    p = get(&t, "127.0.0.1", "http://a.test.:%u", plain.port);
    assert_slice_str(p->body, p->request.p);
    page_unref(&p);
    p = get(&t, "::1", "http://[::1]:%u/", plain_v6.port);
    assert_slice_str(p->body, p->request.p);
    page_unref(&p);
    fetching_fini(&t);
}

TEST(fetch__a_value_that_would_end_its_line_is_not_sent)
{
    struct fetch_request like = { .etag = SLICE_LITERAL("x\r\nX-Evil: 1"), .cookie = SLICE_LITERAL("a=\x01") };
    struct fetching t;
    struct page *p;
    char url[64];

    fetching_init(&t);
    fetching_open(&t);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", plain.port);
    p = fetching_url(&t, url, "127.0.0.1", &like);
    assert_null(strstr(p->request.p, "Evil"));
    assert_slice_str(p->body, p->request.p);
    page_unref(&p);
    fetching_fini(&t);
}

TEST(fetch__reads_head_fields_and_addresses)
{
    struct fetching t;
    struct page *p;

    fetching_init(&t);
    fetching_open(&t);
    p = get(&t, "127.0.0.1", "http://a.test:%u/", plain.port);
    assert_slice_str(p->content_type, "text/plain");
    assert_slice_str(p->x_robots_tag, "noindex\nnofollow");
    assert_string_equal(p->remote_address, "127.0.0.1");
    assert_int_equal(p->status, 200);
    assert_int_equal(p->http_version, 11);
    assert_int_equal(p->wire_bytes, p->head.n + p->wire_body.n);
    assert_true(p->fetched_at_ms > 1700000000000);
    page_unref(&p);
    p = get(&t, "127.0.0.1", "http://a.test:%u/chunked", plain.port);
    assert_true(p->is_chunked);
    assert_slice_str(buf_slice(&p->wire_body), "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
    assert_slice_str(p->body, "hello");
    assert_slice_str(p->trailers, "X-Sum: 1\r\n");
    page_unref(&p);
    p = get(&t, "::1", "http://a.test:%u/", plain_v6.port);
    assert_string_equal(p->remote_address, "::1");
    page_unref(&p);
    fetching_fini(&t);
}

/* --- connections --- */

TEST(fetch__keeps_connections_by_host_and_address)
{
    struct fetching t;
    struct mux_stats stats;
    struct page *p;
    char text[16];

    fetching_init(&t);
    fetching_open(&t);
    for (unsigned i = 1; i <= 20; i += 2) { /* two requests a turn */
        p = get(&t, "127.0.0.1", "http://a.test:%u/count", plain.port);
        snprintf(text, sizeof text, "%u new", i);
        assert_slice_str(p->body, text);
        assert_int_equal(p->is_connection_reused, i > 1);
        page_unref(&p);
        p = get(&t, "127.0.0.1", "http://a.test:%u/chunked", plain.port); /* the end of a chunked body is seen */
        assert_true(p->is_connection_reused);
        page_unref(&p);
    }
    p = get(&t, "127.0.0.1", "http://b.test:%u/count", plain.port); /* another name is another connection */
    assert_slice_str(p->body, "1 new");
    page_unref(&p);
    mux_stats(t.mux, &stats);
    assert_int_equal(stats.n_connections_opened, 2);
    assert_int_equal(stats.n_connections_reused, 19);
    fetching_fini(&t);
}

TEST(fetch__a_kept_connection_that_died_costs_no_failure)
{
    struct fetching t;
    struct page *p;

    fetching_init(&t);
    fetching_open(&t);
    for (unsigned i = 0; i < 1000; i++) { /* sometimes it is seen only when the request goes out */
        p = get(&t, "127.0.0.1", "http://a.test:%u/close", plain.port);
        assert_int_equal(p->outcome, OUTCOME_OK);
        page_unref(&p);
    }
    fetching_fini(&t);
}

TEST(fetch__tries_the_next_address)
{
    struct fetching t;
    struct page *p;

    fetching_init(&t);
    fetching_open(&t);
    p = get(&t, "127.0.0.9,::1,127.0.0.1", "http://a.test:%u/", plain.port); /* nobody listens on the first two */
    assert_int_equal(p->outcome, OUTCOME_OK);
    assert_string_equal(p->remote_address, "127.0.0.1");
    page_unref(&p);
    p = get(&t, "127.0.0.9,::1", "http://b.test:%u/", plain.port);
    assert_int_equal(p->outcome, OUTCOME_CONNECT_FAILED);
    assert_true(p->error[0] != '\0');
    page_unref(&p);
    fetching_fini(&t);
}

TEST(fetch__asks_the_guard_about_each_address)
{
    struct fetching t;
    struct page *p;

    fetching_init(&t);
    t.guard.allow_all = false;
    fetching_open(&t);
    p = get(&t, "127.0.0.1,::1,10.1.2.3,169.254.169.254", "http://a.test:%u/", plain.port);
    assert_int_equal(p->outcome, OUTCOME_ADDRESS_BLOCKED);
    assert_non_null(strstr(p->error, "169.254.169.254:"));
    page_unref(&p);
    assert_int_equal(guard_allow(&t.guard, SLICE_LITERAL("127.0.0.1/32")), 0);
    p = get(&t, "10.1.2.3,127.0.0.1", "http://a.test:%u/", plain.port);
    assert_int_equal(p->outcome, OUTCOME_OK);
    page_unref(&p);
    fetching_fini(&t);
}

TEST(fetch__ignores_the_proxies_of_the_environment)
{
    struct fetching t;
    struct page *p;

    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("all_proxy", "http://127.0.0.1:9", 1);
    fetching_init(&t);
    fetching_open(&t);
    p = get(&t, "127.0.0.1", "http://a.test:%u/", plain.port);
    assert_int_equal(p->outcome, OUTCOME_OK);
    page_unref(&p);
    fetching_fini(&t);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}

TEST(fetch__goes_through_a_proxy_when_told)
{
    static const char *const refused[] = {
        "http://169.254.169.254/", "https://10.0.0.1/", "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://0x7f.1/",
        "http://localhost/", "http://LocalHost./", "http://a.localhost/",
    };
    struct fetching t;
    struct page *p;
    char proxy[64];

    setenv("no_proxy", "*", 1);
    fetching_init(&t);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", plain.port);
    t.conf.proxy = proxy;
    fetching_open(&t);
    p = get(&t, "", "http://no-such-name.test/path?q");
    assert_int_equal(p->outcome, OUTCOME_OK);
    assert_non_null(strstr(p->head.p, "X-Proxy: yes"));
    assert_slice_str(p->body, p->request.p);
    assert_non_null(strstr(p->request.p, "GET http://no-such-name.test/path?q HTTP/1.1\r\n"));
    page_unref(&p);
    t.guard.allow_all = false; /* the proxy itself is not the guard's business, a literal host is */
    for (size_t i = 0; i < ORB_N_ELEMENTS(refused); i++) {
        p = get(&t, "", "%s", refused[i]); /* the worker looks nothing up: the URL says it */
        assert_int_equal(p->outcome, OUTCOME_ADDRESS_BLOCKED);
        page_unref(&p);
    }
    p = get(&t, "", "http://other.test/");
    assert_int_equal(p->outcome, OUTCOME_OK);
    page_unref(&p);
    p = get(&t, "", "http://93.184.216.34/");
    assert_int_equal(p->outcome, OUTCOME_OK);
    page_unref(&p);
    p = get(&t, "", "https://other.test/"); /* CONNECT is answered with a status that is no tunnel's */
    assert_int_equal(p->outcome, OUTCOME_PROXY_FAILED);
    page_unref(&p);
    fetching_fini(&t);
    unsetenv("no_proxy");
}

TEST(fetch__looks_its_proxys_name_up_by_itself)
{
    struct fetching t;
    struct page *p;
    char proxy[64];

    fetching_init(&t);
    snprintf(proxy, sizeof proxy, "http://localhost:%u", plain.port);
    t.conf.proxy = proxy;
    fetching_open(&t);
    for (unsigned i = 0; i < 3; i++) {
        p = get(&t, "", "http://name-%u.test/", i);
        assert_int_equal(p->outcome, OUTCOME_OK);
        assert_int_equal(n_entries("/proc/self/task"), 3); /* ".", "..", this thread */
        page_unref(&p);
    }
    mux_free(&t.mux);
    t.conf.proxy = "http://no-such-host.invalid:3128";
    t.conf.dns = &(struct dns_conf){ .servers = "127.0.0.1:1", .timeout_ms = 100, .tries = 1 };
    assert_int_equal(mux_new(&t.mux, t.loop, &t.conf), ORB_ENOTFOUND);
    t.conf.proxy = "ftp://127.0.0.1";
    assert_int_equal(mux_new(&t.mux, t.loop, &t.conf), ORB_EINVAL);
    t.conf.proxy = "socks5://127.0.0.1:1";
    fetching_open(&t);
    p = get(&t, "", "http://name.test/");
    assert_int_equal(p->outcome, OUTCOME_PROXY_FAILED);
    page_unref(&p);
    fetching_fini(&t);
}

struct restarting {
    struct mux *mux;
    struct fetch_request *request;
    unsigned n_done;
    int err;
};

static void
start_again(void *arg, struct page *page)
{
    struct restarting *r = arg;

    r->n_done++;
    page_unref(&page);
    r->err = fetch_start(r->mux, r->request, start_again, r, NULL);
}

TEST(mux_free__takes_no_new_ones)
{
    struct fetching t;
    struct dns_answer answer;
    struct url url;

    fetching_init(&t);
    fetching_open(&t);
    answer_of(&answer, "127.0.0.1");
    url_init(&url, MEM_DEFAULT);
    assert_int_equal(url_parse(&url, SLICE_LITERAL("http://a.test/"), NULL), 0);
    struct fetch_request request = { .url = &url, .addresses = &answer };
    struct restarting r = { .mux = t.mux, .request = &request };
    assert_int_equal(fetch_start(t.mux, &request, start_again, &r, NULL), 0);
    fetching_fini(&t);
    assert_int_equal(r.n_done, 1);
    assert_int_equal(r.err, ORB_ECLOSED);
    url_fini(&url);
}

TEST(fetch__cancelled_ends_from_the_loop)
{
    struct fetching t;
    struct dns_answer answer;
    struct url url;
    char text[64];

    fetching_init(&t);
    fetching_open(&t);
    answer_of(&answer, "127.0.0.1");
    url_init(&url, MEM_DEFAULT);
    snprintf(text, sizeof text, "http://a.test:%u/slow", plain.port);
    assert_int_equal(url_parse(&url, slice_str(text), NULL), 0);
    struct fetch_request request = { .url = &url, .addresses = &answer };
    struct fetching_many many = { .loop = t.loop, .n_wanted = 2 };
    struct fetch *a, *b;
    assert_int_equal(fetch_start(t.mux, &request, fetching_on_done, &many, &a), 0);
    assert_int_equal(fetch_start(t.mux, &request, fetching_on_done, &many, &b), 0);
    fetch_cancel(a, OUTCOME_NOT_STARTED);
    fetch_cancel(a, OUTCOME_TIMEOUT); /* the first word counts */
    assert_int_equal(many.n_done, 0);
    ev_run(t.loop, EVRUN_NOWAIT);
    assert_int_equal(many.n_done, 1);
    assert_int_equal(many.n_of[OUTCOME_NOT_STARTED], 1);
    fetch_cancel(b, OUTCOME_TIMEOUT);
    ev_run(t.loop, 0);
    assert_int_equal(many.n_of[OUTCOME_TIMEOUT], 1);
    assert_int_equal(fetch_start(t.mux, &request, fetching_on_done, &many, NULL), 0);
    ev_run(t.loop, EVRUN_NOWAIT);
    fetching_fini(&t); /* what is in flight ends here */
    assert_int_equal(many.n_done, 3);
    assert_int_equal(many.n_of[OUTCOME_NOT_STARTED], 2);
    url_fini(&url);
}

/* An owner of an answer, as jobs and hosts are. */
static struct object_type waiting_type = { .name = "Waiting", .object_bytes = sizeof(struct object), .flags = OBJECT_WEAKABLE };

TEST(fetch__an_owner_that_has_gone_is_not_called)
{
    struct object *here = OBJECT_NEW(&waiting_type), *gone = OBJECT_NEW(&waiting_type);
    struct fetching t;
    struct dns_answer answer;
    struct url url;
    char text[64];

    fetching_init(&t);
    fetching_open(&t);
    answer_of(&answer, "127.0.0.1");
    url_init(&url, MEM_DEFAULT);
    snprintf(text, sizeof text, "http://a.test:%u/slow", plain.port);
    assert_int_equal(url_parse(&url, slice_str(text), NULL), 0);
    struct fetch_request request = { .url = &url, .addresses = &answer, .owner = here };
    struct fetching_many many = { .loop = t.loop, .n_wanted = 1 };
    assert_int_equal(fetch_start(t.mux, &request, fetching_on_done, &many, NULL), 0);
    request.owner = gone;
    assert_int_equal(fetch_start(t.mux, &request, fetching_on_done, &many, NULL), 0);
    object_unref(&gone); /* nobody but the transfer knew it: its reference is weak */
    assert_null(gone);
    fetching_fini(&t); /* both end here */
    assert_int_equal(many.n_done, 1);
    object_unref(&here);
    url_fini(&url);
}

/* --- memory, threads, descriptors --- */

TEST(fetch__twelve_thousand_names_leave_nothing_and_start_no_thread)
{
    enum { N_NAMES = 12000, N_WARM = 2000, N_HALF = (N_NAMES - N_WARM) / 2 };
    size_t peak[2] = { 0, 0 }; /* of two halves, each longer than a multi handle's life */
    struct fetching t;
    struct page *p;

    fetching_init(&t);
    t.conf.max_connections = 16;
    fetching_open(&t);
    for (unsigned i = 0; i < N_NAMES; i++) {
        p = get(&t, "127.0.0.1", "http://host-%u.example.test:%u/", i, plain.port);
        assert_int_equal(p->outcome, OUTCOME_OK);
        page_unref(&p);
        if (i % 500 == 0)
            assert_int_equal(n_entries("/proc/self/task"), 3); /* ".", "..", this thread */
        if (i >= N_WARM)
            peak[(i - N_WARM) / N_HALF] = ORB_MAX(peak[(i - N_WARM) / N_HALF], live_bytes(MEM_CURL));
    }
    assert_in_range(peak[1], peak[0] / 2, peak[0] + 8192); /* names differ in length */
    assert_true(n_entries("/proc/self/fd") < 64);
    fetching_fini(&t);
}

TEST(mux_free__leaves_libcurl_as_it_was)
{
    size_t before = live_bytes(MEM_CURL), ssl_before = 0;

    for (unsigned i = 0; i < 3; i++) {
        struct fetching t;
        struct page *p;
        fetching_init(&t);
        t.conf.ca_file = certificate_pem;
        fetching_open(&t);
        p = get(&t, "127.0.0.1", "http://a.test:%u/", plain.port);
        page_unref(&p);
        p = get(&t, "127.0.0.1", "https://a.test:%u/", secure.port);
        assert_int_equal(p->outcome, OUTCOME_OK);
        page_unref(&p);
        fetching_fini(&t);
        assert_int_equal(live_bytes(MEM_CURL), before);
        if (i > 1)
            assert_int_equal(live_bytes(MEM_SSL), ssl_before);
        ssl_before = live_bytes(MEM_SSL);
    }
}

/* --- TLS --- */

TEST(fetch__reads_the_ca_file_once)
{
    struct fetching t;
    struct page *p;
    char copy[300], command[700];

    snprintf(copy, sizeof copy, "%s.copy", certificate_pem);
    snprintf(command, sizeof command, "cp %s %s", certificate_pem, copy);
    assert_int_equal(system(command), 0);
    fetching_init(&t);
    t.conf.ca_file = copy;
    fetching_open(&t);
    for (unsigned i = 0; i < 5; i++) {
        p = get(&t, "127.0.0.1", "https://h%u.many.test:%u/", i, secure.port);
        assert_int_equal(p->outcome, OUTCOME_OK);
        page_unref(&p);
        if (i == 0)
            assert_int_equal(unlink(copy), 0);
    }
    fetching_fini(&t);
}


TEST(fetch__checks_certificates)
{
    struct fetching t;
    struct page *p;

    fetching_init(&t);
    t.conf.ca_file = certificate_pem;
    fetching_open(&t);
    p = get(&t, "127.0.0.1", "https://a.test:%u/", secure.port);
    assert_int_equal(p->outcome, OUTCOME_OK);
    page_unref(&p);
    p = get(&t, "127.0.0.1", "https://c.test:%u/", secure.port); /* not one of its names */
    assert_int_equal(p->outcome, OUTCOME_TLS_CERTIFICATE);
    assert_true(p->error[0] != '\0');
    page_unref(&p);
    p = get(&t, "127.0.0.1", "https://a.test:%u/", expired.port); /* an unknown issuer */
    assert_int_equal(p->outcome, OUTCOME_TLS_CERTIFICATE);
    page_unref(&p);
    p = get(&t, "127.0.0.1", "https://a.test:%u/", plain.port); /* no TLS at all */
    assert_int_equal(p->outcome, OUTCOME_TLS_FAILED);
    page_unref(&p);
    fetching_fini(&t);
    fetching_init(&t);
    t.conf.ca_file = expired_pem;
    fetching_open(&t);
    p = get(&t, "127.0.0.1", "https://a.test:%u/", expired.port);
    assert_int_equal(p->outcome, OUTCOME_TLS_CERTIFICATE);
    page_unref(&p);
    fetching_fini(&t);
    fetching_init(&t);
    t.conf.is_insecure = true;
    fetching_open(&t);
    p = get(&t, "127.0.0.1", "https://c.test:%u/", expired.port);
    assert_int_equal(p->outcome, OUTCOME_OK);
    page_unref(&p);
    fetching_fini(&t);
}

TEST(fetch__resumes_the_session_of_a_host)
{
    struct fetching t;
    struct page *p;

    fetching_init(&t);
    t.conf.ca_file = certificate_pem;
    t.conf.max_connections = 2; /* so that connections are closed between visits */
    fetching_open(&t);
    for (unsigned i = 0; i < 40; i++) {
        p = get(&t, "127.0.0.1", "https://h%u.many.test:%u/count", i % 20, secure.port);
        assert_int_equal(p->outcome, OUTCOME_OK);
        assert_slice_str(p->body, i < 20 ? "1 new" : "1 resumed");
        page_unref(&p);
    }
    fetching_fini(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(fetch__the_recorded_request_is_what_the_server_received),
        T(fetch__a_value_that_would_end_its_line_is_not_sent),
        T(fetch__reads_head_fields_and_addresses),
        T(fetch__keeps_connections_by_host_and_address),
        T(fetch__a_kept_connection_that_died_costs_no_failure),
        T(fetch__tries_the_next_address),
        T(fetch__asks_the_guard_about_each_address),
        T(fetch__ignores_the_proxies_of_the_environment),
        T(fetch__goes_through_a_proxy_when_told),
        T(fetch__looks_its_proxys_name_up_by_itself),
        T(mux_free__takes_no_new_ones),
        T(fetch__cancelled_ends_from_the_loop), T(fetch__an_owner_that_has_gone_is_not_called),
        T(fetch__twelve_thousand_names_leave_nothing_and_start_no_thread),
        T(mux_free__leaves_libcurl_as_it_was),
        T(fetch__reads_the_ca_file_once),
        T(fetch__checks_certificates),
        T(fetch__resumes_the_session_of_a_host),
    };

    return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
