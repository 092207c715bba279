/* Products of a few rows with a packed block of a matrix.

   Numbers that are multiplied are counted in units of four bytes: a float, or two
   neighbours in bfloat16. A packed block holds for each unit of the rows' numbers
   `n_columns` units, one a column. */

#if defined(BFLOAT16)
#define MULTIPLY_ADD(sum, a, b)                             \
    _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(a), \
                     (__m512bh)_mm512_castps_si512(b))
#else
#define MULTIPLY_ADD(sum, a, b) ADD_PRODUCT(sum, a, b)
#endif

#define START_PRODUCTS(n_rows) ((void)(n_rows))
#define END_PRODUCTS() ((void)0)

/* `n_rows` and `n_columns` are constants where this is used: the sums stay in
   registers. */
INLINE void multiply_rows(const int n_rows, const int n_columns, const float *rows,
                          int64_t stride, const float *block, int64_t n_units,
                          float *out) {
    vec sums[MOST_ROWS][MOST_COLUMNS / WIDTH];
#pragma GCC unroll 8
    for (int i = 0; i < n_rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < n_columns / WIDTH; j++)
            sums[i][j] = SPLAT(0.0f);
    for (int64_t unit = 0; unit < n_units; unit++, block += n_columns) {
#pragma GCC unroll 8
        for (int i = 0; i < n_rows; i++) {
            vec a = SPLAT(rows[i * stride + unit]);
#pragma GCC unroll 8
            for (int j = 0; j < n_columns / WIDTH; j++)
                sums[i][j] = MULTIPLY_ADD(sums[i][j], a, LOAD(block + j * WIDTH));
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < n_rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < n_columns / WIDTH; j++)
            STORE(out + i * n_columns + j * WIDTH, sums[i][j]);
}

/* out[i, j] = the sum over k of rows[i, k] * matrix[k, j], for a block's columns j. */
INLINE void multiply(int64_t n_rows, const int n_columns, const void *rows,
                     int64_t stride, const void *block, int64_t n_units, float *out) {
    const float *left = rows;
    int i = 0;
    for (; i + MOST_ROWS <= n_rows; i += MOST_ROWS)
        multiply_rows(MOST_ROWS, n_columns, left + i * stride, stride, block, n_units,
                      out + i * n_columns);
    for (; i < n_rows; i++)
        multiply_rows(1, n_columns, left + i * stride, stride, block, n_units,
                      out + i * n_columns);
}

#ifndef BFLOAT16
/* A row times a matrix as it is, of which four rows are read at once, end to end. Sums
   add up in the order of `multiply`. */
INLINE void multiply_one(const float *row, const float *matrix, int64_t n_rows,
                         int64_t n_columns, float *out) {
    memset(out, 0, n_columns * sizeof(float));
    int64_t k = 0;
    for (; k + 4 <= n_rows; k += 4) {
        vec a = SPLAT(row[k]), b = SPLAT(row[k + 1]);
        vec c = SPLAT(row[k + 2]), d = SPLAT(row[k + 3]);
        const float *from = matrix + k * n_columns;
        for (int64_t j = 0; j < n_columns; j += WIDTH, from += WIDTH) {
            vec sum = ADD_PRODUCT(LOAD(out + j), a, LOAD(from));
            sum = ADD_PRODUCT(sum, b, LOAD(from + n_columns));
            sum = ADD_PRODUCT(sum, c, LOAD(from + 2 * n_columns));
            STORE(out + j, ADD_PRODUCT(sum, d, LOAD(from + 3 * n_columns)));
        }
    }
    for (; k < n_rows; k++)
        for (int64_t j = 0; j < n_columns; j += WIDTH)
            STORE(out + j, ADD_PRODUCT(LOAD(out + j), SPLAT(row[k]),
                                       LOAD(matrix + k * n_columns + j)));
}
#endif

#undef MULTIPLY_ADD
