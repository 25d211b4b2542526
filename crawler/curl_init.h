/* curl_init.h - libcurl and OpenSSL get their memory domains before either allocates its first byte
 *
 * Call once, before anything else touches OpenSSL or libcurl: a hook that comes late is refused (OpenSSL) or silently
 * ignored (libcurl), so each is tried out. A hook that did not take is reported, never fatal.
 */
#ifndef ORB_CRAWLER_CURL_INIT_H
#define ORB_CRAWLER_CURL_INIT_H

#include "pool/error.h"
#include "pool/mem.h"

struct curl_init_report {
    bool ssl_has_domain;  /* MEM_SSL counts what OpenSSL allocates */
    bool curl_has_domain; /* MEM_CURL counts what libcurl allocates */
};

bool curl_init_ssl(void); /* OpenSSL alone, before anything else of it: what it answers is ssl_has_domain */
int curl_init_libraries(struct curl_init_report *report) ORB_MUST_USE; /* again: the first report; ORB_ENOMEM */
void curl_fini_libraries(void); /* at the end of the process */

#endif
