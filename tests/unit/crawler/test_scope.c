#include <limits.h>

#include "crawler/scope.h"
#include "tests/support/support.h"

static struct scope *
scope_with(const struct scope_conf *conf, const char *seed)
{
    struct scope *s;
    struct url u;

    url_init(&u, MEM_PAGE);
    assert_int_equal(scope_new(&s, conf, NULL), 0);
    if (seed != NULL) {
        assert_int_equal(url_parse(&u, slice_str(seed), NULL), 0);
        assert_int_equal(scope_add_seed(s, &u), 0);
    }
    url_fini(&u);
    return s;
}

static void
assert_judged(struct scope *s, const char *href, unsigned depth, enum outcome expected)
{
    struct url u;
    enum outcome o;

    url_init(&u, MEM_PAGE);
    assert_int_equal(url_parse(&u, slice_str(href), NULL), 0);
    o = scope_judge(s, &u, depth);
    if (o != expected)
        fail_msg("%s: %s, not %s", href, outcome_name(o), outcome_name(expected));
    url_fini(&u);
}

TEST(scope__host_is_name_and_port)
{
    struct scope_conf conf = { .kind = SCOPE_HOST, .max_depth = UINT_MAX };
    struct scope *s = scope_with(&conf, "http://example.com/a/b");

    assert_judged(s, "http://example.com/", 0, OUTCOME_OK);
    assert_judged(s, "https://example.com/x", 999, OUTCOME_OK);
    assert_judged(s, "http://example.com./x", 0, OUTCOME_OK);
    assert_judged(s, "http://example.com:8080/", 0, OUTCOME_OUT_OF_SCOPE);
    assert_judged(s, "http://www.example.com/", 0, OUTCOME_OUT_OF_SCOPE);
    assert_judged(s, "http://example.org/", 0, OUTCOME_OUT_OF_SCOPE);
    assert_judged(s, "ftp://example.com/", 0, OUTCOME_SCHEME_BLOCKED);
    assert_judged(s, "mailto:a@example.com", 0, OUTCOME_SCHEME_BLOCKED);
    scope_free(&s);
    assert_null(s);
}

TEST(scope__domain_goes_by_the_public_suffix_list)
{
    struct scope_conf conf = { .kind = SCOPE_DOMAIN, .max_depth = UINT_MAX };
    struct scope *s = scope_with(&conf, "http://www.example.co.uk/");

    assert_judged(s, "https://a.b.example.co.uk:8443/", 0, OUTCOME_OK);
    assert_judged(s, "http://example.co.uk/", 0, OUTCOME_OK);
    assert_judged(s, "http://other.co.uk/", 0, OUTCOME_OUT_OF_SCOPE);
    scope_free(&s);
    s = scope_with(&conf, "http://127.0.0.1:8000/");
    assert_judged(s, "http://127.0.0.1/", 0, OUTCOME_OK);
    assert_judged(s, "http://1.0.0.1/", 0, OUTCOME_OUT_OF_SCOPE);
    scope_free(&s);
}

TEST(scope__registrable_domains)
{
    static const char *const pairs[][2] = {
        { "www.example.com", "example.com" },
        { "example.com", "example.com" },
        { "com", "com" },
        { "a.b.example.co.uk", "example.co.uk" },
        { "localhost", "localhost" },
        { "127.0.0.1", "127.0.0.1" },
        { "[::1]", "[::1]" },
        { "www.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn" },
        { "a.example.com.", "example.com" },
        { "", "" },
        { "host7.web.test", "web.test" },
    };

    for (size_t i = 0; i < ORB_N_ELEMENTS(pairs); i++)
        assert_slice_str(scope_registrable_domain(slice_str(pairs[i][0])), pairs[i][1]);
}

TEST(scope__prefix_is_below_the_last_slash_of_a_seed)
{
    struct scope_conf conf = { .kind = SCOPE_PREFIX, .max_depth = UINT_MAX };
    struct scope *s = scope_with(&conf, "http://example.com/docs/v1/index.html?x/y");

    assert_judged(s, "http://example.com/docs/v1/", 0, OUTCOME_OK);
    assert_judged(s, "http://example.com/docs/v1/a/b/c", 0, OUTCOME_OK);
    assert_judged(s, "http://example.com/docs/v1", 0, OUTCOME_OUT_OF_SCOPE);
    assert_judged(s, "http://example.com/docs/v10/", 0, OUTCOME_OUT_OF_SCOPE);
    assert_judged(s, "http://example.com/", 0, OUTCOME_OUT_OF_SCOPE);
    assert_judged(s, "http://example.com:81/docs/v1/", 0, OUTCOME_OUT_OF_SCOPE);
    scope_free(&s);
}

TEST(scope__any_is_everything_down_to_a_depth)
{
    struct scope_conf conf = { .kind = SCOPE_ANY, .max_depth = 2 };
    struct scope *s = scope_with(&conf, NULL);

    assert_judged(s, "http://anything.example/", 2, OUTCOME_OK);
    assert_judged(s, "http://anything.example/", 3, OUTCOME_TOO_DEEP);
    scope_free(&s);
}

TEST(scope__patterns_filter)
{
    const char *const includes[] = { "\\.html$", "/keep/", NULL };
    const char *const excludes[] = { "private", NULL };
    struct scope_conf conf = { .kind = SCOPE_ANY, .max_depth = UINT_MAX, .includes = includes, .excludes = excludes };
    struct scope *s = scope_with(&conf, NULL);

    assert_judged(s, "http://h/a.html", 0, OUTCOME_OK);
    assert_judged(s, "http://h/keep/x", 0, OUTCOME_OK);
    assert_judged(s, "http://h/x", 0, OUTCOME_FILTERED);
    assert_judged(s, "http://h/private/a.html", 0, OUTCOME_FILTERED);
    assert_int_equal(scope_n_pattern_overruns(s), 0);
    scope_free(&s);
}

