/* cmd_robots.c - `orb robots`: may this agent fetch that URL? */
#include "cluster/cmd.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cluster/batch.h"
#include "crawler/robots.h"

/* url may be a URL, a path, or empty: then it is the root. ORB_EINVAL: none of these. */
static int
url_judge(const struct robots *r, struct slice text, bool *is_allowed)
{
    struct url root, url;
    int err;

    url_init(&root, MEM_DEFAULT);
    url_init(&url, MEM_DEFAULT);
    err = url_parse(&root, SLICE_LITERAL("http://host.invalid/"), NULL);
    if (err == 0)
        err = url_parse(&url, text, &root);
    if (err == 0)
        *is_allowed = robots_allows(r, url_path_query(&url));
    url_fini(&url);
    url_fini(&root);
    return err;
}

static int
answer_fill(json_t *answer, const struct robots *r, struct slice url)
{
    uint32_t delay_ms = robots_crawl_delay_ms(r);
    json_t *sitemaps = json_array();
    bool is_allowed = false;
    int err = url_judge(r, url, &is_allowed);

    if (json_object_set_new(answer, "allow", json_boolean(is_allowed)) != 0
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
    bool is_allowed = false;
    int err;

    buf_init(&body, MEM_BUF, BUF_NO_CEILING);
    err = batch_read_all(&body, STDIN_FILENO);
    if (err == 0) {
        r = robots_parse(buf_slice(&body), slice_str(agent));
        err = r == NULL ? ORB_ENOMEM : url_judge(r, slice_str(url), &is_allowed);
    }
    if (err == 0)
        puts(is_allowed ? "allow" : "deny");
    else
        fprintf(stderr, "orb robots: %s: %s\n", url, orb_strerror(err));
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
