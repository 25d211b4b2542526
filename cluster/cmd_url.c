/* cmd_url.c - `orb url`: what orb makes of a URL, for people and for test suites */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "cluster/batch.h"
#include "cluster/cmd.h"
#include "crawler/urlkey.h"

#define RULES_MAX_BYTES ((size_t)1024 * 1024)

struct url_command {
    struct url base, url;
    struct buf key, scratch;
    struct urlkey_rules *rules; /* NULL = built-in */
    bool wants_key;
};

static const char help[] =
    "usage: orb url [--base B] [--key [--key-rules FILE]] HREF\n"
    "       orb url [--key [--key-rules FILE]] --batch\n\n"
    "Prints HREF as the WHATWG URL Standard serialises it, resolved against B.\n\n"
    "  --base B          the URL of the document that HREF stands in\n"
    "  --key             print the crawl key: URLs with one key are one page\n"
    "  --key-rules FILE  lines \"drop utm_*\", \"keep sid\", \"drop ;jsessionid\" (path parameters) behind the\n"
    "                    built-in ones; the last that matches decides, \"keep *\" forgets those before\n"
    "  --batch           read {\"href\": ..., \"base\": ...}, write {\"href\": ...} or {\"error\": ...}, one JSON\n"
    "                    object a line\n\n"
    "exit codes: 0 printed, 1 not a URL, 2 usage\n";

static const char *
reason(int err)
{
    return err == ORB_EINVAL ? "not a valid URL" : err == ORB_ETOOBIG ? "longer than 65536 bytes" : orb_strerror(err);
}

/* has_base: c->base is set. *out is BORROWED from c. */
static int
command_parse(struct url_command *c, struct slice href, bool has_base, struct slice *out)
{
    int err = url_parse(&c->url, href, has_base ? &c->base : NULL);

    if (err != 0)
        return err;
    *out = url_href(&c->url);
    if (c->wants_key) {
        err = url_key(&c->key, &c->url, c->rules);
        *out = buf_slice(&c->key);
    }
    return err;
}

static int
answer(void *arg, const json_t *request, json_t *to)
{
    struct url_command *c = arg;
    struct slice text;
    int err = batch_field(&text, &c->scratch, request, "base");
    bool has_base = err == 0;

    if (err == 0) {
        err = url_parse(&c->base, text, NULL);
        if (err != 0)
            return batch_fail(to, "base: %s", reason(err));
    } else if (err != ORB_ENOTFOUND)
        return batch_fail(to, "base: %s", orb_strerror(err));
    err = batch_field(&text, &c->scratch, request, "href");
    if (err != 0)
        return batch_fail(to, "href: %s", err == ORB_ENOTFOUND ? "missing" : orb_strerror(err));
    err = command_parse(c, text, has_base, &text);
    return err != 0 ? batch_fail(to, "%s", reason(err)) : batch_put(to, "href", text);
}

static int
print_one(struct url_command *c, const char *base, const char *href)
{
    struct slice out;
    int err;

    if (base != NULL) {
        err = url_parse(&c->base, slice_str(base), NULL);
        if (err != 0) {
            fprintf(stderr, "orb url: --base \"%s\": %s\n", base, reason(err));
            return EXIT_FAILED;
        }
    }
    err = command_parse(c, slice_str(href), base != NULL, &out);
    if (err != 0) {
        fprintf(stderr, "orb url: \"%s\": %s\n", href, reason(err));
        return EXIT_FAILED;
    }
    printf(SLICE_FMT "\n", SLICE_ARG(out));
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int
usage_error(const char *why)
{
    fprintf(stderr, "orb url: %s; `orb url --help` explains\n", why);
    return EXIT_USAGE;
}

/* 0, or EXIT_FAILED after a message. */
static int
read_rules(struct url_command *c, const char *path)
{
    struct buf text, error;
    int fd = open(path, O_RDONLY | O_CLOEXEC), err;

    if (fd < 0) {
        fprintf(stderr, "orb url: --key-rules %s: %s\n", path, strerror(errno));
        return EXIT_FAILED;
    }
    buf_init(&text, MEM_DEFAULT, RULES_MAX_BYTES);
    buf_init(&error, MEM_DEFAULT, BUF_NO_CEILING);
    err = batch_read_all(&text, fd);
    close(fd);
    urlkey_rules_free(&c->rules);
    if (err == 0)
        err = urlkey_rules_new(&c->rules, buf_slice(&text), &error);
    if (err != 0)
        fprintf(stderr, "orb url: --key-rules %s: %s\n", path, error.n > 0 ? error.p : orb_strerror(err));
    buf_fini(&error);
    buf_fini(&text);
    return err != 0 ? EXIT_FAILED : 0;
}

static int
command_run(struct url_command *c, int argc, char **argv)
{
    static const struct option options[] = {
        { "base", required_argument, NULL, 'b' }, { "key", no_argument, NULL, 'k' }, { "batch", no_argument, NULL, 'B' },
        { "key-rules", required_argument, NULL, 'r' },
        { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
    };
    const char *base = NULL;
    bool is_batch = false;
    int option;

    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
        switch (option) {
        case 'b':
            base = optarg;
            break;
        case 'k':
            c->wants_key = true;
            break;
        case 'r':
            c->wants_key = true;
            if (read_rules(c, optarg) != 0)
                return EXIT_FAILED;
            break;
        case 'B':
            is_batch = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_DONE;
        default:
            return usage_error("unknown option, or one without its value");
        }
    if (is_batch)
        return argc > optind || base != NULL ? usage_error("--batch takes no HREF and no --base")
                                             : batch_run(STDIN_FILENO, stdout, answer, c);
    return argc - optind != 1 ? usage_error("want one HREF") : print_one(c, base, argv[optind]);
}

int
cmd_url(int argc, char **argv)
{
    struct url_command c = { .wants_key = false };
    int code;

    url_init(&c.base, MEM_DEFAULT);
    url_init(&c.url, MEM_DEFAULT);
    buf_init(&c.key, MEM_DEFAULT, 3 * URL_MAX_BYTES);
    buf_init(&c.scratch, MEM_DEFAULT, BUF_NO_CEILING);
    code = command_run(&c, argc, argv);
    urlkey_rules_free(&c.rules);
    buf_fini(&c.scratch);
    buf_fini(&c.key);
    url_fini(&c.url);
    url_fini(&c.base);
    return code;
}
