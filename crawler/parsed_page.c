#include "crawler/parsed_page.h"

#include "crawler/links.h"

#include <stdio.h>

static void
parsed_page_visit(struct object *o, object_visit_fn *visit, void *arg)
{
    struct parsed_page *p = (struct parsed_page *)(void *)o;

    for (size_t i = 0; i < p->n_links; i++)
        visit(&p->links[i], arg);
}

/* Their text goes with the block: those that somebody else holds must not look there again. */
static void
parsed_page_clear(struct object *o)
{
    struct parsed_page *p = (struct parsed_page *)(void *)o;
    size_t n = p->n_links;

    p->n_links = 0;
    for (size_t i = 0; i < n; i++)
        if (p->links[i]->refs > 1)
            page_link_cut_off((struct page_link *)(void *)p->links[i]);
    object_unref_many(p->links, n);
}

static void
parsed_page_release(struct object *o)
{
    MEM_FREE(MEM_CACHE, &((struct parsed_page *)(void *)o)->block);
}

static size_t
parsed_page_owned_bytes(const struct object *o)
{
    const struct parsed_page *p = (const struct parsed_page *)(const void *)o;

    return p->block == NULL ? 0 : mem_usable_bytes(p->block);
}

static void
parsed_page_describe(const struct object *o, char *to, size_t cap)
{
    const struct parsed_page *p = (const struct parsed_page *)(const void *)o;

    snprintf(to, cap, "%zu links of " SLICE_FMT, p->n_links, SLICE_ARG(p->url));
}

struct object_type parsed_page_type = {
    .name = "ParsedPage",
    .object_bytes = sizeof(struct parsed_page),
    .flags = OBJECT_ACYCLIC | OBJECT_WEAKABLE,
    .visit = parsed_page_visit,
    .clear = parsed_page_clear,
    .release = parsed_page_release,
    .owned_bytes = parsed_page_owned_bytes,
    .describe = parsed_page_describe,
};

void
parsed_page_unref(struct parsed_page **page)
{
    struct object *o;

    if (*page == NULL)
        return;
    CHECK_OBJECT(*page, &parsed_page_type);
    o = &(*page)->object;
    *page = NULL;
    object_unref(&o);
}

size_t
parsed_page_bytes(const struct parsed_page *p)
{
    return object_slot_bytes(&parsed_page_type) + p->n_links * object_slot_bytes(&link_type) + parsed_page_owned_bytes(&p->object);
}

static struct slice
put(char **at, struct slice s)
{
    char *to = *at;

    if (s.n == 0)
        return s.p == NULL ? SLICE_NONE : slice_of(to, 0);
    memcpy(to, s.p, s.n);
    *at += s.n;
    return slice_of(to, s.n);
}

/* The Links of l's mentions, whose texts have moved to `text`. false: out of memory. */
static bool
make_links(struct parsed_page *p, const struct links *l, const char *text)
{
    const struct parsed_mention *m = (const struct parsed_mention *)(const void *)l->mentions.p;
    size_t n = l->mentions.n / sizeof *m;

    p->links = (struct object **)(void *)p->block;
    if (n == 0)
        return true;
    if (!OBJECT_NEW_MANY(&link_type, p->links, n))
        return false;
    p->n_links = n; /* from here on the page lets go of them */
    for (size_t i = 0; i < n; i++, m++) {
        struct page_link *link = (struct page_link *)(void *)p->links[i];

        link->text = text;
        link->href_bytes = m->href_bytes;
        link->rel_bytes = m->rel_bytes;
        link->kind = m->kind;
        link->flags = m->flags;
        text += m->href_bytes + m->rel_bytes;
    }
    return true;
}

struct parsed_page *
parsed_page_make(const struct parsed *out, const struct links *l, const struct parse_input *in)
{
    struct slice url = slice_sub(url_href(in->url), 0, LINKS_MAX_URL_BYTES);
    size_t links_bytes = l->mentions.n / sizeof(struct parsed_mention) * sizeof(struct object *);
    size_t n_bytes = links_bytes + l->texts.n + l->written_base.n + url.n + out->title.n + out->description.n + out->language.n + 1;
    struct parsed_page *p;
    char *at;

    if (l->is_unrecorded || n_bytes > PARSED_PAGE_MAX_BYTES)
        return NULL;
    p = OBJECT_NEW(&parsed_page_type);
    if (p == NULL)
        return NULL;
    list_init(&p->node);
    p->block = mem_alloc(MEM_CACHE, n_bytes);
    if (p->block == NULL)
        goto fail;
    at = p->block + links_bytes;
    if (!make_links(p, l, at))
        goto fail;
    put(&at, slice_of(l->texts.p == NULL ? "" : l->texts.p, l->texts.n));
    p->base = put(&at, buf_slice(&l->written_base));
    if (!l->has_written_base)
        p->base = SLICE_NONE;
    p->url = put(&at, url);
    p->title = put(&at, out->title);
    p->description = put(&at, out->description);
    p->language = put(&at, out->language);
    p->block_bytes = n_bytes;
    p->body_bytes = in->body.n;
    p->charset = l->charset;
    p->policy = out->policy;
    p->simhash = out->simhash;
    return p;
fail:
    parsed_page_unref(&p);
    return NULL;
}

void
parsed_page_replay(const struct parsed_page *p, struct links *l)
{
    CHECK_OBJECT(p, &parsed_page_type);
    if (p->base.p != NULL)
        links_base(l, p->base);
    for (size_t i = 0; i < p->n_links; i++) {
        const struct page_link *link = (const struct page_link *)(const void *)p->links[i];

        links_add(l, page_link_href(link), (enum link_kind)link->kind, page_link_rel(link), link->flags);
    }
}
