#!/usr/bin/env python3
# budget: 60
"""--proxy: SOCKS5, plain HTTP and CONNECT in front of http and https hosts that only the proxy can find; addresses that the
guard refuses are never named to a proxy; a proxy that refuses is called one."""
import http.server, socketserver, ssl, struct, threading
from lib import *

PAGES = 12
asked, told = [], []  # (scheme, host, path) at the origin; (proxy, host, port) at a proxy


def openssl(*arguments):
    r = subprocess.run(["openssl", *arguments], capture_output=True, text=True, cwd=TMP)
    check(r.returncode == 0, f"openssl {' '.join(arguments)}: {r.stderr}")


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked.append((self.server.scheme, self.headers["Host"].split(":")[0], self.path))
        links = "".join(f'<a href="/{i}">{i}</a>' for i in range(PAGES)) + "".join(
            f'<a href="http://{a}/">no</a>' for a in ("10.1.2.3", "169.254.169.254", "[::ffff:10.1.2.3]", "0x0a010203", "[fd00::1]", "localhost"))
        if self.path == "/to-private":
            self.send_response(302)
            self.send_header("Location", "http://192.168.7.7/")
            links = ""
        else:
            self.send_response(404 if self.path == "/robots.txt" else 200)
            links += '<a href="/to-private">redirect</a>'
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(links)))
        self.end_headers()
        self.wfile.write(links.encode())

    def log_message(self, *arguments):
        pass


class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 64

    def handle_error(self, *arguments):
        pass


def serve(handler, scheme=None, context=None):
    s = Threads(("127.0.0.1", 0), handler)
    s.scheme = scheme
    if context:
        s.socket = context.wrap_socket(s.socket, server_side=True)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    return s.server_address[1]


def splice(a, b):
    def pump(x, y):
        try:
            while data := x.recv(65536):
                y.sendall(data)
            y.shutdown(socket.SHUT_WR)
        except OSError:
            pass
    t = threading.Thread(target=pump, args=(b, a), daemon=True)
    t.start()
    pump(a, b)
    t.join()


def connect(proxy, host, port):
    """Only the proxies know where the names live; nothing else is let out. None: refused."""
    told.append((proxy, host, port))
    return socket.create_connection(("127.0.0.1", port)) if host.endswith(".proxied.test") and not host.startswith("shut.") else None


class Socks5(socketserver.StreamRequestHandler): # RFC 1928, RFC 1929
    def handle(self):
        methods = self.rfile.read(self.rfile.read(2)[1])
        self.wfile.write(b"\5\2" if 2 in methods else b"\5\0")
        if 2 in methods:
            user = self.rfile.read(self.rfile.read(2)[1])
            word = self.rfile.read(self.rfile.read(1)[0])
            self.wfile.write(b"\1\0" if (user, word) == (b"spider", b"web") else b"\1\1")
        version, command, _, kind = self.rfile.read(4)
        host = self.rfile.read(self.rfile.read(1)[0]).decode() if kind == 3 else socket.inet_ntop(
            socket.AF_INET if kind == 1 else socket.AF_INET6, self.rfile.read(4 if kind == 1 else 16))
        target = connect("socks5", host, struct.unpack(">H", self.rfile.read(2))[0])
        self.wfile.write(b"\5" + (b"\0" if target else b"\2") + b"\0\1" + bytes(6))
        if target:
            splice(self.connection, target)


class HttpProxy(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            method, url, _ = line.decode().split()
            head = []
            while (field := self.rfile.readline()) not in (b"\r\n", b""):
                head.append(field)
            host, _, port = (url if method == "CONNECT" else url.split("/")[2]).rpartition(":")
            target = connect("CONNECT" if method == "CONNECT" else "http", host or port, int(port) if host else 80)
            if not target:
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            elif method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                splice(self.connection, target)
                return
            else:
                path = "/" + url.split("/", 3)[3]
                target.sendall(f"{method} {path} HTTP/1.1\r\n".encode() + b"".join(f for f in head if b"onnection" not in f) + b"Connection: close\r\n\r\n")
                answer = b""
                while data := target.recv(65536):
                    answer += data
                self.wfile.write(answer)


openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "p.key", "-out", "p.pem", "-days", "2",
        "-subj", "/CN=s.proxied.test", "-addext", "subjectAltName=DNS:s.proxied.test,DNS:shut.proxied.test")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{TMP}/p.pem", f"{TMP}/p.key")
plain, secure = serve(Origin, "http"), serve(Origin, "https", context)
socks, proxy = serve(Socks5), serve(HttpProxy)
n = 0
for name, url in (("socks5", f"socks5://127.0.0.1:{socks}"), ("socks5h-auth", f"socks5h://spider:web@127.0.0.1:{socks}"), ("http", f"http://127.0.0.1:{proxy}")):
    asked.clear()
    told.clear()
    d = os.path.join(TMP, "crawl-" + name)
    crawl(d, "--proxy", url, "--allow-private", "192.0.2.0/24", "--ca-file", f"{TMP}/p.pem", "--delay", "1ms", "--ip-delay", "0", "--workers", "1", "--scope", "any", "--retries", "1",
          "--retry-delay", "10ms", f"http://p.proxied.test:{plain}/", f"https://s.proxied.test:{secure}/", f"https://shut.proxied.test:{secure}/",
          "http://10.9.9.9/", timeout=50)
    for scheme, host in (("http", "p.proxied.test"), ("https", "s.proxied.test")):
        paths = sorted(q for s, h, q in asked if (s, h) == (scheme, host))
        want = sorted([f"/{i}" for i in range(PAGES)] + ["/", "/to-private", "/robots.txt"])
        check(paths == want, f"{name}: {host} was asked {paths}, want {want}\n" + crawl_log()[-2000:])
    n += len(asked)
    check(all(host.endswith(".proxied.test") for _, host, _ in told), f"{name}: the proxy was told of {[h for _, h, _ in told if not h.endswith('.proxied.test')]}")
    kinds = {k for k, *_ in told}
    check(kinds == ({"http", "CONNECT"} if name == "http" else {"socks5"}), f"{name}: asked as {kinds}")
    names = dict((u, o) for u, o in (line.split("\t") for line in orb("sql", d, "select url, outcome(outcome) from frontier.url").stdout.splitlines() if "\t" in line))
    refused = {u for u, o in names.items() if o == "address_blocked"}
    check(refused >= {"http://10.9.9.9/", "http://10.1.2.3/", "http://169.254.169.254/", "http://192.168.7.7/", "http://[fd00::1]/", "http://[::ffff:a01:203]/", "http://localhost/"},
          f"{name}: refused by the guard: {sorted(refused)} of {names}")
    check(names[f"https://shut.proxied.test:{secure}/"] == "proxy_failed", f"{name}: a proxy that refuses: {names}")
    audit(d)
print(f"RESULT: {n} requests through 3 kinds of proxy, names resolved there, private addresses never named to them")
