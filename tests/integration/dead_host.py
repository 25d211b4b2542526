#!/usr/bin/env python3
# budget: 40
"""A host that cannot be reached: orb status counts what waits for it, orb why says how often it was tried, also afterwards."""
import os
from lib import *

web = Web(hosts=1, pages=20)
try:
    d = os.path.join(TMP, "crawl-dead")
    dead = f"http://127.9.9.9:{free_port()}"
    seeds = os.path.join(TMP, "dead-seeds.txt")
    with open(seeds, "w") as f:
        f.write(web.origin(0) + "/\n" + "".join(f"{dead}/p/{i}\n" for i in range(50)))
    options = ["--delay", "1ms", "--workers", "1", "--retries", "3", "-s", seeds]
    p = start_crawl(d, *options, "--retry-delay", "1h")
    s = wait_for(lambda: orb("status", d, "--json", want=None).returncode == 0 and status(d)["hosts_backing_off"] == 1 and status(d))
    check(s, "orb status does not say that a host backs off\n" + crawl_log()[-2000:])
    check(s["queued_backing_off"] == 50, f"{s['queued_backing_off']} wait for their host, want 50")
    b = s["books"]
    check(b["discovered"] == sum(v for k, v in b.items() if k != "discovered"), f"the books do not balance: {b}")
    text = orb("status", d).stdout
    check("of which 50 queued wait for their host: 1 hosts could not be reached" in text, "orb status does not say it to people:\n" + text)
    why = orb("why", d, dead + "/p/7", "--json").stdout
    o = json.loads(why)
    check(o["attempts"] == 0 and o["host"]["failures"] == 1 and o["host"]["state"] == "backing off", "orb why: " + why)
    check("not asked itself yet: its host was tried 1 time " in o["note"], "orb why: " + why)
    check(wait_for(lambda: status(d)["books"]["done"] == 20), "the host that lives is not crawled")
    orb("stop", d)
    check(p.wait(40) == 3, "orb stop should end with exit code 3")
    o = json.loads(orb("why", d, dead + "/p/7", "--json").stdout)
    host = o["host"]
    check(host["origin"] == dead and host["state"] == "backing off" and host["failures"] == 1 and host["next_at"].endswith("Z"),
          f"a stopped crawl's host: {host}")
    o = json.loads(orb("why", d, web.origin(0) + "/p/1", "--json").stdout)
    host = o["host"]
    check(host["state"] == "open" and host["robots_status"] in (200, 404) and "127.1.0.1" in host["addresses"], f"a stopped crawl's host: {host}")
    check("note" not in o, f"a note on a URL that was asked: {o}")

    d = os.path.join(TMP, "crawl-dead-2")
    crawl(d, *options, "--retry-delay", "100ms", want=None, timeout=30)
    o = json.loads(orb("why", d, dead + "/p/7", "--json").stdout)
    check(o["state"] == "failed" and o["attempts"] == 0 and o["outcome"] == "connect_failed", f"{o}")
    check("not asked itself: its host was tried 3 times" in o["note"], f"{o}")
    audit(d)
    print("RESULT: 50 URLs waited for their host, and failed with it after 3 tries")
finally:
    web.close()
