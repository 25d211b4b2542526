/* cmd_links.c - orb links: the links of one page as the crawl sees them */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "cluster/batch.h"
#include "cluster/cmd.h"
#include "crawler/parse.h"

#define BODY_MAX_BYTES ((size_t)128 * 1024 * 1024)

struct job {
    struct parsed parsed;
    struct url url;
    struct buf body, scratch;
};

static void
job_init(struct job *j)
{
    parsed_init(&j->parsed);
    url_init(&j->url, MEM_DEFAULT);
    buf_init(&j->body, MEM_BUF, BODY_MAX_BYTES);
    buf_init(&j->scratch, MEM_DEFAULT, URL_MAX_BYTES * 2);
}

static void
job_fini(struct job *j)
{
    parsed_fini(&j->parsed);
    url_fini(&j->url);
    buf_fini(&j->body);
    buf_fini(&j->scratch);
    parse_fini();
}

static int
read_page(struct job *j, struct slice body, struct slice content_type)
{
    struct parse_input in = { .url = &j->url, .content_type = content_type, .body = body, .want_assets = true,
                              .user_agent = SLICE_LITERAL("orbweaver") };

    return parse_page(&j->parsed, &in);
}

static int
put_link(json_t *links, const struct link *link)
{
    json_t *o = json_object();
    int err;

    if (o == NULL || json_array_append_new(links, o) != 0)
        return ORB_ENOMEM;
    err = batch_put(o, "url", link->url);
    if (err == 0)
        err = batch_put(o, "kind", slice_str(link_kind_name(link->kind)));
    return err != 0 ? err : batch_put(o, "rel", link->rel);
}

static int
answer_page(const struct parsed *p, json_t *answer)
{
    json_t *links = json_array();
    int err = 0;

    if (links == NULL || json_object_set_new(answer, "links", links) != 0)
        return ORB_ENOMEM;
    for (size_t i = 0; i < p->n_links && err == 0; i++)
        err = put_link(links, &p->links[i]);
    if (err == 0)
        err = batch_put(answer, "charset", slice_str(p->charset));
    return err != 0 ? err : batch_put(answer, "title", p->title);
}

static int
answer(void *arg, const json_t *request, json_t *out)
{
    struct job *j = arg;
    struct slice body, field, content_type = SLICE_NONE;
    int err;

    err = batch_field(&field, &j->scratch, request, "url");
    if (err != 0)
        return batch_fail(out, "url: %s", orb_strerror(err));
    err = url_parse(&j->url, field, NULL);
    if (err != 0)
        return err == ORB_ENOMEM ? err : batch_fail(out, "url: no URL that can be parsed");
    err = batch_field(&body, &j->body, request, "html");
    if (err != 0)
        return err == ORB_ENOMEM ? err : batch_fail(out, "html_base64: %s", orb_strerror(err));
    err = batch_field(&content_type, &j->scratch, request, "content_type");
    if (err != 0 && err != ORB_ENOTFOUND)
        return err == ORB_ENOMEM ? err : batch_fail(out, "content_type: %s", orb_strerror(err));
    err = read_page(j, body, content_type);
    return err != 0 ? err : answer_page(&j->parsed, out);
}

static int
print_page(struct job *j, const char *url, const char *content_type)
{
    int err = url_parse(&j->url, slice_str(url), NULL);

    if (err != 0) {
        fprintf(stderr, "orb links: \"%s\" is no absolute URL\n", url);
        return EXIT_FAILED;
    }
    err = batch_read_all(&j->body, STDIN_FILENO);
    if (err == 0)
        err = read_page(j, buf_slice(&j->body), slice_str(content_type));
    if (err != 0) {
        fprintf(stderr, "orb links: the page: %s\n", orb_strerror(err));
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < j->parsed.n_links; i++) {
        const struct link *link = &j->parsed.links[i];
        printf(SLICE_FMT "\t%s\t" SLICE_FMT "\n", SLICE_ARG(link->url), link_kind_name(link->kind), SLICE_ARG(link->rel));
    }
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static void
print_usage(FILE *to)
{
    fprintf(to, "usage: orb links --url URL [--content-type TYPE] < page\n"
                "       orb links --batch\n\n"
                "Prints one link a line: its URL, what kind of link it is, and its rel, with tabs between.\n\n"
                "  --url URL            where the page comes from; relative links are resolved against it\n"
                "  --content-type TYPE  the header of that name; without it the page is looked at\n"
                "  --batch              JSON lines: {\"html_base64\", \"url\", \"content_type\"} on standard input,\n"
                "                       {\"links\": [{\"url\", \"kind\", \"rel\"}], \"charset\", \"title\"} on standard output\n");
}

int
cmd_links(int argc, char **argv)
{
    static const struct option options[] = { { "url", required_argument, NULL, 'u' },
                                             { "content-type", required_argument, NULL, 'c' },
                                             { "batch", no_argument, NULL, 'b' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    const char *url = NULL, *content_type = "";
    bool is_batch = false;
    struct job job;
    int option, code;

    while ((option = getopt_long(argc, argv, "u:c:bh", options, NULL)) != -1) {
        switch (option) {
        case 'u': url = optarg; break;
        case 'c': content_type = optarg; break;
        case 'b': is_batch = true; break;
        case 'h': print_usage(stdout); return EXIT_DONE;
        default: print_usage(stderr); return EXIT_USAGE;
        }
    }
    if (optind != argc || (url == NULL) == !is_batch) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    job_init(&job);
    code = is_batch ? batch_run(STDIN_FILENO, stdout, answer, &job) : print_page(&job, url, content_type);
    job_fini(&job);
    return code;
}
