#!/usr/bin/env python3
# budget: 180
# long-budget: 900
"""A crawl of the synthetic web stores exactly what that web says a complete crawl must store, politely, and audits clean.

Long form: more hosts and pages.
"""
import os, subprocess, sys, time
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from synthweb import LONG, TMP, Web, check, check_audit, check_pages, check_politeness, finish

DELAY_MS = 20
web = Web(64, 400) if LONG else Web(16, 60)
out = f"{TMP}/crawl"
try:
    begun = time.monotonic()
    crawl = subprocess.run(web.command(out, "--delay", str(DELAY_MS), "--ip-delay", "0"), stdin=subprocess.DEVNULL,
                           timeout=800 if LONG else 150)
    seconds = time.monotonic() - begun
    check(crawl.returncode == 0, f"orb crawl exits {crawl.returncode}")
    want = web.expected()
    n = check_pages(out, want)
    check_audit(out)
finally:
    web.stop()
n_requests, n_connections = check_politeness(web, DELAY_MS)
finish(f"{n} of {sum(s > 0 for s in want.values())} pages in {seconds:.0f} s; {n_requests} requests on {n_connections} connections")
