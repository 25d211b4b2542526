#include <stdlib.h>

#include "gc/census.h"
#include "gc/text.h"

/* ---- what grew ---- */

static int
compare_keys(const void *a, const void *b)
{
    const struct census_growth *x = a, *y = b;

    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    return (x->site > y->site) - (x->site < y->site);
}

static int
compare_growth(const void *a, const void *b)
{
    const struct census_growth *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return compare_keys(a, b);
}

static void
write_rows(struct census_growth *to, const struct census *c, int64_t sign, bool with_owned_bytes)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        const struct census_row *r = &c->rows[i];
        uint64_t bytes = r->bytes + (with_owned_bytes ? r->owned_bytes : 0);

        to[i] = (struct census_growth){ r->type, r->site, sign * (int64_t)census_row_count(r), sign * (int64_t)bytes };
    }
}

static int64_t
bytes_of(const struct census *c, bool with_owned_bytes)
{
    return (int64_t)(c->bytes + (with_owned_bytes ? c->owned_bytes : 0));
}

/* Neighbours of one (type, site) become one; what did not change goes. Returns how many are left. */
static size_t
merge(struct census_growth *g, size_t n)
{
    size_t n_kept = 0;

    for (size_t i = 0; i < n;) {
        struct census_growth sum = g[i];

        for (i++; i < n && compare_keys(&sum, &g[i]) == 0; i++) {
            sum.n += g[i].n;
            sum.bytes += g[i].bytes;
        }
        if (sum.n != 0 || sum.bytes != 0)
            g[n_kept++] = sum;
    }
    return n_kept;
}

int
census_diff(const struct census *before, const struct census *after, struct census_growth **out, size_t *n)
{
    bool with_owned_bytes = before->has_owned_bytes && after->has_owned_bytes;
    size_t n_both = before->n_rows + after->n_rows;
    struct census_growth *g = mem_array(MEM_OBJ, n_both, sizeof *g);

    if (g == NULL)
        return ORB_ENOMEM;
    write_rows(g, before, -1, with_owned_bytes);
    write_rows(g + before->n_rows, after, 1, with_owned_bytes);
    qsort(g, n_both, sizeof *g, compare_keys);
    *n = merge(g, n_both);
    qsort(g, *n, sizeof *g, compare_growth);
    *out = g;
    return 0;
}

/* ---- JSON ---- */

static void
put_names(struct text *t, const struct object_type *type, const struct object_site *site)
{
    char where[TEXT_SITE_BYTES];

    text_put(t, "\"type\":");
    text_json(t, type->name);
    text_put(t, ",\"site\":");
    text_json(t, text_site(where, site));
    text_put(t, ",\"function\":");
    text_json(t, site == NULL ? NULL : site->function);
}

static void
put_bands(struct text *t)
{
    text_put(t, "\"bands\":[");
    for (unsigned i = 0; i < CENSUS_AGE_BANDS; i++) {
        text_put(t, i == 0 ? "" : ",");
        text_json(t, census_band_name(i));
    }
    text_put(t, "]");
}

static void
put_row(struct text *t, const struct census_row *r)
{
    text_put(t, "{");
    put_names(t, r->type, r->site);
    text_printf(t, ",\"n\":%llu,\"n_by_age\":[", (unsigned long long)census_row_count(r));
    for (unsigned i = 0; i < CENSUS_AGE_BANDS; i++)
        text_printf(t, "%s%llu", i == 0 ? "" : ",", (unsigned long long)r->n[i]);
    text_printf(t, "],\"bytes\":%llu,\"owned_bytes\":%llu,\"n_overdue\":%llu,\"oldest_s\":%u,\"lifetime_ms\":%u}",
                (unsigned long long)r->bytes, (unsigned long long)r->owned_bytes, (unsigned long long)r->n_overdue,
                (unsigned)r->oldest_s, (unsigned)r->type->lifetime_ms);
}

int
census_json(const struct census *c, struct buf *to)
{
    struct text t;

    text_start(&t, to);
    text_printf(&t, "{\"taken_at_ms\":%llu,\"n_objects\":%llu,\"bytes\":%llu,\"owned_bytes\":",
                (unsigned long long)c->taken_at_ms, (unsigned long long)c->n_objects, (unsigned long long)c->bytes);
    if (c->has_owned_bytes)
        text_printf(&t, "%llu,", (unsigned long long)c->owned_bytes);
    else
        text_put(&t, "null,"); /* not asked for: not zero */
    put_bands(&t);
    text_printf(&t, ",\"n_sites_unnamed\":%llu", (unsigned long long)object_n_sites_unnamed());
    text_put(&t, ",\"rows\":[");
    for (size_t i = 0; i < c->n_rows; i++) {
        text_put(&t, i == 0 ? "" : ",");
        put_row(&t, &c->rows[i]);
    }
    text_put(&t, "]}");
    return text_end(&t);
}

int
census_diff_json(const struct census *before, const struct census *after, struct buf *to)
{
    bool with_owned_bytes = before->has_owned_bytes && after->has_owned_bytes;
    struct census_growth *g;
    struct text t;
    size_t n;
    int err = census_diff(before, after, &g, &n);

    if (err != 0)
        return err;
    text_start(&t, to);
    text_printf(&t, "{\"from_ms\":%llu,\"to_ms\":%llu,\"n_objects\":%lld,\"bytes\":%lld,\"rows\":[",
                (unsigned long long)before->taken_at_ms, (unsigned long long)after->taken_at_ms,
                (long long)(after->n_objects - before->n_objects),
                (long long)(bytes_of(after, with_owned_bytes) - bytes_of(before, with_owned_bytes)));
    for (size_t i = 0; i < n; i++) {
        text_put(&t, i == 0 ? "{" : ",{");
        put_names(&t, g[i].type, g[i].site);
        text_printf(&t, ",\"n\":%lld,\"bytes\":%lld}", (long long)g[i].n, (long long)g[i].bytes);
    }
    text_put(&t, "]}");
    mem_free(MEM_OBJ, g);
    return text_end(&t);
}
