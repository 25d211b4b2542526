#include <jansson.h>

#include "gc/census.h"
#include "tests/support/heap_sample.h"
#include "tests/support/support.h"

static uint64_t now_ms = 3600000; /* the runtime's clock only goes on */

static void
pass(uint64_t ms)
{
    now_ms += ms;
    gc_set_time(now_ms);
}

static const struct census_row *
row_of(const struct census *c, unsigned type)
{
    for (size_t i = 0; i < c->n_rows; i++)
        if (c->rows[i].type == &sample_types[type])
            return &c->rows[i];
    fail_msg("no row of %s", sample_types[type].name);
    return NULL;
}

static struct census *
take(bool with_owned_bytes)
{
    struct census *c = census_take(now_ms, with_owned_bytes);

    assert_non_null(c);
    return c;
}

TEST(census__of_nothing_has_no_rows)
{
    struct census *c = take(true);

    assert_int_equal(c->n_objects, 0);
    assert_int_equal(c->n_rows, 0);
    census_free(&c);
    assert_null(c);
    census_free(&c);
}

TEST(census__counts_by_type_and_site_with_the_bytes_of_slots)
{
    struct sample *pages[5], *here = NULL;
    struct object *o;
    struct census *c;

    pass(0);
    for (uint32_t i = 0; i < 5; i++)
        pages[i] = sample_new(i < 3 ? SAMPLE_PAGE : SAMPLE_LINK, i);
    here = OBJECT_NEW(&sample_types[SAMPLE_PAGE]); /* another place */
    c = take(false);
    assert_int_equal(c->n_objects, 6);
    assert_int_equal(c->bytes, 6 * SAMPLE_BYTES);
    assert_int_equal(c->n_rows, 3);
    assert_int_equal(census_row_count(&c->rows[0]), 3); /* most bytes first */
    assert_ptr_equal(c->rows[0].type, &sample_types[SAMPLE_PAGE]);
    assert_int_equal(c->rows[0].bytes, 3 * SAMPLE_BYTES);
    assert_string_equal(c->rows[0].site->function, "sample_new");
    assert_int_equal(census_row_count(row_of(c, SAMPLE_LINK)), 2);
    assert_ptr_equal(c->rows[2].type, &sample_types[SAMPLE_PAGE]);
    assert_string_equal(c->rows[2].site->function, __func__);
    assert_int_equal(c->taken_at_ms, now_ms);
    census_free(&c);
    for (uint32_t i = 0; i < 5; i++)
        sample_unref(&pages[i]);
    o = &here->object;
    object_unref(&o);
}

TEST(census__asks_for_owned_bytes_only_when_told_to)
{
    struct sample *s = sample_new(SAMPLE_PAGE, 1);
    struct census *c;

    s->owned_bytes = 28000;
    c = take(false);
    assert_false(c->has_owned_bytes);
    assert_int_equal(c->rows[0].owned_bytes, 0);
    census_free(&c);
    c = take(true);
    assert_true(c->has_owned_bytes);
    assert_int_equal(c->rows[0].owned_bytes, 28000);
    assert_int_equal(c->owned_bytes, 28000);
    assert_int_equal(c->bytes, SAMPLE_BYTES);
    census_free(&c);
    sample_unref(&s);
}

TEST(census__bands_follow_the_age)
{
    static const uint32_t steps_s[] = { 0, 12, 60, 700, 3600, 3600 * 5 };
    static const unsigned bands[] = { 0, 1, 2, 3, 4, 4 };
    struct sample *s;

    pass(4000);
    s = sample_new(SAMPLE_HOST, 1);
    for (size_t i = 0; i < ORB_N_ELEMENTS(steps_s); i++) {
        struct census *c;

        pass(steps_s[i] * 1000ull);
        c = take(false);
        assert_int_equal(c->rows[0].n[bands[i]], 1);
        assert_int_equal(census_row_count(&c->rows[0]), 1);
        census_free(&c);
    }
    assert_string_equal(census_band_name(0), "< 10 s");
    assert_string_equal(census_band_name(CENSUS_AGE_BANDS - 1), ">= 1 h");
    sample_unref(&s);
}

