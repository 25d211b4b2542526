/* Random small graphs: every answer of gc/graph.h against one that is worked out by brute force. */
#include "gc/graph.h"
#include "gc/graph_dominators.h"
#include "tests/support/heap_sample.h"
#include "tests/support/support.h"

#define MAX_OBJECTS 60
#define N_SEEDS 400
#define NOBODY MAX_OBJECTS

static struct {
    unsigned seed, n;
    uint64_t random;
    struct sample *all[MAX_OBJECTS];  /* dead ones are NULL */
    struct object *kept[MAX_OBJECTS]; /* the references from outside; NULL: none */
    bool is_rooted[MAX_OBJECTS];      /* kept by a root that is registered */
    struct gc_root table, single;
    struct object *single_reference;
    unsigned single_id;
} world;

static uint64_t
random_below(uint64_t n)
{
    world.random ^= world.random << 13;
    world.random ^= world.random >> 7;
    world.random ^= world.random << 17;
    return (world.random >> 11) % n;
}

#define EXPECT(cond)                                                                                                   \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            fail_msg("seed %u: %s", world.seed, #cond);                                                                \
    } while (0)

static void
walk_table(void *owner, object_visit_fn *visit, void *arg)
{
    for (unsigned i = 0; i < world.n; i++)
        if (world.kept[i] != NULL && world.is_rooted[i])
            visit(&world.kept[i], arg);
}

static void
make_objects(void)
{
    unsigned n_types = 1 + (unsigned)random_below(SAMPLE_N_TYPES);

    for (unsigned i = 0; i < world.n; i++) {
        world.all[i] = sample_new((unsigned)random_below(n_types), i);
        assert_non_null(world.all[i]);
        world.all[i]->owned_bytes = (uint32_t)random_below(1000);
        world.kept[i] = &world.all[i]->object;
    }
}

static void
make_links(void)
{
    unsigned n_links = (unsigned)random_below(3 * world.n + 1);

    for (unsigned i = 0; i < n_links; i++)
        sample_link(world.all[random_below(world.n)], world.all[random_below(world.n)]);
    if (random_below(4) == 0) /* an LRU list, entered at both ends */
        for (unsigned i = 0; i + 1 < world.n; i++) {
            sample_link(world.all[i], world.all[i + 1]);
            sample_link(world.all[i + 1], world.all[i]);
        }
}

static void
let_go(void)
{
    unsigned one_in = 1 + (unsigned)random_below(12);

    for (unsigned i = 0; i < world.n; i++) {
        world.is_rooted[i] = random_below(3) != 0;
        if (random_below(one_in) != 0)
            object_unref(&world.kept[i]);
    }
    for (unsigned i = 0; i < world.n; i++)
        if (!sample_is_alive[i])
            world.all[i] = NULL;
}

static void
world_make(unsigned seed)
{
    memset(&world, 0, sizeof world);
    world.seed = seed;
    world.random = seed * 0x9e3779b97f4a7c15u + 1;
    world.n = 1 + (unsigned)random_below(MAX_OBJECTS);
    make_objects();
    make_links();
    let_go();
    world.table = (struct gc_root){ .name = "table", .walk = walk_table, .owner = &world };
    world.single = (struct gc_root){ .name = "single", .reference = &world.single_reference };
    world.single_id = (unsigned)random_below(world.n);
    if (world.all[world.single_id] != NULL)
        world.single_reference = object_ref(&world.all[world.single_id]->object);
    gc_root_add(&world.table);
    gc_root_add(&world.single);
}

static void
world_end(void)
{
    gc_root_remove(&world.table);
    gc_root_remove(&world.single);
    for (unsigned i = 0; i < world.n; i++) /* garbage rings have nobody else who cuts them */
        if (world.all[i] != NULL && world.kept[i] == NULL)
            world.kept[i] = object_ref(&world.all[i]->object);
    object_unref(&world.single_reference);
    for (unsigned i = 0; i < world.n; i++)
        for (unsigned j = 0; j < SAMPLE_LINKS && world.all[i] != NULL; j++)
            object_unref(&world.all[i]->to[j]);
    for (unsigned i = 0; i < world.n; i++)
        object_unref(&world.kept[i]);
    for (unsigned i = 0; i < world.n; i++)
        EXPECT(!sample_is_alive[i]);
}

/* ---- brute force ---- */

static bool
is_single(unsigned id)
{
    return world.single_reference != NULL && world.single_id == id;
}

static bool
is_held(unsigned id)
{
    return world.kept[id] != NULL || is_single(id);
}

