#include "crawler/curl_init.h"

#include <curl/curl.h>
#include <openssl/crypto.h>

#include "pool/mem_hooks.h"

static bool is_done;
static struct curl_init_report first_report;

static uint64_t
allocations_of(enum mem_domain domain)
{
    struct mem_stats stats;

    mem_stats(domain, &stats);
    return stats.n_allocs;
}

static bool
ssl_hook_took(void)
{
    uint64_t before = allocations_of(MEM_SSL);
    void *p = OPENSSL_malloc(1);

    OPENSSL_free(p);
    return allocations_of(MEM_SSL) != before;
}

static bool
curl_hook_took(void)
{
    uint64_t before = allocations_of(MEM_CURL);
    struct curl_slist *list = curl_slist_append(NULL, "x");

    curl_slist_free_all(list);
    return allocations_of(MEM_CURL) != before;
}

int
curl_init_libraries(struct curl_init_report *report)
{
    if (!is_done) {
        /* The answers are looked at by the trials below, which see more than the return values do. */
        (void)CRYPTO_set_mem_functions(mem_ssl_malloc, mem_ssl_realloc, mem_ssl_free);
        if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_curl_malloc, mem_curl_free, mem_curl_realloc, mem_curl_strdup,
                                 mem_curl_calloc) != CURLE_OK)
            return ORB_ENOMEM;
        first_report = (struct curl_init_report){ ssl_hook_took(), curl_hook_took() };
        is_done = true;
    }
    if (report != NULL)
        *report = first_report;
    return 0;
}

void
curl_fini_libraries(void)
{
    if (is_done)
        curl_global_cleanup();
    is_done = false;
}
