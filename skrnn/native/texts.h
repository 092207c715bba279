/* The ids of texts, laid end to end in as few bytes as hold them. */

#include <stdint.h>

struct texts {
    int64_t n_texts, n_ids, first_id; /* ids below the first are in no n-gram */
    int64_t bytes_an_id, bytes_an_offset;
    const void *ids;     /* (n_tokens,) */
    const void *offsets; /* (n_texts + 1,): where a text's ids begin and end */
};

static int64_t offset_at(const struct texts *a, int64_t text) {
    return a->bytes_an_offset == 4 ? ((const int32_t *)a->offsets)[text]
                                   : ((const int64_t *)a->offsets)[text];
}

/* The id at a place; where `bytes_an_id` is a constant nothing is asked for each. */
static inline int64_t id_in(const void *ids, int64_t bytes_an_id, int64_t place) {
    return bytes_an_id == 1   ? ((const uint8_t *)ids)[place]
           : bytes_an_id == 2 ? ((const uint16_t *)ids)[place]
                              : ((const int32_t *)ids)[place];
}

static inline int64_t id_at(const struct texts *a, int64_t place) {
    return id_in(a->ids, a->bytes_an_id, place);
}
