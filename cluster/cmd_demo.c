/* cmd_demo.c - `orb demo`: a crawl that anybody can watch without a network
 *
 * Starts `orb synth` on a free loopback port, crawls it with the settings of a patient crawl made quick, and ends it.
 * What the crawl must have found is known (synth --list), and said.
 */
#include "cluster/cmd.h"
#include "cluster/synth.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEMO_HOSTS 40
#define DEMO_PAGES 250
#define MAX_USER_ARGS 64

static const char help[] =
    "orb demo - crawl a built-in synthetic web on loopback: needs no network, done within a minute\n\n"
    "usage: orb demo [-o DIR] [OPTION...]\n\n"
    "It serves 40 hosts of 250 pages and everything that goes wrong on the real web (see `orb synth --help`), crawls\n"
    "them politely at a quick pace, and says where to look. DIR must not exist yet; without -o it is a new folder in\n"
    "the system's temporary directory. Further options are those of `orb crawl`, and win: try --delay 200ms, --workers 4.\n";

struct demo {
    char dir[1024], crawl_dir[1100], hosts_file[1100]; /* DIR, DIR/crawl, DIR/hosts */
    const char *orb; /* this very program */
    pid_t synth;
    unsigned port;
};

/* In the child: its own group, so that Ctrl-C reaches the crawl alone; the web stays up while the crawl drains. */
static void
become_synth(const struct demo *d, int out)
{
    char hosts[16], pages[16];

    snprintf(hosts, sizeof hosts, "%d", DEMO_HOSTS);
    snprintf(pages, sizeof pages, "%d", DEMO_PAGES);
    setpgid(0, 0);
    dup2(out, STDOUT_FILENO);
    execl(d->orb, "orb", "synth", "--dies-with-parent", "--hosts", hosts, "--pages", pages, "--hosts-file", d->hosts_file, (char *)NULL);
    _exit(127);
}

/* Its first line says the port. */
static int
start_synth(struct demo *d)
{
    char line[256] = "";
    FILE *f;
    int ends[2];

    if (pipe(ends) != 0)
        return -1;
    d->synth = fork();
    if (d->synth == 0) {
        close(ends[0]);
        become_synth(d, ends[1]);
    }
    close(ends[1]);
    f = d->synth < 0 ? NULL : fdopen(ends[0], "r");
    if (f == NULL) {
        close(ends[0]);
        return -1;
    }
    if (fgets(line, sizeof line, f) == NULL || sscanf(line, "listening on 127.0.0.1:%u", &d->port) != 1)
        d->port = 0;
    fclose(f);
    return d->port == 0 ? -1 : 0;
}

static void
stop_synth(struct demo *d)
{
    if (d->synth <= 0)
        return;
    kill(d->synth, SIGTERM);
    while (waitpid(d->synth, NULL, 0) < 0 && errno == EINTR)
        ;
    d->synth = 0;
}

struct expected {
    unsigned n, n_ok, n_redirects, n_errors, n_dead;
};

static int
count_url(void *arg, struct synth_url url, unsigned status)
{
    struct expected *e = arg;

    e->n++;
    e->n_ok += status == 200;
    e->n_redirects += status == 301 || status == 302;
    e->n_errors += status >= 400;
    e->n_dead += status == 0;
    return 0;
}

static void
print_before(const struct demo *d)
{
    const struct synth_web web = { .seed = 1, .n_hosts = DEMO_HOSTS, .n_pages = DEMO_PAGES, .text_bytes = 4000, .port = (uint16_t)d->port };
    struct expected e = { 0 };

    if (synth_list(&web, count_url, &e) != 0)
        return;
    fprintf(stderr,
            "A synthetic web of %d hosts is up at 127.0.0.1:%u. A complete crawl asks for %u URLs:\n"
            "%u pages, %u redirects, %u errors, %u that never answer. Crawling it into %s ...\n\n",
            DEMO_HOSTS, d->port, e.n, e.n_ok, e.n_redirects, e.n_errors, e.n_dead, d->crawl_dir);
}

