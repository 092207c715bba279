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
    int64_t i = 0;
    /* Halves for the rows that are left over: one by one each would read the block. */
#pragma GCC unroll 4
    for (int at_once = MOST_ROWS; at_once; at_once /= 2)
        for (; i + at_once <= n_rows; i += at_once)
            multiply_rows(at_once, n_columns, left + i * stride, stride, block, n_units,
                          out + i * n_columns);
}

#ifndef BFLOAT16
/* A few rows times a matrix as it is, of which four rows are read at once, end to end,
   for all of them. Sums add up in the order of `multiply`. */
INLINE void multiply_by_unpacked(int64_t n_rows, const float *restrict rows,
                                 int64_t stride, const float *restrict matrix,
                                 int64_t n_units, int64_t n_columns,
                                 float *restrict out) {
    memset(out, 0, n_rows * n_columns * sizeof(float));
    int64_t k = 0;
    for (; k + 4 <= n_units; k += 4)
        for (int64_t j = 0; j < n_columns; j += WIDTH) {
            const float *from = matrix + k * n_columns + j;
            vec a = LOAD(from), b = LOAD(from + n_columns);
            vec c = LOAD(from + 2 * n_columns), d = LOAD(from + 3 * n_columns);
            for (int64_t i = 0; i < n_rows; i++) {
                const float *row = rows + i * stride + k;
                float *to = out + i * n_columns + j;
                vec sum = ADD_PRODUCT(LOAD(to), SPLAT(row[0]), a);
                sum = ADD_PRODUCT(sum, SPLAT(row[1]), b);
                sum = ADD_PRODUCT(sum, SPLAT(row[2]), c);
                STORE(to, ADD_PRODUCT(sum, SPLAT(row[3]), d));
            }
        }
    for (; k < n_units; k++)
        for (int64_t i = 0; i < n_rows; i++)
            for (int64_t j = 0; j < n_columns; j += WIDTH) {
                float *to = out + i * n_columns + j;
                STORE(to, ADD_PRODUCT(LOAD(to), SPLAT(rows[i * stride + k]),
                                      LOAD(matrix + k * n_columns + j)));
            }
}

/* The same; with constants it is as fast for one row as it can be. */
INLINE void multiply_few(int64_t n_rows, const float *rows, int64_t stride,
                         const float *matrix, int64_t n_units, int64_t n_columns,
                         float *out) {
    if (n_rows == 1)
        multiply_by_unpacked(1, rows, stride, matrix, n_units, n_columns, out);
    else
        multiply_by_unpacked(n_rows, rows, stride, matrix, n_units, n_columns, out);
}
#endif

#undef MULTIPLY_ADD
