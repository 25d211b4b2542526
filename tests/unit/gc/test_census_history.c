#include "gc/census.h"
#include "tests/support/heap_sample.h"
#include "tests/support/support.h"

#define MINUTE_MS 60000ull
#define HOUR_MS (60 * MINUTE_MS)
#define START_MS (7 * HOUR_MS)

static uint64_t
age_of(const struct census_history *h, uint64_t now_ms, uint64_t back_ms)
{
    const struct census *c = census_history_at(h, now_ms - back_ms);

    assert_non_null(c);
    return now_ms - c->taken_at_ms;
}

TEST(census_history__is_empty_at_first_and_then_has_the_newest)
{
    struct census_history *h = NULL;

    assert_int_equal(census_history_new(&h), 0);
    assert_null(census_history_at(h, START_MS));
    assert_int_equal(census_history_tick(h, START_MS), 0);
    assert_int_equal(census_history_at(h, START_MS)->taken_at_ms, START_MS);
    assert_int_equal(census_history_at(h, 0)->taken_at_ms, START_MS); /* the oldest, for lack of an older */
    assert_int_equal(census_history_tick(h, START_MS + MINUTE_MS - 1), 0); /* not due */
    assert_int_equal(census_history_count(h), 1);
    assert_int_equal(census_history_tick(h, START_MS - HOUR_MS), 0); /* nor is the past */
    assert_int_equal(census_history_count(h), 1);
    assert_int_equal(census_history_tick(h, START_MS + MINUTE_MS), 0);
    assert_int_equal(census_history_count(h), 2);
    census_history_free(&h);
    assert_null(h);
}

TEST(census_history__has_minutes_for_an_hour_and_hours_for_two_days)
{
    struct census_history *h = NULL;
    uint64_t now_ms;

    assert_int_equal(census_history_new(&h), 0);
    for (now_ms = START_MS; now_ms <= START_MS + 60 * HOUR_MS; now_ms += 7000)
        assert_int_equal(census_history_tick(h, now_ms), 0);
    now_ms -= 7000;
    for (uint64_t back = 0; back < HOUR_MS; back += 20000)
        assert_in_range(age_of(h, now_ms, back), back, back + MINUTE_MS + 7000);
    for (uint64_t back = HOUR_MS; back < 47 * HOUR_MS; back += 10 * MINUTE_MS)
        assert_in_range(age_of(h, now_ms, back), back, back + HOUR_MS + 2 * MINUTE_MS);
    assert_in_range(age_of(h, now_ms, 59 * HOUR_MS), 47 * HOUR_MS, 49 * HOUR_MS + MINUTE_MS);
    assert_in_range(census_history_count(h), 100, 111);
    census_history_free(&h);
}

TEST(census_history__shows_what_was_there_then)
{
    struct census_history *h = NULL;
    struct sample *samples[200];
    uint64_t now_ms = START_MS;

    assert_int_equal(census_history_new(&h), 0);
    for (uint32_t i = 0; i < ORB_N_ELEMENTS(samples); i++) {
        samples[i] = sample_new(SAMPLE_PAGE, i);
        assert_int_equal(census_history_tick(h, now_ms), 0);
        now_ms += MINUTE_MS;
    }
    for (uint64_t minute = 142; minute < 200; minute++)
        assert_int_equal(census_history_at(h, START_MS + minute * MINUTE_MS)->n_objects, minute + 1);
    assert_int_equal(census_history_at(h, START_MS)->n_objects, 1);
    assert_true(census_history_at(h, START_MS)->has_owned_bytes);
    census_history_free(&h);
    for (uint32_t i = 0; i < ORB_N_ELEMENTS(samples); i++)
        sample_unref(&samples[i]);
}

#define N_SITES 400
static struct object_site many_sites[N_SITES];

TEST(census_history__becomes_coarser_not_shorter_when_rows_are_many)
{
    static struct object *objects[N_SITES];
    struct census_history *h = NULL;
    uint64_t now_ms, n_before = mem_live_blocks();

    for (int i = 0; i < N_SITES; i++) {
        many_sites[i] = (struct object_site){ "dir/file.c", "f", i, 0 };
        objects[i] = object_new(&sample_types[SAMPLE_LINK], &many_sites[i]);
    }
    assert_int_equal(census_history_new(&h), 0);
    for (now_ms = START_MS; now_ms < START_MS + 10 * HOUR_MS; now_ms += MINUTE_MS) {
        assert_int_equal(census_history_tick(h, now_ms), 0);
        assert_true(census_history_ram_bytes(h) <= CENSUS_HISTORY_MAX_BYTES + 4096);
    }
    assert_in_range(census_history_count(h), 5, 12);
    assert_in_range(age_of(h, now_ms, 0), 0, MINUTE_MS);
    assert_in_range(age_of(h, now_ms, 11 * HOUR_MS), 9 * HOUR_MS, 10 * HOUR_MS); /* the first is still there */
    census_history_free(&h);
    for (int i = 0; i < N_SITES; i++)
        object_unref(&objects[i]);
    assert_true(mem_live_blocks() <= n_before);
}

TESTS(T(census_history__is_empty_at_first_and_then_has_the_newest),
      T(census_history__has_minutes_for_an_hour_and_hours_for_two_days), T(census_history__shows_what_was_there_then),
      T(census_history__becomes_coarser_not_shorter_when_rows_are_many))
