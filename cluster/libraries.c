#include "cluster/libraries.h"

#include <jansson.h>

#include "cluster/log.h"
#include "crawler/curl_init.h"
#include "pool/mem_hooks.h"

void
libraries_begin(void)
{
    curl_init_ssl();
    json_set_alloc_funcs(mem_json_malloc, mem_json_free);
    mem_hook_begin(MEM_JSON);
    json_decref(json_object());
    mem_hook_end(MEM_JSON);
}

struct ev_loop *
libraries_loop(void)
{
    struct ev_loop *loop;

    ev_set_allocator(mem_ev_realloc);
    mem_hook_begin(MEM_EV);
    loop = ev_loop_new(EVFLAG_AUTO); /* never the default loop: its SIGCHLD handler would reap before the pidfd */
    if (loop != NULL)
        mem_hook_end(MEM_EV);
    return loop;
}

uint32_t
libraries_failed(void)
{
    uint32_t failed = 0;

    for (int d = 0; d < MEM_N_DOMAINS; d++)
        if (mem_hook_state((enum mem_domain)d) == MEM_HOOK_FAILED)
            failed |= ORB_BIT(d);
    return failed;
}

void
libraries_report(void)
{
    uint32_t failed = libraries_failed();

    for (int d = 0; d < MEM_N_DOMAINS; d++)
        if ((failed >> d & 1) != 0)
            log_warning("a library keeps its memory to itself: nothing is counted for domain %s, or not all of it",
                        mem_domain_name((enum mem_domain)d));
}

int
libraries_put_failed(uint32_t domains, struct buf *out)
{
    bool is_first = true;
    int err = buf_append_str(out, ",\"hooks_failed\":[");

    for (int d = 0; err == 0 && d < MEM_N_DOMAINS; d++)
        if ((domains >> d & 1) != 0) {
            err = buf_printf(out, "%s\"%s\"", is_first ? "" : ",", mem_domain_name((enum mem_domain)d));
            is_first = false;
        }
    return err != 0 ? err : buf_append_char(out, ']');
}
