#!/usr/bin/env python3
# budget: 30
"""--hosts-file from a pipe: read once by the coordinator, good for every worker, also for one that is started later."""
import os, signal, subprocess, threading
from lib import *

web = Web(hosts=2, pages=60)
try:
    hosts = "".join(f"{web.address(i)} h{i}.pipe.test\n" for i in range(2))
    seeds = [f"http://h{i}.pipe.test:{web.port}/" for i in range(2)]

    d = os.path.join(TMP, "crawl-stdin")
    r = subprocess.run(crawl_command(d, "--hosts-file", "/dev/stdin", "--workers", "2", "--delay", "1ms", "--ip-delay", "0", *seeds),
                       input=hosts, capture_output=True, text=True, timeout=60)
    check(r.returncode == 0, f"exit code {r.returncode}:\n{r.stderr[-2000:]}")
    check(query(d, "select count(*) from page where status = 200") == [(120,)], "not every page of the two names was stored:\n" + r.stderr[-2000:])

    d = os.path.join(TMP, "crawl-fifo")
    fifo = os.path.join(TMP, "hosts-fifo")
    os.mkfifo(fifo)
    threading.Thread(target=lambda: open(fifo, "w").write(hosts), daemon=True).start()
    p = start_crawl(d, "--hosts-file", fifo, "--workers", "1", "--delay", "20ms", "--ip-delay", "0", seeds[0])
    workers = wait_for(lambda: len(web.log()) > 140 and workers_of(p.pid))
    check(workers, "the crawl with a FIFO asks nothing\n" + crawl_log()[-2000:])
    os.kill(workers[0], signal.SIGKILL)
    orb("add", d, seeds[1]) # a name that no worker has looked up yet
    check(p.wait(60) == 0, "the crawl with a FIFO failed\n" + crawl_log()[-2000:])
    check(query(d, "select count(*) from page where status = 200") == [(120,)], "a worker that came later had no hosts file")
    gone = subprocess.run(crawl_command(os.path.join(TMP, "crawl-dir"), "--hosts-file", TMP, seeds[0]), capture_output=True, text=True, timeout=30)
    check(gone.returncode == 2 and "--hosts-file" in gone.stderr, f"a folder as hosts file: {gone.returncode} {gone.stderr[-500:]}")
    print("RESULT: 120 pages by a hosts file that was read once, in two ways")
finally:
    web.close()
