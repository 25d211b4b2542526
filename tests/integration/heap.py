#!/usr/bin/env python3
# budget: 180
"""orb heap against a living crawl of the synthetic web: every question, as JSON and as a table; pictures; every reference
accounted for at every look, and what lives equal to what the crawl's own books say; workers that are stuck or killed while
they are asked."""
import json, os, shutil, signal, subprocess, time
from synthweb import *

out = f"{TMP}/crawl"
web = Web(12, 4000)
crawl = subprocess.Popen(web.command(out, "--delay", "20ms", "--ip-delay", "0", "--check-heap", "--collect-every", "100 pages"),
                         stdout=open(f"{TMP}/crawl.log", "w"), stderr=subprocess.STDOUT)


def orb(*arguments, timeout=30):
    return subprocess.run([ORB, *arguments], capture_output=True, text=True, timeout=timeout)


def ask(*arguments):
    r = orb("heap", out, *arguments, "--json")
    if not check(r.returncode == 0, f"orb heap {' '.join(arguments)}: exit code {r.returncode}: {r.stderr[-500:]}"):
        return {}
    return json.loads(r.stdout)


def refused(words, *arguments, code=1):
    r = orb("heap", *arguments)
    check(r.returncode == code and words in r.stderr, f"orb heap {' '.join(arguments)}: want {code} and \"{words}\", got {r.returncode}: {r.stderr[-500:]}")


def status():
    r = orb("status", out, "--json")
    return json.loads(r.stdout) if r.returncode == 0 else {}


def wait_for(what, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.05)
    return False


def pid_of(slot):
    return status()["workers"][slot]["pid"]


