/* hex.h - hexadecimal digits: one reading, and the two spellings that are in use
 */
#ifndef ORB_POOL_HEX_H
#define ORB_POOL_HEX_H

/* 0 ... 15, or -1. Either case. */
static inline int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "2f" */
static inline void
hex_put(char to[2], unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";

    to[0] = digits[byte >> 4];
    to[1] = digits[byte & 15];
}

/* "%2F", as RFC 3986 section 2.1 would have it */
static inline void
hex_put_escape(char to[3], unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";

    to[0] = '%';
    to[1] = digits[byte >> 4];
    to[2] = digits[byte & 15];
}

#endif
