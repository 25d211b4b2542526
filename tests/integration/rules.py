#!/usr/bin/env python3
# budget: 110
# waits
"""What belongs to the crawl and what does not: every knob of scope, limits and requests on one small web, one crawl a row."""
import base64, gzip, os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import *

port = free_port()
seen, lock = [], threading.Lock()
tries = {}


def html(*links, head="", body=""):
    return "<html><head><title>t</title>" + head + "</head><body>" + body + "".join(f'<a href="{l}">x</a>' for l in links) + "</body></html>"


OTHER = f"http://127.1.0.2:{port}"
PAGES = {
    "/": html("/a/1", "/b/1", OTHER + "/", "/moved", "/nofollowed", "/x.png", "/later", "/cookie", "/auth",
              head='<link rel="stylesheet" href="/style.css"><link rel="next" href="/next">', body='<img src="/pixel.png"><a rel="nofollow" href="/ugc">u</a>'),
    "/a/1": html("/a/2"), "/a/2": html("/a/3"), "/a/3": html("/a/3?page=2"), "/b/1": html("/b/b/b/b/b"), "/b/b/b/b/b": html(),
    "/next": html(), "/target": html(), "/ugc": html(), "/from-nofollow": html(), "/style.css": "body{}", "/in-sitemap": html(), "/deep-sitemap": html(),
    "/nofollowed": html("/from-nofollow", head='<meta name="robots" content="nofollow">'),
    "/cookie": html("/needs-cookie"), "/needs-cookie": html(), "/auth": html(),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def send(self, status, body, kind="text/html", **headers):
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        host = self.connection.getsockname()[0]
        with lock:
            seen.append((host, self.path, dict(self.headers), time.monotonic()))
            tries[host, self.path] = tries.get((host, self.path), 0) + 1
            nth = tries[host, self.path]
        if self.path == "/robots.txt":
            return self.send(200, f"User-agent: *\nAllow: /\nSitemap: http://{host}:{port}/index.xml\n", "text/plain")
        if self.path == "/index.xml":
            return self.send(200, f"<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><sitemap><loc>http://{host}:{port}/map.xml.gz</loc></sitemap></sitemapindex>", "application/xml")
        if self.path == "/map.xml.gz":
            return self.send(200, gzip.compress(f"<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><url><loc>http://{host}:{port}/in-sitemap</loc></url></urlset>".encode()), "application/gzip")
        if self.path == "/moved":
            return self.send(301, "", Location="/target")
        if self.path == "/later" and nth == 1:
            return self.send(503, "later", Retry_After="2")
        if self.path == "/later":
            return self.send(200, html())
        if self.path == "/cookie":
            return self.send(200, PAGES["/cookie"], Set_Cookie="sid=42; Path=/")
        if self.path.endswith(".png"):
            return self.send(200, b"\x89PNG" + b"x" * 5000, "image/png")
        if self.path in PAGES:
            return self.send(200, PAGES[self.path], "text/css" if self.path.endswith(".css") else "text/html", ETag='"1"')
        self.send(404, "no")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


server = Server(("0.0.0.0", port), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
SEED = f"http://127.1.0.1:{port}/"
n_crawls = 0


def run(*options, want=0, seed=SEED):
    global n_crawls
    n_crawls += 1
    del seen[:]
    tries.clear()
    d = os.path.join(TMP, f"crawl{n_crawls}")
    crawl(d, "--delay", "0", "--ip-delay", "0", "--workers", "1", *options, seed, want=want, timeout=40)
    return d, {(h, p) for h, p, *_ in seen if p != "/robots.txt"}


def paths(asked, host="127.1.0.1"):
    return {p for h, p in asked if h == host}


def outcome(d, path):
    return orb("sql", d, f"select outcome from page where url = 'http://127.1.0.1:{port}{path}'").stdout.strip().splitlines()[-1:]


# everything on the seed's host, by default
d, asked = run()
p = paths(asked)
check({"/", "/a/1", "/a/2", "/a/3", "/b/1", "/moved", "/target", "/next", "/nofollowed", "/later", "/in-sitemap", "/x.png"} <= p, f"missing of the default crawl: {sorted(p)}")
check(not p & {"/ugc", "/from-nofollow", "/pixel.png", "/style.css", "/b/b/b/b/b"}, f"too much in the default crawl: {sorted(p)}")
check(not paths(asked, "127.1.0.2"), "another host was asked with --scope host")
later = [t for h, q, _, t in seen if q == "/later"]
check(len(later) == 2 and later[1] - later[0] >= 1.9, f"Retry-After was not obeyed: {later}")
check(outcome(d, "/moved") == ["redirect"], f"outcome of a redirect: {outcome(d, '/moved')}")
check(not any("Cookie" in h for _, _, h, _ in seen), "cookies are off by default")
audit(d)

d, asked = run("--scope", "any")
check("/" in paths(asked, "127.1.0.2"), "--scope any does not leave the host")
d, asked = run("--scope", "prefix", seed=SEED + "a/1")
check(paths(asked) <= {"/a/1", "/a/2", "/a/3", "/a/3?page=2", "/index.xml", "/map.xml.gz"} and "/a/3" in paths(asked), f"--scope prefix: {sorted(paths(asked))}")
d, asked = run("--depth", "1", "--sitemaps", "off")
check("/a/1" in paths(asked) and "/a/2" not in paths(asked), "--depth 1")
check("/in-sitemap" not in paths(asked) and "/index.xml" not in paths(asked), "--sitemaps off")
d, asked = run("--exclude", "/a/", "--links")
check("/a/1" not in paths(asked) and {"/pixel.png", "/style.css"} <= paths(asked), "--exclude, --links")
d, asked = run("--include", "/(a/.*)?$")
check(paths(asked) <= {"/", "/a/1", "/a/2", "/a/3", "/a/3?page=2"}, f"--include: {sorted(paths(asked))}")
d, asked = run("--nofollow", "ignore")
check("/ugc" in paths(asked) and "/from-nofollow" not in paths(asked), "--nofollow ignore is about single links")
d, asked = run("--meta-robots", "ignore")
check("/ugc" not in paths(asked) and "/from-nofollow" in paths(asked), "--meta-robots ignore is about whole pages")
d, asked = run("--accept", "text/html")
check(outcome(d, "/x.png") == ["type_not_accepted"], f"--accept: {outcome(d, '/x.png')}")
d, asked = run("--max-per-host", "5", "--sitemaps", "off")
limited = paths(asked) - {"/target"} # where a redirect leads counts with its source
check(len(limited) <= 5, f"--max-per-host 5: {sorted(limited)}")
d, asked = run("--max-pages", "3")
stored = query(d, "select count(*) from page where outcome in ('ok', 'http_status')")[0][0]
check(stored == 3, f"--max-pages 3: {stored} stored")
d, asked = run("--cookies", "host", "--header", "X-Who: test", "--user-agent", "custombot/1.0")
sent = {q: h for _, q, h, _ in seen}
check(sent["/needs-cookie"].get("Cookie") == "sid=42", "--cookies host: the cookie did not come back")
check(all(h.get("X-Who") == "test" for h in sent.values()) and sent["/"]["User-Agent"] == "custombot/1.0", "--header, --user-agent")
secret = os.path.join(TMP, "secret")
open(secret, "w").write("me:pass\n")
d, asked = run("--auth", f"127.1.0.1={secret}")
check(sent_auth := [h.get("Authorization") for _, q, h, _ in seen if q == "/auth"], "/auth was not asked")
check(sent_auth[0] == "Basic " + base64.b64encode(b"me:pass").decode(), f"--auth: {sent_auth}")
for folder, _, files in os.walk(os.path.join(d, "coordinator")):
    for name in files:
        if not name.endswith("sock"):
            check(b"me:pass" not in open(os.path.join(folder, name), "rb").read(), f"the password stands in {name}")
d, asked = run("--max-rate", "5", "--max-time", "4s")
check(len(asked) <= 26, f"--max-rate 5 over 4 s: {len(asked)} requests")
rules = os.path.join(TMP, "key-rules")
open(rules, "w").write("drop page\n")
d, asked = run("--key-rules", rules, seed=SEED + "a/3?page=1")
check("/a/3?page=2" not in paths(asked), "--key-rules: another page number is another page")
crawl(d, "--delay", "0", SEED + "a/3?page=1", timeout=40)
audit(d)
# the address guard: without --allow-private nothing is asked
del seen[:]
g = os.path.join(TMP, "guarded")
r = subprocess.run([ORB, "crawl", "-o", g, "--contact", "t@example.invalid", "--retries", "1", SEED], capture_output=True, text=True, timeout=60)
check(not seen, "a private address was asked without --allow-private")
check("address_blocked" in orb("export", g, "--format", "outcomes").stdout, "address_blocked is not the outcome\n" + r.stderr[-500:])
print(f"RESULT: {n_crawls} crawls")
