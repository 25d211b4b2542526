/* fuzz_hosts.c - first line: a name, then a hosts file; the index answers as whoever reads the file line by line */
#include "crawler/dns_hosts.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "pool/mem.h"

#define INDEXED_PER_NAME (4 * DNS_MAX_ADDRESSES) /* dns_hosts.c leaves out what comes behind so many */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static struct slice
cut_at(struct slice *rest, const char *stops, size_t n_stops)
{
    size_t n = 0;
    struct slice head;

    while (n < rest->n && memchr(stops, rest->p[n], n_stops) == NULL)
        n++;
    head = slice_sub(*rest, 0, n);
    *rest = slice_sub(*rest, n + 1, SIZE_MAX);
    return head;
}

static struct slice
take_word(struct slice *line)
{
    struct slice word = SLICE_NONE;

    while (line->n > 0 && word.n == 0)
        word = cut_at(line, " \t\r", 4); /* the NUL at its end as well */
    return word;
}

static bool
is_same_name(struct slice word, struct slice name)
{
    if (word.n > 0 && word.p[word.n - 1] == '.')
        word.n--;
    if (word.n != name.n || word.n == 0)
        return false;
    for (size_t i = 0; i < word.n; i++)
        if ((char)tolower((unsigned char)word.p[i]) != name.p[i])
            return false;
    return true;
}

static bool
has_address(struct slice word, struct dns_address *out)
{
    char text[64];

    if (word.n == 0 || word.n >= sizeof text)
        return false;
    memcpy(text, word.p, word.n);
    text[word.n] = '\0';
    if (inet_pton(AF_INET, text, out->bytes) == 1)
        return true;
    out->is_v6 = inet_pton(AF_INET6, text, out->bytes) == 1;
    return out->is_v6;
}

/* How often the name stands behind an address; the first so many are in `found`. */
static unsigned
read_slowly(struct slice text, struct slice name, struct dns_found *found)
{
    unsigned n = 0;

    while (text.n > 0) {
        struct slice line = cut_at(&text, "\n", 1), before = cut_at(&line, "#", 1), word;
        struct dns_address a = { .is_v6 = false };

        if (!has_address(take_word(&before), &a))
            continue;
        while ((word = take_word(&before)).n > 0)
            if (is_same_name(word, name) && n++ < INDEXED_PER_NAME)
                dns_found_add(found, a.bytes, a.is_v6);
    }
    return n;
}

static void
check_name(const struct dns_hosts *hosts, struct slice text, struct slice name)
{
    struct dns_found found = { .n = 0 }, slow = { .n = 0 };
    bool is_found = dns_hosts_find(hosts, name, &found);
    unsigned n = read_slowly(text, name, &slow);

    CHECK(is_found == (n > 0) && is_found == (found.n > 0));
    CHECK(found.n == slow.n && memcmp(found.addresses, slow.addresses, found.n * sizeof found.addresses[0]) == 0);
}

/* Each name of the file, up to a few: the rest would take the fuzzer for ever. */
static void
check_names(const struct dns_hosts *hosts, struct slice text)
{
    char lower[DNS_NAME_MAX_BYTES];
    struct slice rest = text, word;

    for (int i = 0; i < 16 && (word = cut_at(&rest, " \t\r\n#", 6)).n + rest.n > 0; i++) {
        if (word.n > 0 && word.p[word.n - 1] == '.')
            word.n--;
        if (word.n == 0 || word.n > sizeof lower)
            continue;
        for (size_t k = 0; k < word.n; k++)
            lower[k] = (char)tolower((unsigned char)word.p[k]);
        check_name(hosts, text, slice_of(lower, word.n));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct slice text = slice_of(bytes, n_bytes), name = cut_at(&text, "\n", 1);
    struct dns_hosts *hosts = NULL;

    if (dns_hosts_new(&hosts, text) != 0)
        return 0;
    if (name.n <= DNS_NAME_MAX_BYTES && name.n > 0 && name.p[name.n - 1] != '.' && memchr(name.p, ' ', name.n) == NULL)
        check_name(hosts, text, name);
    check_names(hosts, text);
    dns_hosts_free(&hosts);
    return 0;
}
