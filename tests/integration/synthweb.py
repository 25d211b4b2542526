"""synthweb.py - what the integration tests share: the synthetic web, a crawl of it, and what must be true afterwards."""
import atexit, collections, os, sqlite3, subprocess, sys, tempfile

ORB, LONG = os.environ["ORB"], os.environ.get("ORB_TEST_LONG") == "1"
TMP = os.environ.get("TMPDIR") or tempfile.mkdtemp()
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what, flush=True)
    return condition


def finish(result):
    print("RESULT", f"{len(failures)} FAILED;" if failures else "", result)
    sys.exit(bool(failures))


class Web:
    """`orb synth` on a free port, with its hosts file, its access log and its list of what a complete crawl must find."""

    def __init__(self, hosts, pages, *extra):
        self.hosts, self.pages, self.log = hosts, pages, f"{TMP}/access.log"
        self.process = subprocess.Popen(
            [ORB, "synth", "--hosts", str(hosts), "--pages", str(pages), "--log", self.log, "--hosts-file", f"{TMP}/hosts",
             "--large", "300000", *extra], stdout=subprocess.PIPE, text=True)
        atexit.register(self.stop) # also when the test fails
        line = self.process.stdout.readline()
        assert line.startswith("listening on"), line
        self.port = int(line.split(":")[1].split(";")[0])

    def command(self, out, *extra):
        return [ORB, "crawl", f"http://h0.synth.test:{self.port}/", "-o", out, "--hosts-file", f"{TMP}/hosts",
                "--allow-private", "127.0.0.0/8", "--scope", "domain", "--contact", "test@example.invalid", "--workers", "2",
                "--retry-delay", "200ms", "--retry-max", "1s", "--dashboard", "off", *extra]

    def expected(self):
        text = subprocess.run([ORB, "synth", "--list", "--hosts", str(self.hosts), "--pages", str(self.pages), "--port",
                               str(self.port)], capture_output=True, text=True, check=True).stdout
        return {url: int(status) for status, url in (line.split("\t") for line in text.splitlines())}

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def requests(self):
        """(ms, connection, host, path, status) of each request; complete once stop() was called."""
        for line in open(self.log):
            ms, connection, host, path, status = line.rstrip("\n").split("\t")
            yield int(ms), int(connection), host, path, int(status)


def show(name, urls):
    urls = sorted(urls)
    return f"{len(urls)} {name}: {' '.join(urls[:8])}{' ...' if len(urls) > 8 else ''}"


def check_pages(out, want):
    """Exactly the expected URLs are stored, each once, with the expected status. Returns how many."""
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


def check_audit(out):
    audit = subprocess.run([ORB, "audit", out], capture_output=True, text=True)
    check(audit.returncode == 0, f"orb audit exits {audit.returncode}: {audit.stdout[-3000:]}{audit.stderr[-500:]}")


def check_politeness(web, delay_ms):
    """No two requests to one host begin within the delay. Returns (requests, connections).

    One request that died unanswered with its connection may be sent again at once (RFC 9110, 9.2.2).
    """
    last, connections, n, early = {}, set(), 0, []
    for ms, connection, host, path, status in web.requests():
        n += 1
        connections.add(connection)
        before_ms, before_path, before_status = last.get(host, (-10**9, "", 200))
        is_resent = before_status == 0 and path == before_path
        if ms - before_ms < delay_ms - 2 and not is_resent:   # clocks are cut to milliseconds on both sides
            early.append(f"{host}{path} {ms - before_ms} ms after {before_path}")
        last[host] = (ms, path, 200 if is_resent else status)
    check(not early, f"{len(early)} requests within {delay_ms} ms: {'; '.join(early[:8])}")
    return n, len(connections)


def count_by_url(web):
    return collections.Counter((host, path) for _, _, host, path, _ in web.requests())
