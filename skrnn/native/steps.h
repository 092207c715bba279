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
   BACKWARD_COLUMNS   how many of other matrices.

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
#include "packing.h"
#include "gradients.h"

/* A step of one text, for WIDTH of its values. The gates' blocks of x, and those of u,
   are `of_x` and `of_u` floats apart. */
INLINE void advance(float steepness, int64_t size, const float *x, int64_t of_x,
                    const float *u, int64_t of_u, const float *bias,
                    const float *recurrent_bias, const float *before, float *after,
                    value *kept) {
    vec z = gate(steepness, LOAD(x) + LOAD(bias) + LOAD(u));
    vec r = gate(steepness, LOAD(x + of_x) + LOAD(bias + size) + LOAD(u + of_u));
    vec u_c = LOAD(u + 2 * of_u) + LOAD(recurrent_bias);
    vec c = tanh_of(ADD_PRODUCT(LOAD(x + 2 * of_x) + LOAD(bias + 2 * size), r, u_c));
    vec new = SPLAT(1.0f) - z, h = LOAD(before);
    STORE(after, h - (h - c) * new);
    if (kept) {
        PUT_GATE(kept, new);
        PUT_GATE(kept + size, r);
        PUT(kept + 2 * size, c);
        PUT(kept + 3 * size, u_c);
    }
}

INLINE void pool(vec h, float *sum, float *largest) {
    STORE(sum, LOAD(sum) + h);
    STORE(largest, LARGER(LOAD(largest), h));
}

SEPARATE void pack_matrices(const void *arguments, void *to) {
    const struct forward *a = arguments;
    value *packed = to;
    pack_columns(a->recurrent, a->size, a->size, a->size, packed);
    if (!a->x)
        pack_columns(a->input_kernel, a->n_features, padded(a->n_features), a->size,
                     packed + 3 * a->size * a->size);
}

/* What a step reads of some texts, as products take it. */
INLINE void narrow_inputs(const struct forward *a, int64_t step, int64_t first,
                          int64_t n_rows, value *to) {
    int64_t t = a->reverse ? a->steps - 1 - step : step;
    int64_t place = t * a->batch + first;
    narrow_rows(a->inputs + (a->rows ? 0 : place * a->n_features),
                a->rows ? a->rows + place : NULL,
                a->factors ? a->factors + first * a->n_features : NULL, n_rows,
                a->n_features, to);
}

#ifndef BFLOAT16
/* The inputs' products of as many steps from one on as make MOST_ROWS rows of a few
   texts: the matrix is read once for all. How many steps these are. */
INLINE int64_t multiply_inputs(const struct forward *a, int64_t step, int64_t first,
                               int64_t n_rows, float *inputs, float *of_inputs) {
    const int64_t n_features = padded(a->n_features), size = a->size;
    int64_t n_steps = MOST_ROWS / n_rows, n_left = a->steps - step;
    if (n_steps > n_left)
        n_steps = n_left;
    for (int64_t i = 0; i < n_steps; i++)
        narrow_inputs(a, step + i, first, n_rows, inputs + i * n_rows * n_features);
    multiply_few(n_steps * n_rows, inputs, n_features, a->input_kernel, a->n_features,
                 3 * size, of_inputs);
    return n_steps;
}
#endif

