/* front_load.c - the journal thread fills a window: hosts, chunks, texts of URLs */
#include "cluster/front_internal.h"

static int
keep(struct buf *text, struct slice s, uint32_t *at, uint32_t *n)
{
    *at = (uint32_t)text->n;
    *n = (uint32_t)s.n;
    return buf_append_slice(text, s);
}

static int
load_host_row(struct front_db *d, struct load *load, struct load_host *h)
{
    int err = urldb_get_host(d->db, h->host_id, &h->row);

    if (err == 0)
        err = keep(&load->text, h->row.origin, &h->origin_at, &h->origin_n);
    if (err == 0)
        err = keep(&load->text, h->row.addresses, &h->addresses_at, &h->addresses_n);
    if (err == 0)
        err = keep(&load->text, h->row.robots, &h->robots_at, &h->robots_n);
    return err == 0 ? keep(&load->text, h->row.cookies, &h->cookies_at, &h->cookies_n) : err;
}

/* The first `want` ids join the URLs of the load, the rest goes back to the host's queue. */
static int
load_chunk(struct front_db *d, struct load *load, unsigned host)
{
    struct load_host *h = &load->hosts[host];
    struct slice bytes;
    int err = urldb_get_chunk(d->db, h->chunk, &h->next, &bytes);
    unsigned n;

    if (err != 0)
        return err == ORB_ENOTFOUND ? ORB_ECORRUPT : err;
    n = h->n_ids = (unsigned)ORB_MIN(bytes.n / 5, (size_t)HOSTQ_WINDOW);
    h->left = mem_array(MEM_HOST, HOSTQ_WINDOW, sizeof *h->left);
    if (h->left == NULL)
        return ORB_ENOMEM;
    for (unsigned i = 0; i < n; i++) {
        uint64_t id = 0;

        for (unsigned k = 0; k < 5; k++)
            id |= (uint64_t)(unsigned char)bytes.p[i * 5 + k] << (8 * k);
        if (i < h->want && load->n_urls < load->cap_urls)
            load->urls[load->n_urls++] = (struct load_url){ .url_id = id, .host = host };
        else
            h->left[h->n_left++] = id;
    }
    return 0;
}

static int
load_url_row(struct front_db *d, struct load *load, struct load_url *u)
{
    struct urldb_url row;
    int err = urldb_get_url(d->db, u->url_id, &row);

    if (err == ORB_ENOTFOUND) { /* a queue that outlived its row: dropped like any other stale id */
        u->state = URLDB_STATES;
        return 0;
    }
    if (err != 0)
        return err;
    u->state = row.state;
    u->flags = row.flags;
    u->outcome = row.outcome;
    u->retry_at_ms = row.retry_at_ms;
    u->depth = row.depth;
    u->hops = row.hops;
    u->attempts = row.attempts;
    return keep(&load->text, row.url, &u->text_at, &u->text_n);
}

void
front_db_load(struct front_db *d, struct load *load)
{
    unsigned n_given = load->n_urls;
    int err = 0;

    for (unsigned i = 0; i < load->n_hosts && err == 0; i++)
        if (load->hosts[i].is_described)
            err = load_host_row(d, load, &load->hosts[i]);
    for (unsigned i = 0; i < load->n_hosts && err == 0; i++)
        if (load->hosts[i].chunk != 0)
            err = load_chunk(d, load, i);
    for (unsigned i = 0; i < load->n_urls && err == 0; i++)
        err = load_url_row(d, load, &load->urls[i]);
    if (err != 0) { /* as it was asked, to be asked again */
        load->n_urls = n_given;
        buf_clear(&load->text);
        for (unsigned i = 0; i < load->n_hosts; i++) {
            MEM_FREE(MEM_HOST, &load->hosts[i].left);
            load->hosts[i].n_left = 0;
        }
    }
    load->answer.err = err;
    journal_post(d->journal, &load->answer.node);
}
