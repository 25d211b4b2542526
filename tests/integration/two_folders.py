#!/usr/bin/env python3
# budget: 60
"""Workers that Landlock grants DIR/pages and DIR/warc and nothing else, not even reading /etc, crawl all the same."""
import os
from lib import *

library = os.path.join(TMP, "strict.so")
subprocess.run(["cc", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "strict_landlock.c"), "-ldl"], check=True)
web = Web(hosts=2, pages=120)
try:
    d = os.path.join(TMP, "crawl")
    p = start_crawl(d, "--delay", "0", "--workers", "2", "-s", web.seeds(), env={"LD_PRELOAD": library})
    code = p.wait(50)
    log = crawl_log()
    if "no Landlock" in log:
        skip("no Landlock in this kernel")
    check(code == 0, f"exit code {code}\n" + log[-2000:])
    check(log.count("strict: in the sandbox") >= 2 and "strict: rule left out" in log, "the workers' sandbox was not made strict\n" + log[-2000:])
    check("could not be entered" not in log, "the sandbox was not entered")
    audit(d)
    done = query(d, "select count(*) from page where status = 200")[0][0]
    check(done == 240, f"{done} rows, want 240")
    print("RESULT: 240 pages by workers that may touch two folders only")
finally:
    web.close()
