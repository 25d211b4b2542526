/* test_cache.c - a body seen before is not parsed again, and nobody can tell by the result */
#include "crawler/cache.h"
#include "crawler/html.h"
#include "gc/collect.h"
#include "gc/roots.h"
#include "gc/weak.h"
#include "tests/support/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t secret[CACHE_SECRET_BYTES] = { 7, 1, 9, 200, 3 };

struct page_of {
    struct url url;
    struct parse_input in;
};

static void
make(struct page_of *p, const char *url, const char *type, struct slice body)
{
    url_init(&p->url, MEM_PAGE);
    assert_int_equal(url_parse(&p->url, slice_str(url), NULL), 0);
    p->in = (struct parse_input){ .url = &p->url, .content_type = slice_str(type), .body = body,
                                  .user_agent = SLICE_LITERAL("orbweaver"), .want_assets = true };
}

static void
assert_same_slice(struct slice a, struct slice b)
{
    assert_int_equal(a.n, b.n);
    assert_true(a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void
assert_same(const struct parsed *a, const struct parsed *b)
{
    assert_same_slice(a->title, b->title);
    assert_same_slice(a->description, b->description);
    assert_same_slice(a->language, b->language);
    assert_true(a->charset == b->charset || strcmp(a->charset, b->charset) == 0);
    assert_int_equal(a->policy, b->policy);
    assert_true(a->simhash == b->simhash);
    assert_int_equal(a->links_cut, b->links_cut);
    assert_int_equal(a->n_links, b->n_links);
    for (size_t i = 0; i < a->n_links; i++) {
        assert_same_slice(a->links[i].url, b->links[i].url);
        assert_same_slice(a->links[i].rel, b->links[i].rel);
        assert_int_equal(a->links[i].kind, b->links[i].kind);
        assert_int_equal(a->links[i].flags, b->links[i].flags);
    }
}

/* Kept under one URL, replayed under others and with other headers: each time what parsing would have given. */
static void
check_replays(const char *type, struct slice body)
{
    static const char *const urls[] = { "http://a.example/x/y", "https://b.example:8443/", "http://a.example/deep/er/path/?q=1",
                                        "http://mirror.test/x/y#part", "http://a.example/b/" };
    struct parsed fresh, again;
    struct parsed_page *kept = NULL;
    struct page_of p;

    parsed_init(&fresh);
    parsed_init(&again);
    make(&p, urls[0], type, body);
    assert_int_equal(parse_page_keep(&fresh, &p.in, &kept), 0);
    assert_int_equal(parse_page(&again, &p.in), 0);
    assert_same(&fresh, &again);
    url_fini(&p.url);
    for (size_t i = 0; kept != NULL && i < ORB_N_ELEMENTS(urls); i++) {
        make(&p, urls[i], type, body);
        if (i % 2 == 1) {
            p.in.x_robots_tag = SLICE_LITERAL("nofollow, noindex");
            p.in.content_language = SLICE_LITERAL("fr, en");
            p.in.link_header = SLICE_LITERAL("</next>; rel=next, <http://other.test/>; rel=\"canonical nofollow\"");
        }
        assert_int_equal(parse_page(&fresh, &p.in), 0);
        p.in.body = SLICE_NONE; /* it must not be looked at */
        assert_int_equal(parse_again(&again, &p.in, kept), 0);
        assert_same(&fresh, &again);
        url_fini(&p.url);
    }
    parsed_page_unref(&kept);
    parsed_fini(&fresh);
    parsed_fini(&again);
}

TEST(parse_again__gives_what_parsing_gives_for_any_url)
{
    static const char *const bodies[] = {
        "<title> A  title </title><a href=b>1</a><a href=/c rel=nofollow>2</a><a href=/c>3</a><a href='//h.test/d'>4</a>",
        "<html lang=de><base href=/b/><a href=x>1</a><a href=../y>2</a><img src=z.png srcset='p 1x, q 2x'>",
        "<a href=x>before</a><base href='http://else.test/d/'><a href=x>after</a><base href=/ignored/>",
        "<base href='http://a.example/x/y'><a href=z>same as the page's own URL, for one of them</a>",
        "<base><base href='mailto:x'><a href=z>no base</a>",
        "<meta name=robots content=nofollow><meta name=description content='d  e'><a href=1>1</a>",
        "<meta http-equiv=refresh content='5; url=/r'><meta http-equiv=content-language content=nl><p>words of the text</p>",
        /* three forms of one URL under a.example; three URLs under the others */
        "<img src='http://a.example/x/i'><a rel=nofollow href=i>1</a><a href='/x/i'>2</a><img src=i><a href=i rel=next>3</a>",
        "<link rel=canonical href=/c><link rel='stylesheet' href=s.css><form action=f></form><a href='javascript:x'>no</a>",
        "<meta charset=windows-1251><a href='?q=\xcf\xf0'>encoded in the page's charset</a>",
        "",
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(bodies); i++) {
        check_replays("text/html", slice_str(bodies[i]));
        check_replays("text/html; charset=iso-8859-2", slice_str(bodies[i]));
    }
}

/* Documents made of pieces that matter to links, in any order. */
TEST(parse_again__gives_what_parsing_gives_for_any_document)
{
    static const char *const pieces[] = {
        "<a href=a>x</a>", "<a href=/a rel=nofollow>x</a>", "<a href='http://a.example/x/a'>x</a>", "<img src=a>",
        "<area href=a rel='UGC  next'>", "<base href=/b/>", "<base href='http://c.test'>", "<a href='  a\n'>x</a>", "<a href>x</a>",
        "<link rel='alternate stylesheet' href=a>", "<iframe src=a></iframe>", "<a href='data:x'>x</a>", "<a href='#a'>x</a>",
        "<a href='?a'>x</a>", "<meta http-equiv=refresh content='0;a'>", "<title>t</title>", "<script src=a></script>",
        "<a href='mailto:a@b'>x</a>", "<a href='//a.example/x/a'>x</a>", "<a href='http://[bad'>x</a>",
    };
    uint64_t seed = 20261125, x = seed;

    for (int round = 0; round < 400; round++) {
        struct buf body;

        buf_init(&body, MEM_PAGE, BUF_NO_CEILING);
        for (int n = 0; n < 12; n++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            assert_int_equal(buf_append_str(&body, pieces[x % ORB_N_ELEMENTS(pieces)]), 0);
        }
        check_replays("text/html", buf_slice(&body));
        buf_fini(&body);
    }
}

TEST(parse_again__gives_what_parsing_gives_for_the_corpus)
{
    char dir[600], path[1000];
    struct dirent *entry;
    struct buf body;
    unsigned n = 0;
    DIR *d;

    snprintf(dir, sizeof dir, "%s/tests/fuzz/corpus/html", ORB_SOURCE_DIR);
    d = opendir(dir);
    assert_non_null(d);
    buf_init(&body, MEM_PAGE, BUF_NO_CEILING);
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        read_file(&body, path);
        check_replays("text/html", buf_slice(&body));
        n++;
    }
    closedir(d);
    buf_fini(&body);
    assert_true(n > 5);
}

/* ---- the cache -------------------------------------------------------------------------------------------------------- */

static void
ask(struct cache *c, const char *url, const char *type, const char *body, struct cache_stats *stats)
{
    struct parsed_page *used;
    struct parsed out, want;
    struct page_of p;

    parsed_init(&out);
    parsed_init(&want);
    make(&p, url, type, slice_str(body));
    assert_int_equal(cache_parse(c, &out, &p.in, &used), 0);
    assert_int_equal(parse_page(&want, &p.in), 0);
    assert_same(&out, &want);
    parsed_page_unref(&used);
    url_fini(&p.url);
    parsed_fini(&out);
    parsed_fini(&want);
    cache_stats(c, stats);
}

TEST(cache__a_mirror_hits_and_another_type_or_body_does_not)
{
    static const char body[] = "<title>t</title><a href=x>x</a>";
    struct cache_stats s;
    struct cache *c;

    assert_int_equal(cache_new(&c, 1 << 20, secret), 0);
    ask(c, "http://a.test/1/", "text/html", body, &s);
    assert_true(s.n_hits == 0 && s.n_misses == 1 && s.n_kept == 1);
    ask(c, "http://b.test/2/", "text/html", body, &s);
    assert_true(s.n_hits == 1 && s.n_misses == 1 && s.n_kept == 1 && s.saved_bytes == strlen(body));
    ask(c, "http://b.test/2/", "text/html; charset=utf-8", body, &s);
    assert_true(s.n_hits == 1 && s.n_misses == 2);
    ask(c, "http://a.test/1/", "text/html", "<title>t</title><a href=y>x</a>", &s);
    assert_true(s.n_hits == 1 && s.n_misses == 3 && s.n_kept == 3);
    ask(c, "http://a.test/1/", "image/png", "\x89PNG", &s); /* nothing to keep */
    assert_true(s.n_hits == 1 && s.n_misses == 3 && s.n_kept == 3);
    cache_free(&c);
}

TEST(cache__what_is_not_modified_is_found_by_its_url_and_stays)
{
    struct parsed_page *p;
    struct cache_stats s;
    struct cache *c;

    assert_int_equal(cache_new(&c, 1 << 20, secret), 0);
    ask(c, "http://a.test/1", "text/html", "<title>one</title>", &s);
    ask(c, "http://a.test/2", "text/html", "<title>two</title>", &s);
    p = cache_find_url(c, SLICE_LITERAL("http://a.test/1"));
    assert_non_null(p);
    assert_slice_str(p->title, "one");
    parsed_page_unref(&p);
    assert_null(cache_find_url(c, SLICE_LITERAL("http://a.test/3")));
    cache_stats(c, &s);
    assert_int_equal(s.n_url_hits, 1);
    cache_free(&c);
}

TEST(cache__the_least_recently_used_goes_when_the_limit_is_reached)
{
    struct cache_stats s;
    struct cache *c;
    char url[64], body[128];

    assert_int_equal(cache_new(&c, 8192, secret), 0);
    for (int i = 0; i < 200; i++) {
        snprintf(url, sizeof url, "http://a.test/%d", i);
        snprintf(body, sizeof body, "<title>%d</title><a href=/>x</a>", i);
        ask(c, url, "text/html", body, &s);
        assert_true(s.kept_bytes <= 8192);
        ask(c, "http://a.test/", "text/html", "<title>often</title>", &s);
    }
    assert_int_equal(s.n_hits, 199); /* "often" was never let go */
    assert_true(s.n_kept > 5 && s.n_kept < 100 && s.n_kept + s.n_evicted == 201);
    assert_int_equal(s.n_known, s.n_kept); /* nobody else holds one */
    cache_shrink(c, 0);
    cache_stats(c, &s);
    assert_true(s.n_kept == 0 && s.kept_bytes == 0 && s.n_known == 0);
    cache_free(&c);
}

TEST(cache__what_somebody_still_holds_is_found_after_it_was_let_go)
{
    struct parsed_page *held, *found;
    struct cache_key key;
    struct cache_stats s;
    struct page_of p;
    struct parsed out;
    struct cache *c;

    assert_int_equal(cache_new(&c, 1 << 20, secret), 0);
    parsed_init(&out);
    make(&p, "http://a.test/", "text/html", SLICE_LITERAL("<title>held</title>"));
    assert_int_equal(cache_parse(c, &out, &p.in, &held), 0);
    assert_non_null(held);
    cache_shrink(c, 0);
    cache_stats(c, &s);
    assert_true(s.n_kept == 0 && s.n_known == 1);
    cache_key_of(c, &p.in, &key);
    found = cache_find(c, &key);
    assert_ptr_equal(found, held); /* and is kept again */
    parsed_page_unref(&found);
    parsed_page_unref(&held);
    cache_stats(c, &s);
    assert_true(s.n_kept == 1 && s.n_known == 1);
    url_fini(&p.url);
    parsed_fini(&out);
    cache_free(&c);
}

TEST(cache__a_page_too_large_for_the_limit_is_parsed_each_time)
{
    struct cache_stats s;
    struct cache *c;
    struct buf body;

    assert_int_equal(cache_new(&c, 4096, secret), 0);
    buf_init(&body, MEM_PAGE, BUF_NO_CEILING);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_printf(&body, "<a href=/%d-a-long-way-to-go>x</a>", i), 0);
    for (int i = 0; i < 2; i++)
        ask(c, "http://a.test/", "text/html", body.p, &s);
    assert_true(s.n_hits == 0 && s.n_misses == 2 && s.n_refused == 2 && s.n_kept == 0);
    buf_fini(&body);
    cache_free(&c);
}

