/* Memory of a call that is kept for the next one: pages that the system gives anew, and
   fills with zeros, take a good part of a short step. */

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define MOST_BYTES_KEPT ((size_t)1 << 25)

/* Memory begins behind its own size. */
#define BEFORE 64

static _Atomic(char *) kept;

/* Memory at a multiple of 64, or NULL. */
static char *take(size_t n_bytes) {
    char *memory = atomic_exchange(&kept, NULL);
    if (memory && *(size_t *)memory >= n_bytes)
        return memory + BEFORE;
    if (n_bytes > MOST_BYTES_KEPT)
        memory = atomic_exchange(&kept, memory);
    free(memory);
    size_t n_in_all = BEFORE + (n_bytes + 63) / 64 * 64;
    memory = aligned_alloc(64, n_in_all);
    if (!memory)
        return NULL;
    *(size_t *)memory = n_bytes;
    return memory + BEFORE;
}

static void put_back(char *memory) {
    memory -= BEFORE;
    if (*(size_t *)memory <= MOST_BYTES_KEPT)
        memory = atomic_exchange(&kept, memory);
    free(memory);
}

/* Nothing is kept any more. */
void let_go(void) {
    free(atomic_exchange(&kept, NULL));
}
