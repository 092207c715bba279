/* Which columns texts have marks in, in little memory, and products with ones there.
   Called from marks.py beside this file. */

#include <stddef.h>
#include <stdint.h>

/* Each text's columns in rising order, and of each how far it lies behind the one
   before, the first behind column -1. Where that is too far for a number of two bytes,
   GO_ON stands as often as it takes. */
struct packed_marks {
    int64_t n_texts;
    uint16_t *gaps;  /* text upon text */
    int32_t *n_gaps; /* (n_texts,): how many of them are a text's */
};

const size_t bytes_of_packed_marks = sizeof(struct packed_marks);

enum { GO_ON = 0, FARTHEST = UINT16_MAX };

struct unpacked_marks {
    int32_t *columns;          /* text upon text; they are sorted */
    const int32_t *n_of_texts; /* (n_texts,): how many of them are a text's */
};

const size_t bytes_of_unpacked_marks = sizeof(struct unpacked_marks);

/* Shell's sort, with Ciura's steps and others behind them. */
static void sort(int32_t *values, int64_t n_values) {
    static const int64_t steps[] = {227011, 100894, 44842, 19930, 8858, 3937, 1750, 701,
                                    301,    132,    57,    23,    10,   4,    1};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int64_t step = steps[i];
        for (int64_t end = step; end < n_values; end++) {
            int32_t value = values[end];
            int64_t place = end;
            for (; place >= step && values[place - step] > value; place -= step)
                values[place] = values[place - step];
            values[place] = value;
        }
    }
}

/* Gives how many gaps there are. */
int64_t pack_marks(const struct unpacked_marks *from, const struct packed_marks *to) {
    int32_t *columns = from->columns;
    int64_t n_gaps = 0;
    for (int64_t text = 0; text < to->n_texts; text++) {
        int64_t n_before = n_gaps, n_columns = from->n_of_texts[text];
        sort(columns, n_columns);
        int32_t before = -1;
        for (int64_t i = 0; i < n_columns; i++) {
            int64_t gap = (int64_t)columns[i] - before;
            for (; gap > FARTHEST; gap -= FARTHEST)
                to->gaps[n_gaps++] = GO_ON;
            to->gaps[n_gaps++] = gap;
            before = columns[i];
        }
        to->n_gaps[text] = n_gaps - n_before;
        columns += n_columns;
    }
    return n_gaps;
}

struct marks_product {
    float *of_columns, *of_texts; /* (n_columns,), (n_texts,) */
};

const size_t bytes_of_marks_product = sizeof(struct marks_product);

/* The next column that a text has a mark in, or none but where to go on from. */
static int step(int64_t *column, uint16_t gap) {
    *column += gap == GO_ON ? FARTHEST : gap;
    return gap != GO_ON;
}

/* Of each text the sum of its columns' numbers. */
void sum_columns(const struct packed_marks *a, const struct marks_product *b) {
    const uint16_t *gap = a->gaps;
    for (int64_t text = 0; text < a->n_texts; text++) {
        const uint16_t *stop = gap + a->n_gaps[text];
        int64_t column = -1;
        /* Two, of which neither waits for the other. */
        float sum = 0, other_sum = 0;
        for (; gap + 1 < stop; gap += 2) {
            if (step(&column, gap[0]))
                sum += b->of_columns[column];
            if (step(&column, gap[1]))
                other_sum += b->of_columns[column];
        }
        for (; gap < stop; gap++)
            if (step(&column, *gap))
                sum += b->of_columns[column];
        b->of_texts[text] = sum + other_sum;
    }
}

/* To each column's number those of its texts are added. */
void sum_texts(const struct packed_marks *a, const struct marks_product *b) {
    const uint16_t *gap = a->gaps;
    for (int64_t text = 0; text < a->n_texts; text++) {
        const uint16_t *stop = gap + a->n_gaps[text];
        int64_t column = -1;
        for (; gap < stop; gap++)
            if (step(&column, *gap))
                b->of_columns[column] += b->of_texts[text];
    }
}
