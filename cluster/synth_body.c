/* synth_body.c - what stands on a page of the synthetic web
 *
 * Pages are written in UTF-8 with Latin-1 letters only, then turned into their charset. Byte for byte the same whenever
 * they are asked for.
 */
#include "cluster/synth.h"

#include <inttypes.h>
#include <libdeflate.h>
#include <stdio.h>

enum charset { CHARSET_UTF8, CHARSET_CP1252, CHARSET_LATIN1_META, CHARSET_UTF16LE };

static const char *const words[] = {
    "spider", "silk",  "orb",     "thread", "radius", "spiral", "caf\303\251", "dew",   "evening", "garden",   "corner", "anchor",
    "wind",   "weave", "leaf",    "branch", "night",  "morning", "fly",        "patient", "bridge", "Z\303\274rich", "glue",   "frame",
    "hub",    "repair", "hunger", "light",  "na\303\257ve", "drop",  "signal", "tension", "quiet", "trap",     "web",    "season",
};

static enum charset
charset_of(const struct synth_web *web, struct synth_url url)
{
    unsigned r = (unsigned)(synth_mix(web, url, 3) % 16);

    if (url.kind != SYNTH_PAGE)
        return CHARSET_UTF8;
    return r == 0 ? CHARSET_UTF16LE : r < 3 ? CHARSET_CP1252 : r < 5 ? CHARSET_LATIN1_META : CHARSET_UTF8;
}

static const char *
type_of(enum charset charset)
{
    switch (charset) {
    case CHARSET_CP1252:
        return "text/html; charset=windows-1252";
    case CHARSET_LATIN1_META:
    case CHARSET_UTF16LE: /* by its BOM */
        return "text/html";
    case CHARSET_UTF8:
        break;
    }
    return "text/html; charset=utf-8";
}

struct writer {
    const struct synth_web *web;
    struct synth_url from;
    struct buf *out;
    unsigned n_links;
    int err; /* the first failure; all further calls do nothing */
};

static void
put(struct writer *w, const char *text)
{
    if (w->err == 0)
        w->err = buf_append_str(w->out, text);
}

/* One link in one of the spellings that mean the same URL. */
static void
put_link(void *arg, const struct synth_link *link)
{
    struct writer *w = arg;
    unsigned spelling = (unsigned)(synth_mix(w->web, link->to, 4 + w->n_links++) % 4);
    bool is_near = link->to.host == w->from.host && spelling != 0;

    put(w, link->is_nofollow ? "<li><a rel=\"nofollow\" href=\"" : "<li><a href=\"");
    if (link->foreign != NULL)
        put(w, link->foreign);
    else if (w->err == 0)
        w->err = is_near ? synth_print_path(link->to, w->out) : synth_print_url(w->web, link->to, w->out);
    if (spelling == 2 && link->foreign == NULL)
        put(w, "#part");
    put(w, "\">");
    put(w, link->foreign != NULL ? "outside" : words[link->to.n % ORB_N_ELEMENTS(words)]);
    put(w, "</a>\n");
}

static void
put_text(struct writer *w, size_t n_bytes, uint64_t salt)
{
    size_t end = w->out->n + n_bytes;
    uint64_t r = synth_mix(w->web, w->from, salt);

    put(w, "<p>");
    for (unsigned i = 1; w->out->n < end && w->err == 0; i++) {
        r = r * 6364136223846793005ull + 1442695040888963407ull;
        put(w, words[(r >> 33) % ORB_N_ELEMENTS(words)]);
        put(w, i % 80 == 0 ? ".</p>\n<p>" : i % 16 == 0 ? ",\n" : " ");
    }
    put(w, "</p>\n");
}

static void
put_page(struct writer *w, enum charset charset)
{
    const struct synth_web *web = w->web;
    struct synth_url u = w->from;
    size_t n_text;

    if (u.kind == SYNTH_MIRROR) /* the same bytes for every n */
        u.n = 0;
    w->from = u;
    n_text = u.kind == SYNTH_LARGE ? web->large_bytes : web->text_bytes / 2 + synth_mix(web, u, 5) % (web->text_bytes + 1);
    put(w, "<!DOCTYPE html>\n<html lang=\"en\"><head>\n");
    if (charset == CHARSET_LATIN1_META)
        put(w, "<meta charset=\"iso-8859-1\">\n");
    put(w, "<title>");
    if (w->err == 0)
        w->err = synth_print_path(u, w->out);
    if (w->err == 0)
        w->err = buf_printf(w->out, " of h%" PRIu32 " \302\267 caf\303\251</title>\n<meta name=\"description\" content=\"%s %s\">\n",
                            u.host, words[u.n % ORB_N_ELEMENTS(words)], words[u.host % ORB_N_ELEMENTS(words)]);
    put(w, "</head><body>\n");
    put_text(w, n_text, 6);
    put(w, "<ul>\n");
    synth_links(web, u, put_link, w);
    put(w, "</ul>\n</body></html>\n");
}

/* In place: every character is below U+0100, so Latin-1 is never longer than UTF-8. */
static void
to_latin1(struct buf *b, size_t from)
{
    unsigned char *p = (unsigned char *)b->p;
    size_t n = from;

    for (size_t i = from; i < b->n; i++, n++) {
        p[n] = p[i];
        if (p[i] >= 0x80) { /* two bytes */
            p[n] = (unsigned char)(p[i] << 6 | (p[i + 1] & 0x3f));
            i++;
        }
    }
    buf_truncate(b, n);
}

