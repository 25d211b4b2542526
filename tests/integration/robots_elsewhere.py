#!/usr/bin/env python3
# budget: 110
# waits
"""robots.txt that redirects to another authority, as the servers see it: the one that is asked is asked by its own clock, also
while it is crawled itself; the answer counts for the one that sent us there; five hops are followed, six and loops are not; a target
that is refused, dead or hangs keeps nobody else; and all of it under kill -9 of workers and of the coordinator."""
import random, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import *

DELAY, SENDERS, PAGES = 0.3, 12, 30
SEEDS = ["target.test", "five0.test", "six0.test", "loop0.test", "guarded.test", "dead.test", "hanging.test", "bystander.test"] + [f"s{i}.test" for i in range(SENDERS)]
OTHERS = [f"five{i}.test" for i in range(1, 6)] + [f"six{i}.test" for i in range(1, 7)] + ["loop1.test", "hang.test"]
ADDRESSES = {name: f"127.3.0.{i + 1}" for i, name in enumerate(SEEDS + OTHERS)} | {"meta.test": "169.254.169.254"}
log, lock, over = [], threading.Lock(), threading.Event()
DENY = "User-agent: *\nDisallow: /private\n"


def robots(host):
    """where its robots.txt is, or the text"""
    name = host.split(".")[0]
    if name[0] == "s" and name[1:].isdigit():
        n = int(name[1:])
        return f"http://target.test:{port}/rules-{'shared' if n < 3 else n}.txt"
    if name[:-1] in ("five", "six"):
        n = int(name[-1])
        last = {"five": 5, "six": 6}[name[:-1]]
        return DENY if n == last else f"http://{name[:-1]}{n + 1}.test:{port}/robots.txt"
    return {"loop0": f"http://loop1.test:{port}/robots.txt", "loop1": f"http://loop0.test:{port}/robots.txt", "guarded": f"http://meta.test:{port}/robots.txt",
            "dead": "http://127.3.9.9:9/robots.txt", "hanging": f"http://hang.test:{port}/robots.txt"}.get(name, "User-agent: *\nDisallow:\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        begun, host, headers = time.monotonic(), self.headers["Host"].split(":")[0], {}
        with lock:
            log.append((begun, host, self.path))
        if host == "hang.test":
            over.wait(60)
            self.close_connection = True
            return
        status, body = 200, "<title>t</title>"
        if self.path == "/robots.txt":
            body = robots(host)
            if body.startswith("http:"):
                status, headers, body = 302, {"Location": body}, ""
        elif self.path.startswith("/rules-"):
            body = DENY
        elif self.path == "/":
            n = PAGES if host in ("target.test", "bystander.test") else 2
            body += '<a href="/private/x">p</a>' + "".join(f'<a href="/{i}">{i}</a>' for i in range(1, n))
        data = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *args):  # who asked was killed
        pass


def asked(host, path=None):
    return [r for r in sorted(log) if r[1] == host and (path is None or r[2] == path)]


def check_gaps():
    """The least time between two requests to one host: each of these has one address."""
    found = [gap for host in SEEDS + OTHERS for gap in gaps(asked(host))]
    return check_gap("one host", DELAY, found, lambda r: r[1] + r[2])


def check_all(d, what):
    audit(d)
    rows = {r["url"]: r["outcome"] for r in map(json.loads, orb("sql", d, "--json", "select url, outcome(outcome) as outcome from frontier.url").stdout.splitlines())}
    for host in SEEDS:
        open_pages = {"/": "ok", "/1": "ok", "/private/x": "ok"} if host in ("target.test", "six0.test", "loop0.test", "bystander.test") else {"/": "ok", "/1": "ok", "/private/x": "robots_denied"}
        if host in ("guarded.test", "dead.test", "hanging.test"):
            open_pages = {"/": "robots_unreachable"}
        for path, want in open_pages.items():
            got = rows.get(f"http://{host}:{port}{path}")
            check(got == want, f"{what}: http://{host}{path} ended as {got}, want {want}")
        if open_pages.get("/private/x") != "ok":
            check(not asked(host, "/private/x"), f"{what}: {host} was asked for what its robots.txt forbids")
    for host in OTHERS:
        check({r[2] for r in asked(host)} <= {"/robots.txt"}, f"{what}: {host} was asked for more than a robots.txt")
        check(f"http://{host}:{port}/robots.txt" not in rows, f"{what}: a robots.txt is a URL of the crawl")
    check(not asked("six6.test"), f"{what}: a sixth hop was followed")
    return check_gaps()


def arguments(d, *more):
    return [d, "--hosts-file", hosts_file, "--delay", "300ms", "--ip-delay", "0", "--workers", "2", "--retries", "2", "--retry-delay", "500ms", "--timeout", "3s", "--connect-timeout", "2s",
            "--low-speed-time", "3s", "--max-time", "70s", "-s", seeds, *more]


server = Server(("0.0.0.0", 0), Handler)
port = server.server_address[1]
threading.Thread(target=server.serve_forever, daemon=True).start()
hosts_file, seeds = os.path.join(TMP, "hosts"), os.path.join(TMP, "seeds.txt")
with open(hosts_file, "w") as f:
    f.write("".join(f"{address} {name}\n" for name, address in ADDRESSES.items()))
with open(seeds, "w") as f:
    f.write("".join(f"http://{name}:{port}/\n" for name in SEEDS))

# undisturbed
begun = time.monotonic()
d = os.path.join(TMP, "quiet")
crawl(*arguments(d), timeout=90)
took = time.monotonic() - begun
least = check_all(d, "undisturbed")
rules = [r for r in asked("target.test") if r[2].startswith("/rules-")]
pages = [r for r in asked("target.test") if not r[2].startswith("/rules-")]
check(len(rules) >= SENDERS - 2, f"target.test was asked for {len(rules)} robots.txt of others")
check(rules[0][0] < pages[-1][0] and pages[1][0] < rules[-1][0], "the target was not crawled while it was asked for others")
for host, most in ({f"five{i}.test": 1 for i in range(1, 6)} | {"six5.test": 1, "loop1.test": 3, "loop0.test": 6}).items():
    n = len(asked(host, "/robots.txt"))
    check(1 <= n <= most, f"{host}: its robots.txt was asked for {n} times")
check(asked("bystander.test")[-1][0] - begun < PAGES * (DELAY + 0.1) + 4, "a host waited for one whose robots.txt hangs elsewhere")
print(f"undisturbed: {len(log)} requests in {took:.0f} s, {len(rules)} for others at the target, least gap {least:.3f} s")

# kill -9 of workers, then of the coordinator, while robots.txt is awaited
d = os.path.join(TMP, "killed")
log.clear()
random.seed(int(os.environ.get("ORB_SEED", "1")))
kills = 0
p = start_crawl(*arguments(d))
for turn in range(9):
    time.sleep(0.7)
    victims = workers_of(p.pid)
    if turn % 4 == 3:
        p.kill()
        p.wait()
        p = start_crawl(*arguments(d))
        kills += 1
    elif victims:
        os.kill(random.choice(victims), signal.SIGKILL)
        kills += 1
code = p.wait(90)
check(code == 0, f"exit code {code}\n" + crawl_log()[-3000:])
least = check_all(d, "killed")
over.set()
print(f"RESULT: {kills} kills, {len(log)} requests, least gap {least:.3f} s")
server.shutdown()
