#!/usr/bin/env python3
# budget: 100
# waits
"""Exit codes and bad input: 0 done, 1 failed, 2 usage, 3 stopped; each failure says what, where, and changes nothing."""
import hashlib, os, shutil, sqlite3, threading
from lib import *

web = Web(hosts=1, pages=30)
seed = web.origin(0) + "/"
n_cases = 0


def run(*arguments, stdin=None, timeout=60):
    r = subprocess.run([ORB, *arguments], capture_output=True, text=True, timeout=timeout, input=stdin)
    check("ERROR: AddressSanitizer" not in r.stderr and "runtime error" not in r.stderr, r.stderr[-3000:])
    return r


def case(code, says, *arguments, stdin=None):
    global n_cases
    n_cases += 1
    r = run(*arguments, stdin=stdin)
    said = r.stdout + r.stderr
    check(r.returncode == code, f"orb {' '.join(arguments)}: exit code {r.returncode}, want {code}\n{said[-2000:]}")
    for part in [says] if isinstance(says, str) else says:
        check(part in said, f"orb {' '.join(arguments)} does not say \"{part}\":\n{said[-2000:]}")
    return r


def crawl_args(directory, *arguments):
    return crawl_command(directory, "--delay", "0", "--ip-delay", "0", "--workers", "1", *arguments)[1:]


def tree(directory):
    """Every file and what it holds, apart from the log and from what a reader of a database leaves beside it."""
    found = {}
    for at, dirs, files in os.walk(directory):
        for name in files:
            path = os.path.join(at, name)
            if "/log" not in at and not name.endswith("-shm") and not (name.endswith("-wal") and os.path.getsize(path) == 0):
                with open(path, "rb") as f:
                    found[path] = hashlib.sha256(f.read()).hexdigest()
    return found


def signalled(directory, *signals, seeds, within):
    global n_cases
    n_cases += 1
    p = start_crawl(directory, "--workers", "2", *seeds)
    check(wait_for(lambda: len(workers_of(p.pid)) == 2), "no workers")
    time.sleep(1)
    begun = time.monotonic()
    for s in signals:
        s() if callable(s) else p.send_signal(s)
        time.sleep(0.3)
    try:
        code = p.wait(within)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        fail(f"not ended {within} s after {signals}\n" + crawl_log()[-2000:])
    check(code == 3, f"exit code {code} after {signals}, want 3\n" + crawl_log()[-2000:])
    audit(directory)
    return time.monotonic() - begun


