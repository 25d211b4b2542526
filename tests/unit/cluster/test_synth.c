#include "cluster/synth.h"
#include "cluster/synth_http.h"
#include "pool/map.h"
#include "tests/support/support.h"

#include <libdeflate.h>
#include <stdio.h>

static const struct synth_web web = { .seed = 7, .n_hosts = 17, .n_pages = 40, .text_bytes = 600, .large_bytes = 100000, .port = 8080 };
static struct synth_site site;
static struct buf out;

static void
begin(void)
{
    buf_init(&out, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(synth_site_init(&site, &web), 0);
}

static void
end(void)
{
    synth_site_fini(&site);
    buf_fini(&out);
    assert_int_equal(mem_live_blocks(), 0);
}

static struct synth_answer
ask(const char *host, const char *path, const char *headers)
{
    char text[1024];
    struct synth_request request;
    struct synth_answer answer;

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, host, headers);
    assert_int_equal(synth_read_request(slice_str(text), &request), 1);
    assert_int_equal(request.head_bytes, strlen(text));
    buf_clear(&out);
    assert_int_equal(synth_answer(&site, &request, &out, &answer), 0);
    return answer;
}

static struct slice
body(void)
{
    const char *end_of_head = memmem(out.p, out.n, "\r\n\r\n", 4);

    assert_non_null(end_of_head);
    return slice_of(end_of_head + 4, out.n - (size_t)(end_of_head + 4 - out.p));
}

/* ---- the web ---- */

struct visit {
    struct map seen;
    unsigned n, by_status[600];
    unsigned n_private, n_orphans, n_unfollowed;
};

