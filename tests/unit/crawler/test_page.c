#include "crawler/page.h"
#include "tests/support/support.h"

static struct page *
page_with(const char *head, const char *wire)
{
    struct page *p = page_new(64 * 1024, 1 << 20, 1 << 20);

    assert_non_null(p);
    assert_int_equal(buf_append_str(&p->head, head), 0);
    assert_int_equal(buf_append_str(&p->wire_body, wire), 0);
    return p;
}

TEST(page_read_head__finds_what_is_asked_for)
{
    struct page *p = page_with("HTTP/1.0 203 Maybe so\r\nCONTENT-TYPE:text/html; charset=utf-8 \r\nEtag: \"x\"\r\nLast-Modified: yesterday\r\n"
                               "Retry-After: 5\r\nLocation: /a\r\nLocation: /b\r\nLink: <a>\r\nX-Other: no\r\nlink:<b>; rel=next\r\n"
                               "Set-Cookie: a=1\r\nSet-Cookie: b=2, c\r\nContent-Length: 12\r\nno colon here\r\n\r\n", "");

    assert_int_equal(page_read_head(p), 0);
    assert_int_equal(p->status, 203);
    assert_int_equal(p->http_version, 10);
    assert_slice_str(p->content_type, "text/html; charset=utf-8");
    assert_slice_str(p->etag, "\"x\"");
    assert_slice_str(p->location, "/a");
    assert_slice_str(p->link, "<a>, <b>; rel=next");
    assert_slice_str(p->set_cookie, "a=1\nb=2, c");
    assert_slice_str(p->last_modified, "yesterday");
    assert_slice_str(p->retry_after, "5");
    assert_int_equal(p->content_length, 12);
    assert_int_equal(p->content_encoding.n, 0);
    page_unref(&p);
    assert_null(p);
    page_unref(&p);
}

TEST(page__says_what_it_is_of_and_its_status_once_there_is_one)
{
    struct page *p = page_with("HTTP/1.1 404 No\r\n\r\n", "");
    char text[200];

    assert_int_equal(buf_append_str(&p->request, "GET /a HTTP/1.1\r\nHost: h.test\r\n\r\n"), 0);
    page_type.describe(&p->object, text, sizeof text);
    assert_string_equal(text, "GET /a HTTP/1.1 of h.test");
    assert_int_equal(page_read_head(p), 0);
    page_type.describe(&p->object, text, sizeof text);
    assert_string_equal(text, "404 GET /a HTTP/1.1 of h.test");
    page_unref(&p);
}

TEST(page_read_head__unfolds_and_takes_bare_lf)
{
    struct page *p = page_with("HTTP/1.1 200\nContent-Type: text/\n html;\n\tcharset=x\n\n", "");

    assert_int_equal(page_read_head(p), 0);
    assert_int_equal(p->status, 200);
    assert_slice_str(p->content_type, "text/ html; charset=x");
    page_unref(&p);
}

TEST(page_read_head__refuses_what_is_no_head)
{
    static const char *const bad[] = {
        "", "\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 20\r\n\r\n", "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(bad); i++) {
        struct page *p = page_with(bad[i], "");
        assert_int_equal(page_read_head(p), ORB_EINVAL);
        page_unref(&p);
    }
}

TEST(page_read_head__a_thousand_lines_of_one_field_stay_within_the_arena)
{
    struct page *p = page_with("HTTP/1.1 200 OK\r\n", "");
    size_t n = 0;

    while (p->head.n + 64 < p->head.ceiling_bytes) {
        assert_int_equal(buf_append_str(&p->head, "Set-Cookie: a=b\r\nLink: <c>\r\n"), 0);
        n++;
    }
    assert_int_equal(buf_append_str(&p->head, "\r\n"), 0);
    assert_int_equal(page_read_head(p), 0);
    assert_int_equal(p->set_cookie.n, n * 4 - 1);
    assert_int_equal(p->link.n, n * 5 - 2);
    assert_true(p->arena.used_bytes < 4 * p->head.n);
    assert_int_equal(page_read_head(p), 0); /* again: the same, not twice */
    assert_int_equal(p->set_cookie.n, n * 4 - 1);
    page_unref(&p);
}

