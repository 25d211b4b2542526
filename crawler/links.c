/* links.c - which attribute of which element is a link, and of what kind */
#include "crawler/links.h"

#define ASSETS true
#define ALWAYS false

struct rule {
    uint8_t tag;      /* enum html_tag */
    uint8_t kind;     /* enum link_kind */
    bool is_asset;
    bool is_srcset;
    struct slice attribute;
};

#define RULE(tag, attribute, kind, asset) { HTML_##tag, LINK_##kind, asset, false, { attribute, sizeof(attribute) - 1 } }
#define SRCSET(tag, attribute, kind) { HTML_##tag, LINK_##kind, ASSETS, true, { attribute, sizeof(attribute) - 1 } }

/* a, area, base, link and meta have functions of their own; rows of one element stand together. */
static const struct rule rules[] = {
    RULE(FRAME, "src", FRAME, ALWAYS),      RULE(IFRAME, "src", IFRAME, ALWAYS),
    RULE(IMG, "src", IMAGE, ASSETS),        SRCSET(IMG, "srcset", IMAGE),
    RULE(IMAGE, "src", IMAGE, ASSETS),      RULE(IMAGE, "href", IMAGE, ASSETS),  RULE(IMAGE, "xlink:href", IMAGE, ASSETS),
    RULE(SOURCE, "src", MEDIA, ASSETS),     SRCSET(SOURCE, "srcset", IMAGE),
    RULE(INPUT, "src", IMAGE, ASSETS),      RULE(INPUT, "formaction", FORM, ASSETS),
    RULE(BUTTON, "formaction", FORM, ASSETS),
    RULE(VIDEO, "src", MEDIA, ASSETS),      RULE(VIDEO, "poster", IMAGE, ASSETS),
    RULE(AUDIO, "src", MEDIA, ASSETS),      RULE(TRACK, "src", MEDIA, ASSETS),
    RULE(EMBED, "src", OBJECT, ASSETS),     RULE(OBJECT, "data", OBJECT, ASSETS),
    RULE(SCRIPT, "src", SCRIPT, ASSETS),    RULE(FORM, "action", FORM, ASSETS),
    RULE(BODY, "background", IMAGE, ASSETS), RULE(TABLE, "background", IMAGE, ASSETS),
    RULE(TD, "background", IMAGE, ASSETS),  RULE(TH, "background", IMAGE, ASSETS),
    RULE(BLOCKQUOTE, "cite", OTHER, ASSETS), RULE(Q, "cite", OTHER, ASSETS),
    RULE(INS, "cite", OTHER, ASSETS),       RULE(DEL, "cite", OTHER, ASSETS),
};

/* What rel says about a <link>; the first row that fits wins. */
static const struct {
    const char *token;
    uint8_t kind;
    bool is_asset, is_dropped;
} relations[] = {
    { "canonical", LINK_CANONICAL, false, false },
    { "stylesheet", LINK_STYLE, true, false },
    { "icon", LINK_ICON, true, false },
    { "apple-touch-icon", LINK_ICON, true, false },
    { "apple-touch-icon-precomposed", LINK_ICON, true, false },
    { "mask-icon", LINK_ICON, true, false },
    { "alternate", LINK_ALTERNATE, false, false },
    { "next", LINK_NEXT, false, false },
    { "prev", LINK_NEXT, false, false },
    { "previous", LINK_NEXT, false, false },
    { "preload", LINK_OTHER, true, false },
    { "modulepreload", LINK_OTHER, true, false },
    { "manifest", LINK_OTHER, true, false },
    { "dns-prefetch", LINK_OTHER, false, true },
    { "preconnect", LINK_OTHER, false, true },
    { "pingback", LINK_OTHER, false, true },
};

