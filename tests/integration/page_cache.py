#!/usr/bin/env python3
# budget: 180
# waits
"""The cache of parsed pages changes nothing but the work: the same crawl of the synthetic web with it and without it stores the
same rows and the same links; asked again, pages that were not modified stay."""
import json, sqlite3, subprocess
from synthweb import *

hosts, pages = (16, 400) if LONG else (8, 150)
web = Web(hosts, pages)
COLUMNS = "url, outcome, status, content_type, charset, title, description, language, simhash, body_bytes, hex(digest), hex(links), redirect_to"


def crawl(name, *extra):
    out = f"{TMP}/{name}"
    r = subprocess.run(web.command(out, "--delay", "0", "--ip-delay", "0", "--check-heap", *extra), capture_output=True, text=True, timeout=280)
    check(r.returncode == 0, f"{name}: exit code {r.returncode}: {r.stderr[-1500:]}")
    check_audit(out)
    return out, r.stderr


def rows(out):
    db = sqlite3.connect(f"file:{out}/pages/pages.db?mode=ro", uri=True)
    return {row[0]: row for row in db.execute(f"select {COLUMNS} from page where status = 200 and outcome = 'ok'")}


def known(text):
    lines = [line for line in text.splitlines() if "page cache: " in line]
    return int(lines[-1].split("page cache: ")[1].split(" of ")[0]) if lines else 0


with_it, text = crawl("with")
n_known = known(text)
check(n_known > 0, "no body was known: " + text[-800:])
without, text = crawl("without", "--page-cache", "none")
check(known(text) == 0, "a cache that is off knows something")
a, b = rows(with_it), rows(without)
check(a.keys() == b.keys() and len(a) > hosts * pages / 4, f"{len(a)} and {len(b)} pages")
different = [url for url in a if a[url] != b.get(url)]
check(not different, f"{len(different)} rows differ: {[(x, y) for u in different[:2] for x, y in zip(a[u], b[u]) if x != y]}")

again, text = crawl("with", "--refetch")
c = rows(again)
check(all(c[u][6:] == a[u][6:] for u in c), "asking again changed a row")
web.stop()
finish(f"{len(a)} pages stored the same, {n_known} of them not parsed")
