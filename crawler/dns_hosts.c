#include "crawler/dns_hosts.h"

#include <arpa/inet.h>
#include <string.h>
#include <xxhash.h>

#include "pool/error.h"
#include "pool/mem.h"

struct entry { /* of one name on one line */
    uint32_t hash;
    uint32_t line; /* offset of the line + 1; 0: free */
};

struct dns_hosts {
    struct slice text;
    struct entry *entries; /* open addressing: those of one name follow each other in the order of the file */
    size_t cap;            /* a power of two, more than twice the names */
};

/* ---- the text ---- */

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\0';
}

/* The line at `at`, without its comment; *next: where the one after it begins. */
static struct slice
line_at(struct slice text, size_t at, size_t *next)
{
    struct slice line = slice_sub(text, at, SIZE_MAX);
    const char *end = memchr(line.p, '\n', line.n), *comment;

    if (end != NULL)
        line.n = (size_t)(end - line.p);
    *next = at + line.n + 1;
    comment = memchr(line.p, '#', line.n);
    if (comment != NULL)
        line.n = (size_t)(comment - line.p);
    return line;
}

static struct slice
take_word(struct slice *line)
{
    size_t from = 0, to;

    while (from < line->n && is_space(line->p[from]))
        from++;
    for (to = from; to < line->n && !is_space(line->p[to]);)
        to++;
    struct slice word = slice_sub(*line, from, to - from);
    *line = slice_sub(*line, to, SIZE_MAX);
    return word;
}

static bool
read_address(struct slice word, struct dns_address *out)
{
    char text[INET6_ADDRSTRLEN];

    if (word.n == 0 || word.n >= sizeof text)
        return false;
    memcpy(text, word.p, word.n);
    text[word.n] = '\0';
    out->is_v6 = memchr(text, ':', word.n) != NULL;
    return inet_pton(out->is_v6 ? AF_INET6 : AF_INET, text, out->bytes) == 1;
}

/* As dns_name_read() writes names; empty: it is none. */
static struct slice
read_name(struct slice word, char out[DNS_NAME_MAX_BYTES])
{
    if (word.n > 0 && word.p[word.n - 1] == '.')
        word.n--;
    if (word.n > DNS_NAME_MAX_BYTES)
        return SLICE_NONE;
    for (size_t i = 0; i < word.n; i++)
        out[i] = word.p[i] >= 'A' && word.p[i] <= 'Z' ? (char)(word.p[i] | 0x20) : word.p[i];
    return slice_of(out, word.n);
}

static bool
line_has_name(struct slice line, struct slice name)
{
    char lower[DNS_NAME_MAX_BYTES];

    for (struct slice word; (word = take_word(&line)).n > 0;)
        if (slice_eq(read_name(word, lower), name))
            return true;
    return false;
}

/* ---- the table ---- */

static uint32_t
hash_of(struct slice name)
{
    return (uint32_t)XXH3_64bits(name.p, name.n);
}

/* Many more of one name than it may have addresses are left out: a file of one name must not take for ever. */
static void
insert(struct dns_hosts *h, struct entry e)
{
    size_t at = e.hash & (h->cap - 1);
    unsigned n_same = 0;

    for (; h->entries[at].line != 0; at = (at + 1) & (h->cap - 1)) {
        n_same += h->entries[at].hash == e.hash;
        if (n_same >= 4 * DNS_MAX_ADDRESSES)
            return;
    }
    h->entries[at] = e;
}

/* Calls insert() for each name, or only counts them. */
static size_t
each_name(struct dns_hosts *h, bool is_counting)
{
    char lower[DNS_NAME_MAX_BYTES];
    struct dns_address address;
    size_t n = 0;

    for (size_t at = 0, next; at < h->text.n; at = next) {
        struct slice line = line_at(h->text, at, &next), name;

        if (!read_address(take_word(&line), &address))
            continue;
        for (struct slice word; (word = take_word(&line)).n > 0; n++) {
            name = read_name(word, lower);
            if (!is_counting && name.n > 0)
                insert(h, (struct entry){ hash_of(name), (uint32_t)at + 1 });
        }
    }
    return n;
}

int
dns_hosts_new(struct dns_hosts **out, struct slice text)
{
    struct dns_hosts *h;
    size_t n;

    if (text.n >= UINT32_MAX)
        return ORB_ETOOBIG;
    h = mem_zalloc(MEM_CACHE, sizeof *h);
    if (h == NULL)
        return ORB_ENOMEM;
    h->text = text;
    n = each_name(h, true);
    for (h->cap = 16; h->cap <= 2 * n;)
        h->cap *= 2;
    h->entries = mem_zalloc(MEM_CACHE, h->cap * sizeof *h->entries);
    if (h->entries == NULL) {
        dns_hosts_free(&h);
        return ORB_ENOMEM;
    }
    each_name(h, false);
    *out = h;
    return 0;
}

void
dns_hosts_free(struct dns_hosts **hosts)
{
    struct dns_hosts *h = *hosts;

    if (h == NULL)
        return;
    mem_free(MEM_CACHE, h->entries);
    MEM_FREE(MEM_CACHE, hosts);
}

bool
dns_hosts_find(const struct dns_hosts *h, struct slice name, struct dns_found *found)
{
    uint32_t hash = hash_of(name);

    for (size_t at = hash & (h->cap - 1); h->entries[at].line != 0; at = (at + 1) & (h->cap - 1)) {
        struct dns_address address;
        struct slice line;
        size_t next;

        if (h->entries[at].hash != hash)
            continue;
        line = line_at(h->text, h->entries[at].line - 1, &next);
        if (read_address(take_word(&line), &address) && line_has_name(line, name))
            dns_found_add(found, address.bytes, address.is_v6);
    }
    return found->n > 0;
}
