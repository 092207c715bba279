/* The gradient of an embedding, called from embedding.py beside this file. */

#include <string.h>

#include "threads.h"

/* A line of the cache. */
#define FEWEST_COLUMNS 16

struct sum_rows {
    int64_t n_rows, width, n_sums;
    const float *vectors;   /* (n_rows, width) */
    const int32_t *ids;     /* (n_rows,): which of the sums a row is added to */
    const uint8_t *padding; /* (n_rows,): 1 for rows that are left out */
    float *sums;            /* (n_sums, width) */
};

const size_t bytes_of_sum_rows = sizeof(struct sum_rows);

static void sum_columns(const void *arguments, int64_t first, int64_t n_columns,
                        const void *packed, void *scratch) {
    (void)packed, (void)scratch;
    const struct sum_rows *a = arguments;
    for (int64_t i = 0; i < a->n_sums; i++)
        memset(a->sums + i * a->width + first, 0, n_columns * sizeof(float));
    for (int64_t i = 0; i < a->n_rows; i++) {
        if (a->padding[i] || a->ids[i] < 0 || a->ids[i] >= a->n_sums)
            continue;
        const float *restrict row = a->vectors + i * a->width + first;
        float *restrict sum = a->sums + a->ids[i] * a->width + first;
        for (int64_t j = 0; j < n_columns; j++)
            sum[j] += row[j];
    }
}

/* Each thread has columns of its own, and adds in the rows' order. */
void sum_rows(int n_threads, const struct sum_rows *a) {
    struct work w = {sum_columns, a, .n_items = a->width};
    w.n_blocks = (a->width + FEWEST_COLUMNS - 1) / FEWEST_COLUMNS;
    if (w.n_blocks > n_threads)
        w.n_blocks = n_threads;
    share_out(&w, n_threads);
}
