/* cmd_cat.c - `orb cat`: one stored page */
#include "cluster/cmd.h"

#include "cluster/crawl_read.h"
#include "cluster/stored_page.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "usage: orb cat DIR URL [--raw | --head | --warc]\n\n"
    "Prints a stored page: its body, chunking and Content-Encoding taken off.\n\n"
    "  --raw    the answer as it crossed the wire: status line, header fields, body\n"
    "  --head   the status line and the header fields\n"
    "  --warc   the WARC record, uncompressed\n\n"
    "A page that was the same as another one is stored once; its body is read from there. --warc shows the short record.\n"
    "Of a page that asked not to be kept (noarchive, noindex) nothing can be printed but the record that says so.\n\n"
    "exit codes: 0 printed, 1 not stored or damaged, 2 usage\n";

enum form { FORM_BODY, FORM_RAW, FORM_HEAD, FORM_WARC };

static bool
put(struct slice bytes)
{
    return fwrite(bytes.p == NULL ? "" : bytes.p, 1, bytes.n, stdout) == bytes.n;
}

static int
print_decoded(struct crawl_read *c, const struct page_bytes *b)
{
    struct page *p = NULL;
    int err = stored_page_make(&p, b), code = EXIT_DONE;

    if (err != 0)
        return crawl_read_fail(c, err);
    if (p->outcome != OUTCOME_OK)
        fprintf(stderr, "orb cat: the body could not be decoded whole (%s); what could be is printed, --raw shows all\n",
                outcome_name(p->outcome));
    if (!put(p->body))
        code = crawl_read_fail(c, ORB_EIO);
    page_unref(&p);
    return code;
}

static int
print_page(struct crawl_read *c, const struct page_bytes *b, const struct page_place *place, enum form form)
{
    bool is_written = true;

    if (place->withheld[0] != '\0' && form != FORM_WARC) {
        fprintf(stderr, "orb cat: the page asked not to be kept (%s): it was read, and not stored\n", place->withheld);
        return EXIT_FAILED;
    }
    if (!b->is_answer && form != FORM_WARC) {
        fprintf(stderr, "orb cat: no answer was stored for this URL: %s%s%s\n", place->outcome,
                place->error[0] != '\0' ? ": " : "", place->error);
        return EXIT_FAILED;
    }
    switch (form) {
    case FORM_BODY: return print_decoded(c, b);
    case FORM_WARC: is_written = put(buf_slice(&b->warc_head)); /* fall through */
    case FORM_RAW: is_written = is_written && put(buf_slice(&b->head)) && put(buf_slice(&b->wire_body)); break;
    case FORM_HEAD: is_written = put(buf_slice(&b->head)); break;
    }
    return is_written ? EXIT_DONE : crawl_read_fail(c, ORB_EIO);
}

static int
run(struct crawl_read *c, const char *text, enum form form)
{
    struct page_place place;
    struct page_bytes bytes;
    int err = url_parse(&c->url, slice_str(text), NULL), code;

    if (err != 0) {
        fprintf(stderr, "orb cat: \"%s\" is no URL; give it with its scheme: https://example.org/page\n", text);
        return EXIT_USAGE;
    }
    url_drop_fragment(&c->url);
    err = page_find(c->sql, url_href(&c->url), &place);
    if (err == ORB_ENOTFOUND) {
        fprintf(stderr, "orb cat: %s is not stored in %s; `orb why %s URL` tells what became of it\n", url_href(&c->url).p, c->dir, c->dir);
        return EXIT_FAILED;
    }
    if (err != 0)
        return crawl_read_fail(c, err);
    page_bytes_init(&bytes);
    err = page_read(c->dir, &place, form != FORM_WARC, &bytes);
    if (err != 0) {
        fprintf(stderr, "orb cat: its record in %s/warc/%s at %llu cannot be read: %s; `orb audit %s` looks for more\n", c->dir,
                place.warc_file, (unsigned long long)place.warc_offset, orb_strerror(err), c->dir);
        code = EXIT_FAILED;
    } else {
        code = print_page(c, &bytes, &place, form);
    }
    page_bytes_fini(&bytes);
    return code == EXIT_DONE && fflush(stdout) != 0 ? crawl_read_fail(c, ORB_EIO) : code;
}

static int
usage_error(const char *why)
{
    fprintf(stderr, "orb cat: %s; `orb cat --help` explains\n", why);
    return EXIT_USAGE;
}

int
cmd_cat(int argc, char **argv)
{
    static const struct option options[] = {
        { "raw", no_argument, NULL, FORM_RAW }, { "head", no_argument, NULL, FORM_HEAD },
        { "warc", no_argument, NULL, FORM_WARC }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
    };
    enum form form = FORM_BODY;
    struct crawl_read c;
    int option, code;

    optind = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_DONE;
        }
        if (option == '?')
            return usage_error("bad option");
        if (form != FORM_BODY)
            return usage_error("only one of --raw, --head and --warc");
        form = (enum form)option;
    }
    if (argc - optind != 2)
        return usage_error("want DIR and URL");
    if (crawl_read_open(&c, "cat", argv[optind], false) == 0)
        code = run(&c, argv[optind + 1], form);
    else
        code = EXIT_FAILED;
    crawl_read_close(&c);
    return code;
}