class Tarpit:
    """Takes connections and never answers."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(64)
        self.taken = []
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while True:
            self.taken.append(self.socket.accept())

    def origin(self):
        return "http://127.0.0.1:%d/" % self.socket.getsockname()[1]


try:
    d = lambda name: os.path.join(TMP, name)

    # 2: the command line
    case(2, "usage: orb", )
    case(0, "usage: orb", "--help")
    case(2, "no command", "frobnicate")
    case(2, "--frobnicate", *crawl_args(d("usage"), "--frobnicate", seed))
    case(2, "--workers", *crawl_args(d("usage"), "--workers", "0", seed))
    case(2, "contact", "crawl", "-o", d("usage"), "http://example.invalid/")
    case(2, 'include "(("', *crawl_args(d("usage"), "--include", "((", seed))
    case(2, "no seed could be taken", *crawl_args(d("noseed"), "not a url"))
    case(2, "nothing to crawl", *crawl_args(d("noseed2"), "-s", "/dev/null"))
    case(2, ["is excluded by the crawl's own rules", "nothing to crawl"], *crawl_args(d("excluded"), "--exclude", ".*", seed))
    case(2, ["is excluded by the crawl's own rules", "nothing to crawl"], *crawl_args(d("excluded"), "--include", "/elsewhere/", seed, seed + "p/1"))
    check(web.log() == [], f"an excluded seed was asked for: {web.log()[:3]}")

    case(2, "--dns", *crawl_args(d("usage"), "--dns", "127.0.0.1:53,bogus", seed))
    case(2, "--hosts-file", *crawl_args(d("usage"), "--hosts-file", d("no-such-file"), seed))
    case(2, "--ca-file", *crawl_args(d("usage"), "--ca-file", d("no-such-file"), seed))
    deep = os.path.join(TMP, *["p" * 200] * 2)
    os.makedirs(deep)
    case(1, "choose a shorter one", *crawl_args(os.path.join(deep, "p" * 100), seed))

    # 1: what is there and cannot be used
    case(1, "cannot read the seed file", *crawl_args(d("noseeds"), "-s", d("no-such-file")))
    case(1, "cannot read the seed file", *crawl_args(d("noseeds"), "-s", TMP))
    os.mkdir(d("full"))
    open(os.path.join(d("full"), "letter.txt"), "w").write("mine")
    before = tree(d("full"))
    case(1, "is not empty and holds no crawl", *crawl_args(d("full"), seed))
    check(tree(d("full")) == before, "a folder that is no crawl's was changed")
    open(d("file"), "w").close()
    case(1, "cannot make the folder", *crawl_args(d("file"), seed))
    case(1, "cannot make the folder", *crawl_args("/proc/no-such/dir", seed))
    case(1, "cannot read --key-rules", *crawl_args(d("rules"), "--key-rules", d("no-such-file"), seed))

    # a start that fails leaves what it found: no folder, or an empty one
    for name in ("usage", "noseed", "noseed2", "excluded", "noseeds", "rules"):
        check(not os.path.exists(d(name)), f"a start that failed left {d(name)}: {os.path.exists(d(name)) and sorted(tree(d(name)))}")
    check(os.listdir(deep) == [], "a path that is too long was made nevertheless")
    os.mkdir(d("mine"))
    case(2, "nothing to crawl", *crawl_args(d("mine"), "-s", "/dev/null"))
    check(os.listdir(d("mine")) == [], "a folder that was there, empty, is not as before")

    # 0, and bad lines are named; a path longer than a socket's name
    long_line = "http://127.1.0.1/" + "x" * 200000
    r = case(0, [":2:", "\"not a url\"", ":4:", "a line of over", ":5:"], *crawl_args(d("x" * 150), "-s", "-"),
             stdin=f"\ufeff# seeds\nnot a url\n{seed}\n{long_line}\nftp://127.1.0.1/\n")
    check(query(d("x" * 150), "select count(*) from page where status = 200")[0][0] == 30, "not all pages are there")
    r = case(0, "\"ok\":true", *crawl_args(d("json"), "--json", seed))
    for line in r.stdout.splitlines():
        check(isinstance(json.loads(line), dict), "--json prints something else: " + line)
    for line in r.stderr.splitlines():
        check(isinstance(json.loads(line), dict), "--json logs something else: " + line)
    check("\r" not in r.stderr and "\x1b" not in r.stderr, "a progress line for a terminal went elsewhere")
    good = d("json")
    case(0, "finished", *crawl_args(good, seed))

    # 1: another crawl's folder, and folders that are damaged or newer; nothing is changed
    before = tree(good)
    case(1, ["holds another crawl", "choose another folder"], *crawl_args(good, web.origin(0) + "/other"))
    for name, damage in (("frontier.db", "coordinator/frontier.db"), ("pages.db", "pages/pages.db")):
        for how in ("newer", "corrupt", "no database"):
            copy = d(name + "-" + how.replace(" ", "-"))
            shutil.copytree(good, copy)
            path = os.path.join(copy, damage)
            if how == "newer":
                db = sqlite3.connect(path)
                db.execute("pragma user_version = 999")
                db.commit()
                db.execute("pragma wal_checkpoint(truncate)")
                db.close()
            elif how == "corrupt":
                with open(path, "r+b") as f:
                    f.seek(100)
                    f.write(b"\xa5" * (os.path.getsize(path) - 100))
            else:
                with open(path, "wb") as f:
                    f.write(b"this is a letter, no database\n" * 1000)
            held = hashlib.sha256(open(path, "rb").read()).hexdigest()
            case(1, name, *crawl_args(copy, seed))
            said = [name] + (["newer orb"] if how == "newer" else [])
            for command in (["audit", copy], ["sql", copy, "select count(*) from page"], ["export", copy, "--format", "links"],
                            ["cat", copy, seed], ["why", copy, seed]):
                case(1, said, *command)
            check(hashlib.sha256(open(path, "rb").read()).hexdigest() == held, f"{name} ({how}) was changed")

    # parts that somebody took away: refused where going on would lose what is left, or else said
    for gone, says in (("coordinator/frontier.db", ["coordinator/frontier.db is missing", "30 page(s) and 1 WARC file(s)", "put it back"]),
                       ("pages/pages.db", ["pages/pages.db is missing", "30 URL(s) of this crawl are done", "put it back"]),
                       ("pages", ["pages/pages.db is missing", "put it back"])):
        copy = d("without-" + gone.replace("/", "-"))
        shutil.copytree(good, copy)
        os.rename(os.path.join(copy, gone), d("away"))
        before = tree(copy)
        n_asked = len(web.log())
        case(1, says, *crawl_args(copy, seed))
        check(tree(copy) == before and len(web.log()) == n_asked, f"a crawl without {gone} was changed")
        if os.path.isdir(os.path.join(copy, gone)):
            os.rmdir(os.path.join(copy, gone))
        os.rename(d("away"), os.path.join(copy, gone))
        case(0, "finished", *crawl_args(copy, seed))
        audit(copy)
    os.truncate(os.path.join(copy, "pages/pages.db"), 0) # on purpose, as the refusal says
    case(0, "finished", *crawl_args(copy, seed))
    check(len(web.log()) == n_asked, "what is done was asked for again")
    copy = d("without-warc")
    shutil.copytree(good, copy)
    shutil.rmtree(os.path.join(copy, "warc"))
    case(0, ["1 of 1 WARC files", "are missing", "put them back", "finished"], *crawl_args(copy, seed))
    copy = d("without-seeds")
    shutil.copytree(good, copy)
    os.remove(os.path.join(copy, "coordinator/seeds"))
    case(0, ["coordinator/seeds is missing", "finished"], *crawl_args(copy, seed))
    check("is missing" not in case(0, "finished", *crawl_args(copy, seed)).stderr, "the seeds are still missing")

    # a database whose first page is whole, and the others not: it is met while reading
    copy = d("frontier.db-inside")
    shutil.copytree(good, copy)
    path = os.path.join(copy, "coordinator/frontier.db")
    with open(path, "r+b") as f:
        f.seek(8192)
        f.write(b"\xa5" * (os.path.getsize(path) - 8192))
    for command in (["audit", copy], ["sql", copy, "select count(*) from frontier.url"], ["why", copy, seed]):
        case(1, ["damaged", copy], *command)

    # a second crawl on the same folder waits, then names who holds it
    p = start_crawl(d("held"), "--delay", "500ms", seed)
    check(wait_for(lambda: workers_of(p.pid)), "no worker started")
    r = case(1, ["is in use", str(p.pid)], *crawl_args(d("held"), seed))
    orb("stop", d("held"))
    check(p.wait(40) == 3, "orb stop: exit code 3")

    # 3: stopped, at once if asked twice, whatever a server does
    pit = Tarpit()
    signalled(d("int"), signal.SIGINT, seeds=["--delay", "1s", seed], within=30)
    signalled(d("term"), signal.SIGTERM, seeds=["--delay", "1s", seed], within=30)
    took = signalled(d("twice"), signal.SIGINT, signal.SIGINT, seeds=[pit.origin()], within=8)
    check(took < 5, f"the second SIGINT took {took:.1f} s")
    took = signalled(d("both"), signal.SIGTERM, signal.SIGINT, seeds=[pit.origin()], within=8)
    signalled(d("now"), lambda: orb("stop", "--now", d("now")), seeds=[pit.origin()], within=8)
    r = case(1, "no crawl is running", "status", good)
    check("finished" in r.stdout and " done + " in r.stdout, f"orb status of a crawl that is over shows no books:\n{r.stdout}")
    print(f"RESULT: {n_cases} cases, stopped at once within {took:.1f} s")
finally:
    web.close()
