#!/usr/bin/env python3
# budget: 230
# long-budget: 400
"""The hostile web server of the shared conformance folder: every scenario gets its named outcome, and the crawl survives.

1. All scenarios are seeds of one crawl, together with three quiet hosts: outcomes by the server's own judge; no worker dies or
   grows by more than 128 MiB, no descriptor is left, nobody asks the canary, every seed leaves a record, quiet hosts go on.
2. Each trap (links without end) is a crawl of its own, and has to end by itself.
3. What hostile pages say reaches logs, exports and terminals in escaped form only.
"""
import csv, glob, io, threading, urllib.request
from lib import *

WANTED = 155                # scenarios met: all that the server has
MAX_GROWTH_KIB = 128 * 1024
TRAPS = ["calendar", "session", "soft404", "deeper", "facets", "wide", "nofollow", "xrobots", "refresh-loop", "sitemap-loop",
         "sitemap-endless-index"]
# the product's names in the judge's words; the others are the same or no errors
NAMES = {"ok": None, "not_modified": None, "redirect": None, "noindex": None, "type_not_accepted": None, "server_error": "http_status",
         "dns_timeout": "dns", "dns_failed": "dns", "dns_no_such_host": "dns", "connect_failed": "connect", "connect_timeout": "timeout",
         "tls_failed": "tls", "tls_certificate": "tls", "body_too_large": "too_large", "decoded_too_large": "decode_bomb",
         "decode_failed": "decode", "too_much_memory": "too_large"}

shared = os.environ.get("ORB_SHARED", "")
script = os.path.join(shared, "conformance/hostile/hostile.py")
if not shared or not os.path.exists(script):
    skip("no shared test data")


def free_ports():
    """A base whose next ten ports are free, on each address that the server takes."""
    for base in range(8800, 9800, 10):
        taken = 0
        for p in range(base, base + 10):
            s = socket.socket()
            taken += s.connect_ex(("127.0.0.1", p)) == 0
            s.close()
        if not taken:
            return base
    fail("no ten ports in a row are free")


port = free_ports()


def ask_server(path):
    return json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30).read())


def server_is_up():
    try:
        return ask_server("/__stats") is not None
    except OSError:
        return False


class Watch(threading.Thread):
    """Samples the workers of a crawl: private memory, descriptors, who came and went."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.first, self.most, self.fds, self.names = pid, {}, {}, {}, {}
        self.start()

    def run(self):
        while True:
            children = workers_of(self.pid)
            if not children and not os.path.exists(f"/proc/{self.pid}/stat"):
                return
            for pid in children:
                try:
                    with open(f"/proc/{pid}/status") as f:
                        rss = int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1))
                    fds = len(os.listdir(f"/proc/{pid}/fd"))
                except (OSError, AttributeError):
                    continue
                self.first.setdefault(pid, rss)
                self.most[pid] = max(self.most.get(pid, 0), rss)
                if fds > 0:
                    self.fds.setdefault(pid, []).append(fds)
            time.sleep(0.1)

    def growth_kib(self):
        return max((self.most[p] - self.first[p] for p in self.most), default=0)


def watched_crawl(directory, seconds, *arguments, want=0):
    """The crawl's exit code must be `want`; none of its workers may die."""
    begin = len(crawl_log()) if os.path.exists(os.path.join(TMP, "crawl.log")) else 0
    p = start_crawl(directory, "--allow-private", "127.0.0.1/32", "--allow-private", "127.0.2.0/24", "--allow-private",
                    "127.1.0.0/24", "--delay", "0", "--ip-delay", "0", *arguments)
    watch = Watch(p.pid)
    try:
        code = p.wait(seconds)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        fail(f"the crawl did not end in {seconds} s\n" + crawl_log()[-3000:])
    said = crawl_log()[begin:]
    check(code == want, f"exit code {code}, want {want}\n" + said[-3000:])
    check(" died of " not in said and "CHECK failed" not in said, "a worker died:\n" + "\n".join(l for l in said.splitlines() if "died" in l or "CHECK" in l))
    check(watch.growth_kib() <= MAX_GROWTH_KIB, f"a worker grew by {watch.growth_kib()} KiB")
    return watch


def journal_of(directory):
    text = orb("sql", directory, "--json", "select url, outcome(outcome) as outcome, state(state) as state, status from frontier.url").stdout
    return {row["url"]: row for row in map(json.loads, text.splitlines())}


def results_of(directory, wanted):
    """What the judge reads: for each URL the end of its redirects."""
    stored = {r[0]: r for r in query(directory, "select url, status, outcome, body_bytes, fetch_ms, redirect_to from page")}
    journal = journal_of(directory)
    lines = []
    for url in wanted:
        row, met = journal.get(url), set()
        if row is None or (row["state"] in ("ready", "leased", "waiting") and url not in stored):
            continue
        seconds = (stored[url][4] or 0) / 1000 if url in stored else 0
        while row and row["outcome"] == "redirect" and row["url"] not in met:
            met.add(row["url"])
            row = journal.get(stored[row["url"]][5])
        outcome = "redirect_loop" if row is None or row["url"] in met else row["outcome"]
        page = stored.get(row["url"]) if row else None
        lines.append({"url": url, "status": (page and page[1]) or (row and row["status"]) or None, "error": NAMES.get(outcome, outcome),
                      "bytes": (page and page[3]) or 0, "seconds": seconds})
    return lines


