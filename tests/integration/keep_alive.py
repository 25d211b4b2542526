#!/usr/bin/env python3
# budget: 60
"""Connections are reused: at least 99 requests of 100, counted at the server; keeps to one connection a host by default."""
import os
from lib import *

web = Web(hosts=3, pages=1000)
try:
    d = os.path.join(TMP, "crawl")
    crawl(d, "--delay", "0", "--workers", "1", "-s", web.seeds())
    rows = web.log()
    connections = {c for *_, c in rows}
    check(len(rows) >= 3000, f"{len(rows)} requests")
    check(len(connections) <= len(rows) / 100, f"{len(connections)} connections for {len(rows)} requests")
    print(f"RESULT: {len(rows)} requests over {len(connections)} connections")
finally:
    web.close()
