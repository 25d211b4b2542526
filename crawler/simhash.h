/* simhash.h - 64 bits that differ little between texts that differ little (Charikar 2002)
 *
 * Words are runs of letters, digits and bytes above ASCII, in lower case as far as ASCII goes. One word in eight counts
 * (by its hash, so that the same words count everywhere): near-duplicates are found as well, at an eighth of the price.
 * Pages with less than SIMHASH_MIN_WORDS counted words have no simhash: 0.
 */
#ifndef ORB_CRAWLER_SIMHASH_H
#define ORB_CRAWLER_SIMHASH_H

#include "pool/slice.h"

#define SIMHASH_MIN_WORDS 4

struct simhash {
    uint64_t lanes[8];     /* byte k of lanes[j] counts words whose hash has bit 8k + j; moved to n_ones before it is full */
    uint32_t n_ones[64], n_in_lanes;
    uint64_t word;     /* hash of the word that is being read; 0 = between words */
    uint32_t n_words;  /* counted ones */
};

void simhash_init(struct simhash *s);
/* The next piece of text; is_apart: a word does not reach over from the piece before. */
void simhash_text(struct simhash *s, struct slice text, bool is_apart);
uint64_t simhash_end(struct simhash *s);
static inline unsigned
simhash_distance(uint64_t a, uint64_t b)
{
    return (unsigned)__builtin_popcountll(a ^ b);
}

#endif