TEST(census__is_overdue_what_is_older_than_its_lifetime_beyond_doubt)
{
    struct sample *page, *host;
    struct census *c;

    pass(2 * GC_EPOCH_S * 1000 - 1 - now_ms % (GC_EPOCH_S * 1000)); /* an epoch's last moment: it is dated 4 s too early */
    page = sample_new(SAMPLE_PAGE, 1); /* 90 s */
    host = sample_new(SAMPLE_HOST, 2); /* no promise */
    pass(89999);
    c = take(false);
    assert_int_equal(row_of(c, SAMPLE_PAGE)->n_overdue, 0);
    census_free(&c);
    pass(GC_EPOCH_S * 1000 + 1);
    c = take(false);
    assert_int_equal(row_of(c, SAMPLE_PAGE)->n_overdue, 1);
    assert_int_equal(row_of(c, SAMPLE_HOST)->n_overdue, 0);
    assert_in_range(row_of(c, SAMPLE_PAGE)->oldest_s, 90, 98);
    census_free(&c);
    sample_unref(&page);
    sample_unref(&host);
}

#define N_SITES 1000
static struct object_site many_sites[N_SITES];

TEST(census__has_room_for_any_number_of_sites)
{
    static struct object *objects[N_SITES][3];
    struct census *c;

    for (int i = 0; i < N_SITES; i++) {
        many_sites[i] = (struct object_site){ "dir/file.c", "f", i, 0 };
        for (int j = 0; j < 3; j++)
            objects[i][j] = object_new(&sample_types[j], &many_sites[i]);
    }
    c = take(false);
    assert_int_equal(c->n_rows, 3 * N_SITES);
    assert_int_equal(c->n_objects, 3 * N_SITES);
    for (size_t i = 0; i < c->n_rows; i++)
        assert_int_equal(census_row_count(&c->rows[i]), 1);
    census_free(&c);
    for (int i = 0; i < N_SITES; i++)
        for (int j = 0; j < 3; j++)
            object_unref(&objects[i][j]);
}

TEST(census__agrees_with_the_counters_of_types)
{
    static struct sample *samples[3000];
    struct object_type_stats stats[16];
    unsigned n_types;
    struct census *c;

    for (uint32_t i = 0; i < ORB_N_ELEMENTS(samples); i++)
        samples[i] = sample_new(i * 7 % SAMPLE_N_TYPES, i);
    for (uint32_t i = 0; i < ORB_N_ELEMENTS(samples); i += 3)
        sample_unref(&samples[i]);
    c = take(true);
    n_types = object_census(stats, ORB_N_ELEMENTS(stats));
    for (unsigned t = 0; t < n_types; t++) {
        uint64_t n = 0, bytes = 0;

        for (size_t i = 0; i < c->n_rows; i++)
            if (strcmp(c->rows[i].type->name, stats[t].name) == 0) {
                n += census_row_count(&c->rows[i]);
                bytes += c->rows[i].bytes;
            }
        assert_int_equal(n, stats[t].n_live);
        assert_int_equal(bytes, stats[t].live_bytes);
    }
    census_free(&c);
    for (uint32_t i = 0; i < ORB_N_ELEMENTS(samples); i++)
        sample_unref(&samples[i]);
}