INLINE void forward_rows(const struct forward *a, const float steepness,
                         const int is_packed, int64_t first, int64_t n_rows,
                         const value *packed, value *scratch) {
    const int64_t size = a->size, row = a->batch * size;
    const int64_t n_features = padded(a->n_features);
    const int multiplies = !a->x;
    const int64_t n_units = size / VALUES_A_UNIT;
    const int64_t units_of_inputs = n_features / VALUES_A_UNIT;
    const int columns = 3 * FORWARD_COLUMNS;
    /* Columns of each gate in a product; without packed matrices it has all. */
    const int64_t block = is_packed ? FORWARD_COLUMNS : size;
    float products[ROWS * 3 * FORWARD_COLUMNS] __attribute__((aligned(64)));
    float of_inputs[ROWS * 3 * FORWARD_COLUMNS] __attribute__((aligned(64)));
    float *states = a->states + first * size;
    float *sums = a->pooled ? a->pooled + row + first * size : NULL;
    value *inputs = scratch + 2 * ROWS * size;
    const value *packed_kernel = is_packed ? packed + 3 * size * size : NULL;
    /* Without packed matrices: a step's products, and the inputs' of some steps. */
    float *of_all_u = (float *)scratch, *of_all_x = of_all_u + 3 * n_rows * size;
    const float *of_x_now = of_all_x;
#ifndef BFLOAT16
    int64_t first_multiplied = 0, n_multiplied = 0;
#endif
    int64_t start = a->reverse ? a->steps : 0;
    /* The states that came last. */
    const float *last = states + (a->in_turns ? start % 2 : start) * row;
#ifdef BFLOAT16
    /* The states before a step and after it, as products take them. */
    value *narrow = scratch, *narrow_after = scratch + ROWS * size;
    for (int64_t i = 0; i < n_rows * size; i += WIDTH)
        PUT(narrow + i, LOAD(last + i));
#endif
    for (int64_t step = 0; step < a->steps; step++) {
        int64_t t = a->reverse ? a->steps - 1 - step : step;
        int64_t from = t + a->reverse, to = t + !a->reverse;
        int64_t place = t * a->batch + first;
        float *before = states + (a->in_turns ? from % 2 : from) * row;
        float *after = states + (a->in_turns ? to % 2 : to) * row;
        value *kept = a->kept ? (value *)a->kept + 4 * place * size : NULL;
        const uint8_t *padding = a->padding + place;
        const int32_t *row_ids = a->rows ? a->rows + place : NULL;
        if (!any_token(padding, n_rows)) {
            /* Where states are pooled nobody reads these; the last ones are copied in
               front of the next token. */
            if (!sums) {
                memcpy(after, last, n_rows * size * sizeof(float));
                last = after;
            }
            continue;
        }
        if (last != before)
            memcpy(before, last, n_rows * size * sizeof(float));
        last = after;
        if (is_packed && multiplies)
            narrow_inputs(a, step, first, n_rows, inputs);
#ifdef BFLOAT16
        const void *rows = narrow;
#else
        const void *rows = before;
        if (!is_packed)
            multiply_few(n_rows, before, size, a->recurrent, size, 3 * size, of_all_u);
        if (!is_packed && multiplies) {
            if (step >= first_multiplied + n_multiplied) {
                first_multiplied = step;
                n_multiplied =
                    multiply_inputs(a, step, first, n_rows, inputs, of_all_x);
            }
            of_x_now = of_all_x + 3 * size * n_rows * (step - first_multiplied);
        }
#endif
        for (int64_t n = 0; n < size; n += FORWARD_COLUMNS) {
            const float *of_u = of_all_u + n, *of_x = of_x_now + n;
            if (is_packed) {
                multiply(n_rows, columns, rows, n_units, packed + 3 * n * size, n_units,
                         products);
                of_u = products;
            }
            if (is_packed && multiplies) {
                multiply(n_rows, columns, inputs, units_of_inputs,
                         packed_kernel + 3 * n * n_features, units_of_inputs,
                         of_inputs);
                of_x = of_inputs;
            }
            for (int i = 0; i < n_rows; i++) {
                const float *u = of_u + 3 * i * block, *x = of_x + 3 * i * block;
                int64_t block_of_x = block;
                if (!multiplies) {
                    int64_t row_of_x = row_ids ? row_ids[i] : place + i;
                    x = a->x + 3 * size * row_of_x + n;
                    block_of_x = size;
                }
                for (int64_t j = 0; j < FORWARD_COLUMNS; j += WIDTH) {
                    int64_t at = i * size + n + j;
                    if (padding[i]) {
                        STORE(after + at, LOAD(before + at));
                    } else {
                        advance(steepness, size, x + j, block_of_x, u + j, block,
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
    if (a->pooled)
        memcpy(a->pooled + first * size, last, n_rows * size * sizeof(float));
}

/* Constants are given for the hard gates' steepness, and for whether matrices are
   packed, so that each has code of its own. */
SEPARATE void steps_forward(const void *arguments, int64_t first, int64_t n_rows,
                            const void *packed, void *scratch) {
    const struct forward *a = arguments;
    START_PRODUCTS(n_rows);
    if (!packed)
        forward_rows(a, a->steepness, 0, first, n_rows, NULL, scratch);
    else if (a->steepness == 0.0f)
        forward_rows(a, 0.0f, 1, first, n_rows, packed, scratch);
    else
        forward_rows(a, a->steepness, 1, first, n_rows, packed, scratch);
    END_PRODUCTS();
}

/* From the gradient of a text's state after a step, for WIDTH of its values: those of
   x and u, of the biases, and of the state before, the way through u left out. */
INLINE void retreat(float steepness, int64_t size, vec of_h, const float *before,
                    const value *kept, value *of_gates, float *of_biases,
                    float *passed) {
    vec new = GET(kept), r = GET(kept + size), c = GET(kept + 2 * size);
    vec u = GET(kept + 3 * size);
    vec of_new = of_h * new, of_c = (SPLAT(1.0f) - c * c) * of_new;
    vec of_z = of_h * (LOAD(before) - c) * slope(steepness, new);
    vec of_r = of_c * u * slope(steepness, r);
    vec of_last = of_c * r;
    STORE(passed, of_h - of_new);
    PUT(of_gates, of_c);
    PUT(of_gates + size, of_z);
    PUT(of_gates + 2 * size, of_r);
    PUT(of_gates + 3 * size, of_last);
    STORE(of_biases, LOAD(of_biases) + of_z);
    STORE(of_biases + size, LOAD(of_biases + size) + of_r);
    STORE(of_biases + 2 * size, LOAD(of_biases + 2 * size) + of_c);
    STORE(of_biases + 3 * size, LOAD(of_biases + 3 * size) + of_last);
}

/* Numbers, each times its factor where there are any. */
INLINE void scale(const float *restrict from, const float *restrict factors, int64_t n,
                  float *restrict to) {
    if (factors)
        for (int64_t j = 0; j < n; j++)
            to[j] = from[j] * factors[j];
    else
        memcpy(to, from, n * sizeof(float));
}

/* What a step reads, copied: transposing reads a row many times, in pieces. */
INLINE const float *look_up(const float *vectors, const int32_t *row_ids,
                            const float *factors, int64_t n_rows, int64_t n_features,
                            float *room) {
    for (int64_t i = 0; i < n_rows; i++)
        scale(vectors + (row_ids ? row_ids[i] : i) * n_features,
              factors ? factors + i * n_features : NULL, n_features,
              room + i * n_features);
    return room;
}

/* The gradient of a state that is pooled. Where several are the largest, the last of
   them has it all, which is marked. */
INLINE vec unpool(vec h, const float *of_sum, int64_t row, float *largest) {
    vec of_largest = LOAD(of_sum + row), of_h = LOAD(of_sum);
    vec found = LOAD(largest), none = SPLAT(__builtin_nanf(""));
    STORE(largest, IF_EQUAL(h, found, none, found));
    return of_h + IF_EQUAL(h, found, of_largest, SPLAT(0.0f));
}

SEPARATE void pack_transposed(const void *arguments, void *to) {
    const struct backward *a = arguments;
    value *packed = to;
    pack_rows(a->recurrent, a->size, a->size, a->size, 0, packed);
    /* The gradients of x begin with those of its last block. */
    pack_rows(a->input_kernel, a->n_features, padded(a->n_features), a->size,
              2 * a->size, packed + 3 * a->size * a->size);
}

INLINE void backward_rows(const struct backward *a, const float steepness,
                          int64_t first, int64_t n_rows, const value *packed,
                          float *sums) {
    const int64_t size = a->size, row = a->batch * size, n_features = a->n_features;
    const int64_t n_units = 3 * size / VALUES_A_UNIT, stride = 4 * size / VALUES_A_UNIT;
    const value *packed_kernel = packed + 3 * size * size;
    float products[ROWS * BACKWARD_COLUMNS] __attribute__((aligned(64)));
    float *of_h = a->of_initial + first * size;
    float *of_biases = sums, *of_step = sums + n_sums(size, n_features);
    float *largest = of_step + 4 * size, *room = largest + ROWS * size;
    struct held held =
        hold(size, n_features, sums + 4 * size, room + ROWS * padded(n_features));
    const float *factors = a->factors ? a->factors + first * n_features : NULL;
    const float *of_pooled = a->of_pooled ? a->of_pooled + first * size : NULL;
    if (of_pooled) {
        memcpy(of_h, of_pooled, n_rows * size * sizeof(float));
        memcpy(largest, a->largest + first * size, n_rows * size * sizeof(float));
    } else {
        memset(of_h, 0, n_rows * size * sizeof(float));
    }
    memset(sums, 0, n_sums(size, n_features) * sizeof(float));
    for (int64_t step = 0; step < a->steps; step++) {
        int64_t t = a->reverse ? step : a->steps - 1 - step;
        int64_t place = t * a->batch + first;
        const float *before = a->states + (t + a->reverse) * row + first * size;
        const float *after = a->states + (t + !a->reverse) * row + first * size;
        const float *upstream = a->upstream ? a->upstream + place * size : NULL;
        const int32_t *row_ids = a->rows ? a->rows + place : NULL;
        const float *vectors = a->inputs + (row_ids ? 0 : place * n_features);
        const value *kept = (const value *)a->kept + 4 * place * size;
        float *of_inputs = a->of_inputs + place * n_features;
        value *of_gates = held.of_gates + 4 * size * held.n_rows;
        const uint8_t *padding = a->padding + place;
        int any = any_token(padding, n_rows);
        if (!any && !row_ids)
            memset(of_inputs, 0, n_rows * n_features * sizeof(float));
        if (!any && !upstream)
            continue;
        /* A step's sums by themselves, for sums of few numbers round less. */
        memset(of_step, 0, 4 * size * sizeof(float));
        for (int i = 0; i < n_rows; i++)
            for (int64_t j = 0; j < size; j += WIDTH) {
                int64_t at = i * size + j;
                vec sum = LOAD(of_h + at);
                if (upstream)
                    sum = sum + LOAD(upstream + at);
                if (!padding[i]) {
                    if (of_pooled)
                        sum = sum + unpool(LOAD(after + at), of_pooled + row + at, row,
                                           largest + at);
                    retreat(steepness, size, sum, before + at, kept + at + 3 * i * size,
                            of_gates + at + 3 * i * size, of_step + j, of_h + at);
                    continue;
                }
                STORE(of_h + at, sum);
                for (int k = 0; any && k < 4; k++)
                    PUT(of_gates + at + (3 * i + k) * size, SPLAT(0.0f));
            }
        if (!any)
            continue;
        for (int64_t j = 0; j < 4 * size; j += WIDTH)
            STORE(of_biases + j, LOAD(of_biases + j) + LOAD(of_step + j));
        for (int64_t n = 0; n < size; n += BACKWARD_COLUMNS) {
            multiply(n_rows, BACKWARD_COLUMNS, of_gates + size, stride,
                     packed + 3 * n * size, n_units, products);
            for (int i = 0; i < n_rows; i++)
                for (int j = 0; j < BACKWARD_COLUMNS; j += WIDTH) {
                    float *at = of_h + i * size + n + j;
                    STORE(at, LOAD(at) + LOAD(products + i * BACKWARD_COLUMNS + j));
                }
        }
        for (int64_t n = 0; n < n_features; n += BACKWARD_COLUMNS) {
            int64_t n_left = n_features - n;
            size_t n_columns = n_left < BACKWARD_COLUMNS ? n_left : BACKWARD_COLUMNS;
            multiply(n_rows, BACKWARD_COLUMNS, of_gates, stride,
                     packed_kernel + 3 * n * size, n_units, products);
            for (int i = 0; i < n_rows; i++)
                scale(products + i * BACKWARD_COLUMNS,
                      factors ? factors + i * n_features + n : NULL, n_columns,
                      of_inputs + i * n_features + n);
        }
        if (row_ids || factors)
            vectors = look_up(vectors, row_ids, factors, n_rows, n_features, room);
        hold_rows(&held, n_rows, padding, before, vectors);
        if (held.n_rows + n_rows > MOST_HELD) {
            add_products(&held);
            START_PRODUCTS(n_rows);
        }
    }
    add_products(&held);
}

SEPARATE void steps_back(const void *arguments, int64_t first, int64_t n_rows,
                         const void *packed, void *scratch) {
    const struct backward *a = arguments;
    START_PRODUCTS(n_rows);
    if (a->steepness == 0.0f)
        backward_rows(a, 0.0f, first, n_rows, packed, scratch);
    else
        backward_rows(a, a->steepness, first, n_rows, packed, scratch);
    END_PRODUCTS();
}

static const struct kernel NAME(kernel) = {
    .bytes_a_value = sizeof(value),
#ifndef BFLOAT16
    .fewest_packed = MOST_ROWS,
#endif
    .pack_forward = pack_matrices,
    .forward = steps_forward,
    .pack_backward = pack_transposed,
    .backward = steps_back,
};

#undef value
#undef GET
#undef PUT
#undef PUT_GATE
#undef VALUES_A_UNIT
#undef START_PRODUCTS
#undef END_PRODUCTS
