#include "gc/census.h"
#include "gc/object.h"
#include "gc/text.h"
#include "tests/support/support.h"

/* More places that make objects than the table has room for: a program of its own, since a full table stays full. */

#define N_SITES 9000

struct thing {
    struct object object;
};
static struct object_type thing_type = { .name = "thing", .object_bytes = sizeof(struct thing) };
static struct object_site sites[N_SITES];
static struct object *objects[N_SITES];

static uint64_t
count_of_others(const struct census *c)
{
    char where[TEXT_SITE_BYTES];
    uint64_t n = 0;

    for (size_t i = 0; i < c->n_rows; i++)
        if (strcmp(text_site(where, c->rows[i].site), "(other sites)") == 0)
            n += census_row_count(&c->rows[i]);
    return n;
}

TEST(object_site__the_last_of_too_many_share_one)
{
    struct census *c;
    struct buf json;

    assert_int_equal(object_n_sites_unnamed(), 0);
    for (int i = 0; i < N_SITES; i++) {
        sites[i] = (struct object_site){ __FILE__, __func__, i + 1, 0 };
        objects[i] = mem_must(object_new(&thing_type, &sites[i]));
    }
    assert_int_equal(object_site_of(objects[0])->line, 1);
    assert_int_equal(object_site_of(objects[8189])->line, 8190);
    assert_ptr_equal(object_site_of(objects[8190]), object_site_of(objects[N_SITES - 1]));
    assert_int_equal(object_n_sites_unnamed(), N_SITES - 8190);

    c = mem_must(census_take(0, false));
    assert_int_equal(c->n_rows, 8191);
    assert_int_equal(count_of_others(c), N_SITES - 8190);
    buf_init(&json, MEM_DEFAULT, (size_t)16 << 20);
    assert_int_equal(census_json(c, &json), 0);
    assert_int_equal(buf_append_char(&json, 0), 0);
    assert_non_null(strstr(json.p, "\"n_sites_unnamed\":810,"));
    buf_fini(&json);
    census_free(&c);
    for (int i = 0; i < N_SITES; i++)
        object_unref(&objects[i]);
}

TESTS(T(object_site__the_last_of_too_many_share_one))