/* Who is reached from those that are set already, without passing `without` or an object of type `type`. */
static void
spread(bool *is_reached, unsigned without, const struct object_type *type)
{
    for (bool has_changed = true; has_changed;) {
        has_changed = false;
        for (unsigned i = 0; i < world.n; i++)
            for (unsigned j = 0; is_reached[i] && j < SAMPLE_LINKS; j++) {
                struct object *to = world.all[i]->to[j];

                if (to == NULL || is_reached[sample_of(to)->id] || sample_of(to)->id == without
                    || (type != NULL && object_is(to, type)))
                    continue;
                is_reached[sample_of(to)->id] = has_changed = true;
            }
    }
}

static void
reach_from_outside(bool *is_reached, unsigned without, const struct object_type *type)
{
    for (unsigned i = 0; i < world.n; i++)
        is_reached[i] = is_held(i) && i != without && (type == NULL || !object_is(&world.all[i]->object, type));
    spread(is_reached, without, type);
}

static uint64_t
size_of(unsigned id)
{
    return SAMPLE_BYTES + world.all[id]->owned_bytes;
}

static uint64_t
retained_by_hand(unsigned id)
{
    bool others[MAX_OBJECTS], with[MAX_OBJECTS];
    uint64_t sum = 0;

    reach_from_outside(others, id, NULL);
    memcpy(with, others, sizeof with);
    with[id] = true;
    spread(with, NOBODY, NULL);
    for (unsigned i = 0; i < world.n; i++)
        if (with[i] && !others[i])
            sum += size_of(i);
    return sum;
}

/* [i][d]: d is on every way from outside to i */
static bool dominates[MAX_OBJECTS][MAX_OBJECTS];
static bool is_in_use[MAX_OBJECTS];

static void
dominators_by_hand(void)
{
    memset(dominates, 0, sizeof dominates);
    reach_from_outside(is_in_use, NOBODY, NULL);
    for (unsigned d = 0; d < world.n; d++) {
        bool without[MAX_OBJECTS];

        if (!is_in_use[d])
            continue;
        reach_from_outside(without, d, NULL);
        for (unsigned i = 0; i < world.n; i++)
            dominates[i][d] = is_in_use[i] && !without[i];
    }
}

static unsigned
n_dominators(unsigned id)
{
    unsigned n = 0;

    for (unsigned d = 0; d < world.n; d++)
        n += dominates[id][d];
    return n;
}

/* The nearest: it has all the others above it. */
static unsigned
dominator_by_hand(unsigned id)
{
    unsigned nearest = NOBODY;

    for (unsigned d = 0; d < world.n; d++)
        if (d != id && dominates[id][d] && (nearest == NOBODY || n_dominators(d) > n_dominators(nearest)))
            nearest = d;
    return nearest;
}

/* How many objects are in the shortest chain from what is set in `from`; 0: there is none. */
static size_t
chain_by_hand(const bool *from, unsigned to)
{
    size_t length[MAX_OBJECTS];

    for (unsigned i = 0; i < world.n; i++)
        length[i] = from[i] ? 1 : 0;
    for (unsigned round = 1; round <= world.n; round++)
        for (unsigned i = 0; i < world.n; i++)
            for (unsigned j = 0; length[i] == round && j < SAMPLE_LINKS; j++)
                if (world.all[i]->to[j] != NULL && length[sample_of(world.all[i]->to[j])->id] == 0)
                    length[sample_of(world.all[i]->to[j])->id] = round + 1;
    return length[to];
}

/* ---- the properties ---- */

static bool
refers_to(const struct sample *s, const struct object *to)
{
    for (unsigned j = 0; j < SAMPLE_LINKS; j++)
        if (s->to[j] == to)
            return true;
    return false;
}

static void
check_referrers(void)
{
    for (unsigned i = 0; i < world.n; i++) {
        struct object **found;
        size_t n, n_expected = 0;

        if (world.all[i] == NULL)
            continue;
        assert_int_equal(graph_referrers(&world.all[i]->object, &found, &n), 0);
        for (unsigned k = 0; k < world.n; k++)
            n_expected += world.all[k] != NULL && refers_to(world.all[k], &world.all[i]->object);
        EXPECT(n == n_expected);
        for (size_t k = 0; k < n; k++)
            EXPECT(refers_to(sample_of(found[k]), &world.all[i]->object));
        mem_free(MEM_OBJ, found);
    }
}

static void
check_root_name(const struct graph_chain *c, bool is_rooted)
{
    unsigned id = sample_of(c->objects[0])->id;

    if (!is_rooted)
        EXPECT(c->root == NULL);
    else if (strcmp(c->root, "table") == 0)
        EXPECT(world.kept[id] != NULL && world.is_rooted[id]);
    else
        EXPECT(strcmp(c->root, "single") == 0 && is_single(id));
}

