/* Words and signs of texts in Latin-1, called from words.py beside this file. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum kind { LETTER, SIGN, SPACE };

struct word_bounds {
    int64_t n_bytes;
    const uint8_t *text;
    const uint8_t *kinds;    /* (256,): what each byte is */
    int32_t *starts, *stops; /* (n_bytes,) */
};

const size_t bytes_of_word_bounds = sizeof(struct word_bounds);

/* Of runs of letters and of single signs; gives how many there are. Without a branch:
   where a word ends cannot be foretold. */
int64_t word_bounds(const struct word_bounds *a) {
    int64_t n_starts = 0, n_stops = 0;
    enum kind before = SPACE;
    for (int64_t i = 0; i < a->n_bytes; i++) {
        enum kind kind = a->kinds[a->text[i]];
        int goes_on = (kind == LETTER) & (before == LETTER);
        a->stops[n_stops] = i;
        n_stops += (before != SPACE) & !goes_on;
        a->starts[n_starts] = i;
        n_starts += (kind != SPACE) & !goes_on;
        before = kind;
    }
    if (before != SPACE)
        a->stops[n_stops] = a->n_bytes;
    return n_starts;
}

struct find_words {
    int64_t n_words, slot_bits;
    const uint8_t *text;           /* with 16 bytes or more from each start on */
    const int32_t *starts, *stops; /* (n_words,) */
    const uint64_t *multipliers;   /* (2,) */
    const uint64_t *keys;          /* (n_slots, 2): bytes, and zeros behind them */
    const int32_t *ids_of_slots;   /* (n_slots,) */
    int32_t *ids;                  /* (n_words,): -1 where the slot has another key */
};

const size_t bytes_of_find_words = sizeof(struct find_words);

/* All bits of the first bytes of eight, in the order that x86 has them in. */
static uint64_t mask_of(int64_t n_bytes) {
    return n_bytes <= 0 ? 0 : n_bytes >= 8 ? ~0ULL : (1ULL << 8 * n_bytes) - 1;
}

void find_words(const struct find_words *a) {
    for (int64_t i = 0; i < a->n_words; i++) {
        int64_t length = a->stops[i] - a->starts[i];
        uint64_t key[2];
        memcpy(key, a->text + a->starts[i], sizeof(key));
        key[0] &= mask_of(length);
        key[1] &= mask_of(length - 8);
        uint64_t mixed = key[0] * a->multipliers[0] ^ key[1] * a->multipliers[1];
        /* At once it may be by 64, which C knows nothing of. */
        uint64_t slot = mixed >> 1 >> (63 - a->slot_bits);
        int found = a->keys[2 * slot] == key[0] && a->keys[2 * slot + 1] == key[1];
        a->ids[i] = found ? a->ids_of_slots[slot] : -1;
    }
}
