#!/usr/bin/env python3
# budget: 90
# waits
"""Meta robots and X-Robots-Tag: what a page asks not to be kept is in no file, its links are followed unless it says nofollow."""
import gzip, os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import *

port = free_port()
ORIGIN = f"http://127.1.0.1:{port}"
AGENT = "custombot/1.0 (+mailto:test@example.invalid)"
seen, lock = [], threading.Lock()
WORDS = " ".join(f"word{n}" for n in range(200))  # enough for a simhash


def html(name, *links, meta=()):
    """Each page holds a secret, a title and a description of its own."""
    metas = "".join(f'<meta name="{agent}" content="{text}">' for agent, text in meta)
    return (f'<html lang="en"><head><title>title-{name}</title><meta name="description" content="about-{name}">{metas}</head>'
            f"<body>secret-{name} {WORDS}" + "".join(f'<a href="{l}">x</a>' for l in links) + "</body></html>").encode()


def meta(*says):
    return [("robots", s) for s in says]


# path -> (body, content type, X-Robots-Tag lines)
PAGES = {
    "/plain": (html("plain"), "text/html", []),
    "/noarchive": (html("noarchive", "/from-noarchive", meta=meta("noarchive")), "text/html", []),
    "/noindex": (html("noindex", "/from-noindex", meta=meta("noindex")), "text/html", []),
    "/none": (html("none", "/from-none", meta=meta("NONE")), "text/html", []),
    "/nofollow": (html("nofollow", "/from-nofollow", meta=meta("nofollow")), "text/html", []),
    "/ours": (html("ours", "/from-ours", meta=[("CustomBot", "noindex")]), "text/html", []),
    "/others": (html("others", "/from-others", meta=[("otherbot", "none")]), "text/html", []),
    "/preview": (html("preview", meta=meta("max-image-preview: none, max-snippet: 0")), "text/html", []),
    "/header": (html("header", "/from-header"), "text/html", ["noindex"]),
    "/header-ours": (html("header-ours"), "text/html", ["otherbot: nofollow, custombot: noarchive"]),
    "/header-others": (html("header-others", "/from-header-others"), "text/html", ["otherbot: none"]),
    "/header-second": (html("header-second"), "text/html", ["otherbot: nosnippet", "noindex"]),
    "/file.pdf": (b"%PDF-1.4 secret-pdf", "application/pdf", ["noindex, nofollow"]),
    "/image.png": (b"\x89PNG secret-png", "image/png", ["noarchive"]),
    "/error": (b"secret-error", "text/html", ["noarchive"]),
    "/twin-kept": (html("twin"), "text/html", []),
    "/twin-withheld": (html("twin"), "text/html", ["noarchive"]),
    "/switch": (html("switch", "/from-switch"), "text/html", []),
    "/switch-archive": (html("switch-archive"), "text/html", []),
    "/broken": (html("broken", meta=meta("noarchive")), "text/html", []),
    "/moved": (b"secret-moved", "text/html", ["noindex, nofollow"]),
}
for name in ("noarchive", "noindex", "none", "nofollow", "ours", "others", "header", "header-others", "switch", "sitemap", "moved"):
    PAGES[f"/from-{name}"] = (html(f"from-{name}"), "text/html", [])
