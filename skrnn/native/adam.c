/* Adam on some rows of a table, called from adam.py beside this file. */

#include <math.h>
#include <string.h>

#include "threads.h"

/* Columns that are moved together: they stay in the core's cache. */
#define COLUMNS 128
#define FEWEST_ROWS 64

/* Fast where the processor has it; this file is plain C, which GCC and Clang turn into
   instructions for several numbers at once. */
#define WIDE __attribute__((target("avx2,fma")))

struct adam {
    int64_t n_rows, width;
    int64_t n_steps; /* the number of updates that rows are brought up to */
    int64_t limit;   /* the most updates in a row whose moves are more than nothing */
    float beta_1, beta_2, epsilon;
    const int32_t *ids; /* (n_rows,): the table's rows, each once; NULL for all */
    float *table, *momentum, *velocity; /* (n_ids, width) */
    int32_t *seen;       /* (n_ids,): the number of updates a row has seen */
    const float *sizes;  /* (n_steps,): of each update, as Adam corrects them */
    const float *slopes; /* (n_rows, width): of the last update; for `move_rows` */
    float *rows; /* (n_rows, width): a copy of what the rows are then; or NULL */
};

const size_t bytes_of_adam = sizeof(struct adam);

/* Moves of some numbers by updates in which their gradient was 0. The root of a
   velocity that only decays is taken once. */
WIDE static void move_by_momentum(const struct adam *a, int64_t seen, int64_t n_columns,
                                  float *restrict table, float *restrict momentum,
                                  float *restrict velocity) {
    int64_t missed = a->n_steps - seen;
    int64_t n_moves = missed < a->limit ? missed : a->limit;
    float beta = a->beta_1, root_beta = sqrtf(a->beta_2), epsilon = a->epsilon;
    float decayed[COLUMNS], root[COLUMNS];
    for (int64_t j = 0; j < n_columns; j++) {
        decayed[j] = momentum[j];
        root[j] = sqrtf(velocity[j]);
    }
    for (int64_t i = 0; i < n_moves; i++) {
        float size = a->sizes[seen + i];
        for (int64_t j = 0; j < n_columns; j++) {
            decayed[j] *= beta;
            root[j] *= root_beta;
            table[j] -= size * decayed[j] / (root[j] + epsilon);
        }
    }
    float left = powf(beta, missed - n_moves), of_velocity = powf(a->beta_2, missed);
    for (int64_t j = 0; j < n_columns; j++) {
        momentum[j] = decayed[j] * left;
        velocity[j] *= of_velocity;
    }
}

WIDE static void move_by_slope(const struct adam *a, int64_t n_columns,
                               const float *restrict slopes, float *restrict table,
                               float *restrict momentum, float *restrict velocity) {
    float size = a->sizes[a->n_steps - 1];
    float of_slope = 1 - a->beta_1, of_square = 1 - a->beta_2, epsilon = a->epsilon;
    for (int64_t j = 0; j < n_columns; j++) {
        float m = a->beta_1 * momentum[j] + of_slope * slopes[j];
        float v = a->beta_2 * velocity[j] + of_square * (slopes[j] * slopes[j]);
        momentum[j] = m;
        velocity[j] = v;
        table[j] -= size * m / (sqrtf(v) + epsilon);
    }
}

static void take_rows(const void *arguments, int64_t first, int64_t n_rows,
                      const void *packed, void *scratch) {
    (void)packed, (void)scratch;
    const struct adam *a = arguments;
    for (int64_t i = first; i < first + n_rows; i++) {
        int64_t id = a->ids ? a->ids[i] : i;
        float *table = a->table + id * a->width;
        for (int64_t j = 0; j < a->width; j += COLUMNS) {
            int64_t at = id * a->width + j;
            int64_t n_columns = a->width - j < COLUMNS ? a->width - j : COLUMNS;
            if (a->slopes)
                move_by_slope(a, n_columns, a->slopes + i * a->width + j, a->table + at,
                              a->momentum + at, a->velocity + at);
            else if (a->seen[id] < a->n_steps)
                move_by_momentum(a, a->seen[id], n_columns, a->table + at,
                                 a->momentum + at, a->velocity + at);
        }
        a->seen[id] = a->n_steps;
        if (a->rows)
            memcpy(a->rows + i * a->width, table, a->width * sizeof(float));
    }
}

/* Each row is moved by itself: how many threads there are changes nothing. */
void move_rows(int n_threads, const struct adam *a) {
    struct work w = {take_rows, a, .n_items = a->n_rows};
    w.n_blocks = a->n_rows / FEWEST_ROWS + 1;
    share_out(&w, n_threads);
}
