#!/usr/bin/env python3
# budget: 60
"""HTTP/2 over TLS, and keep-alive counted by the server: nginx on loopback, one transfer at a time."""
import json, os, shutil, socket, subprocess, sys, tempfile, time

top = os.environ.get("ORB_TOP") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
driver = os.path.join(os.path.dirname(os.environ.get("ORB", os.path.join(top, "build/release/orb"))), "tests/fetch_one")
nginx = shutil.which("nginx") or "/usr/sbin/nginx"
if not os.path.exists(nginx):
    print("skipped: no nginx")
    sys.exit(77)
tmp = tempfile.mkdtemp(prefix="orb-h2-")
N = 200


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def check(ok, text):
    if not ok:
        print("FAILED:", text)
        sys.exit(1)


def fetch(urls, *options):
    r = subprocess.run([driver, *options], input="".join(u + "\n" for u in urls), capture_output=True, text=True, timeout=50)
    check(r.returncode == 0, f"fetch_one: {r.returncode} {r.stderr}")
    return [json.loads(line) for line in r.stdout.splitlines()]


tls, plain = free_port(), free_port()
os.mkdir(f"{tmp}/www")
for i in range(N):
    with open(f"{tmp}/www/{i}.html", "w") as f:
        f.write(f"<title>{i}</title>" + "x" * (i * 500))
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{tmp}/key.pem",
                "-out", f"{tmp}/cert.pem", "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=DNS:h2.test"],
               check=True, capture_output=True)
with open(f"{tmp}/nginx.conf", "w") as f:
    f.write(f"""{"user root;" if os.geteuid() == 0 else ""} daemon off; error_log {tmp}/error.log; pid {tmp}/pid; worker_processes 1;
events {{ worker_connections 64; }}
http {{ log_format c '$connection $connection_requests $server_protocol $status $request_uri'; access_log {tmp}/access.log c;
  {"".join(f"{k}_temp_path {tmp}/{k}; " for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))}
  types {{ text/html html; }} gzip on; gzip_types text/html; gzip_min_length 1000; keepalive_requests 100000;
  server {{ listen 127.0.0.1:{tls} ssl http2; listen 127.0.0.1:{plain}; root {tmp}/www;
           ssl_certificate {tmp}/cert.pem; ssl_certificate_key {tmp}/key.pem; }} }}""")
server = subprocess.Popen([nginx, "-c", f"{tmp}/nginx.conf", "-p", tmp], stderr=subprocess.DEVNULL)
try:
    deadline = time.time() + 10
    while socket.socket().connect_ex(("127.0.0.1", plain)) != 0:
        check(time.time() < deadline, "nginx did not start")
        time.sleep(0.1)

    rows = fetch([f"https://h2.test:{tls}/{i}.html" for i in range(N)], "--http2", "--ca", f"{tmp}/cert.pem", "--at", "127.0.0.1")
    check(len(rows) == N, "rows are missing")
    for i, r in enumerate(rows):
        size = len(f"<title>{i}</title>") + i * 500
        check(r["outcome"] == "ok" and r["http"] == 20, f"{r}")
        check(r["head"].startswith("HTTP/1.1 200 ") and r["head"].endswith("\r\n\r\n"), f"head {r['head']!r}")
        check(r["bytes"] == size, f"{i}: {r['bytes']} bytes, not {size}")
        check(r["reused"] == (i > 0), f"{i}: connection")
        if size > 2000:
            check(r["wire_bytes"] < size, f"{i}: gzip was not asked for")
    missing, = fetch([f"https://h2.test:{tls}/none"], "--http2", "--ca", f"{tmp}/cert.pem", "--at", "127.0.0.1")
    check(missing["outcome"] == "http_status" and missing["status"] == 404 and missing["bytes"] > 0, f"{missing}")
    wrong, = fetch([f"https://other.test:{tls}/0.html"], "--http2", "--ca", f"{tmp}/cert.pem", "--at", "127.0.0.1")
    check(wrong["outcome"] == "tls_certificate", f"{wrong}")
    unasked, = fetch([f"https://h2.test:{tls}/0.html"], "--ca", f"{tmp}/cert.pem", "--at", "127.0.0.1")
    check(unasked["http"] == 11, f"{unasked}")

    open(f"{tmp}/access.log", "w").close()
    rows = fetch([f"http://127.0.0.1:{plain}/{i}.html" for i in range(N)])
    check(all(r["outcome"] == "ok" and r["http"] == 11 for r in rows), "plain")
    time.sleep(0.3)
    connections = {line.split()[0] for line in open(f"{tmp}/access.log")}
    check(len(connections) == 1, f"{len(connections)} connections for {N} requests")
    print(f"RESULT: {N} pages over one HTTP/2 connection, {N} over one HTTP/1.1 connection")
finally:
    server.terminate()
    server.wait()
    shutil.rmtree(tmp, ignore_errors=True)
