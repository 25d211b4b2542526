/* outcome.h - what became of a URL: every end, and every reason to try again, has a name
 *
 * The web's failures are values, never errors. The table is the only list: states, exports, statistics and `orb why`
 * all read it. A class says what the coordinator does with it:
 *   DONE      an answer was stored               FAILED    no answer worth storing, and none will come
 *   RETRY     try again later; after --retries attempts it counts as FAILED with the same name
 *   EXCLUDED  we decided not to ask              PARKED    quarantined: asking killed workers
 */
#ifndef ORB_CRAWLER_OUTCOME_H
#define ORB_CRAWLER_OUTCOME_H

#include "pool/slice.h"

enum outcome_class { OUTCOME_DONE, OUTCOME_RETRY, OUTCOME_FAILED, OUTCOME_EXCLUDED, OUTCOME_PARKED };

/*  X(identifier, class, sentence). The stored name is the identifier in lower case. Values are stored: only append. */
#define OUTCOMES(X)                                                                                                    \
    X(NONE, RETRY, "not asked yet")                                                                                    \
    X(OK, DONE, "the page was stored")                                                                                 \
    X(NOT_MODIFIED, DONE, "the server says that the stored page is still current")                                     \
    X(REDIRECT, DONE, "the answer names another URL, which came to the door")                                          \
    X(HTTP_STATUS, DONE, "the server answered with an error status; the answer was stored")                            \
    X(TYPE_NOT_ACCEPTED, DONE, "the content type is not in --accept; stopped after the head")                          \
    X(SERVER_ERROR, RETRY, "a 5xx status")                                                                             \
    X(RETRY_LATER, RETRY, "429 or 503: the server asks to come back later")                                            \
    X(DNS_TIMEOUT, RETRY, "the name servers did not answer")                                                           \
    X(DNS_FAILED, RETRY, "the name servers refused or failed")                                                         \
    X(DNS_NO_SUCH_HOST, FAILED, "the name does not exist")                                                             \
    X(CONNECT_FAILED, RETRY, "the connection was refused or unreachable")                                              \
    X(CONNECT_TIMEOUT, RETRY, "no connection within --connect-timeout")                                                \
    X(TLS_FAILED, RETRY, "the TLS handshake failed")                                                                   \
    X(TLS_CERTIFICATE, FAILED, "the certificate is not valid for this host")                                           \
    X(RESET, RETRY, "the connection broke off")                                                                        \
    X(EMPTY_REPLY, RETRY, "the server closed without an answer")                                                       \
    X(TRUNCATED, RETRY, "the body ended before its announced length")                                                  \
    X(TOO_SLOW, RETRY, "slower than --low-speed for too long")                                                         \
    X(TIMEOUT, RETRY, "not finished within --timeout")                                                                 \
    X(PROTOCOL, FAILED, "the answer is not HTTP")                                                                      \
    X(HEADER_TOO_LARGE, FAILED, "more header bytes than --max-header-bytes")                                           \
    X(BODY_TOO_LARGE, FAILED, "more body bytes than --max-body-bytes")                                                 \
    X(DECODED_TOO_LARGE, FAILED, "the decoded body is larger than --max-decoded-bytes")                                \
    X(DECODE_FAILED, FAILED, "the Content-Encoding's bytes are damaged")                                               \
    X(UNSUPPORTED_ENCODING, FAILED, "a Content-Encoding that we did not offer and do not know")                        \
    X(BAD_REDIRECT, FAILED, "a redirect whose Location is missing, no URL, or neither http nor https")                                          \
    X(TOO_MANY_REDIRECTS, FAILED, "more redirect hops than --max-redirects")                                           \
    X(SCHEME_BLOCKED, EXCLUDED, "neither http nor https")                                                              \
    X(ADDRESS_BLOCKED, FAILED, "a private, loopback, link-local, multicast or metadata address")                       \
    X(TOO_MUCH_MEMORY, FAILED, "the page would not fit in the memory limit")                                           \
    X(PROXY_FAILED, RETRY, "the proxy refused or failed")                                                              \
    X(ROBOTS_DENIED, EXCLUDED, "robots.txt disallows it")                                                              \
    X(ROBOTS_UNREACHABLE, RETRY, "robots.txt answers 5xx or not at all: nothing may be asked")                         \
    X(OUT_OF_SCOPE, EXCLUDED, "outside --scope")                                                                       \
    X(FILTERED, EXCLUDED, "refused by --include or --exclude")                                                         \
    X(TOO_DEEP, EXCLUDED, "further from the seeds than --depth")                                                       \
    X(HOST_FULL, EXCLUDED, "the host has --max-per-host URLs already")                                                 \
    X(URL_TOO_LONG, EXCLUDED, "trap: longer than --max-url-bytes")                                                     \
    X(PATH_TOO_DEEP, EXCLUDED, "trap: more path segments than --max-path-depth")                                       \
    X(REPEATED_SEGMENTS, EXCLUDED, "trap: the path repeats itself")                                                    \
    X(TOO_MANY_PARAMETERS, EXCLUDED, "trap: query explosion")                                                          \
    X(NOT_A_URL, EXCLUDED, "does not parse, or is not in canonical form")                                              \
    X(QUARANTINED, PARKED, "asking for it ended workers twice")                                                        \
    X(STORE_FAILED, RETRY, "the answer could not be stored")                                                           \
    X(NOT_STARTED, RETRY, "handed back before it was asked: not an attempt")                                           \
    X(REDIRECT_LOOP, FAILED, "a redirect to the URL itself")                                                           \
    X(NOINDEX, DONE, "the page asks not to be kept: its links were followed, its content was not stored")

#define OUTCOME_ENUM(id, class, text) OUTCOME_##id,
enum outcome { OUTCOMES(OUTCOME_ENUM) OUTCOME_N };
#undef OUTCOME_ENUM

const char *outcome_name(enum outcome o);             /* "ok", "robots_denied"; BORROWED, static; "?" out of range */
const char *outcome_sentence(enum outcome o);         /* BORROWED, static */
enum outcome_class outcome_class(enum outcome o);
bool outcome_from_name(struct slice name, enum outcome *out);

#endif
