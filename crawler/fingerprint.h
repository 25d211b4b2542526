/* fingerprint.h - 64 bits for a crawl key, by a secret of the crawl
 *
 * XXH3 with a secret made from a random 128-bit key: nobody outside can choose URLs that collide, and the numbers of two
 * crawls have nothing to do with each other. 0 is never returned: tables use it for "free".
 * Stored on disk (seen-set), so the function of (key, bytes) never changes.
 */
#ifndef ORB_CRAWLER_FINGERPRINT_H
#define ORB_CRAWLER_FINGERPRINT_H

#include "pool/slice.h"

#define FINGERPRINT_KEY_BYTES 16
#define FINGERPRINT_SECRET_BYTES 192

struct fingerprint_key {
    unsigned char secret[FINGERPRINT_SECRET_BYTES] __attribute__((aligned(64)));
};

/* random: FINGERPRINT_KEY_BYTES bytes, kept with the crawl */
void fingerprint_key_init(struct fingerprint_key *key, const unsigned char *random);
uint64_t fingerprint(const struct fingerprint_key *key, struct slice s);

#endif
