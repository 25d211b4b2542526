#!/usr/bin/env python3
# budget: 240
# long-budget: 1200
"""kill -9 of a random worker every second, and of the coordinator (also while its workers are stopped): nothing is lost,
nothing is stored twice, no host is asked too soon, and no more is asked again than the kills can explain.

Long form: 60 worker kills at --delay 500, five kills of the coordinator; short: 10, at --delay 200, two.
"""
import os, random, signal, subprocess, sys, time
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from synthweb import LONG, TMP, Web, check, check_audit, check_pages, check_politeness, count_by_url, finish

HOSTS, PAGES, DELAY_MS, WORKER_KILLS, COORDINATOR_KILLS = (56, 130, 500, 60, 5) if LONG else (52, 50, 200, 10, 2)
IN_FLIGHT, BATCH = 64, 200   # of one worker: --concurrency, and rows of an uncommitted batch
rng = random.Random(7)
web = Web(HOSTS, PAGES, "--addresses", str(HOSTS))
out = f"{TMP}/crawl"
command = web.command(out, "--delay", str(DELAY_MS))
log = open(f"{TMP}/crawl.log", "w")


def start():
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def workers_of(pid):
    try:
        return [int(p) for p in open(f"/proc/{pid}/task/{pid}/children").read().split()]
    except OSError:
        return []


def kill(pid, sig=signal.SIGKILL):
    try:
        os.kill(pid, sig)
        return True
    except ProcessLookupError:
        return False


n_killed = 0
coordinator = start()
try:
    time.sleep(2)
    for _ in range(WORKER_KILLS):
        workers = workers_of(coordinator.pid)
        if workers and kill(rng.choice(workers)):
            n_killed += 1
        time.sleep(1)
        if not check(coordinator.poll() is None, f"the coordinator ended by itself: {coordinator.returncode}"):
            break
    for i in range(COORDINATOR_KILLS):
        workers = workers_of(coordinator.pid)
        if i % 2 == 1:
            for pid in workers:
                kill(pid, signal.SIGSTOP)
        check(coordinator.poll() is None, f"the crawl was over before kill {i + 1} of the coordinator: give it more pages")
        kill(coordinator.pid)
        coordinator.wait()
        n_killed += max(1, len(workers))
        coordinator = start()
        time.sleep(3)
    code = coordinator.wait(timeout=900 if LONG else 150)
    check(code == 0, f"orb crawl exits {code}")
    want = web.expected()
    n = check_pages(out, want)
    check_audit(out)
finally:
    if coordinator.poll() is None:
        kill(coordinator.pid)
        coordinator.wait()
    web.stop()
    log.close()
n_requests, _ = check_politeness(web, DELAY_MS)
# What is asked without any kill: every URL once, robots.txt (and its redirect) of every host, and what fails on purpose
first_times, robots, attempts = 4 * HOSTS, 2 * HOSTS, 3 * HOSTS
plain = len(want) + first_times + robots + attempts
check(n_requests <= plain + n_killed * (IN_FLIGHT + BATCH), f"{n_requests} requests, {plain} without kills, {n_killed} kills")
again = sum(n - 1 for (host, path), n in count_by_url(web).items() if path.startswith(("/p/", "/old/", "/mirror/")))
if os.environ.get("ORB_TEST_VERBOSE") or not check(again <= n_killed * IN_FLIGHT, f"{again} pages asked for again after {n_killed} kills"):
    print(open(f"{TMP}/crawl.log").read()[-4000:])
finish(f"{n} pages after {n_killed} killed processes; {again} asked for again, {n_requests} requests")
