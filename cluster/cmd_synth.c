/* cmd_synth.c - `orb synth`: serves the synthetic web on loopback, or lists what a complete crawl of it must find */
#include "cluster/cmd.h"
#include "cluster/synth_server.h"

#include <errno.h>
#include <ev.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char help[] =
    "orb synth - serve a synthetic web on loopback: deterministic, with everything that real servers do to a crawler\n\n"
    "usage: orb synth [OPTION...]\n\n"
    "  --port P           listen there; 0 = any free port, printed [0]\n"
    "  --seed N           another seed is another web [1]\n"
    "  --hosts N          h0.synth.test ... [40]\n"
    "  --pages N          in the tree of each host; redirects, errors, mirrors come on top [250]\n"
    "  --text BYTES       of a page, on average [4000]\n"
    "  --large BYTES      of each host's large page [2000000]\n"
    "  --slow MS          between the five pieces of each host's slow page [100]\n"
    "  --addresses N      listen on 127.0.0.1 ... 127.0.0.N, hosts spread over them [1]\n"
    "  --log FILE         one line a request: monotonic ms, connection, host, path, status\n"
    "  --hosts-file FILE  write the hosts file for `orb crawl --hosts-file`\n"
    "  --list             print STATUS<TAB>URL of everything a complete crawl asks for (status 0: never answers), and end\n\n"
    "Crawl it:  orb synth --port 8088 --hosts-file hosts &\n"
    "           orb crawl --hosts-file hosts --allow-private 127.0.0.0/8 --scope domain --delay 10 \\\n"
    "               --contact you@example.org http://h0.synth.test:8088/\n";

struct options {
    struct synth_server_conf conf;
    const char *hosts_file;
    bool is_list, dies_with_parent, wants_help;
};

enum { OPT_PORT = 256, OPT_SEED, OPT_HOSTS, OPT_PAGES, OPT_TEXT, OPT_LARGE, OPT_SLOW, OPT_ADDRESSES, OPT_LOG, OPT_HOSTS_FILE,
       OPT_LIST, OPT_DIES_WITH_PARENT, OPT_HELP };

static const struct option long_options[] = {
    { "port", required_argument, NULL, OPT_PORT },           { "seed", required_argument, NULL, OPT_SEED },
    { "hosts", required_argument, NULL, OPT_HOSTS },         { "pages", required_argument, NULL, OPT_PAGES },
    { "text", required_argument, NULL, OPT_TEXT },           { "large", required_argument, NULL, OPT_LARGE },
    { "slow", required_argument, NULL, OPT_SLOW },           { "addresses", required_argument, NULL, OPT_ADDRESSES },
    { "log", required_argument, NULL, OPT_LOG },             { "hosts-file", required_argument, NULL, OPT_HOSTS_FILE },
    { "list", no_argument, NULL, OPT_LIST },                 { "dies-with-parent", no_argument, NULL, OPT_DIES_WITH_PARENT },
    { "help", no_argument, NULL, OPT_HELP },                 { NULL, 0, NULL, 0 },
};

static bool
read_number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < min || value > max) {
        fprintf(stderr, "orb synth: --%s: \"%s\" is not allowed; allowed: %" PRIu64 " to %" PRIu64 "\n", name, text, min, max);
        return false;
    }
    *out = value;
    return true;
}

static bool
read_option(struct options *o, int found, const char *name)
{
    struct synth_web *web = &o->conf.web;
    uint64_t n = 0;
    bool is_good = true;

    switch (found) {
    case OPT_PORT: is_good = read_number(name, optarg, 0, 65535, &n); web->port = (uint16_t)n; break;
    case OPT_SEED: is_good = read_number(name, optarg, 0, UINT64_MAX, &n); web->seed = n; break;
    case OPT_HOSTS: is_good = read_number(name, optarg, 1, SYNTH_MAX_HOSTS, &n); web->n_hosts = (uint32_t)n; break;
    case OPT_PAGES: is_good = read_number(name, optarg, 1, SYNTH_MAX_PAGES, &n); web->n_pages = (uint32_t)n; break;
    case OPT_TEXT: is_good = read_number(name, optarg, 0, 10000000, &n); web->text_bytes = (uint32_t)n; break;
    case OPT_LARGE: is_good = read_number(name, optarg, 0, 1000000000, &n); web->large_bytes = (uint32_t)n; break;
    case OPT_SLOW: is_good = read_number(name, optarg, 0, 60000, &n); o->conf.slow_pieces_ms = (unsigned)n; break;
    case OPT_ADDRESSES:
        is_good = read_number(name, optarg, 1, SYNTH_MAX_ADDRESSES, &n);
        o->conf.n_addresses = (unsigned)n;
        break;
    case OPT_LOG: o->conf.log_file = optarg; break;
    case OPT_HOSTS_FILE: o->hosts_file = optarg; break;
    case OPT_LIST: o->is_list = true; break;
    case OPT_DIES_WITH_PARENT: o->dies_with_parent = true; break;
    default: o->wants_help = true; break;
    }
    return is_good;
}

