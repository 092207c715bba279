/* The steps of a GRU, forward and back: the formulas of `GRU` in cells.py.

   A kernel: included once for each set of instructions, with the macros of
   lanes.h and

   NAME(function)     a function's name in this kernel;
   FEATURES           the instructions it takes, as compilers call them;
   BFLOAT16           defined where values that are multiplied or kept are in bfloat16;
   AMX                defined where its tiles multiply;
   MOST_ROWS          how many rows of sums a product without AMX has in registers;
   MOST_COLUMNS       how many columns;
   FORWARD_COLUMNS    how many columns of each gate are taken at once;
   BACKWARD_COLUMNS   how many of the transposed kernel.

   Texts are taken `ROWS` at a time through all steps: none depends on another. */

#include "lanes.h"
#include "names.h"

#ifdef BFLOAT16
#define value uint16_t
#define GET(from)                          \
    _mm512_castsi512_ps(_mm512_slli_epi32( \
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(from))), 16))
#define PUT(to, x) _mm256_storeu_si256((__m256i *)(to), (__m256i)_mm512_cvtneps_pbh(x))
#else
#define value float
#define GET(from) LOAD(from)
#define PUT(to, x) STORE(to, x)
#endif
#define VALUES_A_UNIT (4 / sizeof(value))

/* Below 1 a gate stays so when it is rounded, for at 1 its slope may be another. */
#ifdef BFLOAT16
#define PUT_GATE(to, y) PUT(to, LARGER(FLOOR(y), SMALLER(SPLAT(0.99609375f), y)))
#else
#define PUT_GATE(to, y) PUT(to, y)
#endif

#include "functions.h"
#ifdef AMX
#include "products_amx.h"
#else
#include "products.h"
#endif

/* A step of one text, for WIDTH of its values. */
INLINE void advance(float steepness, int64_t size, const value *x, const float *u_z,
                    const float *u_r, const float *u_c, const float *bias,
                    const float *recurrent_bias, const float *before, float *after,
                    value *kept) {
    vec z = gate(steepness, GET(x) + LOAD(bias) + LOAD(u_z));
    vec r = gate(steepness, GET(x + size) + LOAD(bias + size) + LOAD(u_r));
    vec u = LOAD(u_c) + LOAD(recurrent_bias);
    vec c = tanh_of(ADD_PRODUCT(GET(x + 2 * size) + LOAD(bias + 2 * size), r, u));
    vec new = SPLAT(1.0f) - z, h = LOAD(before);
    STORE(after, h - (h - c) * new);
    if (kept) {
        PUT_GATE(kept, new);
        PUT_GATE(kept + size, r);
        PUT(kept + 2 * size, c);
        PUT(kept + 3 * size, u);
    }
}

INLINE void pool(vec h, float *sum, float *largest) {
    STORE(sum, LOAD(sum) + h);
    STORE(largest, LARGER(LOAD(largest), h));
}

INLINE void forward_rows(const struct forward *a, const float steepness, int64_t first,
                         int64_t n_rows, const value *packed, value *scratch) {
    (void)scratch;
    const int64_t size = a->size, row = a->batch * size;
    const int64_t n_units = size / VALUES_A_UNIT;
    float products[ROWS * 3 * FORWARD_COLUMNS] __attribute__((aligned(64)));
    float *states = a->states + first * size;
    float *sums = a->pooled ? a->pooled + first * size : NULL;
#ifdef BFLOAT16
    /* The states before a step and after it, as products take them. */
    value *narrow = scratch, *narrow_after = scratch + ROWS * size;
    int64_t start = a->reverse ? a->steps : 0;
    const float *initial = states + (a->in_turns ? start % 2 : start) * row;
    for (int64_t i = 0; i < n_rows * size; i += WIDTH)
        PUT(narrow + i, LOAD(initial + i));
#endif
    for (int64_t step = 0; step < a->steps; step++) {
        int64_t t = a->reverse ? a->steps - 1 - step : step;
        int64_t from = t + a->reverse, to = t + !a->reverse;
        const float *before = states + (a->in_turns ? from % 2 : from) * row;
        float *after = states + (a->in_turns ? to % 2 : to) * row;
        const int32_t *rows_of_x = a->rows ? a->rows + t * a->batch + first : NULL;
        value *kept = a->kept ? (value *)a->kept + 4 * (t * row + first * size) : NULL;
        const uint8_t *padding = a->padding + t * a->batch + first;
        if (!any_token(padding, n_rows)) {
            memcpy(after, before, n_rows * size * sizeof(float));
            continue;
        }
        for (int64_t n = 0; n < size; n += FORWARD_COLUMNS) {
            const int columns = 3 * FORWARD_COLUMNS;
#ifdef BFLOAT16
            const void *rows = narrow;
#else
            const void *rows = before;
#endif
            multiply(n_rows, columns, rows, n_units, packed + 3 * n * size, n_units,
                     products);
            for (int i = 0; i < n_rows; i++) {
                const float *u = products + i * columns;
                const value *x = (const value *)a->x;
                x += 3 * size * (rows_of_x ? rows_of_x[i] : t * a->batch + first + i);
                for (int64_t j = 0; j < FORWARD_COLUMNS; j += WIDTH) {
                    int64_t at = i * size + n + j;
                    if (padding[i]) {
                        STORE(after + at, LOAD(before + at));
                    } else {
                        advance(steepness, size, x + n + j, u + j,
                                u + j + FORWARD_COLUMNS, u + j + 2 * FORWARD_COLUMNS,
                                a->bias + n + j, a->recurrent_bias + n + j, before + at,
                                after + at, kept ? kept + at + 3 * i * size : NULL);
                        if (sums)
                            pool(LOAD(after + at), sums + at, sums + row + at);
                    }
#ifdef BFLOAT16
                    PUT(narrow_after + at, LOAD(after + at));
#endif
                }
            }
        }
#ifdef BFLOAT16
        value *other = narrow;
        narrow = narrow_after;
        narrow_after = other;
#endif
    }
}

