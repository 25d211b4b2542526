#!/usr/bin/env python3
# budget: 180
# long-budget: 900
"""A crawl of the synthetic web stores exactly what that web says a complete crawl must store, politely, and audits clean.

Long form: more hosts and pages.
"""
import collections, os, sqlite3, subprocess, sys, tempfile, time

ORB, LONG = os.environ["ORB"], os.environ.get("ORB_TEST_LONG") == "1"
HOSTS, PAGES, DELAY_MS = (64, 400, 20) if LONG else (16, 60, 20)
tmp = os.environ.get("TMPDIR") or tempfile.mkdtemp()
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what)


def start_synth(*extra):
    p = subprocess.Popen([ORB, "synth", "--hosts", str(HOSTS), "--pages", str(PAGES), "--log", f"{tmp}/access.log",
                          "--hosts-file", f"{tmp}/hosts", "--large", "300000", *extra], stdout=subprocess.PIPE, text=True)
    line = p.stdout.readline()
    assert line.startswith("listening on"), line
    return p, int(line.split(":")[1].split(";")[0])


def crawl(port, out):
    return subprocess.run([ORB, "crawl", f"http://h0.synth.test:{port}/", "-o", out, "--hosts-file", f"{tmp}/hosts",
                           "--allow-private", "127.0.0.0/8", "--scope", "domain", "--contact", "test@example.invalid", "--workers", "2",
                           "--delay", str(DELAY_MS), "--ip-delay", "0", "--retry-delay", "200ms", "--retry-max", "1s",
                           "--dashboard", "off"], stdin=subprocess.DEVNULL, timeout=800 if LONG else 150).returncode


def expected(port):
    text = subprocess.run([ORB, "synth", "--list", "--hosts", str(HOSTS), "--pages", str(PAGES), "--port", str(port)],
                          capture_output=True, text=True, check=True).stdout
    return {url: int(status) for status, url in (line.split("\t") for line in text.splitlines())}


def show(name, urls):
    urls = sorted(urls)
    return f"{len(urls)} {name}: {' '.join(urls[:8])}{' ...' if len(urls) > 8 else ''}"


def check_pages(out, want):
    db = sqlite3.connect(f"file:{out}/pages/pages.db?mode=ro", uri=True)
    got = dict(db.execute("select url, status from page where status > 0"))
    n_rows, n_urls = db.execute("select count(*), count(distinct url) from page").fetchone()
    answering = {u: s for u, s in want.items() if s > 0}
    check(n_rows == n_urls, f"{n_rows} rows for {n_urls} URLs")
    check(not answering.keys() - got.keys(), show("missing", answering.keys() - got.keys()))
    check(not got.keys() - answering.keys(), show("extra", got.keys() - answering.keys()))
    wrong = {f"{u} ({got[u]} instead of {s})" for u, s in answering.items() if u in got and got[u] != s}
    check(not wrong, show("wrong statuses", wrong))
    return len(got)


def check_politeness(port):
    by_host, connections, n = collections.defaultdict(list), set(), 0
    for line in open(f"{tmp}/access.log"):
        ms, connection, host, path, status = line.rstrip("\n").split("\t")
        n += 1
        connections.add(connection)
        if not path.startswith("/robots"):
            by_host[host].append(int(ms))
    gaps = [b - a for times in by_host.values() for a, b in zip(times, times[1:])]
    check(min(gaps) >= DELAY_MS - 2, f"{sum(g < DELAY_MS - 2 for g in gaps)} gaps under {DELAY_MS} ms, the least {min(gaps)} ms")
    return n, len(connections)


synth, port = start_synth()
try:
    begun = time.monotonic()
    check(crawl(port, f"{tmp}/crawl") == 0, "orb crawl did not exit with 0")
    seconds = time.monotonic() - begun
    want = expected(port)
    n = check_pages(f"{tmp}/crawl", want)
    audit = subprocess.run([ORB, "audit", f"{tmp}/crawl"], capture_output=True, text=True)
    check(audit.returncode == 0, f"orb audit: {audit.stdout[-2000:]}{audit.stderr[-500:]}")
finally:
    synth.terminate()
    synth.wait()
n_requests, n_connections = check_politeness(port)
print(f"RESULT {n} of {sum(s > 0 for s in want.values())} pages stored in {seconds:.0f} s; {n_requests} requests on {n_connections} connections")
sys.exit(bool(failures))
