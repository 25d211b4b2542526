/* links_list.c - the list itself: resolve, drop what is listed already, keep
 *
 * The table holds two kinds of keys: the attribute's bytes as written (a menu repeats itself: no URL is parsed twice) and
 * the canonical URL. Hashes are compared, and for URLs the bytes; a collision of two written forms, made by an author for
 * his own page, costs that page a link.
 */
#include <xxhash.h>

#include "crawler/charset.h"
#include "crawler/links.h"
#include "crawler/parsed_page.h"

#define REL_MAX_BYTES 256
#define SLOTS_MIN 256
#define SLOTS_KEPT 4096
#define ITEMS_KEPT 1024
#define NO_LINK ((1u << 28) - 1)
#define RECORD_KEPT_BYTES (64 * 1024)
_Static_assert(PARSE_MAX_LINKS < NO_LINK, "a link's number fits its slot");

struct links_slot {
    uint64_t key;
    uint32_t epoch;
    uint32_t item : 28; /* NO_LINK: known not to be a link */
    uint32_t rank : 4;  /* of a written form: the highest of its mentions */
};

enum { SEED_WRITTEN = 1, SEED_CANONICAL = 2 };

void
links_init(struct links *l)
{
    memset(l, 0, sizeof *l);
    url_init(&l->base, MEM_PAGE);
    url_init(&l->scratch, MEM_PAGE);
    buf_init(&l->mentions, MEM_PAGE, PARSED_PAGE_MAX_LINKS * sizeof(struct parsed_mention));
    buf_init(&l->texts, MEM_PAGE, PARSED_PAGE_MAX_BYTES);
    buf_init(&l->written_base, MEM_PAGE, PARSED_PAGE_MAX_BYTES);
}

void
links_fini(struct links *l)
{
    buf_fini(&l->mentions);
    buf_fini(&l->texts);
    buf_fini(&l->written_base);
    url_fini(&l->base);
    url_fini(&l->scratch);
    MEM_FREE(MEM_PAGE, &l->items);
    MEM_FREE(MEM_PAGE, &l->slots);
    l->cap = l->slots_cap = l->n = l->n_slots_used = 0;
}

static void
forget_record(struct links *l, bool is_unrecorded)
{
    buf_clear(&l->mentions);
    buf_clear(&l->texts);
    l->is_unrecorded = is_unrecorded;
}

void
links_record(struct links *l)
{
    l->is_recording = true;
}

void
links_trim(struct links *l)
{
    if (l->cap > ITEMS_KEPT) {
        MEM_FREE(MEM_PAGE, &l->items);
        l->cap = 0;
    }
    if (l->slots_cap > SLOTS_KEPT) {
        MEM_FREE(MEM_PAGE, &l->slots);
        l->slots_cap = 0;
    }
    l->n = 0;
    l->out = NULL;
    l->in = NULL;
    l->is_recording = false;
    forget_record(l, false);
    buf_trim(&l->mentions, RECORD_KEPT_BYTES);
    buf_trim(&l->texts, RECORD_KEPT_BYTES);
    buf_trim(&l->written_base, RECORD_KEPT_BYTES);
}

void
links_begin(struct links *l, struct parsed *out, const struct parse_input *in, const struct charset *charset, bool keeps_base)
{
    l->out = out;
    l->in = in;
    l->charset = charset == NULL || charset_encodes_as_utf8(charset) ? NULL : charset;
    l->n = l->n_bytes = l->n_slots_used = 0;
    l->err = 0;
    l->has_relative = l->is_cut = false;
    if (!keeps_base) {
        l->has_base = l->has_written_base = false;
        buf_clear(&l->base.href);
    }
    forget_record(l, keeps_base && l->is_unrecorded); /* the base is not recorded again: if that failed, it is lost */
    if (++l->epoch == 0) {
        l->epoch = 1;
        if (l->slots != NULL)
            memset(l->slots, 0, l->slots_cap * sizeof *l->slots);
    }
}

/* ---- the table ---------------------------------------------------------------------------------------------------- */

static struct links_slot *
find_slot(const struct links *l, uint64_t key)
{
    for (size_t i = key & (l->slots_cap - 1);; i = (i + 1) & (l->slots_cap - 1))
        if (l->slots[i].epoch != l->epoch || l->slots[i].key == key)
            return &l->slots[i];
}

