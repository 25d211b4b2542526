#include "crawler/dns_name.h"

#include <arpa/inet.h>

#define LITERAL_TTL_S 86400

void
dns_found_add(struct dns_found *found, const void *bytes, bool is_v6)
{
    struct dns_address a = { .is_v6 = is_v6 };

    memcpy(a.bytes, bytes, is_v6 ? 16 : 4);
    for (unsigned i = 0; i < found->n; i++)
        if (found->addresses[i].is_v6 == is_v6 && memcmp(found->addresses[i].bytes, a.bytes, sizeof a.bytes) == 0)
            return;
    if (found->n < DNS_MAX_ADDRESSES)
        found->addresses[found->n++] = a;
}

void
dns_answer_of(struct dns_answer *answer, const struct dns_found *found)
{
    answer->outcome = found->outcome;
    answer->ttl_s = found->ttl_s;
    answer->n_addresses = found->n;
    for (unsigned i = 0; i < found->n; i++) {
        const struct dns_address *a = &found->addresses[i];
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

        memset(&answer->addresses[i], 0, sizeof answer->addresses[i]);
        memcpy(&v4.sin_addr, a->bytes, sizeof v4.sin_addr);
        memcpy(&v6.sin6_addr, a->bytes, sizeof v6.sin6_addr);
        if (a->is_v6)
            memcpy(&answer->addresses[i], &v6, sizeof v6);
        else
            memcpy(&answer->addresses[i], &v4, sizeof v4);
    }
}

void
dns_found_of(struct dns_found *found, const struct dns_answer *answer)
{
    *found = (struct dns_found){ .outcome = answer->outcome, .ttl_s = answer->ttl_s };
    for (unsigned i = 0; i < answer->n_addresses && i < DNS_MAX_ADDRESSES; i++) {
        const struct sockaddr_storage *s = &answer->addresses[i];
        if (s->ss_family == AF_INET)
            dns_found_add(found, &((const struct sockaddr_in *)(const void *)s)->sin_addr, false);
        else if (s->ss_family == AF_INET6)
            dns_found_add(found, &((const struct sockaddr_in6 *)(const void *)s)->sin6_addr, true);
    }
}

/* RFC 1035 section 2.3.4: labels of 1 to 63 bytes, 253 in all. Beside letters and digits, what the URL Standard lets
 * stand in a domain is let through. */
static bool
is_askable(struct slice name)
{
    size_t n_label = 0;

    if (name.n == 0 || name.n > DNS_NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c <= ' ' || c > '~' || strchr("#%/:<>?@[\\]^|", c) != NULL)
            return false;
        n_label = c == '.' ? 0 : n_label + 1;
        if ((c == '.' && (i == 0 || name.p[i - 1] == '.')) || n_label > 63)
            return false;
    }
    return n_label > 0;
}

/* Is it the domain or inside it? */
static bool
is_under(struct slice name, struct slice domain)
{
    return slice_ends_with(name, domain) && (name.n == domain.n || name.p[name.n - domain.n - 1] == '.');
}

static bool
read_literal(struct slice host, struct dns_found *found)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    bool is_v6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

    if (is_v6)
        host = slice_sub(host, 1, host.n - 2);
    if (host.n == 0 || host.n >= sizeof text || memchr(host.p, '\0', host.n) != NULL)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, text, bytes) != 1)
        return false;
    dns_found_add(found, bytes, is_v6);
    return true;
}

enum dns_name_kind
dns_name_read(struct slice host, char name[DNS_NAME_MAX_BYTES + 1], struct dns_found *found)
{
    static const uint8_t loopback_v4[4] = { 127, 0, 0, 1 }, loopback_v6[16] = { [15] = 1 };
    struct slice s;

    *found = (struct dns_found){ .outcome = OUTCOME_OK, .ttl_s = LITERAL_TTL_S };
    if (host.n > 0 && host.p[host.n - 1] == '.')
        host.n--;
    if (read_literal(host, found))
        return DNS_NAME_KNOWN;
    found->outcome = OUTCOME_DNS_NO_SUCH_HOST;
    if (!is_askable(host))
        return DNS_NAME_KNOWN;
    for (size_t i = 0; i < host.n; i++)
        name[i] = (char)(host.p[i] >= 'A' && host.p[i] <= 'Z' ? host.p[i] + 32 : host.p[i]);
    name[host.n] = '\0';
    s = slice_of(name, host.n);
    if (is_under(s, SLICE_LITERAL("localhost"))) {
        found->outcome = OUTCOME_OK;
        dns_found_add(found, loopback_v4, false);
        dns_found_add(found, loopback_v6, true);
        return DNS_NAME_KNOWN;
    }
    if (is_under(s, SLICE_LITERAL("invalid")) || is_under(s, SLICE_LITERAL("onion")))
        return DNS_NAME_KNOWN;
    return DNS_NAME_ASK;
}
