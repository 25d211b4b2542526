#include "storage/linkblob.h"

#include "tests/support/support.h"

#include <stdio.h>

static struct record_link
link_of(const char *url, uint8_t kind, uint8_t flags, uint8_t not_followed)
{
    return (struct record_link){ slice_str(url), kind, flags, not_followed };
}

TEST(linkblob__reads_back_what_was_written)
{
    const struct record_link links[] = {
        link_of("https://example.org/", 0, 0, 0), link_of("https://example.org/a/b", 1, 0, 0),
        link_of("https://example.org/a/b", 2, 1, RECORD_LINK_NOFOLLOW), link_of("", 127, 255, 255),
        link_of("https://example.org/a/c?x=1", 21, 0, 7), link_of("h", 0, 0, 0),
    };
    struct linkblob_reader r;
    struct record_link got;
    struct buf blob;

    buf_init(&blob, MEM_BUF, 1 << 20);
    assert_int_equal(linkblob_append(&blob, links, ORB_N_ELEMENTS(links)), 0);
    linkblob_reader_init(&r, buf_slice(&blob));
    for (size_t i = 0; i < ORB_N_ELEMENTS(links); i++) {
        assert_int_equal(linkblob_next(&r, &got), 1);
        assert_true(slice_eq(got.url, links[i].url));
        assert_int_equal(got.kind, links[i].kind);
        assert_int_equal(got.flags, links[i].flags);
        assert_int_equal(got.not_followed, links[i].not_followed);
    }
    assert_int_equal(linkblob_next(&r, &got), 0);
    assert_int_equal(linkblob_next(&r, &got), 0);
    linkblob_reader_fini(&r);
    buf_fini(&blob);
}

TEST(linkblob__no_links_are_no_bytes)
{
    struct linkblob_reader r;
    struct record_link got;
    struct buf blob;

    buf_init(&blob, MEM_BUF, 1 << 20);
    assert_int_equal(linkblob_append(&blob, NULL, 0), 0);
    assert_int_equal(blob.n, 0);
    linkblob_reader_init(&r, SLICE_NONE);
    assert_int_equal(linkblob_next(&r, &got), 0);
    linkblob_reader_fini(&r);
    buf_fini(&blob);
}

TEST(linkblob__a_page_of_76_links_is_small)
{
    struct record_link links[76];
    char urls[76][80];
    struct buf blob;

    buf_init(&blob, MEM_BUF, 1 << 20);
    for (int i = 0; i < 76; i++)
        links[i] = link_of(urls[i], 0, 0, 0), snprintf(urls[i], 80, "https://www.example.org/section-%d/article-%08d.html?from=nav", i % 5, i * 77777),
        links[i].url = slice_str(urls[i]);
    assert_int_equal(linkblob_append(&blob, links, 76), 0);
    assert_in_range(blob.n, 76 * 10, 76 * 40);
    buf_fini(&blob);
}

TEST(linkblob__every_cut_of_a_blob_is_refused_or_shorter)
{
    const struct record_link links[] = { link_of("https://example.org/", 3, 1, 2), link_of("https://example.org/abc", 1, 0, 0) };
    struct buf blob;

    buf_init(&blob, MEM_BUF, 1 << 20);
    assert_int_equal(linkblob_append(&blob, links, 2), 0);
    for (size_t n = 0; n < blob.n; n++) {
        struct linkblob_reader r;
        struct record_link got;
        int n_links = 0, rc;

        linkblob_reader_init(&r, slice_of(blob.p, n));
        while ((rc = linkblob_next(&r, &got)) == 1)
            n_links++;
        assert_true(rc == 0 || rc == ORB_ECORRUPT);
        assert_true(n_links < 2);
        linkblob_reader_fini(&r);
    }
    buf_fini(&blob);
}

TEST(linkblob__too_long_a_url_leaves_the_buf_as_it_was)
{
    struct buf blob, url;
    struct record_link link = { .kind = 0 };

    buf_init(&blob, MEM_BUF, 1 << 20);
    buf_init(&url, MEM_BUF, 1 << 20);
    while (url.n <= LINKBLOB_URL_BYTES)
        assert_int_equal(buf_append_str(&url, "0123456789"), 0);
    link.url = buf_slice(&url);
    assert_int_equal(linkblob_append(&blob, &link, 1), ORB_ETOOBIG);
    assert_int_equal(blob.n, 0);
    buf_fini(&url);
    buf_fini(&blob);
}

TESTS(T(linkblob__reads_back_what_was_written), T(linkblob__no_links_are_no_bytes), T(linkblob__a_page_of_76_links_is_small),
      T(linkblob__every_cut_of_a_blob_is_refused_or_shorter), T(linkblob__too_long_a_url_leaves_the_buf_as_it_was))
