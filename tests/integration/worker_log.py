#!/usr/bin/env python3
# budget: 30
"""A worker's log lines, last words among them, reach the crawl's log file under its name, and the terminal once."""
import os, subprocess
from lib import *

d = os.path.join(TMP, "crawl-log")
errors = os.path.join(TMP, "crawl-log.txt")
with open(errors, "wb") as out:
    p = subprocess.Popen(crawl_command(d, "--workers", "1", "--proxy", "http://no-such-host.invalid:3128", "http://127.0.0.1:9/"),
                         stdout=out, stderr=out)
started.append(p)


def lines(path):
    with open(path, errors="replace") as f:
        return [line for line in f if "the proxy could not be found" in line]


log = os.path.join(d, "coordinator/log/orb.log")
check(wait_for(lambda: os.path.exists(log) and len(lines(log)) >= 2), "a worker's last words are not in orb.log")
p.terminate()
p.wait(20)
check(all(" error worker 0: it ends: the proxy could not be found" in line for line in lines(log)), f"the line does not name its worker: {lines(log)}")
check(lines(errors) == lines(log), f"standard error and orb.log differ:\n{lines(errors)}\n{lines(log)}")
print(f"RESULT: {len(lines(log))} deaths, {len(lines(log))} last words in orb.log, each once on standard error")
