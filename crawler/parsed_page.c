#include "crawler/parsed_page.h"

#include "crawler/links.h"

#include <stdio.h>

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

    snprintf(to, cap, "%zu links of " SLICE_FMT, p->n_mentions, SLICE_ARG(p->url));
}

struct object_type parsed_page_type = {
    .name = "ParsedPage",
    .object_bytes = sizeof(struct parsed_page),
    .flags = OBJECT_ACYCLIC | OBJECT_WEAKABLE,
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
    return sizeof *p + parsed_page_owned_bytes(&p->object);
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

struct parsed_page *
parsed_page_make(const struct parsed *out, const struct links *l, const struct parse_input *in)
{
    struct slice url = slice_sub(url_href(in->url), 0, LINKS_MAX_URL_BYTES);
    size_t n_bytes = l->mentions.n + l->texts.n + l->written_base.n + url.n + out->title.n + out->description.n
                     + out->language.n + 1;
    struct parsed_page *p;
    char *at;

    if (l->is_unrecorded || n_bytes > PARSED_PAGE_MAX_BYTES)
        return NULL;
    p = OBJECT_NEW(&parsed_page_type);
    if (p == NULL)
        return NULL;
    list_init(&p->node);
    p->block = mem_alloc(MEM_CACHE, n_bytes);
    if (p->block == NULL) {
        parsed_page_unref(&p);
        return NULL;
    }
    at = p->block;
    p->mentions = (const struct parsed_mention *)(void *)put(&at, slice_of(l->mentions.p == NULL ? "" : l->mentions.p, l->mentions.n)).p;
    p->n_mentions = l->mentions.n / sizeof *p->mentions;
    p->texts = put(&at, slice_of(l->texts.p == NULL ? "" : l->texts.p, l->texts.n)).p;
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
}

void
parsed_page_replay(const struct parsed_page *p, struct links *l)
{
    const char *text = p->texts;

    CHECK_OBJECT(p, &parsed_page_type);
    if (p->base.p != NULL)
        links_base(l, p->base);
    for (size_t i = 0; i < p->n_mentions; i++) {
        const struct parsed_mention *m = &p->mentions[i];
        struct slice href = slice_of(text, m->href_bytes), rel = slice_of(text + m->href_bytes, m->rel_bytes);

        text += m->href_bytes + m->rel_bytes;
        links_add(l, href, (enum link_kind)m->kind, rel, m->flags);
    }
}
