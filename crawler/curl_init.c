#include "crawler/curl_init.h"

#include <curl/curl.h>
#include <openssl/crypto.h>

#include "pool/mem_hooks.h"

static bool is_done;
static struct curl_init_report first_report;

bool
curl_init_ssl(void)
{
    static bool is_tried;
    void *p;

    if (is_tried)
        return mem_hook_state(MEM_SSL) == MEM_HOOK_WORKS;
    is_tried = true;
    (void)CRYPTO_set_mem_functions(mem_ssl_malloc, mem_ssl_realloc, mem_ssl_free); /* the trial sees more than its answer */
    mem_hook_begin(MEM_SSL);
    p = OPENSSL_malloc(1);
    OPENSSL_free(p);
    return mem_hook_end(MEM_SSL) == MEM_HOOK_WORKS;
}

static bool
curl_hook_took(void)
{
    struct curl_slist *list;

    mem_hook_begin(MEM_CURL);
    list = curl_slist_append(NULL, "x");
    curl_slist_free_all(list);
    return mem_hook_end(MEM_CURL) == MEM_HOOK_WORKS;
}

int
curl_init_libraries(struct curl_init_report *report)
{
    if (!is_done) {
        bool ssl = curl_init_ssl(); /* first: libcurl's start allocates through it */

        if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_curl_malloc, mem_curl_free, mem_curl_realloc, mem_curl_strdup,
                                 mem_curl_calloc) != CURLE_OK)
            return ORB_ENOMEM;
        first_report = (struct curl_init_report){ ssl, curl_hook_took() };
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
