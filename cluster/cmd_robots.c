/* cmd_robots.c - `orb robots`: may this agent fetch that URL? */
#include "cluster/cmd.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cluster/batch.h"
#include "crawler/robots.h"

/* Path and query of what may be a URL, a path, or nothing. */
static struct slice
path_query_of(struct slice url)
{
    const char *fragment = url.n > 0 ? memchr(url.p, '#', url.n) : NULL;
    const char *authority;
    size_t i = 0;

    if (fragment != NULL)
        url.n = (size_t)(fragment - url.p);
    authority = url.n > 2 ? memmem(url.p, url.n, "//", 2) : NULL;
    if (authority != NULL && (authority == url.p || authority[-1] == ':'))
        i = (size_t)(authority - url.p) + 2;
    while (i < url.n && url.p[i] != '/' && url.p[i] != '?')
        i++;
    return slice_sub(url, i, SIZE_MAX);
}

static bool
url_is_allowed(const struct robots *r, struct slice url)
{
    struct slice path_query = path_query_of(url);
    struct buf with_slash;
    bool is_allowed;

    if (path_query.n == 0 || path_query.p[0] == '/')
        return robots_allows(r, path_query);
    buf_init(&with_slash, MEM_BUF, BUF_NO_CEILING);
    is_allowed = buf_append_char(&with_slash, '/') == 0 && buf_append_slice(&with_slash, path_query) == 0
                 && robots_allows(r, buf_slice(&with_slash));
    buf_fini(&with_slash);
    return is_allowed;
}

static int
answer_fill(json_t *answer, const struct robots *r, struct slice url)
{
    uint32_t delay_ms = robots_crawl_delay_ms(r);
    json_t *sitemaps = json_array();
    int err = 0;

    if (json_object_set_new(answer, "allow", json_boolean(url_is_allowed(r, url))) != 0
        || json_object_set_new(answer, "crawl_delay", delay_ms == ROBOTS_NO_DELAY ? json_null() : json_real(delay_ms / 1000.0))
               != 0)
        err = ORB_ENOMEM;
    for (size_t i = 0; err == 0 && i < robots_n_sitemaps(r); i++)
        err = batch_append(sitemaps, robots_sitemap(r, i));
    if (json_object_set_new(answer, "sitemaps", sitemaps) != 0) /* STEALS, also when it fails */
        err = ORB_ENOMEM;
    return err;
}

static int
robots_answer(void *arg, const json_t *request, json_t *answer)
{
    struct slice body = SLICE_NONE, agent = SLICE_NONE, url = SLICE_NONE;
    struct buf body_bytes, agent_bytes, url_bytes;
    struct robots *r = NULL;
    int err;

    buf_init(&body_bytes, MEM_BUF, BUF_NO_CEILING);
    buf_init(&agent_bytes, MEM_BUF, BUF_NO_CEILING);
    buf_init(&url_bytes, MEM_BUF, BUF_NO_CEILING);
    err = batch_field(&body, &body_bytes, request, "robots");
    if (err == 0)
        err = batch_field(&agent, &agent_bytes, request, "agent");
    if (err == 0)
        err = batch_field(&url, &url_bytes, request, "url");
    if (err != 0) {
        err = batch_fail(answer, "needs robots or robots_base64, agent and url: %s", orb_strerror(err));
        goto done;
    }
    r = robots_parse(body, agent);
    err = r == NULL ? ORB_ENOMEM : answer_fill(answer, r, url);
done:
    robots_unref(&r);
    buf_fini(&body_bytes);
    buf_fini(&agent_bytes);
    buf_fini(&url_bytes);
    return err;
}

static int
robots_once(const char *agent, const char *url)
{
    struct buf body;
    struct robots *r = NULL;
    int err;

    buf_init(&body, MEM_BUF, BUF_NO_CEILING);
    err = batch_read_all(&body, STDIN_FILENO);
    if (err == 0) {
        r = robots_parse(buf_slice(&body), slice_str(agent));
        err = r == NULL ? ORB_ENOMEM : 0;
    }
    if (err == 0)
        puts(url_is_allowed(r, slice_str(url)) ? "allow" : "deny");
    else
        fprintf(stderr, "orb robots: %s\n", orb_strerror(err));
    robots_unref(&r);
    buf_fini(&body);
    return err == 0 && fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static const char usage[] = "usage: orb robots --agent NAME URL < robots.txt\n"
                            "       orb robots --batch < requests.jsonl\n\n"
                            "Prints `allow` or `deny`: may NAME fetch URL by that robots.txt (RFC 9309)?\n"
                            "--batch answers {\"robots\" or \"robots_base64\", \"agent\", \"url\"} lines with\n"
                            "{\"allow\", \"crawl_delay\", \"sitemaps\"} lines.\n";

int
cmd_robots(int argc, char **argv)
{
    const char *agent = NULL, *url = NULL;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--batch") == 0 && argc == 2)
            return batch_run(STDIN_FILENO, stdout, robots_answer, NULL);
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return EXIT_DONE;
        }
        if (strcmp(argv[i], "--agent") == 0 && i + 1 < argc)
            agent = argv[++i];
        else if (url == NULL)
            url = argv[i];
        else
            url = agent = NULL, i = argc;
    }
    if (agent == NULL || url == NULL) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    return robots_once(agent, url);
}