static void
print_after(const struct demo *d, int code)
{
    if (code == EXIT_STOPPED)
        fprintf(stderr, "\nThe demo was stopped; what it crawled so far is in %s.\n", d->crawl_dir);
    if (code != EXIT_DONE && code != EXIT_STOPPED)
        return;
    fprintf(stderr,
            "\nEverything is in %s. Look at it:\n\n"
            "  orb sql %s \"select status, count(*) from page group by status\"\n"
            "  orb cat %s http://h0.synth.test:%u/\n"
            "  orb export %s --format csv\n"
            "  orb audit %s\n\n"
            "The same on the real web:  orb crawl --contact you@example.org -o DIR https://example.org/\n",
            d->crawl_dir, d->crawl_dir, d->crawl_dir, d->port, d->crawl_dir, d->crawl_dir);
}

static int
crawl(struct demo *d, int argc, char **argv)
{
    char seed[64];
    char *fixed[] = { "crawl", seed, "-o", d->crawl_dir, "--hosts-file", d->hosts_file, "--allow-private", "127.0.0.0/8", "--scope", "domain",
                      "--contact", "demo@example.invalid", "--delay", "20ms", "--ip-delay", "0", "--retry-delay", "300ms", "--retry-max",
                      "2s", "--workers", "2", "--dashboard", "off" };
    char *all[ORB_N_ELEMENTS(fixed) + MAX_USER_ARGS + 1];
    int n = (int)ORB_N_ELEMENTS(fixed);

    snprintf(seed, sizeof seed, "http://h0.synth.test:%u/", d->port);
    memcpy(all, fixed, sizeof fixed);
    for (int i = 1; i < argc; i++)
        all[n++] = argv[i];
    all[n] = NULL;
    return cmd_crawl(n, all);
}

/* Takes -o DIR out of argv. -1: go on. */
static int
read_args(struct demo *d, int *argc, char **argv)
{
    const char *dir = NULL;
    int n = 1;

    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return EXIT_DONE;
        }
        if ((strcmp(argv[i], "-o") == 0 || strcmp(argv[i], "--output") == 0) && i + 1 < *argc)
            dir = argv[++i];
        else if (strncmp(argv[i], "--output=", 9) == 0)
            dir = argv[i] + 9;
        else
            argv[n++] = argv[i];
    }
    *argc = n;
    argv[n] = NULL;
    if (n > MAX_USER_ARGS || (dir != NULL && strlen(dir) >= sizeof d->dir)) {
        fprintf(stderr, "orb demo: too many or too long arguments\n");
        return EXIT_USAGE;
    }
    snprintf(d->dir, sizeof d->dir, "%s", dir == NULL ? "" : dir);
    return -1;
}

static int
make_dir(struct demo *d)
{
    const char *tmp = getenv("TMPDIR");

    if (d->dir[0] == '\0') {
        snprintf(d->dir, sizeof d->dir, "%.900s/orb-demo-XXXXXX", tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
        if (mkdtemp(d->dir) == NULL) {
            fprintf(stderr, "orb demo: cannot make a folder %s: %s\n", d->dir, strerror(errno));
            return EXIT_FAILED;
        }
    } else if (mkdir(d->dir, 0755) != 0) {
        fprintf(stderr, "orb demo: %s: %s; name a folder that does not exist yet\n", d->dir, strerror(errno));
        return EXIT_FAILED;
    }
    snprintf(d->crawl_dir, sizeof d->crawl_dir, "%s/crawl", d->dir);
    snprintf(d->hosts_file, sizeof d->hosts_file, "%s/hosts", d->dir);
    return -1;
}

int
cmd_demo(int argc, char **argv)
{
    struct demo d = { .orb = "/proc/self/exe" };
    char **args = mem_must(mem_array(MEM_DEFAULT, (size_t)argc + 1, sizeof *args));
    int code;

    memcpy(args, argv, (size_t)argc * sizeof *args);
    code = read_args(&d, &argc, args);
    if (code < 0)
        code = make_dir(&d);
    if (code < 0 && start_synth(&d) != 0) {
        fprintf(stderr, "orb demo: the synthetic web did not start\n");
        code = EXIT_FAILED;
    }
    if (code < 0) {
        print_before(&d);
        code = crawl(&d, argc, args);
        print_after(&d, code);
    }
    stop_synth(&d);
    mem_free(MEM_DEFAULT, args);
    return code;
}
