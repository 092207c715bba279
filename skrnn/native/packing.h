/* Matrices in the order that products read them in: numbers as units of four bytes,
   a float or two neighbours in bfloat16, and a block of columns after the other. */

/* A unit of each of WIDTH columns: of one row, or of two. */
INLINE vec units_of(vec first, vec second) {
#ifdef BFLOAT16
    __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(first));
    __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(second));
    return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
#else
    (void)second;
    return first;
#endif
}

/* WIDTH floats, but for those that are none of the `n_left`: these are 0. */
INLINE vec load_some(const float *from, int64_t n_left) {
    float some[WIDTH] = {0};
    if (n_left >= WIDTH)
        return LOAD(from);
    for (int64_t i = 0; i < n_left; i++)
        some[i] = from[i];
    return LOAD(some);
}

/* Rows as values, each times its factors, with zeros behind them. `row_ids` tells
   which they are; it, or the factors, may be NULL. */
INLINE void narrow_rows(const float *rows, const int32_t *row_ids, const float *factors,
                        int64_t n_rows, int64_t n_columns, value *to) {
    for (int64_t i = 0; i < n_rows; i++, to += padded(n_columns)) {
        const float *row = rows + (row_ids ? row_ids[i] : i) * n_columns;
        for (int64_t j = 0; j < padded(n_columns); j += WIDTH) {
            vec x = load_some(row + j, n_columns - j);
            if (factors)
                x = x * load_some(factors + i * n_columns + j, n_columns - j);
            PUT(to + j, x);
        }
    }
}

/* A matrix of three blocks: for each FORWARD_COLUMNS columns of these, side by side,
   the units of all rows, and of rows of zeros behind them. */
INLINE void pack_columns(const float *matrix, int64_t n_rows, int64_t n_packed,
                         int64_t size, value *to) {
    for (int64_t k = 0; k < n_packed; k += VALUES_A_UNIT)
        for (int64_t n = 0; n < 3 * size; n += WIDTH) {
            const float *from = matrix + k * 3 * size + n;
            vec first = SPLAT(0.0f), second = SPLAT(0.0f);
            if (k < n_rows)
                first = LOAD(from);
            if (k + 1 < n_rows)
                second = LOAD(from + 3 * size);
            int64_t column = n % size, block = n / size;
            float *units = (float *)(to + column / FORWARD_COLUMNS * 3 *
                                              FORWARD_COLUMNS * n_packed);
            units += (k / VALUES_A_UNIT * 3 + block) * FORWARD_COLUMNS;
            STORE(units + column % FORWARD_COLUMNS, units_of(first, second));
        }
}

/* The transposed of a matrix of three blocks whose columns are taken from `start` on,
   round and round: for each BACKWARD_COLUMNS of its rows, the units of all columns,
   and of rows of zeros behind them. */
INLINE void pack_rows(const float *matrix, int64_t n_rows, int64_t n_packed,
                      int64_t size, int64_t start, value *to) {
    uint32_t *packed = (uint32_t *)to;
    const int64_t n_units = 3 * size / VALUES_A_UNIT;
    for (int64_t i = 0; i < n_packed; i++) {
        uint32_t *column = packed + i / BACKWARD_COLUMNS * BACKWARD_COLUMNS * n_units +
                           i % BACKWARD_COLUMNS;
        for (int64_t n = 0; n < 3 * size; n += WIDTH) {
            value values[WIDTH];
            const float *from = matrix + i * 3 * size + (start + n) % (3 * size);
            PUT(values, i < n_rows ? LOAD(from) : SPLAT(0.0f));
            for (size_t unit = 0; unit < WIDTH / VALUES_A_UNIT;
                 unit++, column += BACKWARD_COLUMNS)
                memcpy(column, values + unit * VALUES_A_UNIT, sizeof(*column));
        }
    }
}
