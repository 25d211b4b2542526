#include "pool/arena.h"
#include "pool/error.h"

struct arena_chunk {
    struct arena_chunk *next;
    size_t n, cap;
    _Alignas(16) char bytes[];
};

struct arena_cleanup {
    struct arena_cleanup *next;
    void (*run)(void *);
    void *arg;
};

void
arena_init(struct arena *a, enum mem_domain domain, size_t chunk_bytes, size_t ceiling_bytes)
{
    *a = (struct arena){ .chunk_bytes = chunk_bytes, .ceiling_bytes = ceiling_bytes, .domain = domain };
}

static void
run_cleanups(struct arena *a)
{
    for (struct arena_cleanup *c = a->cleanups; c != NULL; c = c->next)
        c->run(c->arg);
    a->cleanups = NULL;
}

void
arena_fini(struct arena *a)
{
    run_cleanups(a);
    for (struct arena_chunk *c = a->chunks, *next; c != NULL; c = next) {
        next = c->next;
        mem_free(a->domain, c);
    }
    a->chunks = NULL;
    a->used_bytes = 0;
}

size_t
arena_held_bytes(const struct arena *a)
{
    size_t n = 0;

    for (const struct arena_chunk *c = a->chunks; c != NULL; c = c->next)
        n += mem_usable_bytes(c);
    return n;
}

void
arena_reset(struct arena *a)
{
    struct arena_chunk *keep = NULL;

    run_cleanups(a);
    for (struct arena_chunk *c = a->chunks, *next; c != NULL; c = next) {
        next = c->next;
        if (keep == NULL && c->cap == a->chunk_bytes)
            keep = c;
        else
            mem_free(a->domain, c);
    }
    a->chunks = keep;
    if (keep != NULL) {
        keep->next = NULL;
        keep->n = 0;
    }
    a->used_bytes = 0;
}

static struct arena_chunk *
add_chunk(struct arena *a, size_t n_bytes)
{
    size_t cap = n_bytes > a->chunk_bytes ? n_bytes : a->chunk_bytes;
    struct arena_chunk *c = mem_alloc(a->domain, sizeof *c + cap);

    if (c == NULL)
        return NULL;
    c->n = 0;
    c->cap = cap;
    /* A chunk made for one large block goes behind the current one, which still has room for small ones. */
    if (a->chunks != NULL && cap > a->chunk_bytes) {
        c->next = a->chunks->next;
        a->chunks->next = c;
    } else {
        c->next = a->chunks;
        a->chunks = c;
    }
    return c;
}

void *
arena_alloc(struct arena *a, size_t n_bytes)
{
    struct arena_chunk *c = a->chunks;
    void *p;

    if (n_bytes > SIZE_MAX / 2)
        return NULL;
    n_bytes = (n_bytes + 15) & ~(size_t)15;
    if (n_bytes > a->ceiling_bytes || a->used_bytes > a->ceiling_bytes - n_bytes)
        return NULL;
    if (c == NULL || c->cap - c->n < n_bytes) {
        c = add_chunk(a, n_bytes);
        if (c == NULL)
            return NULL;
    }
    p = c->bytes + c->n;
    c->n += n_bytes;
    a->used_bytes += n_bytes;
    return p;
}

void *
arena_zalloc(struct arena *a, size_t n_bytes)
{
    void *p = arena_alloc(a, n_bytes);

    if (p != NULL)
        memset(p, 0, n_bytes);
    return p;
}

char *
arena_dup(struct arena *a, struct slice s)
{
    char *p = arena_alloc(a, s.n + 1);

    if (p == NULL)
        return NULL;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

int
arena_on_reset(struct arena *a, void (*cleanup)(void *), void *arg)
{
    struct arena_cleanup *c = arena_alloc(a, sizeof *c);

    if (c == NULL)
        return ORB_ENOMEM;
    *c = (struct arena_cleanup){ .next = a->cleanups, .run = cleanup, .arg = arg };
    a->cleanups = c;
    return 0;
}
