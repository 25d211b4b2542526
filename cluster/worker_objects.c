/* worker_objects.c - what of a worker are objects, who holds them, and what is remembered of errors
 *
 *   root worker.leases --> Host --> Robots --> Rule                      root mux.fetches --> Fetch --> Page
 *                           |  `--> ErrorRecord (the last few)                                  : weak
 *   root worker.jobs -----> Job --> Host, Page, ParsedPage  <..................................'
 *   root worker.observers -> Observer ..> Host (weak)                    root cache.kept ----> ParsedPage --> Link
 *
 * References go down, from what lives long to what it has; what points back (a fetch to its job, an observer to its host)
 * is weak, so nothing here makes a cycle: what the collector finds is somebody's mistake, and counted by type.
 *
 * An observer waits for the addresses of a host's name. Its host may leave before they come: then it is cancelled, and if
 * that were forgotten the answer would find nobody.
 */
#include "cluster/worker_internal.h"

#include "cluster/log.h"

#include <stdio.h>

/* ---- roots ---------------------------------------------------------------------------------------------------------- */

static void
walk_leases(void *owner, object_visit_fn *visit, void *arg)
{
    struct worker *w = owner;

    LIST_EACH (lease, &w->leases) {
        LIST_EACH (node, &LIST_ELEMENT(lease, struct wlease, node)->hosts) {
            struct object *o = &LIST_ELEMENT(node, struct whost, node)->object;
            visit(&o, arg);
        }
    }
}

static void
walk_jobs(void *owner, object_visit_fn *visit, void *arg)
{
    struct worker *w = owner;
    struct list *lists[] = { &w->fetching, &w->storing, &w->committing };

    for (size_t i = 0; i < ORB_N_ELEMENTS(lists); i++)
        LIST_EACH (node, lists[i]) {
            struct object *o = &LIST_ELEMENT(node, struct job, node)->object;
            visit(&o, arg);
        }
}

static void
walk_observers(void *owner, object_visit_fn *visit, void *arg)
{
    struct worker *w = owner;

    LIST_EACH (node, &w->observers) {
        struct object *o = &LIST_ELEMENT(node, struct observer, node)->object;
        visit(&o, arg);
    }
}

void
worker_add_roots(struct worker *w)
{
    w->roots[0] = (struct gc_root){ .name = "worker.leases", .walk = walk_leases, .owner = w };
    w->roots[1] = (struct gc_root){ .name = "worker.jobs", .walk = walk_jobs, .owner = w };
    w->roots[2] = (struct gc_root){ .name = "worker.observers", .walk = walk_observers, .owner = w };
    for (size_t i = 0; i < WORKER_N_ROOTS; i++)
        gc_root_add(&w->roots[i]);
}

void
worker_remove_roots(struct worker *w)
{
    for (size_t i = 0; i < WORKER_N_ROOTS; i++)
        gc_root_remove(&w->roots[i]);
}

/* ---- jobs ------------------------------------------------------------------------------------------------------------- */

static void
job_release(struct object *o)
{
    struct job *j = (struct job *)(void *)o;

    url_fini(&j->parsed_url);
    buf_fini(&j->frames);
    mem_free(MEM_HOST, j->url);
}

static size_t
job_owned_bytes(const struct object *o)
{
    const struct job *j = (const struct job *)(const void *)o;

    return (j->url == NULL ? 0 : mem_usable_bytes(j->url)) + (j->frames.p == NULL ? 0 : mem_usable_bytes(j->frames.p))
           + (j->parsed_url.href.p == NULL ? 0 : mem_usable_bytes(j->parsed_url.href.p));
}

static void
job_describe(const struct object *o, char *to, size_t cap)
{
    const struct job *j = (const struct job *)(const void *)o;

    snprintf(to, cap, "%s", j->url == NULL ? "" : j->url->url);
}

static const uint16_t job_pointers[] = { offsetof(struct job, host), offsetof(struct job, page), offsetof(struct job, known) };

struct object_type job_type = {
    .name = "Job",
    .object_bytes = sizeof(struct job),
    .flags = OBJECT_WEAKABLE,
    .pointer_offsets = job_pointers,
    .n_pointers = ORB_N_ELEMENTS(job_pointers),
    .release = job_release,
    .owned_bytes = job_owned_bytes,
    .describe = job_describe,
};

/* ---- errors ----------------------------------------------------------------------------------------------------------- */