TEST(cache__without_a_limit_it_is_off)
{
    struct cache_stats s;
    struct cache *c;

    assert_int_equal(cache_new(&c, 0, secret), 0);
    assert_false(cache_is_on(c));
    for (int i = 0; i < 2; i++)
        ask(c, "http://a.test/", "text/html", "<title>t</title>", &s);
    assert_true(s.n_hits == 0 && s.n_misses == 0);
    cache_free(&c);
    cache_stats(NULL, &s);
    assert_int_equal(s.n_hits, 0);
}

/* ---- the Links of a page ---------------------------------------------------------------------------------------------- */

static uint64_t
n_live_links(void)
{
    struct object_type_stats all[16];
    unsigned n = object_census(all, 16);

    return link_type.id == 0 || link_type.id > n ? 0 : all[link_type.id - 1].n_live;
}

static struct parsed_page *
kept_of(struct slice body)
{
    struct parsed_page *kept = NULL;
    struct parsed out;
    struct page_of p;

    parsed_init(&out);
    make(&p, "http://a.test/x/", "text/html", body);
    assert_int_equal(parse_page_keep(&out, &p.in, &kept), 0);
    url_fini(&p.url);
    parsed_fini(&out);
    return kept;
}

TEST(link__each_mention_of_a_kept_page_is_one)
{
    struct parsed_page *p = kept_of(SLICE_LITERAL("<a href=b rel='next  nofollow'>1</a><img src=/i.png><a href=c>2</a><a href=c>again</a>"));
    struct gc_unexplained found[1];
    char text[100];

    assert_int_equal(p->n_links, 3);
    assert_int_equal(n_live_links(), 3);
    assert_slice_str(page_link_href((struct page_link *)(void *)p->links[0]), "b");
    assert_slice_str(page_link_rel((struct page_link *)(void *)p->links[0]), "next  nofollow");
    assert_slice_str(page_link_href((struct page_link *)(void *)p->links[2]), "c");
    link_type.describe(p->links[0], text, sizeof text);
    assert_string_equal(text, "<a> b nofollow");
    link_type.describe(p->links[1], text, sizeof text);
    assert_string_equal(text, "<image> /i.png");
    assert_int_equal(gc_unexplained(found, 1), 1); /* the page, which we hold, and none of its links */
    assert_ptr_equal(found[0].object, p);
    gc_check();
    parsed_page_unref(&p);
    assert_int_equal(n_live_links(), 0);
}

