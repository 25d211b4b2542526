/* fetch_one.c - for tests: fetches the URLs of standard input one at a time, a JSON line each
 *
 *    fetch_one [--ca FILE] [--insecure] [--http2] [--at ADDRESS] [--guarded] < urls
 * Hosts are literal addresses unless --at says where every name is. --guarded refuses what is not 127.0.0.0/8.
 */
#include <arpa/inet.h>
#include <ev.h>
#include <jansson.h>
#include <stdio.h>

#include "crawler/curl_init.h"
#include "crawler/fetch.h"

struct driver {
    struct ev_loop *loop;
    const char *url;
};

static json_t *
text_of(struct slice s)
{
    json_t *t = json_stringn(s.p == NULL ? "" : s.p, s.n);

    return t != NULL ? t : json_string("(not UTF-8)");
}

static void
on_done(void *arg, struct page *p)
{
    struct driver *d = arg;
    json_t *line = json_object();

    json_object_set_new(line, "url", json_string(d->url));
    json_object_set_new(line, "status", json_integer(p->status));
    json_object_set_new(line, "outcome", json_string(outcome_name(p->outcome)));
    json_object_set_new(line, "error", json_string(p->error));
    json_object_set_new(line, "truncated", p->truncated == NULL ? json_null() : json_string(p->truncated));
    json_object_set_new(line, "bytes", json_integer((json_int_t)p->body.n));
    json_object_set_new(line, "wire_bytes", json_integer((json_int_t)p->wire_bytes));
    json_object_set_new(line, "seconds", json_real(p->fetch_ms / 1000.0));
    json_object_set_new(line, "http", json_integer(p->http_version));
    json_object_set_new(line, "reused", json_boolean(p->is_connection_reused));
    json_object_set_new(line, "head", text_of(buf_slice(&p->head)));
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(line);
    page_unref(&p);
    ev_break(d->loop, EVBREAK_ALL);
}

static void
answer_from(struct dns_answer *a, const char *at, struct slice host)
{
    char text[64];
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->addresses[0];

    memset(a, 0, sizeof *a);
    snprintf(text, sizeof text, SLICE_FMT, SLICE_ARG(host));
    v4->sin_family = AF_INET;
    a->n_addresses = inet_pton(AF_INET, at != NULL ? at : text, &v4->sin_addr) == 1 ? 1 : 0;
}

static void
fetch_line(struct mux *mux, struct driver *d, const char *at)
{
    struct fetch_request request = { 0 };
    struct dns_answer answer;
    struct url url;
    int err;

    url_init(&url, MEM_DEFAULT);
    err = url_parse(&url, slice_str(d->url), NULL);
    if (err == 0) {
        answer_from(&answer, at, url_host(&url));
        request.url = &url;
        request.addresses = &answer;
        err = fetch_start(mux, &request, on_done, d, NULL);
    }
    if (err == 0)
        ev_run(d->loop, 0);
    else
        fprintf(stderr, "%s: %s\n", d->url, orb_strerror(err));
    url_fini(&url);
}

int
main(int argc, char **argv)
{
    struct mux_conf conf = { .limits = { 256 << 10, 16 << 20, 32 << 20, 3000, 8000, 50, 5 },
                             .user_agent = "fetch-one", .max_connections = 16 };
    struct guard guard;
    struct driver d;
    struct mux *mux;
    const char *at = NULL;
    char line[16384];

    guard_init(&guard);
    guard.allow_all = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--insecure") == 0)
            conf.is_insecure = true;
        else if (strcmp(argv[i], "--http2") == 0)
            conf.is_http2 = true;
        else if (strcmp(argv[i], "--guarded") == 0)
            guard.allow_all = guard_allow(&guard, SLICE_LITERAL("127.0.0.0/8")) != 0;
        else if (strcmp(argv[i], "--ca") == 0 && i + 1 < argc)
            conf.ca_file = argv[++i];
        else if (strcmp(argv[i], "--at") == 0 && i + 1 < argc)
            at = argv[++i];
        else
            return 2;
    }
    conf.guard = &guard;
    d.loop = ev_loop_new(EVFLAG_AUTO);
    if (curl_init_libraries(NULL) != 0 || mux_new(&mux, d.loop, &conf) != 0)
        return 1;
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        d.url = line;
        fetch_line(mux, &d, at);
    }
    mux_free(&mux);
    ev_loop_destroy(d.loop);
    return 0;
}
