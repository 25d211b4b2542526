"""CPython's side of `scripts/bench memory`: reads the name of a measure from each line of its input, runs it once, answers
with one number (nanoseconds, or bytes). CPU time. Objects have two references and no dict, as ours have two pointers."""
import gc
import random
import sys
import time
import weakref

N = 1_000_000
RING = 10
K = 100_000


class Node:
    __slots__ = ("next", "other")


class Weakable:
    __slots__ = ("next", "other", "__weakref__")


def cpu_ns():
    return time.process_time_ns()


def resident_bytes():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096


def rings(is_shuffled, n=N):
    """n objects in rings of RING, each with a reference to the next and to the one across."""
    nodes = [Node() for _ in range(n)]
    order = list(range(n))
    if is_shuffled:
        random.Random(7).shuffle(order)
    for first in range(0, n - RING + 1, RING):
        ring = [nodes[i] for i in order[first:first + RING]]
        for i, node in enumerate(ring):
            node.next = ring[(i + 1) % RING]
            node.other = ring[(i + RING // 2) % RING]
    return nodes


def collecting(is_shuffled, is_live):
    nodes = rings(is_shuffled)
    if not is_live:
        del nodes
    began = cpu_ns()
    found = gc.collect()
    took = cpu_ns() - began
    assert (found >= N) != is_live
    return took


def object_bytes():
    nodes = [None] * N
    before = resident_bytes()
    for i in range(N):
        nodes[i] = node = Node()
        node.next = node.other = None
    return (resident_bytes() - before) / N


def weak_create():
    nodes = [Weakable() for _ in range(N)]
    began = cpu_ns()
    refs = list(map(weakref.ref, nodes))
    return (cpu_ns() - began) / len(refs)


def weak_dereference():
    nodes = [Weakable() for _ in range(10_000)]
    refs = [weakref.ref(node) for node in nodes]
    rounds = range(50)
    began = cpu_ns()
    for _ in rounds:
        for ref in refs:
            ref()
    called = cpu_ns()
    for _ in rounds:
        for ref in refs:
            pass
    return (called - began - (cpu_ns() - called)) / (50 * len(refs))


def weak_map_get():
    nodes = [Weakable() for _ in range(K)]
    keys = ["http://example.org/%d" % i for i in range(K)]
    table = weakref.WeakValueDictionary(zip(keys, nodes))
    chance = random.Random(3)
    asked = [keys[chance.randrange(K)] for _ in range(300_000)]
    get = table.get
    began = cpu_ns()
    for key in asked:
        get(key)
    return (cpu_ns() - began) / len(asked)


MEASURES = {
    "garbage": lambda: collecting(False, False),
    "garbage shuffled": lambda: collecting(True, False),
    "live": lambda: collecting(False, True),
    "live shuffled": lambda: collecting(True, True),
    "object bytes": object_bytes,
    "weak create": weak_create,
    "weak dereference": weak_dereference,
    "weak map get": weak_map_get,
}

gc.disable()
for line in sys.stdin:
    print(MEASURES[line.strip()](), flush=True)
    gc.collect()
