#include "crawler/fingerprint.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "pool/check.h"

_Static_assert(FINGERPRINT_SECRET_BYTES >= XXH3_SECRET_SIZE_MIN, "XXH3 wants a longer secret");

void
fingerprint_key_init(struct fingerprint_key *key, const unsigned char *random)
{
    CHECK(XXH3_generateSecret(key->secret, sizeof key->secret, random, FINGERPRINT_KEY_BYTES) == XXH_OK);
}

uint64_t
fingerprint(const struct fingerprint_key *key, struct slice s)
{
    uint64_t hash = XXH3_64bits_withSecret(s.n == 0 ? "" : s.p, s.n, key->secret, sizeof key->secret);

    return hash == 0 ? 1 : hash;
}
