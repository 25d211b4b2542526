/* synth.h - a web that exists only as a function of (seed, host, path): what `orb demo`, soak and tests crawl
 *
 * Hosts h0.synth.test ... h(N-1).synth.test, each with a tree of pages and one of everything that the real web does to a
 * crawler: redirects (plain, chains, loops, to other hosts), byte-identical mirrors, 404, 410, answers that fail the first
 * time (500, 503 with Retry-After, reset, cut short) or always, slow and large pages, robots.txt in eight variants,
 * sitemaps (index, plain, gzip) that name pages nobody links to, gzip bodies, chunked bodies, four charsets, nofollow,
 * links that leave the web. Because all of it is computed, so is the answer: synth_list() names every URL that a complete
 * crawl from http://h0.synth.test/ must have asked, with the status it must have stored.
 *
 * Ownership  a struct synth_web is a plain value; nothing here keeps memory. Slices are BORROWED.
 */
#ifndef ORB_CLUSTER_SYNTH_H
#define ORB_CLUSTER_SYNTH_H

#include "pool/buf.h"

#define SYNTH_MAX_HOSTS 1000000
#define SYNTH_MAX_PAGES 10000000
#define SYNTH_MAX_ADDRESSES 250
#define SYNTH_N_ORPHANS 10
#define SYNTH_N_MIRRORS 5
#define SYNTH_N_PRIVATE 4
#define SYNTH_CHAIN_HOPS 3

struct synth_web {
    uint64_t seed;
    uint32_t n_hosts;
    uint32_t n_pages;     /* in the tree of each host; everything else comes on top */
    uint32_t text_bytes;  /* of a page, on average */
    uint32_t large_bytes; /* of the one large page */
    uint16_t port;        /* stands in every URL */
};

/*  X(identifier, path prefix, how many: a number, or 0 = n_pages). A resource with one instance has the bare prefix. */
#define SYNTH_KINDS(X)                                                                                                 \
    X(PAGE, "/p/", 0)           /* n = 0 is "/" */                                                                     \
    X(OLD, "/old/", 0)          /* 301 to page n */                                                                    \
    X(CHAIN, "/chain/", SYNTH_CHAIN_HOPS + 1) /* 302 to n - 1; 0 goes to a page */                                     \
    X(LOOP, "/loop/", 2)        /* 302 to each other */                                                                \
    X(ELSEWHERE, "/elsewhere", 1) /* 302 to a page of the next host */                                                 \
    X(MIRROR, "/mirror/", SYNTH_N_MIRRORS) /* the same bytes for every n */                                            \
    X(MISSING, "/missing/", 0)  /* 404 */                                                                              \
    X(GONE, "/gone", 1)         /* 410 */                                                                              \
    X(FLAKY, "/flaky", 1)       /* 500 the first time */                                                               \
    X(BUSY, "/busy", 1)         /* 503 with Retry-After the first time */                                              \
    X(RESET, "/reset", 1)       /* connection reset the first time */                                                  \
    X(CUT, "/cut", 1)           /* half a body the first time */                                                       \
    X(BROKEN, "/broken", 1)     /* connection reset every time */                                                      \
    X(SLOW, "/slow", 1)         /* comes in pieces */                                                                  \
    X(LARGE, "/large", 1)                                                                                              \
    X(PRIVATE, "/private/", SYNTH_N_PRIVATE) /* robots.txt of most hosts denies it */                                  \
    X(ORPHAN, "/orphan/", SYNTH_N_ORPHANS)   /* named by sitemaps only */                                              \
    X(UNFOLLOWED, "/unfollowed", 1)          /* linked with rel=nofollow only */                                       \
    X(ROBOTS, "/robots.txt", 1)                                                                                        \
    X(ROBOTS_MOVED, "/robots-here.txt", 1)                                                                             \
    X(SITEMAP_INDEX, "/sitemap.xml", 1)                                                                                \
    X(SITEMAP, "/sitemap-0.xml", 1)                                                                                    \
    X(SITEMAP_GZ, "/sitemap-1.xml.gz", 1)

#define SYNTH_KIND_ENUM(id, prefix, n) SYNTH_##id,
enum synth_kind { SYNTH_KINDS(SYNTH_KIND_ENUM) SYNTH_N_KINDS };
#undef SYNTH_KIND_ENUM

enum synth_robots { /* host % 8 */
    SYNTH_ROBOTS_NONE,       /* 404: all is allowed */
    SYNTH_ROBOTS_SITEMAP,    /* /private/ denied, sitemaps named */
    SYNTH_ROBOTS_ALLOW_ONE,  /* /private/ denied, /private/1 allowed */
    SYNTH_ROBOTS_DELAY,      /* Crawl-delay: 0.05 */
    SYNTH_ROBOTS_GROUPS,     /* orbweaver: /private/ denied; everybody else: all denied */
    SYNTH_ROBOTS_EMPTY,      /* no rule */
    SYNTH_ROBOTS_REDIRECTED, /* 301 to /robots-here.txt */
    SYNTH_ROBOTS_WILDCARD,   /* denied by patterns with * and $; sitemaps named */
};

struct synth_url {
    uint32_t host;
    uint32_t n;
    enum synth_kind kind;
};

struct synth_link {
    struct synth_url to;
    const char *foreign; /* not NULL: this URL instead, which leaves the web or is too long */
    bool is_nofollow;
};

typedef void synth_link_fn(void *arg, const struct synth_link *link);

uint64_t synth_mix(const struct synth_web *web, struct synth_url url, uint64_t salt);
/* "h17.synth.test" or "h17.synth.test:8080"; an address literal is host 0. */
bool synth_find_host(const struct synth_web *web, struct slice host, uint32_t *out);
bool synth_find_path(const struct synth_web *web, uint32_t host, struct slice path, struct synth_url *out);
int synth_print_path(struct synth_url url, struct buf *out) ORB_MUST_USE;
int synth_print_url(const struct synth_web *web, struct synth_url url, struct buf *out) ORB_MUST_USE;

enum synth_robots synth_robots_of(struct synth_url url);
bool synth_may_fetch(struct synth_url url);                      /* by its host's robots.txt, as orbweaver */
unsigned synth_status(struct synth_url url);                     /* in the end; 0 = no answer ever */
bool synth_redirect(const struct synth_web *web, struct synth_url url, struct synth_url *to);
void synth_links(const struct synth_web *web, struct synth_url url, synth_link_fn *emit, void *arg);

/* The decoded body; *content_type BORROWED, static. */
int synth_body(const struct synth_web *web, struct synth_url url, struct buf *out, const char **content_type) ORB_MUST_USE;

/* Every URL that a complete crawl with robots, nofollow and sitemaps in force asks for, each once. */
typedef int synth_list_fn(void *arg, struct synth_url url, unsigned status);
int synth_list(const struct synth_web *web, synth_list_fn *each, void *arg) ORB_MUST_USE;

/* "127.0.0.1 h0.synth.test" ...: host h is on address 1 + h % n_addresses of 127.0.0.0/24. */
int synth_print_hosts_file(const struct synth_web *web, unsigned n_addresses, struct buf *out) ORB_MUST_USE;

#endif
