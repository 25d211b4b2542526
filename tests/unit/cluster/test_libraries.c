/* Each library's memory: a real workload in its domain, counters as slabs and arenas have it, nothing left after its cleanup. */
#include "cluster/libraries.h"
#include "crawler/curl_init.h"
#include "crawler/xml.h"
#include "pool/mem_hooks.h"
#include "storage/storage.h"
#include "tests/support/support.h"

#include <ares.h>
#include <curl/curl.h>
#include <jansson.h>
#include <libxml/HTMLparser.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <sqlite3.h>

static size_t
live_bytes(enum mem_domain domain)
{
    struct mem_stats s;

    mem_stats(domain, &s);
    return s.live_bytes;
}

/* In the midst of a workload: the domain has got its bytes, and all agree to the byte. */
static void
assert_counted(enum mem_domain domain, size_t least_bytes)
{
    const char *names[MEM_N_DOMAINS];

    assert_int_equal(mem_hook_state(domain), MEM_HOOK_WORKS);
    assert_true(live_bytes(domain) >= least_bytes);
    assert_int_equal(mem_verify(names, MEM_N_DOMAINS), 0);
}

TEST(libxml2__leaves_nothing_in_its_domain)
{
    enum { N = 10 };
    struct buf html;
    htmlDocPtr docs[N];

    buf_init(&html, MEM_DEFAULT, BUF_NO_CEILING);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_printf(&html, "<div class=c%d><a href='/p/%d'>link %d</a><p>text %d</div>\n", i % 7, i, i, i), 0);
    assert_true(xml_init());
    for (int i = 0; i < N; i++) {
        docs[i] = htmlReadMemory(html.p, (int)html.n, "http://x/", NULL, HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING);
        assert_non_null(docs[i]);
    }
    assert_counted(MEM_XML, (size_t)N << 18);
    for (int i = 0; i < N; i++)
        xmlFreeDoc(docs[i]);
    xml_fini();
    assert_int_equal(live_bytes(MEM_XML), 0);
    buf_fini(&html);
}

TEST(sqlite3__leaves_nothing_in_its_domain)
{
    sqlite3 *db;

    storage_init();
    assert_true(storage_hooks_took());
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "create table u(url text primary key, h int); with recursive c(x) as (select 1 union all "
                                  "select x + 1 from c where x < 5000) insert into u select 'http://x/' || x, x * 7 from c",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_counted(MEM_SQLITE, 200000);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(sqlite3_shutdown(), SQLITE_OK);
    assert_int_equal(live_bytes(MEM_SQLITE), 0);
}

TEST(libev__leaves_nothing_in_its_domain)
{
    static ev_timer timers[500];
    struct ev_loop *loop = libraries_loop();

    assert_non_null(loop);
    for (int i = 0; i < 500; i++) {
        timers[i].data = NULL;
        ev_timer_init(&timers[i], (void (*)(struct ev_loop *, ev_timer *, int))0, 1000 + i, 0);
        ev_timer_start(loop, &timers[i]);
    }
    assert_counted(MEM_EV, 500 * sizeof(void *));
    for (int i = 0; i < 500; i++)
        ev_timer_stop(loop, &timers[i]);
    ev_loop_destroy(loop);
    assert_int_equal(live_bytes(MEM_EV), 0);
}

TEST(jansson__leaves_nothing_in_its_domain)
{
    json_t *array = json_array();

    for (int i = 0; i < 3000; i++)
        assert_int_equal(json_array_append_new(array, json_pack("{s:i, s:s}", "number", i, "text", "a few words")), 0);
    assert_counted(MEM_JSON, 300000);
    json_decref(array);
    assert_int_equal(live_bytes(MEM_JSON), 0);
}

TEST(curl_and_cares__leave_nothing_in_their_domain)
{
    ares_channel channel;
    CURL *easy[50];

    assert_int_equal(curl_init_libraries(NULL), 0);
    assert_int_equal(ares_library_init_mem(ARES_LIB_INIT_ALL, mem_curl_malloc, mem_curl_free, mem_curl_realloc), ARES_SUCCESS);
    assert_int_equal(ares_init(&channel), ARES_SUCCESS);
    for (int i = 0; i < 50; i++) {
        easy[i] = curl_easy_init();
        assert_int_equal(curl_easy_setopt(easy[i], CURLOPT_URL, "http://127.0.0.1:1/"), CURLE_OK);
        assert_int_equal(curl_easy_perform(easy[i]), CURLE_COULDNT_CONNECT);
    }
    assert_counted(MEM_CURL, 50 * 1000);
    for (int i = 0; i < 50; i++)
        curl_easy_cleanup(easy[i]);
    ares_destroy(channel);
    ares_library_cleanup();
    curl_fini_libraries();
    assert_int_equal(live_bytes(MEM_CURL), 0);
}

TEST(libraries__name_the_hooks_that_failed)
{
    struct buf out;

    assert_int_equal(libraries_failed(), 0);
    buf_init(&out, MEM_LOG, 1000);
    assert_int_equal(libraries_put_failed(0, &out), 0);
    assert_int_equal(libraries_put_failed(ORB_BIT(MEM_XML) | ORB_BIT(MEM_SSL) | 0x80000000u, &out), 0);
    assert_slice_str(buf_slice(&out), ",\"hooks_failed\":[],\"hooks_failed\":[\"xml\",\"ssl\"]");
    buf_fini(&out);
}

/* The last test: OpenSSL cannot be used again after its cleanup. */
TEST(openssl__leaves_nothing_in_its_domain)
{
    enum { N = 8 };
    SSL_CTX *contexts[N];
    SSL *connections[N];

    for (int i = 0; i < N; i++) {
        contexts[i] = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_default_verify_paths(contexts[i]);
        connections[i] = SSL_new(contexts[i]);
        assert_non_null(connections[i]);
    }
    assert_counted(MEM_SSL, 100000);
    for (int i = 0; i < N; i++) {
        SSL_free(connections[i]);
        SSL_CTX_free(contexts[i]);
    }
    OPENSSL_cleanup();
    assert_int_equal(live_bytes(MEM_SSL), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(libxml2__leaves_nothing_in_its_domain), T(sqlite3__leaves_nothing_in_its_domain),
        T(libev__leaves_nothing_in_its_domain), T(jansson__leaves_nothing_in_its_domain),
        T(curl_and_cares__leave_nothing_in_their_domain), T(libraries__name_the_hooks_that_failed),
        T(openssl__leaves_nothing_in_its_domain),
    };

    libraries_begin(); /* first, as in main.c */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