TEST(link__one_that_outlives_its_page_says_nothing)
{
    struct parsed_page *p = kept_of(SLICE_LITERAL("<a href=b rel=next>1</a><a href=c>2</a>"));
    struct object *held = object_ref(p->links[1]);
    const struct page_link *l = (const struct page_link *)(void *)held;
    char text[100];

    parsed_page_unref(&p);
    assert_int_equal(n_live_links(), 1);
    assert_int_equal(page_link_href(l).n, 0);
    assert_int_equal(page_link_rel(l).n, 0);
    link_type.describe(held, text, sizeof text);
    assert_string_equal(text, "<a> of a page that is gone");
    gc_check();
    object_unref(&held);
    assert_int_equal(n_live_links(), 0);
}

static void
many_links(struct buf *body, unsigned n)
{
    buf_init(body, MEM_PAGE, BUF_NO_CEILING);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(buf_printf(body, "<a href=%u>x</a>", i), 0);
}

TEST(link__a_page_of_as_many_as_there_may_be_is_kept_and_one_of_more_is_not)
{
    size_t objects, live_bytes;
    struct parsed_page *p;
    struct mem_stats stats;
    struct buf body;

    p = kept_of(SLICE_LITERAL("<a href=x>x</a>"));
    parsed_page_unref(&p);
    mem_stats(MEM_OBJ, &stats);
    objects = stats.live_bytes;
    many_links(&body, PARSED_PAGE_MAX_LINKS);
    p = kept_of(buf_slice(&body));
    buf_fini(&body);
    assert_non_null(p);
    assert_int_equal(n_live_links(), PARSED_PAGE_MAX_LINKS);
    mem_stats(MEM_OBJ, &stats);
    live_bytes = stats.live_bytes - objects + mem_usable_bytes(p->block);
    assert_int_equal(parsed_page_bytes(p), live_bytes); /* what the cache counts is what it costs */
    gc_check();
    parsed_page_unref(&p);
    mem_stats(MEM_OBJ, &stats);
    assert_int_equal(stats.live_bytes, objects);
    many_links(&body, PARSED_PAGE_MAX_LINKS + 1);
    assert_null(kept_of(buf_slice(&body)));
    buf_fini(&body);
    assert_int_equal(n_live_links(), 0);
}

