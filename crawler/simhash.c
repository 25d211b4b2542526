#include "crawler/simhash.h"

#define SAMPLE_MASK 7u
#define MULTIPLIER 0x9E3779B97F4A7C15u
#define WORD_BEGINS 0x2545F4914F6CDD1Du

/* What a byte is in a word: 0 = the word ends, else the byte that is hashed. */
static const uint8_t *
byte_class(void)
{
    static uint8_t table[256];

    if (table['a'] == 0)
        for (unsigned b = 0; b < 256; b++) {
            bool is_upper = b >= 'A' && b <= 'Z';
            if (is_upper || (b >= 'a' && b <= 'z') || (b >= '0' && b <= '9') || b >= 0x80)
                table[b] = (uint8_t)(is_upper ? b + 32 : b);
        }
    return table;
}

void
simhash_init(struct simhash *s)
{
    memset(s, 0, sizeof *s);
}

static void
empty_lanes(struct simhash *s)
{
    for (unsigned i = 0; i < 64; i++)
        s->n_ones[i] += (uint8_t)(s->lanes[i % 8] >> (i & ~7u));
    memset(s->lanes, 0, sizeof s->lanes);
    s->n_in_lanes = 0;
}

static void
end_word(struct simhash *s)
{
    uint64_t h = s->word * MULTIPLIER;

    s->word = 0;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
    if ((h & SAMPLE_MASK) != 0)
        return;
    h *= MULTIPLIER; /* the sampled bits must not be the same in all words */
    h ^= h >> 29;
    h *= MULTIPLIER;
    s->n_words++;
    for (unsigned j = 0; j < 8; j++)
        s->lanes[j] += h >> j & 0x0101010101010101u;
    if (++s->n_in_lanes == UINT8_MAX)
        empty_lanes(s);
}

void
simhash_text(struct simhash *s, struct slice text, bool is_apart)
{
    const uint8_t *class = byte_class(), *p = (const uint8_t *)text.p, *end = p + text.n;
    uint64_t word;

    if (is_apart && s->word != 0)
        end_word(s);
    while (p < end) {
        if (s->word == 0) {
            while (p < end && class[*p] == 0)
                p++;
            if (p == end)
                return;
            s->word = WORD_BEGINS;
        }
        /* A rotation is all the mixing that a byte gets: two cycles; the word's end makes up for it. */
        for (word = s->word; p < end && class[*p] != 0; p++)
            word = (word << 7 | word >> 57) ^ class[*p];
        s->word = word == 0 ? 1 : word;
        if (p < end)
            end_word(s);
    }
}

uint64_t
simhash_end(struct simhash *s)
{
    uint64_t bits = 0;

    if (s->word != 0)
        end_word(s);
    if (s->n_words < SIMHASH_MIN_WORDS)
        return 0;
    empty_lanes(s);
    for (unsigned i = 0; i < 64; i++) /* more ones than zeros */
        bits |= (uint64_t)(s->n_ones[i] > s->n_words - s->n_ones[i]) << i;
    return bits == 0 ? 1 : bits;
}
