#include "crawler/address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>

static bool
address_from_text(struct sockaddr_storage *out, struct slice text)
{
    char z[INET6_ADDRSTRLEN];
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;

    if (text.n == 0 || text.n >= sizeof z)
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, z, &v4->sin_addr) == 1) {
        out->ss_family = AF_INET;
        return true;
    }
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET6, z, &v6->sin6_addr) == 1) {
        out->ss_family = AF_INET6;
        return true;
    }
    return false;
}

bool
address_list_from_text(struct dns_answer *out, struct slice text)
{
    out->n_addresses = 0;
    while (text.n > 0 && out->n_addresses < DNS_MAX_ADDRESSES) {
        const char *comma = memchr(text.p, ',', text.n);
        size_t n = comma == NULL ? text.n : (size_t)(comma - text.p);

        if (address_from_text(&out->addresses[out->n_addresses], slice_sub(text, 0, n)))
            out->n_addresses++;
        text = slice_sub(text, n + 1, SIZE_MAX);
    }
    out->outcome = out->n_addresses > 0 ? OUTCOME_OK : OUTCOME_DNS_FAILED;
    return out->n_addresses > 0;
}

int
address_list_to_text(const struct dns_answer *answer, struct buf *out)
{
    for (unsigned i = 0; i < answer->n_addresses; i++) {
        const struct sockaddr_storage *a = &answer->addresses[i];
        char z[INET6_ADDRSTRLEN];
        const void *bytes = a->ss_family == AF_INET6
                                ? (const void *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr
                                : (const void *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
        int err;

        if (inet_ntop(a->ss_family, bytes, z, sizeof z) == NULL)
            continue;
        err = buf_printf(out, "%s%s", out->n > 0 ? "," : "", z);
        if (err != 0)
            return err;
    }
    return 0;
}

uint32_t
retry_after_ms(struct slice value, uint64_t wall_ms)
{
    char z[64];
    uint64_t ms = 0;
    size_t i = 0;

    value = slice_trim(value);
    if (value.n == 0 || value.n >= sizeof z)
        return 0;
    for (; i < value.n && value.p[i] >= '0' && value.p[i] <= '9' && ms < RETRY_AFTER_MAX_MS; i++)
        ms = ms * 10 + (uint64_t)(value.p[i] - '0') * 1000;
    if (i < value.n && ms < RETRY_AFTER_MAX_MS) {
        time_t at;
        memcpy(z, value.p, value.n);
        z[value.n] = '\0';
        at = curl_getdate(z, NULL);
        ms = at > 0 && (uint64_t)at * 1000 > wall_ms ? (uint64_t)at * 1000 - wall_ms : 0;
    }
    return (uint32_t)ORB_MIN(ms, RETRY_AFTER_MAX_MS);
}
