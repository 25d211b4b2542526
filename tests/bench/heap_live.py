#!/usr/bin/env python3
"""heap_live.py ORB [SECONDS] - on a living crawl of the synthetic web, each second: do the Pages, Fetches, Hosts and Jobs that the census
finds equal what the worker's own books say is in flight, is every reference accounted for, and how many bytes live outside a named domain?
Prints rows as `scripts/bench memory` does."""
import json, subprocess, sys, tempfile, time

orb, seconds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
with tempfile.TemporaryDirectory(prefix="orb-bench-") as tmp:
    synth = subprocess.Popen([orb, "synth", "--hosts", "40", "--pages", "4000", "--hosts-file", f"{tmp}/hosts"], stdout=subprocess.PIPE, text=True)
    port = int(synth.stdout.readline().split(":")[1].split(";")[0])
    crawl = subprocess.Popen([orb, "crawl", f"http://h0.synth.test:{port}/", "-o", f"{tmp}/crawl", "--hosts-file", f"{tmp}/hosts", "--allow-private",
                              "127.0.0.0/8", "--scope", "domain", "--contact", "bench@example.invalid", "--workers", "2", "--delay", "5ms", "--ip-delay", "0",
                              "--dashboard", "off", "-q"], stderr=subprocess.DEVNULL)

    def ask(slot, what):
        r = subprocess.run([orb, "heap", f"{tmp}/crawl", slot, what, "--json"], capture_output=True, text=True)
        return json.loads(r.stdout) if r.returncode == 0 else None

    n_looks = n_unequal = n_unexplained = 0
    most, worst = {}, 0.0
    try:
        time.sleep(3)
        for i in range(seconds):
            for slot in "0", "1":
                census, roots, domains = ask(slot, "types"), ask(slot, "roots"), ask(slot, "domains")
                if census is None or roots is None or domains is None:
                    continue
                n_looks += 1
                n_unexplained += roots["n_unexplained"] > 0
                n_unequal += any(row["live"] != row["expected"] for row in census["balance"])
                for row in census["balance"]:
                    most[row["type"]] = max(most.get(row["type"], 0), row["live"])
                worst = max(worst, domains["outside_bytes"] / max(1, domains["live_bytes"] + domains["start_bytes"] + domains["outside_bytes"]))
            time.sleep(1)
    finally:
        crawl.terminate()
        crawl.wait()
        synth.terminate()
        synth.wait()
    print(f"{'census against the books, each second':44} {n_looks - n_unequal} of {n_looks} looks equal "
          f"(at most {', '.join(f'{n} {t}' for t, n in most.items())})   target: all   {'pass' if n_looks > 0 and n_unequal == 0 else 'MISS'}")
    print(f"{'references that nobody accounts for':44} {n_unexplained} of {n_looks} looks   target: 0   {'pass' if n_unexplained == 0 else 'MISS'}")
    print(f"{'live bytes outside a named domain, at most':44} {100 * worst:.2f} %   target: <= 2 %   {'pass' if worst <= 0.02 else 'MISS'}")
