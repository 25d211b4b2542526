#!/usr/bin/env python3
# budget: 120
# long-budget: 260
"""Every fsync takes 3 s longer (1 s in the short run): no worker is taken for hung, and orb status answers at once."""
import os
from lib import *

sleep_ms = "3000" if LONG else "1000"
library = os.path.join(TMP, "synced.so")
subprocess.run(["cc", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "synced.c"), "-ldl"], check=True)
web = Web(hosts=4, pages=200)
try:
    d = os.path.join(TMP, "crawl")
    p = start_crawl(d, "--delay", "20ms", "--workers", "2", "-s", web.seeds(), env={"LD_PRELOAD": library, "SYNC_SLEEP_MS": sleep_ms})
    check(wait_for(lambda: os.path.exists(os.path.join(d, "coordinator/orb.sock")) and len(workers_of(p.pid)) == 2, 60), "the crawl did not start\n" + crawl_log()[-2000:])
    n_answers, slowest, until = 0, 0.0, time.monotonic() + 60
    request = b'{"cmd":"status"}\n'
    while time.monotonic() < until and p.poll() is None:
        s = socket.socket(socket.AF_UNIX)
        begun = time.monotonic()
        s.settimeout(1)
        answer = b""
        try:
            s.connect(os.path.join(d, "coordinator/orb.sock"))
            s.sendall(request)
            while not answer.endswith(b"\n"):
                part = s.recv(65536)
                check(part or p.poll() is not None or n_answers > 5, "the connection was closed without an answer")
                if not part:
                    break
                answer += part
        except TimeoutError:
            fail("orb.sock was open and nobody answered for a second")
        except OSError:
            check(n_answers > 5, "orb status cannot be asked")
        if not answer.endswith(b"\n"):
            break # the crawl has come to its end
        n_answers += 1
        slowest = max(slowest, time.monotonic() - begun)
        s.close()
        deaths = sum(w["deaths"] for w in json.loads(answer)["workers"])
        check(deaths == 0, "a worker was reaped")
        time.sleep(0.1)
    orb("stop", d, want=None)
    code = p.wait(90)
    check(code in (0, 3), f"exit code {code}\n" + crawl_log()[-2000:])
    check("no sign of life" not in crawl_log(), "a worker was taken for hung")
    audit(d)
    check(slowest < 0.1, f"orb status took {slowest * 1000:.0f} ms")
    print(f"RESULT: slowest of {n_answers} answers {slowest * 1000:.1f} ms, {len(web.log())} requests")
finally:
    web.close()
