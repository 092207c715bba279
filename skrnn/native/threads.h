/* Threads that share out work. */

#include <immintrin.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define MOST_THREADS 64

/* Blocks of items that threads take one after the other, each with its scratch. */
struct work {
    void (*function)(const void *arguments, int64_t first, int64_t n_items,
                     const void *packed, void *scratch);
    const void *arguments, *packed;
    char *scratch;
    size_t bytes_a_block;
    int64_t n_items, n_blocks;
    atomic_int_fast64_t next;
};

static void *work(void *given) {
    struct work *w = given;
    /* Numbers too small for a float's usual form count as zero: they are slow, and
       TensorFlow takes them so. */
    unsigned int before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    for (int64_t i; (i = atomic_fetch_add(&w->next, 1)) < w->n_blocks;) {
        int64_t first = w->n_items * i / w->n_blocks;
        int64_t end = w->n_items * (i + 1) / w->n_blocks;
        w->function(w->arguments, first, end - first, w->packed,
                    w->scratch + i * w->bytes_a_block);
    }
    _mm_setcsr(before);
    return NULL;
}

static void share_out(struct work *w, int64_t n_threads) {
    pthread_t threads[MOST_THREADS];
    int n_started = 0;
    if (n_threads > w->n_blocks)
        n_threads = w->n_blocks;
    if (n_threads > MOST_THREADS)
        n_threads = MOST_THREADS;
    while (n_started < n_threads - 1 &&
           !pthread_create(&threads[n_started], NULL, work, w))
        n_started++;
    work(w);
    while (n_started)
        pthread_join(threads[--n_started], NULL);
}
