/* Which columns texts have marks in, in little memory, and products with ones there.
   The first columns are ids, whose marks are where the ids themselves stand. Called
   from marks.py beside this file. */

#include <stddef.h>
#include <stdint.h>

#include "texts.h"

/* A bit for each place of an id, set where the text has the same id before. */
struct repeats {
    int32_t *last_text; /* (n_ids,): zeros, for its own use */
    uint8_t *bits;      /* zeros */
};

const size_t bytes_of_repeats = sizeof(struct repeats);

void find_repeats(const struct texts *a, const struct repeats *to) {
    for (int64_t text = 0; text < a->n_texts; text++)
        for (int64_t i = offset_at(a, text), end = offset_at(a, text + 1); i < end;
             i++) {
            int32_t *last = to->last_text + id_at(a, i);
            to->bits[i >> 3] |= (*last == text + 1) << (i & 7);
            *last = text + 1;
        }
}

/* Each text's columns from the first on in rising order, and of each how far it lies
   behind the one before, the first behind the column before. Where that is too far for
   a number of two bytes, GO_ON stands as often as it takes. */
struct packed_marks {
    int64_t n_texts, first_column;
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
        int64_t i = 0, before = to->first_column - 1;
        while (i < n_columns && columns[i] <= before)
            i++;
        for (; i < n_columns; i++) {
            int64_t gap = columns[i] - before;
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

/* Repeats of an id are counted elsewhere, in turns so that none waits for another. */
enum { SPARE = 8 };

struct marks_product {
    const uint8_t *repeats; /* as `find_repeats` gives them */
    float *of_ids;          /* (n_ids + SPARE,): the numbers of the ids' columns */
    float *of_columns, *of_texts; /* (n_columns,), (n_texts,) */
};

const size_t bytes_of_marks_product = sizeof(struct marks_product);

#define INLINE static inline __attribute__((always_inline))

/* The number of the id at a place, or a spare one where the text has it before. Without
   a branch: which it is cannot be foretold. */
INLINE float *number_at(const struct texts *texts, const struct marks_product *b,
                        int64_t bytes_an_id, int64_t place) {
    int64_t id = id_in(texts->ids, bytes_an_id, place),
            spare = texts->n_ids + (place & 7);
    int64_t is_repeat = b->repeats[place >> 3] >> (place & 7) & 1;
    return b->of_ids + (id ^ ((id ^ spare) & -is_repeat));
}

/* The next column that a text has a mark in, or none but where to go on from. */
static int step(int64_t *column, uint16_t gap) {
    *column += gap == GO_ON ? FARTHEST : gap;
    return gap != GO_ON;
}

INLINE void sum_columns_of(const struct texts *texts, const struct packed_marks *a,
                           const struct marks_product *b, int64_t bytes_an_id) {
    const uint16_t *gap = a->gaps;
    for (int64_t text = 0; text < a->n_texts; text++) {
        const uint16_t *stop = gap + a->n_gaps[text];
        int64_t place = offset_at(texts, text), end = offset_at(texts, text + 1);
        int64_t column = a->first_column - 1;
        /* Two, of which neither waits for the other. */
        float sum = 0, other_sum = 0;
        for (; place + 1 < end; place += 2) {
            sum += *number_at(texts, b, bytes_an_id, place);
            other_sum += *number_at(texts, b, bytes_an_id, place + 1);
        }
        if (place < end)
            sum += *number_at(texts, b, bytes_an_id, place);
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

INLINE void sum_texts_of(const struct texts *texts, const struct packed_marks *a,
                         const struct marks_product *b, int64_t bytes_an_id) {
    const uint16_t *gap = a->gaps;
    for (int64_t text = 0; text < a->n_texts; text++) {
        const uint16_t *stop = gap + a->n_gaps[text];
        int64_t end = offset_at(texts, text + 1), column = a->first_column - 1;
        for (int64_t place = offset_at(texts, text); place < end; place++)
            *number_at(texts, b, bytes_an_id, place) += b->of_texts[text];
        for (; gap < stop; gap++)
            if (step(&column, *gap))
                b->of_columns[column] += b->of_texts[text];
    }
}

/* A loop for each size of ids. */
#define WITH_BYTES(function)          \
    if (texts->bytes_an_id == 1)      \
        function(texts, a, b, 1);     \
    else if (texts->bytes_an_id == 2) \
        function(texts, a, b, 2);     \
    else                              \
        function(texts, a, b, 4)

/* Of each text the sum of its columns' numbers; spare ones are zeros. */
void sum_columns(const struct texts *texts, const struct packed_marks *a,
                 const struct marks_product *b) {
    WITH_BYTES(sum_columns_of);
}

/* To each column's number those of its texts are added. */
void sum_texts(const struct texts *texts, const struct packed_marks *a,
               const struct marks_product *b) {
    WITH_BYTES(sum_texts_of);
}