/* Any bytes give an answer: every cut and every damaged byte of a head. */
TEST(page_read_head__is_total)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: a\r\n b\r\nLink: x\r\nLink: y\r\nContent-Length: 5\r\n\r\n";

    for (size_t i = 0; i < sizeof head; i++)
        for (unsigned change = 0; change < 4; change++) {
            struct page *p = page_with("", "");
            assert_int_equal(buf_append(&p->head, head, change == 0 ? i : sizeof head - 1), 0);
            if (change > 0 && i < p->head.n)
                p->head.p[i] = "\0:\n"[change - 1];
            (void)!page_read_head(p);
            page_unref(&p);
        }
}

TEST(page_seal__takes_chunking_off_and_finds_the_trailers)
{
    struct page *p = page_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                               "5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n");

    assert_int_equal(page_read_head(p), 0);
    assert_true(p->is_chunked);
    p->outcome = OUTCOME_OK;
    page_seal(p, 1 << 20);
    assert_int_equal(p->outcome, OUTCOME_OK);
    assert_slice_str(p->body, "hello!");
    assert_slice_str(p->trailers, "X-A: 1\r\nX-B: 2\r\n");
    page_unref(&p);
}

TEST(page_seal__borrows_a_plain_body)
{
    struct page *p = page_with("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello");

    assert_int_equal(page_read_head(p), 0);
    p->outcome = OUTCOME_OK;
    page_seal(p, 1 << 20);
    assert_ptr_equal(p->body.p, p->wire_body.p);
    assert_slice_str(p->body, "hello");
    page_unref(&p);
}

TEST(page_seal__fails_only_what_was_fine)
{
    static const struct { enum outcome before, after; } rows[] = {
        { OUTCOME_OK, OUTCOME_UNSUPPORTED_ENCODING },
        { OUTCOME_REDIRECT, OUTCOME_REDIRECT },
        { OUTCOME_HTTP_STATUS, OUTCOME_HTTP_STATUS },
        { OUTCOME_RETRY_LATER, OUTCOME_RETRY_LATER },
        { OUTCOME_TRUNCATED, OUTCOME_TRUNCATED },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(rows); i++) {
        struct page *p = page_with("HTTP/1.1 200 OK\r\nContent-Encoding: odd\r\n\r\n", "hello");
        assert_int_equal(page_read_head(p), 0);
        p->outcome = rows[i].before;
        page_seal(p, 1 << 20);
        assert_int_equal(p->outcome, rows[i].after);
        assert_string_equal(p->error, "unknown Content-Encoding: odd");
        assert_int_equal(p->body.n, 0);
        assert_slice_str(p->payload, "hello");
        page_unref(&p);
    }
}

TEST(page_seal__takes_off_a_transfer_coding_that_nobody_asked_for)
{
    struct page *p = page_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity, chunked\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n");

    assert_int_equal(page_read_head(p), 0);
    p->outcome = OUTCOME_OK;
    page_seal(p, 1 << 20);
    assert_int_equal(p->outcome, OUTCOME_OK);
    assert_slice_str(p->body, "hello");
    page_unref(&p);
}

TEST(page_fail__keeps_the_sentence_printable)
{
    struct page *p = page_with("", "");

    page_fail(p, OUTCOME_RESET, "a\x1b[31m\n%s", "\x80");
    assert_string_equal(p->error, "a?[31m??");
    page_unref(&p);
}

TEST(page_new__survives_any_failed_allocation)
{
    size_t before = mem_live_blocks();

    FAULT_SWEEP(nth)
    {
        struct page *p = page_new(1024, 1024, 1024);
        page_unref(&p);
        assert_int_equal(mem_live_blocks(), before);
    }
}

TESTS(T(page__says_what_it_is_of_and_its_status_once_there_is_one), T(page_read_head__finds_what_is_asked_for),
      T(page_read_head__unfolds_and_takes_bare_lf),
      T(page_read_head__refuses_what_is_no_head), T(page_read_head__a_thousand_lines_of_one_field_stay_within_the_arena),
      T(page_read_head__is_total), T(page_seal__takes_chunking_off_and_finds_the_trailers), T(page_seal__borrows_a_plain_body),
      T(page_seal__fails_only_what_was_fine), T(page_seal__takes_off_a_transfer_coding_that_nobody_asked_for),
      T(page_fail__keeps_the_sentence_printable), T(page_new__survives_any_failed_allocation))