static const char *const kind_names[LINK_N] = {
    [LINK_A] = "a", [LINK_AREA] = "area", [LINK_LINK] = "link", [LINK_CANONICAL] = "canonical",
    [LINK_ALTERNATE] = "alternate", [LINK_NEXT] = "next", [LINK_FRAME] = "frame", [LINK_IFRAME] = "iframe",
    [LINK_META_REFRESH] = "meta-refresh", [LINK_FORM] = "form", [LINK_BASE] = "base", [LINK_IMAGE] = "image",
    [LINK_SCRIPT] = "script", [LINK_STYLE] = "style", [LINK_MEDIA] = "media", [LINK_ICON] = "icon",
    [LINK_OBJECT] = "object", [LINK_REDIRECT] = "redirect", [LINK_SITEMAP_URL] = "sitemap-url",
    [LINK_SITEMAP] = "sitemap", [LINK_SEED] = "seed", [LINK_OTHER] = "other",
};

const char *
link_kind_name(enum link_kind k)
{
    return (unsigned)k < LINK_N ? kind_names[k] : "?";
}

uint64_t
links_tags(bool want_assets)
{
    uint64_t tags = HTML_BIT(HTML_A) | HTML_BIT(HTML_AREA) | HTML_BIT(HTML_BASE) | HTML_BIT(HTML_LINK);

    for (size_t i = 0; i < ORB_N_ELEMENTS(rules); i++)
        if (want_assets || !rules[i].is_asset)
            tags |= HTML_BIT(rules[i].tag);
    return tags;
}

struct slice
html_attribute(const struct html_attribute *attributes, unsigned n, struct slice name)
{
    for (unsigned i = 0; i < n; i++)
        if (attributes[i].name.n == name.n && attributes[i].name.p[0] == name.p[0] && slice_eq(attributes[i].name, name))
            return attributes[i].value.p == NULL ? SLICE_LITERAL("") : attributes[i].value;
    return SLICE_NONE;
}

static bool
is_separator(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ',';
}

bool
links_has_token(struct slice list, const char *token)
{
    size_t n_token = strlen(token);

    for (size_t at = 0; at < list.n;) {
        size_t from;
        while (at < list.n && is_separator(list.p[at]))
            at++;
        for (from = at; at < list.n && !is_separator(list.p[at]); at++)
            ;
        if (at - from == n_token && strncasecmp(list.p + from, token, n_token) == 0)
            return true;
    }
    return false;
}

static uint8_t
flags_of_rel(struct slice rel)
{
    if (rel.n < 3) /* "ugc" is the shortest that matters */
        return 0;
    return links_has_token(rel, "nofollow") || links_has_token(rel, "ugc") || links_has_token(rel, "sponsored") ? LINK_NOFOLLOW
                                                                                                                 : 0;
}

/* ---- elements ----------------------------------------------------------------------------------------------------- */

static void
add_anchor(struct links *l, enum html_tag tag, const struct html_attribute *a, unsigned n)
{
    struct slice href = html_attribute(a, n, SLICE_LITERAL("href")), rel;

    if (href.p == NULL)
        href = html_attribute(a, n, SLICE_LITERAL("xlink:href")); /* inside <svg> */
    if (href.p == NULL)
        return;
    rel = html_attribute(a, n, SLICE_LITERAL("rel"));
    links_add(l, href, tag == HTML_A ? LINK_A : LINK_AREA, rel, flags_of_rel(rel));
}

static void
add_related(struct links *l, struct slice href, struct slice rel)
{
    uint8_t kind = LINK_LINK;
    bool is_asset = false;

    if (href.p == NULL || slice_trim(rel).n == 0)
        return; /* without a relation it links nothing */
    for (size_t i = 0; i < ORB_N_ELEMENTS(relations); i++)
        if (links_has_token(rel, relations[i].token)) {
            if (relations[i].is_dropped)
                return;
            kind = relations[i].kind;
            is_asset = relations[i].is_asset;
            break;
        }
    if (kind == LINK_ALTERNATE && links_has_token(rel, "stylesheet"))
        kind = LINK_STYLE;
    if (!is_asset || l->in->want_assets)
        links_add(l, href, kind, rel, flags_of_rel(rel));
}

