#!/usr/bin/env python3
# budget: 240
# long-budget: 400
"""The hostile web server of the shared conformance folder: every scenario gets its named outcome, the crawl survives all."""
import os, shutil, urllib.request
from lib import *

shared = os.environ.get("ORB_SHARED", "")
script = os.path.join(shared, "conformance/hostile/hostile.py")
if not shared or not os.path.exists(script):
    skip("no shared test data")
port = 8800
NAMES = {"ok": None, "not_modified": None, "redirect": None, "http_status": "http_status", "type_not_accepted": None,
         "server_error": "http_status", "retry_later": "retry_later", "dns_timeout": "dns", "dns_failed": "dns", "dns_no_such_host": "dns",
         "connect_failed": "connect", "connect_timeout": "timeout", "tls_failed": "tls", "tls_certificate": "tls", "reset": "reset",
         "empty_reply": "empty_reply", "truncated": "truncated", "too_slow": "too_slow", "timeout": "timeout", "protocol": "protocol",
         "header_too_large": "header_too_large", "body_too_large": "too_large", "decoded_too_large": "decode_bomb", "decode_failed": "decode",
         "unsupported_encoding": "unsupported_encoding", "bad_redirect": "bad_redirect", "too_many_redirects": "too_many_redirects", "redirect_loop": "redirect_loop",
         "scheme_blocked": "scheme_blocked", "address_blocked": "address_blocked", "robots_denied": "robots_denied",
         "robots_unreachable": "robots_unreachable", "too_much_memory": "too_large"}
log = open(os.path.join(TMP, "hostile.log"), "wb")
server = subprocess.Popen([sys.executable, script, "serve", "--port", str(port)], stdout=log, stderr=log, cwd=TMP)
try:
    up = wait_for(lambda: b"{" in (lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/__stats", timeout=2).read())() if socket.socket().connect_ex(("127.0.0.1", port)) == 0 else None, 30, 0.3)
    check(up, "the hostile server did not start")
    expect = json.load(open(os.path.join(shared, "conformance/hostile/expect.json")))
    seeds = os.path.join(TMP, "seeds.txt")
    with open(seeds, "w") as f:
        f.write("".join(s["url"] + "\n" for s in expect["scenarios"]))
    d = os.path.join(TMP, "crawl")
    crawl(d, "--allow-private", "127.0.0.1/32", "--allow-private", "127.0.2.0/24", "--delay", "0", "--per-host", "16", "--retries", "2", "--retry-delay", "1s", "--timeout", "30s", "--low-speed-time", "10s", "--connect-timeout", "5s",
          "--depth", "3", "--max-time", "150s", "--max-per-host", "3000", "-s", seeds, timeout=220, want=None)
    rows = query(d, "select url_id, url, status, outcome, body_bytes, fetch_ms, redirect_to from page")
    stored = {r[1]: r for r in rows}
    journal = {j["url"]: j for j in json.loads(orb("sql", d, "--json", "select url, outcome(outcome) as outcome, state, status from frontier.url", want=0).stdout or "[]")}
    results = os.path.join(TMP, "results.jsonl")
    with open(results, "w") as f:
        for j in journal.values():
            r, met, outcome = stored.get(j["url"]), set(), j["outcome"]
            while r and r[3] == "redirect" and r[6] and outcome == "redirect": # the end of the chain is what the judge asks for
                if r[1] in met:
                    outcome = "redirect_loop"
                    break
                met.add(r[1])
                outcome = journal.get(r[6], {}).get("outcome")
                r = stored.get(r[6])
            error = NAMES.get(outcome, outcome)
            status = (r[2] or None) if r else (j.get("status") or None)
            f.write(json.dumps({"url": j["url"], "status": status, "error": error, "bytes": (r[4] if r else 0) or 0, "seconds": ((r[5] if r else 0) or 0) / 1000}) + "\n")
    judge = subprocess.run([sys.executable, script, "judge", "--port", str(port), "--results", results, "-v"], capture_output=True, text=True, cwd=TMP)
    print(judge.stdout[-12000:])
    audit(d)
    last = judge.stdout.strip().splitlines()[-1] if judge.stdout.strip() else judge.stderr[-300:]
    print("RESULT:", last)
finally:
    server.terminate()
    server.wait()
