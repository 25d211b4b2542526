#!/usr/bin/env python3
# budget: 90
"""A crawl over https with HTTP/2 against nginx: connections and TLS sessions are reused, the WARC says h2 and reads back; a
certificate that expired, is for another name, or comes from nobody we trust ends in tls_certificate, without a request."""
import glob, gzip, shutil
from lib import *

nginx = shutil.which("nginx") or "/usr/sbin/nginx"
if not os.path.exists(nginx):
    skip("no nginx")
N, PER_CONNECTION = 1000, 250
port = free_port()
BAD = {"expired.test": "expired", "wrong.test": "wrong", "selfsigned.test": "selfsigned"}


def openssl(*arguments):
    r = subprocess.run(["openssl", *arguments], capture_output=True, text=True, cwd=TMP)
    check(r.returncode == 0, f"openssl {' '.join(arguments)}: {r.stderr}")


def certificate(name, host, start, end):
    """name.pem with its key, signed by the CA of this test."""
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}")
    with open(f"{TMP}/ca.cnf", "w") as f:
        f.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={TMP}/db\nserial={TMP}/serial\nnew_certs_dir={TMP}\ndefault_md=sha256\npolicy=p\n"
                f"unique_subject=no\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:{host}\n")
    openssl("ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", f"{name}.csr", "-out", f"{name}.pem", "-startdate", start, "-enddate", end, "-notext")


def make_certificates():
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test CA")
    open(f"{TMP}/db", "w").close()
    with open(f"{TMP}/serial", "w") as f:
        f.write("01\n")
    now = time.gmtime(time.time() - 86400)
    then = time.gmtime(time.time() + 86400)
    start, end = time.strftime("%Y%m%d%H%M%SZ", now), time.strftime("%Y%m%d%H%M%SZ", then)
    certificate("good", "good.test", start, end)
    certificate("expired", "expired.test", "20200101000000Z", "20200201000000Z")
    certificate("wrong", "other.test", start, end)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "selfsigned.key", "-out", "selfsigned.pem", "-days", "2",
            "-subj", "/CN=selfsigned.test", "-addext", "subjectAltName=DNS:selfsigned.test")


def make_site():
    os.mkdir(f"{TMP}/www")
    with open(f"{TMP}/www/robots.txt", "w") as f:
        f.write("User-agent: *\nDisallow: /private/\n")
    for i in range(N):
        links = "".join(f'<a href="/{k}.html">{k}</a>' for k in (2 * i + 1, 2 * i + 2) if k < N)
        with open(f"{TMP}/www/{i}.html", "w") as f:
            f.write(f"<!doctype html><title>page {i}</title>{links}<p>" + f"text {i} " * (i % 400))


def start_nginx():
    def block(host, certificate):
        return (f"server {{ listen 127.0.0.1:{port} ssl http2; server_name {host}; root {TMP}/www; ssl_certificate {TMP}/{certificate}.pem; "
                f"ssl_certificate_key {TMP}/{certificate}.key; }}\n")
    with open(f"{TMP}/nginx.conf", "w") as f:
        f.write(f"""{"user root;" if os.geteuid() == 0 else ""} daemon off; error_log {TMP}/error.log; pid {TMP}/pid; worker_processes 1;
events {{ worker_connections 128; }}
http {{ log_format c '$connection $ssl_session_reused $server_protocol $status $server_name $request_uri'; access_log {TMP}/access.log c;
  {"".join(f"{k}_temp_path {TMP}/{k}; " for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))}
  types {{ text/html html; text/plain txt; }} gzip on; gzip_types text/html; gzip_min_length 500; keepalive_requests {PER_CONNECTION};
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:1m;
  {block("good.test", "good")} {"".join(block(host, c) for host, c in BAD.items())} }}""")
    p = subprocess.Popen([nginx, "-c", f"{TMP}/nginx.conf", "-p", TMP], stderr=open(f"{TMP}/nginx.err", "w"))
    up = wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 10)
    check(up, "nginx did not start: " + open(f"{TMP}/nginx.err").read()[-500:])
    return p


