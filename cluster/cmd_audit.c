/* cmd_audit.c - `orb audit`: do books, rows and WARC files agree? */
#include "cluster/cmd.h"

#include "cluster/crawl_read.h"
#include "storage/audit.h"
#include "storage/text.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

static const char help[] =
    "usage: orb audit DIR [--json] [--memory MIB] [--key-rules FILE]\n\n"
    "Checks a crawl directory, without changing it:\n\n"
    "  books   URLs per state add up to all that were ever seen and to the live counters; every URL that is done has a page;\n"
    "          no URL is there twice\n"
    "  WARC    every record of every file is whole, its digests right; every page's record stands where its row says\n"
    "  links   every link that a stored page offered is in the journal, or was excluded with a reason\n\n"
    "Records that were replaced by a later fetch of the same URL are counted, not blamed. Of each kind of finding the first\n"
    "20 are named.\n\n"
    "  --json         one JSON object: counts and findings\n"
    "  --memory MIB   for comparing URLs (256); with less, pages are read more than once\n"
    "  --key-rules FILE   as the crawl was given it: which URLs are one page\n\n"
    "exit codes: 0 all agrees, 1 findings (or it could not be read), 2 usage\n";

struct report {
    struct audit audit;
    struct buf findings; /* of --json: elements of the array */
    bool is_json;
    int err;
};

static void
on_finding(void *arg, enum audit_kind kind, const char *sentence)
{
    struct report *r = arg;

    if (r->err != 0)
        return;
    if (!r->is_json) { /* URLs come from the web: nothing in them may steer the terminal */
        buf_clear(&r->findings);
        r->err = text_append_printable(&r->findings, slice_str(sentence));
        printf("%s: %s\n", audit_kind_name(kind), r->findings.p == NULL ? "" : r->findings.p);
        return;
    }
    r->err = buf_printf(&r->findings, "%s{\"kind\": \"%s\", \"sentence\": ", r->findings.n > 0 ? ", " : "", audit_kind_name(kind));
    if (r->err == 0)
        r->err = text_append_json(&r->findings, slice_str(sentence));
    if (r->err == 0)
        r->err = buf_append_char(&r->findings, '}');
}

static void
print_json(const struct report *r)
{
    const struct audit *a = &r->audit;

    printf("{\"agrees\": %s, \"urls\": %" PRIu64 ", \"ready\": %" PRIu64 ", \"done\": %" PRIu64 ", \"waiting\": %" PRIu64
           ", \"failed\": %" PRIu64 ", \"excluded\": %" PRIu64 ", \"quarantined\": %" PRIu64 ", \"excluded_dropped\": %" PRIu64,
           audit_n_findings(a) == 0 ? "true" : "false", a->n_urls, a->n_state[URLDB_READY], a->n_state[URLDB_DONE],
           a->n_state[URLDB_WAITING], a->n_state[URLDB_FAILED], a->n_state[URLDB_EXCLUDED], a->n_state[URLDB_QUARANTINED],
           a->n_excluded_dropped);
    printf(", \"pages\": %" PRIu64 ", \"warc_files\": %" PRIu64 ", \"warc_bytes\": %" PRIu64 ", \"records\": %" PRIu64
           ", \"requests\": %" PRIu64 ", \"responses\": %" PRIu64 ", \"revisits\": %" PRIu64 ", \"metadata\": %" PRIu64
           ", \"superseded\": %" PRIu64 ", \"not_modified\": %" PRIu64 ", \"torn_tails\": %" PRIu64,
           a->n_pages, a->n_warc_files, a->warc_bytes, a->n_records, a->n_requests, a->n_responses, a->n_revisits, a->n_metadata,
           a->n_superseded, a->n_not_modified, a->n_torn_tails);
    printf(", \"links\": %" PRIu64 ", \"links_followed\": %" PRIu64 ", \"links_dropped\": %" PRIu64 ", \"is_running\": %s, \"counts\": {",
           a->n_links, a->n_links_followed, a->n_links_dropped, a->is_running ? "true" : "false");
    for (int i = 0; i < AUDIT_N_KINDS; i++)
        printf("%s\"%s\": %" PRIu64, i > 0 ? ", " : "", audit_kind_name((enum audit_kind)i), a->n_findings[i]);
    printf("}, \"findings\": [%s]}\n", r->findings.n > 0 ? r->findings.p : "");
}

