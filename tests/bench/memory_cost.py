#!/usr/bin/env python3
"""memory_cost.py ORB PLAIN_ORB [HOSTS] - what the whole memory runtime costs: instructions per page of one worker (callgrind, a whole crawl of
a small synthetic web: always the same pages) beside a build with plain malloc, no census and no collector (cmake -DORB_PLAIN_MEMORY=ON)."""
import os, re, subprocess, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
orbs, hosts = sys.argv[1:3], int(sys.argv[3]) if len(sys.argv) > 3 else 4


def instructions(orb, extra):
    with tempfile.TemporaryDirectory(prefix="orb-bench-") as tmp:
        synth = subprocess.Popen([orbs[0], "synth", "--hosts", str(hosts), "--pages", "100", "--large", "300000", "--hosts-file", f"{tmp}/hosts"], stdout=subprocess.PIPE, text=True)
        port = int(synth.stdout.readline().split(":")[1].split(";")[0])
        shim, out = f"{tmp}/shim.so", f"{tmp}/crawl/pages/callgrind.out"
        subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", shim, f"{here}/under_callgrind.c", "-ldl"], check=True)
        subprocess.run([orb, "crawl", f"http://h0.synth.test:{port}/", "-o", f"{tmp}/crawl", "--hosts-file", f"{tmp}/hosts", "--allow-private",
                        "127.0.0.0/8", "--scope", "domain", "--contact", "bench@example.invalid", "--workers", "1", "--delay", "0", "--ip-delay", "0",
                        "--retry-delay", "200ms", "--retry-max", "1s", "--dashboard", "off", "-q", "--page-cache", "none", *extra], stderr=subprocess.DEVNULL, check=False,
                       env={**os.environ, "LD_PRELOAD": shim, "CALLGRIND_OUT": out})
        synth.terminate()
        synth.wait()
        sql = subprocess.run([orb, "sql", f"{tmp}/crawl", "select count(*) from page"], capture_output=True, text=True).stdout
        n = int(re.findall(r"\d+", sql)[-1])
        if os.path.exists(out):
            return int(re.findall(r"^(?:totals|summary): (\d+)", open(out).read(), re.M)[-1]) / max(n, 1), n
    raise SystemExit("memory_cost: callgrind wrote nothing of the worker")


with_runtime, n = instructions(orbs[0], [])
plain, m = instructions(orbs[1], ["--trace-mean", "none"])
ratio = with_runtime / plain - 1
print(f"{'instructions per page, runtime always on':44} {with_runtime:,.0f} ({n} pages) against {plain:,.0f} ({m} pages), {100 * ratio:+.2f} %   "
      f"target: <= +3 %   {'pass' if ratio <= 0.03 else 'MISS'}")
