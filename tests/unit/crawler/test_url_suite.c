/* The public suites of the shared conformance data: web-platform-tests and the normalisers of other crawlers. */
#include <jansson.h>
#include <stdio.h>

#include "crawler/urlkey.h"
#include "tests/support/support.h"

struct suite {
    struct buf text;
    unsigned n, n_failed;
};

static struct slice
member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return value == NULL ? SLICE_NONE : slice_of(json_string_value(value), json_string_length(value));
}

static int
parse_case(struct url *u, const json_t *request)
{
    struct slice base_text = member(request, "base");
    struct url base;
    int err = 0;

    url_init(&base, MEM_PAGE);
    if (base_text.p != NULL)
        err = url_parse(&base, base_text, NULL);
    if (err == 0)
        err = url_parse(u, member(request, "href"), &base);
    url_fini(&base);
    return err;
}

static bool
parses_as_expected(const json_t *request, const json_t *expect)
{
    struct slice expected = member(expect, "href");
    struct url u;
    bool fits;
    int err;

    url_init(&u, MEM_PAGE);
    err = parse_case(&u, request);
    fits = expected.p == NULL ? err == ORB_EINVAL : err == 0 && slice_eq(url_href(&u), expected);
    url_fini(&u);
    return fits;
}

static int
key_of(struct buf *key, struct slice href)
{
    struct url u;
    int err;

    url_init(&u, MEM_PAGE);
    err = url_parse(&u, href, NULL);
    if (err == 0)
        err = url_key(key, &u, NULL);
    url_fini(&u);
    return err;
}

static bool
has_expected_key(const json_t *request, const json_t *expect)
{
    struct slice same = member(expect, "same_key_as"), other = member(expect, "differs_from");
    struct buf key, wanted;
    bool fits;
    int err;

    buf_init(&key, MEM_PAGE, BUF_NO_CEILING);
    buf_init(&wanted, MEM_PAGE, BUF_NO_CEILING);
    err = key_of(&key, member(request, "href"));
    fits = (err != 0) == json_is_true(json_object_get(expect, "error"));
    if (err == 0 && same.p != NULL)
        fits = fits && key_of(&wanted, same) == 0 && slice_eq(buf_slice(&key), buf_slice(&wanted));
    if (err == 0 && other.p != NULL)
        fits = fits && key_of(&wanted, other) == 0 && !slice_eq(buf_slice(&key), buf_slice(&wanted));
    buf_fini(&key);
    buf_fini(&wanted);
    return fits;
}

/* Some requests carry half a surrogate pair, which jansson refuses: they are left out here. */
static void
run_suite(struct suite *s, const char *name, bool (*fits)(const json_t *request, const json_t *expect))
{
    const char *shared = shared_dir(), *line;
    char path[4200];

    s->n = s->n_failed = 0;
    if (shared == NULL)
        skip();
    snprintf(path, sizeof path, "%s/conformance/open/%s.jsonl", shared, name);
    buf_init(&s->text, MEM_DEFAULT, BUF_NO_CEILING);
    read_file(&s->text, path);
    for (line = s->text.p; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1) {
        json_t *json = json_loadb(line, strcspn(line, "\n"), JSON_ALLOW_NUL, NULL);

        if (json == NULL)
            continue;
        s->n++;
        if (!fits(json_object_get(json, "req"), json_object_get(json, "expect"))) {
            print_message("failed: %s\n", json_string_value(json_object_get(json, "id")));
            s->n_failed++;
        }
        json_decref(json);
    }
    buf_fini(&s->text);
}

TEST(url_suite__web_platform_tests)
{
    struct suite s;

    run_suite(&s, "url", parses_as_expected);
    assert_in_range(s.n, 200, UINT32_MAX);
    assert_int_equal(s.n_failed, 0);
    run_suite(&s, "url-other", parses_as_expected);
    assert_in_range(s.n, 90, UINT32_MAX);
    assert_int_equal(s.n_failed, 0);
}

TEST(url_suite__resolving_of_crawler_commons)
{
    struct suite s;

    run_suite(&s, "url-resolve", parses_as_expected);
    assert_in_range(s.n, 10, UINT32_MAX);
    assert_int_equal(s.n_failed, 0);
}

TEST(url_suite__domain_names)
{
    struct suite s;

    run_suite(&s, "url-idna", parses_as_expected);
    assert_in_range(s.n, 25, UINT32_MAX);
    assert_int_equal(s.n_failed, 0);
    run_suite(&s, "url-idna-v2", parses_as_expected);
    assert_in_range(s.n, 600, UINT32_MAX);
    assert_in_range(s.n_failed, 0, s.n / 100); /* what idna.c gives up on */
}

TEST(url_suite__keys)
{
    struct suite s;

    run_suite(&s, "urlkey", has_expected_key);
    assert_in_range(s.n, 50, UINT32_MAX);
    assert_int_equal(s.n_failed, 0);
}

TESTS(T(url_suite__web_platform_tests), T(url_suite__resolving_of_crawler_commons), T(url_suite__domain_names),
      T(url_suite__keys))
