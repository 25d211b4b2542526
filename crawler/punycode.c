#include "crawler/punycode.h"

enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, INITIAL_BIAS = 72, INITIAL_N = 128 };

static uint32_t
adapt(uint32_t delta, size_t n_points, bool is_first)
{
    uint32_t k = 0;

    delta = is_first ? delta / DAMP : delta / 2;
    delta += delta / (uint32_t)n_points;
    for (; delta > ((BASE - T_MIN) * T_MAX) / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static uint32_t
threshold(uint32_t k, uint32_t bias)
{
    return k <= bias + T_MIN ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
}

static int
append_integer(struct buf *out, uint32_t q, uint32_t bias)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = threshold(k, bias);
        int err;

        if (q < t)
            return buf_append_char(out, digits[q]);
        err = buf_append_char(out, digits[t + (q - t) % (BASE - t)]);
        if (err != 0)
            return err;
        q = (q - t) / (BASE - t);
    }
}

/* The ASCII points as they are, and '-' behind them. */
static int
append_basic(struct buf *out, const uint32_t *points, size_t n_points, size_t *n_basic)
{
    size_t n = 0;
    int err = 0;

    for (size_t i = 0; i < n_points && err == 0; i++)
        if (points[i] < INITIAL_N) {
            err = buf_append_char(out, (char)points[i]);
            n++;
        }
    if (err == 0 && n > 0)
        err = buf_append_char(out, '-');
    *n_basic = n;
    return err;
}

int
punycode_encode(struct buf *out, const uint32_t *points, size_t n_points)
{
    uint32_t n = INITIAL_N, delta = 0, bias = INITIAL_BIAS;
    size_t n_basic, done;
    int err;

    if (n_points > PUNYCODE_MAX_POINTS)
        return ORB_EINVAL;
    err = append_basic(out, points, n_points, &n_basic);
    for (done = n_basic; err == 0 && done < n_points; delta++, n++) {
        uint32_t next = UINT32_MAX;

        for (size_t i = 0; i < n_points; i++)
            if (points[i] >= n && points[i] < next)
                next = points[i];
        delta += (next - n) * ((uint32_t)done + 1); /* 0x10ffff * 1025 < 2^32 */
        n = next;
        for (size_t i = 0; i < n_points && err == 0; i++) {
            if (points[i] < n)
                delta++;
            if (points[i] != n)
                continue;
            err = append_integer(out, delta, bias);
            bias = adapt(delta, done + 1, done == n_basic);
            delta = 0;
            done++;
        }
    }
    return err;
}

static int
digit_value(char c)
{
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    return c >= '0' && c <= '9' ? c - '0' + 26 : -1;
}

/* One variable-length integer at in->p, added to *value. */
static bool
read_integer(struct slice *in, uint32_t bias, uint32_t *value)
{
    uint64_t weight = 1, sum = *value;

    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = threshold(k, bias);
        int digit = in->n == 0 ? -1 : digit_value(in->p[0]);

        if (digit < 0)
            return false;
        *in = slice_sub(*in, 1, SIZE_MAX);
        sum += (uint64_t)digit * weight;
        if (sum > UINT32_MAX)
            return false;
        if ((uint32_t)digit < t)
            break;
        weight *= BASE - t;
        if (weight > UINT32_MAX)
            return false;
    }
    *value = (uint32_t)sum;
    return true;
}

int
punycode_decode(struct slice in, uint32_t *points, size_t max, size_t *n_points)
{
    uint32_t n = INITIAL_N, i = 0, bias = INITIAL_BIAS;
    const char *dash = in.n == 0 ? NULL : memrchr(in.p, '-', in.n);
    size_t n_out = 0;

    if (dash != NULL) {
        size_t n_basic = (size_t)(dash - in.p);

        if (n_basic > max)
            return ORB_EINVAL;
        for (; n_out < n_basic; n_out++) {
            if ((unsigned char)in.p[n_out] >= INITIAL_N)
                return ORB_EINVAL;
            points[n_out] = (unsigned char)in.p[n_out];
        }
        in = slice_sub(in, n_basic + 1, SIZE_MAX);
    }
    while (in.n > 0) {
        uint32_t before = i;

        if (n_out == max || !read_integer(&in, bias, &i))
            return ORB_EINVAL;
        n_out++;
        bias = adapt(i - before, n_out, before == 0);
        if (i / n_out > 0x10ffff - n)
            return ORB_EINVAL;
        n += i / (uint32_t)n_out;
        i %= (uint32_t)n_out;
        if (n >= 0xd800 && n <= 0xdfff)
            return ORB_EINVAL;
        memmove(points + i + 1, points + i, (n_out - 1 - i) * sizeof points[0]);
        points[i++] = n;
    }
    *n_points = n_out;
    return 0;
}