def judge(results, scenarios):
    path = os.path.join(TMP, "results.jsonl")
    with open(path, "w") as f:
        f.writelines(json.dumps(r) + "\n" for r in results)
    for _ in range(5): # the server answers one thing at a time, and may yet be busy with a bomb
        r = subprocess.run([sys.executable, script, "judge", *scenarios, "--port", str(port), "--results", path, "-v"],
                           capture_output=True, text=True, cwd=TMP)
        if "scenarios met" in r.stdout:
            break
        time.sleep(2)
    check("scenarios met" in r.stdout, "the judge gave no verdict: " + r.stderr[-1000:])
    check("canary asked" not in r.stdout, "the canary was asked\n" + r.stdout[-2000:])
    for line in r.stdout.splitlines():
        if line.startswith("FAIL"):
            print(line, flush=True)
    return [line.split()[1].rstrip(":") for line in r.stdout.splitlines() if line.startswith("ok ")]


def check_escaped(what, text, allowed="\n", is_data=False):
    """is_data: for programs, not for terminals; what turns text around may stay in it, controls may not."""
    for number, line in enumerate(text.split("\n"), 1):
        for c in line:
            if (ord(c) < 32 and c not in allowed) or 0x7F <= ord(c) < 0xA0 or not is_data and c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029":
                fail(f"{what}, line {number}: the character U+{ord(c):04X} as it is: {line[:200]!r}")


def check_texts(directory):
    logs = crawl_log() + "".join(open(p, errors="replace").read() for p in glob.glob(os.path.join(directory, "coordinator/log/*")))
    check_escaped("log", logs)
    table = orb("sql", directory, "select url, status, outcome, title, error, content_type, redirect_to, etag from page").stdout
    check_escaped("orb sql", table, "\t\n")
    text = orb("export", directory, "--format", "csv", timeout=120).stdout
    rows = list(csv.reader(io.StringIO(text)))
    check(len(rows) > 100 and len({len(r) for r in rows}) == 1, "the CSV's rows are not of one width")
    for row in rows:
        for cell in row:
            check_escaped("CSV", cell, "\r\n\t", True)
            check(not cell or cell[0] not in "=+-@\t\r" or re.fullmatch(r"[-+]?[0-9.]+", cell), f"a formula in the CSV: {cell[:80]!r}")
    everything = logs + table + text + orb("export", directory, "--format", "links", timeout=120).stdout
    check("user:secret" not in everything, "credentials of a URL were written down")


def check_quiet(web, begun):
    """They are quick, so hosts that hang must not have kept them waiting."""
    rows = web.log()
    for h in range(web.hosts):
        got = {path for at, address, path, *_ in rows if address == web.address(h) and path != "/robots.txt"}
        check(len(got) >= web.pages, f"{web.address(h)}: {len(got)} of {web.pages} pages")
    took = max(r[0] for r in rows) - begun
    check(took < 20, f"hosts that are well waited for others: their last request came after {took:.1f} s")
    return took


def all_scenarios(expect):
    web = Web(hosts=3, pages=7)
    seeds = os.path.join(TMP, "seeds.txt")
    urls = [re.sub(r"(127\.0\.\d\.\d+):(\d+)", lambda m: f"{m[1]}:{int(m[2]) - s['port0'] + port}", s["url"]) for s in expect]
    with open(seeds, "w") as f:
        f.write("".join(u + "\n" for u in urls))
        f.write("".join(web.origin(h) + "/\n" for h in range(3)))
    d = os.path.join(TMP, "crawl")
    begun = time.monotonic()
    watch = watched_crawl(d, 170, "--per-host", "16", "--retries", "3", "--retry-delay", "1s", "--timeout", "20s", "--low-speed-time",
                          "12s", "--connect-timeout", "5s", "--depth", "2", "--max-time", "110s", "--max-per-host", "250", "-s", seeds)
    took = time.monotonic() - begun
    quiet = check_quiet(web, begun)
    web.close()
    fds = max(f[-1] for f in watch.fds.values())
    check(fds <= 64, f"{fds} descriptors are open at the end")
    results = results_of(d, urls)
    missing = set(urls) - {r["url"] for r in results}
    if missing:
        print("no record:", *sorted(missing), sep="\n  ")
    met = judge(results, [s["id"] for s in expect if s["id"] not in TRAPS])
    audit(d)
    check_texts(d)
    print(f"scenarios: {took:.0f} s, quiet hosts done after {quiet:.1f} s, growth {watch.growth_kib() / 1024:.0f} MiB, {fds} descriptors", flush=True)
    return met


def each_trap(expect):
    met = []
    for s in expect:
        if s["id"] not in TRAPS:
            continue
        ask_server("/__reset")
        url = f"http://127.0.0.1:{port}{s['path']}"
        d = os.path.join(TMP, "trap-" + s["id"])
        begun = time.monotonic()
        watch = watched_crawl(d, 60, "--workers", "1", "--per-host", "16", "--max-per-host", "500", "--depth", "30", "--retries", "1", url)
        met += judge(results_of(d, [url]), [s["id"]])
        print(f"{s['id']}: {ask_server('/__stats').get(s['id'], {}).get('requests')} requests, {time.monotonic() - begun:.1f} s, "
              f"growth {watch.growth_kib() / 1024:.0f} MiB", flush=True)
        audit(d)
    return met


log = open(os.path.join(TMP, "hostile.log"), "wb")
server = subprocess.Popen([sys.executable, script, "serve", "--port", str(port)], stdout=log, stderr=log, cwd=TMP)
try:
    check(wait_for(server_is_up, 30, 0.3), "the hostile server did not start")
    with open(os.path.join(shared, "conformance/hostile/expect.json")) as f:
        scenarios = json.load(f)["scenarios"]
    met = all_scenarios(scenarios) + each_trap(scenarios)
    print(f"RESULT: {len(met)} of {len(scenarios)} scenarios met, {WANTED} required")
    check(len(met) >= WANTED, "not met: " + ", ".join(s["id"] for s in scenarios if s["id"] not in met))
finally:
    server.terminate()
    server.wait()
