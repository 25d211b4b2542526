#include "crawler/seen.h"

#include "tests/support/support.h"

static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

TEST(seen__knows_what_was_added_and_nothing_else)
{
    struct seen *s = NULL;

    assert_int_equal(seen_new(&s, (size_t)64 << 20), 0);
    for (uint64_t i = 0; i < 300000; i++)
        assert_int_equal(seen_add(s, mix(i)), 1);
    for (uint64_t i = 0; i < 300000; i++) {
        assert_int_equal(seen_add(s, mix(i)), 0);
        assert_true(seen_has(s, mix(i)));
        assert_false(seen_has(s, mix(i + 300000)));
    }
    assert_int_equal(seen_count(s), 300000);
    assert_true(seen_ram_bytes(s) < 300000 * 8 * 8 / 5);
    seen_clear(s);
    assert_int_equal(seen_count(s), 0);
    assert_int_equal(seen_ram_bytes(s), 0);
    assert_false(seen_has(s, mix(1)));
    seen_free(&s);
    assert_null(s);
}

TEST(seen__takes_every_value_also_the_extremes)
{
    static const uint64_t odd[] = { 0, 1, 2, UINT64_MAX, UINT64_MAX - 1, (uint64_t)1 << 56, ((uint64_t)1 << 56) - 1,
                                    (uint64_t)255 << 56 };
    struct seen *s = NULL;

    assert_int_equal(seen_new(&s, (size_t)1 << 20), 0);
    for (size_t i = 0; i < ORB_N_ELEMENTS(odd); i++)
        assert_true(seen_add(s, odd[i]) >= 0);
    for (size_t i = 0; i < ORB_N_ELEMENTS(odd); i++)
        assert_true(seen_has(s, odd[i]));
    for (uint64_t i = 0; i < 2000; i++) /* one shard, and within it one place: probing wraps around its end */
        assert_int_equal(seen_add(s, 0xffffffffffffffff - 2 - i), 1);
    for (uint64_t i = 0; i < 2000; i++)
        assert_true(seen_has(s, 0xffffffffffffffff - 2 - i));
    seen_free(&s);
}

TEST(seen__never_grows_past_its_limit)
{
    struct seen *s = NULL;
    size_t limit = (size_t)1 << 20;
    uint64_t n = 0;
    int err = 0;

    assert_int_equal(seen_new(&s, limit), 0);
    while ((err = seen_add(s, mix(n))) == 1) {
        n++;
        assert_true(seen_ram_bytes(s) <= limit);
    }
    assert_int_equal(err, ORB_EFULL);
    assert_true(n > limit / 8 / 2); /* more than half of the bytes hold something */
    assert_false(seen_has(s, mix(n)));
    assert_int_equal(seen_count(s), n);
    for (uint64_t i = 0; i < n; i++)
        assert_true(seen_has(s, mix(i)));
    seen_set_limit(s, 2 * limit);
    assert_int_equal(seen_add(s, mix(n)), 1);
    seen_free(&s);
}

TEST(seen__a_reserve_makes_adding_safe)
{
    struct seen *s = NULL;
    uint64_t two[2];

    assert_int_equal(seen_new(&s, (size_t)8 << 20), 0);
    for (uint64_t i = 0; i < 50000; i += 2) {
        two[0] = mix(i);
        two[1] = i % 4 == 0 ? two[0] ^ 1 : mix(i + 1); /* into one shard, too */
        assert_int_equal(seen_reserve(s, two, 2), 0);
        mem_fail_nth(1, true, false);
        assert_int_equal(seen_add(s, two[0]), 1);
        assert_int_equal(seen_add(s, two[1]), 1);
        mem_fail_nth(0, false, false);
    }
    seen_free(&s);
}

TEST(seen__takes_sorted_input_once_it_expects_it)
{
    struct seen *s = NULL;

    assert_int_equal(seen_new(&s, (size_t)64 << 20), 0);
    assert_int_equal(seen_expect(s, 2000000), 0);
    for (uint64_t i = 1; i <= 2000000; i++)
        assert_int_equal(seen_add(s, i * (UINT64_MAX / 2000001)), 1);
    assert_true(seen_ram_bytes(s) < 2000000 * 8 * 8 / 5);
    assert_int_equal(seen_count(s), 2000000);
    assert_true(seen_has(s, 77 * (UINT64_MAX / 2000001)));
    seen_clear(s);
    assert_int_equal(seen_expect(s, 100000000), ORB_EFULL);
    assert_true(seen_ram_bytes(s) <= (size_t)64 << 20);
    seen_free(&s);
}

TEST(seen__survives_any_failed_allocation)
{
    size_t before = mem_live_blocks();

    FAULT_SWEEP(nth) {
        struct seen *s = NULL;
        uint64_t n = 0;
        int err = seen_new(&s, (size_t)1 << 20);

        assert_true(err == 0 || err == ORB_ENOMEM);
        assert_int_equal(s == NULL, err != 0);
        for (uint64_t i = 0; s != NULL && i < 300; i++) {
            err = seen_add(s, mix(i));
            assert_true(err == 1 || err == ORB_ENOMEM);
            n += err == 1;
            assert_int_equal(seen_has(s, mix(i)), err == 1);
        }
        if (s != NULL)
            assert_int_equal(seen_count(s), n);
        seen_free(&s);
        assert_int_equal(mem_live_blocks(), before);
    }
}

TEST(seen__says_how_many_collisions_to_expect)
{
    assert_true(seen_expected_collisions(1000000) < 1e-6);
    assert_true(seen_expected_collisions(10000000000) > 2 && seen_expected_collisions(10000000000) < 3);
}

TESTS(T(seen__knows_what_was_added_and_nothing_else), T(seen__takes_every_value_also_the_extremes),
      T(seen__never_grows_past_its_limit), T(seen__a_reserve_makes_adding_safe), T(seen__survives_any_failed_allocation),
      T(seen__takes_sorted_input_once_it_expects_it),
      T(seen__says_how_many_collisions_to_expect))
