/* cmd_sitemap.c - `orb sitemap`: the entries of a sitemap file */
#include "cluster/cmd.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cluster/batch.h"
#include "crawler/sitemap.h"

static int
sitemap_read(struct sitemap *s, struct slice url_text, struct slice content_type, struct slice body)
{
    struct url url;
    int err;

    url_init(&url, MEM_DEFAULT);
    err = url_parse(&url, url_text, NULL);
    if (err == 0)
        err = sitemap_parse(s, &url, content_type, body);
    url_fini(&url);
    return err;
}

static int
entry_put(json_t *entries, const struct sitemap_entry *e)
{
    json_t *entry = json_object();
    int err;

    if (json_array_append_new(entries, entry) != 0) /* STEALS, also when it fails */
        return ORB_ENOMEM;
    err = batch_put(entry, "loc", e->loc);
    if (err == 0 && e->lastmod.n > 0)
        err = batch_put(entry, "lastmod", e->lastmod);
    if (err == 0)
        err = batch_put(entry, "kind", slice_str(e->is_sitemap ? "sitemap" : "url"));
    return err;
}

static int
sitemap_answer(void *arg, const json_t *request, json_t *answer)
{
    struct slice body = SLICE_NONE, url = SLICE_NONE, content_type = SLICE_NONE;
    struct buf body_bytes, url_bytes, type_bytes;
    json_t *entries = json_array();
    struct sitemap s;
    int err;

    sitemap_init(&s);
    buf_init(&body_bytes, MEM_BUF, BUF_NO_CEILING);
    buf_init(&url_bytes, MEM_BUF, BUF_NO_CEILING);
    buf_init(&type_bytes, MEM_BUF, BUF_NO_CEILING);
    err = batch_field(&body, &body_bytes, request, "body");
    if (err == 0)
        err = batch_field(&url, &url_bytes, request, "url");
    if (err == 0 && batch_field(&content_type, &type_bytes, request, "content_type") != 0)
        content_type = SLICE_NONE;
    if (err == 0)
        err = sitemap_read(&s, url, content_type, body);
    for (size_t i = 0; err == 0 && i < s.n_entries; i++)
        err = entry_put(entries, &s.entries[i]);
    if (json_object_set_new(answer, "entries", entries) != 0)
        err = ORB_ENOMEM;
    if (err != 0)
        err = batch_fail(answer, "needs body_base64 and url: %s", orb_strerror(err));
    buf_fini(&body_bytes);
    buf_fini(&url_bytes);
    buf_fini(&type_bytes);
    sitemap_fini(&s);
    return err;
}

static int
sitemap_once(const char *url, const char *content_type)
{
    struct buf body;
    struct sitemap s;
    int err;

    sitemap_init(&s);
    buf_init(&body, MEM_BUF, BUF_NO_CEILING);
    err = batch_read_all(&body, STDIN_FILENO);
    if (err == 0)
        err = sitemap_read(&s, slice_str(url), slice_str(content_type), buf_slice(&body));
    for (size_t i = 0; i < s.n_entries; i++) {
        fwrite(s.entries[i].loc.p, 1, s.entries[i].loc.n, stdout);
        putchar('\t');
        for (size_t k = 0; k < s.entries[i].lastmod.n; k++) /* a date may hold anything: one line stays one line */
            putchar((unsigned char)s.entries[i].lastmod.p[k] < ' ' ? ' ' : s.entries[i].lastmod.p[k]);
        fputs(s.entries[i].is_sitemap ? "\tsitemap\n" : "\turl\n", stdout);
    }
    if (err != 0)
        fprintf(stderr, "orb sitemap: %s\n", orb_strerror(err));
    else if (s.is_cut)
        fprintf(stderr, "orb sitemap: cut at %d entries or %d MiB\n", SITEMAP_MAX_ENTRIES, SITEMAP_MAX_BYTES >> 20);
    buf_fini(&body);
    sitemap_fini(&s);
    return err == 0 && fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static const char usage[] = "usage: orb sitemap --url URL [--content-type TYPE] < file\n"
                            "       orb sitemap --batch < requests.jsonl\n\n"
                            "Prints a sitemap's entries, one `location<TAB>date<TAB>kind` a line; kind is url or sitemap.\n"
                            "URL is where the file came from. Reads XML, gzip, plain text, RSS and Atom.\n"
                            "--batch answers {\"body_base64\", \"url\", \"content_type\"?} lines with\n"
                            "{\"entries\": [{\"loc\", \"lastmod\"?, \"kind\"}]} lines.\n";

int
cmd_sitemap(int argc, char **argv)
{
    const char *url = NULL, *content_type = "";

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--batch") == 0 && argc == 2)
            return batch_run(STDIN_FILENO, stdout, sitemap_answer, NULL);
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return EXIT_DONE;
        }
        if (i + 1 < argc && strcmp(argv[i], "--url") == 0)
            url = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--content-type") == 0)
            content_type = argv[++i];
        else {
            url = NULL;
            break;
        }
    }
    if (url == NULL) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    return sitemap_once(url, content_type);
}
