/* fuzz_host.c - what a host name is before anybody is asked, and the user's address rules, from any bytes */
#include "crawler/dns_name.h"
#include "crawler/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    char name[DNS_NAME_MAX_BYTES + 1], again[DNS_NAME_MAX_BYTES + 1];
    struct dns_found found;
    struct dns_answer answer;
    struct guard guard;
    int err;

    if (dns_name_read(slice_of(bytes, n_bytes), name, &found) == DNS_NAME_KNOWN) {
        CHECK((found.outcome == OUTCOME_OK) == (found.n > 0));
        dns_answer_of(&answer, &found);
        guard_init(&guard);
        for (unsigned i = 0; i < answer.n_addresses; i++)
            (void)guard_permits(&guard, (const struct sockaddr *)&answer.addresses[i]);
    } else {
        CHECK(strlen(name) <= n_bytes && strlen(name) > 0);
        CHECK(dns_name_read(slice_str(name), again, &found) == DNS_NAME_ASK && strcmp(name, again) == 0);
    }
    guard_init(&guard);
    err = guard_allow(&guard, slice_of(bytes, n_bytes));
    CHECK(err == 0 || err == ORB_EINVAL);
    CHECK(err != 0 || guard.allow_all || guard.n_allowed == 1);
    return 0;
}
