#include "cluster/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int
base64_append(struct buf *out, struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    char *to;
    int err;

    if (s.n > SIZE_MAX / 2)
        return ORB_ETOOBIG;
    err = buf_reserve(out, (s.n + 2) / 3 * 4);
    if (err != 0 || s.n == 0)
        return err;
    to = out->p + out->n;
    for (size_t i = 0; i < s.n; i += 3, to += 4) {
        size_t n = ORB_MIN(s.n - i, (size_t)3);
        uint32_t bits = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);

        for (size_t k = 0; k < 4; k++)
            to[k] = k > n ? '=' : digits[bits >> (18 - 6 * k) & 63];
    }
    out->n = (size_t)(to - out->p);
    *to = '\0';
    return 0;
}

static int
value_of(char c)
{
    const char *at = c == '\0' ? NULL : memchr(digits, c, sizeof digits - 1);

    return at == NULL ? -1 : (int)(at - digits);
}

int
base64_decode(struct buf *out, struct slice s)
{
    int err = s.n % 4 == 0 ? buf_reserve(out, s.n / 4 * 3) : ORB_EINVAL;

    for (size_t i = 0; err == 0 && i < s.n; i += 4) {
        size_t n = s.p[i + 3] != '=' ? 3 : s.p[i + 2] != '=' ? 2 : 1;
        uint32_t bits = 0;
        char three[3];

        if (n < 3 && i + 4 != s.n)
            return ORB_EINVAL;
        for (size_t k = 0; k <= n; k++) {
            int v = value_of(s.p[i + k]);

            if (v < 0)
                return ORB_EINVAL;
            bits |= (uint32_t)v << (18 - 6 * k);
        }
        three[0] = (char)(bits >> 16), three[1] = (char)(bits >> 8), three[2] = (char)bits;
        err = buf_append(out, three, n);
    }
    return err;
}