REACHED = {p for p in PAGES if p.startswith("/from-")}
STATUS = {"/error": 404, "/moved": 301}
NOINDEX = {"/noindex", "/none", "/ours", "/header", "/header-second", "/file.pdf", "/map.xml"}
NOARCHIVE = {"/noarchive", "/header-ours", "/image.png", "/twin-withheld"}
FRONT = html("front", *[p for p in PAGES if not p.startswith("/from-")])
SITEMAP = f"<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><!-- secret-map --><url><loc>{ORIGIN}/from-sitemap</loc></url></urlset>".encode()
tag_of = {}  # path -> X-Robots-Tag lines from the second round on


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def send(self, status, data, kind, tags=(), missing=0, **headers):
        self.send_response(status)
        if status != 304:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data) + missing))
        for tag in tags:
            self.send_header("X-Robots-Tag", tag)
        for k, v in headers.items():
            self.send_header(k, v)
        self.end_headers()
        if status != 304:
            self.wfile.write(data)

    def do_GET(self):
        condition = self.headers.get("If-None-Match")
        with lock:
            seen.append((self.path, condition))
        if self.path == "/robots.txt":
            return self.send(200, f"User-agent: *\nAllow: /\nSitemap: {ORIGIN}/map.xml\n".encode(), "text/plain")
        if self.path == "/map.xml":
            return self.send(200, SITEMAP, "application/xml", ["noindex, nofollow"], ETag='"map"')
        if self.path == "/":
            return self.send(200, FRONT, "text/html", ETag='"front"')
        if self.path not in PAGES:
            return self.send(404, b"no", "text/plain")
        data, kind, tags = PAGES[self.path]
        tags = tag_of.get(self.path, tags)
        if condition == f'"{self.path}"':
            return self.send(304, b"", kind, tags, ETag=condition)
        if self.path == "/moved":
            return self.send(301, data, kind, tags, Location="/from-moved")
        if self.path == "/broken":
            self.close_connection = True
            return self.send(200, data, kind, missing=100)
        self.send(STATUS.get(self.path, 200), data, kind, tags, ETag=f'"{self.path}"')


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


