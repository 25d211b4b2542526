#include "gc/trace_internal.h"

#ifdef ORB_HAVE_LIBUNWIND

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#define OWN_FRAMES 8 /* at most, between the walk and the frame that it begins behind */

bool
trace_can_unwind(void)
{
    void *frames[OWN_FRAMES];

    return unw_backtrace(frames, OWN_FRAMES) > 0; /* and sets itself up: now, not in the first sample */
}

unsigned
trace_unwind(const void **frames, unsigned max, const void *behind)
{
    void *all[TRACE_MAX_FRAMES + OWN_FRAMES];
    int n = unw_backtrace(all, (int)ORB_MIN(max + OWN_FRAMES, ORB_N_ELEMENTS(all))), first = 0;
    unsigned n_kept;

    while (first < n && first < OWN_FRAMES && all[first] != behind)
        first++;
    first = first < n && all[first] == behind ? first + 1 : 0; /* lost its way: all of them is the better answer */
    n_kept = n > first ? ORB_MIN((unsigned)(n - first), max) : 0;
    memcpy(frames, all + first, n_kept * sizeof *frames);
    return n_kept;
}

bool
trace_function(uintptr_t address, char *name, size_t cap, uintptr_t *begins_at)
{
    unw_accessors_t *access = unw_get_accessors(unw_local_addr_space);
    unw_proc_info_t info;
    unw_word_t offset;
    int err;

    *begins_at = unw_get_proc_info_by_ip(unw_local_addr_space, address, &info, NULL) == 0 ? info.start_ip : 0;
    err = access->get_proc_name(unw_local_addr_space, address, name, cap, &offset, NULL);
    if (err != 0 && err != -UNW_ENOMEM) /* -UNW_ENOMEM: cut */
        return false;
    /* A stripped library's own functions have no symbol: what is found is the nearest exported one before them. */
    return *begins_at == 0 || address - offset == *begins_at;
}

#else

bool
trace_can_unwind(void)
{
    return false;
}

unsigned
trace_unwind(const void **frames, unsigned max, const void *behind)
{
    return 0;
}

bool
trace_function(uintptr_t address, char *name, size_t cap, uintptr_t *begins_at)
{
    *begins_at = 0;
    return false;
}

#endif