enum links_result
links_base(struct links *l, struct slice href)
{
    int err;

    if (l->has_base || href.p == NULL)
        return LINKS_GO_ON;
    l->has_base = true; /* the first with an href, whatever it holds */
    if (l->is_recording) {
        buf_clear(&l->written_base);
        l->has_written_base = true;
        l->is_unrecorded |= buf_append_slice(&l->written_base, href) != 0;
    }
    err = url_parse(&l->scratch, href, l->in->url);
    if (err == ORB_ENOMEM)
        l->err = err;
    if (err != 0 || !url_is_http(&l->scratch) || slice_eq(url_href(&l->scratch), url_href(l->in->url)))
        return LINKS_GO_ON;
    l->err = url_copy(&l->base, &l->scratch);
    return l->has_relative && l->err == 0 ? LINKS_AGAIN : LINKS_GO_ON;
}

/* "a b 1x, c": the URLs of https://html.spec.whatwg.org/#parse-a-srcset-attribute; descriptors are not judged. */
static void
add_srcset(struct links *l, struct slice s, uint8_t kind)
{
    for (size_t at = 0; at < s.n;) {
        size_t from, end;
        unsigned depth = 0;

        while (at < s.n && is_separator(s.p[at]))
            at++;
        for (from = at; at < s.n && !(is_separator(s.p[at]) && s.p[at] != ','); at++)
            ;
        for (end = at; end > from && s.p[end - 1] == ','; end--)
            ;
        if (end > from)
            links_add(l, slice_sub(s, from, end - from), kind, SLICE_NONE, 0);
        if (end != at)
            continue; /* it ended in a comma: no descriptor */
        for (; at < s.n && (depth > 0 || s.p[at] != ','); at++) {
            if (s.p[at] == '(')
                depth = 1; /* the standard's "in parens" does not nest */
            else if (s.p[at] == ')')
                depth = 0;
        }
    }
}

static void
add_by_rules(struct links *l, enum html_tag tag, const struct html_attribute *a, unsigned n)
{
    for (size_t i = 0; i < ORB_N_ELEMENTS(rules); i++) {
        struct slice value;

        if (rules[i].tag != tag || (rules[i].is_asset && !l->in->want_assets))
            continue;
        value = html_attribute(a, n, rules[i].attribute);
        if (value.p == NULL || slice_trim(value).n == 0)
            continue; /* an empty src is the page itself: nothing is fetched */
        if (rules[i].is_srcset)
            add_srcset(l, value, rules[i].kind);
        else
            links_add(l, value, rules[i].kind, SLICE_NONE, rules[i].kind == LINK_FORM ? LINK_NOFOLLOW : 0);
    }
}

enum links_result
links_element(struct links *l, enum html_tag tag, const struct html_attribute *attributes, unsigned n)
{
    switch (tag) {
    case HTML_A:
    case HTML_AREA:
        add_anchor(l, tag, attributes, n);
        break;
    case HTML_BASE:
        return links_base(l, html_attribute(attributes, n, SLICE_LITERAL("href")));
    case HTML_LINK:
        add_related(l, html_attribute(attributes, n, SLICE_LITERAL("href")),
                    html_attribute(attributes, n, SLICE_LITERAL("rel")));
        break;
    default:
        add_by_rules(l, tag, attributes, n);
    }
    return LINKS_GO_ON;
}

/* ---- meta refresh: https://html.spec.whatwg.org/#shared-declarative-refresh-steps ---------------------------------- */

static void
skip_blanks(struct slice *s)
{
    while (s->n > 0 && is_separator(*s->p) && *s->p != ',')
        *s = slice_sub(*s, 1, s->n);
}