TEST(link__at_any_failed_allocation_the_page_is_not_kept_and_none_is_left)
{
    struct buf body;
    size_t before;

    many_links(&body, 2500); /* of two slabs */
    {
        struct parsed_page *p = kept_of(buf_slice(&body));
        parsed_page_unref(&p);
    }
    parse_fini();
    before = mem_live_blocks();
    FAULT_SWEEP(nth)
    {
        struct parsed_page *kept = NULL;
        struct parsed out;
        struct page_of p;
        int err;

        mem_fail_nth(0, false, false);
        parsed_init(&out);
        make(&p, "http://a.test/x/", "text/html", buf_slice(&body));
        mem_fail_nth(nth, false, false);
        err = parse_page_keep(&out, &p.in, &kept);
        assert_true(err == 0 || err == ORB_ENOMEM);
        assert_true(err == 0 || kept == NULL);
        assert_int_equal(n_live_links(), kept == NULL ? 0 : 2500);
        assert_true(err != 0 || out.n_links == 2500);
        parsed_page_unref(&kept);
        parsed_fini(&out);
        url_fini(&p.url);
        parse_fini();
        assert_int_equal(n_live_links(), 0);
        assert_true(mem_live_blocks() <= before);
    }
    mem_fail_nth(0, false, false);
    buf_fini(&body);
    gc_check();
}

