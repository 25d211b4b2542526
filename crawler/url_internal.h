/* url_internal.h - between the files of the URL parser; nobody else includes it
 *
 *   url.c         life cycle, parts, the door url_parse()
 *   url_fast.c    canonical http(s) URLs and plain relative links: one scan, one copy
 *   url_parse.c   everything else: scheme, authority, relative and file rules
 *   url_path.c    path segments, opaque paths, query, fragment
 *   url_host.c    domains, IPv4, IPv6, opaque hosts
 */
#ifndef ORB_CRAWLER_URL_INTERNAL_H
#define ORB_CRAWLER_URL_INTERNAL_H

#include "crawler/url.h"
#include "crawler/url_chars.h"

struct url_parser {
    struct url *u;           /* being written */
    struct slice in;         /* trimmed, without tabs and newlines, well-formed UTF-8 */
    size_t i;                /* next byte of in */
    const struct url *base;  /* or NULL */
    bool is_file;
    url_encode_fn *encode;
    void *encode_arg;
};

/* Parsed, or false: not of the simple kind (it may still be a URL), or no memory; u is then empty. */
bool url_fast(struct url *u, struct slice href, const struct url *base);
int url_parse_full(struct url_parser *p) ORB_MUST_USE;

void url_reset(struct url *u);
/* -1 = no default; `special` says whether the scheme is one of the six */
int32_t url_scheme_default_port(struct slice scheme, bool *special);

static inline bool
url_at_slash(const struct url_parser *p)
{
    return p->i < p->in.n && (p->in.p[p->i] == '/' || (p->in.p[p->i] == '\\' && p->u->is_special));
}

static inline struct slice
url_rest(const struct url_parser *p)
{
    return slice_sub(p->in, p->i, SIZE_MAX);
}

/* Path segments from p->i to '?', '#' or the end, onto the path that stands already. */
int url_path_segments(struct url_parser *p) ORB_MUST_USE;
int url_path_opaque(struct url_parser *p) ORB_MUST_USE;
/* '?' query and '#' fragment, or whichever is there, to the end. */
int url_path_tail(struct url_parser *p) ORB_MUST_USE;
void url_path_shorten(struct url_parser *p);
bool url_path_starts_with_drive(struct slice s);

/* Appends the serialised host. ORB_EINVAL: no host by the standard. */
int url_host_append(struct buf *out, struct slice in, bool is_special) ORB_MUST_USE;

#endif