TEST(census_diff__shows_what_grew_and_what_shrank_and_nothing_else)
{
    struct sample *page = sample_new(SAMPLE_PAGE, 1), *link = sample_new(SAMPLE_LINK, 2), *host = sample_new(SAMPLE_HOST, 3),
                  *more[3];
    struct census *before, *after;
    struct census_growth *g;
    size_t n;

    link->owned_bytes = 1000;
    before = take(true);
    for (uint32_t i = 0; i < 3; i++)
        more[i] = sample_new(SAMPLE_PAGE, 10 + i);
    sample_unref(&host);
    link->owned_bytes = 1500;
    after = take(true);
    assert_int_equal(census_diff(before, after, &g, &n), 0);
    assert_int_equal(n, 3);
    assert_ptr_equal(g[0].type, &sample_types[SAMPLE_LINK]); /* 500 bytes and no object */
    assert_int_equal(g[0].n, 0);
    assert_int_equal(g[0].bytes, 500);
    assert_ptr_equal(g[1].type, &sample_types[SAMPLE_PAGE]);
    assert_int_equal(g[1].n, 3);
    assert_int_equal(g[1].bytes, 3 * SAMPLE_BYTES);
    assert_ptr_equal(g[2].type, &sample_types[SAMPLE_HOST]);
    assert_int_equal(g[2].n, -1);
    mem_free(MEM_OBJ, g);
    assert_int_equal(census_diff(after, after, &g, &n), 0);
    assert_int_equal(n, 0);
    mem_free(MEM_OBJ, g);
    census_free(&before);
    before = take(false); /* without owned bytes: theirs are no growth */
    assert_int_equal(census_diff(before, after, &g, &n), 0);
    assert_int_equal(n, 0);
    mem_free(MEM_OBJ, g);
    census_free(&before);
    census_free(&after);
    for (uint32_t i = 0; i < 3; i++)
        sample_unref(&more[i]);
    sample_unref(&page);
    sample_unref(&link);
}

static json_t *
parsed(const struct buf *b)
{
    json_error_t error;
    json_t *json = json_loadb(b->p, b->n, 0, &error);

    if (json == NULL)
        fail_msg("%s at %d: %s", error.text, error.position, b->p);
    return json;
}

TEST(census_json__holds_what_the_census_holds)
{
    struct sample *s = sample_new(SAMPLE_PAGE, 1);
    struct census *before = take(true), *after;
    struct buf b;
    json_t *json, *row;

    buf_init(&b, MEM_DEFAULT, BUF_NO_CEILING);
    assert_int_equal(census_json(before, &b), 0);
    json = parsed(&b);
    assert_int_equal(json_integer_value(json_object_get(json, "n_objects")), 1);
    assert_int_equal(json_array_size(json_object_get(json, "bands")), CENSUS_AGE_BANDS);
    row = json_array_get(json_object_get(json, "rows"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "type")), "page");
    assert_int_equal(strncmp(json_string_value(json_object_get(row, "site")), "support/heap_sample.h:", 22), 0);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(row, "n_by_age"), 0)), 1);
    assert_int_equal(json_integer_value(json_object_get(row, "bytes")), SAMPLE_BYTES);
    json_decref(json);

    sample_unref(&s);
    after = take(true);
    buf_clear(&b);
    assert_int_equal(census_diff_json(before, after, &b), 0);
    json = parsed(&b);
    assert_int_equal(json_integer_value(json_object_get(json, "bytes")), -SAMPLE_BYTES);
    row = json_array_get(json_object_get(json, "rows"), 0);
    assert_int_equal(json_integer_value(json_object_get(row, "n")), -1);
    json_decref(json);
    census_free(&before);
    census_free(&after);
    buf_fini(&b);
}

TEST(census_json__leaves_a_buf_as_it_was_when_it_does_not_fit)
{
    struct sample *s = sample_new(SAMPLE_PAGE, 1);
    struct census *c = take(true);
    struct buf b;

    buf_init(&b, MEM_DEFAULT, 100);
    assert_int_equal(buf_append_str(&b, "kept"), 0);
    assert_int_equal(census_json(c, &b), ORB_ETOOBIG);
    assert_string_equal(b.p, "kept");
    buf_fini(&b);
    census_free(&c);
    sample_unref(&s);
}

TESTS(T(census__of_nothing_has_no_rows), T(census__counts_by_type_and_site_with_the_bytes_of_slots),
      T(census__asks_for_owned_bytes_only_when_told_to), T(census__bands_follow_the_age),
      T(census__is_overdue_what_is_older_than_its_lifetime_beyond_doubt), T(census__has_room_for_any_number_of_sites),
      T(census__agrees_with_the_counters_of_types), T(census_diff__shows_what_grew_and_what_shrank_and_nothing_else),
      T(census_json__holds_what_the_census_holds), T(census_json__leaves_a_buf_as_it_was_when_it_does_not_fit))
