#include "tests/support/server.h"
#include "tests/support/support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct peer {
    int fd;
    SSL *ssl;
    unsigned n_requests;
    char request[256 * 1024];
    size_t n;
};

static serve_fn *serve_request;
static SSL_CTX *tls;

bool
peer_write(struct peer *p, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        ssize_t sent = p->ssl != NULL ? SSL_write(p->ssl, at, (int)n) : send(p->fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool
peer_say(struct peer *p, const char *text)
{
    return peer_write(p, text, strlen(text));
}

bool
peer_printf(struct peer *p, const char *fmt, ...)
{
    char text[8192];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return peer_write(p, text, (size_t)n);
}

void
peer_reset(struct peer *p)
{
    struct linger linger = { .l_onoff = 1 };

    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void
peer_sleep(unsigned ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

    nanosleep(&t, NULL);
}

unsigned
peer_requests(const struct peer *p)
{
    return p->n_requests;
}

bool
peer_was_resumed(const struct peer *p)
{
    return p->ssl != NULL && SSL_session_reused(p->ssl);
}

static bool
peer_read_request(struct peer *p)
{
    char *end;

    p->n = 0;
    for (;;) {
        ssize_t got = p->ssl != NULL ? SSL_read(p->ssl, p->request + p->n, (int)(sizeof p->request - p->n - 1))
                                     : recv(p->fd, p->request + p->n, sizeof p->request - p->n - 1, 0);
        if (got <= 0)
            return false;
        p->n += (size_t)got;
        p->request[p->n] = '\0';
        if (p->request[0] < 'A') { /* TLS, say */
            peer_say(p, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            return false;
        }
        end = strstr(p->request, "\r\n\r\n");
        if (end != NULL)
            return true;
        if (p->n + 1 == sizeof p->request)
            return false;
    }
}

static void *
serve_connection(void *arg)
{
    struct peer *p = arg;
    char path[4096];

    if (tls != NULL) {
        p->ssl = SSL_new(tls);
        SSL_set_fd(p->ssl, p->fd);
        if (SSL_accept(p->ssl) != 1)
            goto out;
    }
    while (peer_read_request(p)) {
        p->n_requests++;
        if (sscanf(p->request, "%*s %4095s", path) != 1 || !serve_request(p, path, p->request))
            break;
    }
out:
    if (p->ssl != NULL)
        SSL_free(p->ssl);
    close(p->fd);
    mem_free(MEM_DEFAULT, p);
    return NULL;
}

static void
serve_forever(int listener)
{
    for (;;) {
        struct peer *p = mem_zalloc(MEM_DEFAULT, sizeof *p);
        pthread_attr_t attr;
        pthread_t thread;

        p->fd = accept(listener, NULL, NULL);
        setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attr, 256 * 1024);
        if (p->fd < 0 || pthread_create(&thread, &attr, serve_connection, p) != 0)
            _exit(1);
        pthread_attr_destroy(&attr);
    }
}

static int
listen_on(const char *address, uint16_t *port)
{
    bool is_v6 = strchr(address, ':') != NULL;
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    struct sockaddr *sa = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t n = is_v6 ? sizeof v6 : sizeof v4;
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(inet_pton(sa->sa_family, address, is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr), 1);
    assert_int_equal(bind(fd, sa, n), 0);
    assert_int_equal(listen(fd, 512), 0);
    assert_int_equal(getsockname(fd, sa, &n), 0);
    *port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
    return fd;
}

void
server_start_tls(struct server *s, const char *address, serve_fn *serve, const char *certificate_pem, const char *key_pem)
{
    int listener = listen_on(address, &s->port);
    pid_t parent = getpid();

    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        signal(SIGPIPE, SIG_IGN);
        serve_request = serve;
        if (certificate_pem != NULL) {
            tls = SSL_CTX_new(TLS_server_method());
            if (SSL_CTX_use_certificate_chain_file(tls, certificate_pem) != 1
                || SSL_CTX_use_PrivateKey_file(tls, key_pem, SSL_FILETYPE_PEM) != 1)
                _exit(1);
        }
        serve_forever(listener);
    }
    close(listener);
}

void
server_start(struct server *s, const char *address, serve_fn *serve)
{
    server_start_tls(s, address, serve, NULL, NULL);
}

void
server_stop(struct server *s)
{
    if (s->pid <= 0)
        return;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}