/* Behind "url =" when that stands at s; s unchanged otherwise. */
static struct slice
behind_url_equals(struct slice s)
{
    struct slice t = s;

    if (t.n < 3 || strncasecmp(t.p, "url", 3) != 0)
        return s;
    t = slice_sub(t, 3, t.n);
    skip_blanks(&t);
    if (t.n == 0 || *t.p != '=')
        return s;
    t = slice_sub(t, 1, t.n);
    skip_blanks(&t);
    return t;
}

void
links_refresh(struct links *l, struct slice s)
{
    bool has_digit = false;

    skip_blanks(&s);
    for (; s.n > 0 && ((*s.p >= '0' && *s.p <= '9') || *s.p == '.'); s = slice_sub(s, 1, s.n))
        has_digit = true; /* the standard lets a lone "." pass */
    if (!has_digit || s.n == 0)
        return;
    if (*s.p != ';' && !is_separator(*s.p))
        return;
    skip_blanks(&s);
    if (s.n > 0 && (*s.p == ';' || *s.p == ','))
        s = slice_sub(s, 1, s.n);
    skip_blanks(&s);
    if (s.n == 0)
        return;
    s = behind_url_equals(s);
    if (s.n > 0 && (*s.p == '"' || *s.p == '\'')) {
        char quote = *s.p;
        const char *close;
        s = slice_sub(s, 1, s.n);
        close = s.n == 0 ? NULL : memchr(s.p, quote, s.n);
        if (close != NULL)
            s.n = (size_t)(close - s.p);
    }
    links_add(l, s, LINK_META_REFRESH, SLICE_NONE, 0);
}

/* ---- Link: </page2>; rel="next", ... (RFC 8288 section 3) ---------------------------------------------------------- */

/* One parameter at *s, behind ';'. The value's quotes are off; backslashes stay, no relation has one. */
static void
link_parameter(struct slice *s, struct slice *name, struct slice *value)
{
    size_t at = 0, from;

    while (at < s->n && s->p[at] != '=' && s->p[at] != ';' && s->p[at] != ',')
        at++;
    *name = slice_trim(slice_sub(*s, 0, at));
    *value = SLICE_NONE;
    if (at < s->n && s->p[at] == '=') {
        for (at++; at < s->n && (s->p[at] == ' ' || s->p[at] == '\t');)
            at++;
        from = at;
        if (at < s->n && s->p[at] == '"') {
            for (from = ++at; at < s->n && s->p[at] != '"'; at++)
                if (s->p[at] == '\\' && at + 1 < s->n)
                    at++;
            *value = slice_sub(*s, from, at - from);
        } else {
            while (at < s->n && s->p[at] != ';' && s->p[at] != ',')
                at++;
            *value = slice_trim(slice_sub(*s, from, at - from));
        }
    }
    while (at < s->n && s->p[at] != ';' && s->p[at] != ',')
        at++;
    *s = slice_sub(*s, at, s->n);
}

void
links_header(struct links *l, struct slice s)
{
    while (s.n > 0) {
        const char *open = memchr(s.p, '<', s.n), *close;
        struct slice target, rel = SLICE_NONE, name, value;
        bool is_elsewhere = false;

        if (open == NULL)
            return;
        s = slice_sub(s, (size_t)(open - s.p) + 1, s.n);
        close = s.n == 0 ? NULL : memchr(s.p, '>', s.n);
        if (close == NULL)
            return;
        target = slice_of(s.p, (size_t)(close - s.p));
        s = slice_sub(s, target.n + 1, s.n);
        for (s = slice_trim(s); s.n > 0 && *s.p == ';';) {
            s = slice_sub(s, 1, s.n);
            link_parameter(&s, &name, &value);
            if (slice_eq_nocase(name, SLICE_LITERAL("rel")) && rel.p == NULL)
                rel = value;
            else if (slice_eq_nocase(name, SLICE_LITERAL("anchor")))
                is_elsewhere = true; /* it speaks about another page */
        }
        if (!is_elsewhere)
            add_related(l, target, rel);
        while (s.n > 0 && *s.p != ',') /* damaged: on to the next value */
            s = slice_sub(s, 1, s.n);
    }
}