try:
    check(wait_for(lambda: status().get("pages", 0) > 200), "nothing is crawled: " + open(f"{TMP}/crawl.log").read()[-2000:])

    # every question has an answer, in both forms
    census = ask("0", "census")["census"]
    check(census["n_objects"] == sum(r["n"] for r in census["rows"]) and census["rows"], f"a census that does not add up: {census}")
    check({"Host", "Robots", "Rule"} <= {r["type"] for r in census["rows"]}, f"types are missing: {census['rows']}")
    check(all(sum(r["n_by_age"]) == r["n"] for r in census["rows"]), "ages do not add up")
    check(all(r["oldest_s"] < 120 for r in census["rows"]), f"older than the crawl: {census['rows']}")
    check(ask("0", "types").keys() == ask("0", "sites").keys(), "types and sites are not the census")
    domains = ask("0", "domains")
    check(sum(d["live_bytes"] for d in domains["domains"]) > 0 and len(domains["domains"]) >= 15, f"domains: {domains}")
    pools = ask("0", "pools")["pools"]
    check({"curl handles", "requests", "parse", "html", "statements", "libdeflate", "bodies of 4 KiB", "bodies of 256 KiB"} <= {p["pool"] for p in pools}, f"pools are missing: {pools}")
    for p in pools:
        check(p["n_overdue"] == 0 and p["overdue"] == [], f"not put back: {p}")
        check({"in_use", "idle", "high_water", "hits", "misses", "trims", "refused"} <= p.keys(), f"figures are missing: {p}")
    for name in "curl handles", "requests", "parse", "statements", "bodies of 4 KiB":
        check(sum(p["hits"] for p in pools if p["pool"] == name) > 0, f"nothing of {name} served again: {pools}")
    gc = ask("0", "gc")
    check(len(gc["generations"]) == 3 and gc["collect_every"]["pages"] == 100 and gc["collect_every"]["collections"] > 0, f"gc: {gc}")
    check(all(t["collected"] == 0 for t in gc["types"]), f"the collector had to free something: {gc['types']}")
    retained = ask("0", "retained")
    check({"types", "top"} <= retained.keys() and retained["top"], f"retained: {retained}")
    check("hosts" in ask("0", "errors"), "errors have no hosts")
    check("collected" in ask("0", "collect"), "collect tells no yield")
    check("history" in ask("0", "diff", "--since", "1h"), "diff has no past")
    for what in "types sites census diff domains pools gc roots retained errors collect graph".split():
        for slot in "0", "1", "coordinator":
            r = orb("heap", out, slot, what)
            check(r.returncode == 0 and len(r.stdout) > 20, f"orb heap {slot} {what}: exit code {r.returncode}: {r.stdout}{r.stderr}")
            check("\033" not in r.stdout, "colours where there is no terminal")

    # every reference is accounted for, whenever one looks; what lives is what the books say
    for i in range(12):
        slot = str(i % 2)
        roots = ask(slot, "roots")
        check(roots["n_unexplained"] == 0, f"references that nobody accounts for: {roots['unexplained']}")
        for row in ask(slot, "types")["balance"]:
            check(row["live"] == row["expected"], f"worker {slot}: {row}")
    check({"worker.leases", "cache.kept"} <= {r["root"] for r in ask("0", "roots")["roots"]}, "roots are missing")

    # one object
    chain = ask("0", "chain", "Host")
    check(chain["root"] == "worker.leases" and chain["chain"][-1]["type"] == "Host", f"chain: {chain}")
    robots = ask("0", "referents", chain["chain"][-1]["address"])
    if robots:   # the host may have left since
        check("Robots" in {o["type"] for o in robots["referents"]}, f"referents: {robots}")
    check(ask("0", "referrers", "Rule")["n"] >= 1, "nobody holds a Rule")
    check(ask("0", "retained", "ParsedPage")["retained_bytes"] > 0, "a ParsedPage retains nothing")
    chain = ask("0", "chain", "Link")["chain"]
    check([o["type"] for o in chain[-2:]] == ["ParsedPage", "Link"] and chain[-1]["what"].startswith("<"), f"chain of a Link: {chain}")
    check({"ParsedPage", "Link"} <= {row["type"] for row in ask("0", "types")["balance"]}, "no books of Links")

    # pictures
    graph = ask("0", "graph", "--depth", "3")
    check(graph["nodes"] and graph["edges"], f"graph: {graph}")
    dot = orb("heap", out, "0", "graph", "Host", "--referrers", "--format", "dot").stdout
    check(dot.startswith("digraph") and "worker.leases" in dot, "no DOT: " + dot[:300])
    picture = orb("heap", out, "0", "graph", "--format", "svg", "-o", f"{TMP}/graph.svg")
    if shutil.which("dot"):
        check(picture.returncode == 0 and "<svg" in open(f"{TMP}/graph.svg").read(), "no SVG: " + picture.stderr)
    else:
        check(picture.returncode == 1 and "apt install graphviz" in picture.stderr, "Graphviz is missing, and that is not said: " + picture.stderr)
    no_dot = subprocess.run([ORB, "heap", out, "0", "graph", "--format", "png"], capture_output=True, text=True, env={"PATH": "/nowhere"})
    check(no_dot.returncode == 1 and "apt install graphviz" in no_dot.stderr, "Graphviz is not there, and that is not said: " + no_dot.stderr)

    # stacks
    r = orb("heap", out, "0", "magnify", "1", "--json")
    if r.returncode == 0:
        check(json.loads(r.stdout)["mean_bytes"] == 65536, "magnify does not: " + r.stdout)
        check("for 1 minute\n" in orb("heap", out, "0", "magnify", "1").stdout, "for 1 minutes")
        time.sleep(2)
        check("stacks" in ask("0", "trace"), "no stacks")
        check(orb("heap", out, "0", "trace").returncode == 0, "trace has no table")
        check(orb("heap", out, "0", "trace", "--format", "folded").returncode == 0, "trace is not folded")
        pprof = orb("heap", out, "0", "trace", "--format", "pprof", "-o", f"{TMP}/heap.pb")
        check(pprof.returncode == 0 and os.path.getsize(f"{TMP}/heap.pb") > 0, "no pprof: " + pprof.stderr)
        check(ask("0", "magnify", "0")["mean_bytes"] > 65536, "magnify does not end")
    else:
        check("libunwind" in r.stderr, "magnify: " + r.stderr)

    # questions that cannot be answered say what can be done
    refused("this crawl has workers 0 to 1", out, "7")
    refused("types here: ", out, "0", "chain", "Nonsense")
    refused("no object lives at", out, "0", "chain", "0x1234")
    refused("of what?", out, "0", "referrers", code=2)
    refused("there is no question", out, "0", "everything", code=2)
    refused("which process?", out, "everything", code=2)
    for option in (["--since", "1h"], ["--depth", "3"], ["--nodes", "9"], ["--referrers"], ["--all"], ["--format", "dot"]):
        refused('"types"', out, "0", "types", *option, code=2)
    refused('"graph", "chain" does not use it', out, "0", "chain", "Host", "--depth", "2", code=2)
    refused("--referrers of what?", out, "0", "graph", "--referrers", code=2)
    refused("which of them?", out, "0", "graph", "--json", "--format", "dot", code=2)
    refused("--json has every row", out, "0", "domains", "--json", "--all", code=2)
    refused("allowed: dot|json|svg|png", out, "0", "graph", "--format", "gif", code=2)
    refused("no crawl is running", TMP, "0")
    refused("which process?", out, "4294967296", code=2)  # not worker 0
    refused("/nowhere/x cannot be written", out, "0", "domains", "-o", "/nowhere/x")
    refused("/nowhere/x cannot be written", out, "0", "graph", "--format", "svg", "-o", "/nowhere/x")
    with open("/dev/full", "w") as full:
        r = subprocess.run([ORB, "heap", out, "0", "types"], stdout=full, stderr=subprocess.PIPE, text=True)
    check(r.returncode == 1 and "standard output cannot be written" in r.stderr, f"a table that went nowhere: {r.returncode} {r.stderr}")
    table = orb("heap", out, "0", "domains", "-o", f"{TMP}/domains.txt")
    check(table.returncode == 0 and table.stdout == "" and "sqlite" in open(f"{TMP}/domains.txt").read(), "-o writes no table")
    some, every = (orb("heap", out, "0", "domains", *more).stdout.splitlines() for more in ([], ["--all"]))
    hidden = [int(line.split()[0][1:]) for line in some if "not shown: --all" in line]
    check(len(hidden) == 1 and len(every) == len(some) - 1 + hidden[0], f"rows of zeros: {len(some)} lines, {len(every)} with --all, {hidden} hidden")
    shown = {line.split()[0] for line in some if line}
    check({d["domain"] for d in ask("0", "domains")["domains"] if d["live_bytes"] > 0} <= shown, f"domains that are in use are not shown: {some}")
    check("the past begins there, 2.0 h were asked for" in orb("heap", out, "0", "diff", "--since", "2h").stdout, "diff does not say that the past is shorter")
    help_text = orb("heap", "--help").stdout
    check(all(word in help_text for word in ("census", "magnify", "promised", "--referrers", "a session")), "the help does not help")

    # the cache of parsed pages: mirrors are on the web
    cache = status()["page_cache"]
    check(cache["hits"] > 0 and cache["misses"] > 0, f"no body was known: {cache}")
    check("page cache" in orb("status", out).stdout, "orb status does not tell of the cache")

    # a worker that is stuck: said after some seconds; then killed while it is asked: said at once
    pid = pid_of(1)
    os.kill(pid, signal.SIGSTOP)
    refused("has not come to a safe point", out, "1", "types")
    asking = subprocess.Popen([ORB, "heap", out, "1", "graph"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    refused("somebody else's question", out, "1", "gc")
    os.kill(pid, signal.SIGKILL)
    text = asking.communicate(timeout=20)[1]
    check(asking.returncode == 1 and "ended before it had answered" in text, "a worker that dies under a question: " + text)
    check(wait_for(lambda: orb("heap", out, "1", "types").returncode == 0), "the new worker does not answer")

    orb("stop", out)
    check(crawl.wait(40) == 3, "orb stop should end with exit code 3")
    check_audit(out)
    check("page cache:" in open(f"{TMP}/crawl.log").read(), "the end of a crawl does not tell of the cache")
    finish("all questions answered, every reference accounted for")
finally:
    if crawl.poll() is None:
        crawl.kill()
        crawl.wait()
    web.stop()