/* Units of the recurrent kernel: for each FORWARD_COLUMNS columns of the three blocks,
   side by side, those of all rows. */
SEPARATE void pack_columns(const void *recurrent, int64_t size, void *to) {
    const value *matrix = recurrent;
    value *packed = to;
    for (int64_t n = 0; n < size; n += FORWARD_COLUMNS)
        for (int64_t k = 0; k < size; k += VALUES_A_UNIT)
            for (int block = 0; block < 3; block++)
                for (int64_t j = 0; j < FORWARD_COLUMNS; j++)
                    for (size_t of_unit = 0; of_unit < VALUES_A_UNIT; of_unit++)
                        *packed++ = matrix[((k + of_unit) * 3 + block) * size + n + j];
}

/* Constants are given for the steepness, so that each has code of its own. */
SEPARATE void steps_forward(const void *arguments, int64_t first, int64_t n_rows,
                            const void *packed, void *scratch) {
    const struct forward *a = arguments;
#ifdef AMX
    configure(n_rows);
#endif
    if (a->steepness == 0.0f)
        forward_rows(a, 0.0f, first, n_rows, packed, scratch);
    else
        forward_rows(a, a->steepness, first, n_rows, packed, scratch);
#ifdef AMX
    _tile_release();
#endif
}

/* From the gradient of a text's state after a step, for WIDTH of its values: those of
   x and u, of the biases, and of the state before, the way through u left out. */
INLINE void retreat(float steepness, int64_t size, vec of_h, const float *before,
                    const value *kept, value *of_x, value *of_u, float *of_biases,
                    float *passed) {
    vec new = GET(kept), r = GET(kept + size), c = GET(kept + 2 * size);
    vec u = GET(kept + 3 * size);
    vec of_new = of_h * new, of_c = (SPLAT(1.0f) - c * c) * of_new;
    vec of_z = of_h * (LOAD(before) - c) * slope(steepness, new);
    vec of_r = of_c * u * slope(steepness, r);
    vec of_last = of_c * r;
    STORE(passed, of_h - of_new);
    PUT(of_x, of_z);
    PUT(of_x + size, of_r);
    PUT(of_x + 2 * size, of_c);
    PUT(of_u, of_z);
    PUT(of_u + size, of_r);
    PUT(of_u + 2 * size, of_last);
    STORE(of_biases, LOAD(of_biases) + of_z);
    STORE(of_biases + size, LOAD(of_biases + size) + of_r);
    STORE(of_biases + 2 * size, LOAD(of_biases + 2 * size) + of_c);
    STORE(of_biases + 3 * size, LOAD(of_biases + 3 * size) + of_last);
}

/* The gradient of a state that is pooled. Where several are the largest, the last of
   them has it all, which is marked. */
INLINE vec unpool(vec h, const float *of_sum, int64_t row, float *largest) {
    vec of_largest = LOAD(of_sum + row), of_h = LOAD(of_sum);
    vec found = LOAD(largest), none = SPLAT(__builtin_nanf(""));
    STORE(largest, IF_EQUAL(h, found, none, found));
    return of_h + IF_EQUAL(h, found, of_largest, SPLAT(0.0f));
}

