#!/usr/bin/env python3
# budget: 100
# long-budget: 200
"""kill -9 of the coordinator five times, also while its workers are stopped: the same command goes on, nothing is lost."""
import os, random
from lib import *

hosts, pages = 50, 24
seed = int(os.environ.get("ORB_SEED", random.randrange(1 << 30)))
random.seed(seed)
print("seed", seed)
web = Web(hosts=hosts, pages=pages, meta_robots=["", "noarchive", "noindex", ""])
try:
    d = os.path.join(TMP, "crawl")
    for kill in range(5):
        p = start_crawl(d, "--delay", "500ms", "--workers", "2", "-s", web.seeds())
        check(wait_for(lambda: len(workers_of(p.pid)) == 2), "the workers did not start\n" + crawl_log()[-2000:])
        time.sleep(random.uniform(1.0, 3.0))
        workers = workers_of(p.pid)
        if kill % 2 == 1:
            for w in workers:
                os.kill(w, signal.SIGSTOP)
        os.kill(p.pid, signal.SIGKILL)
        p.wait()
        gone = wait_for(lambda: not any(os.path.exists(f"/proc/{w}") and open(f"/proc/{w}/stat").read().rsplit(")", 1)[1].split()[0] != "Z" for w in workers), 12)
        check(gone, "workers outlived their coordinator")
    code = crawl(d, "--delay", "500ms", "--workers", "2", "-s", web.seeds(), timeout=150)
    audit(d)
    rows = web.log()
    gap, address = smallest_gap(rows)
    check(gap >= 0.5, f"{address} was asked twice within {gap * 1000:.0f} ms")
    done = query(d, "select count(*), count(distinct url) from page where status = 200")[0]
    check(done == (hosts * pages, hosts * pages), f"{done} rows, want {hosts * pages}")
    asked = len([r for r in rows if r[2] != "/robots.txt"])
    check(asked <= hosts * pages + 5 * 2 * (64 + 200), f"{asked} requests")
    print(f"RESULT: 5 kills, {asked - hosts * pages} repeated requests of {asked}, smallest gap {gap * 1000:.0f} ms")
finally:
    web.close()