static void
check_chain(unsigned id)
{
    bool roots[MAX_OBJECTS], held[MAX_OBJECTS];
    struct graph_chain c;
    size_t expected;

    for (unsigned i = 0; i < world.n; i++) {
        held[i] = is_held(i);
        roots[i] = is_single(i) || (held[i] && world.is_rooted[i]);
    }
    assert_int_equal(graph_chain(&world.all[id]->object, &c), 0);
    expected = chain_by_hand(roots, id);
    check_root_name(&c, expected != 0);
    if (expected == 0)
        expected = chain_by_hand(held, id);
    EXPECT(c.is_garbage == (expected == 0));
    EXPECT(c.n == (expected == 0 ? 1 : expected));
    EXPECT(c.objects[c.n - 1] == &world.all[id]->object);
    EXPECT(c.is_garbage || held[sample_of(c.objects[0])->id]);
    for (size_t i = 0; i + 1 < c.n; i++)
        EXPECT(refers_to(sample_of(c.objects[i]), c.objects[i + 1]));
    graph_chain_fini(&c);
}

static void
check_retained_by_type(void)
{
    struct graph_retained *rows;
    size_t n;
    uint64_t before = UINT64_MAX;

    assert_int_equal(graph_retained_by_type(&rows, &n), 0);
    for (size_t r = 0; r < n; r++) {
        bool without[MAX_OBJECTS];
        uint64_t n_of_type = 0, bytes = 0, retained = 0;

        reach_from_outside(without, NOBODY, rows[r].type);
        for (unsigned i = 0; i < world.n; i++) {
            bool is_of_type = world.all[i] != NULL && object_is(&world.all[i]->object, rows[r].type);

            n_of_type += is_of_type;
            bytes += is_of_type ? size_of(i) : 0;
            retained += is_in_use[i] && !without[i] ? size_of(i) : 0;
        }
        EXPECT(rows[r].n == n_of_type && n_of_type > 0);
        EXPECT(rows[r].bytes == bytes);
        EXPECT(rows[r].retained_bytes == retained && retained <= before);
        before = retained;
    }
    mem_free(MEM_OBJ, rows);
}

static void
check_dominators(void)
{
    struct graph_retainer *rows;
    size_t n, n_in_use = 0;
    uint64_t before = UINT64_MAX;

    assert_int_equal(graph_retained_top(MAX_OBJECTS, &rows, &n), 0);
    for (unsigned i = 0; i < world.n; i++)
        n_in_use += is_in_use[i];
    EXPECT(n == n_in_use);
    for (size_t r = 0; r < n; r++) {
        unsigned id = sample_of(rows[r].object)->id, up = dominator_by_hand(id);

        EXPECT(is_in_use[id]);
        EXPECT(rows[r].dominator == (up == NOBODY ? NULL : &world.all[up]->object));
        EXPECT(rows[r].bytes == retained_by_hand(id) && rows[r].bytes <= before);
        before = rows[r].bytes;
    }
    mem_free(MEM_OBJ, rows);
}

static void
check_retained(void)
{
    dominators_by_hand();
    for (unsigned i = 0; i < world.n; i++) {
        uint64_t bytes;

        if (world.all[i] == NULL)
            continue;
        assert_int_equal(graph_retained_of(&world.all[i]->object, &bytes), 0);
        EXPECT(bytes == retained_by_hand(i));
    }
}

static void
for_each_seed(void (*check)(void))
{
    size_t before = mem_live_blocks();

    for (unsigned seed = 1; seed <= N_SEEDS; seed++) {
        world_make(seed);
        check();
        world_end();
    }
    gc_fini();
    assert_int_equal(mem_live_blocks(), before);
}

static void
check_chains(void)
{
    for (unsigned i = 0; i < world.n; i++)
        if (world.all[i] != NULL)
            check_chain(i);
}

static void
check_retained_both_ways(void)
{
    check_retained();
    check_retained_by_type();
    check_dominators();
}

TEST(graph__referrers_are_those_that_a_scan_finds)
{
    for_each_seed(check_referrers);
}

TEST(graph__a_chain_is_as_short_as_a_search_by_hand_finds_it)
{
    for_each_seed(check_chains);
}

TEST(graph__retained_is_what_cannot_be_reached_without)
{
    for_each_seed(check_retained_both_ways);
}

TESTS(T(graph__referrers_are_those_that_a_scan_finds), T(graph__a_chain_is_as_short_as_a_search_by_hand_finds_it),
      T(graph__retained_is_what_cannot_be_reached_without))
