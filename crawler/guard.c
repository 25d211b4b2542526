/* guard.c - the IANA special-purpose address registries as two tables, most specific block first
 *
 * The first match counts. "Globally reachable" in the registries means permitted here; blocks that are deprecated, or
 * for which the registries say "N/A", are refused or judged by the IPv4 address inside. IPv6 outside 2000::/3 is not
 * given to anybody: refused unless named.
 */
#include "crawler/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>


enum verdict {
    REFUSED,
    GLOBAL,
    INNER_AT_2,  /* by the IPv4 address at this byte */
    INNER_AT_12,
    TEREDO,      /* by the server's at 4 and by the client's at 12, which is stored inverted (RFC 4380 section 4) */
};

struct block {
    uint8_t address[16];
    uint8_t prefix_bits;
    uint8_t verdict;
};

static const struct block blocks_v4[] = {
    { { 192, 0, 0, 9 }, 32, GLOBAL },    /* port control anycast, RFC 7723 */
    { { 192, 0, 0, 10 }, 32, GLOBAL },   /* TURN anycast, RFC 8155 */
    { { 192, 0, 0, 0 }, 24, REFUSED },   /* protocol assignments, RFC 6890 */
    { { 192, 0, 2, 0 }, 24, REFUSED },   /* documentation, RFC 5737 */
    { { 192, 88, 99, 0 }, 24, REFUSED }, /* 6to4 relays, deprecated by RFC 7526 */
    { { 198, 51, 100, 0 }, 24, REFUSED },
    { { 203, 0, 113, 0 }, 24, REFUSED },
    { { 169, 254 }, 16, REFUSED },       /* link-local, RFC 3927; cloud metadata */
    { { 192, 168 }, 16, REFUSED },       /* private, RFC 1918 */
    { { 198, 18 }, 15, REFUSED },        /* benchmarks, RFC 2544 */
    { { 172, 16 }, 12, REFUSED },
    { { 100, 64 }, 10, REFUSED },        /* shared, RFC 6598 */
    { { 0 }, 8, REFUSED },               /* this network, RFC 791: connects to this machine */
    { { 10 }, 8, REFUSED },
    { { 127 }, 8, REFUSED },
    { { 224 }, 4, REFUSED },             /* multicast, RFC 5771 */
    { { 240 }, 4, REFUSED },             /* reserved, RFC 1112; broadcast with it */
    { { 0 }, 0, GLOBAL },
};

static const struct block blocks_v6[] = {
    { { 0 }, 128, REFUSED },                                             /* :: */
    { { [15] = 1 }, 128, REFUSED },                                      /* ::1 */
    { { 0x20, 0x01, 0, 1, [15] = 1 }, 128, GLOBAL },                     /* port control anycast, RFC 7723 */
    { { 0x20, 0x01, 0, 1, [15] = 2 }, 128, GLOBAL },                     /* TURN anycast, RFC 8155 */
    { { 0x20, 0x01, 0, 1, [15] = 3 }, 128, GLOBAL },                     /* DNS-SD registration anycast, RFC 9665 */
    { { [10] = 0xff, 0xff }, 96, INNER_AT_12 },                          /* mapped, RFC 4291 */
    { { 0 }, 96, INNER_AT_12 },                                          /* compatible, deprecated */
    { { 0, 0x64, 0xff, 0x9b }, 96, INNER_AT_12 },                        /* NAT64, RFC 6052 */
    { { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48, REFUSED },                      /* local NAT64, RFC 8215 */
    { { 0x20, 0x01, 0, 2 }, 48, REFUSED },                               /* benchmarks, RFC 5180 */
    { { 0x20, 0x01, 0, 4, 0x01, 0x12 }, 48, GLOBAL },                    /* AS112, RFC 7535 */
    { { 0x20, 0x01, 0, 0 }, 32, TEREDO },                                /* RFC 4380 */
    { { 0x20, 0x01, 0, 3 }, 32, GLOBAL },                                /* AMT, RFC 7450 */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32, REFUSED },                         /* documentation, RFC 3849 */
    { { 0x20, 0x01, 0, 0x10 }, 28, REFUSED },                            /* ORCHID, deprecated */
    { { 0x20, 0x01, 0, 0x20 }, 28, GLOBAL },                             /* ORCHIDv2, RFC 7343 */
    { { 0x20, 0x01, 0, 0x30 }, 28, GLOBAL },                             /* drone identifiers, RFC 9374 */
    { { 0x20, 0x01 }, 23, REFUSED },                                     /* protocol assignments, RFC 2928 */
    { { 0x3f, 0xff }, 20, REFUSED },                                     /* documentation, RFC 9637 */
    { { 0x20, 0x02 }, 16, INNER_AT_2 },                                  /* 6to4, RFC 3056 */
    { { 0x20 }, 3, GLOBAL },                                             /* global unicast, RFC 4291 */
    { { 0 }, 0, REFUSED }, /* the rest: fc00::/7, fe80::/10, fec0::/10, ff00::/8, 100::/64, 5f00::/16, unassigned */
};

