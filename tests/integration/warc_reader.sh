#!/bin/bash
# budget: 120
# WARC files read by an independent reader, before and after kills (npm warcio, from the shared conformance folder).
set -euo pipefail
[[ -n ${ORB_SHARED:-} && -x $ORB_SHARED/conformance/warc/warc-check ]] || { echo "skipped: no shared test data"; exit 77; }
here=$(dirname "$(readlink -f "$0")")
cp -r "$ORB_SHARED/conformance/warc" "$TMPDIR/warc"
chmod -R u+w "$TMPDIR/warc"
cache="$ORB_TOP/build/npm-warcio"
if [[ -d $cache/node_modules ]]; then cp -r "$cache/node_modules" "$TMPDIR/warc/"; else echo "skipped: npm warcio is not installed (scripts/test installs it)"; exit 77; fi
python3 - <<PY
import os, sys
sys.path.insert(0, "$here")
from lib import *
web = Web(hosts=3, pages=200, meta_robots=["", "noarchive", "noindex", ""])
try:
    d = os.path.join(TMP, "crawl")
    p = start_crawl(d, "--delay", "1ms", "--workers", "2", "-s", web.seeds())
    check(wait_for(lambda: len(web.log()) > 100), "the crawl did not start")
    for w in workers_of(p.pid):
        os.kill(w, signal.SIGKILL)
    time.sleep(0.5)
    os.kill(p.pid, signal.SIGKILL)
    p.wait()
    time.sleep(0.5)
    crawl(d, "--delay", "1ms", "--workers", "2", "-s", web.seeds())
    audit(d)
finally:
    web.close()
PY
"$TMPDIR/warc/warc-check" "$TMPDIR"/crawl/warc/*.warc.gz | tail -5
echo "RESULT: $(ls "$TMPDIR"/crawl/warc | wc -l) WARC files are valid for an independent reader"