static int
to_utf16le(struct buf *b, size_t from)
{
    size_t n;
    int err;

    to_latin1(b, from);
    n = b->n - from;
    err = buf_reserve(b, n + 2);
    if (err != 0)
        return err;
    for (size_t i = n; i-- > 0;) { /* from the end: the wide text overlaps the narrow one */
        b->p[from + 2 + 2 * i] = b->p[from + i];
        b->p[from + 3 + 2 * i] = 0;
    }
    memcpy(b->p + from, "\xff\xfe", 2);
    b->n = from + 2 * n + 2;
    b->p[b->n] = '\0';
    return 0;
}

static int
put_robots(const struct synth_web *web, struct synth_url url, struct buf *out)
{
    struct synth_url sitemap = { url.host, 0, SYNTH_SITEMAP_INDEX };
    enum synth_robots robots = synth_robots_of(url);
    static const char *const texts[] = {
        [SYNTH_ROBOTS_NONE] = "no robots.txt here\n",
        [SYNTH_ROBOTS_SITEMAP] = "User-agent: *\nDisallow: /private/\n",
        [SYNTH_ROBOTS_ALLOW_ONE] = "User-agent: *\nDisallow: /private/\nAllow: /private/1$\n",
        [SYNTH_ROBOTS_DELAY] = "# slowly\nUser-agent: *\nCrawl-delay: 0.05\nDisallow: /private/\n",
        [SYNTH_ROBOTS_GROUPS] = "User-agent: orbweaver\nDisallow: /private/\n\nUser-agent: *\nDisallow: /\n",
        [SYNTH_ROBOTS_EMPTY] = "",
        [SYNTH_ROBOTS_REDIRECTED] = "User-agent: *\nDisallow: /private\n",
        [SYNTH_ROBOTS_WILDCARD] = "User-Agent: *\r\nDisallow: /*rivate/\r\nDisallow: /*.cgi$\r\n",
    };
    int err = buf_append_str(out, texts[robots]);

    if (err != 0 || (robots != SYNTH_ROBOTS_SITEMAP && robots != SYNTH_ROBOTS_WILDCARD))
        return err;
    err = buf_append_str(out, "Sitemap: ");
    if (err == 0)
        err = synth_print_url(web, sitemap, out);
    return err != 0 ? err : buf_append_char(out, '\n');
}

static void
put_loc(void *arg, const struct synth_link *link)
{
    struct writer *w = arg;
    bool is_index = w->from.kind == SYNTH_SITEMAP_INDEX;

    put(w, is_index ? "<sitemap><loc>" : "<url><loc>");
    if (w->err == 0)
        w->err = synth_print_url(w->web, link->to, w->out);
    put(w, is_index ? "</loc></sitemap>\n" : "</loc><lastmod>2024-05-01</lastmod></url>\n");
}

static int
gzip_in_place(struct buf *b, size_t from)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(1);
    size_t n = b->n - from, bound, done = 0;
    int err = c == NULL ? ORB_ENOMEM : 0;

    if (err == 0) {
        bound = libdeflate_gzip_compress_bound(c, n);
        err = buf_reserve(b, bound);
        if (err == 0)
            done = libdeflate_gzip_compress(c, b->p + from, n, b->p + b->n, bound);
    }
    if (err == 0) {
        memmove(b->p + from, b->p + b->n, done);
        b->n = from + done;
        b->p[b->n] = '\0';
    }
    libdeflate_free_compressor(c);
    return err;
}

static int
put_sitemap(const struct synth_web *web, struct synth_url url, struct buf *out)
{
    struct writer w = { .web = web, .from = url, .out = out };
    bool is_index = url.kind == SYNTH_SITEMAP_INDEX;
    size_t from = out->n;

    put(&w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    put(&w, is_index ? "<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n"
                     : "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n");
    synth_links(web, url, put_loc, &w);
    put(&w, is_index ? "</sitemapindex>\n" : "</urlset>\n");
    return w.err != 0 || url.kind != SYNTH_SITEMAP_GZ ? w.err : gzip_in_place(out, from);
}

int
synth_body(const struct synth_web *web, struct synth_url url, struct buf *out, const char **content_type)
{
    struct writer w = { .web = web, .from = url, .out = out };
    enum charset charset = charset_of(web, url);
    size_t from = out->n;
    unsigned status = synth_status(url);

    if (url.kind == SYNTH_ROBOTS || url.kind == SYNTH_ROBOTS_MOVED) {
        *content_type = "text/plain";
        return put_robots(web, url, out);
    }
    if (url.kind >= SYNTH_SITEMAP_INDEX) {
        *content_type = url.kind == SYNTH_SITEMAP_GZ ? "application/gzip" : "application/xml";
        return put_sitemap(web, url, out);
    }
    if (status != 200 && status != 0) {
        *content_type = "text/html; charset=utf-8";
        return buf_printf(out, "<!DOCTYPE html><title>%u</title><p>status %u\n", status, status);
    }
    *content_type = type_of(charset);
    put_page(&w, charset);
    if (w.err != 0 || charset == CHARSET_UTF8)
        return w.err;
    if (charset == CHARSET_UTF16LE)
        return to_utf16le(out, from);
    to_latin1(out, from);
    return 0;
}
