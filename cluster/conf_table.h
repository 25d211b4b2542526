/* conf_table.h - every knob of a crawl, once
 *
 * KNOB(kind, field, name, letter, default, min, max, section, flags, argument, sentence); define KNOB, then include.
 *   kind      COUNT, BYTES, MS: a number (uint64_t), MS in milliseconds; TEXT; LIST (repeatable); CHOICE (index into
 *             `argument`, "a|b|c"); SWITCH (on|off); FLAG (no value on the command line)
 *   default   as the user would write it; NULL = empty. min and max bound numbers, and the length of texts.
 *   flags     CONF_PER_HOST         may stand in a [host "..."] section
 *             CONF_NONE_IS_0/_MAX   "none" is a value: no limit
 *             CONF_CORES            "cores" is a value
 *             CONF_LOCAL            means nothing to workers: not sent to them
 *             CONF_CLI_ONLY         not in a config file
 */
#ifndef CONF_SECTIONS
#define CONF_SECTIONS(X)                                                                                               \
    X(SEEDS, "Seeds and result")                                                                                       \
    X(WHO, "Who is asking")                                                                                            \
    X(POLITE, "Speed and politeness")                                                                                  \
    X(SCOPE, "What belongs to the crawl")                                                                              \
    X(TRAPS, "Trap rules")                                                                                             \
    X(END, "When to end")                                                                                              \
    X(REQUEST, "Requests")                                                                                             \
    X(NET, "Network")                                                                                                  \
    X(LIMITS, "Limits of one answer (each gives the URL an outcome of its own)")                                       \
    X(MEMORY, "Memory and disk")                                                                                       \
    X(FACES, "What you see")
#endif

KNOB(LIST, seed_files, "seeds", 's', NULL, 1, 4096, SEEDS, CONF_LOCAL, "FILE",
     "seed URLs, one a line, `#` comments; `-` is standard input")
KNOB(TEXT, output_dir, "output", 'o', "./orb-crawl", 1, 4096, SEEDS, 0, "DIR",
     "the crawl's directory; if it holds a crawl already, that crawl goes on")
KNOB(TEXT, config_file, "config", 'c', NULL, 1, 4096, SEEDS, CONF_LOCAL | CONF_CLI_ONLY, "FILE",
     "read knobs from FILE; the command line wins, lists add up")
KNOB(FLAG, is_refetch, "refetch", 0, "off", 0, 1, SEEDS, 0, NULL,
     "ask again for what is stored, conditionally where the server gave an ETag or a date")

KNOB(TEXT, contact, "contact", 0, NULL, 3, 200, WHO, 0, "MAIL|URL",
     "how a site's owner reaches you; required as soon as a seed is not on loopback")
KNOB(TEXT, user_agent, "user-agent", 0, NULL, 1, 400, WHO, 0, "TEXT",
     "the whole User-Agent value; by default \"orbweaver/" ORB_VERSION " (+CONTACT)\"")

KNOB(COUNT, workers, "workers", 'w', "cores", 1, 256, POLITE, CONF_CORES, "N", "worker processes")
KNOB(COUNT, concurrency, "concurrency", 0, "64", 1, 4096, POLITE, 0, "N", "open connections per worker")
KNOB(COUNT, per_host, "per-host", 0, "1", 1, 256, POLITE, CONF_PER_HOST, "N", "requests to one host at a time")
KNOB(MS, delay_ms, "delay", 0, "1s", 0, 3600000, POLITE, CONF_PER_HOST, "TIME",
     "from the end of one request to a host to the next; a longer Crawl-delay in robots.txt wins")
KNOB(MS, max_delay_ms, "max-delay", 0, "60s", 0, 86400000, POLITE, 0, "TIME", "the longest Crawl-delay that is obeyed")
KNOB(MS, ip_delay_ms, "ip-delay", 0, "250ms", 0, 3600000, POLITE, 0, "TIME",
     "between requests to different hosts on one IP address; never more than --delay unless it is given")
KNOB(COUNT, max_rate, "max-rate", 0, "none", 0, 1000000, POLITE, CONF_NONE_IS_0, "PAGES/S", "pages per second, all hosts")

KNOB(CHOICE, scope, "scope", 0, "host", 0, 0, SCOPE, 0, "host|domain|prefix|any",
     "follow links on the seeds' hosts, their registrable domains, below the seeds' paths, or everywhere")
KNOB(LIST, includes, "include", 0, NULL, 1, 4096, SCOPE, 0, "REGEX",
     "only URLs that match this PCRE2 pattern (any of them, when repeated)")
KNOB(LIST, excludes, "exclude", 0, NULL, 1, 4096, SCOPE, 0, "REGEX", "no URL that matches this PCRE2 pattern")
KNOB(TEXT, accept_types, "accept", 0, NULL, 1, 1000, SCOPE, 0, "TYPES",
     "content types to store, such as text/html,text/*; of others only the head is read")
