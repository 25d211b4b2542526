#!/usr/bin/env python3
# budget: 60
"""--refetch: a second round asks conditionally; what is unchanged stays as it is stored, what changed is stored anew."""
import os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import *

port = free_port()
seen, lock = [], threading.Lock()
LONG_AGO = "Mon, 01 Jan 2024 00:00:00 GMT"
TAGGED = {"/": 1, "/same": 1, "/changing": 1}  # path -> version, which makes the ETag
LINKS = {"/": ["/same", "/changing", "/dated", "/plain", "/gone"], "/changing": []}
gone = False


def body(path):
    links = "".join(f'<a href="{l}">x</a>' for l in LINKS.get(path, []))
    return f"<html><head><title>t</title></head><body>{path} version {TAGGED.get(path, 1)} {links}</body></html>".encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def send(self, status, data=b"", kind="text/html", **headers):
        self.send_response(status)
        if status != 304:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        with lock:
            seen.append((self.path, self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since")))
        if self.path == "/robots.txt":
            return self.send(200, b"User-agent: *\nAllow: /\n", "text/plain")
        if self.path == "/gone" and gone:
            return self.send(404, b"gone")
        if self.path in TAGGED:
            tag = f'"{self.path}-{TAGGED[self.path]}"'
            if self.headers.get("If-None-Match") == tag:
                return self.send(304, ETag=tag)
            return self.send(200, body(self.path), ETag=tag)
        if self.path == "/dated":
            if self.headers.get("If-Modified-Since") == LONG_AGO:
                return self.send(304)
            return self.send(200, body(self.path), Last_Modified=LONG_AGO)
        self.send(200, body(self.path))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


server = Server(("127.1.0.1", port), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
ORIGIN = f"http://127.1.0.1:{port}"
ALL = ["/", "/changing", "/dated", "/gone", "/plain", "/same"]
d = os.path.join(TMP, "crawl")


def run(*options):
    """One crawl; what it asked for, in alphabetical order."""
    del seen[:]
    crawl(d, "--delay", "0", "--ip-delay", "0", "--workers", "2", *options, ORIGIN + "/", timeout=40)
    audit(d)
    return sorted(seen)


def pages(asked):
    return [a for a in asked if a[0] != "/robots.txt"]


def page(path, what):
    return query(d, f"select {what} from page where url = '{ORIGIN}{path}'")[0]


def cat(path):
    return orb("cat", d, ORIGIN + path).stdout


asked = run("--refetch")  # of a crawl that is new: it is crawled
check([p for p, *_ in pages(asked)] == ALL, f"the first crawl asked {asked}")
check(all(tag is None and since is None for _, tag, since in asked), f"a first request was conditional: {asked}")
check(run() == [], f"a crawl that is done asked again without --refetch: {seen}")
places = {p: page(p, "warc_file, warc_offset") for p in ALL}

TAGGED["/changing"] = 2
LINKS["/changing"] = ["/new"]
gone = True
asked = run("--refetch")
check([p for p, *_ in asked] == sorted(ALL + ["/new"]), f"the second round asked {asked}; robots.txt is young enough")
want = {"/": ('"/-1"', None), "/same": ('"/same-1"', None), "/changing": ('"/changing-1"', None), "/dated": (None, LONG_AGO),
        "/plain": (None, None), "/gone": (None, None), "/new": (None, None)}
check({p: (tag, since) for p, tag, since in asked} == want, f"conditions of the second round: {asked}")
for p in ("/", "/same", "/dated"):
    check(page(p, "outcome") == ("not_modified",), f"{p}: {page(p, 'outcome')}")
    check(page(p, "warc_file, warc_offset") == places[p], f"{p} was not modified, and its row points elsewhere")
    check(f"{p} version 1" in cat(p), f"orb cat {p} after a 304: {cat(p)}")
check("/changing version 2" in cat("/changing"), "the changed page is not stored anew: " + cat("/changing"))
check(page("/changing", "outcome, status") == ("ok", 200), f"/changing: {page('/changing', 'outcome, status')}")
check(page("/gone", "outcome, status") == ("http_status", 404), f"/gone: {page('/gone', 'outcome, status')}")
check("/new version 1" in cat("/new"), "a page found by the second round is not stored")
check(run() == [], f"a finished round asked again without --refetch: {seen}")

# a round that is stopped goes on, with --refetch and without: each page once
del seen[:]
p = start_crawl(d, "--delay", "400ms", "--workers", "1", "--refetch", ORIGIN + "/")
check(wait_for(lambda: len(seen) >= 2), "the third round does not begin")
orb("stop", d)
check(p.wait(30) == 3, "orb stop should end with exit code 3")
first = list(seen)
check(len(first) < len(want), "the round was over before it could be stopped")
p = start_crawl(d, "--delay", "400ms", "--workers", "1", ORIGIN + "/")
check(wait_for(lambda: len(seen) > len(first)), "the third round does not go on")
orb("stop", d)
check(p.wait(30) == 3, "orb stop should end with exit code 3")
first = list(seen)
check(len(first) < len(want), "the round was over before it could be stopped again")
asked = first + run("--refetch")
check(sorted(p for p, *_ in asked) == sorted(want), f"a round with two stops asked {asked}")
check(dict((p, tag) for p, tag, _ in asked)["/changing"] == '"/changing-2"', "the ETag of the second round is not known in the third")

# robots.txt once it is too old, and a failed page
connection = sqlite3.connect(os.path.join(d, "coordinator", "frontier.db"))
with connection:
    check(connection.execute("update host set robots_until = 1").rowcount == 1, "one host")
connection.close()
asked = run("--refetch")
check([p for p, *_ in asked] == sorted([*want, "/robots.txt"]), f"with an old robots.txt: {asked}")
print(f"RESULT: 4 rounds over {len(want)} pages")