static void
error_release(struct object *o)
{
    MEM_FREE(MEM_HOST, &((struct error_record *)(void *)o)->text);
}

static size_t
error_owned_bytes(const struct object *o)
{
    const struct error_record *e = (const struct error_record *)(const void *)o;

    return e->text == NULL ? 0 : mem_usable_bytes(e->text);
}

static void
error_describe(const struct object *o, char *to, size_t cap)
{
    const struct error_record *e = (const struct error_record *)(const void *)o;

    snprintf(to, cap, "%s %s", outcome_name(e->outcome), e->text == NULL ? "" : e->text);
}

static struct object_type error_type = {
    .name = "ErrorRecord",
    .object_bytes = sizeof(struct error_record),
    .flags = OBJECT_ACYCLIC,
    .release = error_release,
    .owned_bytes = error_owned_bytes,
    .describe = error_describe,
};

static bool
is_error(enum outcome o)
{
    return o != OUTCOME_OK && o != OUTCOME_REDIRECT && o != OUTCOME_NOT_MODIFIED && o != OUTCOME_ROBOTS_DENIED
           && o != OUTCOME_NOT_STARTED;
}

void
host_note_error(struct whost *h, const char *url, enum outcome outcome, int status, const char *sentence, uint64_t wall_ms)
{
    struct error_record *e;
    struct object *oldest;
    struct buf text;

    if (!is_error(outcome) || (e = OBJECT_NEW(&error_type)) == NULL)
        return;
    buf_init(&text, MEM_HOST, ERROR_TEXT_BYTES);
    if (buf_printf(&text, "%.400s%s%.200s", url, sentence[0] == '\0' ? "" : ": ", sentence) == 0)
        e->text = buf_take(&text, NULL);
    buf_fini(&text);
    e->at_ms = wall_ms;
    e->outcome = outcome;
    e->status = (uint16_t)status;
    oldest = (struct object *)(void *)h->errors[h->n_errors % HOST_MAX_ERRORS];
    h->errors[h->n_errors++ % HOST_MAX_ERRORS] = e;
    object_unref(&oldest);
}

/* ---- observers -------------------------------------------------------------------------------------------------------- */

static void
observer_release(struct object *o)
{
    weak_clear(&((struct observer *)(void *)o)->host);
}

static void
observer_describe(const struct object *o, char *to, size_t cap)
{
    const struct whost *h = (const struct whost *)(void *)weak_peek(&((const struct observer *)(const void *)o)->host);

    if (h == NULL)
        snprintf(to, cap, "addresses of a host that has left");
    else
        snprintf(to, cap, "addresses of " SLICE_FMT, SLICE_ARG(url_href(&h->origin)));
}

static struct object_type observer_type = {
    .name = "Observer",
    .object_bytes = sizeof(struct observer),
    .lifetime_ms = OBSERVER_LIFETIME_MS,
    .release = observer_release,
    .describe = observer_describe,
};

static void
observer_drop(struct observer *observer)
{
    struct object *o = &observer->object;

    list_remove(&observer->node);
    object_unref(&o);
}

static void
on_answer(void *arg, const struct dns_answer *answer)
{
    struct observer *o = arg;
    struct object *host = weak_get(&o->host);

    if (host != NULL)
        o->done(host, answer);
    object_unref(&host);
    observer_drop(o);
}

void
observe_name(struct whost *h, struct slice name, dns_done_fn *done)
{
    struct worker *w = h->lease->worker;
    struct observer *o = OBJECT_NEW(&observer_type);
    static const struct dns_answer none = { .outcome = OUTCOME_NOT_STARTED };

    if (o != NULL)
        list_init(&o->node);
    if (o == NULL || weak_set(&o->host, &h->object) != 0) {
        if (o != NULL)
            observer_drop(o);
        done(h, &none);
        return;
    }
    o->done = done;
    list_push_back(&w->observers, &o->node);
    dns_lookup(w->dns, name, on_answer, o);
}

void
observe_no_more(struct whost *h, dns_done_fn *done)
{
    struct worker *w = h->lease->worker;

    LIST_EACH_SAFE (node, &w->observers) {
        struct observer *o = LIST_ELEMENT(node, struct observer, node);

        if (o->done != done || weak_peek(&o->host) != &h->object)
            continue;
        dns_cancel(w->dns, on_answer, o);
        observer_drop(o);
    }
}
