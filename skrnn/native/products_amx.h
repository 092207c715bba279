/* The same products with AMX, whose tiles hold 16 rows of 16 units. */

#define START_PRODUCTS(n_rows) configure(n_rows)
#define END_PRODUCTS() _tile_release()

/* Tiles 0 to 3 sum up; 4 and 5 hold rows; 6 and 7 a block's columns. */
SEPARATE void configure(int64_t n_rows) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes_a_row[16];
        uint8_t n_rows[16];
    } tiles = {.palette = 1};
    int first = n_rows < 16 ? n_rows : 16, second = n_rows - first;
    int of_tile[] = {first, first, second, second, first, second, 16, 16};
    for (int i = 0; i < 8; i++) {
        /* A tile without rows would not be allowed. */
        tiles.n_rows[i] = of_tile[i] ? of_tile[i] : 1;
        tiles.bytes_a_row[i] = 64;
    }
    /* Not by the intrinsic, of which GCC 12 does not know that it reads all of this. */
    __asm__ volatile("ldtilecfg %0" ::"m"(tiles));
}

INLINE void multiply(int64_t n_rows, const int n_columns, const void *rows,
                     int64_t stride, const void *block, int64_t n_units, float *out) {
    /* Compilers do not know what tiles are loaded from. */
    __asm__ volatile("" ::: "memory");
    const uint32_t *first = rows, *second = first + 16 * stride;
    for (int j = 0; j < n_columns; j += 32) {
        const uint32_t *left = (const uint32_t *)block + j, *right = left + 16;
        _tile_zero(0);
        _tile_zero(1);
        if (n_rows <= 16) {
            for (int64_t unit = 0; unit < n_units; unit += 16) {
                _tile_loadd(4, first + unit, stride * 4);
                _tile_loadd(6, left + unit * n_columns, n_columns * 4);
                _tile_loadd(7, right + unit * n_columns, n_columns * 4);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
            }
        } else {
            _tile_zero(2);
            _tile_zero(3);
            for (int64_t unit = 0; unit < n_units; unit += 16) {
                _tile_loadd(4, first + unit, stride * 4);
                _tile_loadd(6, left + unit * n_columns, n_columns * 4);
                _tile_dpbf16ps(0, 4, 6);
                _tile_loadd(5, second + unit, stride * 4);
                _tile_dpbf16ps(2, 5, 6);
                _tile_loadd(7, right + unit * n_columns, n_columns * 4);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(2, out + 16 * n_columns + j, n_columns * 4);
            _tile_stored(3, out + 16 * n_columns + j + 16, n_columns * 4);
        }
        _tile_stored(0, out + j, n_columns * 4);
        _tile_stored(1, out + j + 16, n_columns * 4);
    }
    __asm__ volatile("" ::: "memory");
}
