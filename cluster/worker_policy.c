/* worker_policy.c - what a page asks of us in meta robots and X-Robots-Tag, and what of it is obeyed
 *
 *             links not followed   body not in the WARC file   nothing read out of the body in the row
 *   nofollow          x
 *   noarchive                                 x
 *   noindex                                   x                              x           outcome OK becomes NOINDEX
 *
 * Pages are parsed, also those that broke off; of errors, redirects and sitemaps the header alone counts. A sitemap is there for its links:
 * they are read whatever it says (many come with noindex).
 */
#include "cluster/worker_internal.h"

#include "crawler/robots_meta.h"

unsigned
policy_said(const struct job *j)
{
    const struct worker *w = j->worker;

    return w->parsed.policy | robots_header_policy(j->page->x_robots_tag, slice_str(w->conf.user_agent));
}

unsigned
policy_obeyed(const struct job *j)
{
    static const unsigned obeyed[] = { [CONF_META_OBEY] = ~0u, [CONF_META_NOFOLLOW] = PARSE_NOFOLLOW, [CONF_META_IGNORE] = 0 };

    return policy_said(j) & obeyed[j->host->meta_robots];
}

static bool
is_followed(const struct worker *w, const struct link *l)
{
    switch ((enum link_kind)l->kind) {
    case LINK_A:
    case LINK_AREA:
    case LINK_CANONICAL:
    case LINK_ALTERNATE:
    case LINK_NEXT:
    case LINK_FRAME:
    case LINK_IFRAME:
    case LINK_META_REFRESH:
    case LINK_REDIRECT:
    case LINK_SITEMAP:
    case LINK_SITEMAP_URL:
        return true;
    case LINK_IMAGE:
    case LINK_SCRIPT:
    case LINK_STYLE:
    case LINK_MEDIA:
    case LINK_ICON:
    case LINK_OBJECT:
    case LINK_LINK:
        return w->conf.follow_assets;
    default:
        return false;
    }
}

uint8_t
policy_not_followed(const struct job *j, const struct link *l, unsigned obeyed)
{
    const struct worker *w = j->worker;

    if (!slice_starts_with(l->url, SLICE_LITERAL("http://")) && !slice_starts_with(l->url, SLICE_LITERAL("https://")))
        return RECORD_LINK_NOT_HTTP;
    if ((obeyed & PARSE_NOFOLLOW) != 0 || (w->conf.nofollow == CONF_OBEY && (l->flags & LINK_NOFOLLOW) != 0))
        return RECORD_LINK_NOFOLLOW;
    if (l->kind == LINK_FORM || l->kind == LINK_BASE)
        return RECORD_LINK_POLICY;
    return is_followed(w, l) ? 0 : RECORD_LINK_ASSET;
}

void
policy_withhold(struct job *j, struct record *r)
{
    unsigned obeyed = policy_obeyed(j);

    if ((obeyed & PARSE_NOINDEX) != 0) {
        r->withheld = RECORD_NOINDEX;
        if (j->outcome == OUTCOME_OK)
            j->outcome = OUTCOME_NOINDEX;
    } else if ((obeyed & PARSE_NOARCHIVE) != 0) {
        r->withheld = RECORD_NOARCHIVE;
    }
}
