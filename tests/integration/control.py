#!/usr/bin/env python3
# budget: 60
# waits
"""orb status, pause, resume, add, why, stop against a living crawl; then the same command goes on."""
import os
from lib import *

web = Web(hosts=2, pages=400)
try:
    d = os.path.join(TMP, "crawl")
    p = start_crawl(d, "--delay", "50ms", "--workers", "1", web.origin(0) + "/")
    check(wait_for(lambda: orb("status", d, "--json", want=None).returncode == 0), "orb status does not answer")
    check(wait_for(lambda: status(d)["books"]["done"] > 5), "nothing is crawled\n" + crawl_log()[-2000:])
    s = status(d)
    b = s["books"]
    check(b["discovered"] == sum(v for k, v in b.items() if k != "discovered"), f"the books do not balance: {b}")
    check(wait_for(lambda: status(d)["workers"][0]["private_bytes"] > 1 << 20), "a worker has no private memory")
    orb("pause", d)
    time.sleep(1)
    n = len(web.log())
    time.sleep(2)
    check(len(web.log()) == n, "a paused crawl asked")
    check(status(d)["state"] == "paused", "the state does not say paused")
    added = orb("add", d, web.origin(1) + "/", "not a url", want=None)
    check("not a url" in added.stdout + added.stderr, "a bad seed is not named: " + added.stdout + added.stderr)
    orb("resume", d)
    check(wait_for(lambda: any(a == web.address(1) for _, a, *_ in web.log())), "the added seed is not crawled")
    why = orb("why", d, web.origin(0) + "/p/1").stdout
    check("ok" in why, "orb why does not tell the outcome: " + why)
    orb("why", d, "http://127.1.0.1:1/never", want=1)
    second = orb("crawl", "-o", d, "--contact", "x@example.invalid", "--allow-private", "127.0.0.0/8", web.origin(0) + "/", want=1, timeout=30)
    check("in use" in second.stderr, "a second coordinator is not refused clearly: " + second.stderr)
    orb("stop", d)
    check(p.wait(40) == 3, "orb stop should end with exit code 3")
    stopped = orb("status", d, "--json", want=1)
    check("no crawl is running" in stopped.stderr, "orb status does not say that the crawl is stopped: " + stopped.stderr)
    b, state = json.loads(stopped.stdout)["books"], json.loads(stopped.stdout)["state"]
    check(state == "stopped" and b["queued"] > 0, f"orb status of a stopped crawl: {stopped.stdout}")
    check(b["discovered"] == sum(v for k, v in b.items() if k != "discovered"), f"the books do not balance: {b}")
    audit(d)
    crawl(d, "--delay", "1ms", "--ip-delay", "0", web.origin(0) + "/", timeout=60)
    asked = [(a, q) for _, a, q, *_ in web.log() if q != "/robots.txt"]
    check(len(set(asked)) == 800, f"{len(set(asked))} pages, want 800")
    audit(d)
    why = orb("why", d, web.origin(0) + "/p/1#fragment").stdout
    check("ok" in why and "warc_file" in why and "found_by" in why, "orb why does not tell a stopped crawl's story: " + why)
    print(f"RESULT: 800 pages, {len(asked) - 800} asked twice over a stop")
finally:
    web.close()
