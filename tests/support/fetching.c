#include "tests/support/fetching.h"
#include "tests/support/support.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "crawler/curl_init.h"
#include "pool/mem_hooks.h"

void
fetching_init(struct fetching *t)
{
    struct curl_init_report report;

    assert_int_equal(curl_init_libraries(&report), 0);
    memset(t, 0, sizeof *t);
    t->loop = ev_loop_new(EVFLAG_AUTO);
    assert_non_null(t->loop);
    guard_init(&t->guard);
    t->guard.allow_all = true;
    t->conf = (struct mux_conf){
        .limits = { .max_header_bytes = 64 * 1024,
                    .max_body_bytes = 16 * 1024 * 1024,
                    .max_decoded_bytes = 32 * 1024 * 1024,
                    .connect_timeout_ms = 5000,
                    .timeout_ms = 20000,
                    .low_speed_bytes_per_s = 0,
                    .low_speed_s = 0 },
        .guard = &t->guard,
        .user_agent = "orb-test/1",
        .max_connections = 64,
    };
}

void
fetching_open(struct fetching *t)
{
    assert_int_equal(mux_new(&t->mux, t->loop, &t->conf), 0);
}

void
fetching_fini(struct fetching *t)
{
    mux_free(&t->mux);
    ev_loop_destroy(t->loop);
}

void
answer_of(struct dns_answer *answer, const char *addresses)
{
    char text[1024], *save = NULL;

    memset(answer, 0, sizeof *answer);
    answer->outcome = OUTCOME_OK;
    snprintf(text, sizeof text, "%s", addresses);
    for (char *a = strtok_r(text, ",", &save); a != NULL; a = strtok_r(NULL, ",", &save)) {
        struct sockaddr_storage *to = &answer->addresses[answer->n_addresses++];
        struct sockaddr_in *v4 = (struct sockaddr_in *)to;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
        to->ss_family = strchr(a, ':') != NULL ? AF_INET6 : AF_INET;
        assert_int_equal(inet_pton(to->ss_family, a, to->ss_family == AF_INET ? (void *)&v4->sin_addr : &v6->sin6_addr), 1);
    }
}

void
fetching_on_done(void *arg, struct page *page)
{
    struct fetching_many *many = arg;

    many->n_of[page->outcome]++;
    page_unref(&page);
    if (++many->n_done == many->n_wanted)
        ev_break(many->loop, EVBREAK_ALL);
}

struct waiting {
    struct ev_loop *loop;
    struct page *page;
};

static void
on_done(void *arg, struct page *page)
{
    struct waiting *w = arg;

    assert_null(w->page);
    w->page = page;
    ev_break(w->loop, EVBREAK_ALL);
}

struct page *
fetching_url(struct fetching *t, const char *text, const char *addresses, const struct fetch_request *like)
{
    struct fetch_request request = { 0 };
    struct waiting w = { t->loop, NULL };
    struct dns_answer answer;
    struct url url;

    if (like != NULL)
        request = *like;
    answer_of(&answer, addresses);
    url_init(&url, MEM_DEFAULT);
    assert_int_equal(url_parse(&url, slice_str(text), NULL), 0);
    request.url = &url;
    request.addresses = &answer;
    assert_int_equal(fetch_start(t->mux, &request, on_done, &w, NULL), 0);
    url_fini(&url);
    memset(&answer, 0xff, sizeof answer); /* what is needed of it was copied */
    while (w.page == NULL)
        ev_run(t->loop, 0);
    return w.page;
}

struct page *
fetching_get(struct fetching *t, uint16_t port, const char *path)
{
    char url[4096];

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    return fetching_url(t, url, "127.0.0.1", NULL);
}
