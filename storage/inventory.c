#include "storage/inventory.h"

#include "storage/pagedb.h"
#include "storage/urldb.h"

#include <dirent.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

static bool
is_there(const char *dir, const char *below)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof path, "%s/%s", dir, below) < (int)sizeof path && access(path, F_OK) == 0;
}

static uint64_t
count_warc_files(const char *warc_dir)
{
    DIR *d = opendir(warc_dir);
    struct dirent *e;
    uint64_t n = 0;

    if (d == NULL)
        return 0;
    while ((e = readdir(d)) != NULL)
        n += slice_ends_with(slice_str(e->d_name), SLICE_LITERAL(".warc.gz"));
    closedir(d);
    return n;
}

static int
count_pages(struct pagedb *pages, uint64_t *n)
{
    struct sqlite3_stmt *stmt = NULL;
    int err = db_prepare(pagedb_sqlite(pages), "SELECT count(*) FROM page", &stmt);

    if (err == 0)
        err = db_step(stmt);
    *n = err == 1 ? (uint64_t)db_column_int(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return err == 1 ? 0 : err;
}

static int
look_for_warc(struct inventory *v, struct pagedb *pages, const char *warc_dir)
{
    struct sqlite3_stmt *stmt = NULL;
    int err = db_prepare(pagedb_sqlite(pages), "SELECT file FROM warc ORDER BY file", &stmt);

    while (err == 0 && (err = db_step(stmt)) == 1) {
        char name[WARC_NAME_BYTES];

        err = 0;
        snprintf(name, sizeof name, SLICE_FMT, SLICE_ARG(db_column(stmt, 0)));
        v->n_warc_named++;
        if (is_there(warc_dir, name))
            continue;
        if (v->n_warc_missing++ == 0)
            memcpy(v->warc_missing, name, sizeof name);
    }
    sqlite3_finalize(stmt);
    return err;
}

static int
look_into_pages(struct inventory *v, const char *pages_dir, const char *warc_dir)
{
    struct pagedb *pages = NULL;
    int err = pagedb_open(&pages, pages_dir, DB_READ, NULL);

    if (err == 0)
        err = look_for_warc(v, pages, warc_dir);
    if (err == 0 && !v->has_frontier) /* it reads all of the table */
        err = count_pages(pages, &v->n_pages);
    pagedb_close(&pages);
    return err;
}

int
inventory_take(struct inventory *out, const char *dir)
{
    struct inventory v = { .has_frontier = is_there(dir, "coordinator/frontier.db"), .has_pages = is_there(dir, "pages/" PAGEDB_FILE) };
    char pages_dir[PATH_MAX], warc_dir[PATH_MAX], frontier[PATH_MAX];
    int err = 0;

    snprintf(pages_dir, sizeof pages_dir, "%s/pages", dir);
    snprintf(warc_dir, sizeof warc_dir, "%s/warc", dir);
    snprintf(frontier, sizeof frontier, "%s/coordinator/frontier.db", dir);
    if (v.has_pages)
        err = look_into_pages(&v, pages_dir, warc_dir);
    else if (v.has_frontier)
        err = urldb_count_done(frontier, &v.n_done);
    if (!v.has_frontier)
        v.n_warc_files = count_warc_files(warc_dir);
    if (err == ORB_ENOMEM)
        return err;
    *out = v;
    return 0;
}