static int
on_url(void *arg, struct synth_url url, unsigned status)
{
    struct visit *v = arg;
    struct buf text;
    struct synth_url back;
    uint32_t host = 0;
    const char *slash;

    buf_init(&text, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(synth_print_url(&web, url, &text), 0);
    assert_true(slice_starts_with(buf_slice(&text), SLICE_LITERAL("http://h")));
    slash = strchr(text.p + 7, '/');
    assert_true(synth_find_host(&web, slice_of(text.p + 7, (size_t)(slash - text.p - 7)), &host));
    assert_true(synth_find_path(&web, host, slice_str(slash), &back));
    assert_int_equal(host, url.host);
    assert_memory_equal(&back, &url, sizeof url);
    buf_fini(&text);
    assert_null(map_get(&v->seen, synth_mix(&web, url, 999)));
    assert_int_equal(map_put(&v->seen, synth_mix(&web, url, 999), v), 0);
    assert_true(synth_may_fetch(url));
    v->n++;
    v->by_status[status]++;
    v->n_private += url.kind == SYNTH_PRIVATE;
    v->n_orphans += url.kind == SYNTH_ORPHAN;
    v->n_unfollowed += url.kind == SYNTH_UNFOLLOWED;
    return 0;
}

TEST(synth_list__names_each_url_once_and_all_of_every_tree)
{
    struct visit v = { .n = 0 };

    map_init(&v.seen, MEM_DEFAULT);
    assert_int_equal(synth_list(&web, on_url, &v), 0);
    /* 17 hosts: 3 without a rule (0, 8, 16: no robots.txt), 2 with an empty file (5, 13), 2 that allow one of four */
    assert_int_equal(v.n_private, (3 + 2) * SYNTH_N_PRIVATE + 2);
    assert_int_equal(v.n_orphans, 5 * SYNTH_N_ORPHANS - SYNTH_N_ORPHANS); /* hosts 1, 9 and 7, 15 */
    assert_int_equal(v.n_unfollowed, 0);
    assert_int_equal(v.by_status[0], 17);
    assert_int_equal(v.by_status[410], 17);
    assert_true(v.by_status[302] == 17 * (SYNTH_CHAIN_HOPS + 1 + 2 + 1));
    assert_true(v.by_status[404] > 0);
    /* pages, mirrors, flaky busy reset cut slow large, private, orphans, sitemaps */
    assert_int_equal(v.by_status[200], 17 * (40 + SYNTH_N_MIRRORS + 6) + (int)v.n_private + 4 * (SYNTH_N_ORPHANS + 3));
    map_fini(&v.seen);
    assert_int_equal(mem_live_blocks(), 0);
}

TEST(synth_find_path__knows_one_spelling_and_nothing_else)
{
    static const char *const unknown[] = { "", "/p/", "/p/0", "/p/01", "/p/40", "/p/9999999999", "/p/1/", "/p/-1", "/gone/", "/gon",
                                           "/orphan/1", "/sitemap.xml", "/robots-here.txt", "/mirror/5", "/?", "//" };
    struct synth_url url;
    uint32_t host;

    for (size_t i = 0; i < ORB_N_ELEMENTS(unknown); i++)
        if (synth_find_path(&web, 0, slice_str(unknown[i]), &url))
            fail_msg("found: %s", unknown[i]);
    assert_true(synth_find_path(&web, 1, slice_str("/orphan/1"), &url));
    assert_true(synth_find_path(&web, 6, slice_str("/robots-here.txt"), &url));
    assert_false(synth_find_host(&web, slice_str("h17.synth.test"), &host));
    assert_false(synth_find_host(&web, slice_str("h01.synth.test"), &host));
    assert_false(synth_find_host(&web, slice_str("h.synth.test"), &host));
    assert_false(synth_find_host(&web, slice_str("x1.synth.test"), &host));
    assert_false(synth_find_host(&web, slice_str("h1.synth.tes"), &host));
    assert_false(synth_find_host(&web, slice_str(""), &host));
    assert_true(synth_find_host(&web, slice_str("h16.synth.test:80"), &host));
    assert_int_equal(host, 16);
}

TEST(synth_body__is_the_same_each_time_and_another_with_another_seed)
{
    struct synth_web other = web;
    struct synth_url url = { 3, 5, SYNTH_PAGE };
    struct buf again;
    const char *type;

    begin();
    buf_init(&again, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(synth_body(&web, url, &out, &type), 0);
    assert_int_equal(synth_body(&web, url, &again, &type), 0);
    assert_true(slice_eq(buf_slice(&out), buf_slice(&again)));
    other.seed++;
    buf_clear(&again);
    assert_int_equal(synth_body(&other, url, &again, &type), 0);
    assert_false(slice_eq(buf_slice(&out), buf_slice(&again)));
    buf_fini(&again);
    end();
}

TEST(synth_body__mirrors_are_byte_identical)
{
    struct buf again;
    const char *type;

    begin();
    buf_init(&again, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(synth_body(&web, (struct synth_url){ 3, 1, SYNTH_MIRROR }, &out, &type), 0);
    assert_int_equal(synth_body(&web, (struct synth_url){ 3, 4, SYNTH_MIRROR }, &again, &type), 0);
    assert_true(slice_eq(buf_slice(&out), buf_slice(&again)));
    buf_fini(&again);
    end();
}

TEST(synth_body__comes_in_four_charsets)
{
    bool has_utf16 = false, has_1252 = false, has_meta = false, has_utf8 = false;

    begin();
    for (uint32_t n = 0; n < web.n_pages; n++) {
        const char *type;

        buf_clear(&out);
        assert_int_equal(synth_body(&web, (struct synth_url){ 2, n, SYNTH_PAGE }, &out, &type), 0);
        if (out.n > 2 && memcmp(out.p, "\xff\xfe<\0!\0", 6) == 0)
            has_utf16 = true;
        else if (strstr(type, "1252") != NULL)
            has_1252 = memmem(out.p, out.n, "caf\xe9", 4) != NULL;
        else if (strstr(type, "utf-8") != NULL)
            has_utf8 = memmem(out.p, out.n, "caf\xc3\xa9", 5) != NULL;
        else
            has_meta = strstr(out.p, "<meta charset=\"iso-8859-1\">") != NULL && memmem(out.p, out.n, "caf\xe9", 4) != NULL;
    }
    assert_true(has_utf16 && has_1252 && has_meta && has_utf8);
    end();
}

/* ---- over HTTP ---- */

TEST(synth_answer__serves_pages_redirects_and_errors)
{
    begin();
    assert_int_equal(ask("h3.synth.test", "/", "").status, 200);
    assert_int_equal(ask("h3.synth.test", "/p/5", "").status, 200);
    assert_int_equal(ask("h3.synth.test", "/old/5", "").status, 301);
    assert_non_null(strstr(out.p, "\r\nLocation: http://h3.synth.test:8080/p/5\r\n"));
    assert_int_equal(ask("h16.synth.test", "/elsewhere", "").status, 302);
    assert_non_null(strstr(out.p, "\r\nLocation: http://h0.synth.test:8080/p/13\r\n"));
    assert_int_equal(ask("h3.synth.test", "/missing/4", "").status, 404);
    assert_int_equal(ask("h3.synth.test", "/gone", "").status, 410);
    assert_int_equal(ask("h99.synth.test", "/", "").status, 404);
    assert_int_equal(ask("h6.synth.test", "/robots.txt", "").status, 301);
    assert_int_equal(ask("h0.synth.test", "/robots.txt", "").status, 404);
    assert_true(ask("h3.synth.test", "/slow", "").is_slow);
    assert_true(ask("h3.synth.test", "/", "Connection: close\r\n").is_last);
    end();
}

TEST(synth_answer__fails_the_first_time_and_then_no_more)
{
    begin();
    assert_int_equal(ask("h3.synth.test", "/flaky", "").status, 500);
    assert_int_equal(ask("h4.synth.test", "/flaky", "").status, 500);
    assert_int_equal(ask("h3.synth.test", "/flaky", "").status, 200);
    assert_int_equal(ask("h3.synth.test", "/busy", "").status, 503);
    assert_non_null(strstr(out.p, "Retry-After: 1\r\n"));
    assert_int_equal(ask("h3.synth.test", "/busy", "").status, 200);
    assert_true(ask("h3.synth.test", "/reset", "").is_reset);
    assert_false(ask("h3.synth.test", "/reset", "").is_reset);
    assert_true(ask("h3.synth.test", "/broken", "").is_reset);
    assert_true(ask("h3.synth.test", "/broken", "").is_reset);
    assert_true(ask("h3.synth.test", "/cut", "").is_last);
    assert_true(body().n < 600);
    assert_false(ask("h3.synth.test", "/cut", "").is_last);
    end();
}

TEST(synth_answer__packs_and_chunks_without_changing_the_page)
{
    unsigned n_gzip = 0, n_chunked = 0;
    struct buf plain;
    char path[32];
    const char *type;

    begin();
    buf_init(&plain, MEM_DEFAULT, BUF_NO_CEILING);
    for (uint32_t n = 1; n < web.n_pages; n++) {
        snprintf(path, sizeof path, "/p/%u", n);
        ask("h2.synth.test", path, "Accept-Encoding: gzip, br\r\n");
        buf_clear(&plain);
        assert_int_equal(synth_body(&web, (struct synth_url){ 2, n, SYNTH_PAGE }, &plain, &type), 0);
        n_chunked += strstr(out.p, "Transfer-Encoding: chunked") != NULL;
        if (strstr(out.p, "Content-Encoding: gzip") != NULL && strstr(out.p, "chunked") == NULL) {
            static char unpacked[100000];
            size_t n_unpacked = 0;
            struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();

            assert_int_equal(libdeflate_gzip_decompress(d, body().p, body().n, unpacked, sizeof unpacked, &n_unpacked), 0);
            assert_true(slice_eq(slice_of(unpacked, n_unpacked), buf_slice(&plain)));
            libdeflate_free_decompressor(d);
            n_gzip++;
        } else if (strstr(out.p, "Content-Length") != NULL && strstr(out.p, "gzip") == NULL)
            assert_true(slice_eq(body(), buf_slice(&plain)));
    }
    assert_true(n_gzip > 0 && n_chunked > 0);
    buf_fini(&plain);
    end();
}

TEST(synth_answer__answers_304_when_the_tag_is_known)
{
    char header[128];
    const char *tag;

    begin();
    ask("h3.synth.test", "/p/5", "");
    tag = strstr(out.p, "ETag: ");
    assert_non_null(tag);
    snprintf(header, sizeof header, "If-None-Match: %.*s\r\n", (int)strcspn(tag + 6, "\r"), tag + 6);
    assert_int_equal(ask("h3.synth.test", "/p/5", header).status, 304);
    assert_int_equal(ask("h3.synth.test", "/p/6", header).status, 200);
    end();
}

TEST(synth_read_request__waits_refuses_and_reads_absolute_forms)
{
    struct synth_request r;

    assert_int_equal(synth_read_request(slice_str("GET / HTTP/1.1\r\nHost: x\r\n"), &r), 0);
    assert_int_equal(synth_read_request(slice_str("GET /\r\n\r\n"), &r), ORB_EPROTO);
    assert_int_equal(synth_read_request(slice_str("\r\n\r\n"), &r), ORB_EPROTO);
    assert_int_equal(synth_read_request(slice_str("GET / SPDY/3\r\n\r\n"), &r), ORB_EPROTO);
    assert_int_equal(synth_read_request(slice_str("GET http://h1.synth.test/p/2 HTTP/1.1\r\n\r\nGET"), &r), 1);
    assert_slice_str(r.host, "h1.synth.test");
    assert_slice_str(r.path, "/p/2");
    assert_int_equal(synth_read_request(slice_str("GET http://h1.synth.test HTTP/1.0\r\nNo colon\r\n\r\n"), &r), 1);
    assert_slice_str(r.path, "/");
    assert_true(r.is_http10);
}

TESTS(T(synth_list__names_each_url_once_and_all_of_every_tree), T(synth_find_path__knows_one_spelling_and_nothing_else),
      T(synth_body__is_the_same_each_time_and_another_with_another_seed), T(synth_body__mirrors_are_byte_identical),
      T(synth_body__comes_in_four_charsets), T(synth_answer__serves_pages_redirects_and_errors),
      T(synth_answer__fails_the_first_time_and_then_no_more), T(synth_answer__packs_and_chunks_without_changing_the_page),
      T(synth_answer__answers_304_when_the_tag_is_known), T(synth_read_request__waits_refuses_and_reads_absolute_forms))
