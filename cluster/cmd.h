/* cmd.h - the sub-commands of orb: one cmd_*.c each
 *
 * A command gets its own name as argv[0] and returns the exit code: 0 done, 1 failed, 2 usage, 3 stopped by the user with
 * state kept.
 */
#ifndef ORB_CLUSTER_CMD_H
#define ORB_CLUSTER_CMD_H

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 3 };

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;    /* "[-s FILE] [-o DIR] SEED..." */
    const char *sentence; /* what it does */
    int is_hidden;        /* not for people */
};

#define COMMANDS(X)                                                                                                    \
    X(crawl, "[-s FILE] [-o DIR] [OPTION...] [SEED...]", "crawl from seeds, or go on with what DIR holds", 0)           \
    X(demo, "[OPTION...]", "crawl a built-in synthetic web on loopback", 0)                                            \
    X(status, "[DIR] [--json]", "how a running crawl is doing", 0)                                                     \
    X(pause, "[DIR]", "stop asking servers; keep everything", 0)                                                       \
    X(resume, "[DIR]", "go on after a pause", 0)                                                                       \
    X(stop, "[DIR] [--now]", "end a running crawl; state is kept", 0)                                                  \
    X(add, "[DIR] URL...", "add seeds to a running crawl", 0)                                                          \
    X(why, "[DIR] URL", "the whole life of one URL", 0)                                                                \
    X(heap, "[DIR] SLOT [QUESTION]", "what the memory of a running crawl holds, and who holds it", 0)                   \
    X(sql, "DIR [QUERY]", "query pages and frontier with SQL", 0)                                                      \
    X(cat, "DIR URL", "print a stored page", 0)                                                                        \
    X(export, "DIR --format jsonl|csv|cdxj|links|text|outcomes", "write what was crawled in another form", 0)          \
    X(audit, "DIR", "check that books, rows and WARC files agree", 0)                                                  \
    X(robots, "--agent NAME URL < robots.txt", "may NAME fetch URL?", 0)                                               \
    X(url, "[--base B] [--key] HREF", "parse a URL as orb does", 0)                                                    \
    X(links, "--url URL < page", "the links of a page", 0)                                                             \
    X(sitemap, "--url URL < file", "the entries of a sitemap", 0)                                                      \
    X(worker, "", "(started by the coordinator)", 1)                                                                   \
    X(synth, "[--port P] [--seed N] [--hosts N] [--pages N]", "serve the synthetic web on loopback", 0)

#define COMMAND_DECLARE(name, usage, sentence, hidden) int cmd_##name(int argc, char **argv);
COMMANDS(COMMAND_DECLARE)
#undef COMMAND_DECLARE

#endif