INLINE void backward_rows(const struct backward *a, const float steepness,
                          int64_t first, int64_t n_rows, const value *packed,
                          float *of_biases) {
    const int64_t size = a->size, row = a->batch * size;
    const int64_t n_units = 3 * size / VALUES_A_UNIT;
    float products[ROWS * BACKWARD_COLUMNS] __attribute__((aligned(64)));
    float *of_h = a->of_initial + first * size, *of_step = of_biases + 4 * size;
    float *largest = of_biases + 8 * size;
    const float *of_pooled = a->of_pooled ? a->of_pooled + first * size : NULL;
    if (of_pooled) {
        memcpy(of_h, of_pooled, n_rows * size * sizeof(float));
        memcpy(largest, a->largest + first * size, n_rows * size * sizeof(float));
    } else {
        memset(of_h, 0, n_rows * size * sizeof(float));
    }
    memset(of_biases, 0, 4 * size * sizeof(float));
    for (int64_t step = 0; step < a->steps; step++) {
        int64_t t = a->reverse ? step : a->steps - 1 - step;
        const float *before = a->states + (t + a->reverse) * row + first * size;
        const float *after = a->states + (t + !a->reverse) * row + first * size;
        const float *upstream =
            a->upstream ? a->upstream + t * row + first * size : NULL;
        const value *kept = (const value *)a->kept + 4 * (t * row + first * size);
        value *of_x = (value *)a->of_x + 3 * (t * row + first * size);
        value *of_u = (value *)a->of_u + 3 * (t * row + first * size);
        const uint8_t *padding = a->padding + t * a->batch + first;
        /* A step's sums by themselves, for sums of few numbers round less. */
        memset(of_step, 0, 4 * size * sizeof(float));
        for (int i = 0; i < n_rows; i++)
            for (int64_t j = 0; j < size; j += WIDTH) {
                int64_t at = i * size + j;
                vec sum = LOAD(of_h + at);
                if (upstream)
                    sum = sum + LOAD(upstream + at);
                if (padding[i]) {
                    STORE(of_h + at, sum);
                    for (int k = 0; k < 3; k++) {
                        PUT(of_x + at + (2 * i + k) * size, SPLAT(0.0f));
                        PUT(of_u + at + (2 * i + k) * size, SPLAT(0.0f));
                    }
                } else {
                    if (of_pooled)
                        sum = sum + unpool(LOAD(after + at), of_pooled + row + at, row,
                                           largest + at);
                    retreat(steepness, size, sum, before + at, kept + at + 3 * i * size,
                            of_x + at + 2 * i * size, of_u + at + 2 * i * size,
                            of_step + j, of_h + at);
                }
            }
        if (!any_token(padding, n_rows))
            continue;
        for (int64_t j = 0; j < 4 * size; j += WIDTH)
            STORE(of_biases + j, LOAD(of_biases + j) + LOAD(of_step + j));
        for (int64_t n = 0; n < size; n += BACKWARD_COLUMNS) {
            multiply(n_rows, BACKWARD_COLUMNS, of_u, n_units, packed + 3 * n * size,
                     n_units, products);
            for (int i = 0; i < n_rows; i++)
                for (int j = 0; j < BACKWARD_COLUMNS; j += WIDTH) {
                    float *at = of_h + i * size + n + j;
                    STORE(at, LOAD(at) + LOAD(products + i * BACKWARD_COLUMNS + j));
                }
        }
    }
}

/* Units of the transposed recurrent kernel: for each BACKWARD_COLUMNS columns those of
   all rows. */
SEPARATE void pack_rows(const void *recurrent, int64_t size, void *to) {
    const uint32_t *matrix = recurrent;
    uint32_t *packed = to;
    int64_t n_units = 3 * size / VALUES_A_UNIT;
    for (int64_t n = 0; n < size; n += BACKWARD_COLUMNS)
        for (int64_t unit = 0; unit < n_units; unit++)
            for (int64_t j = 0; j < BACKWARD_COLUMNS; j++)
                *packed++ = matrix[(n + j) * n_units + unit];
}

SEPARATE void steps_back(const void *arguments, int64_t first, int64_t n_rows,
                         const void *packed, void *scratch) {
    const struct backward *a = arguments;
#ifdef AMX
    configure(n_rows);
#endif
    if (a->steepness == 0.0f)
        backward_rows(a, 0.0f, first, n_rows, packed, scratch);
    else
        backward_rows(a, a->steepness, first, n_rows, packed, scratch);
#ifdef AMX
    _tile_release();
#endif
}

static const struct kernel NAME(kernel) = {
    .bytes_a_value = sizeof(value),
    .pack_forward = pack_columns,
    .forward = steps_forward,
    .pack_backward = pack_rows,
    .backward = steps_back,
};

#undef value
#undef GET
#undef PUT
#undef PUT_GATE
#undef VALUES_A_UNIT
