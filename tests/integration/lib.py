"""lib - what the integration tests share: a web of many hosts on loopback with a log, crawls, kills, audits.

Every host of the web is an address of 127.0.0.0/8 of its own (one listening socket takes them all), so that politeness by
host and by address can be read from the log. The server stamps each request when its line is complete.
"""
import atexit, json, os, random, re, signal, socket, sqlite3, subprocess, sys, tempfile, time

ORB = os.environ.get("ORB", "build/release/orb")
LONG = os.environ.get("ORB_TEST_LONG", "0") == "1"
TMP = os.environ.get("TMPDIR") or tempfile.mkdtemp(prefix="orb-it-")
HERE = os.path.dirname(os.path.abspath(__file__))


started = []


@atexit.register
def clean_up():
    """Also after a failure: no crawl and no server outlives its test (workers die with their coordinator)."""
    for p in started:
        if p.poll() is None:
            p.kill()
            p.wait()


def fail(text):
    print("FAILED:", text, flush=True)
    sys.exit(1)


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def check(ok, text):
    if not ok:
        fail(text)


def free_port():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
    s.close()
    return port


class Web:
    """site.py in a process of its own; log() reads what was asked."""

    def __init__(self, hosts=1, pages=10, **options):
        self.port = free_port()
        self.hosts, self.pages = hosts, pages
        self.log_path = os.path.join(TMP, f"access-{self.port}.log")
        args = [sys.executable, os.path.join(HERE, "site.py"), str(self.port), str(hosts), str(pages), self.log_path, json.dumps(options)]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE)
        started.append(self.process)
        check(self.process.stdout.readline().startswith(b"ready"), "the test's web server did not start")

    def address(self, host):
        return f"127.1.{host // 200}.{host % 200 + 1}"

    def origin(self, host):
        return f"http://{self.address(host)}:{self.port}"

    def seeds(self):
        path = os.path.join(TMP, f"seeds-{self.port}.txt")
        with open(path, "w") as f:
            for h in range(self.hosts):
                f.write(self.origin(h) + "/\n")
        return path

    def log(self):
        """[(monotonic seconds, address, path, user agent, connection number)]"""
        rows = []
        with open(self.log_path) as f:
            for line in f:
                parts = line.rstrip("\n").split("\t")
                if len(parts) == 5:
                    rows.append((float(parts[0]), parts[1], parts[2], parts[3], int(parts[4])))
        return rows

    def close(self):
        self.process.kill()
        self.process.wait()


def crawl_command(directory, *arguments):
    private = [] if "--allow-private" in arguments else ["--allow-private", "127.0.0.0/8"]
    return [ORB, "crawl", "-o", directory, *private, "--contact", "test@example.invalid", "--dashboard", "off", *arguments]


def start_crawl(directory, *arguments, env=None):
    log = open(os.path.join(TMP, "crawl.log"), "ab")
    p = subprocess.Popen(crawl_command(directory, *arguments), stdout=log, stderr=log, env={**os.environ, **(env or {})})
    started.append(p)
    return p


def crawl_log():
    with open(os.path.join(TMP, "crawl.log"), errors="replace") as f:
        return f.read()


def crawl(directory, *arguments, timeout=100, want=0):
    p = start_crawl(directory, *arguments)
    try:
        code = p.wait(timeout)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        fail(f"the crawl did not end in {timeout} s\n" + crawl_log()[-3000:])
    if want is not None and code != want:
        fail(f"exit code {code}, want {want}\n" + crawl_log()[-3000:])
    return code


def orb(*arguments, timeout=60, want=0, stdin=None):
    r = subprocess.run([ORB, *arguments], capture_output=True, text=True, timeout=timeout, input=stdin)
    if want is not None and r.returncode != want:
        fail(f"orb {' '.join(arguments)}: exit code {r.returncode}, want {want}\n{r.stdout[-2000:]}\n{r.stderr[-2000:]}")
    return r


def audit(directory):
    r = orb("audit", directory, timeout=300, want=None)
    if r.returncode != 0:
        fail("orb audit found:\n" + r.stdout[-3000:] + r.stderr[-3000:])
    return r.stdout


def status(directory):
    return json.loads(orb("status", directory, "--json").stdout)


def wait_for(what, seconds=20, every=0.05):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        got = what()
        if got:
            return got
        time.sleep(every)
    return None


def workers_of(pid):
    """pids of the coordinator's children."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(x) for x in f.read().split()]
    except OSError:
        return []


def query(directory, sql, db="pages/pages.db"):
    connection = sqlite3.connect(f"file:{os.path.join(directory, db)}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


GAP_SLACK = 0.02  # s: two clocks, two processes


def gaps(rows, ended=None):
    """[(seconds, a, b)] of neighbours in time: from where a ended to where b began, row[0]. Without ended(row) a's beginning
    counts; where that is None, nobody knows the end, and there is no gap."""
    rows = sorted(rows, key=lambda row: row[0])
    ends = [row[0] if ended is None else ended(row) for row in rows]
    return [(b[0] - end, a, b) for end, a, b in zip(ends, rows, rows[1:]) if end is not None]


def check_gap(what, least, found, name):
    """The least of these gaps, which may not be shorter than that; name(row) says what was asked for."""
    check(found, f"{what}: nothing to compare")
    worst = min(found, key=lambda gap: gap[0])
    check(worst[0] >= least - GAP_SLACK, f"{what}: {worst[0]:.3f} s between {name(worst[1])} and {name(worst[2])}, want {least} s")
    return worst[0]


def smallest_gap(rows):
    """The least time between two requests to one address, row[1], as (seconds, address)."""
    by_address = {}
    for row in rows:
        by_address.setdefault(row[1], []).append(row)
    return min(((gap[0], address) for address, some in by_address.items() for gap in gaps(some)), default=(1e9, ""))
