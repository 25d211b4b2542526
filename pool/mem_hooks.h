/* mem_hooks.h - the allocator callbacks that give a library its domain
 *
 * MEM_HOOKS_DECLARE(name) declares name_malloc/calloc/realloc/free/strdup of one domain in the shapes that libxml2,
 * libcurl, c-ares, jansson and OpenSSL ask for. free(NULL) and realloc(p, 0) behave as their callers expect.
 */
#ifndef ORB_POOL_MEM_HOOKS_H
#define ORB_POOL_MEM_HOOKS_H

#include "pool/mem.h"

#define MEM_HOOKS_DECLARE(name)                                                                                        \
    void *name##_malloc(size_t n_bytes);                                                                               \
    void *name##_calloc(size_t n, size_t element_bytes);                                                               \
    void *name##_realloc(void *p, size_t n_bytes);                                                                     \
    void name##_free(void *p);                                                                                         \
    char *name##_strdup(const char *text)

/* The first thing in main(): by then the constructors of linked libraries have allocated, and no hook could be in place. What
 * that was has a name of its own, "start", and is not in mem_outside_bytes(). */
void mem_note_start(void);
size_t mem_start_bytes(void);

MEM_HOOKS_DECLARE(mem_xml);
MEM_HOOKS_DECLARE(mem_curl);
MEM_HOOKS_DECLARE(mem_sqlite);
MEM_HOOKS_DECLARE(mem_json);
MEM_HOOKS_DECLARE(mem_buf); /* decoders and compressors: zlib, libdeflate, zstd, brotli */

/* OpenSSL's shapes carry file and line. */
void *mem_ssl_malloc(size_t n_bytes, const char *file, int line);
void *mem_ssl_realloc(void *p, size_t n_bytes, const char *file, int line);
void mem_ssl_free(void *p, const char *file, int line);

/* zlib's, for a z_stream's zalloc and zfree: MEM_BUF. arg is not looked at. */
void *mem_zlib_alloc(void *arg, unsigned n, unsigned element_bytes);
void mem_zlib_free(void *arg, void *p);

/* libev's one function: size 0 frees. */
void *mem_ev_realloc(void *p, long n_bytes);

#endif