TEST(cache__knows_how_many_links_its_pages_have)
{
    struct parsed_page *held;
    struct cache_stats s;
    struct cache *c;

    assert_int_equal(cache_new(&c, 1 << 20, secret), 0);
    ask(c, "http://a.test/1", "text/html", "<a href=1>1</a><a href=2>2</a>", &s);
    ask(c, "http://a.test/2", "text/html", "<a href=1>1</a>", &s);
    assert_int_equal(cache_count_links(c), 3);
    held = cache_find_url(c, SLICE_LITERAL("http://a.test/1"));
    cache_shrink(c, 0);
    assert_int_equal(cache_count_links(c), 2); /* of the one that we hold */
    assert_int_equal(n_live_links(), 2);
    parsed_page_unref(&held);
    assert_int_equal(cache_count_links(c), 0);
    assert_int_equal(n_live_links(), 0);
    assert_int_equal(cache_count_links(NULL), 0);
    cache_free(&c);
}

static void
count(void *arg, const struct gc_root *root, struct object **reference)
{
    assert_string_equal(root->name, "cache.kept");
    (*(unsigned *)arg)++;
}

TEST(cache__its_references_are_a_root)
{
    struct gc_unexplained found[4];
    struct cache_stats s;
    struct cache *c;
    unsigned n = 0;

    assert_int_equal(cache_new(&c, 1 << 20, secret), 0);
    ask(c, "http://a.test/1", "text/html", "<title>one</title>", &s);
    ask(c, "http://a.test/2", "text/html", "<title>two</title>", &s);
    gc_roots_each(count, &n);
    assert_int_equal(n, 2);
    assert_int_equal(gc_unexplained(found, 4), 0);
    cache_free(&c);
    n = 0;
    gc_roots_each(count, &n);
    assert_int_equal(n, 0);
}

