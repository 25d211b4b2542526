/* fuzz_cookies.c - a first byte picks the URL, each line is a Set-Cookie value; what a jar saves, it loads again. The whole
 * is also given to cookies_load() as it stands. */
#include "crawler/cookies.h"

#define NOW 1700000000u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static void
lines_set(struct cookies *jar, const struct url *u, struct slice rest)
{
    while (rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        struct slice line = end != NULL ? slice_sub(rest, 0, (size_t)(end - rest.p)) : rest;

        cookies_set(jar, u, line, NOW);
        CHECK(cookies_count(jar) <= COOKIES_MAX_PER_HOST && cookies_bytes(jar) <= COOKIES_MAX_BYTES);
        rest = slice_sub(rest, line.n + 1, SIZE_MAX);
    }
}

static void
round_trip(struct cookies *jar, const struct url *u)
{
    struct buf first, second;

    buf_init(&first, MEM_DEFAULT, BUF_NO_CEILING);
    buf_init(&second, MEM_DEFAULT, BUF_NO_CEILING);
    CHECK(cookies_save(jar, &first) == 0);
    CHECK(cookies_load(jar, buf_slice(&first)) == 0);
    CHECK(cookies_save(jar, &second) == 0);
    CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
    buf_clear(&first);
    CHECK(cookies_header(jar, u, NOW, &first) == 0);
    CHECK(first.n == 0 || (memchr(first.p, '\n', first.n) == NULL && memchr(first.p, '\r', first.n) == NULL));
    buf_fini(&first);
    buf_fini(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    static const char *const urls[] = { "https://www.e.co.uk/a/b", "http://e.org/", "http://127.0.0.1/x/", "https://github.io/" };
    struct slice all = slice_of(bytes, n_bytes);
    struct cookies *jar = NULL;
    struct url u;

    url_init(&u, MEM_DEFAULT);
    if (n_bytes > 0 && cookies_new(&jar) == 0 && url_parse(&u, slice_str(urls[bytes[0] % 4]), NULL) == 0) {
        lines_set(jar, &u, slice_sub(all, 1, SIZE_MAX));
        round_trip(jar, &u);
        if (cookies_load(jar, all) == 0)
            round_trip(jar, &u);
    }
    cookies_free(&jar);
    url_fini(&u);
    return 0;
}
