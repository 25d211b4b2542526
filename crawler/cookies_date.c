/* cookies_date.c - the dates that servers write, by RFC 6265 section 5.1.1: no format, no locale, just tokens */
#include "crawler/cookies.h"

#include "pool/check.h"

struct date {
    bool has_time, has_day, has_month, has_year;
    unsigned hour, minute, second, day, month, year;
};

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_delimiter(unsigned char c)
{
    return c == 0x09 || (c >= 0x20 && c <= 0x2F) || (c >= 0x3B && c <= 0x40) || (c >= 0x5B && c <= 0x60)
           || (c >= 0x7B && c <= 0x7E);
}

/* Takes min to max digits off *s. */
static bool
number_take(struct slice *s, size_t min, size_t max, unsigned *value)
{
    size_t n = 0;
    unsigned v = 0;

    while (n < s->n && is_digit(s->p[n]) && n < max)
        v = v * 10 + (unsigned)(s->p[n++] - '0');
    if (n < min)
        return false;
    *value = v;
    *s = slice_sub(*s, n, SIZE_MAX);
    return true;
}

/* What follows a number may not be another digit. */
static bool
number_ends(struct slice s)
{
    return s.n == 0 || !is_digit(s.p[0]);
}

static bool
time_parse(struct slice s, struct date *d)
{
    unsigned part[3];

    for (int i = 0; i < 3; i++) {
        if (i > 0 && (s.n == 0 || s.p[0] != ':'))
            return false;
        if (i > 0)
            s = slice_sub(s, 1, SIZE_MAX);
        if (!number_take(&s, 1, 2, &part[i]))
            return false;
    }
    if (!number_ends(s))
        return false;
    d->hour = part[0];
    d->minute = part[1];
    d->second = part[2];
    return true;
}

static bool
month_parse(struct slice s, struct date *d)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (unsigned m = 0; m < 12 && s.n >= 3; m++)
        if (strncasecmp(s.p, names + 3 * m, 3) == 0) {
            d->month = m + 1;
            return true;
        }
    return false;
}

/* Each token is the first of these that is still missing and that it can be. */
static void
token_take(struct slice token, struct date *d)
{
    struct slice rest = token;
    unsigned value;

    if (!d->has_time && time_parse(token, d)) {
        d->has_time = true;
        return;
    }
    if (!d->has_day && number_take(&rest, 1, 2, &value) && number_ends(rest)) {
        d->has_day = true;
        d->day = value;
        return;
    }
    if (!d->has_month && month_parse(token, d)) {
        d->has_month = true;
        return;
    }
    rest = token;
    if (!d->has_year && number_take(&rest, 2, 4, &value) && number_ends(rest)) {
        d->has_year = true;
        d->year = value;
    }
}

static unsigned
month_days(unsigned month, unsigned year)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && is_leap ? 1u : 0u);
}

/* Days from 1970-01-01; years begin in March so that the leap day comes last. */
static int64_t
days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = y / 400, in_era = y % 400;
    int64_t in_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t)day - 1;

    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

bool
cookies_date_parse(struct slice text, uint64_t *seconds)
{
    struct date d = { 0 };
    int64_t at;

    for (size_t i = 0; i < text.n;) {
        size_t from = i;

        while (i < text.n && !is_delimiter((unsigned char)text.p[i]))
            i++;
        if (i > from)
            token_take(slice_sub(text, from, i - from), &d);
        else
            i++;
    }
    if (!d.has_time || !d.has_day || !d.has_month || !d.has_year)
        return false;
    if (d.year <= 99)
        d.year += d.year >= 70 ? 1900 : 2000;
    if (d.year < 1601 || d.hour > 23 || d.minute > 59 || d.second > 59 || d.day < 1 || d.day > month_days(d.month, d.year))
        return false;
    at = days_from_civil(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
    *seconds = (uint64_t)ORB_MAX(at, 0);
    return true;
}