static void
print_text(const struct report *r)
{
    const struct audit *a = &r->audit;

    printf("books  %" PRIu64 " URLs: %" PRIu64 " ready, %" PRIu64 " done, %" PRIu64 " waiting, %" PRIu64 " failed, %" PRIu64
           " excluded, %" PRIu64 " quarantined; %" PRIu64 " more excluded and only counted%s\n",
           a->n_urls, a->n_state[URLDB_READY], a->n_state[URLDB_DONE], a->n_state[URLDB_WAITING], a->n_state[URLDB_FAILED],
           a->n_state[URLDB_EXCLUDED], a->n_state[URLDB_QUARANTINED], a->n_excluded_dropped,
           a->has_counters ? "" : "; no live counters to compare");
    printf("pages  %" PRIu64 "\n", a->n_pages);
    printf("WARC   %" PRIu64 " records in %" PRIu64 " files: %" PRIu64 " responses, %" PRIu64 " revisits, %" PRIu64 " without an answer; %"
           PRIu64 " superseded, %" PRIu64 " not modified\n",
           a->n_records, a->n_warc_files, a->n_responses, a->n_revisits, a->n_metadata, a->n_superseded, a->n_not_modified);
    if (a->n_torn_tails > 0)
        printf("       %" PRIu64 " files end in a torn record: they were not closed, the next start cuts it\n", a->n_torn_tails);
    printf("links  %" PRIu64 ", %" PRIu64 " of them offered\n", a->n_links, a->n_links_followed);
    for (int i = 0; i < AUDIT_N_KINDS; i++)
        if (a->n_findings[i] > 0)
            printf("%-26s %" PRIu64 "\n", audit_kind_name((enum audit_kind)i), a->n_findings[i]);
    printf(audit_n_findings(a) == 0 ? "all agrees\n" : "NOT all agrees\n");
}

static int
run(struct crawl_read *c, struct report *r)
{
    int err;

    r->audit.sql = c->sql;
    r->audit.dir = c->dir;
    r->audit.is_running = crawl_is_running(c->dir);
    r->audit.finding = on_finding;
    r->audit.arg = r;
    if (r->audit.is_running)
        fprintf(stderr, "orb audit: %s: a crawl is running here; pause or stop it for an exact answer: what changes while it is read may be"
                        " blamed\n", c->dir);
    err = audit_run(&r->audit, &c->error);
    if (err == 0)
        err = r->err;
    if (err != 0)
        return crawl_read_fail(c, err);
    if (r->is_json)
        print_json(r);
    else
        print_text(r);
    if (fflush(stdout) != 0)
        return crawl_read_fail(c, ORB_EIO);
    return audit_n_findings(&r->audit) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int
usage_error(const char *why)
{
    fprintf(stderr, "orb audit: %s; `orb audit --help` explains\n", why);
    return EXIT_USAGE;
}

int
cmd_audit(int argc, char **argv)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' }, { "memory", required_argument, NULL, 'm' }, { "key-rules", required_argument, NULL, 'k' },
        { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
    };
    struct report r = { .is_json = false };
    struct crawl_read c;
    const char *rules = NULL;
    unsigned mib = 0;
    int option, code;
    char rest;

    optind = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
        switch (option) {
        case 'j': r.is_json = true; break;
        case 'm':
            if (sscanf(optarg, "%u%c", &mib, &rest) != 1 || mib < 1 || mib > 1024 * 1024)
                return usage_error("--memory wants MiB, from 1 to 1048576");
            r.audit.memory_bytes = (size_t)mib * 1024 * 1024;
            break;
        case 'k': rules = optarg; break;
        case 'h': fputs(help, stdout); return EXIT_DONE;
        default: return usage_error("bad option");
        }
    if (argc - optind != 1)
        return usage_error("want one DIR");
    buf_init(&r.findings, MEM_DEFAULT, BUF_NO_CEILING);
    code = EXIT_FAILED;
    if (crawl_read_open(&c, "audit", argv[optind], false) == 0 && (rules == NULL || crawl_read_key_rules(&c, rules) == 0))
        code = run(&c, &r);
    crawl_read_close(&c);
    buf_fini(&r.findings);
    return code;
}
