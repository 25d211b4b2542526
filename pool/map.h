/* map.h - a hash table from 64-bit keys to pointers
 *
 * Open addressing, linear probing, backward-shift deletion: no tombstones, no memory per entry beside the slot.
 * Keys are hashes or ids; 0 is a key like any other. Text keys: hash them (hash.h) and compare in the value.
 *
 * Ownership  the map BORROWS its values. Errors: map_put() ORB_ENOMEM, the map unchanged.
 * Iteration  MAP_EACH visits every entry; the map must not change meanwhile.
 */
#ifndef ORB_POOL_MAP_H
#define ORB_POOL_MAP_H

#include "pool/error.h"
#include "pool/mem.h"

struct map_slot {
    uint64_t key;
    void *value; /* NULL = free slot */
};

struct map {
    struct map_slot *slots;
    size_t n, cap; /* cap is 0 or a power of two */
    enum mem_domain domain;
};

#define MAP_EACH(slot, map)                                                                                            \
    for (struct map_slot *slot = (map)->slots; slot != NULL && slot < (map)->slots + (map)->cap; slot++)              \
        if (slot->value != NULL)

void map_init(struct map *m, enum mem_domain domain);
void map_fini(struct map *m);
void *map_get(const struct map *m, uint64_t key);       /* BORROWED or NULL */
int map_put(struct map *m, uint64_t key, void *value) ORB_MUST_USE; /* replaces; value != NULL */
void *map_remove(struct map *m, uint64_t key);          /* what was there, or NULL */

#endif