server = Server(("127.1.0.1", port), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()


def run(name, *options):
    """One crawl; its folder, and what it asked for."""
    del seen[:]
    d = os.path.join(TMP, name)
    crawl(d, "--delay", "0", "--ip-delay", "0", "--workers", "2", "--retries", "1", "--user-agent", AGENT, *options, ORIGIN + "/", timeout=40)
    audit(d)
    return d, {p for p, _ in seen if p != "/robots.txt"}


def rows(d, what):
    return {url[len(ORIGIN):]: rest for url, *rest in query(d, f"select url, {what} from page")}


def members(d):
    """The bytes of every record of every WARC file, by file."""
    folder = os.path.join(d, "warc")
    return {f: gzip.decompress(open(os.path.join(folder, f), "rb").read()) for f in os.listdir(folder) if f.endswith(".gz")}


def on_disk(d, word):
    everything = b"".join(members(d).values())
    for folder, _, files in os.walk(os.path.join(d, "pages")):
        everything += b"".join(open(os.path.join(folder, f), "rb").read() for f in files)
    return word.encode() in everything


def record_at(d, file, offset, n_bytes):
    with open(os.path.join(d, "warc", file), "rb") as f:
        f.seek(offset)
        return gzip.decompress(f.read(n_bytes)).decode("latin-1")


# everything is obeyed by default
d, asked = run("obey")
check(asked == {"/", "/map.xml"} | set(PAGES) - {"/from-none", "/from-nofollow"}, f"asked: {sorted(asked ^ set(PAGES))}")
got = rows(d, "outcome, withheld, title, description, language, simhash, digest, payload_digest, body_bytes, warc_file, warc_offset, warc_bytes, links")
for p, (outcome, withheld, title, description, language, simhash, digest, payload_digest, n_bytes, file, offset, length, links) in got.items():
    want = ("noindex", "noindex") if p in NOINDEX else ("ok", "noarchive") if p in NOARCHIVE else \
        ("http_status", "noarchive") if p == "/error" else ("truncated", "noarchive") if p == "/broken" else ("redirect", "noindex") if p == "/moved" else ("ok", None)
    check((outcome, withheld) == want, f"{p}: {outcome}, {withheld}; want {want}")
    check(withheld is None or payload_digest is None, f"{p} is withheld and has a payload digest")
    check(n_bytes > 0, f"{p}: its size is not told")
    record = record_at(d, file, offset, length)
    check(("WARC-Type: metadata" in record) == (withheld is not None), f"{p}: its row points to\n{record[:400]}")
    check(withheld is None or f"withheld: {withheld}\r\nstatus: " in record, f"{p}: the record does not say why\n{record}")
    if withheld == "noindex":
        check((title, description, language, simhash, digest) == (None, None, None, 0, None), f"{p}: {got[p]}")
    elif p in PAGES and PAGES[p][1] == "text/html" and p not in ("/error", "/broken"):
        name = "twin" if "twin" in p else p[1:]
        check((title, description, language) == (f"title-{name}", f"about-{name}", "en") and digest and simhash, f"{p}: {got[p]}")
for p in ("/noarchive", "/noindex", "/none", "/ours", "/header", "/map.xml", "/moved"):
    check(got[p][-1], f"{p}: its links are not in its row")
for word in ("noarchive", "noindex", "none", "ours", "header", "header-ours", "header-second", "broken", "pdf", "png", "error", "map", "moved"):
    names = [f"secret-{word}<", f"secret-{word} ", f"title-{word}<", f"about-{word}\""]
    names += [f"secret-{word}"] if word in ("pdf", "png", "error", "map", "moved") else []
    check(not any(on_disk(d, w) for w in names), f"something of {word} is on disk")
check(on_disk(d, "secret-plain ") and on_disk(d, "secret-preview "), "pages that did not ask are not stored")
check(not on_disk(d, "title-noindex") and not on_disk(d, "about-noindex"), "what was read out of a noindex page is in its row")

# a payload is never told to stand where it is not
check(got["/twin-withheld"][6] == got["/twin-kept"][6], "noarchive keeps the digest of the body")
check(sum(m.count(b"secret-twin") for m in members(d).values()) == 1, "the twin that may be kept is stored once")

# commands
r = orb("cat", d, ORIGIN + "/noarchive", want=1)
check("asked not to be kept (noarchive)" in r.stderr and r.stdout == "", f"orb cat: {r.stderr}")
check("asked not to be kept (noindex)" in orb("cat", d, ORIGIN + "/file.pdf", "--head", want=1).stderr, "orb cat --head of a noindex page")
check("withheld: noindex" in orb("cat", d, ORIGIN + "/noindex", "--warc").stdout, "orb cat --warc of a noindex page")
check("secret-plain" in orb("cat", d, ORIGIN + "/plain").stdout, "orb cat of a page that is kept")
why = orb("why", d, ORIGIN + "/noindex").stdout
check("noindex" in why and "its links were followed, its content was not stored" in why, f"orb why: {why}")
check("noarchive: the page asked not to be kept" in orb("why", d, ORIGIN + "/noarchive").stdout, "orb why of a noarchive page")
withheld = NOINDEX | NOARCHIVE | {"/error", "/moved", "/broken"}
cdxj = orb("export", d, "--format", "cdxj").stdout
check({p for p in withheld if f'"{ORIGIN}{p}"' in cdxj} == set() and f'"{ORIGIN}/plain"' in cdxj, f"cdxj:\n{cdxj}")
check(len(cdxj.splitlines()) == len(got) - len(withheld), "cdxj misses a page that is kept")
r = orb("export", d, "--format", "text")
check("left out" not in r.stderr and "secret-plain" in r.stdout and "secret-noarchive" not in r.stdout, f"text: {r.stderr}")
objects = {o["url"]: o for o in map(json.loads, orb("export", d, "--format", "jsonl").stdout.splitlines())}
check(objects[ORIGIN + "/noarchive"]["withheld"] == "noarchive" and objects[ORIGIN + "/plain"]["withheld"] is None, "jsonl: withheld")
check(objects[ORIGIN + "/nofollow"]["links"] == [{"url": ORIGIN + "/from-nofollow", "kind": "a", "nofollow": True, "followed": False}], "jsonl: links")
check(",noindex\r\n" in orb("export", d, "--format", "csv").stdout.replace("\n", "\r\n") , "csv: withheld")
check(f"{ORIGIN}/none\t{ORIGIN}/from-none\ta\tnofollow\tnofollow" in orb("export", d, "--format", "links").stdout, "links of /none")
outcomes = {o["url"]: o for o in map(json.loads, orb("export", d, "--format", "outcomes").stdout.splitlines())}
check((outcomes[ORIGIN + "/noindex"]["outcome"], outcomes[ORIGIN + "/noindex"]["error"]) == ("noindex", None), "outcomes: noindex is an answer")
r = orb("sql", d, "select withheld, count(*) from page group by 1 order by 1").stdout
check("noarchive" in r and "noindex" in r, f"sql: {r}")

# an unclean start checks what was reported since the last sync (7): what is withheld is there; a row that is lost is asked again
connection = sqlite3.connect(os.path.join(d, "pages", "pages.db"))
with connection:
    check(connection.execute(f"delete from page where url in ('{ORIGIN}/noindex', '{ORIGIN}/noarchive')").rowcount == 2, "two rows")
connection.close()
connection = sqlite3.connect(os.path.join(d, "coordinator", "frontier.db"))
with connection:
    check(connection.execute("update meta set value = '0' where key = 'clean'").rowcount == 1, "clean")
    connection.execute("delete from meta where key in ('checked_to')")
connection.close()
_, again = run("obey")
check(again == {"/noindex", "/noarchive"}, f"after an unclean start was asked again: {sorted(again)}")

# --refetch: what is not here is asked for unconditionally; a 304 may ask to let go of what is
tag_of.update({"/switch": ["noindex"], "/switch-archive": ["custombot: noarchive"], "/header": [], "/noarchive": []})
before = rows(d, "warc_offset, warc_file, links")
_, asked = run("obey", "--refetch")
conditions = dict(seen)
check(all(conditions[p] is None for p in NOINDEX | NOARCHIVE), f"a withheld page was asked conditionally: {conditions}")
check(conditions["/plain"] == '"/plain"' and conditions["/switch"] == '"/switch"', f"a kept page was not asked conditionally: {conditions}")
got = rows(d, "outcome, withheld, title, status")
check(got["/plain"] == ["not_modified", None, "title-plain", 200], f"/plain: {got['/plain']}")
check(got["/switch"] == ["not_modified", "noindex", None, 200], f"/switch: {got['/switch']}")
check(got["/switch-archive"] == ["not_modified", "noarchive", "title-switch-archive", 200], f"/switch-archive: {got['/switch-archive']}")
check(got["/header"] == ["ok", None, "title-header", 200], f"/header, which no longer asks: {got['/header']}")
check(got["/noindex"] == ["noindex", "noindex", None, 200], f"/noindex: {got['/noindex']}")
check(rows(d, "links")["/switch"] == [before["/switch"][2]], "a 304 lost the links")
check("asked not to be kept (noindex)" in orb("cat", d, ORIGIN + "/switch", want=1).stderr, "orb cat after a 304 that asks")
check("secret-header" in orb("cat", d, ORIGIN + "/header").stdout, "orb cat of a page that no longer asks")

# another policy is another crawl, and may change: the next round brings what was withheld
_, asked = run("obey", "--refetch", "--meta-robots", "ignore")
got = rows(d, "outcome, withheld, title")
check(all(w is None for _, w, _ in got.values()), f"withheld with --meta-robots ignore: {got}")
check("/from-none" in asked, "--meta-robots ignore does not follow")
check(got["/switch"][2] == "title-switch" and "secret-pdf" in orb("cat", d, ORIGIN + "/file.pdf").stdout, "--meta-robots ignore does not store")

d, asked = run("nofollow", "--meta-robots", "nofollow")
got = rows(d, "outcome, withheld")
check(not {"/from-none", "/from-nofollow"} & asked, "--meta-robots nofollow follows")
check(all(w is None and o != "noindex" for o, w in got.values()), f"--meta-robots nofollow withholds: {got}")
conf = os.path.join(TMP, "own.conf")
open(conf, "w").write(f'[host "127.1.0.1:{port}"]\nmeta-robots = ignore\n')
d, asked = run("per-host", "-c", conf)
check(rows(d, "withheld")["/none"] == [None] and "/from-none" in asked, "meta-robots in a [host] section")

# an answer that finds the disk full is stored at a second try, and no otherwise than at the first
library = os.path.join(TMP, "full.so")
subprocess.run(["cc", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "full.c"), "-ldl"], check=True)
d = os.path.join(TMP, "full")
p = start_crawl(d, "--delay", "0", "--workers", "1", "--depth", "0", "--sitemaps", "off", "--user-agent", AGENT,
                *[ORIGIN + p for p in ("/noindex", "/noarchive", "/moved")], env={"LD_PRELOAD": library})
check(p.wait(30) == 0, "the crawl with a disk that is full now and then\n" + crawl_log()[-2000:])
audit(d)
check("is full: paused" in crawl_log(), "the disk was never full")
got = rows(d, "outcome, withheld, links is null")
check([got.get(p) for p in ("/noindex", "/noarchive", "/moved")] == [["noindex", "noindex", 0], ["ok", "noarchive", 0], ["redirect", "noindex", 0]],
      f"stored at a second try: {got}")
print(f"RESULT: {len(PAGES)} pages, 7 crawls")
