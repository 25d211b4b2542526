/* bench_synth - pages per second and CPU of the synthetic server: bench_synth [SECONDS [CONNECTIONS]]
 *
 * The server runs in a child of its own; the load comes from this process, one request in flight per connection, over
 * kept-alive connections. CPU is the child's, so the figure holds on a busy machine too.
 */
#include "cluster/clock.h"
#include "cluster/synth_server.h"

#include <arpa/inet.h>
#include <ev.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_HOSTS 100
#define N_PAGES 1000
#define MOST_CONNECTIONS 256

struct client {
    int fd;
    size_t n_head, n_body, n_got; /* of the answer being read; n_head 0: its head is not complete */
    char head[4096];
};

static uint64_t n_pages, n_bytes;

static void
serve(int port_pipe)
{
    struct synth_server_conf conf = { .web = { .seed = 1, .n_hosts = N_HOSTS, .n_pages = N_PAGES, .text_bytes = 4000 }, .n_addresses = 1 };
    struct synth_server *server;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct buf error;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    buf_init(&error, MEM_DEFAULT, 4096);
    if (synth_server_start(&server, loop, &conf, &error) != 0
        || write(port_pipe, &synth_server_web(server)->port, sizeof conf.web.port) != sizeof conf.web.port)
        _exit(1);
    ev_run(loop, 0);
}

static void
ask(struct client *c)
{
    char request[256];
    static uint64_t r = 1;
    int n;

    r = r * 6364136223846793005ull + 1442695040888963407ull;
    n = snprintf(request, sizeof request, "GET /p/%u HTTP/1.1\r\nHost: h%u.synth.test\r\nAccept: */*\r\n\r\n",
                 1 + (unsigned)(r >> 40) % (N_PAGES - 1), (unsigned)(r >> 20) % N_HOSTS);
    c->n_head = c->n_body = c->n_got = 0;
    if (send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
        exit(1);
}

/* Chunked answers end in "0\r\n\r\n", the others by their length. */
static void
take(struct client *c, const char *bytes, size_t n)
{
    static const char end[] = "\r\n0\r\n\r\n";
    const char *p;

    n_bytes += n;
    if (c->n_head == 0) {
        memcpy(c->head, bytes, n < sizeof c->head - 1 ? n : sizeof c->head - 1);
        c->head[n < sizeof c->head - 1 ? n : sizeof c->head - 1] = '\0';
        p = strstr(c->head, "\r\n\r\n");
        if (p == NULL)
            exit(2);
        c->n_head = (size_t)(p - c->head) + 4;
        p = strstr(c->head, "Content-Length: ");
        c->n_body = p == NULL ? SIZE_MAX : strtoul(p + 16, NULL, 10);
    }
    c->n_got += n;
    if (c->n_body == SIZE_MAX ? n >= 7 && memcmp(bytes + n - 7, end, 7) == 0 : c->n_got >= c->n_head + c->n_body) {
        n_pages++;
        ask(c);
    }
}

static void
load(uint16_t port, unsigned n_connections, uint64_t until_ms)
{
    static struct client clients[MOST_CONNECTIONS];
    static char bytes[1 << 17];
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event events[MOST_CONNECTIONS];
    int epoll = epoll_create1(0);
    const int on = 1;

    for (unsigned i = 0; i < n_connections; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &clients[i] };

        clients[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(clients[i].fd, (struct sockaddr *)&address, sizeof address) != 0)
            exit(1);
        setsockopt(clients[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event);
        ask(&clients[i]);
    }
    while (clock_now_ms() < until_ms) {
        int n_events = epoll_wait(epoll, events, MOST_CONNECTIONS, 1000);

        for (int i = 0; i < n_events; i++) {
            struct client *c = events[i].data.ptr;
            ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);

            if (n <= 0)
                exit(1);
            take(c, bytes, (size_t)n);
        }
    }
}

int
main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 5, n_connections = argc > 2 ? (unsigned)atoi(argv[2]) : 32;
    uint16_t port = 0;
    int pipes[2];
    struct rusage usage;
    double cpu, wall;
    uint64_t begun;
    pid_t child;

    if (n_connections < 1 || n_connections > MOST_CONNECTIONS || pipe(pipes) != 0)
        return 2;
    child = fork();
    if (child == 0)
        serve(pipes[1]);
    if (read(pipes[0], &port, sizeof port) != sizeof port)
        return 1;
    begun = clock_now_ms();
    load(port, n_connections, begun + seconds * 1000);
    wall = (double)(clock_now_ms() - begun) / 1000;
    kill(child, SIGKILL);
    wait4(child, NULL, 0, &usage);
    cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("synth: %.0f pages/s, %.1f us CPU a page, so %.0f pages/s on one core; %.0f bytes a page\n", (double)n_pages / wall,
           cpu * 1e6 / (double)n_pages, (double)n_pages / cpu, (double)n_bytes / (double)n_pages);
    return 0;
}
