#!/usr/bin/env python3
# budget: 60
"""A small web: every page once, robots obeyed, rows and records and books agree, a second start finds nothing to do."""
import os
from lib import *

web = Web(hosts=3, pages=40)
try:
    d = os.path.join(TMP, "crawl")
    crawl(d, "--delay", "0", "--per-host", "4", "-s", web.seeds())
    asked = [(a, p) for _, a, p, _, _ in web.log()]
    check(len(asked) == len(set(asked)), "a URL was asked twice: " + str([x for x in set(asked) if asked.count(x) > 1][:3]))
    check(not any(p.startswith("/private/") for _, p in asked), "robots.txt was not obeyed")
    pages = {(a, p) for a, p in asked if p != "/robots.txt"}
    check(len(pages) == 3 * 40, f"{len(pages)} pages were asked, want 120")
    check(query(d, "select count(*) from page where status = 200")[0][0] == 120, "120 rows expected")
    check(query(d, "select count(*) from page where title like 'page % of host %'")[0][0] == 120, "titles are missing")
    check(all(agent.startswith("orbweaver/") and "test@example.invalid" in agent for *_, agent, _ in web.log()), "the user agent does not say who asks")
    excluded = orb("sql", d, "select count(*) from frontier.url where url like '%/private/x'").stdout
    check("3" in excluded, "the disallowed URLs are not in the journal: " + excluded)
    print(audit(d).strip().splitlines()[-1])
    crawl(d, "--delay", "0", "-s", web.seeds())
    check(len(web.log()) == len(asked), "a second start asked again")
    stored = orb("cat", d, web.origin(1) + "/p/7").stdout
    check("page 7 of host 1" in stored, "orb cat does not give the page")
    connections = len({c for *_, c in web.log()})
    print(f"RESULT: 120 pages over {connections} connections")
finally:
    web.close()
