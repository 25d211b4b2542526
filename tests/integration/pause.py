#!/usr/bin/env python3
# budget: 110
# waits
"""A crawl that is paused and resumed at any moment ends: also while robots.txt of one host redirects, or fails and is asked
again, and pages of another host at the same address are under way. And no host is asked before its delay is over."""
import http.server, random, socketserver, threading
from lib import *

HOSTS, DELAY_S, ROUNDS = 8, 0.4, 30
asked, lock = [], threading.Lock()
n_robots = dict.fromkeys(range(HOSTS), 0)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, code, body=b"", **headers):
        with lock:
            asked.append((self.begun, self.host, self.path))
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.begun = time.monotonic()
        self.host = int(self.headers["Host"].split(".")[0][1:])
        if self.path == "/robots.txt":
            n_robots[self.host] += 1
            if self.host % 2 and n_robots[self.host] < 9:
                return self.answer(503)
            if self.host % 4 > 0:
                return self.answer(302, Location="/r/1")
        if self.path == "/r/1":
            return self.answer(302, Location="/r/2")
        if self.path.startswith("/r"):
            return self.answer(200, b"User-agent: *\nDisallow: /no\n", Content_Type="text/plain")
        time.sleep(1.2)
        links = "" if self.path != "/" else "".join(f'<a href="/p{i}">x</a>' for i in range(4))
        self.answer(200, links.encode(), Content_Type="text/html")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads, request_queue_size = True, 200


server = Server(("127.0.0.1", 0), Handler)
port = server.server_address[1]
threading.Thread(target=server.serve_forever, daemon=True).start()
hosts_file = os.path.join(TMP, "hosts")
with open(hosts_file, "w") as f:
    f.writelines(f"127.0.0.1 h{i}.test\n" for i in range(HOSTS))
d = os.path.join(TMP, "crawl")
rng = random.Random(int(os.environ.get("SEED", "5")))
p = start_crawl(d, "--hosts-file", hosts_file, "--delay", f"{int(DELAY_S * 1000)}ms", "--ip-delay", "0", "--workers", "1",
                "--retries", "30", "--retry-delay", "300ms", "--retry-max", "500ms", *(f"http://h{i}.test:{port}/" for i in range(HOSTS)))
check(wait_for(lambda: orb("status", d, "--json", want=None).returncode == 0), "orb status does not answer")
for _ in range(ROUNDS):
    time.sleep(rng.uniform(0.1, 0.6))
    if orb("pause", d, want=None).returncode != 0:
        break # it is over
    time.sleep(rng.uniform(0, 0.05))
    orb("resume", d, want=None)
code = None
try:
    code = p.wait(60)
except subprocess.TimeoutExpired:
    fail("the crawl does not end after it was paused:\n" + orb("status", d).stdout)
check(code == 0, f"exit code {code}\n" + crawl_log()[-2000:])
pages = {(h, path) for _, h, path in asked if not path.startswith("/r")}
check(len(pages) == HOSTS * 5, f"{len(pages)} pages asked, want {HOSTS * 5}")
last = {}
for t, host, path in sorted(asked):
    gap = t - last.get(host, (0, ""))[0]
    check(gap > DELAY_S - 0.005, f"h{host}: {path} {gap * 1000:.0f} ms after {last.get(host, ('', ''))[1]}")
    last[host] = (t, path)
audit(d)
print(f"RESULT: {len(asked)} requests, {ROUNDS} pauses, every page, no delay cut short")
