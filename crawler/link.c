#include "crawler/link.h"

#include <stdio.h>

/* "<a> /next nofollow", "<canonical> https://example.org/": for people. */
static void
link_describe(const struct object *o, char *to, size_t cap)
{
    const struct page_link *l = (const struct page_link *)(const void *)o;

    if (l->text == NULL)
        snprintf(to, cap, "<%s> of a page that is gone", link_kind_name((enum link_kind)l->kind));
    else
        snprintf(to, cap, "<%s> " SLICE_FMT "%s", link_kind_name((enum link_kind)l->kind),
                 SLICE_ARG(slice_sub(page_link_href(l), 0, 400)), l->flags & LINK_NOFOLLOW ? " nofollow" : "");
}

struct object_type link_type = {
    .name = "Link",
    .object_bytes = sizeof(struct page_link),
    .flags = OBJECT_ACYCLIC,
    .describe = link_describe,
};

void
page_link_cut_off(struct page_link *l)
{
    l->text = NULL;
    l->href_bytes = l->rel_bytes = 0;
}
