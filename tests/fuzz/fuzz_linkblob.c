/* Any bytes as a link blob: it ends, and what it gives can be written and read back. */
#include "storage/linkblob.h"

#include <stdlib.h>

#define MAX_LINKS 256

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static void
read_back(const struct record_link *links, size_t n)
{
    struct linkblob_reader r;
    struct record_link got;
    struct buf blob;

    buf_init(&blob, MEM_BUF, BUF_NO_CEILING);
    if (linkblob_append(&blob, links, n) != 0)
        abort();
    linkblob_reader_init(&r, buf_slice(&blob));
    for (size_t i = 0; i < n; i++)
        if (linkblob_next(&r, &got) != 1 || !slice_eq(got.url, links[i].url) || got.kind != links[i].kind || got.flags != links[i].flags
            || got.not_followed != links[i].not_followed)
            abort();
    if (linkblob_next(&r, &got) != 0)
        abort();
    linkblob_reader_fini(&r);
    buf_fini(&blob);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct record_link links[MAX_LINKS], got;
    struct linkblob_reader r;
    size_t n = 0, n_all = 0;

    linkblob_reader_init(&r, slice_of(bytes, n_bytes));
    while (linkblob_next(&r, &got) == 1) {
        if (got.url.n > LINKBLOB_URL_BYTES || ++n_all > n_bytes)
            abort();
        if (n == MAX_LINKS)
            continue;
        links[n] = got;
        links[n].url = slice_of(mem_slicedup(MEM_BUF, got.url), got.url.n);
        if (links[n++].url.p == NULL)
            abort();
    }
    linkblob_reader_fini(&r);
    read_back(links, n);
    while (n > 0)
        mem_free(MEM_BUF, (void *)(uintptr_t)links[--n].url.p);
    return 0;
}
