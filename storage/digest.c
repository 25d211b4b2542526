#include "storage/digest.h"

#include "pool/check.h"

#include <openssl/evp.h>
#include <xxhash.h>

/* RFC 4648 base32; 20 bytes need no padding. */
static void
base32(const uint8_t sha1[20], char *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    for (int group = 0; group < 4; group++) {
        uint64_t bits = 0;

        for (int i = 0; i < 5; i++)
            bits = bits << 8 | sha1[group * 5 + i];
        for (int i = 0; i < 8; i++)
            *out++ = alphabet[bits >> (35 - 5 * i) & 31];
    }
    *out = '\0';
}

void
digest_sha1_text2(struct slice first, struct slice second, char text[DIGEST_SHA1_TEXT_BYTES])
{
    static _Thread_local EVP_MD_CTX *ctx; /* made once: a context per page would be a third of the cost */
    static const EVP_MD *sha1;
    uint8_t sum[EVP_MAX_MD_SIZE];

    if (ctx == NULL) {
        sha1 = EVP_sha1();
        ctx = EVP_MD_CTX_new();
        CHECK(ctx != NULL);
    }
    CHECK(EVP_DigestInit_ex(ctx, sha1, NULL) == 1);
    EVP_DigestUpdate(ctx, first.p, first.n);
    EVP_DigestUpdate(ctx, second.p, second.n);
    CHECK(EVP_DigestFinal_ex(ctx, sum, NULL) == 1);
    memcpy(text, "sha1:", 5);
    base32(sum, text + 5);
}

void
digest_sha1_text(struct slice bytes, char text[DIGEST_SHA1_TEXT_BYTES])
{
    digest_sha1_text2(bytes, SLICE_NONE, text);
}

void
digest_body(struct slice body, uint8_t out[DIGEST_BODY_BYTES])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(body.p, body.n));
    memcpy(out, canonical.digest, DIGEST_BODY_BYTES);
}
