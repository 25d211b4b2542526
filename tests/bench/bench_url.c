/* bench_url - what a URL costs: parsing, resolving, keys, fingerprints, scope. CPU time, best of several rounds.
 * usage: bench_url [FILE of URLs, one a line] */
#include <stdio.h>
#include <time.h>

#include "crawler/fingerprint.h"
#include "crawler/scope.h"
#include "crawler/urlkey.h"

#define ROUNDS 9
#define REPEATS 20000

static struct url url, base;
static struct buf key;
static struct fingerprint_key secret;
static struct scope *scope;
static uint64_t sink;

static double
cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
run_parse(struct slice s)
{
    sink += (uint64_t)url_parse(&url, s, &base);
}

static void
run_canonical(struct slice s)
{
    sink += (uint64_t)url_parse_canonical(&url, s);
}

static void
run_key(struct slice s)
{
    sink += (uint64_t)url_key(&key, &url, NULL);
}

static void
run_fingerprint(struct slice s)
{
    sink += fingerprint(&secret, s);
}

static void
run_judge(struct slice s)
{
    sink += scope_judge(scope, &url, 1);
}

static void
measure(const char *what, void (*run)(struct slice), const char *text)
{
    struct slice s = slice_str(text);
    double best = 1e18;

    CHECK(url_parse(&url, s, &base) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        double start = cpu_ns(), spent;

        for (int i = 0; i < REPEATS; i++)
            run(s);
        spent = (cpu_ns() - start) / REPEATS;
        best = spent < best ? spent : best;
    }
    printf("%-28s %7.1f ns\n", what, best);
}

static void
measure_all(void)
{
    const char *typical = "https://www.example.com/news/2024/05/17/some-article-title-here.html?page=2&sort=date";

    measure("absolute, canonical", run_parse, typical);
    measure("absolute, checked canonical", run_canonical, typical);
    measure("absolute, short", run_parse, "http://example.com/");
    measure("absolute, upper-case host", run_parse, "https://WWW.example.com/news/2024/05/17/article.html");
    measure("absolute, dot segments", run_parse, "https://www.example.com/news/../2024/./05/17/article.html");
    measure("absolute, non-ASCII path", run_parse,
            "https://www.example.com/caf\xc3\xa9/\xe6\x97\xa5\xe6\x9c\xac?q=\xc3\xa9");
    measure("absolute, non-ASCII host", run_parse,
            "https://b\xc3\xbc"
            "cher.example/a");
    measure("relative, absolute path", run_parse, "/news/2024/05/18/another-article-title.html");
    measure("relative, file", run_parse, "another-article-title.html");
    measure("relative, up", run_parse, "../18/another-article-title.html");
    measure("relative, query", run_parse, "?page=3&sort=date");
    measure("relative, fragment", run_parse, "#comments");
    measure("key", run_key, typical);
    measure("key, tracking parameters", run_key, "https://www.example.com/a?id=1&utm_source=x&utm_medium=y&gclid=z");
    measure("fingerprint", run_fingerprint, typical);
    measure("scope, host", run_judge, typical);
}

static int
measure_file(const char *path)
{
    char line[URL_MAX_BYTES];
    FILE *f = fopen(path, "r");
    double spent = 0;
    size_t n = 0, n_bad = 0;

    if (f == NULL) {
        perror(path);
        return 1;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        struct slice s = slice_trim(slice_str(line));
        double start = cpu_ns();

        n_bad += url_parse(&url, s, NULL) != 0;
        spent += cpu_ns() - start;
        n++;
    }
    fclose(f);
    printf("%zu URLs, %zu of them none, %.1f ns each (clock included)\n", n, n_bad, n == 0 ? 0 : spent / (double)n);
    return 0;
}

int
main(int argc, char **argv)
{
    static const unsigned char random[FINGERPRINT_KEY_BYTES] = { 1 };
    struct scope_conf conf = { .kind = SCOPE_HOST,
                               .max_depth = 10,
                               .max_url_bytes = 2048,
                               .max_path_depth = 32,
                               .max_repeated_segments = 3,
                               .max_parameters = 32 };
    int code = 0;

    url_init(&url, MEM_PAGE);
    url_init(&base, MEM_PAGE);
    buf_init(&key, MEM_PAGE, 3 * URL_MAX_BYTES);
    fingerprint_key_init(&secret, random);
    CHECK(url_parse(&base, slice_str("https://www.example.com/news/2024/05/17/index.html?x=1"), NULL) == 0);
    CHECK(scope_new(&scope, &conf, NULL) == 0 && scope_add_seed(scope, &base) == 0);
    if (argc > 1)
        code = measure_file(argv[1]);
    else
        measure_all();
    scope_free(&scope);
    buf_fini(&key);
    url_fini(&base);
    url_fini(&url);
    return code;
}
