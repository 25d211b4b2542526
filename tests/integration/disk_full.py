#!/usr/bin/env python3
# budget: 90
"""A full disk: the crawl pauses and says so, loses nothing, and goes on by itself when there is room."""
import os
from lib import *

if os.geteuid() != 0:
    skip("needs root to mount a small disk")
disk = os.path.join(TMP, "disk")
os.makedirs(disk)
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "none", disk]).returncode != 0:
    skip("cannot mount a small disk here")
web = Web(hosts=4, pages=300, size=20000)
try:
    d = os.path.join(disk, "crawl")
    ballast = os.path.join(disk, "ballast")
    p = start_crawl(d, "--delay", "5ms", "--workers", "2", "-s", web.seeds())
    check(wait_for(lambda: len(web.log()) > 50), "the crawl did not start\n" + crawl_log()[-2000:])
    with open(ballast, "wb") as f:
        try:
            while True:
                f.write(b"\0" * (1 << 20))
                f.flush()
        except OSError:
            pass
    check(wait_for(lambda: "disk" in crawl_log() and "full" in crawl_log(), 40), "a full disk was not noticed\n" + crawl_log()[-2000:])
    check(p.poll() is None, "the crawl ended on a full disk\n" + crawl_log()[-2000:])
    time.sleep(2)
    check(status(d)["state"].startswith("paused"), "the state does not say paused: " + status(d)["state"])
    os.unlink(ballast)
    code = p.wait(60)
    check(code == 0, f"exit code {code}\n" + crawl_log()[-3000:])
    audit(d)
    done = query(d, "select count(*) from page where status = 200")[0][0]
    check(done == 1200, f"{done} rows, want 1200")
    print("RESULT: paused, went on, 1200 of 1200 pages")
finally:
    web.close()
    subprocess.run(["umount", "-l", disk])