static int
grow_slots(struct links *l)
{
    struct links_slot *old = l->slots;
    size_t old_cap = l->slots_cap, cap = old_cap == 0 ? SLOTS_MIN : old_cap * 2;
    struct links_slot *slots = mem_array(MEM_PAGE, cap, sizeof *slots);

    if (slots == NULL)
        return ORB_ENOMEM;
    l->slots = slots;
    l->slots_cap = cap;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].epoch == l->epoch)
            *find_slot(l, old[i].key) = old[i];
    mem_free(MEM_PAGE, old);
    return 0;
}

/* The slot of key, with room for it to be filled. NULL: out of memory. */
static struct links_slot *
slot_for(struct links *l, uint64_t key)
{
    if (2 * (l->n_slots_used + 1) > l->slots_cap && grow_slots(l) != 0) {
        l->err = ORB_ENOMEM;
        return NULL;
    }
    return find_slot(l, key);
}

static void
fill_slot(struct links *l, struct links_slot *slot, uint64_t key, uint32_t item, unsigned rank)
{
    l->n_slots_used += slot->epoch != l->epoch;
    *slot = (struct links_slot){ key, l->epoch, item, rank };
}

/* ---- adding ------------------------------------------------------------------------------------------------------- */

static bool
is_http_absolute(struct slice href)
{
    return href.n > 8 && (strncasecmp(href.p, "http://", 7) == 0 || strncasecmp(href.p, "https://", 8) == 0);
}

