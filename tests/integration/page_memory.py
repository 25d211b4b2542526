#!/usr/bin/env python3
# budget: 60
"""--page-memory: a page that does not fit ends as too_much_memory, and nothing else suffers: the worker lives, all other pages
are stored, the books balance. Three pages are too large: one in its body, one once its body stands beside its record, one in
the links that are read out of it. Under the smallest limit that is allowed a page of 200 kB still fits, with the store's own buffers
beside it, and so do many pages at once whose links wait for their report."""
import http.server, os, threading
from lib import *

SMALL, HEAVY, LIMIT, LEAST = 150, 60, 8 << 20, 1 << 20
BIG = {
    "/big-body": b"<p>" + b"lorem ipsum " * ((24 << 20) // 12),
    "/big-record": os.urandom(7 << 19).hex().encode(),
    "/big-links": b"".join(b"<a href=/nowhere/%d>" % i for i in range(300000)),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/robots.txt":
            body, kind = b"User-agent: *\nDisallow: /nowhere/\n", "text/plain"
        elif self.path in BIG:
            body, kind = BIG[self.path], "text/html"
        elif self.path == "/middle":
            body, kind = b"<p>" + b"lorem ipsum " * (200000 // 12) + b"".join(b"<a href=/p/%d>" % i for i in range(SMALL)), "text/html"
        elif self.path.startswith("/heavy/"):
            body = b"".join(b"<a href=http://elsewhere.test%s/%s/%d>" % (self.path.encode(), b"x" * 100, i) for i in range(1200))
            body, kind = body + b"".join(b"<a href=/heavy/%d>" % i for i in range(HEAVY)), "text/html"
        else:
            links = "".join(f"<a href=/p/{i}>" for i in range(SMALL)) + "".join(f"<a href={b}>" for b in BIG)
            body, kind = (links if self.path == "/" else "<p>small").encode(), "text/html"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # it hung up: that is the point

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # likewise


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
d = os.path.join(TMP, "crawl")
crawl(d, "--delay", "0", "--workers", "1", "--page-memory", str(LIMIT), f"http://127.0.0.1:{server.server_port}/")
rows = dict(query(d, "select substr(url, instr(substr(url, 8), '/') + 7), outcome from page"))
small = [outcome for path, outcome in rows.items() if path == "/" or path.startswith("/p/")]
check(len(small) == SMALL + 1 and set(small) == {"ok"}, f"small pages: {len(small)}, {set(small)}")
big = {path: rows.get(path) for path in BIG}
check(set(big.values()) == {"too_much_memory"}, f"large pages: {big}")
log = crawl_log()
check("died" not in log and "killed" not in log, "a worker died:\n" + log[-2000:])
audit(d)

d = os.path.join(TMP, "least")
crawl(d, "--delay", "0", "--workers", "1", "--page-memory", str(LEAST), f"http://127.0.0.1:{server.server_port}/middle")
outcomes = query(d, "select outcome, count(*) from page group by 1")
check(dict(outcomes) == {"ok": SMALL + 1}, f"under the smallest limit: {outcomes}")
audit(d)

d = os.path.join(TMP, "heavy")
crawl(d, "--delay", "0", "--workers", "1", "--per-host", "8", "--page-memory", str(2 * LEAST), f"http://127.0.0.1:{server.server_port}/heavy/0")
outcomes = query(d, "select outcome, count(*) from page group by 1")
check(dict(outcomes) == {"ok": HEAVY}, f"pages with many links: {outcomes}")
log = crawl_log()
check("died" not in log and "killed" not in log, "a worker died:\n" + log[-2000:])
audit(d)
print(f"RESULT: {len(small)} small pages ok, {len(big)} pages given up, no worker lost")
