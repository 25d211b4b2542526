#include "storage/inventory.h"

#include "storage/store.h"
#include "storage/urldb.h"
#include "tests/support/store_sample.h"

#include <unistd.h>

/* Two pages in one WARC file, and a journal that has both as done. */
static struct sample_dirs
make_crawl(void)
{
    struct sample_dirs d = sample_dirs_new();
    struct store_conf conf = sample_conf(&d);
    struct record r = sample_page(1, "http://a.test/1", SLICE_LITERAL("first"));
    struct store *s = NULL;
    struct urldb *journal = NULL;
    char path[300];
    bool is_new;

    assert_int_equal(store_open(&s, &conf, NULL), 0);
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    r = sample_page(2, "http://a.test/2", SLICE_LITERAL("second"));
    assert_int_equal(store_put(s, &r, SAMPLE_NOW_MS), 0);
    assert_int_equal(store_close(&s), 0);
    snprintf(path, sizeof path, "%s/coordinator", d.root);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/coordinator/frontier.db", d.root);
    assert_int_equal(urldb_open(&journal, path, &is_new, NULL), 0);
    assert_int_equal(urldb_set_meta(journal, "books", SLICE_LITERAL("{\"discovered\":3,\"done\":2}")), 0);
    urldb_close(&journal);
    return d;
}

static void
take_away(const struct sample_dirs *d, const char *pattern)
{
    char command[512];

    snprintf(command, sizeof command, "rm %s/%s", d->root, pattern);
    assert_int_equal(system(command), 0);
}

TEST(inventory__finds_a_whole_crawl_whole)
{
    struct sample_dirs d = make_crawl();
    struct inventory v;

    assert_int_equal(inventory_take(&v, d.root), 0);
    assert_true(v.has_frontier && v.has_pages);
    assert_int_equal(v.n_warc_named, 1);
    assert_int_equal(v.n_warc_missing, 0);
}

TEST(inventory__counts_the_pages_that_a_lost_journal_leaves)
{
    struct sample_dirs d = make_crawl();
    struct inventory v;

    take_away(&d, "coordinator/frontier.db*");
    assert_int_equal(inventory_take(&v, d.root), 0);
    assert_false(v.has_frontier);
    assert_int_equal(v.n_pages, 2);
    assert_int_equal(v.n_warc_files, 1);
    take_away(&d, "pages/pages.db*");
    assert_int_equal(inventory_take(&v, d.root), 0);
    assert_int_equal(v.n_pages, 0);
    assert_int_equal(v.n_warc_files, 1);
}

TEST(inventory__counts_what_is_done_without_pages)
{
    struct sample_dirs d = make_crawl();
    struct inventory v;
    char path[300];

    take_away(&d, "pages/pages.db*");
    assert_int_equal(inventory_take(&v, d.root), 0);
    assert_false(v.has_pages);
    assert_int_equal(v.n_done, 2);
    snprintf(path, sizeof path, "%s/pages/pages.db", d.root); /* somebody has made an empty one on purpose */
    write_file(path, "", 0);
    assert_int_equal(inventory_take(&v, d.root), 0);
    assert_true(v.has_pages);
}

TEST(inventory__names_the_WARC_file_that_is_gone)
{
    struct sample_dirs d = make_crawl();
    struct inventory v;

    take_away(&d, "warc/*.warc.gz");
    assert_int_equal(inventory_take(&v, d.root), 0);
    assert_int_equal(v.n_warc_missing, 1);
    assert_true(slice_ends_with(slice_str(v.warc_missing), SLICE_LITERAL(".warc.gz")));
}

TEST(inventory__leaves_damage_to_those_who_open_the_file)
{
    struct sample_dirs d = make_crawl();
    struct inventory v;
    char path[300];

    take_away(&d, "pages/pages.db*");
    snprintf(path, sizeof path, "%s/coordinator/frontier.db", d.root);
    write_file(path, "no database", 11);
    assert_int_equal(inventory_take(&v, d.root), 0);
    assert_true(v.has_frontier && !v.has_pages);
    assert_int_equal(v.n_done, 0);
}

TESTS(T(inventory__finds_a_whole_crawl_whole), T(inventory__counts_the_pages_that_a_lost_journal_leaves),
      T(inventory__counts_what_is_done_without_pages), T(inventory__names_the_WARC_file_that_is_gone),
      T(inventory__leaves_damage_to_those_who_open_the_file))
