/* The gradients of a GRU's weights: products of what steps read, transposed, with the
   gradients of what they computed. Those of several steps are held back and taken
   together, for a product adds to the whole matrix whatever the number of its rows. */

struct held {
    int64_t size, n_features, n_rows;
    float *of_recurrent, *of_kernel; /* (size, 3 * size), (n_features, 3 * size) */
    /* Four blocks, those of x's candidate, of the gates, of u's candidate: what x has
       is in the first three, what u has in the last three. */
    value *of_gates;
    value *states, *inputs; /* transposed: MOST_HELD values for each column */
};

INLINE struct held hold(int64_t size, int64_t n_features, float *sums, void *scratch) {
    struct held held = {.size = size, .n_features = n_features};
    held.of_recurrent = sums;
    held.of_kernel = sums + 3 * size * size;
    held.of_gates = scratch;
    held.states = held.of_gates + MOST_HELD * 4 * size;
    held.inputs = held.states + MOST_HELD * size;
    /* Of features there are none of, too, lest these be multiplied as they are. */
    memset(held.inputs, 0, MOST_HELD * padded(n_features) * sizeof(value));
    return held;
}

/* Zeros where no token stands: states there may be none that were written. */
INLINE void transpose(const float *rows, const uint8_t *padding, int64_t n_rows,
                      int64_t n_columns, value *to) {
    const int64_t units_held = MOST_HELD / VALUES_A_UNIT;
    /* Few columns at a time: all that is written of these stays in the cache. */
    for (int64_t j = 0; j < n_columns; j += WIDTH)
        for (int64_t i = 0; i < n_rows; i += VALUES_A_UNIT) {
            const float *from = rows + i * n_columns + j;
            vec first = SPLAT(0.0f), second = SPLAT(0.0f);
            if (!padding[i])
                first = load_some(from, n_columns - j);
            if (i + 1 < n_rows && !padding[i + 1])
                second = load_some(from + n_columns, n_columns - j);
            float units[WIDTH];
            STORE(units, units_of(first, second));
            float *column = (float *)to + j * units_held + i / VALUES_A_UNIT;
            for (int k = 0; k < WIDTH; k++)
                column[k * units_held] = units[k];
        }
}

/* Hold what a step read beside the gradients of its gates, which are there. */
INLINE void hold_rows(struct held *held, int64_t n_rows, const uint8_t *padding,
                      const float *states, const float *inputs) {
    transpose(states, padding, n_rows, held->size, held->states + held->n_rows);
    transpose(inputs, padding, n_rows, held->n_features, held->inputs + held->n_rows);
    held->n_rows += n_rows;
    if (held->n_rows % VALUES_A_UNIT) {
        value *of_gates = held->of_gates + 4 * held->size * held->n_rows++;
        memset(of_gates, 0, 4 * held->size * sizeof(value));
    }
}

/* Add a product for BACKWARD_COLUMNS columns of a matrix of three blocks. */
INLINE void add_product(const value *transposed, int64_t n_rows, const float *block,
                        int64_t n_units, float *sums, int64_t width) {
    const int64_t units_held = MOST_HELD / VALUES_A_UNIT;
    float products[ROWS * BACKWARD_COLUMNS] __attribute__((aligned(64)));
    for (int64_t m = 0; m < n_rows; m += ROWS, sums += ROWS * width) {
        multiply(ROWS, BACKWARD_COLUMNS, transposed + m * MOST_HELD, units_held, block,
                 n_units, products);
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < BACKWARD_COLUMNS; j += WIDTH) {
                float *at = sums + i * width + j;
                STORE(at, LOAD(at) + LOAD(products + i * BACKWARD_COLUMNS + j));
            }
    }
}

/* Add the products of all that is held, and let go of it. */
INLINE void add_products(struct held *held) {
    const int64_t size = held->size, n_features = padded(held->n_features);
    /* Tiles take 16 units at a time: zeros behind the last. */
    const int64_t n_rows = padded(held->n_rows), n_units = n_rows / VALUES_A_UNIT;
    const int64_t n_zeros = n_rows - held->n_rows;
    if (!n_rows)
        return;
    memset(held->of_gates + 4 * size * held->n_rows, 0,
           4 * size * n_zeros * sizeof(value));
    for (int64_t j = 0; j < size + n_features; j++)
        memset(held->states + j * MOST_HELD + held->n_rows, 0, n_zeros * sizeof(value));
    float block[MOST_HELD / VALUES_A_UNIT * BACKWARD_COLUMNS]
        __attribute__((aligned(64)));
    START_PRODUCTS(ROWS);
    for (int64_t n = 0; n < 4 * size; n += BACKWARD_COLUMNS) {
        for (int64_t unit = 0; unit < n_units; unit++)
            for (int j = 0; j < BACKWARD_COLUMNS; j += WIDTH) {
                const value *from =
                    held->of_gates + 4 * size * unit * VALUES_A_UNIT + n + j;
                vec second = VALUES_A_UNIT == 2 ? GET(from + 4 * size) : SPLAT(0.0f);
                STORE(block + unit * BACKWARD_COLUMNS + j, units_of(GET(from), second));
            }
        if (n >= size)
            add_product(held->states, size, block, n_units,
                        held->of_recurrent + n - size, 3 * size);
        if (n < 3 * size)
            add_product(held->inputs, n_features, block, n_units,
                        held->of_kernel + (n + 2 * size) % (3 * size), 3 * size);
    }
    held->n_rows = 0;
}
