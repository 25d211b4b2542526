"""site.py PORT HOSTS PAGES LOG OPTIONS - a web of many hosts for the integration tests; not a test itself.

Host h is the address 127.1.(h/200).(h%200+1). Page n of a host links to the pages 2n+1 and 2n+2 of its host and to the front
page of the next host; so PAGES pages are reached from "/" (page 0). /robots.txt disallows /private/, which every page links.
OPTIONS (JSON): size (bytes of filler), wait_ms, crawl_delay, links (extra links per page), meta_robots (what
the pages say in turn, such as ["", "noarchive", "noindex"]).
"""
import asyncio, json, sys, time

port, hosts, pages, log_path, options = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], json.loads(sys.argv[5])
log = open(log_path, "a", buffering=1)
filler = "<p>" + ("lorem ipsum dolor sit amet " * (options.get("size", 500) // 27 + 1)) + "</p>"
n_connections = 0


def address(h):
    return f"127.1.{h // 200}.{h % 200 + 1}"


def page(host, n):
    links = [f'<a href="/p/{k}">{k}</a>' for k in (2 * n + 1, 2 * n + 2) if k < pages]
    links.append('<a href="/private/x">no</a>')
    if hosts > 1:
        links.append(f'<a href="http://{address((host + 1) % hosts)}:{port}/">next</a>')
    says = options.get("meta_robots", [""])
    meta = f'<meta name="robots" content="{says[n % len(says)]}">' if says[n % len(says)] else ""
    return f"<!doctype html>{meta}<title>page {n} of host {host}</title>{filler}{' '.join(links)}"


def answer(host, path):
    """(status, content type, body, extra headers)"""
    if path == "/robots.txt":
        delay = f"Crawl-delay: {options['crawl_delay']}\n" if "crawl_delay" in options else ""
        return 200, "text/plain", f"User-agent: *\n{delay}Disallow: /private/\n", ""
    if path == "/":
        return 200, "text/html; charset=utf-8", page(host, 0), 'ETag: "front"\r\n'
    if path == "/redirect":
        return 302, "text/html", "", "Location: /p/1\r\n"
    if path.startswith("/p/") and path[3:].isdigit() and int(path[3:]) < pages:
        return 200, "text/html; charset=utf-8", page(host, int(path[3:])), ""
    return 404, "text/html", "<title>not here</title>", ""


async def serve(reader, writer):
    global n_connections
    n_connections += 1
    number = n_connections
    local = writer.get_extra_info("sockname")[0]
    a = [int(x) for x in local.split(".")]
    host = a[2] * 200 + a[3] - 1
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            at = time.monotonic()
            lines = head.decode("latin-1").split("\r\n")
            path = lines[0].split(" ")[1]
            agent = next((l[12:] for l in lines if l.lower().startswith("user-agent: ")), "")
            log.write(f"{at:.6f}\t{local}\t{path}\t{agent}\t{number}\n")
            if options.get("wait_ms"):
                await asyncio.sleep(options["wait_ms"] / 1000)
            status, kind, body, extra = answer(host, path)
            data = body.encode()
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{extra}\r\n".encode() + data)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, OSError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", port, backlog=1024)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