static bool
read_options(struct options *o, int argc, char **argv)
{
    int found, at = 0;

    *o = (struct options){ .conf = { .web = { .seed = 1, .n_hosts = 40, .n_pages = 250, .text_bytes = 4000, .large_bytes = 2000000 },
                                     .n_addresses = 1,
                                     .slow_pieces_ms = 100 } };
    opterr = 0;
    optind = 0;
    while ((found = getopt_long(argc, argv, ":h", long_options, &at)) != -1) {
        if (found == '?' || found == ':') {
            fprintf(stderr, "orb synth: %s %s; `orb synth --help` lists the options\n", argv[optind - 1],
                    found == '?' ? "is no option" : "needs a value");
            return false;
        }
        if (!read_option(o, found, long_options[at].name))
            return false;
    }
    if (optind < argc)
        fprintf(stderr, "orb synth: \"%s\" is no option; `orb synth --help` lists them\n", argv[optind]);
    return optind >= argc;
}

/* ---- --list ---- */

struct listing {
    const struct synth_web *web;
    struct buf line;
};

static int
print_url(void *arg, struct synth_url url, unsigned status)
{
    struct listing *l = arg;
    int err;

    buf_clear(&l->line);
    err = synth_print_url(l->web, url, &l->line);
    if (err == 0)
        printf("%u\t%s\n", status, l->line.p);
    return err;
}

static int
list(struct synth_web *web)
{
    struct listing l = { .web = web };
    int err;

    if (web->port == 0)
        web->port = 80;
    buf_init(&l.line, MEM_DEFAULT, BUF_NO_CEILING);
    err = synth_list(web, print_url, &l);
    buf_fini(&l.line);
    if (err != 0 || fflush(stdout) != 0)
        fprintf(stderr, "orb synth: %s\n", err != 0 ? orb_strerror(err) : strerror(errno));
    return err != 0 || ferror(stdout) ? EXIT_FAILED : EXIT_DONE;
}

/* ---- serving ---- */

static int
write_hosts_file(const struct synth_server *server, const struct options *o)
{
    struct buf text;
    FILE *f = NULL;
    int err;

    buf_init(&text, MEM_DEFAULT, BUF_NO_CEILING);
    err = synth_print_hosts_file(synth_server_web(server), o->conf.n_addresses, &text);
    if (err == 0) {
        f = fopen(o->hosts_file, "we");
        err = f == NULL || fwrite(text.p, 1, text.n, f) != text.n ? ORB_EIO : 0;
        if (f != NULL && fclose(f) != 0)
            err = ORB_EIO;
    }
    if (err != 0)
        fprintf(stderr, "orb synth: --hosts-file: %s cannot be written: %s\n", o->hosts_file,
                err == ORB_EIO ? strerror(errno) : orb_strerror(err));
    buf_fini(&text);
    return err;
}

static void
on_stop(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    ev_break(loop, EVBREAK_ALL);
}

static void
serve(struct ev_loop *loop, const struct synth_server *server)
{
    const struct synth_web *web = synth_server_web(server);
    struct synth_server_stats stats;
    struct ev_signal on_term, on_int;

    ev_signal_init(&on_term, on_stop, SIGTERM);
    ev_signal_init(&on_int, on_stop, SIGINT);
    ev_signal_start(loop, &on_term);
    ev_signal_start(loop, &on_int);
    printf("listening on 127.0.0.1:%u; %" PRIu32 " hosts, from http://h0.synth.test:%u/\n", web->port, web->n_hosts, web->port);
    fflush(stdout);
    ev_run(loop, 0);
    ev_signal_stop(loop, &on_term);
    ev_signal_stop(loop, &on_int);
    synth_server_stats(server, &stats);
    fprintf(stderr, "orb synth: %" PRIu64 " requests on %" PRIu64 " connections, %" PRIu64 " bytes\n", stats.n_requests,
            stats.n_connections, stats.n_bytes);
}

int
cmd_synth(int argc, char **argv)
{
    struct options o;
    struct synth_server *server = NULL;
    struct ev_loop *loop;
    struct buf error;
    int err;

    if (!read_options(&o, argc, argv))
        return EXIT_USAGE;
    if (o.wants_help) {
        fputs(help, stdout);
        return EXIT_DONE;
    }
    if (o.is_list)
        return list(&o.conf.web);
    if (o.dies_with_parent)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    loop = ev_loop_new(EVFLAG_AUTO);
    buf_init(&error, MEM_DEFAULT, 4096);
    err = loop == NULL ? ORB_ENOMEM : synth_server_start(&server, loop, &o.conf, &error);
    if (err != 0)
        fprintf(stderr, "orb synth: %s\n", error.n > 0 ? error.p : orb_strerror(err));
    if (err == 0 && o.hosts_file != NULL)
        err = write_hosts_file(server, &o);
    if (err == 0)
        serve(loop, server);
    synth_server_stop(&server);
    if (loop != NULL)
        ev_loop_destroy(loop);
    buf_fini(&error);
    return err == 0 ? EXIT_DONE : EXIT_FAILED;
}