make_certificates()
make_site()
server = start_nginx()
try:
    hosts_file, seeds = f"{TMP}/hosts", f"{TMP}/seeds.txt"
    with open(hosts_file, "w") as f:
        f.write("".join(f"127.0.0.1 {h}\n" for h in ("good.test", *BAD)))
    with open(seeds, "w") as f:
        f.write(f"https://good.test:{port}/0.html\n" + "".join(f"https://{h}:{port}/1.html\n" for h in BAD))
    d = os.path.join(TMP, "crawl")
    crawl(d, "--hosts-file", hosts_file, "--ca-file", f"{TMP}/ca.pem", "--delay", "0", "--ip-delay", "0", "--workers", "1", "--retries", "1", "-s", seeds, timeout=70)
    time.sleep(0.3)
    with open(f"{TMP}/access.log") as f:
        rows = [line.split() for line in f]
    check(all(r[4] == "good.test" for r in rows), "a host with a bad certificate was asked: " + str([r for r in rows if r[4] != "good.test"][:3]))
    check(len(rows) == N + 1 and all(r[3] == "200" for r in rows), f"{len(rows)} requests for {N} pages and robots.txt")
    check(all(r[2] == "HTTP/2.0" for r in rows), "not all over HTTP/2")
    connections = {}
    for r in rows:
        connections.setdefault(r[0], r[1])
    check(len(connections) <= len(rows) / 100, f"{len(connections)} connections for {len(rows)} requests")
    resumed = [c for c, reused in connections.items() if reused == "r"]
    check(len(connections) >= N // PER_CONNECTION and len(resumed) == len(connections) - 1, f"{len(resumed)} of {len(connections)} connections took up a session")

    pages = dict(query(d, "select url, title from page where outcome = 'ok'"))
    check(pages == {f"https://good.test:{port}/{i}.html": f"page {i}" for i in range(N)}, f"{len(pages)} pages stored")
    for i in (0, 7, 399, N - 1):
        url = f"https://good.test:{port}/{i}.html"
        with open(f"{TMP}/www/{i}.html") as f:
            check(orb("cat", d, url).stdout == f.read(), f"orb cat {url}")
        record = subprocess.run([ORB, "cat", d, url, "--warc"], capture_output=True).stdout
        head, _, rest = record.partition(b"\r\n\r\n")
        check(b"WARC-Protocol: h2" in head and rest.startswith(b"HTTP/1.1 200 "), f"{url}: {record[:400]}")
        check(rest.endswith(b"\r\n\r\n") or len(rest) > 0, f"{url}: the record has no end")
    outcomes = {r["url"]: r["outcome"] for r in map(json.loads, orb("sql", d, "--json", "select url, outcome(outcome) as outcome from frontier.url").stdout.splitlines())}
    for host in BAD:
        check(outcomes[f"https://{host}:{port}/1.html"] == "tls_certificate", f"{host}: {outcomes[f'https://{host}:{port}/1.html']}")
    audit(d)

    e = os.path.join(TMP, "plain")
    crawl(e, "--hosts-file", hosts_file, "--ca-file", f"{TMP}/ca.pem", "--delay", "0", "--http2", "off", "--depth", "0", f"https://good.test:{port}/0.html")
    with open(f"{TMP}/access.log") as f:
        last = f.readlines()[-1].split()
    check(last[2] == "HTTP/1.1", f"--http2 off: {last}")
    i = os.path.join(TMP, "insecure")
    crawl(i, "--hosts-file", hosts_file, "--insecure", "--delay", "0", "--depth", "0", *(f"https://{h}:{port}/1.html" for h in BAD))
    check(len(query(i, "select url from page where outcome = 'ok'")) == len(BAD), "--insecure")
    print(f"RESULT: {len(rows)} requests over {len(connections)} connections, {len(resumed)} of them with a known session")
finally:
    server.terminate()
    server.wait()