/* A scheme that names nothing to fetch; looked at before the bytes are copied, as data: URLs are long. */
static bool
is_hopeless(struct slice href)
{
    static const char *const schemes[] = { "javascript:", "data:", "blob:", "about:" };

    while (href.n > 0 && (uint8_t)*href.p <= ' ')
        href = slice_sub(href, 1, href.n);
    if (href.n == 0 || strchr("jJdDbBaA", *href.p) == NULL)
        return false;
    for (size_t i = 0; i < ORB_N_ELEMENTS(schemes); i++)
        if (href.n >= strlen(schemes[i]) && strncasecmp(href.p, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

static bool
resolve(struct links *l, struct slice href)
{
    const struct url *base = l->base.href.n > 0 ? &l->base : l->in->url;
    int err;

    err = l->charset == NULL ? url_parse(&l->scratch, href, base)
                             : url_parse_encoded(&l->scratch, href, base, charset_encode, (void *)l->charset);
    if (err == ORB_ENOMEM)
        l->err = err;
    if (err != 0)
        return false;
    url_drop_fragment(&l->scratch);
    return url_href(&l->scratch).n <= LINKS_MAX_URL_BYTES && !is_hopeless(url_href(&l->scratch));
}

static struct slice
lower_copy(struct links *l, struct slice s)
{
    char *copy;

    s = slice_trim(slice_sub(s, 0, REL_MAX_BYTES));
    if (s.n == 0)
        return SLICE_NONE;
    copy = arena_dup(&l->out->arena, s);
    if (copy == NULL) {
        l->err = ORB_ENOMEM;
        return SLICE_NONE;
    }
    for (size_t i = 0; i < s.n; i++) /* a tab would split the line that shows it */
        copy[i] = copy[i] >= 'A' && copy[i] <= 'Z' ? (char)(copy[i] + 32) : (uint8_t)copy[i] < ' ' ? ' ' : copy[i];
    return slice_of(copy, s.n);
}

static bool
has_room(struct links *l, size_t n_bytes)
{
    struct link *items;
    size_t cap = l->cap == 0 ? 64 : l->cap * 2;

    if (l->n >= PARSE_MAX_LINKS || l->n_bytes + n_bytes > LINKS_MAX_BYTES) {
        l->is_cut = true;
        return false;
    }
    if (l->n < l->cap)
        return true;
    items = mem_realloc(MEM_PAGE, l->items, cap * sizeof *items);
    if (items == NULL) {
        l->err = ORB_ENOMEM;
        return false;
    }
    l->items = items;
    l->cap = cap;
    return true;
}

/* Which of two mentions says more of whether to go there: leading to a page before naming a part of this one, and in
 * either case without nofollow before with it. */
static unsigned
rank(unsigned kind, unsigned flags)
{
    const unsigned leads_to_page = ORB_BIT(LINK_A) | ORB_BIT(LINK_AREA) | ORB_BIT(LINK_CANONICAL)
                                   | ORB_BIT(LINK_ALTERNATE) | ORB_BIT(LINK_NEXT) | ORB_BIT(LINK_FRAME)
                                   | ORB_BIT(LINK_IFRAME) | ORB_BIT(LINK_META_REFRESH);

    return ((leads_to_page >> kind) & 1) + ((flags & LINK_NOFOLLOW) == 0 ? 2 : 0);
}

/* A second mention: the one that leads further is kept. */
static void
merge(struct links *l, uint32_t item, enum link_kind kind, struct slice rel, unsigned flags)
{
    struct link *link;

    if (item == NO_LINK)
        return;
    link = &l->items[item];
    if (rank(kind, flags) <= rank(link->kind, link->flags))
        return;
    link->kind = (uint8_t)kind;
    link->flags = (uint8_t)flags;
    link->rel = lower_copy(l, rel);
}

/* The link of l->scratch: its number, NO_LINK when there is no room. */
static uint32_t
add_resolved(struct links *l, enum link_kind kind, struct slice rel, unsigned flags)
{
    struct slice url = url_href(&l->scratch);
    uint64_t key = XXH3_64bits_withSeed(url.p, url.n, SEED_CANONICAL);
    struct links_slot *slot = slot_for(l, key);
    char *copy;

    if (slot == NULL)
        return NO_LINK;
    if (slot->epoch == l->epoch && slot->item != NO_LINK && slice_eq(l->items[slot->item].url, url)) {
        merge(l, slot->item, kind, rel, flags);
        return slot->item;
    }
    if (!has_room(l, url.n))
        return NO_LINK;
    copy = arena_dup(&l->out->arena, url);
    if (copy == NULL) {
        l->err = ORB_ENOMEM;
        return NO_LINK;
    }
    l->items[l->n] = (struct link){ slice_of(copy, url.n), lower_copy(l, rel), (uint8_t)kind, (uint8_t)flags };
    l->n_bytes += url.n;
    fill_slot(l, slot, key, (uint32_t)l->n, 0);
    return (uint32_t)l->n++;
}

_Static_assert(4 * LINKS_MAX_URL_BYTES <= UINT16_MAX, "the length of what links_add() takes fits a mention");

/* parsed_page.h says which mentions. Headers are read again for each page: they are not recorded. */
static void
record(struct links *l, struct slice href, enum link_kind kind, struct slice rel, unsigned flags)
{
    struct parsed_mention m = { .href_bytes = (uint16_t)href.n, .kind = (uint8_t)kind, .flags = (uint8_t)flags };

    rel = slice_sub(rel, 0, REL_MAX_BYTES);
    m.rel_bytes = (uint16_t)rel.n;
    if (buf_append(&l->mentions, &m, sizeof m) != 0 || buf_append_slice(&l->texts, href) != 0
        || buf_append_slice(&l->texts, rel) != 0)
        l->is_unrecorded = true;
}

void
links_add(struct links *l, struct slice href, enum link_kind kind, struct slice rel, unsigned flags)
{
    struct links_slot *slot;
    uint64_t key;
    uint32_t item = NO_LINK;
    unsigned r = rank(kind, flags);

    if (l->err != 0 || href.n > 4 * LINKS_MAX_URL_BYTES || is_hopeless(href))
        return;
    if (!is_http_absolute(href))
        l->has_relative = true;
    key = XXH3_64bits_withSeed(href.p, href.n, SEED_WRITTEN);
    slot = slot_for(l, key);
    if (slot == NULL)
        return;
    if (l->is_recording && (slot->epoch != l->epoch || r > slot->rank))
        record(l, href, kind, rel, flags);
    if (slot->epoch == l->epoch) {
        if (r > slot->rank)
            slot->rank = r;
        merge(l, slot->item, kind, rel, flags);
        return;
    }
    if (resolve(l, href))
        item = add_resolved(l, kind, rel, flags);
    if (l->err == 0 && (slot = slot_for(l, key)) != NULL) /* the table may have grown */
        fill_slot(l, slot, key, item, r);
}

int
links_end(struct links *l)
{
    struct parsed *out = l->out;

    if (l->err != 0)
        return l->err;
    if (l->n > 0) {
        out->links = arena_alloc(&out->arena, l->n * sizeof *out->links);
        if (out->links == NULL)
            return ORB_ENOMEM;
        memcpy(out->links, l->items, l->n * sizeof *out->links);
    }
    out->n_links = l->n;
    out->links_cut = l->is_cut;
    return 0;
}
