/* cmd_export.c - `orb export`: what was crawled, in forms that other programs read */
#include "cluster/cmd.h"

#include "cluster/crawl_read.h"
#include "cluster/export_text.h"
#include "crawler/outcome.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

static const char help[] =
    "usage: orb export DIR --format FORMAT [-o FILE]\n\n"
    "Writes what was crawled, one line at a time, to standard output or FILE.\n\n"
    "  jsonl     one JSON object per page: every column of pages.db, links as a list\n"
    "  csv       with a header line; without links. Cells that a spreadsheet would run as formulas begin with an apostrophe\n"
    "  cdxj      the index of the WARC files for replay tools, sorted; without pages that asked not to be kept\n"
    "  links     source, target, kind, nofollow, why not followed (empty: it was); tabs between\n"
    "  text      {\"url\", \"text\"}: the visible text of HTML pages; without those that asked not to be kept\n"
    "  outcomes  one JSON object per URL ever seen: {\"url\", \"status\", \"error\", \"bytes\", \"seconds\", \"state\", \"outcome\",\n"
    "            \"attempts\", \"depth\", \"redirects\"}; status, error, bytes and seconds are of the redirects' end, error is null\n"
    "            for a page\n\n"
    "  -o FILE   is replaced when all was written\n\n"
    "exit codes: 0 done, 1 failed, 2 usage\n";

/* Kinds of errors as test suites and other crawlers call them; NULL: a page. */
static const char *
error_kind(int outcome)
{
    static const struct { uint8_t outcome; const char *kind; } kinds[] = {
        { OUTCOME_HTTP_STATUS, "http_status" }, { OUTCOME_SERVER_ERROR, "http_status" }, { OUTCOME_DNS_TIMEOUT, "dns" },
        { OUTCOME_DNS_FAILED, "dns" }, { OUTCOME_DNS_NO_SUCH_HOST, "dns" }, { OUTCOME_CONNECT_FAILED, "connect" },
        { OUTCOME_CONNECT_TIMEOUT, "timeout" }, { OUTCOME_TLS_FAILED, "tls" }, { OUTCOME_TLS_CERTIFICATE, "tls" },
        { OUTCOME_BODY_TOO_LARGE, "too_large" }, { OUTCOME_DECODED_TOO_LARGE, "decode_bomb" }, { OUTCOME_DECODE_FAILED, "decode" },
    };

    if (outcome < 0 || outcome >= OUTCOME_N)
        return "unknown";
    if (outcome == OUTCOME_NONE)
        return "not_asked";
    for (size_t i = 0; i < ORB_N_ELEMENTS(kinds); i++)
        if (kinds[i].outcome == outcome)
            return kinds[i].kind;
    return outcome_class((enum outcome)outcome) == OUTCOME_DONE ? NULL : outcome_name((enum outcome)outcome);
}

static int
write_bytes(void *arg, const char *bytes, size_t n_bytes)
{
    return fwrite(bytes, 1, n_bytes, arg) == n_bytes ? 0 : orb_error_from_errno(errno);
}

static bool
find_format(const char *name, int *out)
{
    static const char *const names[] = { [EXPORT_JSONL] = "jsonl", [EXPORT_CSV] = "csv", [EXPORT_CDXJ] = "cdxj",
                                         [EXPORT_LINKS] = "links", [EXPORT_OUTCOMES] = "outcomes", [EXPORT_N_FORMATS] = "text" };

    for (size_t i = 0; i < ORB_N_ELEMENTS(names); i++)
        if (strcmp(names[i], name) == 0) {
            *out = (int)i;
            return true;
        }
    return false;
}

static int
export_to(struct crawl_read *c, int format, FILE *to)
{
    struct export e = { .sql = c->sql, .dir = c->dir, .write = write_bytes, .arg = to, .error_kind = error_kind };
    uint64_t n_unreadable = 0;
    int err = format == EXPORT_N_FORMATS ? export_text(&e, &n_unreadable) : export_run(&e, (enum export_format)format);

    if (n_unreadable > 0)
        fprintf(stderr, "orb export: %" PRIu64 " pages could not be read and were left out; `orb audit %s` says why\n", n_unreadable, c->dir);
    if (err == ORB_ENOTFOUND)
        fprintf(stderr, "orb export: %s: there is no journal (coordinator/frontier.db) to take outcomes from\n", c->dir);
    if (err == 0 && fflush(to) != 0)
        err = orb_error_from_errno(errno);
    return err;
}

/* Beside FILE first: whoever reads FILE sees all or nothing. */
static int
export_to_file(struct crawl_read *c, int format, const char *file)
{
    char part[4096];
    FILE *to;
    int err;

    if (snprintf(part, sizeof part, "%s.part", file) >= (int)sizeof part)
        return ORB_ETOOBIG;
    to = fopen(part, "wb");
    if (to == NULL) {
        fprintf(stderr, "orb export: cannot write %s: %s\n", part, strerror(errno));
        return orb_error_from_errno(errno);
    }
    err = export_to(c, format, to);
    if (fclose(to) != 0 && err == 0)
        err = orb_error_from_errno(errno);
    if (err == 0 && rename(part, file) != 0)
        err = orb_error_from_errno(errno);
    if (err != 0)
        remove(part);
    return err;
}

static int
usage_error(const char *why)
{
    fprintf(stderr, "orb export: %s; `orb export --help` explains\n", why);
    return EXIT_USAGE;
}

int
cmd_export(int argc, char **argv)
{
    static const struct option options[] = {
        { "format", required_argument, NULL, 'f' }, { "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *file = NULL;
    struct crawl_read c;
    int option, format = -1, err;

    optind = 0;
    while ((option = getopt_long(argc, argv, "f:o:h", options, NULL)) != -1)
        switch (option) {
        case 'f':
            if (!find_format(optarg, &format))
                return usage_error("--format wants jsonl, csv, cdxj, links, text or outcomes");
            break;
        case 'o': file = optarg; break;
        case 'h': fputs(help, stdout); return EXIT_DONE;
        default: return usage_error("bad option");
        }
    if (format < 0 || argc - optind != 1)
        return usage_error("want DIR and --format FORMAT");
    err = crawl_read_open(&c, "export", argv[optind], false);
    if (err == 0) {
        err = file == NULL || strcmp(file, "-") == 0 ? export_to(&c, format, stdout) : export_to_file(&c, format, file);
        if (err != 0 && err != ORB_ENOTFOUND)
            crawl_read_fail(&c, err);
    }
    crawl_read_close(&c);
    return err == 0 ? EXIT_DONE : EXIT_FAILED;
}
