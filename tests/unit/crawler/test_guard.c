#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "crawler/guard.h"
#include "tests/support/support.h"

static bool
permits(const struct guard *g, const char *text)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return guard_permits(g, (const struct sockaddr *)&v4);
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
        fail_msg("%s is no address", text);
    return guard_permits(g, (const struct sockaddr *)&v6);
}

static void
assert_all(const struct guard *g, const char *const *addresses, bool expected)
{
    for (; *addresses != NULL; addresses++)
        if (permits(g, *addresses) != expected)
            fail_msg("%s is %s", *addresses, expected ? "refused" : "permitted");
}

TEST(guard__refuses_every_special_ipv4_block_from_its_first_to_its_last_address)
{
    static const char *const refused[] = {
        "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255",
        "127.0.0.0", "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255",
        "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.8", "192.0.0.11", "192.0.0.170", "192.0.0.255",
        "192.0.2.0", "192.0.2.255", "192.88.99.0", "192.88.99.255", "192.168.0.0", "192.168.255.255",
        "198.18.0.0", "198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255",
        "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.254", "255.255.255.255", NULL
    };
    struct guard g;

    guard_init(&g);
    assert_all(&g, refused, false);
}

TEST(guard__permits_the_neighbours_of_the_special_blocks_and_the_global_ones_inside)
{
    static const char *const permitted[] = {
        "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
        "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.0.9", "192.0.0.10",
        "192.0.1.0", "192.0.3.0", "192.31.196.1", "192.52.193.1", "192.175.48.1", "192.88.98.255", "192.88.100.0",
        "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0",
        "203.0.112.255", "203.0.114.0", "223.255.255.255", "8.8.8.8", NULL
    };
    struct guard g;

    guard_init(&g);
    assert_all(&g, permitted, true);
}

TEST(guard__refuses_every_special_ipv6_block)
{
    static const char *const refused[] = {
        "::", "::1", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:2::1", "100::", "100::ffff",
        "100:0:0:1::1",
        "2001:1::", "2001:1::4", "2001:2::1", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "2001:2:1::1", "2001:4::1",
        "2001:4:113::1",
        "2001:10::1", "2001:1f:ffff::1", "2001:40::1", "2001:1ff:ffff::1", "2001:db8::1", "2001:db8:ffff::1", "3fff::1",
        "3fff:fff:ffff::1", "4000::1", "5f00::1", "1000::1", "fc00::1", "fdff::1", "fd00:ec2::254", "fe80::1",
        "febf::1",
        "fec0::1", "feff::1", "ff00::1", "ff02::1", "ff0e::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL
    };
    struct guard g;

    guard_init(&g);
    assert_all(&g, refused, false);
}

TEST(guard__permits_global_ipv6)
{
    static const char *const permitted[] = {
        "2001:1::1", "2001:1::2", "2001:1::3", "2001:3::1", "2001:4:112::1", "2001:20::1", "2001:2f:ffff::1",
        "2001:30::1",
        "2001:200::1", "2001:db7::1", "2001:db9::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1111",
        "2620:4f:8000::1", "2a00:1450::1", "3ffe::1", "3fff:1000::1", NULL
    };
    struct guard g;

    guard_init(&g);
    assert_all(&g, permitted, true);
}

TEST(guard__looks_at_the_ipv4_address_inside_an_ipv6_one)
{
    static const char *const refused[] = {
        "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:255.255.255.255",
        "::127.0.0.1", "::169.254.169.254", "::10.0.0.1", "::2",
        "::ffff:0:8.8.8.8" /* translated: not connected to by anybody */,
        "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::192.168.1.1",
        "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:a00:1::", "2002:c0a8:101::5",
        "2001:0:808:808::80ff:fffe" /* Teredo, client 127.0.0.1 inverted */,
        "2001:0:808:808::5601:5601" /* client 169.254.169.254 */,
        "2001:0:a00:1::f7f7:f7f7" /* server 10.0.0.1, client 8.8.8.8 */,
        NULL
    };
    static const char *const permitted[] = {
        "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2001:0:808:808::f7f7:f7f7", NULL
    };
    struct guard g;

    guard_init(&g);
    assert_all(&g, refused, false);
    assert_all(&g, permitted, true);
}

