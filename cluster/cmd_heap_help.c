/* cmd_heap_help.c - `orb heap --help`: how to ask, what the columns mean, a session */
#include "cluster/cmd_heap.h"

#include "cluster/cmd.h"

#include <stdio.h>

static const char head[] =
    "orb heap - what the memory of a running crawl holds, and who holds it\n\n"
    "usage: orb heap [DIR] SLOT [QUESTION [ARGUMENT]] [OPTION...]\n\n"
    "DIR is the crawl's directory [./orb-crawl], SLOT a worker (0, 1, ... as `orb status` counts them) or \"coordinator\".\n"
    "The process answers between two turns of its loop and goes on; nothing is stopped for longer than the answer takes.\n\n"
    "questions\n";

static const char options[] =
    "\noptions\n"
    "  --all            of domains, pools, gc, roots, retained: rows of nothing but zeros too\n"
    "  --json           the answer as JSON, whole\n"
    "  --format F       of graph: dot (the default), json, svg, png (these two need Graphviz); of trace: folded, json, pprof\n"
    "  -o FILE          write there instead of to standard output\n"
    "  --since TIME     of diff: 90s, 10m, 2h, 1d [10m]. Compared is with the nearest census of that time or before: there is one for each\n"
    "                   minute of the last hour, and one for each hour of two days before (fewer where memory holds many types).\n"
    "                   Beyond them diff begins with the oldest, and says so.\n"
    "  --depth N, --nodes N   of graph: how far, and how many nodes at most [4, 60]\n"
    "  --referrers      of graph with an ARGUMENT: who holds it, instead of what it holds\n"
    "ARGUMENT is an address from another answer (0x...), or a type, which stands for its oldest object (graph: for all of them).\n";

static const char columns[] =
    "\ncolumns\n"
    "  alive      objects of this type (made by this line) that live now\n"
    "  slots      what they take in the object heap\n"
    "  owned      what they keep beside: buffers, texts; freed with them\n"
    "  promised   how long one lives at most; `overdue` counts those that live longer: the first place to look\n"
    "  balance    what lives beside what the crawl's own books account for; the two are equal in a healthy worker\n"
    "  made at    the line of source that made it\n"
    "  retained   what would be freed if it went: itself, and what is reached through it alone\n"
    "  surplus    references that neither an object nor a root accounts for\n"
    "  slack      (domains) memory held and not in use; it goes back to the system after some seconds\n"
    "  hook       (domains) whether a library's memory comes here, as tried at the start\n";

static const char session[] =
    "\na session: a worker's memory climbs, and nobody knows why\n"
    "  orb heap mysite 0                          what lives; is anything overdue, does the balance hold?\n"
    "  orb heap mysite 0 diff --since 1h          what grew, and by which line of source\n"
    "  orb heap mysite 0 chain Page               which root holds the oldest page, through whom\n"
    "  orb heap mysite 0 graph Page --referrers --format svg -o pages.svg       the same as a picture\n"
    "  orb heap mysite 0 roots                    references that nobody accounts for: a missing unref\n"
    "  orb heap mysite 0 domains                  not an object? then a library's, or a buffer's\n"
    "  orb heap mysite 0 magnify 10               sample that library's allocations more often, then ...\n"
    "  orb heap mysite 0 trace --format pprof -o heap.pb    ... go tool pprof heap.pb, or --format folded for a flame graph\n";

int
heap_help(void)
{
    const struct heap_command *c;

    printf("%s", head);
    for (size_t i = 0; (c = heap_command_at(i)) != NULL; i++)
        printf("  %-10s %-13s %s\n", c->what,
               c->options & HEAP_NEEDS_TARGET ? "ARGUMENT" : c->options & HEAP_HAS_TARGET ? "[ARGUMENT]"
                                                             : c->options & HEAP_HAS_MINUTES ? "[MINUTES]" : "",
               c->sentence);
    printf("%s%s%s", options, columns, session);
    return EXIT_DONE;
}