KNOB(COUNT, max_depth, "depth", 0, "none", 0, UINT32_MAX, SCOPE, CONF_NONE_IS_MAX, "N",
     "links from a seed to a page; 0 = the seeds only")
KNOB(FLAG, follow_assets, "links", 0, "off", 0, 1, SCOPE, 0, NULL,
     "follow images, scripts, style sheets and other assets too")
KNOB(CHOICE, robots, "robots", 0, "obey", 0, 0, SCOPE, 0, "obey|ignore",
     "robots.txt (RFC 9309); ignore it on servers of your own only")
KNOB(CHOICE, nofollow, "nofollow", 0, "obey", 0, 0, SCOPE, 0, "obey|ignore",
     "rel=nofollow of single links; what a page says of all its links belongs to --meta-robots")
KNOB(CHOICE, meta_robots, "meta-robots", 0, "obey", 0, 0, SCOPE, CONF_PER_HOST, "obey|nofollow|ignore",
     "meta robots and X-Robots-Tag: nofollow leaves links alone, noarchive keeps no body, noindex no content at all; "
     "\"nofollow\" obeys only that")
KNOB(SWITCH, use_sitemaps, "sitemaps", 0, "on", 0, 1, SCOPE, 0, NULL, "read the sitemaps that robots.txt names")
KNOB(TEXT, key_rules_file, "key-rules", 0, NULL, 1, 4096, SCOPE, 0, "FILE",
     "parameters that make no other page: \"drop NAME\" or \"keep NAME\" lines behind the built-in rules")

KNOB(BYTES, max_url_bytes, "max-url-bytes", 0, "2K", 0, 65536, TRAPS, CONF_NONE_IS_0, "BYTES", "longest URL")
KNOB(COUNT, max_path_depth, "max-path-depth", 0, "32", 0, 4096, TRAPS, CONF_NONE_IS_0, "N", "most path segments")
KNOB(COUNT, max_repeated_segments, "max-repeated-segments", 0, "3", 0, 4096, TRAPS, CONF_NONE_IS_0, "N",
     "how often one segment may stand in a path")
KNOB(COUNT, max_parameters, "max-parameters", 0, "32", 0, 4096, TRAPS, CONF_NONE_IS_0, "N", "most query parameters")

KNOB(COUNT, max_pages, "max-pages", 0, "none", 0, UINT64_MAX, END, CONF_NONE_IS_0, "N",
     "pages stored, of all starts of this crawl")
KNOB(MS, max_time_ms, "max-time", 0, "none", 0, 31536000000u, END, CONF_NONE_IS_0, "TIME", "time the crawl runs")
KNOB(BYTES, max_bytes, "max-bytes", 0, "none", 0, INT64_MAX, END, CONF_NONE_IS_0, "BYTES", "bytes received")
KNOB(BYTES, max_disk_bytes, "max-disk", 0, "none", 0, INT64_MAX, END, CONF_NONE_IS_0, "BYTES",
     "size of the crawl's directory")
KNOB(COUNT, max_per_host, "max-per-host", 0, "none", 0, UINT64_MAX, END, CONF_NONE_IS_0 | CONF_PER_HOST, "N",
     "URLs of one host; where a redirect leads counts with its source")

KNOB(LIST, headers, "header", 0, NULL, 2, 8192, REQUEST, 0, "\"NAME: VALUE\"", "a further request header")
KNOB(LIST, auth_files, "auth", 0, NULL, 3, 4096, REQUEST, CONF_PER_HOST | CONF_LOCAL, "HOST=FILE",
     "the first line of FILE (user:password, or `Bearer TOKEN`) is sent to HOST (*.example.org: and below)")
KNOB(CHOICE, cookies, "cookies", 0, "off", 0, 0, REQUEST, 0, "off|host", "keep cookies, host by host")
KNOB(SWITCH, use_http2, "http2", 0, "on", 0, 1, REQUEST, 0, NULL, "offer HTTP/2 over TLS")
KNOB(COUNT, max_redirects, "max-redirects", 0, "10", 0, 100, REQUEST, 0, "N", "redirects in a row")
KNOB(COUNT, max_attempts, "retries", 0, "4", 1, 100, REQUEST, 0, "N", "attempts before a URL counts as failed")
KNOB(MS, retry_delay_ms, "retry-delay", 0, "10s", 0, 86400000, REQUEST, 0, "TIME",
     "before the second attempt; doubled for each further one, unless the server says Retry-After")
KNOB(MS, retry_max_ms, "retry-max", 0, "1h", 0, 604800000, REQUEST, 0, "TIME", "longest time between attempts")