TEST(cache__survives_any_failed_allocation)
{
    struct cache_stats s;
    struct cache *c = NULL;
    size_t before;

    assert_int_equal(cache_new(&c, 1 << 20, secret), 0); /* what is kept for good is there */
    ask(c, "http://a.test/", "text/html", "<title>t</title><a href=x>x</a>", &s);
    cache_free(&c);
    before = mem_live_blocks();
    FAULT_SWEEP(nth)
    {
        struct parsed_page *used = NULL;
        struct parsed out;
        struct page_of p;
        int err;

        mem_fail_nth(0, false, false);
        parsed_init(&out);
        make(&p, "http://a.test/", "text/html", SLICE_LITERAL("<title>t</title><a href=x>x</a><base href=/b/>"));
        mem_fail_nth(nth, false, false);
        err = cache_new(&c, 1 << 20, secret);
        assert_true((c == NULL) == (err != 0));
        for (int i = 0; err == 0 && i < 2; i++) {
            err = cache_parse(c, &out, &p.in, &used);
            assert_true(err == 0 || err == ORB_ENOMEM);
            if (err == 0) {
                assert_int_equal(out.n_links, 1);
                assert_same_slice(out.links[0].url, SLICE_LITERAL("http://a.test/b/x")); /* also when the base could not be kept */
            }
            parsed_page_unref(&used);
        }
        cache_free(&c);
        parsed_fini(&out);
        url_fini(&p.url);
        parse_fini();
        assert_true(mem_live_blocks() <= before);
    }
}

TESTS(T(parse_again__gives_what_parsing_gives_for_any_url), T(parse_again__gives_what_parsing_gives_for_any_document),
      T(parse_again__gives_what_parsing_gives_for_the_corpus), T(cache__a_mirror_hits_and_another_type_or_body_does_not),
      T(cache__what_is_not_modified_is_found_by_its_url_and_stays), T(cache__the_least_recently_used_goes_when_the_limit_is_reached),
      T(cache__what_somebody_still_holds_is_found_after_it_was_let_go), T(cache__a_page_too_large_for_the_limit_is_parsed_each_time),
      T(cache__without_a_limit_it_is_off), T(link__each_mention_of_a_kept_page_is_one),
      T(link__one_that_outlives_its_page_says_nothing), T(link__a_page_of_as_many_as_there_may_be_is_kept_and_one_of_more_is_not),
      T(link__at_any_failed_allocation_the_page_is_not_kept_and_none_is_left), T(cache__knows_how_many_links_its_pages_have),
      T(cache__its_references_are_a_root), T(cache__survives_any_failed_allocation))
