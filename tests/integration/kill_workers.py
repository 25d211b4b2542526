#!/usr/bin/env python3
# budget: 90
# long-budget: 240
"""kill -9 of a random worker every second: nothing lost, nothing stored twice, no host asked faster than its delay."""
import os, random
from lib import *

seconds, hosts, pages = (60, 50, 130) if LONG else (15, 50, 20)
seed = int(os.environ.get("ORB_SEED", random.randrange(1 << 30)))
random.seed(seed)
print("seed", seed)
web = Web(hosts=hosts, pages=pages, meta_robots=["", "noarchive", "noindex", ""])
try:
    d = os.path.join(TMP, "crawl")
    p = start_crawl(d, "--delay", "500ms", "--workers", "2", "-s", web.seeds())
    check(wait_for(lambda: workers_of(p.pid)), "no worker started")
    kills, until = 0, time.monotonic() + seconds
    while time.monotonic() < until and p.poll() is None:
        time.sleep(1)
        victims = workers_of(p.pid)
        if victims:
            os.kill(random.choice(victims), signal.SIGKILL)
            kills += 1
    code = p.wait(seconds + 120)
    check(code == 0, f"exit code {code}\n" + crawl_log()[-3000:])
    audit(d)
    rows = web.log()
    gap, address = smallest_gap(rows)
    check(gap >= 0.5, f"{address} was asked twice within {gap * 1000:.0f} ms")
    done = query(d, "select count(*), count(distinct url) from page where status = 200")[0]
    check(done == (hosts * pages, hosts * pages), f"{done} rows, want {hosts * pages}")
    asked = len([r for r in rows if r[2] != "/robots.txt"])
    most = hosts * pages + kills * (64 + 200)
    check(asked <= most, f"{asked} requests for {hosts * pages} pages and {kills} kills")
    print(f"RESULT: {kills} kills, {asked - hosts * pages} repeated requests of {asked}, smallest gap {gap * 1000:.0f} ms")
finally:
    web.close()
