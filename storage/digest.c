#include "storage/digest.h"

#include "pool/check.h"
#include "pool/error.h"

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

static void
sha1_text(EVP_MD_CTX *ctx, char *text)
{
    uint8_t sum[EVP_MAX_MD_SIZE];

    CHECK(EVP_DigestFinal_ex(ctx, sum, NULL) == 1);
    memcpy(text, "sha1:", 5);
    base32(sum, text + 5);
}

void
digest_sha1_parts(const struct slice *parts, unsigned n_parts, char text[DIGEST_SHA1_TEXT_BYTES])
{
    static _Thread_local EVP_MD_CTX *ctx; /* made once: a context per page would be a third of the cost */

    if (ctx == NULL) {
        ctx = EVP_MD_CTX_new();
        CHECK(ctx != NULL);
    }
    CHECK(EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) == 1);
    for (unsigned i = 0; i < n_parts; i++)
        EVP_DigestUpdate(ctx, parts[i].p, parts[i].n);
    sha1_text(ctx, text);
}

int
digest_sha1_begin(struct digest_sha1 *d)
{
    d->ctx = EVP_MD_CTX_new();
    if (d->ctx != NULL && EVP_DigestInit_ex(d->ctx, EVP_sha1(), NULL) == 1)
        return 0;
    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;
    return ORB_ENOMEM;
}

void
digest_sha1_update(struct digest_sha1 *d, const void *bytes, size_t n_bytes)
{
    CHECK(EVP_DigestUpdate(d->ctx, bytes, n_bytes) == 1);
}

void
digest_sha1_end(struct digest_sha1 *d, char text[DIGEST_SHA1_TEXT_BYTES])
{
    sha1_text(d->ctx, text);
    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;
}

void
digest_sha1_text2(struct slice first, struct slice second, char text[DIGEST_SHA1_TEXT_BYTES])
{
    digest_sha1_parts((struct slice[]){ first, second }, 2, text);
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
