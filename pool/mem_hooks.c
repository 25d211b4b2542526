#include "pool/mem_hooks.h"

#define MEM_HOOKS_DEFINE(name, domain)                                                                                 \
    void *name##_malloc(size_t n_bytes) { return mem_alloc(domain, n_bytes); }                                         \
    void *name##_calloc(size_t n, size_t element_bytes) { return mem_array(domain, n, element_bytes); }                \
    void *name##_realloc(void *p, size_t n_bytes) { return mem_realloc(domain, p, n_bytes); }                          \
    void name##_free(void *p) { mem_free(domain, p); }                                                                 \
    char *name##_strdup(const char *text) { return mem_strdup(domain, text); }

MEM_HOOKS_DEFINE(mem_xml, MEM_XML)
MEM_HOOKS_DEFINE(mem_curl, MEM_CURL)
MEM_HOOKS_DEFINE(mem_sqlite, MEM_SQLITE)
MEM_HOOKS_DEFINE(mem_json, MEM_JSON)
MEM_HOOKS_DEFINE(mem_buf, MEM_BUF)

void *
mem_ssl_malloc(size_t n_bytes, const char *file, int line)
{
    return n_bytes == 0 ? NULL : mem_alloc(MEM_SSL, n_bytes);
}

void *
mem_ssl_realloc(void *p, size_t n_bytes, const char *file, int line)
{
    if (n_bytes == 0) {
        mem_free(MEM_SSL, p);
        return NULL;
    }
    return mem_realloc(MEM_SSL, p, n_bytes);
}

void
mem_ssl_free(void *p, const char *file, int line)
{
    mem_free(MEM_SSL, p);
}

void *
mem_zlib_alloc(void *arg, unsigned n, unsigned element_bytes)
{
    return mem_array(MEM_BUF, n, element_bytes);
}

void
mem_zlib_free(void *arg, void *p)
{
    mem_free(MEM_BUF, p);
}

void *
mem_ev_realloc(void *p, long n_bytes)
{
    if (n_bytes <= 0) {
        mem_free(MEM_EV, p);
        return NULL;
    }
    return mem_realloc(MEM_EV, p, (size_t)n_bytes);
}
