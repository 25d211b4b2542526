/* clock.h - the two clocks; the only place that reads them
 *
 * Below cluster/ time is an argument. clock_now_ms() never jumps and means nothing outside this boot; clock_wall_ms() is
 * Unix time and may jump. Delays and deadlines use the first, what is stored for people the second.
 */
#ifndef ORB_CLUSTER_CLOCK_H
#define ORB_CLUSTER_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_now_ms(void);
uint64_t clock_now_us(void);
uint64_t clock_now_ns(void);
uint64_t clock_wall_ms(void);

#define CLOCK_TEXT_BYTES 25

/* "2026-11-22T11:50:03.123Z", NUL-terminated; years past 9999 are cut to 9999. */
void clock_print(uint64_t wall_ms, char out[static CLOCK_TEXT_BYTES]);

#endif
