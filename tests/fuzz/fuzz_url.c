/* url: input is HREF, or BASE 0x01 HREF. What parses is its own serialisation, has parts in order, and has a key that
 * is its own key; the registrable domain lies in the host. */
#include "crawler/scope.h"
#include "crawler/urlkey.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static void
check_parts(const struct url *u)
{
    uint32_t end = (uint32_t)u->href.n;
    uint32_t fragment = u->fragment_start == URL_NO_PART ? end : u->fragment_start;
    uint32_t query = u->query_start == URL_NO_PART ? fragment : u->query_start;

    CHECK(u->scheme_end > 1 && u->scheme_end <= u->username_end && u->username_end <= u->host_start);
    CHECK(u->host_start <= u->host_end && u->host_end <= u->path_start && u->path_start <= query);
    CHECK(query <= fragment && fragment <= end);
    CHECK(u->href.p[u->scheme_end - 1] == ':');
    CHECK(query == fragment || u->href.p[query] == '?');
    CHECK(fragment == end || u->href.p[fragment] == '#');
    for (uint32_t i = 0; i < end; i++)
        CHECK((unsigned char)u->href.p[i] >= ' ' && (unsigned char)u->href.p[i] < 0x7f);
    CHECK(scope_registrable_domain(url_host(u)).n <= url_host(u).n);
    CHECK(url_path_query(u).n > 0);
}

/* The serialisation parses to the same parts. */
static void
check_again(const struct url *u)
{
    struct url again;

    url_init(&again, MEM_PAGE);
    CHECK(url_parse(&again, url_href(u), NULL) == 0);
    CHECK(slice_eq(url_href(&again), url_href(u)));
    CHECK(again.scheme_end == u->scheme_end && again.username_end == u->username_end && again.port == u->port);
    CHECK(again.host_start == u->host_start && again.host_end == u->host_end && again.path_start == u->path_start);
    CHECK(again.query_start == u->query_start && again.fragment_start == u->fragment_start);
    CHECK(again.has_host == u->has_host && again.is_special == u->is_special);
    CHECK(again.has_opaque_path == u->has_opaque_path);
    CHECK((url_parse_canonical(&again, url_href(u)) == 0) == (u->fragment_start == URL_NO_PART));
    url_fini(&again);
}

static void
check_key(const struct url *u)
{
    struct buf key, again;
    struct url of_key;

    url_init(&of_key, MEM_PAGE);
    buf_init(&key, MEM_PAGE, 3 * URL_MAX_BYTES);
    buf_init(&again, MEM_PAGE, 3 * URL_MAX_BYTES);
    CHECK(url_key(&key, u, NULL) == 0);
    CHECK(memchr(key.p, '#', key.n) == NULL);
    if (key.n <= URL_MAX_BYTES) {
        CHECK(url_parse_canonical(&of_key, buf_slice(&key)) == 0);
        CHECK(url_key(&again, &of_key, NULL) == 0);
        CHECK(slice_eq(buf_slice(&key), buf_slice(&again)));
    }
    buf_fini(&key);
    buf_fini(&again);
    url_fini(&of_key);
}

/* Without fragment and userinfo it is still in canonical form. */
static void
check_drops(struct url *u)
{
    struct url again;

    url_init(&again, MEM_PAGE);
    url_drop_fragment(u);
    url_drop_userinfo(u);
    CHECK(url_parse_canonical(&again, url_href(u)) == 0);
    CHECK(again.host_start == u->host_start && again.path_start == u->path_start
          && again.query_start == u->query_start);
    url_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct slice href = slice_of(bytes, n_bytes), base_text = SLICE_NONE;
    const char *cut = n_bytes == 0 ? NULL : memchr(bytes, 1, n_bytes);
    struct url u, base;
    int err;

    url_init(&u, MEM_PAGE);
    url_init(&base, MEM_PAGE);
    if (cut != NULL) {
        base_text = slice_sub(href, 0, (size_t)(cut - href.p));
        href = slice_sub(href, base_text.n + 1, SIZE_MAX);
    }
    err = url_parse(&base, base_text, NULL);
    if (err == 0)
        check_again(&base);
    err = url_parse(&u, href, &base);
    CHECK(err == 0 || err == ORB_EINVAL || err == ORB_ETOOBIG);
    CHECK((err == 0) == (u.href.n > 0));
    if (err == 0) {
        check_parts(&u);
        check_again(&u);
        check_key(&u);
        check_drops(&u);
    }
    url_fini(&u);
    url_fini(&base);
    return 0;
}