KNOB(TEXT, proxy, "proxy", 0, NULL, 8, 2048, NET, 0, "URL", "ask through this proxy; the environment is never looked at")
KNOB(LIST, allow_private, "allow-private", 0, NULL, 2, 64, NET, 0, "CIDR",
     "connect to these private addresses, such as 10.0.0.0/8 (`any`: to all); others are refused")
KNOB(TEXT, dns_servers, "dns", 0, NULL, 2, 1000, NET, 0, "SERVERS",
     "name servers, such as 127.0.0.1:5353,[::1]:53; by default those of /etc/resolv.conf")
KNOB(TEXT, hosts_file, "hosts-file", 0, NULL, 1, 4096, NET, 0, "FILE", "names that need no DNS, instead of /etc/hosts")
KNOB(TEXT, ca_file, "ca-file", 0, NULL, 1, 4096, NET, 0, "FILE", "trusted certificates, instead of Debian's")
KNOB(FLAG, is_insecure, "insecure", 0, "off", 0, 1, NET, 0, NULL, "do not check certificates")

KNOB(BYTES, max_header_bytes, "max-header-bytes", 0, "256K", 1024, 16777216, LIMITS, 0, "BYTES", "most header bytes")
KNOB(BYTES, max_body_bytes, "max-body-bytes", 0, "32M", 1024, 4294967296, LIMITS, 0, "BYTES", "most body bytes received")
KNOB(BYTES, max_decoded_bytes, "max-decoded-bytes", 0, "64M", 1024, 4294967296, LIMITS, 0, "BYTES",
     "most bytes of a body once unpacked")
KNOB(MS, connect_timeout_ms, "connect-timeout", 0, "10s", 100, 600000, LIMITS, 0, "TIME", "longest wait for a connection; never more than --timeout unless it is given")
KNOB(MS, timeout_ms, "timeout", 0, "2m", 1000, 86400000, LIMITS, 0, "TIME", "longest time of one request")
KNOB(BYTES, low_speed_bytes, "low-speed", 0, "100", 0, 1073741824, LIMITS, 0, "BYTES",
     "bytes per second that a server must send ...")
KNOB(MS, low_speed_time_ms, "low-speed-time", 0, "30s", 1000, 3600000, LIMITS, 0, "TIME",
     "... over this time, else it is too slow")

KNOB(BYTES, frontier_memory_bytes, "frontier-memory", 0, "256M", 16777216, 1099511627776, MEMORY, 0, "BYTES",
     "memory for the frontier, touched as it is needed; the rest is on disk")
KNOB(BYTES, page_memory_bytes, "page-memory", 0, "none", 1048576, 1099511627776, MEMORY, CONF_NONE_IS_0, "BYTES",
     "most memory of a worker for bodies, for what is read out of them and for the HTML parser, each; a page beyond it is given up")
KNOB(COUNT, keep_excluded, "keep-excluded", 0, "10000000", 0, UINT64_MAX, MEMORY, 0, "N",
     "excluded URLs kept one by one; beyond that they are counted by reason")
KNOB(BYTES, warc_file_bytes, "warc-size", 0, "1G", 1048576, 1099511627776, MEMORY, 0, "BYTES",
     "a WARC file that has reached this size is followed by a new one")
KNOB(BYTES, page_cache_bytes, "page-cache", 0, "2M", 0, 1073741824, MEMORY, CONF_NONE_IS_0, "BYTES",
     "parsed pages that each worker keeps, so that a body seen before is not parsed again")
KNOB(TEXT, collect_every, "collect-every", 0, NULL, 1, 40, MEMORY, 0, "N pages|TIME",
     "look for garbage in rings that often too (\"5000 pages\", \"30s\"), beside the collector's own rhythm")
KNOB(FLAG, is_checking_heap, "check-heap", 0, "off", 0, 1, MEMORY, 0, NULL,
     "check all that must be true of objects after every collection; a worker that finds an error ends")
KNOB(BYTES, trace_mean_bytes, "trace-mean", 0, "512K", 0, 1073741824, MEMORY, CONF_NONE_IS_0, "BYTES",
     "remember where in the libraries one allocated byte of so many came from; 0 or none: of none")

KNOB(TEXT, dashboard, "dashboard", 0, "127.0.0.1:7070", 2, 200, FACES, CONF_LOCAL, "ADDR|off",
     "address of the dashboard (which comes with a later version: nothing is opened yet)")
KNOB(CHOICE, log_level, "log-level", 0, "info", 0, 0, FACES, 0, "error|warning|info|debug", "how much is logged")
KNOB(FLAG, is_json, "json", 0, "off", 0, 1, FACES, CONF_LOCAL, NULL, "progress and log as JSON, one object a line")
KNOB(FLAG, is_quiet, "quiet", 'q', "off", 0, 1, FACES, CONF_LOCAL, NULL, "no progress line")