static bool
has_prefix(const uint8_t *address, const uint8_t *prefix, unsigned n_bits)
{
    unsigned n_bytes = n_bits / 8, n_rest = n_bits % 8;

    if (memcmp(address, prefix, n_bytes) != 0)
        return false;
    return n_rest == 0 || (address[n_bytes] ^ prefix[n_bytes]) >> (8 - n_rest) == 0;
}

static bool
is_allowed(const struct guard *g, const uint8_t *address, bool is_v6)
{
    for (unsigned i = 0; i < g->n_allowed; i++)
        if (g->allowed[i].is_v6 == is_v6 && has_prefix(address, g->allowed[i].address, g->allowed[i].prefix_bits))
            return true;
    return false;
}

static enum verdict
verdict_of(const struct block *blocks, const uint8_t *address)
{
    while (!has_prefix(address, blocks->address, blocks->prefix_bits))
        blocks++; /* the last block has no bits: it always matches */
    return blocks->verdict;
}

static bool
permits_v4(const struct guard *g, const uint8_t *address)
{
    return is_allowed(g, address, false) || verdict_of(blocks_v4, address) == GLOBAL;
}

static bool
permits_v6(const struct guard *g, const uint8_t *address)
{
    uint8_t client[4];

    if (is_allowed(g, address, true))
        return true;
    switch (verdict_of(blocks_v6, address)) {
    case GLOBAL:
        return true;
    case INNER_AT_2:
        return permits_v4(g, address + 2);
    case INNER_AT_12:
        return permits_v4(g, address + 12);
    case TEREDO:
        for (unsigned i = 0; i < sizeof client; i++)
            client[i] = (uint8_t)~address[12 + i];
        return permits_v4(g, address + 4) && permits_v4(g, client);
    case REFUSED:
        break;
    }
    return false;
}

void
guard_init(struct guard *g)
{
    *g = (struct guard){ .n_allowed = 0 };
}

bool
guard_permits(const struct guard *g, const struct sockaddr *address)
{
    struct sockaddr_in v4; /* copies: the caller's pointer may be unaligned for them */
    struct sockaddr_in6 v6;

    switch (address->sa_family) {
    case AF_INET:
        memcpy(&v4, address, sizeof v4);
        return g->allow_all || permits_v4(g, (const uint8_t *)&v4.sin_addr);
    case AF_INET6:
        memcpy(&v6, address, sizeof v6);
        return g->allow_all || permits_v6(g, v6.sin6_addr.s6_addr);
    default:
        return false; /* neither the web nor anything that was judged */
    }
}

/* 1 to 3 digits, at most max. */
static bool
read_bits(struct slice s, unsigned max, unsigned *bits)
{
    unsigned n = 0;

    if (s.n == 0 || s.n > 3)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        n = n * 10 + (unsigned)(s.p[i] - '0');
    }
    *bits = n;
    return n <= max;
}

/* A rule about mapped addresses is a rule about the addresses inside. */
static void
rule_unmap(struct guard_rule *r)
{
    static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

    if (!r->is_v6 || r->prefix_bits < 96 || memcmp(r->address, mapped, sizeof mapped) != 0)
        return;
    memcpy(r->address, r->address + 12, 4);
    r->prefix_bits -= 96;
    r->is_v6 = false;
}

static bool
rule_read(struct guard_rule *r, struct slice cidr)
{
    char text[INET6_ADDRSTRLEN];
    const char *slash = cidr.n == 0 ? NULL : memchr(cidr.p, '/', cidr.n);
    size_t n = slash == NULL ? cidr.n : (size_t)(slash - cidr.p);
    unsigned bits;

    if (n == 0 || n >= sizeof text || memchr(cidr.p, '\0', n) != NULL)
        return false;
    memcpy(text, cidr.p, n);
    text[n] = '\0';
    r->is_v6 = strchr(text, ':') != NULL;
    if (inet_pton(r->is_v6 ? AF_INET6 : AF_INET, text, r->address) != 1)
        return false;
    bits = r->is_v6 ? 128 : 32;
    if (slash != NULL && !read_bits(slice_sub(cidr, n + 1, SIZE_MAX), bits, &bits))
        return false;
    r->prefix_bits = (uint8_t)bits;
    rule_unmap(r);
    return true;
}

int
guard_allow(struct guard *g, struct slice cidr)
{
    struct guard_rule rule = { .prefix_bits = 0 };

    cidr = slice_trim(cidr);
    if (slice_eq_nocase(cidr, SLICE_LITERAL("any"))) {
        g->allow_all = true;
        return 0;
    }
    if (!rule_read(&rule, cidr))
        return ORB_EINVAL;
    if (g->n_allowed == GUARD_MAX_RULES)
        return ORB_ETOOBIG;
    g->allowed[g->n_allowed++] = rule;
    return 0;
}

bool
guard_is_localhost(struct slice host)
{
    if (slice_ends_with(host, SLICE_LITERAL(".")))
        host.n--;
    return slice_eq(host, SLICE_LITERAL("localhost")) || slice_ends_with(host, SLICE_LITERAL(".localhost"));
}
