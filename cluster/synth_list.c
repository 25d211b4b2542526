/* synth_list.c - the answer: walks the synthetic web by its own links, as a complete crawl would */
#include "cluster/synth.h"
#include "pool/map.h"
#include "pool/ring.h"

struct walk {
    const struct synth_web *web;
    struct map seen;  /* packed URL -> a value that is never NULL */
    struct ring todo; /* packed URLs, as pointers */
    int err;
};

static uint64_t
pack(struct synth_url url)
{
    return (uint64_t)url.host << 40 | (uint64_t)url.kind << 32 | url.n;
}

static struct synth_url
unpack(uint64_t key)
{
    return (struct synth_url){ (uint32_t)(key >> 40), (uint32_t)key, (enum synth_kind)(key >> 32 & 0xff) };
}

static void
walk_offer(struct walk *w, struct synth_url url)
{
    uint64_t key = pack(url);

    if (w->err != 0 || !synth_may_fetch(url) || map_get(&w->seen, key) != NULL)
        return;
    w->err = map_put(&w->seen, key, w);
    if (w->err == 0)
        w->err = ring_push(&w->todo, (void *)(uintptr_t)(key + 1)); /* + 1: a ring holds no NULL */
}

static void
on_link(void *arg, const struct synth_link *link)
{
    if (link->foreign == NULL && !link->is_nofollow)
        walk_offer(arg, link->to);
}

/* robots.txt is read when a host is first asked for anything; it names the sitemaps. */
static void
walk_meet_host(struct walk *w, uint32_t host)
{
    struct synth_url index = { host, 0, SYNTH_SITEMAP_INDEX };
    enum synth_robots robots = synth_robots_of(index);

    if (robots == SYNTH_ROBOTS_SITEMAP || robots == SYNTH_ROBOTS_WILDCARD)
        walk_offer(w, index);
}

int
synth_list(const struct synth_web *web, synth_list_fn *each, void *arg)
{
    struct walk w = { .web = web };
    void *next;

    map_init(&w.seen, MEM_DEFAULT);
    ring_init(&w.todo, MEM_DEFAULT, 0);
    walk_offer(&w, (struct synth_url){ 0, 0, SYNTH_PAGE });
    while (w.err == 0 && (next = ring_take(&w.todo)) != NULL) {
        struct synth_url url = unpack((uint64_t)(uintptr_t)next - 1), to;

        walk_meet_host(&w, url.host);
        if (synth_redirect(web, url, &to))
            walk_offer(&w, to);
        else if (synth_status(url) == 200)
            synth_links(web, url, on_link, &w);
        if (w.err == 0)
            w.err = each(arg, url, synth_status(url));
    }
    ring_fini(&w.todo);
    map_fini(&w.seen);
    return w.err;
}