TEST(scope__a_pattern_that_runs_away_excludes_and_is_counted)
{
    const char *const excludes[] = { "(a+)+$", NULL };
    struct scope_conf conf = { .kind = SCOPE_ANY, .max_depth = UINT_MAX, .excludes = excludes };
    struct scope *s = scope_with(&conf, NULL);

    assert_judged(s, "http://h/b", 0, OUTCOME_OK);
    assert_judged(s, "http://h/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 0, OUTCOME_FILTERED);
    assert_int_equal(scope_n_pattern_overruns(s), 1);
    scope_free(&s);
}

TEST(scope__a_bad_pattern_is_named)
{
    const char *const excludes[] = { "fine", "a(b", NULL };
    struct scope_conf conf = { .kind = SCOPE_ANY, .excludes = excludes };
    struct scope *s = NULL;
    struct buf error;

    buf_init(&error, MEM_DEFAULT, 1000);
    assert_int_equal(scope_new(&s, &conf, &error), ORB_EINVAL);
    assert_null(s);
    assert_slice_str(buf_slice(&error), "exclude \"a(b\": missing closing parenthesis, at character 4");
    buf_fini(&error);
}

TEST(scope__knows_traps)
{
    struct scope_conf conf = { .kind = SCOPE_ANY,
                               .max_depth = UINT_MAX,
                               .max_url_bytes = 60,
                               .max_path_depth = 8,
                               .max_repeated_segments = 3,
                               .max_parameters = 2 };
    struct scope *s = scope_with(&conf, NULL);

    assert_judged(s, "http://h/123456789012345678901234567890123456789012345678901", 0, OUTCOME_OK);
    assert_judged(s, "http://h/1234567890123456789012345678901234567890123456789012", 0, OUTCOME_URL_TOO_LONG);
    assert_judged(s, "http://h/1/2/3/4/5/6/7/8", 0, OUTCOME_OK);
    assert_judged(s, "http://h/1/2/3/4/5/6/7/8/9", 0, OUTCOME_PATH_TOO_DEEP);
    assert_judged(s, "http://h/a/b/a/c/a", 0, OUTCOME_OK);
    assert_judged(s, "http://h/a/b/a/c/a/d/a", 0, OUTCOME_REPEATED_SEGMENTS);
    assert_judged(s, "http://h//////", 0, OUTCOME_OK);
    assert_judged(s, "http://h/?a=1&b=2", 0, OUTCOME_OK);
    assert_judged(s, "http://h/?a=1&b=2&c=3", 0, OUTCOME_TOO_MANY_PARAMETERS);
    scope_free(&s);
}

TEST(scope__host_patterns)
{
    assert_true(scope_host_matches(slice_str("example.org"), slice_str("example.org"), 80));
    assert_true(scope_host_matches(slice_str("Example.ORG"), slice_str("example.org."), 443));
    assert_false(scope_host_matches(slice_str("example.org"), slice_str("www.example.org"), 80));
    assert_true(scope_host_matches(slice_str("*.example.org"), slice_str("a.b.example.org"), 80));
    assert_false(scope_host_matches(slice_str("*.example.org"), slice_str("example.org"), 80));
    assert_false(scope_host_matches(slice_str("*.example.org"), slice_str("badexample.org"), 80));
    assert_true(scope_host_matches(slice_str("example.org:8080"), slice_str("example.org"), 8080));
    assert_false(scope_host_matches(slice_str("example.org:8080"), slice_str("example.org"), 80));
    assert_true(scope_host_matches(slice_str("*:8080"), slice_str("anything"), 8080));
    assert_true(scope_host_matches(slice_str("[::1]"), slice_str("[::1]"), 80));
    assert_true(scope_host_matches(slice_str("[::1]:81"), slice_str("[::1]"), 81));
    assert_false(scope_host_matches(slice_str("[::1]:81"), slice_str("[::1]"), 80));
    assert_false(scope_host_matches(slice_str(""), slice_str("h"), 80));
}

TEST(scope__survives_every_failed_allocation)
{
    const char *const includes[] = { "a.*b", "c", NULL };
    struct scope_conf conf = { .kind = SCOPE_PREFIX, .max_depth = UINT_MAX, .includes = includes };
    size_t before = mem_live_blocks();
    struct url u;

    url_init(&u, MEM_PAGE);
    assert_int_equal(url_parse(&u, SLICE_LITERAL("http://h/a/b"), NULL), 0);
    FAULT_SWEEP(nth)
    {
        struct scope *s = NULL;
        int err = scope_new(&s, &conf, NULL);

        assert_true(err == 0 || err == ORB_ENOMEM);
        if (err == 0) {
            err = scope_add_seed(s, &u);
            assert_true(err == 0 || err == ORB_ENOMEM);
            assert_int_equal(scope_judge(s, &u, 0), err == 0 ? OUTCOME_OK : OUTCOME_OUT_OF_SCOPE);
        }
        scope_free(&s);
    }
    mem_fail_nth(0, false, false);
    url_fini(&u);
    assert_int_equal(mem_live_blocks(), before);
}

TESTS(T(scope__host_is_name_and_port), T(scope__domain_goes_by_the_public_suffix_list), T(scope__registrable_domains),
      T(scope__prefix_is_below_the_last_slash_of_a_seed), T(scope__any_is_everything_down_to_a_depth),
      T(scope__patterns_filter), T(scope__a_pattern_that_runs_away_excludes_and_is_counted),
      T(scope__a_bad_pattern_is_named), T(scope__knows_traps), T(scope__host_patterns),
      T(scope__survives_every_failed_allocation))