TEST(guard__refuses_other_families)
{
    struct guard g;
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/socket" };
    struct sockaddr none = { .sa_family = AF_UNSPEC };

    guard_init(&g);
    g.allow_all = true;
    assert_false(guard_permits(&g, (const struct sockaddr *)&un));
    assert_false(guard_permits(&g, &none));
}

TEST(guard__allows_what_the_user_names_and_no_more)
{
    struct guard g;

    guard_init(&g);
    assert_int_equal(guard_allow(&g, slice_str("127.0.0.0/8")), 0);
    assert_int_equal(guard_allow(&g, slice_str(" 10.1.2.3 ")), 0);
    assert_int_equal(guard_allow(&g, slice_str("fd12::/16")), 0);
    assert_int_equal(guard_allow(&g, slice_str("192.168.4.77/22")), 0);
    assert_true(permits(&g, "127.9.9.9"));
    assert_true(permits(&g, "::ffff:127.0.0.1"));
    assert_true(permits(&g, "10.1.2.3"));
    assert_true(permits(&g, "fd12:1::1"));
    assert_true(permits(&g, "192.168.7.255"));
    assert_false(permits(&g, "192.168.8.0"));
    assert_false(permits(&g, "192.168.3.255"));
    assert_false(permits(&g, "10.1.2.4"));
    assert_false(permits(&g, "fd13::1"));
    assert_false(permits(&g, "::1"));
    assert_false(permits(&g, "169.254.169.254"));
}

TEST(guard__a_rule_about_mapped_addresses_is_one_about_ipv4)
{
    struct guard g;

    guard_init(&g);
    assert_int_equal(guard_allow(&g, slice_str("::ffff:10.0.0.0/104")), 0);
    assert_true(permits(&g, "10.200.0.1"));
    assert_true(permits(&g, "::ffff:10.200.0.1"));
    assert_false(permits(&g, "127.0.0.1"));
}

TEST(guard__any_allows_everything_that_is_ip)
{
    static const char *const permitted[] = { "127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", NULL };
    struct guard g;

    guard_init(&g);
    assert_int_equal(guard_allow(&g, slice_str("any")), 0);
    assert_all(&g, permitted, true);
}

TEST(guard__zero_bits_are_a_whole_family)
{
    struct guard g;

    guard_init(&g);
    assert_int_equal(guard_allow(&g, slice_str("0.0.0.0/0")), 0);
    assert_true(permits(&g, "10.0.0.1"));
    assert_false(permits(&g, "::1"));
}

TEST(guard__malformed_rules_are_refused)
{
    static const char *const bad[] = {
        "", " ", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8x", "10.0.0.0/0008",
        "10.0.0/8", "10.0.0.256", "::/129", "::g", "localhost", "1.2.3.4/8/8", "[::1]", "0x7f.1",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333:4444", NULL
    };
    struct guard g;

    guard_init(&g);
    for (const char *const *b = bad; *b != NULL; b++)
        if (guard_allow(&g, slice_str(*b)) != ORB_EINVAL)
            fail_msg("\"%s\" was taken", *b);
    assert_int_equal(guard_allow(&g, slice_of("127.0.0.1\0/8", 12)), ORB_EINVAL);
    assert_int_equal(g.n_allowed, 0);
    assert_false(g.allow_all);
}

TEST(guard__a_full_table_says_so)
{
    struct guard g;

    guard_init(&g);
    for (unsigned i = 0; i < GUARD_MAX_RULES; i++)
        assert_int_equal(guard_allow(&g, slice_str("10.0.0.1")), 0);
    assert_int_equal(guard_allow(&g, slice_str("10.0.0.2")), ORB_ETOOBIG);
    assert_false(permits(&g, "10.0.0.2"));
}

TESTS(T(guard__refuses_every_special_ipv4_block_from_its_first_to_its_last_address),
      T(guard__permits_the_neighbours_of_the_special_blocks_and_the_global_ones_inside),
      T(guard__refuses_every_special_ipv6_block), T(guard__permits_global_ipv6),
      T(guard__looks_at_the_ipv4_address_inside_an_ipv6_one), T(guard__refuses_other_families),
      T(guard__allows_what_the_user_names_and_no_more), T(guard__a_rule_about_mapped_addresses_is_one_about_ipv4),
      T(guard__any_allows_everything_that_is_ip), T(guard__zero_bits_are_a_whole_family),
      T(guard__malformed_rules_are_refused), T(guard__a_full_table_says_so))
