#include "cluster/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t
clock_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t
clock_now_us(void)
{
    return clock_now_ns() / 1000;
}

uint64_t
clock_now_ms(void)
{
    return clock_now_us() / 1000;
}

uint64_t
clock_wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void
clock_print(uint64_t wall_ms, char out[static CLOCK_TEXT_BYTES])
{
    const uint64_t last_ms = 253402300799999; /* 9999-12-31T23:59:59.999Z */
    time_t seconds = (time_t)((wall_ms < last_ms ? wall_ms : last_ms) / 1000);
    unsigned ms = (unsigned)((wall_ms < last_ms ? wall_ms : last_ms) % 1000);
    struct tm tm;
    char text[64];

    gmtime_r(&seconds, &tm);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
    for (size_t i = 0; i < CLOCK_TEXT_BYTES; i++)
        out[i] = text[i];
    out[CLOCK_TEXT_BYTES - 1] = '\0';
}
