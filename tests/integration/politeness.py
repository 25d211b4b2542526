#!/usr/bin/env python3
# budget: 90
"""Politeness as the servers see it: Crawl-delay, Retry-After (seconds and dates, also of robots.txt's host), redirects between
hosts, two names on one address, one request at a time; and a host that hangs holds nobody else, not even on its own address."""
import email.utils, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import *

DELAY, IP_DELAY = 0.5, 0.25
ADDRESSES = {"plain.test": "127.2.0.1", "slow.test": "127.2.0.2", "secs.test": "127.2.0.3", "date.test": "127.2.0.4", "from.test": "127.2.0.5",
             "to.test": "127.2.0.6", "one.test": "127.2.0.7", "two.test": "127.2.0.7", "hang.test": "127.2.0.8", "beside.test": "127.2.0.8"}
PAGES = 8
log, lock, first, not_before, hanging = [], threading.Lock(), set(), {}, threading.Event()


def answer(host, path):
    """(status, headers, body)"""
    if path == "/robots.txt":
        return 200, {}, "User-agent: *\n" + ("Crawl-delay: 2\n" if host == "slow.test" else "Disallow:\n")
    if path == "/2" and host in ("secs.test", "date.test"):
        with lock:
            is_first = host not in first
            first.add(host)
        if is_first:
            at = time.time() + 4
            not_before[host] = at if host == "secs.test" else int(at)
            if host == "secs.test":
                return 429, {"Retry-After": "4"}, "slow down"
            return 503, {"Retry-After": email.utils.formatdate(int(at), usegmt=True)}, "closed"
    if host == "from.test" and path != "/":
        return 302, {"Location": f"http://to.test:{port}/t{path[1:]}"}, ""
    return 200, {}, f"<title>{host}{path}</title>" + "".join(f'<a href="/{n}">{n}</a>' for n in range(1, PAGES)) * (path == "/")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        begun, wall = time.monotonic(), time.time()
        host = self.headers["Host"].split(":")[0]
        if host == "hang.test":
            with lock:
                log.append((begun, None, wall, host, self.path, 0))
            hanging.wait(60)
            self.close_connection = True
            return
        status, headers, body = answer(host, self.path)
        data = body.encode()
        time.sleep(0.02)
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        ended = time.monotonic()
        with lock:
            log.append((begun, ended, wall, host, self.path, status))
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def gaps_of(hosts):
    """Over these hosts together."""
    return gaps([r for r in log if r[3] in hosts], ended=lambda r: r[1])


def check_host_gap(what, least, found):
    return check_gap(what, least, found, lambda r: r[3] + r[4])


server = Server(("0.0.0.0", 0), Handler)
port = server.server_address[1]
threading.Thread(target=server.serve_forever, daemon=True).start()
hosts_file, seeds = os.path.join(TMP, "hosts"), os.path.join(TMP, "seeds.txt")
with open(hosts_file, "w") as f:
    f.write("".join(f"{address} {name}\n" for name, address in ADDRESSES.items()))
with open(seeds, "w") as f:
    f.write("".join(f"http://{name}:{port}/\n" for name in ADDRESSES))
d = os.path.join(TMP, "crawl")
begun = time.monotonic()
crawl(d, "--hosts-file", hosts_file, "--scope", "any", "--delay", "500ms", "--ip-delay", "250ms", "--workers", "2", "--retries", "3", "--retry-delay", "1s",
      "--timeout", "12s", "--low-speed-time", "12s", "--max-time", "60s", "-s", seeds, timeout=80)
hanging.set()

for name in ADDRESSES:
    n = len([r for r in log if r[3] == name and r[5] == 200 and r[4] != "/robots.txt"])
    want = {"hang.test": 0, "from.test": 1, "to.test": 2 * PAGES - 1}.get(name, PAGES)
    check(n == want, f"{name}: {n} pages, want {want}")
    if name != "hang.test":
        check_host_gap(name, DELAY, gaps_of([name]))
check_host_gap("Crawl-delay", 2, gaps_of(["slow.test"]))
# (not the first robots.txt: their hosts' address is not known yet, and they may be two workers')
turned = [gap for gap in gaps_of(["one.test", "two.test"]) if gap[1][3] != gap[2][3]]
check_host_gap("two names on one address", IP_DELAY, [gap for gap in turned if gap[2][4] != "/robots.txt"])
turns = [b[3] for _, a, b in turned]
check(len(turns) >= PAGES, f"the two names of one address do not take turns: {turns}")
for name in ("secs.test", "date.test"):
    asked = sorted(r for r in log if r[3] == name)
    refused = [r for r in asked if r[5] in (429, 503)]
    check(len(refused) == 1, f"{name}: {len(refused)} refusals")
    after = [r for r in asked if r[0] > refused[0][0]]
    check(after and after[0][2] >= not_before[name] - GAP_SLACK, f"{name} was asked for {after[0][4]} {not_before[name] - after[0][2]:.2f} s before the time that it named")
    check(after[0][2] < not_before[name] + 5, f"{name} was asked {after[0][2] - not_before[name]:.1f} s late")
beside = [r for r in log if r[3] == "beside.test"]
hung = [r for r in log if r[3] == "hang.test"]
check(hung and len(hung) <= 4, f"hang.test was asked {len(hung)} times")
took = max(r[0] for r in beside) - begun
check(took < 15, f"a host waited {took:.1f} s for one that hangs on its address")
names = {u: o for u, o in query(d, "select url, outcome from page")}
outcomes = {r["url"]: r for r in map(json.loads, orb("sql", d, "--json", "select url, outcome(outcome) as outcome, state(state) as state from frontier.url").stdout.splitlines())}
check(outcomes[f"http://hang.test:{port}/"]["outcome"] in ("timeout", "robots_unreachable"), f"{outcomes[f'http://hang.test:{port}/']}")
audit(d)
print(f"RESULT: {len(log)} requests in {time.monotonic() - begun:.0f} s; least gap {min(gap[0] for n in ('plain.test', 'from.test', 'to.test') for gap in gaps_of([n])):.3f} s, "
      f"Crawl-delay {min(gap[0] for gap in gaps_of(['slow.test'])):.3f} s, {len(turns)} turns between neighbours")
server.shutdown()
