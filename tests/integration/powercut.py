#!/usr/bin/env python3
# budget: 90
# waits
"""A power cut: at a random moment every file is copied with its un-synced tail cut; the crawl goes on from the copy."""
import glob, os, random, shutil
from lib import *

hosts, pages = 8, 300
seed = int(os.environ.get("ORB_SEED", random.randrange(1 << 30)))
random.seed(seed)
print("seed", seed)
library, log = os.path.join(TMP, "synced.so"), os.path.join(TMP, "sync.log")
subprocess.run(["cc", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "synced.c"), "-ldl"], check=True)


def synced_sizes():
    sizes = {}
    if os.path.exists(log):
        for line in open(log):
            size, path = line.rstrip("\n").split(" ", 1)
            sizes[path] = int(size) # a file can shrink: the last word counts
    return sizes


def cut_copy(source, target):
    sizes, n_cut = synced_sizes(), 0
    for folder, _, files in os.walk(source):
        os.makedirs(os.path.join(target, os.path.relpath(folder, source)), exist_ok=True)
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith("-shm") or not os.path.isfile(path):
                continue
            data = open(path, "rb").read()
            keep = min(len(data), sizes.get(os.path.realpath(path), 0))
            n_cut += len(data) - keep
            open(os.path.join(target, os.path.relpath(path, source)), "wb").write(data[:keep])
    return n_cut


def check_kept(source, target):
    """What the crawl was told is whole, and so are the names of what it made at its start."""
    for name in ("seeds", "key-rules"):
        told, kept = (open(os.path.join(at, "coordinator", name), "rb").read() for at in (source, target))
        check(told == kept, f"coordinator/{name} has {len(kept)} of {len(told)} bytes after the cut")
    synced = synced_sizes()
    for folder in (os.path.dirname(source), source, os.path.join(source, "coordinator")):
        check(os.path.realpath(folder) in synced, f"the names in {folder} were never synced")


web = Web(hosts=hosts, pages=pages, meta_robots=["", "noarchive", "noindex", ""])
try:
    total_cut = 0
    for round_ in range(3 if LONG else 2):
        d, after = os.path.join(TMP, f"crawl{round_}"), os.path.join(TMP, f"after{round_}")
        p = start_crawl(d, "--delay", "20ms", "--workers", "2", "-s", web.seeds(), env={"LD_PRELOAD": library, "SYNC_LOG": log})
        check(wait_for(lambda: len(workers_of(p.pid)) == 2, 30), "the workers did not start\n" + crawl_log()[-2000:])
        time.sleep(random.uniform(1.5, 5))
        stopped = [p.pid] + workers_of(p.pid)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        total_cut += cut_copy(d, after)
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)
        p.wait()
        check_kept(d, after)
        crawl(after, "--delay", "20ms", "--workers", "2", "-s", web.seeds(), timeout=60)
        audit(after)
        done = query(after, "select count(*), count(distinct url) from page where status = 200")[0]
        check(done == (hosts * pages, hosts * pages), f"{done} rows, want {hosts * pages}")
    print(f"RESULT: {total_cut} un-synced bytes cut in all, every page there afterwards")
finally:
    web.close()
